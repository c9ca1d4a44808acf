# SPDX-License-Identifier: GPL-3.0-or-later
"""Loss curves as a PNG, one panel a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lbmodels.documents import read_json
from lbmodels.isolation import prepare_drawing


def read_log(log: Path) -> list[dict[str, Any]]:
    """The rows of a run's log; lines that a full disk or an older release left unreadable are passed over."""
    rows = []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = read_json(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            rows.append(row)
    return rows


def draw_curves(log: Path, target: Path) -> None:
    """Draw every figure of a JSON-lines log against the step."""
    prepare_drawing()
    import matplotlib.pyplot as plt

    rows = read_log(log)
    names = [n for n in dict.fromkeys(k for row in rows for k in row) if n != "step"]
    if not rows or not names:
        return
    columns = min(4, len(names))
    lines = -(-len(names) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(4 * columns, 2.6 * lines), squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        points = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
        axis.plot(*zip(*points, strict=True), linewidth=1)
        axis.set_title(name, fontsize=9)
        axis.grid(alpha=0.3)
    for axis in list(axes.flat)[len(names) :]:
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(target, dpi=80)
    plt.close(figure)
