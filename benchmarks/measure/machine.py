# SPDX-License-Identifier: GPL-3.0-or-later
"""What it ran on: processor, versions, commit, load, memory, and how fast memory can be read."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

_ROOT = Path(__file__).resolve().parents[2]


def commit() -> str:
    """Short hash of the checkout, "+" if the code that runs differs from it, "unknown" outside of one."""

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *words], cwd=_ROOT, capture_output=True, text=True, check=False)

    try:
        head = git("rev-parse", "--short", "HEAD")
        if head.returncode != 0:
            return "unknown"
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "*.py", "*.toml")
    except OSError:
        return "unknown"
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def device() -> dict[str, Any]:
    """Processor, cores that this process may use, and torch's threads."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "machine": platform.machine(),
        "cores": cores,
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "system": platform.system(),
    }


def versions() -> dict[str, str]:
    """Of what can change the figures."""
    names = ("liveband", "torch", "numpy", "onnxruntime")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def load_average() -> float:
    """Mean number of programs that wanted a core in the last minute, this one included."""
    return round(os.getloadavg()[0], 2)


def resident_bytes() -> int:
    """Memory of this process that is in RAM now; its peak so far where the system does not tell."""
    statm = Path("/proc/self/statm")
    if statm.is_file():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if platform.system() == "Darwin" else 1024)


def read_bytes_per_s(size_bytes: int, *, passes: int = 12) -> float:
    """The fastest of some passes of a float32 matrix-vector product over `size_bytes`, by CPU time.

    The fastest, because the limit is a floor: what neighbours take of the memory is not the program's.
    """
    columns = 4096
    rows = max(1, size_bytes // (4 * columns))
    matrix, vector = torch.ones(rows, columns), torch.ones(columns)
    times = []
    for _ in range(passes):
        begin = time.process_time_ns()
        torch.mv(matrix, vector)
        times.append(time.process_time_ns() - begin)
    return matrix.nbytes / (min(times) / 1e9)
