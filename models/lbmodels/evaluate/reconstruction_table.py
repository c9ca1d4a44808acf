# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of ceiling.json (`ceiling.Ceiling`) in cells: what is shown of them in a terminal, on a page and in a model's card."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

AUTOENCODER = "autoencoder"
"""The coder that a model itself plays through; others stand beside it under their files' names."""

Row = Mapping[str, Any]


def is_plain(row: Row) -> bool:
    """Whether the latents were left as they are."""
    return not row["noise_percent"] and not row["levels"]


def treatment_text(row: Row) -> str:
    if row["levels"]:
        return f"{row['levels']} levels, {row['bits_per_s'] / 1000:g} kbit/s"
    return f"noise {row['noise_percent']:g} %" if row["noise_percent"] else "untouched"


def frechet_text(row: Row) -> str:
    """Distances, in brackets those of the truth's halves."""
    return ", ".join(
        f"{number(row['frechet'][name])} ({number(row['halves'][name])})" for name in row["frechet"]
    )


def score_text(row: Row, name: str) -> str:
    """A score, in brackets the truth's."""
    score = number(row["scores"].get(name))
    return score if score == "–" else f"{score} ({number(row['true_scores'].get(name))})"


def number(value: float | None, spec: str = ".2f") -> str:
    return "–" if value is None or not math.isfinite(value) else format(value, spec)


def ceiling_table(rows: Sequence[Row]) -> list[str]:
    """Lines of a Markdown table."""
    names = list(dict.fromkeys(name for row in rows for name in row["scores"]))
    treated = not all(map(is_plain, rows))
    head = ["stem", "coder", *(["latents"] if treated else []), "convergence", "log dB", "level dB"]
    head += ["size of level error, dB", "attack ms", "blur ms", "Frechet"]
    head += [*(name.replace("_", " ") for name in names), "n"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [row["stem"], row["coder"], *([treatment_text(row)] if treated else [])]
        cells += [number(row["convergence"]), number(row["log_db"]), number(row["level_db"], "+.2f")]
        cells += [
            number(row["level_error_db"]),
            f"{number(row['attack_ms'], '.1f')} ({number(row['true_attack_ms'], '.1f')})",
        ]
        cells += [number(row["attack_blur_ms"], "+.1f"), frechet_text(row)]
        cells += [*(score_text(row, name) for name in names), str(row["excerpts"])]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
