# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of processes on Windows: a job object holds this process to its memory."""

import ctypes

from lbserver.host.windows.kernel import JobLimits, MemoryCounters, call, check

_MEMORY_OF_PROCESS = 0x100  # JOB_OBJECT_LIMIT_PROCESS_MEMORY
_EXTENDED = 9  # JobObjectExtendedLimitInformation
_SELF = -1  # GetCurrentProcess


def open_files() -> float:
    """No limit: handles are bounded by memory alone."""
    return float("inf")


def locked_bytes() -> float:
    """Unknown: it follows the working set."""
    return float("inf")


def limit_memory(above_bytes: int) -> None:
    """Let this process take no more than so much above what it has. Raises OSError."""
    used = MemoryCounters(size=ctypes.sizeof(MemoryCounters))
    check(call("kernel32", "K32GetProcessMemoryInfo", _SELF, ctypes.byref(used), used.size))
    limits = JobLimits(flags=_MEMORY_OF_PROCESS, process_bytes=used.pagefile_bytes + above_bytes)
    job = check(call("kernel32", "CreateJobObjectW", None, None))
    check(
        call(
            "kernel32",
            "SetInformationJobObject",
            job,
            _EXTENDED,
            ctypes.byref(limits),
            ctypes.sizeof(limits),
        )
    )
    check(call("kernel32", "AssignProcessToJobObject", job, _SELF))
