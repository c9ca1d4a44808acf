# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband plugin`: puts the DAW plug-in where hosts look for it, takes it away, and says where things are."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lbserver.errors import LiveBandError
from lbserver.files.plain_json import to_json
from lbserver.host import program_file
from lbserver.plugin import bundles
from lbserver.plugin.bundles import Bundle, Place

_STATES = {
    "absent": "not installed",
    "ours": "installed",
    "changed": "changed since it was installed",
    "foreign": "put there by another hand",
}
_WHAT_NOW = {
    "Pd": "In Pd make an object `liveband~`; its help shows how it is played.",
    "SuperCollider": "In SuperCollider recompile the class library and boot the server; the help of LiveBand has examples.",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`liveband plugin`."""
    parser = commands.add_parser(
        "plugin",
        help="install the DAW plug-in, remove it, say where it is",
        description="The plug-in for DAWs (VST3, LV2; Audio Unit on macOS), `liveband~` for Pd and the UGen LiveBand for\n"
        "SuperCollider, which `make plugin` builds.",
        epilog="examples:\n  liveband plugin install\n  liveband plugin where --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add(
        actions,
        "install",
        _install,
        "put it where hosts look for plug-ins",
        "Copies the plug-in that `make plugin` built into your own plug-in folders, and writes down where this\n"
        "`liveband` is, for the plug-in's button `Start the band`. Hosts find it when they look for plug-ins again.\n"
        "With --pd or --sc what Pd or SuperCollider load is put where they look, and nothing else.",
        "examples:\n  liveband plugin install\n  liveband plugin install --pd --sc",
    )
    _add(
        actions,
        "uninstall",
        _uninstall,
        "remove what was installed",
        "Removes what `install` put there, and nothing else.",
        "example: liveband plugin uninstall",
    )
    _add(
        actions,
        "where",
        _where,
        "paths, versions, and whether it is the one that was built",
        "Says where hosts look, what is there, and whether it is the plug-in that was built last.",
        "example: liveband plugin where --json",
    )


def _add(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    what: str,
    description: str,
    epilog: str,
) -> None:
    parser = actions.add_parser(
        name,
        help=what,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if name != "uninstall":
        parser.add_argument(
            "--from",
            dest="source",
            type=Path,
            metavar="PATH",
            help="a folder of built plug-ins, one bundle, or a .zip or .tar.gz of them (default: what `make plugin` "
            "built in this checkout)",
        )
    if name == "install":
        parser.add_argument("--pd", action="store_true", help="`liveband~`, for Pd")
        parser.add_argument("--sc", action="store_true", help="the UGen LiveBand, for SuperCollider")
    if name != "where":
        parser.add_argument(
            "--system", action="store_true", help="for all users; needs administrator's rights"
        )
        parser.add_argument(
            "--force", action="store_true", help="also where another hand put or changed something"
        )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def _asked(parsed: argparse.Namespace) -> dict[str, Path]:
    """Folders of what is asked for, by format: the externals that were named, else what a DAW loads."""
    named = [form for form, wanted in zip(bundles.EXTERNALS, (parsed.pd, parsed.sc), strict=True) if wanted]
    places = bundles.folders(system=parsed.system)
    unknown = [form for form in named if form not in places]
    if unknown:
        raise LiveBandError(
            f"{' and '.join(unknown)} cannot be installed on this system: Linux and macOS are accepted"
        )
    return {
        form: folder
        for form, folder in places.items()
        if (form in named if named else form not in bundles.EXTERNALS)
    }


def _install(parsed: argparse.Namespace) -> int:
    rows = []
    asked = _asked(parsed)
    with bundles.built(parsed.source) as built:
        wanted = {form: folder for form, folder in asked.items() if form in built}
        if not wanted or ((parsed.pd or parsed.sc) and len(wanted) < len(asked)):
            missing = ", ".join(form for form in asked if form not in built)
            hint = "; `make plugin` builds those whose headers are here: puredata-dev, supercollider-dev"
            raise LiveBandError(
                f"nothing for {missing} in {parsed.source or bundles.BUILD}: it holds {', '.join(built)}"
                + (hint if parsed.pd or parsed.sc else "")
            )
        for form, folder in wanted.items():
            done = bundles.install(built[form], folder, force=parsed.force)
            rows.append({"format": form, "path": str(folder / bundles.BUNDLES[form]), "done": done})
    for_daws = not (parsed.pd or parsed.sc)
    program = program_file.this_program() if for_daws else None
    noted = False
    try:
        noted = program is not None and program_file.write_program(program)
    except OSError as error:
        print(f"liveband: {program_file.program_file()} was not written: {error.strerror}", file=sys.stderr)
    if parsed.json:
        named = program_file.named_program()
        print(to_json({"plugins": rows, "program": None if named is None else str(named)}))
        return 0
    for row in rows:
        same = " (the same as before)" if row["done"] == "unchanged" else ""
        print(f"{row['done']:<10} {row['format']:<5} {row['path']}{same}")
    for form, what_now in _WHAT_NOW.items():
        if form in wanted:
            print(what_now)
    if not for_daws:
        return 0
    if noted:
        print(f"The plug-in's button `Start the band` runs {program}")
    else:
        print("The plug-in looks for `liveband` on the PATH, in ~/.local/bin and /usr/local/bin.")
    print("Let your host look for plug-ins again, put LiveBand on a track, and play.")
    return 0


def _uninstall(parsed: argparse.Namespace) -> int:
    rows: list[dict[str, str]] = []
    refused: list[str] = []
    for form, folder in bundles.folders(system=parsed.system).items():
        path = str(folder / bundles.BUNDLES[form])
        try:
            rows.append(
                {
                    "format": form,
                    "path": path,
                    "done": bundles.uninstall(form, folder, force=parsed.force),
                }
            )
        except LiveBandError as error:
            refused.append(str(error))
    removed = False
    try:
        removed = not parsed.system and not refused and program_file.remove_program()
    except OSError as error:
        refused.append(f"cannot remove {program_file.program_file()}: {error.strerror}")
    if parsed.json:
        print(to_json({"plugins": rows, "program_removed": removed, "refused": refused}))
    else:
        for row in rows:
            print(
                f"{'removed' if row['done'] == 'removed' else 'not there':<10} {row['format']:<5} {row['path']}"
            )
        if removed:
            print(f"{'removed':<10}       {program_file.program_file()}")
    if refused:
        raise LiveBandError("; ".join(refused))
    return 0


def _where(parsed: argparse.Namespace) -> int:
    ours: dict[str, Bundle] = {}
    why = ""
    with_source = parsed.source is not None
    try:
        with bundles.built(parsed.source) as found:
            ours = found
    except LiveBandError as error:
        if with_source:
            raise
        why = str(error)
    rows = [
        _row(bundles.look(form, folder), ours.get(form), scope)
        for scope in ("user", "system")
        for form, folder in bundles.folders(system=scope == "system").items()
    ]
    program = program_file.named_program()
    if parsed.json:
        made = {form: {"path": str(b.path), "version": b.version} for form, b in ours.items()}
        named = None if program is None else str(program)
        config = str(program_file.program_file())
        print(to_json({"built": made, "places": rows, "program": named, "program_file": config}))
        return 0
    for row in rows:
        version = f" {row['version']}" if row["version"] else ""
        same = {True: ", the same as the one built", False: ", not the one built last", None: ""}[
            row["same_as_built"]
        ]
        print(f"{row['format']:<5} {row['path']}: {_STATES[row['state']]}{version}{same}")
    for form, bundle in ours.items():
        print(f"built {form}{f' {bundle.version}' if bundle.version else ''}: {bundle.path}")
    if why:
        print(why)
    print(f"`Start the band` runs {program or 'the liveband it finds on the PATH'}")
    return 0


def _row(place: Place, made: Bundle | None, scope: str) -> dict[str, Any]:
    same = None if made is None or place.digest is None else place.digest == made.digest
    return {
        "format": place.form,
        "scope": scope,
        "path": str(place.path),
        "state": place.state,
        "version": place.version,
        "same_as_built": same,
    }
