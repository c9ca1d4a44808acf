# SPDX-License-Identifier: GPL-3.0-or-later
"""How much work a step gets, for accompanists that can do with less, and which of it a player affords. Values only."""

from __future__ import annotations

from dataclasses import dataclass, replace

QUALITIES = ("draft", "fast", "fine", "full")
"""From the cheapest to the best: the choices of the control `quality`. An accompanist may have the first of them alone."""
USUAL = QUALITIES.index("fast")


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What a player does about time: the quality wished for, the one used, steps late and early in a row, whether it has given up.

    A step that is late twice in a row takes the next cheaper quality; the cheapest that is late twice fades out (`silent`) until a
    step is on time again. After `patience` steps that took less than a third of the time there was, the next better one, up to the
    wish.
    """

    wish: int
    used: int
    late: int = 0
    early: int = 0
    silent: bool = False
    patience: int = 8

    @property
    def name(self) -> str:
        """Of the quality used."""
        return QUALITIES[self.used]


def wished(wish: int, before: Pace | None = None) -> Pace:
    """The pace after a wish, an index into `QUALITIES`: another one than before is tried at once."""
    return before if before is not None and before.wish == wish else Pace(wish=wish, used=wish)


def after_step(pace: Pace, took_s: float, budget_s: float) -> Pace:
    """The pace after a step that took `took_s` where `budget_s` was there."""
    if took_s > budget_s:
        late = pace.late + 1
        if late < 2:
            return replace(pace, late=late, early=0)
        if pace.used > 0:
            return replace(pace, used=pace.used - 1, late=0, early=0)
        return replace(pace, late=0, early=0, silent=True)
    early = pace.early + 1 if took_s < budget_s / 3 else 0
    if early >= pace.patience and pace.used < pace.wish:
        return replace(pace, used=pace.used + 1, late=0, early=0, silent=False)
    return replace(pace, late=0, early=min(early, pace.patience), silent=False)
