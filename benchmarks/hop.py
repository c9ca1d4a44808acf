# SPDX-License-Identifier: GPL-3.0-or-later
"""What each hop would cost and give: the whole chain of a recipe's sizes, paced, at 20, 30 and 40 ms.

    python -m benchmarks.hop --recipe tiny --seconds 30

A shorter hop hears later (gap A*H) and reacts sooner (gap + hop), but has less slack for the step and pays
the cost of one step more often. Widths, depths and the attention's window in seconds are the same at every
hop. The hops take turns, so that what else runs on the machine meets them all alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.measure import machine, record
from benchmarks.measure.clock import Measured, joined, measure, spread_ms
from benchmarks.measure.subject import Sizes, describe, random_accompanist, sessions
from lbmodels.errors import LiveBandModelError
from lbserver.ring.timeline import Grid, Mode, timing


@dataclass(frozen=True, kw_only=True)
class HopConfig:
    """Hops in samples of the model's rate; `seconds` of music per hop, played in `rounds` turns."""

    recipe: str = "tiny"
    hops: tuple[int, ...] = (960, 1440, 1920)
    batch: int = 1
    seconds: float = 30.0
    rounds: int = 3
    warmup_frames: int = 10


def run(config: HopConfig) -> dict[str, Any]:
    """All figures, one entry a hop, as they go into the record."""
    torch.set_num_threads(1)
    load_before = machine.load_average()
    accompanists = [random_accompanist(Sizes(recipe=config.recipe, hop=hop)) for hop in config.hops]
    playing = [sessions(accompanist, config.batch) for accompanist in accompanists]
    measured: dict[int, list[Measured]] = {hop: [] for hop in config.hops}
    for _ in range(config.rounds):
        for accompanist, step in zip(accompanists, playing, strict=True):
            spec = accompanist.spec
            frames = round(config.seconds / config.rounds * spec.sample_rate / spec.hop)
            turn = measure(
                step,
                {},
                frames=max(1, frames),
                warmup_frames=config.warmup_frames,
                frame_ns=spec.hop * 10**9 // spec.sample_rate,
            )
            measured[spec.hop].append(turn)
    return {
        "models": [describe(accompanist) for accompanist in accompanists],
        "load_average": [load_before, machine.load_average()],
        "hops": [
            weigh(accompanist.spec.hop, accompanist.spec.sample_rate, joined(measured[accompanist.spec.hop]))
            for accompanist in accompanists
        ],
    }


def weigh(hop: int, sample_rate: int, measured: Measured) -> dict[str, Any]:
    """One hop's figures: cost, what A = 1 gives, and what live mode would choose here for S + J = p99.9.

    `live` uses the time from frame due to stem ready, wall clock, so it pays for the neighbours too; the
    CPU times do not. It is None where the program fell behind for good.
    """
    hop_ms = hop * 1000 / sample_rate
    step, finish = measured.whole.figures(), spread_ms(measured.finish_ns)
    grid = Grid(host_rate_hz=sample_rate, model_rate_hz=sample_rate, hop_samples=hop)
    budget = Fraction(finish["p99.9"]) * sample_rate / 1000
    chosen = timing(grid, Mode.LIVE, budget_samples=budget)
    live = {
        "anticipation_frames": chosen.anticipation_frames,
        "recency_gap_ms": chosen.recency_gap_ms,
        "worst_reaction_ms": chosen.recency_gap_ms + hop_ms,
    }
    return {
        "hop_samples": hop,
        "hop_ms": hop_ms,
        "frames": len(measured.finish_ns),
        "step": step,
        "finish_ms": finish,
        "rtf": round(hop_ms / step["cpu_ms"]["mean"], 2),
        "cpu_share": round(step["cpu_ms"]["mean"] / hop_ms, 4),
        "one_frame_ahead": {
            "recency_gap_ms": hop_ms,
            "worst_reaction_ms": 2 * hop_ms,
            "spare_cpu_ms": round(hop_ms - step["cpu_ms"]["p99.9"], 3),
            "missed": measured.missed(hop * 10**9 // sample_rate),
        },
        "restarts": measured.restarts,
        "live": None if measured.restarts else live,
    }


def show(result: dict[str, Any], console: Console) -> None:
    """The table, for eyes only."""
    name = result["models"][0]["name"]
    table = Table(title=f"{name}, one thread, paced; ms, A = 1 unless said", title_justify="left")
    columns = (
        "hop", "CPU p50", "CPU p99", "CPU p99.9", "wall p50", "wall p99.9", "RTF", "core %",
        "gap G", "reaction", "spare", "missed", "live A", "live G", "live reaction",
    )  # fmt: skip
    for column in columns:
        table.add_column(column, justify="right")
    for figures in result["hops"]:
        cpu, wall = figures["step"]["cpu_ms"], figures["step"]["wall_ms"]
        ahead, live = figures["one_frame_ahead"], figures["live"]
        table.add_row(
            f"{figures['hop_ms']:g}",
            *(f"{cpu[point]:.1f}" for point in ("p50", "p99", "p99.9")),
            *(f"{wall[point]:.1f}" for point in ("p50", "p99.9")),
            f"{figures['rtf']:.1f}",
            f"{100 * figures['cpu_share']:.0f}",
            f"{ahead['recency_gap_ms']:g}",
            f"{ahead['worst_reaction_ms']:g}",
            f"{ahead['spare_cpu_ms']:.1f}",
            f"{ahead['missed']} of {figures['frames']}",
            *(f"{value:g}" for value in (live or {}).values()),
        )
    console.print(table)
    console.print(
        "spare: what CPU p99.9 leaves of the slack A*H. live: the least A with A*H >= p99.9 of the time from "
        "frame due to stem ready, as this machine is loaded now; empty where it cannot keep up."
    )
    before, after = result["load_average"]
    console.print(f"load average {before} before, {after} after: about 1 is this program alone")


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    defaults = HopConfig()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hop", description="Weighs the hop.")
    parser.add_argument("--recipe", default=defaults.recipe, help="sizes (default: %(default)s)")
    parser.add_argument("--hops", type=int, nargs="+", default=list(defaults.hops), help="samples at 48 kHz")
    parser.add_argument("--batch", type=int, default=defaults.batch, help="sessions at once")
    parser.add_argument("--seconds", type=float, default=defaults.seconds, help="music per hop")
    parser.add_argument("--rounds", type=int, default=defaults.rounds, help="turns it is split into")
    parser.add_argument("--results", type=Path, default=record.default_results("hop"), help="lines go here")
    args = parser.parse_args(arguments)
    if min(args.batch, args.rounds, *args.hops) < 1 or args.seconds <= 0:
        parser.error("--hops, --batch, --seconds and --rounds accept positive numbers")
    config = HopConfig(
        recipe=args.recipe,
        hops=tuple(args.hops),
        batch=args.batch,
        seconds=args.seconds,
        rounds=args.rounds,
    )
    try:
        result = run(config)
    except (LiveBandModelError, ValueError) as error:
        parser.error(str(error))
    show(result, Console(width=148))
    record.write("hop", args.results, asdict(config), result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
