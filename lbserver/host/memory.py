# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory processes hold."""

import mmap
from collections.abc import Iterable
from pathlib import Path


def resident_bytes(pids: Iterable[int]) -> int | None:
    """Resident memory of processes, as Linux counts it (shared pages count for each); None if it does not tell."""
    total, page_bytes = 0, mmap.PAGESIZE
    try:
        for pid in pids:
            total += page_bytes * int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return total
