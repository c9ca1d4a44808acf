# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders and files that are ours to write: the user's cache by the XDG rules, and what is there whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs.unix import Unix

from lbmodels.errors import LiveBandModelError


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
    part = _part(path)
    try:
        part.write_bytes(data)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


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


def _part(path: Path) -> Path:
    """A name of its own each time: whatever else is beside it is not ours to take away."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
