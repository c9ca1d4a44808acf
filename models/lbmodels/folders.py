# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders and files that are ours to write: the user's cache by the XDG rules, and what is there whole or not at all."""

import glob
import hashlib
import os
import platform
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs.unix import Unix

from lbmodels.errors import LiveBandModelError

_DAY_S = 86400.0


def cache_folder() -> Path:
    """$LIVEBAND_CACHE, or `liveband` in $XDG_CACHE_HOME, by default in ~/.cache; /dev/null for who has no home.

    What is told as a relative path is not told.
    """
    told = os.environ.get("LIVEBAND_CACHE")
    if told:
        return Path(told).absolute()
    try:
        return Path(Unix("liveband").user_cache_dir)
    except RuntimeError:
        return Path(os.devnull) / "liveband"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its place and then put it there: a full disk leaves the one that was there.

    Raises:
        OSError: it cannot be written.
    """
    with whole_file(path) as part:
        part.write_bytes(data)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file beside, to be written, which then becomes `path`; what is not written to the end is taken away again.

    Runs beside each other do not meet: each writes a file of its own, and whoever finds that of one that was killed takes it away.

    Raises:
        OSError: it cannot be put there.
    """
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        if is_left(left):
            left.unlink(missing_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.{_machine()}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def check_free(folder: Path) -> None:
    """Raises LiveBandModelError: there is something of that name already, an empty folder excepted."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LiveBandModelError(f"{folder} exists; give the name of a new folder")


@contextmanager
def whole_folder(folder: Path, *, last: str) -> Iterator[Path]:
    """A folder beside, to be filled, which then becomes `folder`; what is not filled to the end is taken away again.

    Where `folder` is there already its files are replaced one by one, the file `last`, which makes a model of it, after all others.

    Raises:
        OSError: it cannot be written.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = _part(folder)
    part.mkdir()
    try:
        yield part
        if folder.exists():
            for file in sorted(part.iterdir(), key=lambda one: one.name == last):
                file.replace(folder / file.name)
            part.rmdir()
        else:
            part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def own_part(path: Path) -> Path:
    """Where this process writes what will be `path`, beside it; its name says which process of which machine that is."""
    return path.with_name(f"{path.name}.{_machine()}.{os.getpid()}.part")


def is_left(part: Path) -> bool:
    """Whether whoever wrote an `own_part` is gone. Another machine's processes cannot be asked: theirs is left after a day."""
    *_, machine, pid, _ending = ("", *part.name.split("."))
    if not pid.isdigit():
        return True
    try:
        if machine != _machine() and _is_name(machine):
            return time.time() - part.stat().st_mtime > _DAY_S
        os.kill(int(pid), 0)
    except (FileNotFoundError, ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # somebody else's process
        return False
    return False


def _machine() -> str:
    return "at-" + hashlib.sha256(platform.node().encode()).hexdigest()[:12]


def _is_name(machine: str) -> bool:
    """Older releases named the process alone."""
    return machine.startswith("at-")


def _part(path: Path) -> Path:
    """A name of its own each time: whatever else is beside it is not ours to take away."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
