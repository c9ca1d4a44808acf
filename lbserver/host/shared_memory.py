# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that two processes share through a descriptor: the form that this system has, with what it promises.

- `sealed` (Linux): a memfd whose size is sealed. No name; nobody can shrink it under its readers.
- `unlinked` (macOS; Linux too): a POSIX shared memory object of mode 0600, whose random name is taken from it before it
  has a size. There are no seals: macOS lets an object get its size once, Linux does not hold a peer to it, so here whoever
  may open the run directory is trusted not to shrink what he handed over.

Windows has neither; `lbserver.host.windows.mappings` is its form, which the ring does not use yet.

`LIVEBAND_SHARED_MEMORY` names another form than the system's own, for tests: all processes of a session must agree.
"""

import mmap
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lbserver.errors import LiveBandError, refused

if sys.platform != "win32":
    from lbserver.host.posix import shared_memory as posix


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
    """`sealed` or `unlinked`. Raises LiveBandError for another name in LIVEBAND_SHARED_MEMORY, and where there is no form."""
    if not FORMS:
        raise LiveBandError("on this system the server cannot share memory with front ends yet")
    usual = "sealed" if hasattr(os, "memfd_create") else "unlinked"
    name = os.environ.get("LIVEBAND_SHARED_MEMORY") or usual
    if name not in FORMS:
        raise LiveBandError(f"LIVEBAND_SHARED_MEMORY is {name[:40]!r}; there are {', '.join(FORMS)}")
    return name


def _form() -> Form:
    return FORMS[form_name()]


FORMS: Mapping[str, Form] = (
    {}
    if sys.platform == "win32"
    else {
        "sealed": Form(create=posix.create_sealed, close_size=posix.seal, fault=posix.unsealed),
        "unlinked": Form(
            create=posix.create_unlinked,
            close_size=lambda _descriptor: None,
            fault=posix.strange,
            rounds_size=True,
        ),
    }
)
