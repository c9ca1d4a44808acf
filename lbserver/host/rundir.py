# SPDX-License-Identifier: GPL-3.0-or-later
r"""The per-user run directory: one server at a time, found by its clients and by nobody else.

`LIVEBAND_RUN`, else `$XDG_RUNTIME_DIR/liveband` if that folder exists, else `$TMPDIR` or `/tmp` and
`liveband-<uid>`; of these two a relative path is not taken. On Windows `%LOCALAPPDATA%\LiveBand\run`. It belongs to its user, mode 0700, and is no link: whoever may look into it may talk to the
server. In it lie `lock` (held as long as the server lives, even after kill -9 of its parent), `server.json` (who
it is and where it listens), `lb.sock` and `liveband.log`.
"""

import contextlib
import json
import os
import stat
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType

from lbserver.errors import LiveBandError
from lbserver.files.documents import read_json
from lbserver.files.locks import seize
from lbserver.protocol.discovery import LOCK as LOCK
from lbserver.protocol.discovery import LOG as LOG
from lbserver.protocol.discovery import REGISTRY as REGISTRY
from lbserver.protocol.discovery import SOCKET as SOCKET

_LONGEST_SOCKET_PATH_BYTES = 107  # sun_path of Linux, less the closing zero; macOS has 103
_LARGEST_REGISTRY_BYTES = 65536
# A process that was killed keeps its lock until its memory is gone; one that lives keeps it anyway.
_PATIENCE_ALIVE_S = 0.1
_PATIENCE_DEAD_S = 0.8
_PF_EXITING = 4  # Linux: include/linux/sched.h


@dataclass(frozen=True, kw_only=True)
class ServerInfo:
    """What a server tells its clients. A port is None where that transport is off; `started` is seconds since 1970."""

    pid: int
    major: int
    minor: int
    socket: str
    osc_port: int | None = None
    http_port: int | None = None
    zmq_port: int | None = None
    started: float = 0.0


class ServerRunningError(LiveBandError):
    """Another server holds the run directory."""


def run_path(environment: Mapping[str, str] | None = None) -> Path:
    """Where the run directory is, whether it exists or not."""
    env = os.environ if environment is None else environment
    if env.get("LIVEBAND_RUN"):
        return Path(env["LIVEBAND_RUN"]).absolute()
    if sys.platform == "win32":
        return Path(env.get("LOCALAPPDATA", "")).absolute() / "LiveBand" / "run"
    runtime = env.get("XDG_RUNTIME_DIR", "")
    if Path(runtime).is_absolute() and Path(runtime).is_dir():
        return Path(runtime) / "liveband"
    temporary = Path(env.get("TMPDIR", ""))
    return (temporary if temporary.is_absolute() else Path("/tmp")) / f"liveband-{os.geteuid()}"


def check_directory(path: Path) -> None:
    """Raises LiveBandError unless `path` is a folder of ours that nobody else may enter, and no link.

    FileNotFoundError where there is nothing.
    """
    info = os.lstat(path)
    if sys.platform == "win32":
        raise LiveBandError(
            f"nobody can be found in the run directory {path}: no server runs on this system yet"
        )
    mend = "remove it, or set LIVEBAND_RUN to a folder of yours"
    if stat.S_ISLNK(info.st_mode):
        raise LiveBandError(f"the run directory {path} is a symbolic link: {mend}")
    if not stat.S_ISDIR(info.st_mode):
        raise LiveBandError(f"the run directory {path} is not a folder: {mend}")
    if info.st_uid != os.geteuid():
        raise LiveBandError(
            f"the run directory {path} belongs to uid {info.st_uid}, you are uid {os.geteuid()}: {mend}"
        )
    mode = stat.S_IMODE(info.st_mode)
    if mode & 0o077:
        raise LiveBandError(
            f"the run directory {path} is open to others (mode {mode:04o}, must be 0700): chmod 700 it, or {mend}"
        )


class RunDirectory:
    """The run directory, held: as long as this lives no other server starts here. Made by `open_run_directory`."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.socket_path = path / SOCKET
        self.registry_path = path / REGISTRY
        self.log_path = path / LOG
        self._lock = lock
        # A forked child would keep the lock alive after its parent was killed.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def publish(self, info: ServerInfo) -> None:
        """Write the registry, whole or not at all."""
        part = self.registry_path.with_suffix(".part")
        part.write_text(json.dumps(asdict(info)) + "\n", encoding="utf-8")
        part.replace(self.registry_path)

    @property
    def is_ours(self) -> bool:
        """Whether the folder at the path is still the one that is held: it may have been removed, and another's by now."""
        try:
            found, held = os.lstat(self.path / LOCK), os.fstat(self._lock)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)

    def renew(self) -> None:
        """Make the folder anew where it was removed, and hold it. Raises as `open_run_directory`."""
        fresh = open_run_directory(self.path)
        self._forget()
        self._lock, fresh._lock = fresh._lock, -1

    def close(self) -> None:
        """Remove registry and socket, if they are ours, and let the next server in. Idempotent."""
        if self._lock < 0:
            return
        if self.is_ours:
            _clear(self.path)
        self._forget()

    def _forget(self) -> None:
        if self._lock >= 0:
            with contextlib.suppress(OSError):
                os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> "RunDirectory":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()


def open_run_directory(path: Path | None = None) -> RunDirectory:
    """Make the run directory if need be, check it, and become its server. What a killed server left is removed.

    Raises:
        ServerRunningError: another server runs; names its pid and ports. Known within 0.1 s.
        LiveBandError: the directory is foreign, open to others, a link, cannot be made, or its path is too long.
    """
    path = run_path() if path is None else path
    if len(os.fsencode(path / SOCKET)) > _LONGEST_SOCKET_PATH_BYTES:
        raise LiveBandError(
            f"the run directory's path is too long for a socket: {path}; set LIVEBAND_RUN to a shorter one"
        )
    lock = -1
    try:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        check_directory(path)
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        _seize(lock, path)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        _clear(path)
    except OSError as error:
        if lock >= 0:
            os.close(lock)
        raise LiveBandError(f"cannot use the run directory {path}: {error.strerror or error}") from None
    except LiveBandError:
        if lock >= 0:
            os.close(lock)
        raise
    return RunDirectory(path, lock)


def find_server(path: Path | None = None) -> ServerInfo | None:
    """The server that runs now, None if there is none (or only what a killed one left).

    Raises LiveBandError when the run directory is not ours alone: what lies in it could be anybody's.
    """
    path = run_path() if path is None else path
    try:
        check_directory(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LiveBandError(f"cannot look into the run directory {path}: {error.strerror}") from None
    info = _read_registry(path / REGISTRY)
    return info if info is not None and _is_held(path / LOCK) and _is_alive(info.pid) else None


def _seize(lock: int, path: Path) -> None:
    """Take the lock, or raise ServerRunningError."""
    begun = time.monotonic()
    while True:
        try:
            seize(lock)
            return
        except BlockingIOError:
            pid = _lock_owner(lock)
            patience_s = _PATIENCE_ALIVE_S if pid is None or _is_alive(pid) else _PATIENCE_DEAD_S
            if time.monotonic() - begun > patience_s:
                raise ServerRunningError(_who_runs(pid, path)) from None
            time.sleep(0.01)


def _who_runs(pid: int | None, path: Path) -> str:
    info = _read_registry(path / REGISTRY)
    ports = "starting"
    if info is not None and info.pid == pid:
        named = {"OSC": info.osc_port, "HTTP": info.http_port, "ZeroMQ": info.zmq_port}
        ports = ", ".join(f"{name} port {port}" for name, port in named.items() if port) or "no ports"
    return (
        f"a server runs already: pid {pid if pid is not None else 'unknown'}, {ports}, run directory {path}; "
        "stop it, or set LIVEBAND_RUN to another folder"
    )


def _lock_owner(lock: int) -> int | None:
    text = os.pread(lock, 32, 0).strip()
    return int(text) if text.isdigit() else None


def _is_held(lock_path: Path) -> bool:
    """Whether a server holds the lock. Takes it shared for an instant, which a starting server sits out."""
    try:
        lock = os.open(lock_path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        seize(lock, shared=True)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _is_alive(pid: int) -> bool:
    """Whether a process lives; one that is dying, which takes its time with much memory, does not."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        pass
    except (ProcessLookupError, OverflowError):
        return False
    try:
        # After the name, which may hold anything: state, then six numbers, then the kernel's flags.
        words = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return words[0] not in "ZX" and not int(words[6]) & _PF_EXITING
    except (OSError, ValueError, IndexError):
        return True  # not Linux


def _read_registry(path: Path) -> ServerInfo | None:
    """The registry, None if it is absent or damaged; fields of a newer server are left out."""
    try:
        with path.open("rb") as file:
            values = read_json(file.read(_LARGEST_REGISTRY_BYTES))
    except (OSError, ValueError):
        return None
    if not isinstance(values, dict):
        return None
    kinds: dict[str, type | tuple[type, ...]] = {
        "pid": int,
        "major": int,
        "minor": int,
        "socket": str,
        "osc_port": (int, type(None)),
        "http_port": (int, type(None)),
        "zmq_port": (int, type(None)),
        "started": (int, float),
    }
    known = {field.name: values[field.name] for field in fields(ServerInfo) if field.name in values}
    if not {"pid", "major", "minor", "socket"} <= known.keys():
        return None
    if any(isinstance(value, bool) or not isinstance(value, kinds[name]) for name, value in known.items()):
        return None
    return ServerInfo(**known) if known["pid"] > 0 else None


def _clear(path: Path) -> None:
    """Remove what a server announces itself with; safe while the lock is ours."""
    for name in (REGISTRY, SOCKET):
        (path / name).unlink(missing_ok=True)
