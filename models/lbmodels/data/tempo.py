# SPDX-License-Identifier: GPL-3.0-or-later
"""How a band keeps time: to a click, with a drummer's drift, loosely, freely, or with a new tempo half-way.

The curve is drawn per beat and summed to beat times, and every note is placed by those times: the truth follows the
tempo exactly, whatever it does. Ornstein-Uhlenbeck drift: a tempo wanders and is drawn back, as drummers' do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SLOWEST_BPM, FASTEST_BPM = 60.0, 190.0
KINDS = ("click", "steady", "loose", "rubato", "change")
_SHARES = (0.28, 0.36, 0.2, 0.1, 0.06)
_LONGEST_STRETCH = 2.0  # of a beat, against the song's own: beats may breathe, not stop

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TempoPlan:
    """How one take keeps time. `drift` is relative, `memory_beats` how long a deviation lasts, `trend` over the take."""

    kind: str = "click"
    drift: float = 0.0
    memory_beats: float = 16.0
    trend: float = 0.0
    section_spread: float = 0.0
    phrase_depth: float = 0.0
    change_factor: float = 1.0
    ending: float = 1.0  # tempo of the last beat against the song's, below 1 for a ritardando


def draw_tempo(low: float, high: float, rng: np.random.Generator) -> float:
    """A tempo in or a little around a style's range, as live takes have it, within 60..190 BPM."""
    stretch = float(np.exp(rng.normal(0.0, 0.07)))
    return float(np.round(np.clip(rng.uniform(low, high) * stretch, SLOWEST_BPM, FASTEST_BPM), 1))


def draw_plan(rng: np.random.Generator) -> TempoPlan:
    """How the next take keeps time."""
    kind = str(rng.choice(KINDS, p=_SHARES))
    ending = float(rng.uniform(0.6, 0.9)) if kind != "click" and rng.random() < 0.35 else 1.0
    if kind == "click":
        return TempoPlan()
    memory = float(rng.uniform(6, 32))
    if kind == "steady":
        return TempoPlan(
            kind=kind, drift=float(rng.uniform(0.003, 0.012)), memory_beats=memory, ending=ending
        )
    if kind == "loose":
        return TempoPlan(
            kind=kind, drift=float(rng.uniform(0.01, 0.03)), memory_beats=memory, trend=float(rng.normal(0.0, 0.03)),
            section_spread=float(rng.uniform(0.0, 0.02)), ending=ending,
        )  # fmt: skip
    if kind == "rubato":
        return TempoPlan(
            kind=kind, drift=float(rng.uniform(0.01, 0.025)), memory_beats=float(rng.uniform(2, 6)),
            phrase_depth=float(rng.uniform(0.03, 0.14)), ending=float(rng.uniform(0.5, 0.85)),
        )  # fmt: skip
    factor = float(rng.choice([rng.uniform(0.8, 0.92), rng.uniform(1.08, 1.25)]))
    return TempoPlan(
        kind=kind,
        drift=float(rng.uniform(0.0, 0.01)),
        memory_beats=memory,
        change_factor=factor,
        ending=ending,
    )


def _wander(n: int, memory_beats: float, rng: np.random.Generator) -> Floats:
    """Unit-variance autoregressive noise [n]."""
    keep = float(np.exp(-1.0 / memory_beats))
    steps = rng.normal(size=n) * np.sqrt(1.0 - keep**2)
    value = float(rng.normal())
    walk = np.empty(n)
    for i in range(n):
        value = keep * value + float(steps[i])
        walk[i] = value
    return walk


def beat_times(
    n_beats: int,
    tempo_bpm: float,
    plan: TempoPlan,
    rng: np.random.Generator,
    *,
    start_s: float,
    section_beats: Sequence[int] = (0,),
    phrase_beats: int = 16,
) -> Floats:
    """Times [n_beats + 1] in seconds, the last one the end of the last beat.

    Args:
        section_beats: beats on which sections begin, the first one 0.
        phrase_beats: length of the arc that a free player slows down at the end of.
    """
    beat = np.arange(n_beats)
    log_tempo = plan.drift * _wander(n_beats, plan.memory_beats, rng)
    log_tempo += plan.trend * (beat / max(1, n_beats) - 0.5)
    section = np.searchsorted(np.asarray(section_beats), beat, side="right") - 1
    offsets = rng.normal(0.0, 1.0, size=len(section_beats))
    log_tempo += plan.section_spread * offsets[np.clip(section, 0, None)]
    if plan.phrase_depth:
        # Free playing is quickest inside the phrase and takes its time at the end.
        place = (beat % phrase_beats + 0.5) / phrase_beats
        log_tempo -= plan.phrase_depth * (np.clip(place - 0.7, 0, None) / 0.3) ** 2
    if plan.change_factor != 1.0 and len(section_beats) > 1:
        at = section_beats[int(rng.integers(1, len(section_beats)))]
        log_tempo[at:] += np.log(plan.change_factor)
    last = min(n_beats, int(rng.integers(4, 9)))
    if plan.ending < 1.0 and last:
        log_tempo[-last:] += np.log(plan.ending) * np.linspace(0.0, 1.0, last)
    lengths = (
        60.0 / tempo_bpm * np.exp(-np.clip(log_tempo, -np.log(_LONGEST_STRETCH), np.log(_LONGEST_STRETCH)))
    )
    return np.concatenate([[start_s], start_s + np.cumsum(lengths)])


def draw_start_s(rng: np.random.Generator) -> float:
    """Seconds before the first beat: mostly none or a breath, sometimes a recording that ran before the band played."""
    kind = rng.random()
    if kind < 0.25:
        return 0.0
    return float(rng.uniform(0.02, 0.8) if kind < 0.85 else rng.uniform(0.8, 7.0))
