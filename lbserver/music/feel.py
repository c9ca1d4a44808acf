# SPDX-License-Identifier: GPL-3.0-or-later
"""Half and double time: the beat that is told, retold at half or twice its tempo from a bar's beginning on."""

from math import isfinite, nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

FACTORS = (0.5, 1.0, 2.0)
"""By the choices of the control `time_feel`."""


class Beat(NamedTuple):
    """Phases in [0, 1) of the beat and the bar, and beats per minute; NaN where unknown."""

    beat: float
    bar: float
    tempo: float


class FeelState(NamedTuple):
    """`factor` in force, float64 [B] as all; `odd_beat`, `odd_bar`: 1 in the second half of a beat or bar made twice as
    long; `beat`, `bar`: the phases that were told for the frame before, NaN if none were.
    """

    factor: Numbers
    odd_beat: Numbers
    odd_bar: Numbers
    beat: Numbers
    bar: Numbers


def init_state(rows: int) -> FeelState:
    """As heard."""
    zero, unknown = np.zeros(rows), np.full(rows, np.nan)
    return FeelState(np.ones(rows), zero, zero, unknown, unknown)


def is_sound(state: FeelState) -> bool:
    """Whether it can have come from `retold`; a phase just below 1 may be rounded to it."""
    phases = np.stack([state.beat, state.bar])
    return bool(
        np.isin(state.factor, FACTORS).all()
        and np.isin([state.odd_beat, state.odd_bar], (0.0, 1.0)).all()
        and (np.isnan(phases) | ((phases >= 0) & (phases <= 1))).all()
    )


def retold(told: Beat, wish: float, row: NDArray[np.float64]) -> Beat:
    """What is told of one frame at the factor in force; `row` is that row of the state, moved on in place.

    A new `wish` comes into force where a bar begins, or a beat where no bar is known, or at once where no beat is.
    """
    factor, odd_beat, odd_bar, beat, bar = (float(value) for value in row)
    if not isfinite(told.beat):
        row[:] = (wish, 0.0, 0.0, nan, nan)
        return Beat(nan, nan, told.tempo * wish)
    beat_begins = not isfinite(beat) or told.beat < beat - 0.5
    bar_begins = isfinite(told.bar) and (not isfinite(bar) or told.bar < bar - 0.5)
    odd_beat, odd_bar = abs(odd_beat - beat_begins), abs(odd_bar - bar_begins)
    if factor != wish and (bar_begins if isfinite(told.bar) else beat_begins):
        factor, odd_bar = wish, 0.0
    if bar_begins and not odd_bar:
        # A beat that begins a hair after its bar is counted when it does.
        odd_beat = float(told.beat >= 0.5)
    row[:] = (factor, odd_beat, odd_bar, told.beat, told.bar)
    if factor == 1.0:
        return told
    if factor < 1.0:
        return Beat((told.beat + odd_beat) / 2, (told.bar + odd_bar) / 2, told.tempo / 2)
    return Beat(2 * told.beat % 1.0, 2 * told.bar % 1.0, 2 * told.tempo)
