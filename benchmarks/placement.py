# SPDX-License-Identifier: GPL-3.0-or-later
"""What a decision of a fleet costs: every one of a simulated hour, among some thousand servers.

    python -m benchmarks.placement
    python -m benchmarks.placement --players 100000

Processor time. The hour is the same each time it is played, so each decision is also given as the quickest of `--rounds`: what it costs
itself, without what a busy machine adds (caches that other programs emptied). Python's garbage collector runs between decisions: what it
collects are the simulation's players.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.measure import machine, record
from lbserver.fleet.placement import Policy
from lbserver.fleet.simulation import Day, simulate, timed

_POINTS = (50.0, 99.0, 99.9, 100.0)


@dataclass(frozen=True, kw_only=True)
class PlacementConfig:
    """So many players at once, so many sessions a server; the hour is played `rounds` times."""

    players: int = 10_000
    sessions: int = 7
    rounds: int = 3


def run(config: PlacementConfig) -> dict[str, Any]:
    """Figures of placing a session (`place`: chosen and counted) and of deciding what to start and drain (`decide`)."""
    before = machine.load_average()
    least = max(1, config.players // (10 * config.sessions))
    policy = Policy(least=least, surge=least, version="1")
    day = replace(Day(), players=config.players, limits={"model": config.sessions}, policy=policy)
    rounds: list[dict[str, list[float]]] = []
    for _ in range(config.rounds):
        times: dict[str, list[float]] = {"place": [], "decide": []}
        report = simulate(day, timed(times["place"], times["decide"]))
        rounds.append(times)
    rows = {}
    for name in ("place", "decide"):
        each = 1000 * np.array([times[name] for times in rounds])
        rows[name] = {
            "decisions": each.shape[1],
            "ms": dict(zip(map(_point, _POINTS), np.percentile(each, _POINTS).tolist(), strict=True)),
            "quickest_ms": dict(
                zip(map(_point, _POINTS), np.percentile(each.min(axis=0), _POINTS).tolist(), strict=True)
            ),
        }
    return {
        "servers": report.most_servers,
        "lost": report.lost,
        "over_limit": report.over_limit,
        "decisions": rows,
        "load_average": [before, machine.load_average()],
    }


def _point(percentile: float) -> str:
    return "max" if percentile == 100 else f"p{percentile:g}"


def show(result: dict[str, Any], console: Console) -> None:
    """The table."""
    table = Table(title=f"decisions among up to {result['servers']} servers, ms of processor time")
    for column in ("", "decisions", "p50", "p99", "p99.9", "max", "quickest: p99.9", "max"):
        table.add_column(column, justify="right")
    for name, row in result["decisions"].items():
        every, quickest = row["ms"], row["quickest_ms"]
        cells = [*every.values(), quickest["p99.9"], quickest["max"]]
        table.add_row(name, str(row["decisions"]), *(f"{value:.3f}" for value in cells))
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    defaults = PlacementConfig()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.placement", description="Weighs decisions.")
    parser.add_argument(
        "--players", type=int, default=defaults.players, help="at once (default: %(default)s)"
    )
    parser.add_argument(
        "--sessions", type=int, default=defaults.sessions, help="a server (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=defaults.rounds, help="default: %(default)s")
    parser.add_argument(
        "--results", type=Path, default=record.default_results("placement"), help="lines go here"
    )
    args = parser.parse_args(arguments)
    if min(args.players, args.sessions, args.rounds) < 1:
        parser.error("--players, --sessions and --rounds accept positive numbers")
    config = PlacementConfig(players=args.players, sessions=args.sessions, rounds=args.rounds)
    result = run(config)
    show(result, Console(width=110))
    record.write("placement", args.results, asdict(config), result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
