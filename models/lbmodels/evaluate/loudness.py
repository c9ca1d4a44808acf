# SPDX-License-Identifier: GPL-3.0-or-later
"""One loudness for every metric that hears timbre: an embedding must not score how loud a stem is.

The pipeline of Wu et al. 2025, A.7: predicted and target stems are brought to -18 LUFS; in a mix every track of the
input counts alike, the stem is 5 dB above each of them, and the whole is brought to -18 LUFS again. Our inputs come
mixed, by engineers or by the renderer, so that the balance within the input stays as it is: it is one track here.
"""

from __future__ import annotations

import numpy as np

from lbmodels.evaluate.metrics import Audio, loudness_lufs

LOUDNESS_LUFS = -18.0
STEM_ABOVE_DB = 5.0
PEAK = 0.99


def normalised(audio: Audio, sample_rate: int, *, lufs: float = LOUDNESS_LUFS) -> Audio:
    """[C, T] at `lufs` by ITU-R BS.1770, turned down where a sample would pass 0.99; silence stays silent."""
    loudness = loudness_lufs(audio, sample_rate, start_s=0.0)
    peak = float(np.abs(audio).max(initial=0.0))
    if loudness <= -70.0 or peak == 0.0:
        return audio.astype(np.float32)
    gain = min(10 ** ((lufs - loudness) / 20), PEAK / peak)
    return (audio * np.float32(gain)).astype(np.float32)


def blend(tracks: list[Audio], stem: Audio, sample_rate: int) -> Audio:
    """The stem [C, T] in a mix with the tracks [C, T] that it accompanies, by A.7."""
    inputs = [normalised(track, sample_rate) for track in tracks]
    raised = normalised(stem, sample_rate) * np.float32(10 ** (STEM_ABOVE_DB / 20))
    return normalised(np.sum([*inputs, raised], axis=0, dtype=np.float32), sample_rate)
