# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that two processes share on Windows: a mapping of the page file under a random name, this user's alone.

Its size cannot change. The name lives as long as a handle of it is open anywhere.
"""

import ctypes
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lbserver.errors import LiveBandError
from lbserver.host.windows.kernel import Handle, MemoryRegion, call, check, close, failure, last_error
from lbserver.host.windows.names import MAPPINGS, is_name, random_name
from lbserver.host.windows.security import alone, descriptor_of, is_alone, user_of_this

_PAGE_FILE, _READ_WRITE = -1, 4  # INVALID_HANDLE_VALUE, PAGE_READWRITE
_WRITE, _READ, _READ_CONTROL = 2, 4, 0x20000  # FILE_MAP_WRITE, FILE_MAP_READ, READ_CONTROL
_EXISTS = 183  # ERROR_ALREADY_EXISTS


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """`handle` is the owner's to close."""

    handle: Handle
    name: str


def create(size_bytes: int, head: bytes) -> Mapping:
    """Memory of so many bytes that begin with `head`; zeros follow. Raises OSError."""
    attributes, name = alone(), random_name(MAPPINGS)
    try:
        handle = check(
            call(
                "kernel32",
                "CreateFileMappingW",
                _PAGE_FILE,
                ctypes.byref(attributes),
                _READ_WRITE,
                size_bytes >> 32,
                size_bytes & 0xFFFFFFFF,
                name,
            )
        )
        taken = last_error() == _EXISTS
    finally:
        call("kernel32", "LocalFree", attributes.descriptor)
    try:
        if taken:
            raise failure(_EXISTS)
        with view(handle, len(head)) as memory:
            ctypes.memmove(memory, head, len(head))
    except BaseException:
        close(handle)
        raise
    return Mapping(handle=handle, name=name)


def open_named(name: str) -> Handle:
    """What a peer told the name of. Raises OSError, LiveBandError: no name of ours, or memory that others may open."""
    if not is_name(name, MAPPINGS):
        raise LiveBandError("the segment has no name of ours")
    handle = check(call("kernel32", "OpenFileMappingW", _READ | _WRITE | _READ_CONTROL, 0, name))
    try:
        if not is_alone(descriptor_of(handle), user_of_this()):
            raise LiveBandError("the segment is not its user's alone: others could write into it")
    except BaseException:
        close(handle)
        raise
    return handle


def size_bytes(handle: Handle) -> int:
    """How many bytes it has, in whole pages. Raises OSError."""
    about = MemoryRegion()
    with view(handle, 0) as address:
        check(call("kernel32", "VirtualQuery", address, ctypes.byref(about), ctypes.sizeof(about)))
    return int(about.bytes)


def holds(size: int, wanted: int) -> bool:
    """Whether memory that says it has `size` bytes was made with `wanted`."""
    return wanted <= size <= -(-wanted // mmap.PAGESIZE) * mmap.PAGESIZE


@contextmanager
def view(handle: Handle, count: int) -> Iterator[int]:
    """The address of its first `count` bytes, or of all for 0, for the duration of the context. Raises OSError."""
    address = check(call("kernel32", "MapViewOfFile", handle, _READ | _WRITE, 0, 0, count))
    try:
        yield address
    finally:
        call("kernel32", "UnmapViewOfFile", address)
