# SPDX-License-Identifier: GPL-3.0-or-later
"""From one number of channels to another."""

from collections.abc import Iterable, Sequence

import numpy as np

from lbmodels.contract.accompanist import Audio


def to_channels(audio: Audio, channels: int) -> Audio:
    """[C, T] -> [channels, T]: the same if equal, else the average of all on every channel."""
    if audio.shape[0] == channels:
        return audio
    return np.repeat(audio.mean(axis=0, keepdims=True, dtype=np.float32), channels, axis=0)


def sounding(blocks: Iterable[Audio], channels: int) -> Sequence[int]:
    """The channels of a recording [C, T] that are not silent all through; all of them if all are."""
    heard = np.zeros(channels, np.bool_)
    for block in blocks:
        heard |= block.any(axis=-1)
    return [int(index) for index in np.flatnonzero(heard)] or list(range(channels))
