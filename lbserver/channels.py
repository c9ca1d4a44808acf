# SPDX-License-Identifier: GPL-3.0-or-later
"""From one number of channels to another."""

import numpy as np

from lbserver.accompanist import Audio


def to_channels(audio: Audio, channels: int) -> Audio:
    """[C, T] -> [channels, T]: the same if equal, else the average of all on every channel."""
    if audio.shape[0] == channels:
        return audio
    return np.repeat(audio.mean(axis=0, keepdims=True, dtype=np.float32), channels, axis=0)
