# SPDX-License-Identifier: GPL-3.0-or-later
"""The chords that a chord tracker believes in, and which one it hears. Knows no torch: graphs are played without it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

QUALITIES = (
    (0, 4, 7), (0, 3, 7), (0, 4, 7, 11), (0, 3, 7, 10), (0, 4, 7, 10), (0, 5, 8), (0, 3, 8),
    (0, 5, 9), (0, 4, 9), (0, 4, 7, 9), (0, 5, 7), (0, 3, 6, 9),
)  # fmt: skip
"""Chords as semitones above their lowest tone; the likelier first, inversions among them."""


def heard_in(belief: NDArray[Any], told: NDArray[Any]) -> NDArray[np.float64]:
    """Tones of the chord and its lowest [B, 13] from a chord tracker's state, `belief` [B, 12 * qualities] and `told` [B]; NaN
    where it is sure of none.
    """
    best = belief.argmax(axis=-1)
    chords = np.full((len(best), 13), np.nan)
    for row in np.flatnonzero(told > 0.5):
        lowest, quality = divmod(int(best[row]), len(QUALITIES))
        chords[row] = 0.0
        chords[row, [(lowest + tone) % 12 for tone in QUALITIES[quality]]] = 1.0
        chords[row, 12] = lowest
    return chords
