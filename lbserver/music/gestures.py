# SPDX-License-Identifier: GPL-3.0-or-later
"""What a performer does to the band as it plays: stop and play with a fade, count in, one knob for intensity.

Answered on the stem and on what a model is told. Pure functions of frames and state: live and in a bounce, in a batch and after
a snapshot they give the same.
"""

from math import isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Audio
from lbserver.music.feel import Beat

Numbers = NDArray[np.float64]

NEUTRAL = 0.5
"""The intensity that changes nothing."""
_LEVEL_DB = 12.0  # from the least to the most intensity
_SHORT_S = 0.01  # a fade of no beats; that of a band that comes in on the one
_USUAL_BEATS = 4  # of a bar that nobody knows
_USUAL_BEAT_S = 0.5
_BEATS_OF_BARS = (4, 3, 6, 5, 7, 2, *range(8, 17), 1)
_MOST_CLICKS = 32
_SAME_S = 1e-3  # a beat at the very end of a frame is the next frame's by rounding alone
_SAME_PHASE = 1e-3
_LONG_AGO_S = 1e6
_CLICK_S = 0.04
_CLICK_HZ = (1000.0, 1500.0)  # of a beat, of a one
_CLICK_LEVEL = 0.25


class Wish(NamedTuple):
    """What is wished for of one frame: `play` and `count_in` 1 or 0, `fade` in beats, `intensity` 0 to 1."""

    play: float = 1.0
    fade: float = 0.0
    intensity: float = NEUTRAL
    count_in: float = 0.0


class GestureState(NamedTuple):
    """float64 [B] each. `presence`: 0 silent to 1 plays, and `level`, a gain: -1 before the first frame. `quick`: 1 while a
    fade that has begun is the shortest.

    `pressed`: the count-in's wish of the frame before. `counting`: 0 no count-in, 1 one that waits for a bar, from 2 on
    one more than clicks were heard. `click_s`: seconds since the last click began, `accent`: 1 if that was a one.
    """

    presence: Numbers
    level: Numbers
    quick: Numbers
    pressed: Numbers
    counting: Numbers
    click_s: Numbers
    accent: Numbers


def init_state(rows: int) -> GestureState:
    """Nothing played yet: the first frame is as it is wished for, without a fade."""
    zero, fresh = np.zeros(rows), np.full(rows, -1.0)
    return GestureState(fresh, fresh.copy(), zero, zero, zero, np.full(rows, _LONG_AGO_S), zero)


def is_sound(state: GestureState) -> bool:
    """Whether it can have come from `step`: nothing is turned up but by the most intensity."""
    values = np.stack(state)
    return bool(
        np.isfinite(values).all()
        and ((state.presence == -1) | ((state.presence >= 0) & (state.presence <= 1))).all()
        and ((state.level == -1) | ((state.level > 0) & (state.level <= _gain(1.0)))).all()
        and np.isin([state.quick, state.pressed, state.accent], (0.0, 1.0)).all()
        and np.isin(state.counting, range(_MOST_CLICKS)).all()
        and (state.click_s > -1).all()
    )


def meant(value: float, intensity: float) -> float:
    """A knob from 0 to 1 as a model is told it, moved by the intensity; NaN, its own choice, is the middle."""
    if intensity == NEUTRAL:
        return value
    return min(max((value if isfinite(value) else NEUTRAL) + intensity - NEUTRAL, 0.0), 1.0)


def step(stem: Audio, beat: Beat, wish: Wish, rate_hz: int, row: Numbers) -> Audio:
    """One frame of one session: stem [C, T] -> the stem to be heard. `row` is that row of the state, moved on in place.

    `beat` is that of the frame's start, as it is told or heard. A stem that nobody touches passes bit for bit.
    """
    presence, level, quick, pressed, counting, click_s, accent = (float(value) for value in row)
    length = stem.shape[-1]
    frame_s = length / rate_hz
    if wish.count_in > 0.5 and not pressed:
        counting = 1.0
    if not (isfinite(beat.beat) and beat.tempo > 0):
        counting = 0.0  # nobody knows how fast to count
    beat_s = 60.0 / beat.tempo if beat.tempo > 0 else _USUAL_BEAT_S
    clicks, comes_in = [(click_s, accent)], None
    if counting:
        onset_s = (1.0 - beat.beat) % 1.0 * beat_s
        if onset_s < frame_s + _SAME_S and click_s + onset_s > 0.5 * beat_s:
            per_bar = _beats_of_bar(beat)
            one = per_bar is None or (1.0 - beat.bar) % 1.0 * per_bar < 0.5
            over = counting > _USUAL_BEATS if per_bar is None else one and counting > 1
            if over or counting + 1 >= _MOST_CLICKS:
                counting, comes_in = 0.0, min(length, round(onset_s * rate_hz))
            elif one or counting > 1:
                counting, click_s, accent = counting + 1, -onset_s, float(one)
                clicks.append((click_s, accent))
    wanted = float(wish.play > 0.5 and not counting)
    quick = float(bool(counting) or comes_in is not None or wish.fade <= 0 or (quick and presence != wanted))
    envelope = None
    if presence < 0:
        presence = wanted if comes_in is None else 0.0
    if presence != wanted:
        fade_s = _SHORT_S if quick else max(_SHORT_S, wish.fade * beat_s)
        along = np.maximum(np.arange(1, length + 1) - (comes_in or 0), 0) / (rate_hz * fade_s)
        fading = np.clip(presence + np.sign(wanted - presence) * along, 0.0, 1.0)
        envelope, presence = fading**2, float(fading[-1])
    elif not presence:
        envelope = np.zeros(length)
    gain = _gain(wish.intensity)
    before = gain if level < 0 else level
    row[:] = (
        presence,
        gain,
        quick,
        float(wish.count_in > 0.5),
        counting,
        min(click_s + frame_s, _LONG_AGO_S),
        accent,
    )
    if envelope is not None or not before == gain == 1.0:
        glide = before + (gain - before) * np.arange(1, length + 1) / length
        stem = stem * (glide if envelope is None else glide * envelope).astype(np.float32)
    for since_s, one_of_bar in clicks:
        if since_s < _CLICK_S:
            stem = stem + _click(since_s, one_of_bar, length, rate_hz)
    return stem


def _gain(intensity: float) -> float:
    return 1.0 if intensity == NEUTRAL else float(10.0 ** ((intensity - NEUTRAL) * _LEVEL_DB / 20.0))


def _beats_of_bar(beat: Beat) -> int | None:
    """Beats of a bar by the two phases, the usual numbers first; None where they do not tell."""
    if not isfinite(beat.bar):
        return None
    for number in _BEATS_OF_BARS:
        turns = (beat.bar * number - beat.beat) % 1.0
        if min(turns, 1.0 - turns) < _SAME_PHASE:
            return number
    return None


def _click(since_s: float, accent: float, length: int, rate_hz: int) -> Audio:
    """A click that began so long ago, or begins after so long if that is negative, in a frame of `length` samples."""
    at = since_s + np.arange(length) / rate_hz
    sounds = (at > -0.5 / rate_hz) & (at < _CLICK_S)
    at = at.clip(0.0, _CLICK_S)
    tone = np.sin(2 * np.pi * _CLICK_HZ[int(accent)] * at) * np.exp(-at * 5 / _CLICK_S)
    return np.where(sounds, _CLICK_LEVEL * tone, 0.0).astype(np.float32)
