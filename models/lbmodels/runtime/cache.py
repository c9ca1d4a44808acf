# SPDX-License-Identifier: GPL-3.0-or-later
"""Exported graphs kept between runs: one file each, named by what it was made from, checked whenever it is read.

A file is the SHA-256 of the rest, the length of the manifest, the manifest as JSON, and the model.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lbmodels.folders import cache_folder, whole_file

_HEAD_BYTES = 40
_KEPT_FILES = 12


def path_of(key: str) -> Path:
    """Where the graph of a key is or would be."""
    return cache_folder() / "graphs" / f"{key}.graph"


def read(key: str) -> tuple[str, bytes] | None:
    """Manifest and model; None if there is none, or it is damaged."""
    return read_file(path_of(key))


def read_file(path: Path) -> tuple[str, bytes] | None:
    """The same of any file of this form."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if len(data) < _HEAD_BYTES or hashlib.sha256(memoryview(data)[32:]).digest() != data[:32]:
        return None
    middle = _HEAD_BYTES + int.from_bytes(data[32:_HEAD_BYTES], "little")
    try:
        return data[_HEAD_BYTES:middle].decode(), data[middle:]
    except UnicodeDecodeError:
        return None


def packed(manifest: str, model: bytes) -> bytes:
    """A file's bytes."""
    text = manifest.encode()
    rest = len(text).to_bytes(8, "little") + text + model
    return hashlib.sha256(rest).digest() + rest


def write(key: str, manifest: str, model: bytes) -> bool:
    """Keep a graph; False where the folder cannot be written, which costs the next start an export."""
    data = packed(manifest, model)
    path = path_of(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with whole_file(path) as part:
            part.touch(mode=0o600)
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        _forget_oldest(path.parent)
    except OSError:
        return False
    return True


@contextmanager
def exclusive() -> Iterator[None]:
    """One export at a time among all processes of the user; no lock where there can be none."""
    with ExitStack() as stack:
        try:
            import fcntl

            cache_folder().mkdir(parents=True, exist_ok=True, mode=0o700)
            file = stack.enter_context((cache_folder() / "export.lock").open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
        except (ImportError, OSError):
            pass
        yield


def _forget_oldest(graphs: Path) -> None:
    """Graphs of weights long replaced would pile up."""
    files = sorted(graphs.glob("*.graph"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[_KEPT_FILES:]:
        file.unlink(missing_ok=True)
