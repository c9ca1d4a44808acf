# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a step many times, back to back or paced at the frame rate, and keeps the time of each.

Back to back, weights stay in the caches that can hold them. Paced, the program sleeps until the next
frame is due, as it does live: whatever ran in between has taken the caches, and waking up costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

_GIVE_UP_FRAMES = 10


class Stepping(Protocol):
    """Whatever has a `step`, with any arguments."""

    def step(self, *args: Any, **kwargs: Any) -> Any: ...


@dataclass(frozen=True)
class Laps:
    """Wall and CPU time of each call, in nanoseconds."""

    wall_ns: list[int] = field(default_factory=list)
    cpu_ns: list[int] = field(default_factory=list)

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, which writes down how long it took."""

        def call(*args: Any) -> Any:
            wall, cpu = time.perf_counter_ns(), time.process_time_ns()
            result = function(*args)
            self.cpu_ns.append(time.process_time_ns() - cpu)
            self.wall_ns.append(time.perf_counter_ns() - wall)
            return result

        return call

    def forget(self) -> None:
        self.wall_ns.clear()
        self.cpu_ns.clear()

    def figures(self) -> dict[str, dict[str, float]]:
        return {"cpu_ms": spread_ms(self.cpu_ns), "wall_ms": spread_ms(self.wall_ns)}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run. `finish_ns` counts from the moment a frame was due to the end of its step; `restarts` is how
    often the clock had to wait for the program (paced runs only).
    """

    whole: Laps
    parts: dict[str, Laps]
    finish_ns: list[int]
    restarts: int

    def missed(self, slack_ns: int) -> int:
        """Frames that were ready later than `slack_ns` after they came in."""
        return sum(finish > slack_ns for finish in self.finish_ns)


def spread_ms(times_ns: list[int]) -> dict[str, float]:
    """Mean, percentiles and maximum in milliseconds; p99.9 of fewer than 1000 is all but the maximum."""
    ms = np.asarray(times_ns, np.float64) / 1e6
    points = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9}
    named = {name: float(np.percentile(ms, point)) for name, point in points.items()}
    return {k: round(v, 4) for k, v in {"mean": float(ms.mean()), **named, "max": float(ms.max())}.items()}


@contextmanager
def timed_in_place(modules: Mapping[str, Stepping]) -> Iterator[dict[str, Laps]]:
    """Time the `step` of each module inside whatever calls it: parts measured alone keep their caches warm."""
    laps = {name: Laps() for name in modules}
    for name, module in modules.items():
        vars(module)["step"] = laps[name].timed(module.step)
    try:
        yield laps
    finally:
        for module in modules.values():
            del vars(module)["step"]


def measure(
    step: Callable[[int], None],
    parts: Mapping[str, Stepping],
    *,
    frames: int,
    warmup_frames: int,
    frame_ns: int | None,
) -> Measured:
    """Call `step(n)` for `warmup_frames` that are forgotten and `frames` that count.

    With `frame_ns`, frames come due at that pace and no step begins earlier; a late step delays the ones
    after it, as it would live, until the program is `_GIVE_UP_FRAMES` behind: then it cannot keep up, and the
    clock starts anew, because a queue that only grows says nothing more. Without, each step follows the last.
    """
    whole = Laps()
    timed = whole.timed(step)
    finish_ns: list[int] = []
    restarts = 0
    with timed_in_place(parts) as laps:
        due = time.perf_counter_ns()
        for n in range(warmup_frames + frames):
            if n == warmup_frames:
                for kept in (whole, *laps.values()):
                    kept.forget()
                finish_ns.clear()
                restarts = 0
            if frame_ns is None:
                timed(n)
                continue
            due += frame_ns
            behind_ns = time.perf_counter_ns() - due
            if behind_ns > _GIVE_UP_FRAMES * frame_ns:
                restarts += 1
                due += behind_ns
            elif behind_ns < 0:
                time.sleep(-behind_ns / 1e9)
            timed(n)
            finish_ns.append(time.perf_counter_ns() - due)
    return Measured(whole=whole, parts=laps, finish_ns=finish_ns, restarts=restarts)


def joined(runs: Sequence[Measured]) -> Measured:
    """Runs of the same step as one."""
    whole = Laps()
    parts: dict[str, Laps] = {name: Laps() for name in runs[0].parts}
    finish_ns: list[int] = []
    for run in runs:
        finish_ns.extend(run.finish_ns)
        for all_laps, laps in ((whole, run.whole), *((parts[name], run.parts[name]) for name in parts)):
            all_laps.wall_ns.extend(laps.wall_ns)
            all_laps.cpu_ns.extend(laps.cpu_ns)
    restarts = sum(run.restarts for run in runs)
    return Measured(whole=whole, parts=parts, finish_ns=finish_ns, restarts=restarts)
