# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of processes on Linux and macOS."""

import resource
from pathlib import Path


def open_files() -> float:
    """How many files this process may have open."""
    return _soft(resource.RLIMIT_NOFILE)


def locked_bytes() -> float:
    """How much memory this process may lock."""
    return _soft(resource.RLIMIT_MEMLOCK)


def limit_memory(above_bytes: int) -> None:
    """Let this process take no more than so much above what it has. macOS holds nobody to it, so nothing is done there.

    Raises OSError, ValueError.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except FileNotFoundError:
        return
    most = pages * resource.getpagesize() + above_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or most <= hard:
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _soft(which: int) -> float:
    soft, _ = resource.getrlimit(which)
    return float("inf") if soft == resource.RLIM_INFINITY else float(soft)
