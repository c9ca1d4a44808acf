# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a program in a network of its own without routes, and says as JSON on stderr what it tried to reach.

The kernel's counters are read, so a look-up of a library in C is seen as well as one from Python. Exit code 77:
no such network may be made here.
"""

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

_NEW_NETWORK, _NEW_USER = 0x40000000, 0x10000000
_SET_FLAGS, _UP = 0x8914, 1  # linux/sockios.h


def enter() -> bool:
    """A network with a loopback device and nothing else."""
    libc = ctypes.CDLL(None)
    if libc.unshare(_NEW_NETWORK) and libc.unshare(_NEW_USER | _NEW_NETWORK):
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", _UP))
    return True


def tried() -> dict[str, int]:
    """Datagrams and connections that had no way to go, and datagrams to a port of this machine that nobody has."""
    counts: dict[str, int] = {}
    lines = Path("/proc/net/snmp").read_text().splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        kind = names.partition(":")[0]
        counts |= {f"{kind}{n}": int(v) for n, v in zip(names.split()[1:], values.split()[1:], strict=True)}
    six = Path("/proc/net/snmp6")
    if six.exists():
        counts |= {name: int(value) for name, value in map(str.split, six.read_text().splitlines())}
    wanted = ("IpOutNoRoutes", "Ip6OutNoRoutes", "UdpNoPorts", "Udp6NoPorts")
    return {name: counts.get(name, 0) for name in wanted}


if __name__ == "__main__":
    if not enter():
        sys.exit(77)
    code = subprocess.run(sys.argv[1:], check=False).returncode
    print(json.dumps(tried()), file=sys.stderr, flush=True)
    os._exit(code)
