# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays for long: memory, cost per block and correctness at the start and at the end.

    python -m benchmarks.soak                                one million blocks on the virtual clock
    python -m benchmarks.soak --blocks 16000000              a day of audio
    python -m benchmarks.soak --wall-seconds 1200            and a real server with the default model for 20 minutes

On the virtual clock every block that comes back is compared with what belongs there, to the bit.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.measure import machine, plot, record
from lbmodels.contract.accompanist import Audio
from lbserver.client import Client
from lbserver.engine.budget import Budget
from lbserver.engine.virtual import VirtualWorker, run
from lbserver.testing import accompanists, stage
from lbserver.testing.servers import serving

_PARTS = 10


@dataclass(frozen=True, kw_only=True)
class SoakConfig:
    """`blocks` of `block` samples on the virtual clock; `wall_seconds` with a real server, 0 for none."""

    blocks: int = 1_000_000
    block: int = 256
    wall_seconds: float = 0.0
    model: str | None = None


def virtual(config: SoakConfig) -> dict[str, Any]:
    """The whole run in ten parts; what a part cost, and what was left in memory after it."""
    copy = accompanists.copy()
    source = stage.marks(48000)
    budget = Budget(compute_s=0.006, margin_s=0.002)
    host = stage.front_end("a", stage.Seat(blocks=(config.block,)), copy.spec, budget, source, keep=False)
    worker = VirtualWorker(copy, lambda _rows, _now_s: 0.005)
    session = worker.serve(host)
    shift = int(sum(stage.reported_samples(host)) + stage.hop_samples(copy, 48000))
    exchange, wrong = host.port.exchange, 0

    def checked(mix: Audio) -> Audio:
        nonlocal wrong
        at = host.samples - shift
        stem = exchange(mix)
        wrong += int(at >= 0 and bool((stem != source(at, config.block)).any()))
        return stem

    vars(host.port)["exchange"] = checked
    end_s = config.blocks * config.block / 48000
    cpu_s, resident = [time.process_time()], [machine.resident_bytes()]

    def note() -> None:
        cpu_s.append(time.process_time())
        resident.append(machine.resident_bytes())

    marks = [(end_s * part / _PARTS, note) for part in range(1, _PARTS)]
    run([host], [worker], until_s=end_s, at=marks)
    note()
    parts_us = (1e6 * np.diff(cpu_s) / (config.blocks / _PARTS)).tolist()
    hours = host.samples / 48000 / 3600
    result = {
        "blocks": host.calls,
        "audio_hours": hours,
        "wrong_blocks": wrong,
        "late_frames": session.late_frames + session.skipped_frames,
        "missing_samples": host.port.missing_samples,
        "cpu_us_a_block": parts_us,
        "last_over_first": parts_us[-1] / parts_us[0],
        "resident_mb": [round(value / 2**20, 2) for value in resident],
        # Caches fill in the first tenth.
        "growth_mb_an_hour": (resident[-1] - resident[1]) / 2**20 / (hours * (_PARTS - 1) / _PARTS),
    }
    host.close()
    return result


def wall(config: SoakConfig) -> dict[str, Any]:
    """A real server and one front end in real time."""
    model = ["--model", config.model] if config.model else []
    with serving("--workers", "1", *model) as server, Client(run=server["run"]) as client:
        children = Path(f"/proc/{server['process']}/task/{server['process']}/children").read_text().split()
        pids = [int(server["process"]), *map(int, children)]

        def memory() -> int:
            pages = (int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
            return sum(pages) * resource.getpagesize()

        with client.open(stem="bass", rate_hz=48000, block_samples=config.block) as session:
            source = stage.noise(1)
            begun_s, position, resident = time.monotonic(), 0, list[int]()
            while (passed_s := time.monotonic() - begun_s) < config.wall_seconds:
                session.exchange(source(position, config.block))
                position += config.block
                if len(resident) <= passed_s / 10:
                    resident.append(memory())
                time.sleep(max(0.0, begun_s + position / 48000 - time.monotonic()))
            status = session.status()
    wanted = (
        "frames",
        "late_frames",
        "skipped_frames",
        "missing_samples",
        "headroom_ms",
        "step_ms",
        "recency_gap_ms",
    )
    hours = config.wall_seconds / 3600
    settled = resident[min(3, len(resident) - 1)]
    return {
        "seconds": config.wall_seconds,
        **{name: status[name] for name in wanted},
        "resident_mb": [round(value / 2**20, 2) for value in resident],
        "growth_mb_an_hour": (resident[-1] - settled) / 2**20 / hours,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    defaults = SoakConfig()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description="Plays for long.")
    parser.add_argument("--blocks", type=int, default=defaults.blocks, help="on the virtual clock")
    parser.add_argument("--block", type=int, default=defaults.block, help="samples")
    parser.add_argument(
        "--wall-seconds", type=float, default=defaults.wall_seconds, help="with a real server"
    )
    parser.add_argument("--model", help="for the real server (default: the default model)")
    parser.add_argument("--results", type=Path, default=record.default_results("soak"))
    args = parser.parse_args(arguments)
    if args.blocks < 100 * _PARTS or not 1 <= args.block <= 4096 or args.wall_seconds < 0:
        parser.error(
            f"accepted: --blocks {100 * _PARTS} or more, --block 1 to 4096, --wall-seconds 0 or more"
        )
    config = SoakConfig(
        blocks=args.blocks, block=args.block, wall_seconds=args.wall_seconds, model=args.model
    )
    figures: dict[str, Any] = {"virtual": virtual(config)}
    if config.wall_seconds:
        figures["wall"] = wall(config)
    for name, result in figures.items():
        table = Table(title=name, title_justify="left", show_header=False)
        for key, value in result.items():
            shown = " ".join(f"{one:.4g}" for one in value) if isinstance(value, list) else f"{value:.6g}"
            table.add_row(key, shown)
        Console(width=130).print(table)
    with plot.picture(args.results, "memory while it plays", "part of the run", "resident, MB") as axes:
        for name, result in figures.items():
            values = result["resident_mb"]
            axes.plot(np.linspace(0, 1, len(values)), values, "o-", label=name)
    record.write("soak", args.results, asdict(config), figures)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
