# SPDX-License-Identifier: GPL-3.0-or-later
"""Bars, counted from a session's status. Holds no clock."""

from dataclasses import dataclass
from math import isfinite


@dataclass
class Bars:
    """State: the last beat that was seen, and how many bars have begun."""

    beat: float = float("nan")
    bar: int = 0

    def hear(self, beat: float) -> bool:
        """A beat of the bar, from 1, NaN if none is known; whether a bar has begun since the last one."""
        begins = isfinite(beat) and (not isfinite(self.beat) or beat < self.beat - 0.5)
        self.beat = beat
        self.bar += begins
        return begins
