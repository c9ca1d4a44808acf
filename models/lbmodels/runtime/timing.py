# SPDX-License-Identifier: GPL-3.0-or-later
"""What a frame costs on each runtime of this machine: a quick look, the long one is `benchmarks.runtime`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.conditions import WIDTHS
from lbmodels.contract.spec import Spec
from lbmodels.errors import NotExportableError
from lbmodels.runtime import opening
from lbmodels.runtime.graph import GraphAccompanist

Step = Callable[[int], None]
_MIX_FRAMES = 16


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One runtime: whether `auto` takes it, and CPU milliseconds of a frame of one session at the frame rate.

    `ms_per_frame` and `rtf` (the frame's length over it) are None where it cannot run; `note` says why.
    """

    runtime: str
    used: bool
    ms_per_frame: float | None = None
    rtf: float | None = None
    note: str = ""


def runtimes(name: str | None = None, frames: int = 20) -> list[Timed]:
    """The runtimes of the live path, the one that is used first. Takes some `frames` frames of time for each.

    Raises:
        LiveBandModelError: no such model, or weights that are missing, damaged or foreign.
    """
    chosen = opening.open_model(name)
    used = "torch" if chosen is None else chosen.runtime
    results = []
    for runtime in dict.fromkeys([used, *opening.LIVE, "torch"]):
        if runtime == "torch" and not opening.torch_is_there():
            results.append(Timed(runtime=runtime, used=False, note="not installed: liveband[torch]"))
            continue
        try:
            graph = chosen if chosen is not None and runtime == used else opening.open_model(name, runtime)
            spec, step = graph_step(graph, 1) if graph is not None else torch_step(name, 1)
        except NotExportableError as error:
            results.append(Timed(runtime=runtime, used=False, note=str(error)))
            continue
        chunk_ms = spec.chunk_frames * spec.frame_ms
        ms = paced_ms(step, frames, chunk_ms)
        results.append(
            Timed(
                runtime=runtime,
                used=runtime == used,
                ms_per_frame=round(ms / spec.chunk_frames, 2),
                rtf=round(chunk_ms / ms, 1),
            )
        )
    return sorted(results, key=lambda timed: not timed.used)


def paced_ms(step: Step, steps: int, step_ms: float) -> float:
    """Median CPU time of a step when steps come every `step_ms`: whatever ran in between has taken the caches, as live."""
    for n in range(3):
        step(n)
    times = []
    due = time.perf_counter()
    for n in range(steps):
        due += step_ms / 1000.0
        time.sleep(max(0.0, due - time.perf_counter()))
        begin = time.process_time()
        step(n)
        times.append(time.process_time() - begin)
    return 1000.0 * median(times)


def told(spec: Spec, batch: int) -> dict[str, NDArray[np.float32]]:
    """Conditions of sessions whose host knows everything."""
    values = {"anticipation": 1.0, "variation": 1.0, "beat_phase": 0.25, "bar_phase": 0.3125, "tempo": 120.0}
    conditions = {
        name: np.full((batch, spec.chunk_frames, WIDTHS[name]), values.get(name, 0.0), np.float32)
        for name in ("stem", "anticipation", "variation", *spec.conditions)
    }
    conditions["stem"][:] = (np.arange(batch) % len(spec.stems))[:, None, None]
    if "chord" in conditions:
        conditions["chord"][..., [0, 4, 7]] = 1.0
    return conditions


def noise(spec: Spec, batch: int) -> NDArray[np.float32]:
    """Chunks [n, B, C, k*H] of noise at -20 dB below full scale: silence would be cheaper to hear."""
    shape = (_MIX_FRAMES, batch, spec.channels, spec.chunk_frames * spec.hop)
    return 0.1 * np.random.default_rng(1).standard_normal(shape, np.float32)


def graph_step(graph: GraphAccompanist, batch: int) -> tuple[Spec, Step]:
    """Sessions on a graph, as a function that plays frame n."""
    spec = graph.spec
    mixes, conditions, active = noise(spec, batch), told(spec, batch), np.ones(batch, np.bool_)
    state = graph.init_state(list(range(batch)))

    def step(n: int) -> None:
        nonlocal state
        _, state = graph.step(mixes[n % _MIX_FRAMES], conditions, state, active)

    return spec, step


def torch_step(name: str | None, batch: int) -> tuple[Spec, Step]:
    """The same on torch."""
    import torch

    from lbmodels.families import loading

    torch.set_num_threads(1)
    model = loading.load(name)
    spec = model.spec
    mixes = torch.from_numpy(noise(spec, batch))
    conditions = {key: torch.from_numpy(value) for key, value in told(spec, batch).items()}
    active = torch.ones(batch, dtype=torch.bool)
    state: Any = model.init_state(list(range(batch)))

    def step(n: int) -> None:
        nonlocal state
        with torch.inference_mode():
            _, state = model.step(mixes[n % _MIX_FRAMES], conditions, state, active)

    return spec, step
