# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions and structures of Windows as ctypes wants them; the structures are those of its headers on 64 bits."""

import ctypes
import sys
from typing import Any

Handle = int
"""As the system numbers what is open; a process's own."""
NONE = -1  # INVALID_HANDLE_VALUE


class SecurityAttributes(ctypes.Structure):
    """SECURITY_ATTRIBUTES."""

    _fields_ = (("size", ctypes.c_uint32), ("descriptor", ctypes.c_void_p), ("inherit", ctypes.c_int32))


class Overlapped(ctypes.Structure):
    """OVERLAPPED."""

    _fields_ = (
        ("internal", ctypes.c_size_t),
        ("internal_high", ctypes.c_size_t),
        ("place", ctypes.c_uint64),
        ("event", ctypes.c_void_p),
    )


class MemoryRegion(ctypes.Structure):
    """MEMORY_BASIC_INFORMATION."""

    _fields_ = (
        ("base", ctypes.c_void_p),
        ("allocation", ctypes.c_void_p),
        ("allocation_protection", ctypes.c_uint32),
        ("partition", ctypes.c_uint16),
        ("bytes", ctypes.c_size_t),
        ("state", ctypes.c_uint32),
        ("protection", ctypes.c_uint32),
        ("kind", ctypes.c_uint32),
    )


class MemoryCounters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("faults", ctypes.c_uint32),
        ("peak_resident_bytes", ctypes.c_size_t),
        ("resident_bytes", ctypes.c_size_t),
        ("quotas", ctypes.c_size_t * 4),
        ("pagefile_bytes", ctypes.c_size_t),
        ("peak_pagefile_bytes", ctypes.c_size_t),
    )


class JobLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = (
        ("times", ctypes.c_int64 * 2),
        ("flags", ctypes.c_uint32),
        ("working_set", ctypes.c_size_t * 2),
        ("processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("classes", ctypes.c_uint32 * 2),
        ("transfers", ctypes.c_uint64 * 6),
        ("process_bytes", ctypes.c_size_t),
        ("job_bytes", ctypes.c_size_t),
        ("peaks", ctypes.c_size_t * 2),
    )


def call(library: str, function: str, *arguments: Any) -> int:
    """What a function of the system answers; whole numbers are passed as wide as a handle."""
    if sys.platform == "win32":
        entry = getattr(ctypes.WinDLL(library, use_last_error=True), function)
        entry.restype = ctypes.c_size_t
        passed = [ctypes.c_void_p(one) if isinstance(one, int) else one for one in arguments]
        return int(entry(*passed))
    raise OSError(f"{function} is a function of Windows")


def last_error() -> int:
    """The code that the last call left."""
    if sys.platform == "win32":
        return ctypes.get_last_error()
    return 0


def check(answer: int) -> int:
    """The answer, unless it says that the call has failed. Raises OSError."""
    if answer in (0, ctypes.c_size_t(NONE).value):
        raise failure(last_error())
    return answer


def failure(code: int) -> OSError:
    """The error of a code, with the system's words."""
    if sys.platform == "win32":
        return ctypes.WinError(code)
    return OSError(code, "a function of Windows failed")


def close(handle: Handle) -> None:
    """Close a handle."""
    call("kernel32", "CloseHandle", handle)
