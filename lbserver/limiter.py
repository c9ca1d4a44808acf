# SPDX-License-Identifier: GPL-3.0-or-later
"""A true-peak limiter for stems: nothing leaves above -1 dBFS, not even between samples, and what is softer is left as it is.

True peak is that of ITU-R BS.1770-4, annex 2 (four times oversampled), with a longer filter and a parabola through each
maximum, since the standard's own figure may read half a decibel low.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from lbserver.accompanist import Audio

_NEEDED = 10.0 ** (-1.05 / 20)
"""A peak from which on a piece is limited,"""
_CEILING = 10.0 ** (-1.3 / 20)
"""and to what. Meters with other filters read some tenths of a decibel more where there is much near the Nyquist frequency."""
_HALF = 12  # samples on each side of a place between two samples
_PHASES = 4
HELD_SAMPLES = 2 * _HALF
"""Samples that wait until those after them are known: a part of the budget S, as the resamplers' delay is."""
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

    Nothing is shifted: the last `HELD_SAMPLES` come with the next piece. The gain falls along a ramp before a peak and
    rises slowly after it, alike for the channels of a row; where it is 1 the samples pass bit for bit. What a sample
    becomes depends on the pieces, which for a lane are frames, and not on the host's blocks.
    """

    def __init__(self, *, rate_hz: int, rows: int, channels: int) -> None:
        self._rows, self._channels = rows, channels
        self._attack, self._release = 1.0 / (_ATTACK_S * rate_hz), 1.0 / (_RELEASE_S * rate_hz)
        # Samples that were given out, as they came in, then those that wait.
        self._waiting = np.zeros((rows * channels, _HALF), np.float32)
        self._gains = np.ones(rows, np.float32)

    def push(self, audio: Audio, *, gain: float = 1.0) -> Audio:
        """Hear audio [rows * C, T]; returns what is certain by now. `gain` is what will be done to it after this."""
        return self._limited(audio, gain)

    def flush(self, *, gain: float = 1.0) -> Audio:
        """The rest, taken to be followed by silence."""
        silence = np.zeros((self._rows * self._channels, HELD_SAMPLES), np.float32)
        return self._limited(silence, gain)

    def _limited(self, audio: Audio, gain: float) -> Audio:
        x = np.concatenate((self._waiting, audio), axis=-1).astype(np.float32, copy=False)
        ready = max(0, x.shape[-1] - _HALF - HELD_SAMPLES)
        out = x[:, _HALF : _HALF + ready]
        over = max(1.0, gain)
        for row in range(self._rows):
            at = slice(row * self._channels, (row + 1) * self._channels)
            loudest = over * max(float(x[at].max()), -float(x[at].min()))
            if self._gains[row] == 1.0 and loudest <= _NEEDED * _SURELY_SOFT:
                continue
            wanted = np.ones(x.shape[-1], np.float32)
            highest = _ask(x[at], _BANK, _CEILING / over, wanted)
            if self._gains[row] == 1.0 and over * highest <= _NEEDED:
                continue
            gains = _glide(wanted[_HALF:], self._gains[row], self._attack, self._release)
            if ready:
                self._gains[row] = gains[ready - 1]
                if out.base is x:
                    out = out.copy()
                out[at] *= gains[:ready]
        self._waiting = x[:, ready:].copy()
        return out


@numba.njit(
    "float64(float32[:, ::1], float32[:, ::1], float64, float32[::1])",
    cache=True,
    fastmath={"reassoc", "contract"},
)
def _ask(x: Audio, bank: NDArray[np.float32], ceiling: float, wanted: NDArray[np.float32]) -> float:
    """Lower the gains `wanted` [T] where x [C, T] has peaks above the ceiling; returns the highest peak there is."""
    taps, length = bank.shape[1], x.shape[1]
    half, places = taps // 2, length - taps + 1
    # Four times as many samples, from the last that was given out on; those whose neighbours are not all known are 0.
    fine = np.zeros(_PHASES * (length - half + 1) + 1, np.float32)
    between = np.empty(places, np.float32)
    highest = np.float32(0.0)
    for channel in range(x.shape[0]):
        wave = x[channel]
        fine[:-1:_PHASES] = wave[half - 1 :]
        for phase in range(1, _PHASES):
            between[:] = 0.0
            for tap in range(taps):
                weight, moved = bank[phase - 1, tap], wave[tap : tap + places]
                for place in range(places):
                    between[place] += weight * moved[place]
            fine[phase : phase + _PHASES * places : _PHASES] = between
        for place in range(1, len(fine) - 1):
            peak = abs(fine[place])
            if peak <= ceiling and peak <= highest:
                continue
            left, right = abs(fine[place - 1]), abs(fine[place + 1])
            if peak >= left and peak >= right and place < _PHASES * places:
                bend = left - 2 * peak + right
                if bend < 0:
                    peak -= (left - right) ** 2 / (8 * bend)
            highest = max(highest, peak)
            if peak > ceiling:
                # Flat where the filter is highest.
                middle = half - 1 + place // _PHASES
                for index in range(max(half, middle - 1), min(length, middle + 3)):
                    wanted[index] = min(wanted[index], np.float32(ceiling / peak))
    return float(highest)


@numba.njit("float32[::1](float32[::1], float32, float64, float64)", cache=True)
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
