# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the memories of sessions lie that a crash is survived with: in memory if the machine lets us, else on disk.

They are some megabytes each, written over and over: in memory every second, on a disk, which wears, twice a minute.
"""

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lbserver.errors import LiveBandError
from lbserver.files.locks import seize
from lbserver.host.rundir import LOCK, check_directory

log = logging.getLogger(__name__)

IN_MEMORY_S = 1.0
ON_DISK_S = 30.0
_SHARED_MEMORY = Path("/dev/shm")
_MOUNTS = Path("/proc/self/mountinfo")
_OWNER = "run-directory"  # the file that says whose a folder in shared memory is
_LONGEST_PATH_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class MomentsFolder:
    """A folder of this user alone, and how often a session's memory is written there.

    One in shared memory is held by a lock on `held` as long as its server lives.
    """

    path: Path
    every_s: float
    held: int | None = None

    def leave(self) -> None:
        """Let go of it; one in shared memory goes when nothing is kept in it."""
        if self.held is not None:
            if self.path.is_dir() and [path.name for path in self.path.iterdir()] == [_OWNER]:
                shutil.rmtree(self.path, ignore_errors=True)
            os.close(self.held)


def moments_folder(run: Path, *, shared_memory: Path = _SHARED_MEMORY) -> MomentsFolder:
    """The folder of the server that holds a run directory, made if need be. Raises OSError where none can be made."""
    if not is_in_memory(run) and is_in_memory(shared_memory):
        try:
            return _in(shared_memory, run)
        except (OSError, LiveBandError) as error:
            log.warning("memories lie on disk, %s cannot be used: %s", shared_memory, error)
    beside = run / "moments"
    beside.mkdir(mode=0o700, exist_ok=True)
    return MomentsFolder(path=beside, every_s=IN_MEMORY_S if is_in_memory(run) else ON_DISK_S)


def shared_folder(path: Path) -> MomentsFolder:
    """A folder that several servers share, so that each can go on with the others' sessions: written every second whatever
    it lies on. Raises LiveBandError where it is open to others, or cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_directory(path)
    except OSError as error:
        raise LiveBandError(f"cannot use the folder of memories {path}: {error.strerror}") from None
    return MomentsFolder(path=path.absolute(), every_s=IN_MEMORY_S)


def is_in_memory(path: Path) -> bool:
    """Whether what is written there stays off disks, as the kernel's table of mounts tells; False where it does not."""
    try:
        device = path.stat().st_dev
        table = _MOUNTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in table.splitlines():
        mount, _, file_system = line.partition(" - ")
        if mount.split()[2:3] == [number]:
            return file_system.split()[:1] in (["tmpfs"], ["ramfs"])
    return False


def _in(shared_memory: Path, run: Path) -> MomentsFolder:
    """Its own folder there, found again by its next server. Raises OSError, LiveBandError: it is somebody else's."""
    mine = f"liveband-{os.geteuid()}-"
    _sweep(shared_memory, mine)
    folder = shared_memory / (mine + _identity(run))
    folder.mkdir(mode=0o700, exist_ok=True)
    check_directory(folder)
    held = os.open(folder / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        seize(held, shared=True)
        os.ftruncate(held, 0)
        os.pwrite(held, os.fsencode(run), 0)
    except OSError:
        os.close(held)
        raise
    return MomentsFolder(path=folder, every_s=IN_MEMORY_S, held=held)


def _sweep(shared_memory: Path, mine: str) -> None:
    """Remove what belongs to run directories that are no more, and to no server that lives: memory is dear."""
    for folder in shared_memory.glob(f"{mine}*"):
        try:
            check_directory(folder)
            with (folder / _OWNER).open("rb") as file:
                seize(file.fileno())
                run = Path(os.fsdecode(file.read(_LONGEST_PATH_BYTES)))
                if run.is_absolute() and mine + _identity(run) != folder.name:
                    shutil.rmtree(folder, ignore_errors=True)
        except (OSError, ValueError):  # held, or not ours (LiveBandError is a ValueError): it stays
            continue


def _identity(run: Path) -> str:
    """Of a run directory, by its lock: one that was removed and made anew is another. Empty if there is none."""
    try:
        lock = (run / LOCK).lstat()
    except OSError:
        return ""
    return f"{lock.st_dev:x}-{lock.st_ino:x}"
