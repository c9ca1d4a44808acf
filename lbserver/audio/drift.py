# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays audio of one clock on another: learns the sender's rate from when its audio comes, and resamples to follow it.

Needed where a device plays or records by its own crystal what came from another one: a client that plays stems which
came over a network, `liveband jam` with two devices. The server itself needs none of it: it works by position.

Both clocks are fitted by straight lines through (time, samples) with a memory of some twenty seconds, so neither jitter
nor block sizes are taken for drift. The correction follows in steps too small to hear (16 ppm per second at most)
and brings the buffer back to its middle on a path that never has to brake harder. A drift too large to be caught up
with before the buffer runs out is followed at once, at the price of one concealed break.
"""

from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from math import copysign, exp, inf, sqrt

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Audio
from lbserver.audio.fades import Concealer
from lbserver.host.compiled import compiled

_TAPS = 48
_PHASES = 512
_LIKELY_DRIFT = 300e-6
_LATELY_S = 1.0


@dataclass(frozen=True, kw_only=True)
class DriftConfig:
    """fill_ms is how much audio waits in the buffer when all is well; it must outlast jitter and the longest block."""

    rate_hz: int
    channels: int
    fill_ms: float = 40.0
    memory_s: float = 20.0
    slew_per_s: float = 16e-6
    settle_s: float = 8.0
    most_drift: float = 5e-3
    capacity_ms: float = 1000.0


class Line:
    """A straight line through (time, count) points that forgets with a time constant.

    `likely_per_s`, if given, is how far rates usually are from the nominal one: as long as the points scatter too much
    to tell, the line keeps to the nominal rate. State: weighted means, and moments about them.
    """

    def __init__(self, *, nominal_per_s: float, memory_s: float, likely_per_s: float = inf) -> None:
        self._nominal, self._memory_s, self._likely = nominal_per_s, memory_s, likely_per_s
        self._weight = self._time = self._count = self._tt = self._tc = self._cc = 0.0
        self._begin_s = self._last_s = 0.0

    def add(self, time_s: float, count: float) -> None:
        """A point; times never go backwards."""
        if not self._weight:
            self._begin_s = self._last_s = self._time = time_s
            self._count, self._weight = count, 1.0
            return
        kept = exp(-max(0.0, time_s - self._last_s) / self._memory_s)
        self._last_s = max(self._last_s, time_s)
        self._weight = self._weight * kept + 1.0
        share = 1.0 / self._weight
        off_t = time_s - self._time
        # About the nominal rate, so that what is summed stays small however long it runs.
        off_c = count - self._count - self._nominal * off_t
        self._tt = kept * self._tt + (1.0 - share) * off_t * off_t
        self._tc = kept * self._tc + (1.0 - share) * off_t * off_c
        self._cc = kept * self._cc + (1.0 - share) * off_c * off_c
        self._time += share * off_t
        self._count += share * (off_c + self._nominal * off_t)

    @property
    def age_s(self) -> float:
        return self._last_s - self._begin_s

    @property
    def rate(self) -> float:
        """Counts per second."""
        if self._tt <= 0.0:
            return self._nominal
        scatter = max(0.0, self._cc - self._tc * self._tc / self._tt) / self._weight
        return self._nominal + self._tc / (self._tt + scatter / self._likely**2)

    def at(self, time_s: float) -> float:
        return self._count + self.rate * (time_s - self._time)

    def with_memory(self, memory_s: float) -> "Line":
        """A copy that remembers all this one knows, and forgets from now on with another time constant."""
        other = copy(self)
        other._memory_s, other._likely = memory_s, inf
        return other


class DriftFollower:
    """A buffer between two clocks: `push` what came, `pull` what a device wants, both with the present time in seconds.

    State: the two lines, the correction, a ring of samples with a fractional reading position, and a concealer.
    `underruns` and `overruns` count breaks, `anchors` how often the position was set anew because drift was too large.
    """

    def __init__(self, config: DriftConfig) -> None:
        self.config = config
        self.underruns = 0
        self.overruns = 0
        self.anchors = 0
        self._pushed = 0
        self._pulled = 0
        self._begun = 0
        self._sent, self._lately, self._played = self._lines()
        self._correction = 0.0
        self._capacity = 1 << (round(config.rate_hz * config.capacity_ms / 1000) - 1).bit_length()
        self._ring = np.zeros((config.channels, self._capacity), np.float32)
        self._read = 0.0  # fractional position in the sender's samples
        self._running = False
        self._last_s = 0.0
        self._concealer = Concealer(rate_hz=config.rate_hz, channels=config.channels)

    @property
    def fill_samples(self) -> float:
        """Samples between the reading position and the newest one."""
        return self._pushed - self._read

    @property
    def correction(self) -> float:
        """Sender's samples consumed per sample played, less one."""
        return self._correction

    @property
    def target_samples(self) -> float:
        return self.config.rate_hz * self.config.fill_ms / 1000

    def push(self, audio: Audio, now_s: float) -> None:
        """The sender's next samples [C, T]; silence of the same length where some were lost."""
        length = audio.shape[-1]
        if length > self._capacity:
            audio = audio[:, length - self._capacity :]
        start = (self._pushed + length - audio.shape[-1]) & (self._capacity - 1)
        first = min(audio.shape[-1], self._capacity - start)
        self._ring[:, start : start + first] = audio[:, :first]
        self._ring[:, : audio.shape[-1] - first] = audio[:, first:]
        self._pushed += length
        self._sent.add(now_s, self._pushed)
        self._lately.add(now_s, self._pushed)

    def pull(self, samples: int, now_s: float) -> Audio:
        """The next samples [C, `samples`] at the device's rate; silence until the buffer is filled."""
        self._pulled += samples
        self._played.add(now_s, self._pulled)
        config = self.config
        if not self._running:
            if self._pushed - self._begun < self.target_samples + samples:
                return self._concealer.absent(samples)
            self._running = True
            self._read = max(0.0, self._sent.at(now_s) - self.target_samples)
        before = self._correction
        anchored = self._steer(now_s)
        step, end_step = 1.0 + before, 1.0 + self._correction
        span = samples * (step + end_step) / 2
        if self._read + span + _TAPS // 2 + 1 > self._pushed:
            return self._break(samples, underrun=True)
        if self._pushed - self._read > self._capacity - _TAPS:
            return self._break(samples, underrun=False)
        if anchored:
            self._read += span
            return self._concealer.absent(samples)
        out = np.empty((config.channels, samples), np.float32)
        _interpolate(self._ring, self._read, step, end_step, _bank(), out)
        self._read += span
        return self._concealer.present(out)

    def _steer(self, now_s: float) -> bool:
        """One step of the correction towards the sender's rate, and towards the middle of the buffer.

        True when the drift is too large for steps and the position was set anew.
        """
        config = self.config
        elapsed_s = now_s - self._last_s if self._last_s else 0.0
        self._last_s = now_s
        if self._sent.age_s < 1.0 or self._played.age_s < 1.0:
            return False
        if self._sent.age_s > 4.0 and self._runs_away(now_s):
            self._anchor(now_s)
            return True
        drift = self._drift(self._sent)
        excess_s = self._excess_s(self._sent, now_s)
        pull = min(abs(excess_s) / config.settle_s, sqrt(abs(excess_s) * config.slew_per_s))
        wanted = drift + copysign(pull, excess_s)
        most = config.slew_per_s * elapsed_s
        self._correction += min(max(wanted - self._correction, -most), most)
        return False

    def _drift(self, sent: Line) -> float:
        most = self.config.most_drift
        return min(max(sent.rate / self._played.rate - 1.0, -most), most)

    def _excess_s(self, sent: Line, now_s: float) -> float:
        """Time of audio too much in the buffer, jitter and blocks averaged away."""
        return (sent.at(now_s) - self._read - self.target_samples) / self.config.rate_hz

    def _runs_away(self, now_s: float) -> bool:
        """Whether the buffer is a good way off its middle, and would be nearly empty or twice as full before the
        correction, in its small steps, were where the drift of the last second is.
        """
        fill_s = self.config.fill_ms / 1000
        excess_s = self._excess_s(self._lately, now_s)
        gap = self._drift(self._lately) - self._correction
        coming_s = excess_s + gap * abs(gap) / (2 * self.config.slew_per_s)
        return abs(excess_s) > 0.3 * fill_s and abs(coming_s) > 0.8 * fill_s

    def _anchor(self, now_s: float) -> None:
        """Follow a large drift at once, from the middle of the buffer: one break, faded over."""
        self.anchors += 1
        self._sent = self._lately.with_memory(self.config.memory_s)
        self._correction = self._drift(self._lately)
        self._read = max(0.0, self._sent.at(now_s) - self.target_samples)

    def _break(self, samples: int, *, underrun: bool) -> Audio:
        """Nothing to play, or too much of it: begin again, with what was learnt of the rate."""
        self.underruns += underrun
        self.overruns += not underrun
        self._running = False
        self._sent, self._lately, self._played = self._lines()
        self._begun = self._pushed
        return self._concealer.absent(samples)

    def _lines(self) -> tuple[Line, Line, Line]:
        """Of the sender, of the sender lately, of the device."""
        rate, memory_s, likely = (
            self.config.rate_hz,
            self.config.memory_s,
            _LIKELY_DRIFT * self.config.rate_hz,
        )
        return (
            Line(nominal_per_s=rate, memory_s=memory_s, likely_per_s=likely),
            Line(nominal_per_s=rate, memory_s=_LATELY_S),
            Line(nominal_per_s=rate, memory_s=memory_s, likely_per_s=likely),
        )


@lru_cache(maxsize=1)
def _bank() -> NDArray[np.float32]:
    """Windowed sinc [phases + 1, taps], Kaiser, 80 dB; tap t weighs input floor(position) - taps/2 + 1 + t."""
    phase = np.arange(_PHASES + 1, dtype=np.float64)[:, None] / _PHASES
    distance = np.arange(-_TAPS // 2 + 1, _TAPS // 2 + 1, dtype=np.float64)[None, :] - phase
    beta, half, cutoff = 7.86, _TAPS // 2, 0.945
    window = np.i0(beta * np.sqrt(np.clip(1.0 - (distance / half) ** 2, 0.0, None))) / np.i0(beta)
    taps = cutoff * np.sinc(cutoff * distance) * window
    return (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)


@compiled(
    "void(float32[:, ::1], float64, float64, float64, float32[:, ::1], float32[:, ::1])",
    fastmath={"reassoc", "contract"},
)
def _interpolate(
    ring: Audio, start: float, step: float, end_step: float, bank: NDArray[np.float32], out: Audio
) -> None:
    """Read `out` from the ring at positions that advance by `step`, changing evenly to `end_step`."""
    mask = ring.shape[1] - 1
    samples = out.shape[1]
    phases, taps = bank.shape[0] - 1, bank.shape[1]
    change = (end_step - step) / samples if samples else 0.0
    weights = np.empty(taps, np.float32)
    for index in range(samples):
        at = start + index * step + 0.5 * change * index * index
        base = int(np.floor(at))
        fine = (at - base) * phases
        row = int(fine)
        share = np.float32(fine - row)
        for tap in range(taps):
            weights[tap] = bank[row, tap] + share * (bank[row + 1, tap] - bank[row, tap])
        first = base - taps // 2 + 1
        for channel in range(out.shape[0]):
            total = np.float32(0.0)
            for tap in range(taps):
                total += ring[channel, (first + tap) & mask] * weights[tap]
            out[channel, index] = total
