# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what came from this machine was sent by its user, or root: the kernel tells who owns the socket it came from.

An address on loopback says nothing of who uses it. The table is read anew for every question: a port that was the
user's a moment ago may be another's now.
"""

import contextlib
import os
import socket
from pathlib import Path

_TABLES = {"udp": ("udp", "udp6"), "tcp": ("tcp", "tcp6")}


def are_known() -> bool:
    """Whether this system tells at all."""
    return os.access("/proc/net/udp", os.R_OK)


def sent_datagram(port: int) -> bool:
    """Whether a datagram from this UDP port of this machine is the user's."""
    return port in our_datagram_ports(port)


def our_datagram_ports(only: int | None = None) -> frozenset[int]:
    """The UDP ports of this machine of which every socket is the user's.

    Every one must be: a socket may choose among the machine's addresses which one it sends from, and several may
    share a port.
    """
    rows = _rows("udp", b":" if only is None else b":%04X" % only)
    ours = {_port(row[1]) for row in rows if _is_ours(row)}
    return frozenset(ours - {_port(row[1]) for row in rows if not _is_ours(row)})


def made_connection(port: int, to_port: int) -> bool:
    """Whether the TCP connection from a port of this machine to another one is the user's. Takes up to 20 ms."""
    rows = _rows("tcp", b":%04X" % port)
    found = [row for row in rows if (_port(row[1]), _port(row[2])) == (port, to_port)]
    return bool(found) and all(map(_is_ours, found))


def made_descriptor(descriptor: int, to_port: int) -> bool:
    """The same of a descriptor of the connection, which is left as it is."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            return made_connection(connection.getpeername()[1], to_port)
    except OSError:  # it has gone
        return False


def _rows(kind: str, holding: bytes) -> list[list[bytes]]:
    """Lines of the kernel's tables as columns: number, local and remote address, ..., uid (7), timeout, inode (9)."""
    rows = []
    for table in _TABLES[kind]:
        with contextlib.suppress(FileNotFoundError):  # no IPv6
            lines = Path("/proc/net", table).read_bytes().split(b"\n")
            rows += [line.split() for line in lines[1:] if holding in line]
    return rows


def _port(address: bytes) -> int:
    return int(address.rpartition(b":")[2], 16)


def _is_ours(row: list[bytes]) -> bool:
    # A socket that nobody holds any more has inode 0, and says uid 0 whosever it was.
    return int(row[7]) in (0, os.geteuid()) and int(row[9]) != 0
