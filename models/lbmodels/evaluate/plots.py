# SPDX-License-Identifier: GPL-3.0-or-later
"""Normalised scores as a picture: by stem and setting, and over the anticipation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lbmodels.evaluate.run import Row
from lbmodels.folders import whole_file
from lbmodels.isolation import prepare_drawing

PANELS = {"beat_f1": "beat F1 against the true beats", "chord": "chord agreement with the true chords"}
NAMES = {
    "none": "host tells nothing",
    "beat": "beat and tempo",
    "chords": "chords and key",
    "all": "everything",
}
COLOURS = {"none": "#7f7f7f", "beat": "#1f77b4", "chords": "#ff7f0e", "all": "#2ca02c"}


def draw(rows: Sequence[Row], title: str, target: Path) -> None:
    """Bars at the smallest A, with 95 % intervals over songs; below them curves over A where several were run."""
    prepare_drawing()
    import matplotlib.pyplot as plt

    several = len({row.anticipation_ms for row in rows}) > 1
    figure, axes = plt.subplots(
        2 if several else 1, 2, figsize=(12, 8.4 if several else 4.6), squeeze=False, layout="constrained"
    )
    for column, (metric, label) in enumerate(PANELS.items()):
        _bars(axes[0][column], rows, metric)
        axes[0][column].set_title(f"{label}, A = {min(row.anticipation_ms for row in rows):g} ms")
        if several:
            _curves(axes[1][column], rows, metric)
            axes[1][column].set_title(f"{label}, over the anticipation")
    for axis in axes.flat:
        axis.axhline(0, color="black", linewidth=0.8)
        axis.axhline(1, color="black", linewidth=0.8, linestyle=":")
        axis.set_ylabel("normalised (0 chance, 1 truth)")
        axis.grid(axis="y", alpha=0.3)
    # Outside the panels: inside, a legend hides bars.
    handles = {
        label: handle
        for axis in axes.flat
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=8, fontsize=9)
    figure.suptitle(title)
    with whole_file(target) as part:
        figure.savefig(part, dpi=110, format="png")
    plt.close(figure)


def draw_frontier(rows: Sequence[Row], title: str, target: Path) -> None:
    """Score against anticipation per stem, with and without the host's knowledge, between floor and ceiling."""
    prepare_drawing()
    import matplotlib.pyplot as plt

    stems = list(dict.fromkeys(row.stem for row in rows))
    figure, axes = plt.subplots(
        len(PANELS),
        len(stems),
        figsize=(3.4 * len(stems), 6.4),
        squeeze=False,
        sharex=True,
        layout="constrained",
    )
    for i, (metric, label) in enumerate(PANELS.items()):
        for j, stem in enumerate(stems):
            axis = axes[i][j]
            mine = [row for row in rows if row.stem == stem and math.isfinite(row.metrics[metric].score)]
            axis.set_title(stem)
            if not mine:
                axis.axis("off")
                continue
            for known in dict.fromkeys(row.conditions for row in mine):
                here = sorted((r for r in mine if r.conditions == known), key=lambda r: r.anticipation_ms)
                scores = [row.metrics[metric] for row in here]
                places = [row.anticipation_ms for row in here]
                axis.plot(places, [s.score for s in scores], "o-", color=COLOURS[known], label=NAMES[known])
                low, high = zip(*(s.score_interval for s in scores), strict=True)
                axis.fill_between(places, low, high, color=COLOURS[known], alpha=0.15, linewidth=0)
            first = mine[0].metrics[metric]
            axis.axhline(
                first.floor, color="black", linewidth=0.9, linestyle=":", label="another song's stem"
            )
            axis.axhline(first.ceiling, color="black", linewidth=0.9, linestyle="--", label="the true stem")
            axis.grid(alpha=0.3)
            axis.set_ylabel(label if j == 0 else "")
            axis.set_xlabel("anticipation A [ms]")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=9)
    figure.suptitle(title)
    with whole_file(target) as part:
        figure.savefig(part, dpi=110, format="png")
    plt.close(figure)


def _point(row: Row, metric: str) -> tuple[float, tuple[float, float]] | None:
    """Height and the arms of its interval; None where the metric does not apply."""
    s = row.metrics[metric]
    if not math.isfinite(s.normalised):
        return None
    return s.normalised, (max(s.normalised - s.interval[0], 0.0), max(s.interval[1] - s.normalised, 0.0))


def _bars(axis: Any, rows: Sequence[Row], metric: str) -> None:
    smallest = min(row.anticipation_ms for row in rows)
    here = [row for row in rows if row.anticipation_ms == smallest and _point(row, metric) is not None]
    stems = list(dict.fromkeys(row.stem for row in here))
    settings = list(dict.fromkeys(row.conditions for row in rows))
    width = 0.8 / max(len(settings), 1)
    for k, known in enumerate(settings):
        places, heights, arms = [], [], []
        for row in here:
            point = _point(row, metric)
            if row.conditions == known and point is not None:
                places.append(stems.index(row.stem) + (k - (len(settings) - 1) / 2) * width)
                heights.append(point[0])
                arms.append(point[1])
        if not places:
            continue
        axis.bar(places, heights, 0.92 * width, color=COLOURS[known], label=NAMES[known])
        axis.errorbar(
            places, heights, yerr=list(zip(*arms, strict=True)), fmt="none", ecolor="black", capsize=3
        )
    axis.set_xticks(range(len(stems)), stems)


def _curves(axis: Any, rows: Sequence[Row], metric: str) -> None:
    markers = ("o", "s", "^", "D", "v", "P")
    stems = list(dict.fromkeys(row.stem for row in rows))
    for stem in stems:
        for known in dict.fromkeys(row.conditions for row in rows):
            points = [
                (row.anticipation_ms, point)
                for row in sorted(rows, key=lambda row: row.anticipation_ms)
                if (row.stem, row.conditions) == (stem, known) and (point := _point(row, metric)) is not None
            ]
            if points:
                axis.errorbar(
                    [ms for ms, _ in points],
                    [point[0] for _, point in points],
                    yerr=list(zip(*(point[1] for _, point in points), strict=True)),
                    color=COLOURS[known],
                    marker=markers[stems.index(stem) % len(markers)],
                    capsize=2,
                )
    for stem, marker in zip(stems, markers, strict=False):
        axis.plot([], [], linestyle="none", color="black", marker=marker, label=stem)
    axis.set_xlabel("anticipation A [ms]")
