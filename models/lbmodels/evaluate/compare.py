# SPDX-License-Identifier: GPL-3.0-or-later
"""Models and baselines side by side, from the results of earlier runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lbmodels.documents import MOST_FIGURES_CHARACTERS, read_json
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.report import SHOWN
from lbmodels.evaluate.scores import ERRORS
from lbmodels.folders import whole_file
from lbmodels.isolation import prepare_drawing

if TYPE_CHECKING:
    from rich.table import Table

SAME = ("split", "excerpts", "seconds", "seed", "start_s", "networks", "data")


def read_results(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """The results.json of each folder.

    Raises:
        LiveBandModelError: one is missing or none of ours, or they are not of the same excerpts.
    """
    found: list[dict[str, Any]] = []
    for folder in folders:
        path = folder / "results.json" if folder.is_dir() else folder
        try:
            one = read_json(path.read_text(), most_characters=MOST_FIGURES_CHARACTERS)
            one["rows"], one["settings"]["split"], one["model"]
        except (OSError, ValueError, KeyError, TypeError):
            raise LiveBandModelError(
                f"{path} is not the result of `liveband evaluate --out {folder}`"
            ) from None
        found.append(one)
    for one, folder in zip(found, folders, strict=True):
        for name in SAME:
            ours, theirs = found[0]["settings"].get(name), one["settings"].get(name)
            if ours != theirs:
                raise LiveBandModelError(
                    f"{folders[0]} and {folder} cannot be compared: {name} {ours} and {theirs}"
                )
    return found


def ranking(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each stem, conditions, A and metric: every model's figures, the best first."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for one in results:
        for row in one["rows"]:
            for metric, score in row["metrics"].items():
                if metric in SHOWN and score["score"] is not None:
                    key = (row["stem"], row["conditions"], row["anticipation_ms"], metric)
                    groups.setdefault(key, []).append(
                        {
                            "model": one["model"],
                            **{
                                name: score[name]
                                for name in (
                                    "score",
                                    "score_interval",
                                    "normalised",
                                    "interval",
                                    "floor",
                                    "ceiling",
                                )
                            },
                        }
                    )
            for metric, score in row.get("sets", {}).items():
                if score["score"] is not None:
                    key = (row["stem"], row["conditions"], row["anticipation_ms"], metric)
                    groups.setdefault(key, []).append(
                        {"model": one["model"], "score": score["score"], "halves": score["halves"]}
                    )
    result = []
    for (stem, known, ms, metric), entries in groups.items():
        less = metric in ERRORS or "halves" in entries[0]
        entries.sort(key=lambda entry: entry["score"] if less else -entry["score"])
        result.append(
            {
                "stem": stem,
                "conditions": known,
                "anticipation_ms": ms,
                "metric": metric,
                "less_is_better": less,
                "ranked": entries,
            }
        )
    return result


def compare_table(ranked: Sequence[dict[str, Any]], models: Sequence[str]) -> Table:
    """One line per stem, setting and metric, one column per model; the best is marked."""
    from rich.table import Table

    table = Table(title="score (normalised); * is the best but for baseline:truth")
    for name in ("stem", "host tells", "A ms", "metric", *models):
        table.add_column(name)
    for group in ranked:
        by_model = {entry["model"]: entry for entry in group["ranked"]}
        best = next((e["model"] for e in group["ranked"] if e["model"] != "baseline:truth"), None)
        table.add_row(
            group["stem"],
            group["conditions"],
            f"{group['anticipation_ms']:g}",
            SHOWN.get(group["metric"], group["metric"]),
            *(_cell(by_model.get(model), model == best) for model in models),
        )
    return table


def _cell(entry: dict[str, Any] | None, best: bool) -> str:
    if entry is None:
        return "-"
    normalised = entry.get("normalised")
    shown = f"{entry['score']:.2f}" + ("" if normalised is None else f" ({normalised:.2f})")
    return shown + (" *" if best else "")


def draw_comparison(ranked: Sequence[dict[str, Any]], models: Sequence[str], target: Path) -> None:
    """Bars of the normalised score per stem and model, one panel per metric and set of conditions."""
    prepare_drawing()
    import matplotlib.pyplot as plt
    from matplotlib.patches import Rectangle

    lowest = min(group["anticipation_ms"] for group in ranked)
    here = [group for group in ranked if group["anticipation_ms"] == lowest]
    metrics = [m for m in ("beat_f1", "downbeat_f1", "chord", "key") if any(g["metric"] == m for g in here)]
    told = list(dict.fromkeys(group["conditions"] for group in here))
    figure, axes = plt.subplots(
        len(metrics),
        len(told),
        figsize=(1 + 5 * len(told), 2.6 * len(metrics)),
        squeeze=False,
        layout="constrained",
    )
    colours = plt.get_cmap("tab10")
    for i, metric in enumerate(metrics):
        for j, known in enumerate(told):
            axis = axes[i][j]
            groups = [g for g in here if (g["metric"], g["conditions"]) == (metric, known)]
            width = 0.8 / len(models)
            for k, model in enumerate(models):
                for place, group in enumerate(groups):
                    entry = next((e for e in group["ranked"] if e["model"] == model), None)
                    height = None if entry is None else entry.get("normalised")
                    if height is None or not math.isfinite(height):
                        continue
                    axis.bar(
                        place + (k - (len(models) - 1) / 2) * width,
                        height,
                        0.9 * width,
                        color=colours(k % 10),
                    )
            axis.set_xticks(range(len(groups)), [g["stem"] for g in groups])
            axis.axhline(0, color="black", linewidth=0.8)
            axis.axhline(1, color="black", linewidth=0.8, linestyle=":")
            axis.set_title(f"{SHOWN[metric]}, host tells {known}", fontsize=10)
            axis.grid(axis="y", alpha=0.3)
    handles = [Rectangle((0, 0), 1, 1, color=colours(k % 10)) for k in range(len(models))]
    figure.legend(handles, list(models), loc="outside lower center", ncols=min(len(models), 6), fontsize=9)
    figure.suptitle(f"normalised scores (0 another song's stem, 1 the true stem), A = {lowest:g} ms")
    with whole_file(target) as part:
        figure.savefig(part, dpi=110, format="png")
    plt.close(figure)
