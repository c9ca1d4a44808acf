# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what came from this machine was sent by its user, or root: the kernel tells who owns the socket it came from.

An address on loopback says nothing of who uses it. The table is read anew for every question: a port that was the
user's a moment ago may be another's now.
"""

import contextlib
import os
import socket
import struct
from ipaddress import ip_address
from pathlib import Path

_SOCK_DIAG, _BY_FAMILY, _LISTENS = 4, 20, 10  # linux/netlink.h, linux/sock_diag.h, net/tcp_states.h
_UID_AT = 64  # in struct inet_diag_msg: linux/inet_diag.h
_CREDENTIALS = struct.Struct("=iII")  # struct ucred of Linux: pid, uid, gid
_XUCRED, _XUCRED_BYTES, _XUCRED_VERSION = (
    struct.Struct("=II"),
    76,
    0,
)  # struct xucred of macOS begins with version, uid
_SOL_LOCAL, _LOCAL_PEERCRED = 0, 1  # sys/un.h of macOS
_TABLES = {"udp": ("udp", "udp6"), "tcp": ("tcp", "tcp6")}


def user_of(connection: socket.socket) -> int:
    """The uid of who is at the other end of a Unix socket, as Linux and macOS tell it. Raises OSError."""
    if hasattr(socket, "SO_PEERCRED"):
        _, uid, _ = _CREDENTIALS.unpack(
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        return int(uid)
    return uid_of_xucred(connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED_BYTES))


def uid_of_xucred(told: bytes) -> int:
    """The uid in what macOS answers to LOCAL_PEERCRED (sys/ucred.h). Raises OSError for another version of it."""
    if len(told) < _XUCRED.size or _XUCRED.unpack_from(told)[0] != _XUCRED_VERSION:
        raise OSError("who is at the other end is not told")
    return int(_XUCRED.unpack_from(told)[1])


def are_known() -> bool:
    """Whether this system tells at all."""
    return os.access("/proc/net/udp", os.R_OK)


def is_here(host: str) -> bool:
    """Whether an IPv4 address is one of this machine's own: only to those can be bound."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def sent_datagram(port: int) -> bool:
    """Whether a datagram from this UDP port of this machine is the user's."""
    return port in our_datagram_ports(port)


def our_datagram_ports(only: int | None = None) -> frozenset[int]:
    """The UDP ports of this machine of which every socket is the user's.

    Every one must be: a socket may choose among the machine's addresses which one it sends from, and several may
    share a port.
    """
    rows = _rows("udp", b":" if only is None else b":%04X" % only)
    whose = [(_port(row[1]), _is_ours(int(row[7]), int(row[9]))) for row in rows]
    return frozenset({port for port, ours in whose if ours} - {port for port, ours in whose if not ours})


def made_connection(connection: socket.socket) -> bool:
    """Whether a TCP connection from this machine, of which this is our end, is the user's at the other."""
    try:
        caller, here = connection.getpeername()[:2], connection.getsockname()[:2]
    except OSError:  # it has gone
        return False
    try:
        return _connected(caller, here)
    except OSError:  # no such connection, or a kernel that answers no such question: its tables take 20 ms
        rows = _rows("tcp", b":%04X" % caller[1])
        found = [row for row in rows if (_port(row[1]), _port(row[2])) == (caller[1], here[1])]
        return bool(found) and all(_is_ours(int(row[7]), int(row[9])) for row in found)


def made_descriptor(descriptor: int) -> bool:
    """The same of a descriptor of our end, which is left as it is."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            return made_connection(connection)
    except OSError:  # it has gone
        return False


def _connected(caller: tuple[str, int], here: tuple[str, int]) -> bool:
    """Ask the kernel for one connection: sock_diag(7). Raises OSError."""
    ends = [ip_address(end[0].partition("%")[0]) for end in (caller, here)]
    family = socket.AF_INET6 if ends[0].version == 6 else socket.AF_INET
    wanted = struct.pack("!HH16s16s", caller[1], here[1], *(end.packed for end in ends))
    request = struct.pack("=BBBxI", family, socket.IPPROTO_TCP, 0, 0xFFFFFFFF)
    request += wanted + struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)  # any interface, no cookie
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as line:
        line.settimeout(1.0)
        line.send(struct.pack("=IHHII", 16 + len(request), _BY_FAMILY, 1, 0, 0) + request)
        answer = line.recv(4096)
    if struct.unpack_from("=H", answer, 4)[0] != _BY_FAMILY:
        raise FileNotFoundError
    # Whoever listens at the caller's port is found as well, where nobody is connected.
    _, state, told = struct.unpack_from("=BB2x4s", answer, 16)
    uid, inode = struct.unpack_from("=II", answer, 16 + _UID_AT)
    return state != _LISTENS and told == wanted[:4] and _is_ours(uid, inode)


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


def _is_ours(uid: int, inode: int) -> bool:
    # A socket that nobody holds any more has inode 0, and says uid 0 whosever it was.
    return uid in (0, os.geteuid()) and inode != 0
