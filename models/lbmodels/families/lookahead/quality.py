# SPDX-License-Identifier: GPL-3.0-or-later
"""What each quality is in windows: by the student or the teacher, in so many noise levels."""

from __future__ import annotations

from dataclasses import dataclass

from lbmodels.contract.quality import QUALITIES
from lbmodels.errors import LiveBandModelError


@dataclass(frozen=True, kw_only=True)
class Tier:
    """A way to fill a window: by the student or the teacher, in so many noise levels, led by `guidance` to what the host tells."""

    name: str
    student: bool
    levels: int
    guidance: float = 0.0

    @property
    def calls(self) -> int:
        """Passes of the network."""
        return (self.levels if self.student else 2 * self.levels - 1) * (2 if self.guidance else 1)


TIERS = (
    Tier(name="draft", student=True, levels=1),
    Tier(name="fast", student=True, levels=2),
    Tier(name="fine", student=True, levels=4),
    Tier(name="full", student=False, levels=8, guidance=1.0),
)
"""One for each of `QUALITIES`. `full` is the teacher's by Heun's method, the others the student's, who learnt from a guided teacher."""


def tier_of(name: str) -> Tier:
    """Raises LiveBandModelError naming the tiers that there are."""
    if name not in QUALITIES:
        raise LiveBandModelError(f"quality {name!r}: accepted are {', '.join(QUALITIES)}")
    return TIERS[QUALITIES.index(name)]
