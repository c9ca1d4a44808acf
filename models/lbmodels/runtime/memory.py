# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory playing takes: `python -m lbmodels.runtime.memory FILE.graph` measures it in a process of its own."""

from __future__ import annotations

import mmap
import subprocess
import sys
from pathlib import Path

import numpy as np

from lbmodels.contract.conditions import WIDTHS
from lbmodels.errors import LiveBandModelError
from lbmodels.isolation import SAFE_FOLDER, python, tell_nobody
from lbmodels.runtime import cache
from lbmodels.runtime.engines import open_engine
from lbmodels.runtime.graph import GraphAccompanist
from lbmodels.runtime.manifest import from_json

_STEPS = 50
_MIB = 2**20


def measured_bytes(graph: Path) -> int:
    """By how much a process grows that plays one session on a graph, in whole MiB; 0 where that cannot be told."""
    done = subprocess.run(
        [*python("lbmodels.runtime.memory"), str(graph.absolute())],
        cwd=SAFE_FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    return int(done.stdout) * _MIB if done.returncode == 0 and done.stdout.strip().isdigit() else 0


def _resident_bytes() -> int:
    """Of this process, as Linux counts it. Raises OSError: another system."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * mmap.PAGESIZE


def _opened(path: Path) -> GraphAccompanist:
    kept = cache.read_file(path)
    if kept is None:
        raise LiveBandModelError(f"{path.name} is damaged")
    return GraphAccompanist("onnx", from_json(kept[0]), open_engine("onnx", kept[1]))


def main(path: str) -> int:
    """Print the MiB that opening and playing a graph take beside the library that runs it."""
    tell_nobody()
    import onnxruntime

    onnxruntime.get_available_providers()
    before = _resident_bytes()
    graph = _opened(Path(path))
    spec = graph.spec
    mix = np.zeros((1, spec.channels, spec.chunk_frames * spec.hop), np.float32)
    told = {
        name: np.full((1, spec.chunk_frames, WIDTHS[name]), np.nan, np.float32) for name in spec.conditions
    }
    told |= {name: np.zeros((1, spec.chunk_frames, 1), np.float32) for name in ("stem", "anticipation")}
    state, active = graph.init_state([1]), np.ones(1, np.bool_)
    for _ in range(_STEPS):
        _stem, state = graph.step(mix, told, state, active)
    print(round((_resident_bytes() - before) / _MIB))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
