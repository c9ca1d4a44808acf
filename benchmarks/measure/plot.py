# SPDX-License-Identifier: GPL-3.0-or-later
"""One picture beside a benchmark's lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lbmodels.isolation import prepare_drawing


@contextmanager
def picture(results: Path, title: str, across: str, up: str) -> Iterator[Any]:
    """Axes to draw on; saved as a PNG under the name of the results."""
    prepare_drawing()
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    axes.set(title=title, xlabel=across, ylabel=up)
    axes.grid(visible=True, alpha=0.3)
    yield axes
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
    results.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(results.with_suffix(".png"), dpi=110)
    pyplot.close(figure)
