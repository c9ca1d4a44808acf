# SPDX-License-Identifier: GPL-3.0-or-later
"""The same audio through Opus, for a measure of what the autoencoder's bits are worth.

libopus comes with PyAV (BSD-3-Clause; its wheels hold a build of FFmpeg under licences of its own), an optional
package of the evaluation.
"""

from __future__ import annotations

import importlib.util
import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.metrics import Audio

INSTALL = "pip install av==18.1.0"
RATE_HZ = 48000
LARGEST_LAG_SAMPLES = 48
SLOWEST_BITS_PER_S = 6000


@dataclass(frozen=True, kw_only=True)
class Coded:
    """What comes back [C, T], as long as what went in and aligned with it, and the bits it took.

    `bits_per_s`: of the packets alone; the Ogg pages around them are not counted.
    """

    audio: Audio
    bits_per_s: float


def installed() -> bool:
    """Whether the package that holds the encoder is there."""
    return importlib.util.find_spec("av") is not None


def coded(audio: Audio, sample_rate: int, bits_per_s: int) -> Coded:
    """[C, T] float32 through Opus at a constant rate, tuned for music, and back, its level untouched.

    The decoder takes out the delay that the header names; the sample or two that are left at low rates follow.

    Raises:
        LiveBandModelError: PyAV is not installed, or the rate or the number of channels is not one of Opus.
    """
    if not installed():
        raise LiveBandModelError(f"the Opus encoder is not installed; install it: {INSTALL}")
    if sample_rate != RATE_HZ or audio.shape[0] not in (1, 2) or bits_per_s < SLOWEST_BITS_PER_S:
        raise LiveBandModelError(
            f"{audio.shape[0]} channels at {sample_rate} Hz and {bits_per_s} bit/s: Opus takes 1 or 2 channels at "
            f"{RATE_HZ} Hz and {SLOWEST_BITS_PER_S} bit/s or more here"
        )
    import av
    import soundfile

    channels, samples = audio.shape
    layout = "stereo" if channels == 2 else "mono"
    file = io.BytesIO()
    size = 0
    with av.open(file, "w", format="ogg") as container:
        stream: Any = container.add_stream(
            "libopus", rate=sample_rate, layout=layout, options={"vbr": "off", "application": "audio"}
        )
        stream.bit_rate = bits_per_s
        packed = np.ascontiguousarray(audio.T, dtype=np.float32).reshape(1, -1)
        frame: Any = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
        frame.sample_rate = sample_rate
        for told in (frame, None):
            for packet in stream.encode(told):
                size += packet.size
                container.mux(packet)
    file.seek(0)
    found, _ = soundfile.read(file, dtype="float32", always_2d=True)
    back = np.zeros((channels, samples), np.float32)
    length = min(samples, len(found))
    back[:, :length] = found[:length].T
    back = _shifted(back, -lag_samples(audio, back))
    return Coded(audio=back, bits_per_s=8 * size * sample_rate / samples)


def lag_samples(audio: Audio, other: Audio) -> int:
    """How many samples `other` [C, T] comes after `audio` [C, T], at most 48 either way, where they agree best."""
    x, y = (np.pad(side.mean(0), LARGEST_LAG_SAMPLES) for side in (audio, other))
    lags = range(-LARGEST_LAG_SAMPLES, LARGEST_LAG_SAMPLES + 1)
    return max(lags, key=lambda lag: (float(x @ np.roll(y, -lag)), -abs(lag)))


def _shifted(audio: Audio, samples: int) -> Audio:
    """[C, T] later by so many samples (earlier where negative), zeros for what is not known."""
    moved = np.zeros_like(audio)
    if samples >= 0:
        moved[:, samples:] = audio[:, : audio.shape[1] - samples]
    else:
        moved[:, :samples] = audio[:, -samples:]
    return moved
