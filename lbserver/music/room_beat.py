# SPDX-License-Identifier: GPL-3.0-or-later
"""The beat in the room: tapped, or that of an Ableton Link session."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lbserver.protocol.ranges import refusal

TAP_GAP_S = 2.5
"""A tap later than this after the one before begins anew."""


@dataclass(frozen=True, kw_only=True)
class RoomBeat:
    """A steady beat in the room: at `at_s` of the peer's clock it is `quarters` in; a bar begins at quarter 0."""

    bpm: float
    at_s: float
    quarters: float = 0.0
    beats_per_bar: int = 4

    @property
    def first_beat_s(self) -> float:
        """When a bar begins."""
        return self.at_s - self.quarters * 60.0 / self.bpm

    def quarters_at(self, time_s: float) -> float:
        """Quarter notes at a time."""
        return self.quarters + (time_s - self.at_s) * self.bpm / 60.0


def tapped(taps: Sequence[float]) -> RoomBeat | None:
    """The steady beat that fits taps on every quarter best, the first tap being a one; None for fewer than two.

    A straight line through (number, time): every tap counts alike, so one that slips does little harm.
    """
    if len(taps) < 2 or any(later <= before for before, later in pairwise(taps)):
        return None
    count = len(taps)
    mean_number, mean_s = (count - 1) / 2.0, sum(taps) / count
    spread = sum((number - mean_number) ** 2 for number in range(count))
    beat_s = sum((number - mean_number) * (at - mean_s) for number, at in enumerate(taps)) / spread
    bpm = 60.0 / beat_s
    return RoomBeat(bpm=bpm, at_s=mean_s, quarters=mean_number) if not refusal("bpm", bpm) else None


def with_tap(taps: Sequence[float], now_s: float) -> tuple[float, ...]:
    """The taps with one more, seconds on any clock; after a pause only that."""
    return (*taps, now_s) if taps and 0 < now_s - taps[-1] <= TAP_GAP_S else (now_s,)
