# SPDX-License-Identifier: GPL-3.0-or-later
"""Grids of cases: every pair of values in few cases, or all of them.

Most faults that need a certain combination need two values of it (Kuhn, Wallace and Gallo 2004), so tests take a
covering selection. LIVEBAND_GRIDS=whole takes every combination.
"""

import os
from collections.abc import Sequence
from itertools import combinations, product
from typing import Any


def grid(*axes: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Cases (one value of each axis) in which every pair of values of two axes occurs; the same in every run."""
    whole = list(product(*axes))
    return whole if os.environ.get("LIVEBAND_GRIDS") == "whole" else covering(axes)


def long_or_short(whole: int, short: int) -> int:
    """How long an endurance test lasts: `short`, or with LIVEBAND_GRIDS=whole all of it."""
    return whole if os.environ.get("LIVEBAND_GRIDS") == "whole" else short


def covering(axes: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Greedy, for two axes or more: the case with the most pairs that are still missing, until none is."""
    cases = list(product(*(range(len(axis)) for axis in axes)))
    pairs = {case: set(combinations(enumerate(case), 2)) for case in cases}
    missing = set().union(*pairs.values())
    chosen = []
    while missing:
        best = max(cases, key=lambda case: len(pairs[case] & missing))
        chosen.append(best)
        missing -= pairs[best]
    return [tuple(axis[at] for axis, at in zip(axes, case, strict=True)) for case in chosen]


def each(*axes: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Cases in which every value of every axis occurs: for slow cases whose axes do not meet in the code."""
    if os.environ.get("LIVEBAND_GRIDS") == "whole":
        return list(product(*axes))
    return [tuple(axis[at % len(axis)] for axis in axes) for at in range(max(map(len, axes)))]
