# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of `liveband evaluate` that scores a look-ahead model at its windows and qualities."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from lbmodels.evaluate.run import Settings

Bar = Callable[[int], AbstractContextManager[Callable[[str, int], None]]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of `liveband evaluate` that `run` understands."""
    parser.add_argument(
        "--windows",
        type=_ratios,
        metavar="R[,R]",
        help="a look-ahead model at each of these step ratios, look-aheads -1, 0 and 1 and the --quality",
    )
    parser.add_argument(
        "--quality",
        default=("fast", "full"),
        type=lambda text: tuple(text.split(",")),
        metavar="TIER[,TIER]",
        help="with --windows: draft, fast, fine, full (default: fast,full)",
    )


def run(
    arguments: argparse.Namespace, settings: Settings, out: Path, bar: Bar
) -> tuple[dict[str, Any], Table, list[Path]]:
    """Figures, their table, and the files written: windows.json, windows.png, windows.txt.

    Raises:
        LiveBandModelError: what the user can mend, in one line.
    """
    from lbmodels.evaluate.hearing import ANALYSIS_WEIGHT
    from lbmodels.evaluate.report import write_json, write_text
    from lbmodels.evaluate.windows import draw_windows, measure_windows, open_windows, windows_table

    grid = 3 * len(arguments.windows) * len(arguments.quality) * len(settings.conditions)
    with bar(len(settings.stems) * (grid + 1) * settings.excerpts * ANALYSIS_WEIGHT) as advance:
        rows = measure_windows(
            open_windows(arguments.model),
            settings,
            ratios=arguments.windows,
            tiers=arguments.quality,
            advance=advance,
        )
    found = {"model": settings.model, "settings": asdict(settings), "windows": [asdict(row) for row in rows]}
    table = windows_table(rows)
    write_json(found, out / "windows.json")
    draw_windows(rows, out / "windows.png")
    write_text(table, out / "windows.txt")
    return found, table, [out / f"windows.{kind}" for kind in ("json", "png", "txt")]


def _ratios(text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(word) for word in text.split(","))
    except ValueError:
        values = ()
    if not values or any(not 0 < value <= 0.25 for value in values):
        raise argparse.ArgumentTypeError(
            f"{text!r}: accepted are step ratios above 0, at most 0.25, as 0.125,0.25"
        )
    return values
