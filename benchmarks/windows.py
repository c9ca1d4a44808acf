# SPDX-License-Identifier: GPL-3.0-or-later
"""What a window step of the look-ahead family costs: each tier of quality against the time there is, r T.

    python -m benchmarks.windows --codec models/weights/tiny-codec.safetensors
    python -m benchmarks.windows --recipe small --ratios 0.0625 0.125 0.25

Random weights of a recipe's sizes, since a step costs the same whatever they are. One thread, CPU time: what a core to itself gives.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.measure import machine, record
from lbmodels.config import build
from lbmodels.contract.conditions import WIDTHS
from lbmodels.errors import LiveBandModelError
from lbmodels.families.lookahead.accompanist import LookaheadAccompanist
from lbmodels.families.lookahead.network import LookaheadConfig, WindowNetwork
from lbmodels.families.lookahead.quality import TIERS
from lbmodels.families.lookahead.window import Window
from lbmodels.families.parts import CODEC
from lbmodels.train.recipe import read_recipe
from lbmodels.weights.modules import load_part


@dataclass(frozen=True, kw_only=True)
class WindowsConfig:
    """What to measure: sizes of a recipe, step ratios at w = 1, steps that are counted."""

    codec: str = "models/weights/tiny-codec.safetensors"
    recipe: str = "tiny"
    ratios: tuple[float, ...] = (0.125, 0.25)
    steps: int = 8


def run(config: WindowsConfig) -> dict[str, Any]:
    """Figures of every ratio and tier. Raises LiveBandModelError: no such recipe or codec, an impossible ratio."""
    torch.set_num_threads(1)
    before = machine.load_average()
    sizes = build(LookaheadConfig, read_recipe("lookahead", config.recipe)["model"])
    codec = load_part(CODEC, Path(config.codec))
    networks = {
        name: WindowNetwork(replace(sizes, student=name == "student")).eval().requires_grad_(False)
        for name in ("teacher", "student")
    }
    rows = []
    for ratio in config.ratios:
        window = Window(ratio=ratio, look_ahead=1)
        model = LookaheadAccompanist(
            "windows", codec, teacher=networks["teacher"], student=networks["student"], window=window
        ).eval()
        rows += [_measure(model, ratio, tier.name, config.steps) for tier in TIERS]
    return {
        "parameters": sum(p.numel() for p in networks["student"].parameters()),
        "window_s": sizes.columns / sizes.frame_rate,
        "steps": rows,
        "load_average": [before, machine.load_average()],
    }


def _measure(model: LookaheadAccompanist, ratio: float, name: str, steps: int) -> dict[str, Any]:
    tier = next(tier for tier in TIERS if tier.name == name)
    new, hop = model.new, model.spec.hop
    told = {key: torch.full((1, new, width), torch.nan) for key, width in WIDTHS.items()}
    told |= {"stem": torch.zeros(1, new, 1), "anticipation": torch.full((1, new, 1), float(new))}
    mix = 0.1 * torch.randn(1, 2, new * hop, generator=torch.Generator().manual_seed(0))
    state, on, took = model.init_state([1]), torch.ones(1, dtype=torch.bool), []
    for _ in range(steps + 1):
        begun = time.process_time()
        _, state = model.step(mix, told, state, on, tier)
        took.append(time.process_time() - begun)
    budget_s = new / model.config.frame_rate
    median = float(np.median(took[1:]))
    return {
        "ratio": ratio,
        "budget_ms": 1000 * budget_s,
        "tier": name,
        "calls": tier.calls,
        "cpu_ms": {"p50": 1000 * median, "max": 1000 * max(took[1:])},
        "share": median / budget_s,
    }


def show(result: dict[str, Any], console: Console) -> None:
    """The table."""
    table = Table(
        title=f"windows of {result['window_s']:g} s, {result['parameters'] / 1e6:.1f} million parameters, w = 1"
    )
    for column in ("r", "r T, ms", "quality", "calls", "CPU p50, ms", "CPU max, ms", "of r T"):
        table.add_column(column, justify="right")
    for row in result["steps"]:
        table.add_row(
            f"{row['ratio']:g}",
            f"{row['budget_ms']:.0f}",
            row["tier"],
            str(row["calls"]),
            f"{row['cpu_ms']['p50']:.0f}",
            f"{row['cpu_ms']['max']:.0f}",
            f"{row['share']:.2f}",
        )
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    defaults = WindowsConfig()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.windows", description="Weighs window steps.")
    parser.add_argument("--codec", default=defaults.codec, help="autoencoder weights (default: %(default)s)")
    parser.add_argument("--recipe", default=defaults.recipe, help="sizes (default: %(default)s)")
    parser.add_argument(
        "--ratios", type=float, nargs="+", default=list(defaults.ratios), help="step ratios r"
    )
    parser.add_argument("--steps", type=int, default=defaults.steps, help="steps that are counted")
    parser.add_argument(
        "--results", type=Path, default=record.default_results("windows"), help="lines go here"
    )
    args = parser.parse_args(arguments)
    if args.steps < 1:
        parser.error("--steps accepts positive numbers")
    config = WindowsConfig(codec=args.codec, recipe=args.recipe, ratios=tuple(args.ratios), steps=args.steps)
    try:
        result = run(config)
    except LiveBandModelError as error:
        parser.error(str(error))
    show(result, Console(width=100))
    record.write("windows", args.results, asdict(config), result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
