# SPDX-License-Identifier: GPL-3.0-or-later
"""What this process may take of the machine, and what the machine has left; infinity where nothing limits or tells it."""

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    from lbserver.host.windows.limits import limit_memory, locked_bytes, open_files
else:
    from lbserver.host.posix.limits import limit_memory, locked_bytes, open_files

__all__ = ["cores", "free_bytes", "limit_memory", "load", "locked_bytes", "open_files"]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> float:
    """The load's average over a minute; 0 on Windows, which has none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def free_bytes() -> float:
    """Memory that could be taken, as Linux tells it."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
    except (OSError, ValueError):
        pass
    return float("inf")
