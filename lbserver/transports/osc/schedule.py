# SPDX-License-Identifier: GPL-3.0-or-later
"""Time tags: what was sent early is done when its time has come, on the server's own clock. Pure.

A time tag is wall-clock time, which may be set while a program runs; it is turned into a delay once, when its packet
comes, and from there on only the steady clock counts.
"""

import heapq
from collections.abc import Callable
from itertools import count

from lbserver.protocol import limits
from lbserver.transports.osc.packet import IMMEDIATELY, OscError

_EPOCH_S = 2_208_988_800  # from 1900 to 1970
LATEST_S = limits.OSC_LATEST_S
MOST_WAITING = limits.OSC_WAITING


def time_tag(wall_s: float) -> int:
    """The time tag of a Unix time in seconds."""
    return round((wall_s + _EPOCH_S) * (1 << 32))


def delay_s(tag: int, wall_s: float) -> float:
    """Seconds until a time tag, 0 for now or the past. Raises OscError for more than ten seconds."""
    if tag == IMMEDIATELY:
        return 0.0
    ahead_s = tag / (1 << 32) - _EPOCH_S - wall_s
    if ahead_s > LATEST_S:
        raise OscError(
            f"a time tag {min(ahead_s, 1e9):.0f} s ahead: {LATEST_S:g} s at most; are the clocks right?"
        )
    return max(0.0, ahead_s)


class Agenda:
    """What is to be done when, by the steady clock; for the same moment in the order it came."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, due_s: float, act: Callable[[], None]) -> None:
        """Raises OscError when too much waits already."""
        if len(self._waiting) >= MOST_WAITING:
            raise OscError(f"{MOST_WAITING} messages wait for their time already")
        heapq.heappush(self._waiting, (due_s, next(self._number), act))

    @property
    def next_s(self) -> float | None:
        return self._waiting[0][0] if self._waiting else None

    def due(self, now_s: float) -> list[Callable[[], None]]:
        """What is to be done by now, taken off the agenda."""
        acts = []
        while self._waiting and self._waiting[0][0] <= now_s:
            acts.append(heapq.heappop(self._waiting)[2])
        return acts
