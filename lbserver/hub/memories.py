# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the memories of sessions lie: those a crash is survived with, by session, and those a user keeps, by name."""

import contextlib
import hashlib
import os
from collections.abc import Container
from pathlib import Path

from lbserver.engine import memory_file
from lbserver.errors import ShortageError
from lbserver.files import named_files
from lbserver.hub.admission import USER, HubError

_MOST_LEFT = 16
_OLD_S = 3600.0  # a shared folder's memory that nobody wrote for so long is nobody's that plays


class Memories:
    """`folder` is the server's own, or `shared` with others; `kept` is the user's. Each owner has names of its own for what it keeps."""

    def __init__(self, folder: Path, kept: Path, *, max_kept: int, shared: bool = False) -> None:
        self._folder, self._kept, self._max_kept = folder, kept, max_kept
        self._shared = shared

    def path(self, session: str) -> Path:
        """Where the memory of a session is kept every second."""
        return self._folder / f"{session}.auto"

    def passing(self, session: str) -> Path:
        """Where a moment lies while it is handed to the session's place or back."""
        return self._folder / f"{session}.passing"

    def passed(self, session: str) -> None:
        """The moment was handed over, or was not: it lies there no more."""
        with contextlib.suppress(OSError):
            self.passing(session).unlink()

    def read(self, session: str, model: str) -> memory_file.Moment | None:
        """The memory of a session. None if there is none. Raises LiveBandError if it is no use."""
        path = self.path(session)
        if not os.path.lexists(path):
            return None
        return memory_file.read(path, model)

    def claim(self, session: str, owner: str, *, resume: bool) -> None:
        """Say whose a session's memory is from now on; what there is of it is for `resume` alone.

        Raises HubError where one of somebody else's lies: it is neither gone on from nor overwritten; only the user may
        begin anew over it.
        """
        note = self._note(session)
        before = note.read_text(encoding="utf-8") if note.exists() else USER
        if before != owner and os.path.lexists(self.path(session)) and (resume or owner != USER):
            raise HubError("unauthorised", f"the memory of session {session!r} is somebody else's")
        if not resume:
            self.forget(session)
        if owner == USER:
            note.unlink(missing_ok=True)
        else:
            note.write_text(owner, encoding="utf-8")

    def discard(self, session: str) -> None:
        """Remove a session's memory; whose the session is stays known."""
        with contextlib.suppress(OSError):
            self.path(session).unlink(missing_ok=True)

    def forget(self, session: str) -> None:
        """Remove what is left of a session."""
        self.discard(session)
        self._note(session).unlink(missing_ok=True)

    def _note(self, session: str) -> Path:
        """Names the owner of a session's memory, unless that is the user."""
        return self._folder / f"{session}.owner"

    def tidy(self, open_sessions: Container[str]) -> None:
        """Leave the newest memories of sessions that are closed, remove the others: names are many, memory is not.

        `open_sessions` is asked after the folder is read, so that what is opened meanwhile is left alone.
        """
        with contextlib.suppress(OSError):
            for note in [] if self._shared else list(self._folder.glob("*.owner")):
                if note.stem not in open_sessions and not os.path.lexists(self.path(note.stem)):
                    self.forget(note.stem)
            there = list(self._folder.glob("*.auto"))
            left = [path for path in there if path.stem not in open_sessions]
            if self._shared:
                written_s = {path: path.lstat().st_mtime for path in there}
                old_s = max(written_s.values(), default=0.0) - _OLD_S
                left = [path for path in left if written_s[path] < old_s]
            if len(left) > _MOST_LEFT:
                left.sort(key=lambda path: path.lstat().st_mtime_ns)
                for path in left[:-_MOST_LEFT]:
                    self.forget(path.stem)

    def keep(self, name: str, path: Path, owner: str) -> None:
        """Put the moment that lies at `path` among the kept ones. Blocks.

        Raises LiveBandError for a name that is none or a folder that is full, OSError where the disk fails.
        """
        data, folder = memory_file.read_bytes(path), self._kept_by(owner)
        with contextlib.suppress(FileNotFoundError):
            there = {one.name for one in os.scandir(folder) if one.name.endswith(".moment")}
            if len(there) >= self._max_kept and f"{name}.moment" not in there:
                raise ShortageError(f"{self._max_kept} moments are kept already: remove some from {folder}")
        named_files.write_atomically(folder, name, ".moment", data)

    def recall(self, name: str, model: str, path: Path, owner: str) -> memory_file.Moment:
        """The kept moment of a name, laid at `path` as well. Blocks.

        Raises LiveBandError: no such name, damaged, of another model; OSError where the disk fails.
        """
        folder = self._kept_by(owner)
        if owner != USER and not (folder / f"{name}.moment").exists():
            raise HubError("not_found", f"no moment {name[:64]!r} of yours is kept")
        with named_files.open_for_reading(folder, name, ".moment") as file:
            data = file.read(memory_file.MOST_BYTES + 1)
        found = memory_file.unpack(data, model)
        memory_file.write(path, data)
        return found

    def _kept_by(self, owner: str) -> Path:
        if owner == USER:
            return self._kept
        return self._kept / "of others" / hashlib.sha256(owner.encode()).hexdigest()[:32]
