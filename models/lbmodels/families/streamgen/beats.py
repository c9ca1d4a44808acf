# SPDX-License-Identifier: GPL-3.0-or-later
"""SilentMetronome's condition (Bretz 2026, arXiv 2609.07688): where each frame stands in beat and bar, at what tempo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

NUMERATORS, DENOMINATORS, METRE_FEATURES = 16, 33, 8
REFERENCE_BPM = 120.0
TEMPO_SPAN_BPM = 0.5
"""A window whose beats differ by more than this has a change of tempo."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class BeatGrid:
    """Beats in frames: starts [N], lengths [M <= N], tempo in bpm [N], place in the bar from 0 [N], numerators [N]."""

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    bpm: Floats
    in_bar: NDArray[np.int64]
    numerators: NDArray[np.int64]
    denominator: int = 4


@dataclass(frozen=True, kw_only=True)
class BeatWindow:
    """Features of frames: `phases` [F, 4] sine and cosine of beat and of bar phase, each phase [F] in [0, 1).

    Then of the whole window ln(mean bpm / 120), numerator, denominator and whether metre and tempo change in it.
    """

    phases: Floats
    beat_phase: Floats
    bar_phase: Floats
    tempo: float
    numerator: int
    denominator: int
    metre_changes: bool
    tempo_changes: bool


def beat_window(grid: BeatGrid, start: int, frames: int) -> BeatWindow:
    """Features of frames [start, start + frames).

    Before the first beat its length goes on backwards; past the grid's end the last length goes on forwards, and the bar
    stays at the last complete beat.
    """
    at = np.arange(start, start + frames)
    complete = len(grid.lengths)
    index = np.clip(np.searchsorted(grid.starts, at, side="right") - 1, 0, len(grid.starts) - 1)
    whole = np.minimum(index, complete - 1)
    length = np.maximum(grid.lengths[whole], 1).astype(np.float64)
    beat = np.mod((at - grid.starts[index]) / length, 1.0)
    numerator = np.maximum(grid.numerators[whole], 1)
    bar = np.mod((grid.in_bar[whole] + beat) / numerator, 1.0)
    inside = (grid.starts >= start) & (grid.starts < start + frames)
    if not inside.any():
        inside = np.arange(len(grid.starts)) == index[0]
    bpm, metres = grid.bpm[inside], grid.numerators[inside]
    return BeatWindow(
        phases=phases_of(beat, bar),
        beat_phase=beat.astype(np.float32),
        bar_phase=bar.astype(np.float32),
        tempo=float(np.log(np.mean(bpm.astype(np.float64)) / REFERENCE_BPM)),
        numerator=int(np.clip(grid.numerators[index[0]], 2, 16)),
        denominator=grid.denominator,
        metre_changes=bool(len(np.unique(metres)) > 1),
        tempo_changes=bool(np.ptp(bpm) > TEMPO_SPAN_BPM),
    )


def phases_of(beat: NDArray[np.float64], bar: NDArray[np.float64]) -> Floats:
    """Phases [F] -> [F, 4]."""
    turns = 2 * np.pi * np.stack([beat, beat, bar, bar], axis=-1)
    return np.where([True, False, True, False], np.sin(turns), np.cos(turns)).astype(np.float32)


class BeatProjector(nn.Module):
    """24 numbers a frame -> the trunk's condition."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.numerator = nn.Embedding(NUMERATORS, METRE_FEATURES)
        self.denominator = nn.Embedding(DENOMINATORS, METRE_FEATURES)
        self.widen = nn.Linear(8 + 2 * METRE_FEATURES, features)
        self.mix = nn.Linear(features, features)

    def forward(self, numbers: Tensor, numerator: Tensor, denominator: Tensor) -> Tensor:
        """Features [B, F, dim].

        Args:
            numbers: [B, F, 8]: four phase values, ln(local bpm / 120), ln(window bpm / 120), metre and tempo change.
            numerator: [B, F] beats in a bar; 16 stands for more. denominator: [B, F].
        """
        metre = self.numerator(numerator.clamp(0, NUMERATORS - 1))
        unit = self.denominator(denominator.clamp(0, DENOMINATORS - 1))
        y: Tensor = self.mix(F.gelu(self.widen(torch.cat([numbers, metre, unit], dim=-1))))
        return y
