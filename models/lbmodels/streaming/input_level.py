# SPDX-License-Identifier: GPL-3.0-or-later
"""The input level: a soft mix is turned up to the level that models were trained on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lbmodels.streaming.state import select

_USUAL_DB = -22.0
"""Where training mixes lie, in dBFS: what is turned up is turned up to it."""
_SOFT_DB = -32.0
"""Running level below which a mix is turned up, as training mixes are in rare stretches only; by 2 dB for each dB at first."""
_SOUNDING = 10**-7.0
"""Mean square below which nothing is played: -70 dBFS."""
_REST = 10**-1.5
"""A frame so much softer than the running level, 15 dB, is a rest and does not count,"""
_FORGET = 10**-0.001
"""but brings the running level down, by a quarter of a decibel a second at 25 frames: a player may have turned down."""
_MEMORY_FRAMES = 100.0
_SURGE = 10**2.0
"""A frame counts as at most 20 dB over the running level: a knock on the microphone is not the music's level."""


class InputLevelState(NamedTuple):
    """The mix's running mean square [B] and how many frames it was taken from [B], at most `_MEMORY_FRAMES`."""

    power: Tensor
    frames: Tensor


class InputLevel(nn.Module):
    """Mix frames [B, F, C, hop] -> gains [B, F], 1 for mixes at usual levels and up to 250 for soft ones.

    A frame that is louder than those before it is never turned up by more than it needs itself: a note after silence
    does not overdrive what listens.
    """

    def init_state(self, batch: int, device: torch.device | None = None) -> InputLevelState:
        return InputLevelState(torch.zeros(batch, device=device), torch.zeros(batch, device=device))

    def forward(self, mix: Tensor) -> Tensor:
        power = mix.square().mean(dim=(-2, -1))
        state, gains = self.init_state(len(mix), mix.device), []
        for now in power.unbind(1):
            gain, state = self._next(now, state)
            gains.append(gain)
        return torch.stack(gains, dim=1)

    def heard(self, mix: Tensor) -> Tensor:
        """Whether there was a sound by each frame, bool [B, F]: in the state, at least one in `frames`."""
        return (mix.square().mean(dim=(-2, -1)) > _SOUNDING).cumsum(dim=1) > 0

    def step(self, mix: Tensor, state: InputLevelState, active: Tensor) -> tuple[Tensor, InputLevelState]:
        """One frame [B, C, hop] -> gain [B]."""
        gain, after = self._next(mix.square().mean(dim=(-2, -1)), state)
        return gain, InputLevelState(
            select(active, after.power, state.power), select(active, after.frames, state.frames)
        )

    def _next(self, now: Tensor, state: InputLevelState) -> tuple[Tensor, InputLevelState]:
        sounds, rests = now > _SOUNDING, (state.frames >= 1) & (now <= state.power * _REST)
        counts = sounds & ~rests
        most = torch.where(state.frames < 1, 1.0, state.power * _SURGE)
        believed = torch.where(now < most, now, most)
        mean = state.power + (believed - state.power) / (state.frames + 1).clamp(max=_MEMORY_FRAMES)
        power = torch.where(counts, mean, torch.where(sounds, state.power * _FORGET, state.power))
        frames = torch.where(counts, (state.frames + 1).clamp(max=_MEMORY_FRAMES), state.frames)
        louder = torch.where(now > power, now, power)
        level_db = 10 * torch.log10(louder.clamp(min=_SOUNDING))
        gently_db, wholly_db = 2 * (_SOFT_DB - level_db).clamp(min=0.0), _USUAL_DB - level_db
        turned_db = torch.where(gently_db < wholly_db, gently_db, wholly_db.clamp(min=0.0))
        return 10 ** (torch.where(frames < 1, 0.0, turned_db) / 20), InputLevelState(power, frames)
