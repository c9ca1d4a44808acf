# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file that is written: the Max package with its patches, help, device and tables; surfaces; pictures."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from py2max.m4l import ensure_amxd_project_block, pack_amxd

from lbserver.protocol import MAJOR, MINOR, osc
from lbserver.protocol.controls import CONTROLS
from lbserver.protocol.errors import ERRORS
from lbserver.protocol.status import STATUS
from max_patches.generator import help_patches, surfaces, views

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "LiveBand"
DEVICE = "LiveBand Control"
_SAME_TIME = 3_786_912_000
"""Devices bear a date, in seconds since 1904; the same in each, so that the same tables make the same file."""


def patch_json(tree: Mapping[str, Any]) -> str:
    """As it is checked in."""
    return json.dumps(tree, indent=1, sort_keys=True) + "\n"


def amxd(tree: dict[str, Any]) -> bytes:
    """An audio effect for Live."""
    ensure_amxd_project_block(tree, "audio_effect", _SAME_TIME)
    return pack_amxd(
        json.dumps(tree, indent=1, sort_keys=True), patcher_filename=f"{DEVICE}.maxpat", mtime=_SAME_TIME
    )


def package_info() -> str:
    """Max's description of a package."""
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = {
        "name": "LiveBand",
        "displayname": "LiveBand",
        "version": project["version"],
        "author": project["authors"][0]["name"],
        "description": project["description"],
        "tags": ["audio", "accompaniment", "OSC", "machine learning"],
        "max_version_min": "8.5",
        "os": {"macintosh": {"min_version": "none"}, "windows": {"min_version": "none"}},
        "homepatcher": "liveband~.maxhelp",
    }
    return json.dumps(info, indent=2) + "\n"


def tables() -> str:
    """What the sidecar knows of the protocol."""
    rows = {
        "MAJOR": MAJOR,
        "MINOR": MINOR,
        "PORT": osc.PORT,
        "MAX_PACKET_BYTES": osc.MAX_PACKET_BYTES,
        "ADDRESSES": {one.pattern: {"direction": one.direction, "arguments": one.arguments} for one in osc.ADDRESSES},
        "CONTROLS": {
            one.name: {
                "kind": one.kind, "minimum": one.minimum, "maximum": one.maximum, "initial": one.default,
                "choices": list(one.choices), "acts": one.acts,
            }
            for one in CONTROLS
        },
        "STATUS": [one.name for one in STATUS],
        "ERRORS": list(ERRORS),
        "COUNTS": list(views.COUNTS),
        "PROTOCOLS": list(views.PROTOCOLS),
        "WINDOW": {name: {"minimum": low, "maximum": high, "initial": first} for name, _, (low, high, first) in views.WINDOW},
        "RING_SECONDS": views.RING_SECONDS,
    }  # fmt: skip
    lines = [f"  {name}: {json.dumps(value, ensure_ascii=False)}," for name, value in rows.items()]
    head = "// SPDX-License-Identifier: GPL-3.0-or-later\n// Written by `python -m max_patches.generator`. Do not edit.\n"
    return head + '"use strict";\n\nmodule.exports = Object.freeze({\n' + "\n".join(lines) + "\n});\n"


def boards() -> dict[Path, dict[str, Any]]:
    """Every patch as a tree, by its path."""
    trees = {PACKAGE / "patchers" / f"{name}.maxpat": make().tree() for name, make in views.VIEWS.items()}
    trees |= {PACKAGE / "help" / f"{name}.maxhelp": make().tree() for name, make in help_patches.HELP.items()}
    trees[PACKAGE / "examples" / "play along.maxpat"] = help_patches.play_along().tree()
    return trees


def shown() -> dict[Path, dict[str, Any]]:
    """Which patch is shown by which picture."""
    trees = {path.stem: tree for path, tree in boards().items() if path.suffix == ".maxpat"}
    trees[DEVICE] = views.device().tree()
    return {PACKAGE / "docs" / f"{name}.png": tree for name, tree in trees.items()}


def files() -> dict[Path, bytes]:
    """What each file is, pictures excepted."""
    made = {path: patch_json(tree).encode() for path, tree in boards().items()}
    made[PACKAGE / "devices" / f"{DEVICE}.amxd"] = amxd(views.device().tree())
    made[PACKAGE / "package-info.json"] = package_info().encode()
    made[PACKAGE / "javascript" / "tables.js"] = tables().encode()
    return made | {ROOT / "surfaces" / name: make() for name, make in surfaces.FILES.items()}
