# SPDX-License-Identifier: GPL-3.0-or-later
"""What a beat tracker said of one moment, moved on to a later one. Knows no torch: graphs are played without it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ahead_by(beat: NDArray[np.float32], frame_s: float, frames: int = 1) -> NDArray[np.float32]:
    """Beat phase, bar phase, bpm and metre [B, 4] as they are one frame and more later [B, frames, 4], negative where
    unknown.
    """
    return np.stack([_moved(beat, n * frame_s) for n in range(1, frames + 1)], axis=1)


def _moved(beat: NDArray[np.float32], seconds: float) -> NDArray[np.float32]:
    phase, bar, tempo, metre = beat.T
    beats = np.where(tempo > 0, tempo, 0) * np.float32(seconds / 60)
    known, barred = phase >= 0, bar >= 0
    return np.stack(
        [
            np.where(known, (phase + beats) % 1, -1),
            np.where(barred, (bar + beats / np.where(barred, metre, 1)) % 1, -1),
            np.where(known, tempo, -1),
            np.where(barred, metre, -1),
        ],
        axis=1,
    ).astype(np.float32)
