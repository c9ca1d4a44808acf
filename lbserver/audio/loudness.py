# SPDX-License-Identifier: GPL-3.0-or-later
"""Integrated loudness of a stream (ITU-R BS.1770-4) in bounded memory.

The filters of the K-weighting keep their state between blocks, and only the energy of each 100 ms stays in memory (36,000
numbers an hour), so a file of any length can be measured.
"""

from math import pi, tan
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Audio

Coefficients: TypeAlias = tuple[float, float, float]

_SEGMENT_S = 0.1  # gating blocks of 0.4 s start every 0.1 s
_SEGMENTS_PER_BLOCK = 4
_LEAST_RATE_HZ = 8000


def k_weighting(rate_hz: float) -> tuple[tuple[Coefficients, Coefficients], ...]:
    """Numerators and denominators of the two biquads of BS.1770-4, table 1 (a shelf) and table 2 (a high pass).

    The tables are of 48 kHz; for other rates the analogue prototypes that they come from are transformed bilinearly (De Man
    2014, "Evaluation of implementations of the EBU R128 loudness measurement").
    """
    k, q = tan(pi * 1681.974450955533 / rate_hz), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = (
        ((high + band * k / q + k * k) / a0, 2 * (k * k - high) / a0, (high - band * k / q + k * k) / a0),
        (1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0),
    )
    k, q = tan(pi * 38.13547087602444 / rate_hz), 0.5003270373238773
    a0 = 1 + k / q + k * k
    return shelf, ((1.0, -2.0, 1.0), (1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0))


class LoudnessMeter:
    """Feed blocks [C, T] of one or two channels; `lufs` at any time. Also the peak.

    State: filter memories, the energy of each finished segment, the samples of the segment under way.
    """

    def __init__(self, *, rate_hz: int, channels: int) -> None:
        # Here, because it is slow to import and `liveband --help` should not be.
        from scipy.signal import lfilter

        self._filter = lfilter
        # K-weighting lifts what is above 1.7 kHz: where the rate has no room for that, its filters are unstable.
        self._faster = None
        if rate_hz < _LEAST_RATE_HZ:
            import soxr

            self._faster = soxr.ResampleStream(rate_hz, 48000, channels, dtype="float32")
            rate_hz = 48000
        self._stages = k_weighting(rate_hz)
        self._memories = [np.zeros((channels, 2)) for _ in self._stages]
        self._rate_hz = rate_hz
        self._channels = channels
        self._samples = 0
        self._segment_energy: list[float] = []
        self._energy = 0.0
        self.peak = 0.0

    def push(self, audio: Audio) -> None:
        """Measure the next samples [C, T]."""
        if not audio.shape[-1]:
            return
        self.peak = max(self.peak, float(np.abs(audio).max()))
        if self._faster is not None:
            audio = self._faster.resample_chunk(np.ascontiguousarray(audio.T, np.float32)).T
        weighted: NDArray[np.float64] = audio.astype(np.float64)
        for index, (b, a) in enumerate(self._stages):
            weighted, self._memories[index] = self._filter(b, a, weighted, axis=-1, zi=self._memories[index])
        energy = np.square(weighted).sum(axis=0)
        done = 0
        while done < len(energy):
            boundary = int(_SEGMENT_S * (len(self._segment_energy) + 1) * self._rate_hz)
            step = min(len(energy) - done, boundary - self._samples)
            self._energy += float(energy[done : done + step].sum())
            done += step
            self._samples += step
            if self._samples == boundary:
                self._segment_energy.append(self._energy)
                self._energy = 0.0

    def lufs(self) -> float | None:
        """Gated loudness; None where it is undefined: less than 0.4 s of audio, or nothing above -70 LUFS."""
        segments = np.array([*self._segment_energy])
        if len(segments) < _SEGMENTS_PER_BLOCK:
            return None
        energy = np.convolve(segments, np.ones(_SEGMENTS_PER_BLOCK), mode="valid")
        blocks = energy / (_SEGMENT_S * _SEGMENTS_PER_BLOCK * self._rate_hz)
        blocks = blocks[_to_lufs(blocks) >= -70.0]
        if not len(blocks):
            return None
        blocks = blocks[_to_lufs(blocks) > _to_lufs(blocks.mean()) - 10.0]
        return float(_to_lufs(blocks.mean()))


def _to_lufs(mean_square: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    """BS.1770-4, eq. 2."""
    return -0.691 + 10.0 * np.log10(np.maximum(mean_square, 1e-30))


def peak_dbfs(peak: float) -> float | None:
    """Decibels of a sample peak, None for silence."""
    return float(20.0 * np.log10(peak)) if peak > 0 else None
