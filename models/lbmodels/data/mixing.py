# SPDX-License-Identifier: GPL-3.0-or-later
"""Stems to a mix: loudness, place in the stereo field, and a peak that stays below full scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Audio = npt.NDArray[np.float32]

# Mean loudness of each class in dB (RMS over the loud part), and how far it may move.
_LEVEL_DB = {
    "drums": -21.0,
    "bass": -22.0,
    "piano": -24.0,
    "guitar": -24.5,
    "other": -26.0,
    "percussion": -31.0,
}
_LEVEL_SPREAD_DB = 3.0


def gated_rms_db(audio: Audio, sample_rate: int, *, window_s: float = 0.4, gate_db: float = -20.0) -> float:
    """RMS in dB of the windows within `gate_db` of the loudest; -inf for silence. `audio` is [C, T]."""
    n = max(1, int(window_s * sample_rate))
    usable = audio.shape[-1] // n * n
    if usable == 0:
        return float("-inf")
    power = np.square(audio[:, :usable]).mean(axis=0).reshape(-1, n).mean(axis=1)
    if power.max() <= 1e-10:
        return float("-inf")
    loud = power[power >= power.max() * 10 ** (gate_db / 10)]
    return float(10 * np.log10(loud.mean()))


def place(audio: Audio, stem_class: str, sample_rate: int, rng: np.random.Generator) -> Audio:
    """Balance, width and the loudness of the class with a random offset. [2, T] -> [2, T]."""
    width = float(rng.uniform(0.0, 0.3)) if stem_class == "bass" else float(rng.uniform(0.4, 1.0))
    reach = {"drums": 0.12, "bass": 0.08}.get(stem_class, 0.6)
    pan = float(rng.uniform(-reach, reach))
    left, right = min(1.0, 1.0 - pan), min(1.0, 1.0 + pan)
    # (L + R) / 2 +- width * (L - R) / 2, as one matrix so that long audio is passed over once.
    near, far = (1.0 + width) / 2, (1.0 - width) / 2
    matrix = np.array([[left * near, left * far], [right * far, right * near]], np.float32)
    placed = matrix @ audio
    offset = float(np.clip(rng.normal(0, _LEVEL_SPREAD_DB), -8.0, 7.0))
    level = gated_rms_db(placed, sample_rate)
    if np.isfinite(level):
        placed *= np.float32(10 ** ((_LEVEL_DB.get(stem_class, _LEVEL_DB["other"]) + offset - level) / 20))
    return placed


def balance(stems: Sequence[Audio], *, peak: float = 0.95) -> tuple[list[Audio], Audio]:
    """Stems and their sum, all turned down by one gain where the sum or a stem would pass `peak`. Works in place."""
    mix = stems[0].copy()
    for stem in stems[1:]:
        mix += stem
    loudest = max(float(max(x.max(), -x.min())) for x in (mix, *stems))
    if loudest > peak:
        gain = np.float32(peak / loudest)
        for x in (mix, *stems):
            x *= gain
    return list(stems), mix


def fade_out(stems: Sequence[Audio], sample_rate: int, length_s: float) -> None:
    """Turns all stems down to nothing over the last `length_s` seconds, as records end. Works in place."""
    for stem in stems:
        n = min(stem.shape[-1], int(length_s * sample_rate))
        stem[:, stem.shape[-1] - n :] *= np.linspace(1.0, 0.0, n, dtype=np.float32) ** 2
