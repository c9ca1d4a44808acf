# SPDX-License-Identifier: GPL-3.0-or-later
"""Two models in one server: do sessions of the default lose frames beside a model whose step takes three seconds?

    python -m benchmarks.models                  four sessions of the default, two of `test:slow`, for a minute
    python -m benchmarks.models --slow 0         the same without the slow ones, to compare
    python -m benchmarks.models --json           the figures alone
    chrt -r 1 .venv/bin/python -m benchmarks.models     on a machine that is busy: others come second

A real server, in real time: what else the machine does counts, so the load is told with the figures.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import machine, record
from lbserver.client import Client, Session
from lbserver.testing import stage
from lbserver.testing.servers import serving

_RATE_HZ = 48000
_LOST = ("late_frames", "skipped_frames", "missing_samples")


@dataclass(frozen=True, kw_only=True)
class ModelsConfig:
    """`quick` sessions of the default model and `slow` ones of another, in blocks of `block` samples at 48 kHz."""

    quick: int = 4
    slow: int = 2
    slow_model: str = "test:slow"
    seconds: float = 60.0
    block: int = 480
    workers: int = 1


def run(config: ModelsConfig) -> dict[str, Any]:
    """Frames played and lost by each session, once all of them play."""
    source = stage.noise(1)
    options = ("--model", "tiny", "--model", config.slow_model, "--workers", str(config.workers))
    load_before = machine.load_average()
    with serving(*options) as server, Client(run=server["run"]) as client:

        def opened(model: str) -> Session:
            return client.open(stem="bass", rate_hz=_RATE_HZ, block_samples=config.block, model=model)

        sessions = [opened(config.slow_model) for _ in range(config.slow)]
        sessions += [opened("tiny") for _ in range(config.quick)]
        begun_s, position, most_behind_s = time.monotonic(), 0, 0.0
        while position < config.seconds * _RATE_HZ:
            block = source(position, config.block)
            for session in sessions:
                session.exchange(block)
            position += config.block
            left_s = begun_s + position / _RATE_HZ - time.monotonic()
            most_behind_s = max(most_behind_s, -left_s)
            time.sleep(max(0.0, left_s))
        told = client.sessions()
    rows: list[dict[str, Any]] = [
        {
            "model": told[one.name]["model"],
            **{name: told[one.name][name] for name in ("frames", *_LOST, "step_ms", "recency_gap_ms")},
        }
        for one in sessions
    ]
    return {
        "rows": rows,
        "lost_frames": {
            model: sum(row["late_frames"] + row["skipped_frames"] for row in rows if row["model"] == model)
            for model in sorted({row["model"] for row in rows})
        },
        "driver_behind_ms": round(1000 * most_behind_s, 1),
        "load": {"before": load_before, "after": machine.load_average()},
        # A machine that is busy tells of a quiet one under `chrt -r 1`: programs of others come second then.
        "real_time_priority": os.sched_getparam(0).sched_priority,
    }


def show(figures: dict[str, Any], console: Console) -> None:
    table = Table(title="two models in one server", title_justify="left")
    columns = list(figures["rows"][0])
    for column in columns:
        table.add_column(column.replace("_", " "), justify="left" if column == "model" else "right")
    for row in figures["rows"]:
        table.add_row(*(value if isinstance(value, str) else f"{value:.6g}" for value in row.values()))
    console.print(table)
    lost = ", ".join(f"{model} {count}" for model, count in figures["lost_frames"].items())
    load = figures["load"]
    console.print(
        f"frames lost: {lost}; load {load['before']} before, {load['after']} after, "
        f"real-time priority {figures['real_time_priority']}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    defaults = ModelsConfig()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.models", description="Two models in one server."
    )
    parser.add_argument("--quick", type=int, default=defaults.quick, help="sessions of the default model")
    parser.add_argument("--slow", type=int, default=defaults.slow, help="sessions of the slow one")
    parser.add_argument("--slow-model", default=defaults.slow_model, help="its name or folder")
    parser.add_argument("--seconds", type=float, default=defaults.seconds, help="of wall clock")
    parser.add_argument("--workers", type=int, default=defaults.workers, help="of the default model")
    parser.add_argument("--json", action="store_true", help="print the JSON line alone")
    parser.add_argument("--results", type=Path, default=record.default_results("models"))
    args = parser.parse_args(arguments)
    if args.quick < 1 or args.slow < 0 or args.seconds <= 0 or args.workers < 1:
        parser.error("accepted: --quick and --workers 1 or more, --slow 0 or more, --seconds above 0")
    config = ModelsConfig(
        quick=args.quick,
        slow=args.slow,
        slow_model=args.slow_model,
        seconds=args.seconds,
        workers=args.workers,
    )
    figures = run(config)
    if not args.json:
        show(figures, Console(width=110))
    record.write("models", args.results, asdict(config), figures)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
