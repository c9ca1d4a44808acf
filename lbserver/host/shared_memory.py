# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that two processes share through a descriptor: the form that this system has, with what it promises.

- `sealed` (Linux): a memfd whose size is sealed. No name; nobody can shrink it under its readers.
- `unlinked` (macOS; Linux too): a POSIX shared memory object of mode 0600, whose random name is taken from it before it
  has a size. There are no seals: macOS lets an object get its size once, Linux does not hold a peer to it, so here whoever
  may open the run directory is trusted not to shrink what he handed over.

Windows has neither and is not written: it takes CreateFileMapping without a name, a security descriptor of the user alone
and DuplicateHandle into the peer, whose identity a named pipe tells; a mapping there cannot change its size.

`LIVEBAND_SHARED_MEMORY` names another form than the system's own, for tests: all processes of a session must agree.
"""

import contextlib
import fcntl
import mmap
import os
import secrets
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lbserver.errors import LiveBandError, refused

with contextlib.suppress(
    ImportError
):  # no such thing on Windows; here, now: with no descriptor left it is too late
    import _posixshmem

_SEALED_BY = ("F_SEAL_SHRINK", "F_SEAL_GROW", "F_SEAL_SEAL")
_LONGEST_NAME = 31  # macOS: PSHMNAMLEN


@dataclass(frozen=True, kw_only=True)
class Form:
    """One way to have it. `create(size)` gives a descriptor, close-on-exec, of zeros; `close_size` makes its size final;
    `fault` tells why a peer's descriptor is none of this form, empty if it is.
    """

    create: Callable[[int], int]
    close_size: Callable[[int], None]
    fault: Callable[[int], str]
    rounds_size: bool = False
    """Whether the system may say a size rounded up to whole pages."""


def create(size_bytes: int, head: bytes) -> int:
    """A descriptor of so many bytes that begin with `head`; zeros follow. Raises OSError."""
    form = _form()
    descriptor = form.create(size_bytes)
    try:
        # Written through a mapping: macOS neither reads nor writes such a descriptor.
        with mmap.mmap(descriptor, len(head)) as memory:
            memory[:] = head
        form.close_size(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def look(descriptor: int, most_bytes: int) -> tuple[int, bytes]:
    """The size of what a peer handed over, and its first bytes, `most_bytes` or as many as there are.

    Raises LiveBandError for what is no memory of this system's form, MachineError where there is no room to look at it.
    """
    try:
        why = _form().fault(descriptor)
        size = os.fstat(descriptor).st_size
    except OSError as error:
        raise LiveBandError(f"this descriptor is no segment: {error.strerror}") from None
    if why:
        raise LiveBandError(why)
    if not size:
        return 0, b""
    try:
        with mmap.mmap(descriptor, min(size, most_bytes), prot=mmap.PROT_READ) as memory:
            return size, memory[:]
    except ValueError:  # it has become smaller since
        raise LiveBandError("this descriptor is no segment: its size changes") from None
    except OSError as error:
        raise refused("the segment cannot be mapped", error) from None


def holds(size_bytes: int, wanted_bytes: int) -> bool:
    """Whether memory that says it has `size_bytes` was made with `wanted_bytes`."""
    if _form().rounds_size:
        return wanted_bytes <= size_bytes <= -(-wanted_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
    return size_bytes == wanted_bytes


def form_name() -> str:
    """`sealed` or `unlinked`. Raises LiveBandError for another name in LIVEBAND_SHARED_MEMORY."""
    usual = "sealed" if hasattr(os, "memfd_create") else "unlinked"
    name = os.environ.get("LIVEBAND_SHARED_MEMORY") or usual
    if name not in FORMS:
        raise LiveBandError(f"LIVEBAND_SHARED_MEMORY is {name[:40]!r}; there are {', '.join(FORMS)}")
    return name


def _form() -> Form:
    return FORMS[form_name()]


def _create_sealed(size_bytes: int) -> int:
    descriptor = os.memfd_create("liveband", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    return _sized(descriptor, size_bytes)


def _sized(descriptor: int, size_bytes: int) -> int:
    try:
        os.ftruncate(descriptor, size_bytes)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _seals() -> int:
    return sum(getattr(fcntl, name) for name in _SEALED_BY)


def _seal(descriptor: int) -> None:
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _seals())


def _unsealed(descriptor: int) -> str:
    if fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & _seals() != _seals():
        return "the segment is not sealed: its size could change under its readers"
    return ""


def _create_unlinked(size_bytes: int) -> int:
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


def _strange(descriptor: int) -> str:
    about = os.fstat(descriptor)
    if stat.S_IFMT(about.st_mode) not in (0, stat.S_IFREG):
        return "this descriptor is no segment: Invalid argument"
    if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) & 0o077:
        return "the segment is not its user's alone: others could change its size under its readers"
    if sys.platform == "linux" and about.st_nlink:
        return "the segment has a name: who finds it could change its size under its readers"
    return ""


FORMS: Mapping[str, Form] = {
    "sealed": Form(create=_create_sealed, close_size=_seal, fault=_unsealed),
    "unlinked": Form(
        create=_create_unlinked, close_size=lambda _descriptor: None, fault=_strange, rounds_size=True
    ),
}
