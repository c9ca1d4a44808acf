# SPDX-License-Identifier: GPL-3.0-or-later
"""The published codec hears whole clips brought to -16 LUFS; a stream knows only what came so far.

This gain follows the mix's running mean square, without the standard's filter and gates: nearer at first, slower later, and
silence leaves it as it is. Off, it is 1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lbmodels.streaming.state import select

TARGET_DB = -16.0
_SILENCE = 10**-6.0
"""Mean square below which a block does not count: -60 dBFS."""
_MEMORY_S = 10.0
_MOST_GAIN = 10.0
"""20 dB."""


class LevelState(NamedTuple):
    """Running mean square [B] and the seconds it was taken over [B]."""

    power: Tensor
    seconds: Tensor


class Level(nn.Module):
    """Stretches of the mix [B, T] -> gains [B] that bring what was heard so far to the target."""

    def __init__(self, sample_rate: int, *, on: bool = True) -> None:
        super().__init__()
        self.sample_rate, self.on = sample_rate, on

    def init_state(self, batch: int) -> LevelState:
        return LevelState(torch.zeros(batch), torch.zeros(batch))

    def step(self, mix: Tensor, state: LevelState, active: Tensor) -> tuple[Tensor, LevelState]:
        now, length = mix.square().mean(1), mix.shape[1] / self.sample_rate
        counts = active & (now > _SILENCE)
        seconds = torch.where(counts, (state.seconds + length).clamp(max=_MEMORY_S), state.seconds)
        share = length / seconds.clamp(min=length)
        power = torch.where(counts, state.power + (now - state.power) * share, state.power)
        wanted = (10 ** (TARGET_DB / 10) / power.clamp(min=_SILENCE)).sqrt().clamp(max=_MOST_GAIN)
        gain = torch.where(seconds > 0, wanted, 1.0) if self.on else torch.ones_like(now)
        # A gain is never so large that the stretch clips: the published level is limited to full scale.
        peak = mix.abs().amax(1).clamp(min=1e-9)
        gain = torch.minimum(gain, (1 / peak).clamp(min=1.0)) if self.on else gain
        return gain, LevelState(select(active, power, state.power), select(active, seconds, state.seconds))
