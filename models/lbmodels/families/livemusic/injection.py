# SPDX-License-Identifier: GPL-3.0-or-later
"""The player's sound in the model's own past (Lyria Team 2025, appendix E): what it hears as what it has played.

Positions are samples of the model's output since the stream began. A sample that was captured at index i answers what was
heard at output position i - latency. Free mode mixes it in there, and silence where nothing has come yet; looper mode
mixes in what was played a loop earlier, so that the whole past is filled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.streams import INJECTION_MODES
from lbmodels.errors import LiveBandModelError

Floats = NDArray[np.float32]
SAMPLE_RATE = 48_000


class History(NamedTuple):
    """Consecutive samples [N, channels], the first of which has index `first`."""

    first: int
    samples: Floats

    @property
    def end(self) -> int:
        return self.first + len(self.samples)


def append(history: History, block: Floats, most: int) -> History:
    """With `block` behind it, at most the last `most` samples of it."""
    samples = np.concatenate([history.samples, block])
    dropped = max(len(samples) - most, 0)
    return History(history.first + dropped, samples[dropped:])


@dataclass(frozen=True, kw_only=True)
class Injection:
    """`gain` of the player and `feedback` of the model's own sound, factors; the rest in samples.

    `latency`: from output position to the capture that answers it. `gap`: the end of the past that the player is kept out
    of, so that the model does not repeat him. `loop`: length of a loop, for looper mode. `fade`: at the borders.
    """

    mode: str = "free"
    gain: float = 1.0
    feedback: float = 1.0
    latency: int = 0
    gap: int = 0
    loop: int = 0
    fade: int = 480

    def __post_init__(self) -> None:
        if self.mode not in INJECTION_MODES:
            raise LiveBandModelError(f"injection {self.mode!r}: accepted are {', '.join(INJECTION_MODES)}")
        if not all(0 <= value <= 4 for value in (self.gain, self.feedback)):
            raise LiveBandModelError("injection: gain and feedback must be 0 to 4")
        if min(self.latency, self.gap, self.loop, self.fade) < 0:
            raise LiveBandModelError("injection: latency, gap, loop and fade must be 0 or more samples")
        if self.mode == "looper" and not self.loop:
            raise LiveBandModelError("injection: looper mode needs the length of a loop")


def loop_samples(bpm: float, beats: float, sample_rate: int = SAMPLE_RATE) -> int:
    """Length of a loop of so many beats.

    Raises:
        LiveBandModelError: no tempo, or no beats.
    """
    if not (20 <= bpm <= 400 and 0 < beats <= 256):
        raise LiveBandModelError(
            f"loop: accepted are 20 to 400 BPM and up to 256 beats, not {bpm:g} and {beats:g}"
        )
    return round(sample_rate * 60 / bpm * beats)


def _faded(present: NDArray[np.bool_], fade: int) -> Floats:
    """Weights of a mask [N]: 1 well inside, falling to 0 towards what is missing within `fade` samples; edges of the mask
    itself are no borders.
    """
    missing = np.flatnonzero(~present)
    if not len(missing) or not fade:
        return present.astype(np.float32)
    places = np.arange(len(present))
    after = np.searchsorted(missing, places)
    right = np.where(after < len(missing), missing[np.minimum(after, len(missing) - 1)] - places, fade)
    left = np.where(after > 0, places - missing[np.maximum(after - 1, 0)], fade)
    distance = np.clip(np.minimum(left, right) / fade, 0, 1)
    return (np.sin(np.pi / 2 * distance) ** 2 * present).astype(np.float32)


def aligned(heard: History, position: int, length: int, how: Injection) -> Floats:
    """What of the player goes under output positions [position, position + length): [length, channels], gain not applied."""
    places = position + np.arange(length) + how.latency
    if how.mode == "looper":
        # One loop earlier, and as many more as it takes to be captured already.
        behind = np.maximum(-(-(places + 1 - heard.end) // how.loop), 1)
        places = places - behind * how.loop
    present = (places >= heard.first) & (places < heard.end)
    present &= np.arange(length) < length - how.gap
    if how.mode == "off" or not present.any():
        return np.zeros((length, heard.samples.shape[1]), np.float32)
    taken = heard.samples[np.clip(places - heard.first, 0, len(heard.samples) - 1)]
    result: Floats = taken * _faded(present, how.fade)[:, None]
    return result


def context(output: History, heard: History, how: Injection) -> Floats:
    """The model's past with the player in it, limited to full scale: what is encoded in place of what it played."""
    player = aligned(heard, output.first, len(output.samples), how)
    mixed: Floats = np.clip(how.feedback * output.samples + how.gain * player, -1.0, 1.0).astype(np.float32)
    return mixed


def measured_latency(played: Floats, captured: Floats) -> int:
    """By how many samples `captured` [M] lags behind `played` [N], from their cross-correlation: for calibration.

    Raises:
        LiveBandModelError: nothing in the capture resembles what was played plainly enough.
    """
    size = 1 << (len(played) + len(captured) - 1).bit_length()
    spectrum = np.fft.rfft(captured, size) * np.conj(np.fft.rfft(played, size))
    # Whitened: a room's colour does not move the peak (Knapp 1976).
    likeness = np.fft.irfft(
        spectrum / np.maximum(np.abs(spectrum), 1e-9 + 1e-3 * np.abs(spectrum).max()), size
    )
    likeness = np.abs(likeness[: max(len(captured), 1)])
    best = int(likeness.argmax())
    around = np.abs(np.arange(len(likeness)) - best) > 48
    rest = float(likeness[around].max()) if around.any() else 0.0
    if not float(likeness[best]) > 2 * rest:
        raise LiveBandModelError(
            "latency: the capture does not hold what was played plainly enough; play the test signal louder, or with less else"
        )
    return best
