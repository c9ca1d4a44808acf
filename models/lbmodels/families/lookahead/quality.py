# SPDX-License-Identifier: GPL-3.0-or-later
"""How much work a window gets: tiers from one call to many, and which is used when steps come late. Values only."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lbmodels.errors import LiveBandModelError


@dataclass(frozen=True, kw_only=True)
class Tier:
    """A way to fill a window: by the student or the teacher, in so many noise levels."""

    name: str
    student: bool
    levels: int

    @property
    def calls(self) -> int:
        """Passes of the network."""
        return self.levels if self.student else 2 * self.levels - 1


TIERS = (
    Tier(name="draft", student=True, levels=1),
    Tier(name="fast", student=True, levels=2),
    Tier(name="fine", student=True, levels=4),
    Tier(name="full", student=False, levels=8),
)
"""From the cheapest to the best. `full` is the teacher's by Heun's method, the others the student's."""


def tier_of(name: str) -> Tier:
    """Raises LiveBandModelError naming the tiers that there are."""
    for tier in TIERS:
        if tier.name == name:
            return tier
    raise LiveBandModelError(f"quality {name!r}: accepted are {', '.join(tier.name for tier in TIERS)}")


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What a player does about time: the tier wished for, the one used, steps late and early in a row, whether it has given up.

    A step that is late twice in a row takes the next cheaper tier; the cheapest that is late twice fades out (`silent`) until a step
    is on time again. After `patience` steps that took less than a third of the time there was, the next better tier, up to the wish.
    """

    wish: int
    used: int
    late: int = 0
    early: int = 0
    silent: bool = False
    patience: int = 8

    @property
    def tier(self) -> Tier:
        return TIERS[self.used]


def pace_of(name: str) -> Pace:
    """A pace that begins at the tier wished for. Raises LiveBandModelError."""
    index = TIERS.index(tier_of(name))
    return Pace(wish=index, used=index)


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
