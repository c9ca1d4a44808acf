# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done of a long piece of work, a line of JSON each, so that the same work begun again goes on where it stopped."""

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lbserver.errors import LiveBandError, refused
from lbserver.files.documents import read_json
from lbserver.files.locks import seize
from lbserver.files.paths import reason


class Journal:
    """A file that grows by whole lines; one process at a time writes it. Made by `open_journal`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def entries(self) -> Iterator[dict[str, Any]]:
        """Every entry from the first on. What is no JSON object, as what a power cut leaves, is no entry."""
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            for line in file:
                with contextlib.suppress(ValueError):
                    entry = read_json(line)
                    if isinstance(entry, dict):
                        yield entry

    def add(self, entry: dict[str, Any]) -> None:
        """Raises LiveBandError when the disk refuses; then no half line stays."""
        size = os.fstat(self._descriptor).st_size
        line = json.dumps(entry).encode() + b"\n"
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":  # a line that was cut short
            line = b"\n" + line
        try:
            done = os.write(self._descriptor, line)
            if done < len(line):
                raise OSError(28, "the disk is full")
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, size)
            raise refused(f"cannot write {self.path}", error) from None


@contextlib.contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """The journal at a path, new or gone on with.

    Raises LiveBandError: another process writes it, it is a link or no plain file of this user's, or the disk refuses.
    """
    try:
        descriptor = os.open(
            path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666
        )
    except OSError as error:
        raise LiveBandError(f"cannot write {path}: {reason(error, named=False)}") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or found.st_uid != os.geteuid():
            raise LiveBandError(f"cannot write {path}: it is no plain file of yours: remove it")
        try:
            seize(descriptor)
        except BlockingIOError:
            raise LiveBandError(f"{path.parent} is being filled by another liveband: wait for it") from None
        except OSError as error:
            raise LiveBandError(f"cannot lock {path}: {reason(error, named=False)}") from None
        yield Journal(path, descriptor)
    finally:
        os.close(descriptor)
