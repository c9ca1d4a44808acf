# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens on a port: for errors and the doctor, which name the program and not only the number."""

import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TCP_LISTENS = "0A"


@dataclass(frozen=True, kw_only=True)
class Listener:
    """The process behind a port; None where the system does not tell (another user's, or not Linux)."""

    pid: int | None
    program: str | None

    def __str__(self) -> str:
        if self.pid is None:
            return "another program (not one of yours)"
        return f"{self.program or 'a program'} (pid {self.pid})"


def is_free(port: int, kind: str, host: str = "127.0.0.1") -> bool:
    """Whether a `udp` or `tcp` port of this host can be bound now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as probe:
        if kind == "tcp":
            # As servers do: a connection that is being forgotten does not hold the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            if kind == "tcp":
                probe.listen(1)
        except OSError:
            return False
    return True


def who_listens(port: int, kind: str) -> Listener:
    """The process that holds a `udp` or `tcp` port, as far as Linux's /proc tells."""
    inodes = set()
    for table in (kind, f"{kind}6"):
        with suppress(OSError):
            for line in (Path("/proc/net") / table).read_text().splitlines()[1:]:
                columns = line.split()
                listens = kind == "udp" or columns[3] == _TCP_LISTENS
                if listens and int(columns[1].rsplit(":", 1)[1], 16) == port:
                    inodes.add(f"socket:[{columns[9]}]")
    pid = _owner_of(inodes) if inodes else None
    return Listener(pid=pid, program=None if pid is None else program_of(pid))


def program_of(pid: int) -> str | None:
    """Name of a running program; for Python the script or module it runs."""
    with suppress(OSError):
        words = (Path(f"/proc/{pid}/cmdline")).read_bytes().split(b"\0")
        names = [Path(word.decode(errors="replace")).name for word in words if word]
        if names and names[0].startswith("python") and len(names) > 1:
            return next((name for name in names[1:] if not name.startswith("-")), names[0])
        return names[0] if names else None
    return None


def _owner_of(inodes: set[str]) -> int | None:
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):
                for descriptor in (process / "fd").iterdir():
                    with suppress(OSError):
                        if str(descriptor.readlink()) in inodes:
                            return int(process.name)
    return None
