# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as a table for the terminal and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lbmodels.evaluate.extras import PAIRS
from lbmodels.evaluate.run import Row, Settings
from lbmodels.evaluate.separation import Separation
from lbmodels.folders import whole_file, write_whole

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = {
    "beat_f1": "beat F1",
    "downbeat_f1": "downbeat F1",
    "chord": "chord",
    "key": "key",
    "onset_f1": "onset F1",
    "onset_precision": "onset precision",
    "rest_placement": "rest placement",
    "loudness_error_db": "loudness error dB",
    "silence_error": "silence error",
    **{name: name.replace("_", " ") for name in PAIRS},
}


def results(model: str, settings: Settings, rows: Sequence[Row]) -> dict[str, Any]:
    """Everything measured, ready for JSON: NaN becomes null."""
    told = asdict(settings)
    return {
        "model": model,
        "settings": told,
        "tracker": f"madmom 0.16.1, {settings.networks} of 8 networks",
        "rows": [plain(asdict(row)) for row in rows],
    }


def write_json(data: Any, path: Path) -> None:
    """Write beside the final name, then rename."""
    write_whole(path, (json.dumps(plain(data), indent=1) + "\n").encode())


def table(rows: Sequence[Row]) -> Table:
    """One line per stem, setting and metric."""
    from rich.table import Table

    result = Table(
        title="normalised: 0 is the stem of another song, 1 the true stem; intervals 95 % over songs"
    )
    for name in (
        "stem",
        "host tells",
        "A ms",
        "metric",
        "score",
        "floor",
        "shuffled",
        "ceiling",
        "normalised",
        "n",
    ):
        result.add_column(name, justify="left" if name in ("stem", "host tells", "metric") else "right")
    result.add_column("LUFS")
    result.add_column("silent")
    for row in rows:
        shown = [name for name in SHOWN if math.isfinite(row.metrics[name].score)]
        for i, name in enumerate(shown):
            s = row.metrics[name]
            result.add_row(
                *((row.stem, row.conditions, f"{row.anticipation_ms:g}") if i == 0 else ("", "", "")),
                SHOWN[name],
                f"{s.score:.3f}",
                f"{s.floor:.3f}",
                f"{s.shuffled:.3f}",
                f"{s.ceiling:.3f}",
                f"{s.normalised:.2f} [{s.interval[0]:.2f}, {s.interval[1]:.2f}]",
                f"{s.excerpts}/{s.songs}",
                f"{row.loudness_lufs:.0f} ({row.true_loudness_lufs:.0f})" if i == 0 else "",
                f"{row.silence:.0%} ({row.true_silence:.0%})" if i == 0 else "",
                end_section=i == len(shown) - 1 and not row.sets,
            )
        for i, (name, distance) in enumerate(row.sets.items()):
            halves = f"truth's halves {distance.halves:.3f}"
            result.add_row("", "", "", name.replace("_", " "), f"{distance.score:.3f}", "", "", "", halves,
                           end_section=i == len(row.sets) - 1)  # fmt: skip
    return result


def write_text(table: Table, path: Path) -> None:
    """A table as the terminal shows it, in 150 columns."""
    from rich.console import Console

    with whole_file(path) as part, part.open("w", encoding="utf-8") as file:
        Console(file=file, width=150).print(table)


def separation_table(found: Sequence[Separation]) -> Table:
    """One line per stem and metric, one column per case."""
    from rich.table import Table

    cases = list(dict.fromkeys(name for one in found for name in one.cases))
    result = Table(title="mean score of the true stem, of another song's, and of the true stem damaged")
    for name in ("stem", "metric", *cases, "n"):
        result.add_column(name)
    for one in found:
        values = [one.cases.get(name, float("nan")) for name in cases]
        if math.isfinite(values[0]):
            result.add_row(one.stem, one.metric, *(f"{v:.2f}" for v in values), str(one.excerpts))
    return result


def plain(value: Any) -> Any:
    """Nests of JSON's own kinds: NaN as None, infinities as "inf" and "-inf", paths as text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None if math.isnan(value) else str(value)
    if isinstance(value, Path):
        return str(value)
    return value
