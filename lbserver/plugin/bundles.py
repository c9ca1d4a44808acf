# SPDX-License-Identifier: GPL-3.0-or-later
"""The plug-in's bundles: found where they were built, put where hosts look, and taken away again.

Beside the bundles of a folder lies `.liveband-installed.json`, which says what was put there by us, by its digest.
Anything else of the same name (a link, a folder that another hand put there or changed) is somebody else's: it is
neither replaced nor removed. A bundle appears whole under its name, or not at all; a host that has the old one
loaded keeps it.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from lbserver.errors import LiveBandError
from lbserver.files.documents import read_json
from lbserver.files.locks import seize

BUNDLES = {
    "VST3": "LiveBand.vst3",
    "LV2": "LiveBand.lv2",
    "AU": "LiveBand.component",
    "Pd": "liveband~",
    "SuperCollider": "LiveBand",
}
"""Formats, and what their bundles are called."""
EXTERNALS = ("Pd", "SuperCollider")
"""Those that a DAW does not load."""
CHECKOUT = Path(__file__).resolve().parents[2]
BUILD = CHECKOUT / "build" / "plugin" / "juce" / "LiveBand_artefacts" / "Release"
"""Where `make plugin` puts them."""
RECORD = ".liveband-installed.json"
_MOST_FILES, _MOST_BYTES = 2000, 2**30


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """One plug-in folder; `digest` is over names, contents and what may be executed. `version` is None if unknown."""

    form: str
    path: Path
    digest: str
    version: str | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where hosts look for one format, and what is there.

    state: absent, ours, changed (we put it there, and somebody changed it) or foreign.
    """

    form: str
    path: Path
    state: str
    digest: str | None = None
    version: str | None = None


def folders(
    *, system: bool, platform: str = sys.platform, environment: Mapping[str, str] | None = None
) -> dict[str, Path]:
    """Where hosts look, by format: of this user, or of all users (`system`)."""
    env = os.environ if environment is None else environment
    home = Path(env.get("HOME") or Path.home())
    if platform == "darwin":
        library = (Path("/") if system else home) / "Library"
        base = library / "Audio" / "Plug-Ins"
        extensions = library / "Application Support" / "SuperCollider" / "Extensions"
        return {
            "VST3": base / "VST3",
            "AU": base / "Components",
            "Pd": library / "Pd",
            "SuperCollider": extensions,
        }
    if platform == "win32":
        common = env.get("COMMONPROGRAMFILES", "C:\\Program Files\\Common Files")
        local = env.get("LOCALAPPDATA", str(home / "AppData" / "Local"))
        return {"VST3": Path(common) / "VST3" if system else Path(local) / "Programs" / "Common" / "VST3"}
    if system:
        return {
            "VST3": Path("/usr/local/lib/vst3"),
            "LV2": Path("/usr/local/lib/lv2"),
            "Pd": Path("/usr/local/lib/pd-externals"),
            "SuperCollider": Path("/usr/share/SuperCollider/Extensions"),
        }
    data = Path(env.get("XDG_DATA_HOME") or home / ".local" / "share")
    return {
        "VST3": home / ".vst3",
        "LV2": home / ".lv2",
        "Pd": home / ".local" / "lib" / "pd" / "extra",
        "SuperCollider": data / "SuperCollider" / "Extensions",
    }


@contextlib.contextmanager
def built(source: Path | None = None) -> Iterator[dict[str, Bundle]]:
    """The bundles in `source`, by format: what `make plugin` built, a folder, one bundle, or an archive of them.

    Raises LiveBandError when there is none.
    """
    with contextlib.ExitStack() as stack:
        at = BUILD if source is None else source
        if not at.exists():
            if source is not None:
                raise LiveBandError(f"no such file or folder: {source}")
            raise LiveBandError(
                "the plug-in is not built: run `make plugin` in a checkout of LiveBand"
                if not (CHECKOUT / "plugin_shim").is_dir()
                else f"the plug-in is not built: run `make plugin` in {CHECKOUT}"
            )
        if at.is_file():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liveband-plugin-")))
            _unpack(at, folder)
            at = folder
        found = _bundles_in(at)
        if not found:
            names = ", ".join(BUNDLES.values())
            raise LiveBandError(f"no plug-in in {source or at}: looked for {names}")
        yield found


def look(form: str, folder: Path) -> Place:
    """What is in a folder of plug-ins under our name."""
    path = folder / BUNDLES[form]
    if not os.path.lexists(path):
        return Place(form=form, path=path, state="absent")
    entry = _record(folder).get(path.name)
    if path.is_symlink() or not path.is_dir():
        return Place(form=form, path=path, state="foreign")
    digest = digest_of(path)
    if entry is None:
        return Place(form=form, path=path, state="foreign", digest=digest)
    for known in (entry, entry.get("before")):
        if isinstance(known, dict) and known.get("sha256") == digest:
            version = known.get("version")
            return Place(
                form=form,
                path=path,
                state="ours",
                digest=digest,
                version=version if isinstance(version, str) else None,
            )
    return Place(form=form, path=path, state="changed", digest=digest)


def install(bundle: Bundle, folder: Path, *, force: bool = False) -> str:
    """Put a bundle into a folder of plug-ins, made if need be; returns installed, updated or unchanged.

    `force` replaces what somebody changed or put there, but never a link or a file.
    Raises LiveBandError: what is there is not ours, or the folder cannot be written to.
    """
    path = folder / BUNDLES[bundle.form]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            there = look(bundle.form, folder)
            if there.digest == bundle.digest and there.state in ("ours", "foreign"):
                return "unchanged"
            _refuse_foreign(there, "replaced", force=force)
            part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=folder))
            try:
                fresh = part / path.name
                shutil.copytree(bundle.path, fresh)
                if digest_of(fresh) != bundle.digest:
                    raise LiveBandError(f"{bundle.path} changed while it was copied: try again")
                _open_to_readers(fresh, folder)
                entry: dict[str, Any] = {"version": bundle.version, "sha256": bundle.digest}
                # Both until the names are changed: whenever this ends, what lies there is known for ours.
                before = {"version": there.version, "sha256": there.digest}
                _write_record(folder, path.name, {**entry, "before": before} if there.digest else entry)
                if os.path.lexists(path):
                    path.rename(part / "before")
                try:
                    fresh.rename(path)
                except OSError:
                    if (part / "before").exists():
                        (part / "before").rename(path)
                    raise
                _write_record(folder, path.name, entry)
            finally:
                shutil.rmtree(part, ignore_errors=True)
            return "installed" if there.state == "absent" else "updated"
    except OSError as error:
        raise LiveBandError(
            f"cannot install {path}: {(error.strerror or str(error)).lower()}{_needs_root(error)}"
        ) from None


def uninstall(form: str, folder: Path, *, force: bool = False) -> str:
    """Remove what `install` put there; returns removed or absent. Raises LiveBandError if it is not ours."""
    path = folder / BUNDLES[form]
    try:
        if not folder.is_dir() or look(form, folder).state == "absent":
            return "absent"
        with _alone(folder):
            _refuse_foreign(look(form, folder), "removed", force=force)
            part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=folder))
            path.rename(part / path.name)  # no host shall find half of it
            shutil.rmtree(part, ignore_errors=True)
            _write_record(folder, path.name, None)
    except OSError as error:
        raise LiveBandError(
            f"cannot remove {path}: {(error.strerror or str(error)).lower()}{_needs_root(error)}"
        ) from None
    return "removed"


def digest_of(bundle: Path) -> str:
    """A sha256 over a folder: names, contents, what may be executed. Raises LiveBandError for links in it."""
    total = hashlib.sha256()
    for path in sorted(bundle.rglob("*")):
        info = path.lstat()
        name = path.relative_to(bundle).as_posix().encode()
        if stat.S_ISDIR(info.st_mode):
            continue
        if not stat.S_ISREG(info.st_mode):
            raise LiveBandError(f"{path} is a link or no file: a plug-in has none")
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        may_run = bool(info.st_mode & stat.S_IXUSR)
        total.update(b"%d:%s%d" % (len(name), name, may_run) + content)
    return total.hexdigest()


def _bundles_in(at: Path) -> dict[str, Bundle]:
    found = {}
    for form, name in BUNDLES.items():
        candidates = [at, at / name, at / form / name, *sorted(at.glob(f"*/{name}"))]
        candidates += sorted(at.glob(f"*/*/{name}"))
        for path in candidates:
            if path.name == name and path.is_dir():
                found[form] = Bundle(form=form, path=path, digest=digest_of(path), version=_version(path))
                break
    return found


def _version(bundle: Path) -> str | None:
    """Of a Mac's bundle, which says it, or of what this checkout built."""
    with contextlib.suppress(OSError):
        if bundle.resolve().is_relative_to(BUILD):
            text = (CHECKOUT / "plugin_shim" / "CMakeLists.txt").read_text(encoding="utf-8")
        else:
            text = (bundle / "Contents" / "Info.plist").read_text(encoding="utf-8", errors="replace")
        found = re.search(
            r"(?:project\(liveband VERSION |CFBundleShortVersionString</key>\s*<string>)([0-9.]+)", text
        )
        return found.group(1) if found else None
    return None


def _refuse_foreign(there: Place, verb: str, *, force: bool) -> None:
    if there.state in ("absent", "ours") or (force and there.path.is_dir() and not there.path.is_symlink()):
        return
    why = (
        "was changed since" if there.state == "changed" else "was not put there by `liveband plugin install`"
    )
    way = (
        "remove it yourself"
        if there.path.is_symlink() or not there.path.is_dir()
        else "remove it, or say --force"
    )
    raise LiveBandError(f"{there.path} {why} and is not {verb}: {way}")


def _needs_root(error: OSError) -> str:
    return "; --system needs the rights of an administrator" if isinstance(error, PermissionError) else ""


def _open_to_readers(bundle: Path, folder: Path) -> None:
    """Folders that others may look into get bundles that they may load, whatever the umask was."""
    shared = folder.stat().st_mode & 0o055
    for path in (bundle, *bundle.rglob("*")):
        mode = path.stat().st_mode & 0o755
        path.chmod(mode | (shared if path.is_dir() or mode & stat.S_IXUSR else shared & 0o044))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two installs at once would remove each other's work; what a killed one left is removed."""
    with contextlib.ExitStack() as stack:
        if sys.platform != "win32":
            handle = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, handle)
            seize(handle, wait=True)
        for name in BUNDLES.values():
            for left in folder.glob(f".{name}.*.part"):
                if (left / "before").is_dir() and not os.path.lexists(folder / name):
                    (left / "before").rename(folder / name)  # killed between two names
                shutil.rmtree(left, ignore_errors=True)
        yield


def _record(folder: Path) -> dict[str, dict[str, Any]]:
    try:
        values: Any = read_json((folder / RECORD).read_bytes()[:65536])
    except (OSError, ValueError):
        return {}
    if not isinstance(values, dict):
        return {}
    return {name: entry for name, entry in values.items() if isinstance(entry, dict)}


def _write_record(folder: Path, name: str, entry: dict[str, Any] | None) -> None:
    values = {**_record(folder), name: entry}
    values = {key: value for key, value in values.items() if value is not None}
    path = folder / RECORD
    if not values:
        path.unlink(missing_ok=True)
        return
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def _unpack(archive: Path, folder: Path) -> None:
    """Plain files of a zip or tar archive, below `folder`. Raises LiveBandError: anything else, or too much of it."""
    files, size = 0, 0
    try:
        for name, may_run, content in _members(archive):
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in name:
                raise LiveBandError(f"{archive} has a file {name[:80]!r} outside of itself")
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with content, target.open("xb") as file:
                while block := content.read(2**20):
                    size += len(block)
                    if size > _MOST_BYTES:
                        raise LiveBandError(f"{archive} unpacks to more than {_MOST_BYTES >> 20} MiB")
                    file.write(block)
            target.chmod(0o755 if may_run else 0o644)
            files += 1
            if files > _MOST_FILES:
                raise LiveBandError(f"{archive} has more than {_MOST_FILES} files")
    except (
        OSError,
        EOFError,
        zipfile.BadZipFile,
        tarfile.TarError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise LiveBandError(f"cannot unpack {archive}: {error}") from None


def _members(archive: Path) -> Iterator[tuple[str, bool, IO[bytes]]]:
    """Name, whether it may be executed, and content of each file. Raises LiveBandError for links and the like."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                mode = entry.external_attr >> 16
                if entry.is_dir():
                    continue
                if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                    raise LiveBandError(f"{archive} has a link or a device in it: {entry.filename[:80]!r}")
                yield entry.filename, bool(mode & 0o100), zipped.open(entry)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tape:
            for member in tape:
                if member.isdir():
                    continue
                content = tape.extractfile(member) if member.isreg() else None
                if content is None:
                    raise LiveBandError(f"{archive} has a link or a device in it: {member.name[:80]!r}")
                yield member.name, bool(member.mode & 0o100), content
    else:
        raise LiveBandError(f"{archive} is no archive of the plug-in: a folder, .zip or .tar.gz is accepted")


def installed_vst3() -> Path | None:
    """The VST3 that scripts load: LIVEBAND_VST3, else installed for the user, for all, else as it was built."""
    told = os.environ.get("LIVEBAND_VST3")
    if told:
        return Path(told)
    name = BUNDLES["VST3"]
    candidates = [folders(system=system)["VST3"] / name for system in (False, True)]
    candidates.append(BUILD / "VST3" / name)
    return next((path for path in candidates if path.is_dir()), None)
