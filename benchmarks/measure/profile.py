# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a graph's step spends its time: by part of the model, by operator, on overhead, and what would be the least.

A node's name begins with the part that it belongs to (`lbmodels.runtime.builder`). ONNX Runtime's own profile tells the time
of each node; it adds a little to every one, so the shares are scaled to what the step takes unwatched.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from benchmarks.measure import machine
from lbmodels.documents import MOST_FIGURES_CHARACTERS, read_json
from lbmodels.runtime.builder import Builder
from lbmodels.runtime.engines import OnnxEngine, graphs
from lbmodels.runtime.graph import GraphAccompanist
from lbmodels.runtime.manifest import Manifest
from lbmodels.runtime.timing import graph_step

PARTS = (
    ("input_level", "input level"),
    ("codec.encoder", "encoder"),
    ("encoder", "encoder"),
    ("ear", "ear"),
    ("beat_tracker", "trackers"),
    ("chord_tracker", "trackers"),
    ("generator.trunk", "trunk"),
    ("generator", "inputs of the trunk"),
    ("codec.decoder.head", "head"),
    ("codec.decoder.phase", "phase"),
    ("codec.decoder.map", "phase"),
    ("decoder.phasor", "phase"),
    ("decoder.position", "phase"),
    ("codec.decoder.back", "overlap-add"),
    ("decoder.back", "overlap-add"),
    ("codec.decoder", "decoder"),
    ("decoder", "decoder"),
)
"""What the names of nodes begin with, and what it is called; the first that fits."""

_PRODUCTS = {"MatMul", "FusedMatMul", "Gemm", "MatMulNBits"}
_CHAIN = 1000


@dataclass(frozen=True)
class Profile:
    """One batch. `step_ms` unwatched; `parts` and `operators`: [nodes, ms]; `operations`: multiplications of products."""

    batch: int
    step_ms: float
    nodes: int
    parts: dict[str, tuple[int, float]]
    operators: dict[str, tuple[int, float]]
    operations: float


def part_of(node: str) -> str:
    """The part that a node's name tells."""
    return next((part for start, part in PARTS if node.startswith(start)), "the rest")


def profile(manifest: Manifest, model: bytes, batch: int, steps: int = 100) -> Profile:
    """Play `steps` steps of a batch unwatched, then as many with ONNX Runtime's profile."""
    _, step = graph_step(GraphAccompanist("onnx", manifest, OnnxEngine(model)), batch)
    step_ms = _median_ms(step, steps)
    with tempfile.TemporaryDirectory(prefix="liveband-") as folder:
        engine = OnnxEngine(model, watched=f"{folder}/profile")
        _, step = graph_step(GraphAccompanist("onnx", manifest, engine), batch)
        for n in range(steps):
            step(n)
        events = read_json(Path(engine.finish()).read_text(), most_characters=MOST_FIGURES_CHARACTERS)
    times: dict[tuple[str, str], list[int]] = defaultdict(list)
    work: dict[tuple[str, str], float] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            key = (event["name"].removesuffix("_kernel_time"), event["args"]["op_name"])
            times[key].append(event["dur"])
            work[key] = _operations(event["args"]) if key[1] in _PRODUCTS else 0.0
    watched = {key: median(laps) for key, laps in times.items()}
    scale = step_ms / max(sum(watched.values()), 1)
    parts: defaultdict[str, float] = defaultdict(float)
    operators: defaultdict[str, float] = defaultdict(float)
    for (name, operator), microseconds in watched.items():
        parts[part_of(name)] += microseconds
        operators[operator] += microseconds
    in_part = Counter(part_of(name) for name, _ in watched)
    of_operator = Counter(operator for _, operator in watched)
    return Profile(
        batch,
        step_ms,
        len(watched),
        {part: (in_part[part], us * scale) for part, us in _longest_first(parts)},
        {operator: (of_operator[operator], us * scale) for operator, us in _longest_first(operators)},
        sum(work.values()),
    )


def _longest_first(times: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(times.items(), key=lambda item: -item[1])


def _median_ms(step: Callable[[int], object], steps: int) -> float:
    times = []
    for n in range(steps + 10):
        begin = time.process_time()
        step(n)
        times.append(time.process_time() - begin)
    return 1000 * median(times[10:])


def _operations(arguments: Mapping[str, Any]) -> float:
    """Multiplications of a product: as many as the result has numbers, times the length of the sums."""
    inputs, outputs = (_shapes(arguments[f"{end}_type_shape"]) for end in ("input", "output"))
    return float(math.prod(outputs[0]) * inputs[0][-1])


def _shapes(typed: list[dict[str, list[int]]]) -> list[list[int]]:
    return [next(iter(one.values())) for one in typed]


def empty_node_us() -> float:
    """Microseconds of a node that does all but nothing: one of a long chain on a single number."""
    builder = Builder()
    x = builder.input("x", (None, 1), torch.float32)
    for n in range(_CHAIN):
        x = builder.elementwise("Neg" if n % 2 else "Sigmoid", torch.float32, x)
    builder.output("y", x)
    engine = OnnxEngine(builder.model("chain").SerializeToString())
    given = {"x": np.zeros((1, 1), np.float32)}
    return 1000 * _median_ms(lambda _: engine.run(given), 50) / _CHAIN


def peak_per_s() -> float:
    """Multiplications with addition a second, float32, one thread: the fastest of some large products."""
    size = 512
    builder = Builder()
    x = builder.input("x", (None, size), torch.float32)
    builder.output("y", builder.matmul(x, torch.zeros(size, size)))
    engine = OnnxEngine(builder.model("peak").SerializeToString())
    given, times = {"x": np.zeros((size, size), np.float32)}, []
    for _ in range(20):
        begin = time.process_time()
        engine.run(given)
        times.append(time.process_time() - begin)
    return float(size**3 / min(times))


def weight_bytes(model: bytes) -> int:
    """Bytes of everything constant in a graph: what every step reads."""
    step = onnx.load_from_string(graphs(model)[-1]).graph
    return int(sum(numpy_helper.to_array(constant).nbytes for constant in step.initializer))


def figures(manifest: Manifest, model: bytes, batches: tuple[int, ...], read_mib: int) -> dict[str, Any]:
    """All of it, as it goes into the record."""
    size, bandwidth = weight_bytes(model), machine.read_bytes_per_s(read_mib * 2**20)
    peak, empty = peak_per_s(), empty_node_us()
    hop_ms = 1000 * manifest.spec.hop * manifest.spec.chunk_frames / manifest.spec.sample_rate
    runs = []
    for batch in batches:
        found = profile(manifest, model, batch)
        limits = {"bytes": 1000 * size / bandwidth, "operations": 1000 * found.operations / peak}
        runs.append(
            {
                "batch": batch,
                "step_ms": round(found.step_ms, 3),
                "rtf": round(hop_ms / found.step_ms, 2),
                "nodes": found.nodes,
                "overhead_ms": round(found.nodes * empty / 1000, 3),
                "limit_ms": {name: round(ms, 3) for name, ms in limits.items()},
                "times_the_larger_limit": round(found.step_ms / max(limits.values()), 2),
                "parts": {name: [n, round(ms, 3)] for name, (n, ms) in found.parts.items()},
                "operators": {name: [n, round(ms, 3)] for name, (n, ms) in found.operators.items()},
            }
        )
    return {
        "model": {"name": manifest.spec.name, "weights_id": manifest.spec.weights_id},
        "weight_bytes": size,
        "memory_gb_per_s": round(bandwidth / 1e9, 2),
        "peak_gmac_per_s": round(peak / 1e9, 2),
        "empty_node_us": round(empty, 3),
        "runs": runs,
    }
