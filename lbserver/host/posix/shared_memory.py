# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared memory of Linux and macOS: `sealed` and `unlinked` of `lbserver.host.shared_memory`."""

import contextlib
import fcntl
import os
import secrets
import stat
import sys

with contextlib.suppress(ImportError):  # now: with no descriptor left it is too late
    import _posixshmem

_SEALED_BY = ("F_SEAL_SHRINK", "F_SEAL_GROW", "F_SEAL_SEAL")
_LONGEST_NAME = 31  # macOS: PSHMNAMLEN


def create_sealed(size_bytes: int) -> int:
    """A memfd whose size can still be sealed. Raises OSError."""
    descriptor = os.memfd_create("liveband", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    return _sized(descriptor, size_bytes)


def seal(descriptor: int) -> None:
    """Make its size final. Raises OSError."""
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _seals())


def unsealed(descriptor: int) -> str:
    """Why this is no sealed memory, empty if it is. Raises OSError."""
    if fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & _seals() != _seals():
        return "the segment is not sealed: its size could change under its readers"
    return ""


def create_unlinked(size_bytes: int) -> int:
    """A POSIX object without its name. Raises OSError."""
    name = f"/lb{secrets.token_hex(12)}"
    assert len(name) <= _LONGEST_NAME
    descriptor = _posixshmem.shm_open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        _posixshmem.shm_unlink(name)
        os.set_inheritable(descriptor, False)
    except BaseException:
        os.close(descriptor)
        raise
    _sized(descriptor, size_bytes)
    if size_bytes and hasattr(
        os, "posix_fallocate"
    ):  # else a full /dev/shm is told by a signal, at the first touch
        try:
            os.posix_fallocate(descriptor, 0, size_bytes)
        except BaseException:
            os.close(descriptor)
            raise
    return descriptor


def strange(descriptor: int) -> str:
    """Why this is no memory of this user's alone, empty if it is. Raises OSError."""
    about = os.fstat(descriptor)
    if stat.S_IFMT(about.st_mode) not in (0, stat.S_IFREG):
        return "this descriptor is no segment: Invalid argument"
    if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) & 0o077:
        return "the segment is not its user's alone: others could change its size under its readers"
    if sys.platform == "linux" and about.st_nlink:
        return "the segment has a name: who finds it could change its size under its readers"
    return ""


def _sized(descriptor: int, size_bytes: int) -> int:
    try:
        os.ftruncate(descriptor, size_bytes)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _seals() -> int:
    return sum(getattr(fcntl, name) for name in _SEALED_BY)
