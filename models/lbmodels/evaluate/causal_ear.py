# SPDX-License-Identifier: GPL-3.0-or-later
"""What a simple causal listener makes of a mix: beat, bar length and chord. Only past audio is ever read.

It belongs to the baselines: textbook methods without any learning (spectral flux, autocorrelation with a tempo prior,
a comb for the phase, triad templates on the chroma).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbmodels.evaluate.metrics import Audio, Floats, chroma

RATE_HZ = 48000
FLUX_HOP = 480  # 10 ms
FLUX_WINDOW = 1024
MEMORY_S = 8.0
LISTEN_S = 4.0  # nothing is claimed before
CHORD_S = 0.8
TEMPO_BPM, TEMPO_OCTAVES = 115.0, 0.7  # the prior's middle and width
_MAJOR, _MINOR = (0, 4, 7), (0, 3, 7)


@dataclass(frozen=True, kw_only=True)
class Beat:
    """A steady pulse: a beat falls at `anchor_s` and every `period_s` before and after."""

    period_s: float
    anchor_s: float

    def phase(self, time_s: float) -> float:
        """Share of the beat that has passed at `time_s`, in [0, 1)."""
        return float(((time_s - self.anchor_s) / self.period_s) % 1.0)


class CausalEar:
    """Hears one mix hop after hop: the last 8 s of audio [2, T] and of its spectral flux."""

    def __init__(self) -> None:
        self.heard_samples = 0
        self.audio = np.zeros((2, round(MEMORY_S * RATE_HZ)), dtype=np.float32)
        self._flux = np.zeros(round(MEMORY_S * RATE_HZ / FLUX_HOP))
        self._last = np.zeros(FLUX_WINDOW // 2 + 1)
        self._shape = np.hanning(FLUX_WINDOW)

    def hear(self, mix: Audio) -> None:
        """Take in [2, hop], hop a multiple of 480 samples."""
        hop = mix.shape[1]
        self.audio = np.concatenate((self.audio[:, hop:], mix), axis=1)
        self.heard_samples += hop
        x = self.audio.mean(axis=0)[-(hop + FLUX_WINDOW) :]
        starts = range(len(x) - FLUX_WINDOW - hop + FLUX_HOP, len(x) - FLUX_WINDOW + 1, FLUX_HOP)
        frames = np.stack([x[start : start + FLUX_WINDOW] for start in starts])
        log = np.log1p(100 * np.abs(np.fft.rfft(frames * self._shape, axis=1)))
        rise = np.maximum(np.diff(np.concatenate((self._last[None], log)), axis=0), 0).mean(axis=1)
        self._last = log[-1]
        self._flux = np.concatenate((self._flux[len(rise) :], rise))

    @property
    def time_s(self) -> float:
        return self.heard_samples / RATE_HZ

    def beat(self) -> Beat | None:
        """The pulse of the last seconds; None before 4 s or where nothing recurs."""
        flux = self._recent()
        correlation = _autocorrelation(flux)
        step_s = FLUX_HOP / RATE_HZ
        lags = np.arange(round(0.27 / step_s), round(1.1 / step_s))
        if len(correlation) <= 4 * lags[-1] and len(correlation) <= 2 * lags[-1]:
            return None
        prior = np.exp(-0.5 * (np.log2(60 / (lags * step_s) / TEMPO_BPM) / TEMPO_OCTAVES) ** 2)
        # A beat's lag recurs at twice its length.
        strength = (correlation[lags] + 0.5 * correlation[2 * lags]) * prior
        best = int(strength.argmax())
        if strength[best] <= 0:
            return None
        period = float(lags[best]) + _vertex(strength, best)
        # A comb of the period over the flux, later beats counting more; its offset is counted back from now.
        offsets = np.arange(0, period, 0.5)
        count = int(len(flux) / period)
        places = len(flux) - 1 - offsets[:, None] - period * np.arange(count)
        comb = np.interp(places, np.arange(len(flux)), flux) @ (0.9 ** np.arange(count))
        offset = float(offsets[comb.argmax()])
        # A window's rise shows when half of it has passed.
        anchor_s = self.time_s - offset * step_s - 0.5 * FLUX_WINDOW / RATE_HZ
        return Beat(period_s=period * step_s, anchor_s=anchor_s)

    def bar_s(self) -> float | None:
        """The length after which the flux of the last seconds recurs best, of four beats or so; None as in `beat`."""
        beat = self.beat()
        if beat is None:
            return None
        correlation = _autocorrelation(self._recent())
        step_s = FLUX_HOP / RATE_HZ
        candidates = {n: round(n * beat.period_s / step_s) for n in (4, 3)}
        known = {n: lag for n, lag in candidates.items() if lag < len(correlation) - 50}
        # Three beats must be clearly better: most music has four.
        n = max(known, key=lambda n: correlation[known[n]] * (1.0 if n == 4 else 0.85), default=4)
        return n * beat.period_s

    def chord(self) -> tuple[int, Floats] | None:
        """Root and tones [12] of the triad that fits the last 0.8 s best; None in silence."""
        x = self.audio[:, -round(CHORD_S * RATE_HZ) :].mean(axis=0)
        if self.heard_samples < x.size or float(np.abs(x).max()) < 1e-3:
            return None
        found = chroma(x.reshape(-1, 3).mean(axis=1).astype(np.float32)).sum(axis=0)
        found = found / max(float(np.linalg.norm(found)), 1e-9)
        scores = {
            (root, shape): float(found[[(root + tone) % 12 for tone in shape]].sum())
            for root in range(12)
            for shape in (_MAJOR, _MINOR)
        }
        root, shape = max(scores, key=lambda key: scores[key])
        return root, np.isin(np.arange(12), [(root + tone) % 12 for tone in shape]).astype(np.float64)

    def _recent(self) -> Floats:
        """The flux heard so far, of 8 s at most; empty before 4 s."""
        known = min(self.heard_samples // FLUX_HOP, len(self._flux))
        return self._flux[len(self._flux) - known :] if self.time_s >= LISTEN_S else np.zeros(0)


def _autocorrelation(flux: Floats) -> Floats:
    """Mean product of the flux, less its mean, with itself by lag; empty where there is nothing."""
    if not len(flux) or not flux.any():
        return np.zeros(0)
    x = flux - flux.mean()
    power = np.abs(np.fft.rfft(x, 2 * len(x))) ** 2
    return np.fft.irfft(power)[: len(x)] / np.arange(len(x), 0, -1)


def _vertex(y: Floats, i: int) -> float:
    """Where between its neighbours the peak at `i` lies, by a parabola, in -0.5..0.5."""
    if not 0 < i < len(y) - 1:
        return 0.0
    bend = y[i - 1] - 2 * y[i] + y[i + 1]
    return float(np.clip(0.5 * (y[i - 1] - y[i + 1]) / bend, -0.5, 0.5)) if bend < 0 else 0.0
