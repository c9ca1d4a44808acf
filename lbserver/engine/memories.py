# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the memories of sessions lie: those a crash is survived with, by session, and those a user keeps, by name."""

import contextlib
import os
from pathlib import Path

from lbserver import named_files
from lbserver.engine import moment
from lbserver.errors import ShortageError

_MOST_LEFT = 16


class Memories:
    """`folder` is the server's own; `kept` is the user's."""

    def __init__(self, folder: Path, kept: Path, *, max_kept: int) -> None:
        self._folder, self._kept, self._max_kept = folder, kept, max_kept

    def path(self, session: str) -> Path:
        """Where the memory of a session is kept every second."""
        return self._folder / f"{session}.auto"

    def passing(self, session: str) -> Path:
        """Where a moment lies while it is handed to the session's place or back."""
        return self._folder / f"{session}.passing"

    def read(self, session: str, model: str) -> moment.Moment | None:
        """The memory of a session. None if there is none. Raises LiveBandError if it is no use."""
        path = self.path(session)
        if not os.path.lexists(path):
            return None
        return moment.read(path, model)

    def forget(self, session: str) -> None:
        """Remove what is left of a session."""
        with contextlib.suppress(OSError):
            self.path(session).unlink(missing_ok=True)

    def tidy(self, open_sessions: set[str]) -> None:
        """Leave the newest memories of sessions that are closed, remove the others: names are many, memory is not."""
        with contextlib.suppress(OSError):
            left = [path for path in self._folder.glob("*.auto") if path.stem not in open_sessions]
            if len(left) > _MOST_LEFT:
                left.sort(key=lambda path: path.lstat().st_mtime_ns)
                for path in left[:-_MOST_LEFT]:
                    path.unlink(missing_ok=True)

    def keep(self, name: str, path: Path) -> None:
        """Put the moment that lies at `path` among the kept ones. Blocks.

        Raises LiveBandError for a name that is none or a folder that is full, OSError where the disk fails.
        """
        data = moment.read_bytes(path)
        with contextlib.suppress(FileNotFoundError):
            there = {one.name for one in os.scandir(self._kept) if one.name.endswith(".moment")}
            if len(there) >= self._max_kept and f"{name}.moment" not in there:
                raise ShortageError(
                    f"{self._max_kept} moments are kept already: remove some from {self._kept}"
                )
        named_files.write_atomically(self._kept, name, ".moment", data)

    def recall(self, name: str, model: str, path: Path) -> moment.Moment:
        """The kept moment of a name, laid at `path` as well. Blocks.

        Raises LiveBandError: no such name, damaged, of another model; OSError where the disk fails.
        """
        with named_files.open_for_reading(self._kept, name, ".moment") as file:
            data = file.read(moment.MOST_BYTES + 1)
        found = moment.unpack(data, model)
        moment.write(path, data)
        return found
