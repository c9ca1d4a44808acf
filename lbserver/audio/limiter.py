# SPDX-License-Identifier: GPL-3.0-or-later
"""A true-peak limiter for stems: nothing leaves above -1 dBFS, not even between samples, and what is softer is left as it is.

True peak is that of ITU-R BS.1770-4, annex 2 (four times oversampled), with a longer filter and a parabola through each
maximum, since the standard's own figure may read half a decibel low.
"""

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Audio
from lbserver.host.compiled import compiled

_NEEDED = 10.0 ** (-1.05 / 20)
"""A peak from which on a piece is limited,"""
_CEILING = 10.0 ** (-1.3 / 20)
"""and to what. Meters with other filters read some tenths of a decibel more where there is much near the Nyquist frequency."""
_HALF = 12  # samples on each side of a place between two samples
_PHASES = 4
_PAST = 2 * _HALF  # samples of what was played last that are kept
_ROUNDS = 4
"""At most so often is measured what the gain made of a piece: where it had to fall fast, peaks have moved."""
_ATTACK_S = 0.0015  # from unity to silence; a peak at a frame's beginning leaves less
_RELEASE_S = 0.25  # and back


def _bank() -> NDArray[np.float32]:
    """Taps [phases - 1, 2 * _HALF] of a windowed sinc (Kaiser 1974) at each quarter between two samples."""
    phase = np.arange(1, _PHASES)[:, None] / _PHASES
    distance = np.arange(-_HALF + 1, _HALF + 1)[None, :] - phase
    taps = np.sinc(distance) * np.i0(4.0 * np.sqrt(1.0 - (distance / (_HALF + 0.5)) ** 2)) / np.i0(4.0)
    return (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)


_BANK = _bank()
_SURELY_SOFT = 1.0 / float(np.abs(_BANK).sum(axis=1).max())
"""Share of the ceiling under which no samples can have a peak between them that reaches it."""


class Limiter:
    """Stems [rows * C, T] of any T in order, as they come out of the resampler; each row is a stem of C channels.

    Nothing is shifted or kept back, and nothing is decided by what comes later: the limiter looks ahead within a piece,
    which for a lane is a frame. The gain falls along a ramp before a peak, the steeper the nearer it is to the piece's
    beginning, and rises slowly after it, alike for the channels of a row; where it is 1 the samples pass bit for bit.
    """

    def __init__(self, *, rate_hz: int, rows: int, channels: int) -> None:
        self._rows, self._channels = rows, channels
        self._attack, self._release = 1.0 / (_ATTACK_S * rate_hz), 1.0 / (_RELEASE_S * rate_hz)
        self._past = np.zeros((rows * channels, _PAST), np.float32)  # what was played last
        self._gains = np.ones(rows, np.float32)

    def push(self, audio: Audio, *, gain: float = 1.0) -> Audio:
        """Audio [rows * C, T] as it may leave. `gain` is what will be done to it after this."""
        if not audio.shape[-1]:
            return audio
        over, out = max(1.0, gain), audio
        for row in range(self._rows):
            at = slice(row * self._channels, (row + 1) * self._channels)
            loudest = over * max(float(audio[at].max()), -float(audio[at].min()))
            if self._gains[row] == 1.0 and loudest <= _NEEDED * _SURELY_SOFT:
                continue
            gains = self._gains_of(audio[at], row, over)
            if (gains < 1.0).any():
                out = out.copy() if out is audio else out
                out[at] *= gains
            self._gains[row] = gains[-1]
        self._past = np.concatenate((self._past, out), axis=-1)[:, -_PAST:]
        return out

    def _gains_of(self, audio: Audio, row: int, over: float) -> NDArray[np.float32]:
        """The gains [T] of a row's piece [C, T]."""
        length = audio.shape[-1]
        past = self._past[row * self._channels : (row + 1) * self._channels]
        gains = wanted = np.ones(length, np.float32)
        if self._gains[row] < 1.0:
            gains = _glide(wanted, self._gains[row], self._attack, self._release)
        for turn in range(_ROUNDS):
            played = np.concatenate((past, audio * gains), axis=-1)
            # What comes next is not known: as if it turned back, about its last value or about silence. To begin to
            # limit takes both.
            back = played[:, -2 : -_HALF - 2 : -1]
            asked = np.ones(_PAST + length, np.float32)
            highest = over * _peak(played, 2 * played[:, -1:] - back, _CEILING / over, asked)
            idle = turn == 0 and self._gains[row] == 1.0
            if idle and highest > _NEEDED:
                highest = min(highest, over * _peak(played, back, _CEILING / over, np.ones_like(asked)))
            if highest <= (_NEEDED if idle else _CEILING * 1.01):
                break
            wanted = np.where(asked[_PAST:] < 1.0, gains * asked[_PAST:], wanted)
            gains = _glide(wanted, self._gains[row], self._attack, self._release)
        return gains


def _peak(played: Audio, onward: Audio, ceiling: float, asked: NDArray[np.float32]) -> float:
    return float(_ask(np.concatenate((played, onward), axis=-1), _BANK, ceiling, asked))


@compiled(
    "float64(float32[:, ::1], float32[:, ::1], float64, float32[::1])",
    fastmath={"reassoc", "contract"},
)
def _ask(x: Audio, bank: NDArray[np.float32], ceiling: float, wanted: NDArray[np.float32]) -> float:
    """Lower the gains `wanted` where x has peaks above the ceiling; returns the highest peak there is.

    x [C, _PAST + T + _HALF], of which the T in the middle are the piece; `wanted` [_PAST + T].
    """
    taps, length = bank.shape[1], x.shape[1]
    half, places = taps // 2, length - taps + 1
    # Four times as many samples, of those which have as many neighbours on both sides.
    fine = np.zeros(_PHASES * places + 1, np.float32)
    between = np.empty(places, np.float32)
    highest = np.float32(0.0)
    for channel in range(x.shape[0]):
        wave = x[channel]
        fine[::_PHASES] = wave[half - 1 : half + places]
        for phase in range(1, _PHASES):
            between[:] = 0.0
            for tap in range(taps):
                weight, moved = bank[phase - 1, tap], wave[tap : tap + places]
                for place in range(places):
                    between[place] += weight * moved[place]
            fine[phase : phase + _PHASES * places : _PHASES] = between
        # From the last sample of the past to the last there is.
        for place in range(_PHASES * half, _PHASES * (places - 1) + 1):
            peak = abs(fine[place])
            if peak <= ceiling and peak <= highest:
                continue
            left, right = abs(fine[place - 1]), abs(fine[place + 1])
            if peak >= left and peak >= right:
                bend = left - 2 * peak + right
                if bend < 0:
                    peak -= (left - right) ** 2 / (8 * bend)
            highest = max(highest, peak)
            if peak > ceiling:
                # Flat where the filter is highest.
                middle = half - 1 + place // _PHASES
                for index in range(middle - 1, min(length - half, middle + 3)):
                    wanted[index] = min(wanted[index], np.float32(ceiling / peak))
    return float(highest)


@compiled("float32[::1](float32[::1], float32, float64, float64)")
def _glide(wanted: NDArray[np.float32], before: float, attack: float, release: float) -> NDArray[np.float32]:
    """Gains no higher than those wanted [T], falling and rising along ramps; `before` is the one before the first."""
    gains = wanted.copy()
    for index in range(len(gains)):
        attack = max(attack, (before - wanted[index]) / (index + 1))
    for index in range(len(gains) - 2, -1, -1):
        gains[index] = min(wanted[index], gains[index + 1] + attack)
    for index in range(len(gains)):
        before = min(gains[index], before + release, 1.0)
        gains[index] = before
    return gains
