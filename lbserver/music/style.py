# SPDX-License-Identifier: GPL-3.0-or-later
"""The style that is asked for over time: a vector of the style space, and the way from one to the next. Values only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Style:
    """From `start` to `target`, unit vectors, None where nothing is asked for, over `length_s` from `begin_s` of the epoch on."""

    start: Vector | None = None
    target: Vector | None = None
    begin_s: float = 0.0
    length_s: float = 0.0


NONE = Style()
DEFAULT_GLIDE_S = 1.0


def style_at(style: Style, at_s: float) -> Vector | None:
    """What is asked for at a time: along the great circle at an even pace; at once where there is no way."""
    start, target = style.start, style.target
    part = (at_s - style.begin_s) / style.length_s if style.length_s > 0 else 1.0
    if start is None or target is None or part >= 1.0:
        return target
    angle = float(np.arccos(np.clip(start @ target, -1.0, 1.0)))
    part = max(part, 0.0)
    # Opposite ends have no one way between them, equal ones no angle: there the straight line serves.
    if np.sin(angle) < 1e-4:
        way = (1 - part) * start + part * target
    else:
        way = np.sin((1 - part) * angle) * start + np.sin(part * angle) * target
    size = float(np.linalg.norm(way))
    return (way / size).astype(np.float32) if size > 1e-6 else target


def towards(style: Style, target: Vector | None, *, at_s: float, length_s: float) -> Style:
    """Set off from where it is at a time, to be there after `length_s`."""
    return Style(start=style_at(style, at_s), target=target, begin_s=at_s, length_s=length_s)


def in_new_epoch(style: Style) -> Style:
    """Times begin anew: it has arrived."""
    return Style(target=style.target)
