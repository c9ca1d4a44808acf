# SPDX-License-Identifier: GPL-3.0-or-later
"""How many sessions at what late rate: 1 to 16, on one worker and on two, with the model's measured step costs.

    python -m benchmarks.sessions
    python -m benchmarks.sessions --model test:copy --sessions 1 8

First the model's step is measured for each batch, by CPU time, which neighbours change least. Then the live engine
plays on the virtual clock, each step costing one of the measured times, drawn by a seed: a worker is a core of its
own. A frame is late when it landed after it was needed or was left out for that.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.measure import plot, record
from lbmodels.contract.accompanist import Accompanist
from lbmodels.contract.conditions import table
from lbserver.engine import backends
from lbserver.engine.budget import Budget
from lbserver.engine.calibrate import POLL_S
from lbserver.engine.virtual import VirtualWorker, run
from lbserver.testing import accompanists, stage

Costs = dict[int, NDArray[np.float64]]
"""Batch size -> seconds of each measured step."""


@dataclass(frozen=True, kw_only=True)
class SessionsConfig:
    """What to measure; `seconds` of virtual time for each row."""

    model: str | None = None
    sessions: tuple[int, ...] = (1, 2, 4, 6, 8, 10, 12, 16)
    workers: tuple[int, ...] = (1, 2)
    frames: int = 150
    seconds: float = 60.0
    block: int = 256
    seed: int = 1


def measured_costs(accompanist: Accompanist, batches: Sequence[int], frames: int) -> Costs:
    """CPU time of a step for each batch, everything known of the host, noise as the mix."""
    spec = accompanist.spec
    generator = np.random.default_rng(0)
    length = spec.hop * spec.chunk_frames
    known = {
        "stem": 0.0,
        "anticipation": 1.0,
        "variation": 1.0,
        "beat_phase": 0.25,
        "bar_phase": 0.3,
        "tempo": 120.0,
    }
    costs: Costs = {}
    for batch in batches:
        state = accompanist.init_state(range(batch))
        conditions = table(known, [{}] * spec.chunk_frames, batch)
        active = np.ones(batch, np.bool_)
        times = []
        for frame in range(frames + 5):
            mix = (0.1 * generator.standard_normal((batch, spec.channels, length))).astype(np.float32)
            begun = time.process_time()
            _, state = accompanist.step(mix, conditions, state, active)
            if frame >= 5:
                times.append(time.process_time() - begun)
        costs[batch] = np.array(times)
    return costs


def played(costs: Costs, accompanist: Accompanist, sessions: int, workers: int, config: SessionsConfig) -> dict[str, Any]:  # fmt: skip
    """One row: so many sessions dealt out to so many workers, each started at a phase of its own."""
    spec = accompanist.spec
    # The same frames and rates as the model, without its cost: what is played does not change when.
    copy = accompanists.copy(sample_rate=spec.sample_rate, hop=spec.hop, chunk_frames=spec.chunk_frames,
                        channels=spec.channels, anticipation_frames=spec.anticipation_frames)  # fmt: skip
    generator = np.random.default_rng((config.seed, sessions, workers))
    share = -(-sessions // workers)
    largest = min(batch for batch in costs if batch >= share)
    budget = Budget(compute_s=POLL_S + float(np.percentile(costs[largest], 99.9)), margin_s=0.002)

    def cost(rows: int, _now_s: float) -> float:
        return float(generator.choice(costs[min(batch for batch in costs if batch >= rows)]))

    pool = [VirtualWorker(copy, cost) for _ in range(min(workers, sessions))]
    hosts = []
    for number in range(sessions):
        start_s = float(generator.random()) * spec.frame_ms / 1000
        seat = stage.Seat(rate_hz=spec.sample_rate, blocks=(config.block,), start_s=start_s)
        hosts.append(stage.front_end(f"s{number}", seat, copy.spec, budget, stage.silence(), keep=False))
    live = [pool[number % len(pool)].serve(host) for number, host in enumerate(hosts)]
    run(hosts, pool, until_s=config.seconds)
    frames = sum(session.frames + session.skipped_frames for session in live)
    late = sum(session.late_frames + session.skipped_frames for session in live)
    timing = live[0].setup.timing
    row = {
        "sessions": sessions,
        "workers": workers,
        "anticipation_frames": timing.anticipation_frames,
        "recency_gap_ms": timing.recency_gap_ms,
        "frames": frames,
        "late": late,
        "late_rate": late / max(1, frames),
        "missing_samples": sum(host.port.missing_samples for host in hosts),
        "busiest_core": max(worker.busy_s for worker in pool) / config.seconds,
        "mean_batch": frames / max(1, sum(worker.steps for worker in pool)),
    }
    for host in hosts:
        host.close()
    return row


def show(costs: Costs, frame_ms: float, rows: Sequence[dict[str, Any]], console: Console) -> None:
    """Both tables."""
    table = Table(title="a step's CPU time, one thread", title_justify="left")
    for column in ("batch", "p50 ms", "p99.9 ms", "ms a session", "batching gain", "RTF", "sessions x RTF"):
        table.add_column(column, justify="right")
    one = float(np.median(costs[min(costs)])) / min(costs)
    for batch, times in costs.items():
        p50 = float(np.median(times))
        table.add_row(
            str(batch), f"{1000 * p50:.2f}", f"{1000 * np.percentile(times, 99.9):.2f}", f"{1000 * p50 / batch:.2f}",
            f"{one * batch / p50:.2f}", f"{frame_ms / 1000 / p50:.1f}", f"{batch * frame_ms / 1000 / p50:.1f}",
        )  # fmt: skip
    console.print(table)
    table = Table(title="live sessions, virtual clock, measured costs", title_justify="left")
    for column in (
        "workers",
        "sessions",
        "A",
        "gap ms",
        "frames",
        "late",
        "late rate",
        "mean batch",
        "core %",
    ):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            str(row["workers"]), str(row["sessions"]), str(row["anticipation_frames"]),
            f"{row['recency_gap_ms']:g}", str(row["frames"]), str(row["late"]), f"{row['late_rate']:.2g}",
            f"{row['mean_batch']:.2f}", f"{100 * row['busiest_core']:.0f}",
        )  # fmt: skip
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    defaults = SessionsConfig()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sessions", description="How many can play.")
    parser.add_argument("--model", help="a model's name or path (default: the default model)")
    parser.add_argument("--sessions", type=int, nargs="+", default=list(defaults.sessions))
    parser.add_argument("--workers", type=int, nargs="+", default=list(defaults.workers))
    parser.add_argument("--frames", type=int, default=defaults.frames, help="measured steps a batch")
    parser.add_argument("--seconds", type=float, default=defaults.seconds, help="virtual time a row")
    parser.add_argument("--results", type=Path, default=record.default_results("sessions"))
    args = parser.parse_args(arguments)
    if min(*args.sessions, *args.workers, args.frames) < 1 or args.seconds <= 0:
        parser.error("--sessions, --workers, --frames and --seconds accept positive numbers")
    config = SessionsConfig(
        model=args.model, sessions=tuple(args.sessions), workers=tuple(args.workers), frames=args.frames,
        seconds=args.seconds,
    )  # fmt: skip
    try:
        accompanist = backends.load(config.model)
    except ValueError as error:
        if not backends.is_user_error(error):
            raise
        parser.error(str(error))
    spec = accompanist.spec
    frame_ms = spec.frame_ms * spec.chunk_frames
    costs = measured_costs(accompanist, sorted({1, *config.sessions}), config.frames)
    rows = [
        played(costs, accompanist, sessions, workers, config)
        for workers in config.workers
        for sessions in config.sessions
    ]
    show(costs, frame_ms, rows, Console(width=110))
    with plot.picture(args.results, f"{spec.name}: late frames", "sessions", "late rate") as axes:
        for workers in config.workers:
            points = [(row["sessions"], row["late_rate"]) for row in rows if row["workers"] == workers]
            axes.plot(*zip(*points, strict=True), "o-", label=f"{workers} worker{'s' * (workers > 1)}")
    ms = {
        str(batch): {"p50": 1000 * float(np.median(times)), "p99.9": 1000 * float(np.percentile(times, 99.9))}
        for batch, times in costs.items()
    }
    model = {"name": spec.name, "weights_id": spec.weights_id, "frame_ms": frame_ms}
    record.write(
        "sessions",
        args.results,
        asdict(config),
        {
            "model": model,
            "runtime": str(getattr(accompanist, "runtime", "")),
            "step_cpu_ms": ms,
            "rows": rows,
        },
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
