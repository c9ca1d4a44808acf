# SPDX-License-Identifier: GPL-3.0-or-later
"""How players deviate from the grid: when they play, how hard, and what of that they share.

A player's deviation is not white: it lays back or pushes for a while, so each has a constant push, a slow wander
(autoregressive, with about two beats of memory), a part of the rhythm section's common pocket, and a small white rest
(Hennig et al. 2011, "The nature and perception of fluctuations in human musical rhythms": long-range correlated).
Sequenced takes have none of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MOST_OFFSET_S = 0.035
"""No note lies further than this from its place on the grid (chord strums and rolls begin there)."""

_GRID_PER_BEAT = 4
_MEMORY_BEATS = 2.0
_SHARED = 0.5  # of the wander's variance is the pocket that all players of a take share


@dataclass(frozen=True, kw_only=True)
class Take:
    """How one take is played. `looseness` scales all deviations (0 = sequenced), `swing` is the band's off-beat (0.5 = straight)."""

    seed: int = 0
    looseness: float = 1.0
    swing: float | None = None
    dynamics: float = 1.0


def draw_take(rng: np.random.Generator, swing: tuple[float, float]) -> Take:
    """One take in six is sequenced; the others reach from a studio band to an amateur one."""
    seed = int(rng.integers(2**31))
    off_beat = float(rng.uniform(*swing))
    if rng.random() < 0.16:
        return Take(seed=seed, looseness=0.0, swing=off_beat, dynamics=float(rng.uniform(0.0, 0.6)))
    looseness = float(np.clip(np.exp(rng.normal(0.1, 0.5)), 0.3, 2.6))
    if swing == (0.5, 0.5) and rng.random() < 0.12:
        off_beat = float(rng.uniform(0.51, 0.56))  # straight players rarely are quite
    return Take(seed=seed, looseness=looseness, swing=off_beat, dynamics=float(rng.uniform(0.5, 1.5)))


def correlated(n: int, memory: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Unit-variance autoregressive noise [n] that remembers for `memory` steps."""
    keep = float(np.exp(-1.0 / memory))
    steps = rng.normal(size=n) * np.sqrt(1.0 - keep**2)
    walk = np.empty(n)
    value = float(rng.normal())
    for i, step in enumerate(steps.tolist()):
        value = keep * value + step
        walk[i] = value
    return walk


class Feel:
    """One player's deviations over a take of `n_beats` beats."""

    def __init__(
        self, take: Take, n_beats: int, rng: np.random.Generator, *, jitter_ms: float, lag_ms: float
    ) -> None:
        n = n_beats * _GRID_PER_BEAT + 2
        memory = _MEMORY_BEATS * _GRID_PER_BEAT
        sigma_s = take.looseness * jitter_ms / 1000.0
        pocket = correlated(n, memory, np.random.default_rng([take.seed, 17]))
        own = correlated(n, memory, rng)
        wander = np.sqrt(_SHARED) * pocket + np.sqrt(1.0 - _SHARED) * own
        push_s = float(rng.normal(lag_ms, 4.0)) / 1000.0 * min(take.looseness, 1.5)
        self._offset_s = push_s + 0.9 * sigma_s * wander
        self._white_s = 0.6 * sigma_s
        arc = np.cos(2 * np.pi * (np.arange(n) / (16 * _GRID_PER_BEAT) + rng.random()))
        self._level = take.dynamics * (4.0 * correlated(n, memory, rng) + 3.0 * arc)
        self._spread = min(take.dynamics, take.looseness)
        self._rng = rng

    def offset_s(self, beat: float) -> float:
        """Seconds by which a note at a beat position comes late (early if negative)."""
        index = min(max(int(beat * _GRID_PER_BEAT), 0), len(self._offset_s) - 1)
        shift = float(self._offset_s[index]) + float(self._rng.normal()) * self._white_s
        return float(np.clip(shift, -MOST_OFFSET_S, MOST_OFFSET_S))

    def velocity(self, beat: float, written: float, spread: float) -> int:
        """MIDI velocity of a note that is written with a level, by phrase and chance."""
        index = min(max(int(beat * _GRID_PER_BEAT), 0), len(self._level) - 1)
        level = written + float(self._level[index]) + float(self._rng.normal()) * spread * self._spread
        return int(np.clip(level, 10, 127))
