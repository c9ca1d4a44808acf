# SPDX-License-Identifier: GPL-3.0-or-later
"""When the player stops: heard in the mix's level alone, and answered on the stem. Pure functions of frames and state.

The player sounds while a frame is not 20 dB softer than the level that was heard, or stands 6 dB out of the softest there
was of late: hiss and a last chord's decay do neither. Silence counts in beats. A player who leaves gaps, up to a bar, is
waited for that long; any other is gone within a beat, and what rests is silent by the second.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Audio
from lbserver.host.compiled import compiled

Numbers = NDArray[np.float64]

_SOUND = 1e-7
"""Mean square of a frame that is music, where none was yet: -70 dBFS."""
_SOFT = 1e-2  # of the running level
_OUT = 4.0  # times the floor
_DEAF = 1e-6  # of the running level: the floor is not believed to be lower
_FLOOR_DB_S = 3.0  # by which the floor rises while nothing is as soft
_SURGE = 100.0  # a frame counts as at most so much of the running level: a knock is not music
_MEMORY_S = 4.0
_STEM_S = (3.0, 12.0)  # the level that a stem had: of late or all in all, whichever is softer
_KNOWN_S = 1.0  # of playing, from which on it had one
_NOW_S = 0.6  # over which its level is taken while the player is silent
_HOLD_BEATS = 0.75  # of silence at least
_MOST_BEATS = 4.0  # and at most
_FADE_BEATS = 0.75  # with what hearing and writing ahead take, two beats in all
_FORGET_BEATS = 12.0  # in which a gap that was waited for counts half
_FIRST_GAP_BEATS = 2.0  # nobody knows yet what gaps a player leaves
_WAIT = 1.25  # times the longest gap of late
_RISE_S = 0.01
_GLIDE_S = 0.5  # in which a stem that was held down by its level may be up again


class RestState(NamedTuple):
    """What is known of the player and the stem, float64 [B] each.

    `level`, `floor`: mean squares of the mix as it runs, and of its softest; `lately`, `ever`, `now`: of the stem while
    the player sounds, of late and all in all, and since they stopped. `frames`: how many `level` was taken from, 0 before
    the first sound; `played` those of the stem. `silence`, `gap`: beats since the player sounded, and of the longest gap of late. `presence`: 0 rests, 1
    plays; `gain`: by which the stem is held to its level.
    """

    level: Numbers
    frames: Numbers
    floor: Numbers
    silence: Numbers
    gap: Numbers
    presence: Numbers
    lately: Numbers
    ever: Numbers
    played: Numbers
    now: Numbers
    gain: Numbers


FIELDS = RestState._fields


def init_state(rows: int) -> RestState:
    """Nothing heard yet: nobody has stopped."""
    zero, one = np.zeros(rows), np.ones(rows)
    return RestState(zero, zero, one, zero, _FIRST_GAP_BEATS * one, one, zero, zero, zero, zero, one)


def is_sound(state: RestState) -> bool:
    """Whether it can have come from `step`: nothing is negative, nothing is turned up."""
    values = np.stack(state)
    return bool(
        (np.isfinite(values) & (values >= 0)).all()
        and (state.presence <= 1).all()
        and (state.gain <= 1).all()
    )


def step(
    mix: Audio, stem: Audio, *, frame_s: float, beat_s: Numbers, rests: Numbers, state: RestState,
    active: NDArray[np.bool_],
) -> tuple[Audio, RestState]:  # fmt: skip
    """One frame: mix [B, C, T] that was heard, stem [B, C, T] that answers it -> the stem to be played.

    `beat_s` [B]: seconds of a beat. `rests` [B]: 1 rests when the player stops, 0 plays on at the level it had. What is
    played before the first sound is the model's business. Where nothing is to be changed the stem passes bit for bit; rows that are not
    `active` keep their state.
    """
    after = np.stack(state, axis=1)
    before = after.copy()
    for row in np.flatnonzero(active):
        _follow(mix[row], stem[row], frame_s, float(beat_s[row]), bool(rests[row] > 0.5), after[row])
    played = stem
    for row in np.flatnonzero(active):
        start, end = before[row], after[row]
        rising = end[_PRESENCE] > start[_PRESENCE]
        if start[_PRESENCE] == end[_PRESENCE] == start[_GAIN] == end[_GAIN] == 1.0:
            continue
        if played is stem:
            played = stem.copy()
        along = np.linspace(0.0, 1.0, stem.shape[-1] + 1)[1:]
        present = np.minimum(1.0, along * frame_s / _RISE_S) if rising else along
        present = start[_PRESENCE] + (end[_PRESENCE] - start[_PRESENCE]) * present
        gain = start[_GAIN] + (end[_GAIN] - start[_GAIN]) * along
        played[row] *= (present**2 * gain).astype(np.float32)
    return played, RestState(*(np.ascontiguousarray(values) for values in after.T))


_PRESENCE, _GAIN = FIELDS.index("presence"), FIELDS.index("gain")


@compiled("float64(float32[:, :])")
def _power(audio: Audio) -> float:
    """Mean square, without what does not move: a microphone's offset is no sound."""
    total = 0.0
    for channel in range(audio.shape[0]):
        mean, square = 0.0, 0.0
        for value in audio[channel]:
            mean += value
            square += value * value
        mean /= audio.shape[1]
        total += max(0.0, square / audio.shape[1] - mean * mean)
    return total / audio.shape[0] if np.isfinite(total) else 0.0


@compiled("void(float32[:, :], float32[:, :], float64, float64, boolean, float64[:])")
def _follow(mix: Audio, stem: Audio, frame_s: float, beat_s: float, may_rest: bool, row: Numbers) -> None:
    """One row of the state, in the order of its fields, moved on by a frame."""
    level, frames, floor, silence, gap = row[0], row[1], row[2], row[3], row[4]
    presence, lately, ever, played, now, gain = row[5], row[6], row[7], row[8], row[9], row[10]
    heard, beats, memory = _power(mix), frame_s / beat_s, _MEMORY_S / frame_s
    floor = max(min(heard, floor * 10.0 ** (0.1 * _FLOOR_DB_S * frame_s)), _DEAF * level)
    if frames == 0:
        sounds = heard > _SOUND
    else:
        sounds = heard >= min(_SOFT * level, _OUT * floor)
    if sounds:
        believed = heard if frames == 0 else min(heard, _SURGE * level)
        frames = min(frames + 1, memory)
        level += (believed - level) / frames
        if _HOLD_BEATS <= silence <= _MOST_BEATS + 1:
            gap = max(gap, silence)
        gap *= 0.5 ** (beats / _FORGET_BEATS)
        silence = 0.0
    else:
        silence += beats
    stopped = silence > min(max(_HOLD_BEATS, _WAIT * gap), _MOST_BEATS)
    if may_rest and stopped and frames > 0:
        presence = max(0.0, presence - beats / _FADE_BEATS)
    else:
        presence = 1.0
    power = _power(stem)
    if silence == 0:
        if frames > 0:
            played += 1
            lately += (power - lately) / min(played, _STEM_S[0] / frame_s)
            ever += (power - ever) / min(played, _STEM_S[1] / frame_s)
        now = min(lately, ever)
    else:
        now += (power - now) * min(1.0, frame_s / _NOW_S)
    had = min(lately, ever)
    if not stopped:
        gain = min(1.0, gain + frame_s / _GLIDE_S)
    elif played * frame_s >= _KNOWN_S:
        gain = np.sqrt(had / now) if now > had else 1.0
    row[:] = np.array([level, frames, floor, silence, gap, presence, lately, ever, played, now, gain])
