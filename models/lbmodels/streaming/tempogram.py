# SPDX-License-Identifier: GPL-3.0-or-later
"""A causal tempogram: resonators tuned to tempi, driven by learned onsets (Scheirer 1998; Grosche and Mueller 2011).

Each resonator is a decaying complex oscillator that every onset kicks. Its magnitude tells how well its tempo
explains what was heard in the last seconds, its angle where in that tempo's beat we are, and turning it
onward by a known time tells where the beat will be then: what a network would else have to learn to build.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.streaming.state import select

_BLOCK = 128
"""Frames answered at once by the parallel pass."""


class TempogramState(NamedTuple):
    """The last input [B, D], and the resonators [B, channels, tempi + 1, 2] (real, imaginary; the last has no tempo)."""

    before: Tensor
    resonators: Tensor


class Tempogram(nn.Module):
    """Features [B, F, D] -> resonators [B, F, channels, tempi, 2], scaled to a magnitude of at most about 1."""

    def __init__(
        self,
        features: int,
        *,
        frame_rate: float,
        channels: int = 6,
        tempi: int = 48,
        slowest_bpm: float = 50.0,
        fastest_bpm: float = 220.0,
        memory_s: float = 3.0,
    ) -> None:
        super().__init__()
        self.channels, self.tempi = channels, tempi
        self.onset = nn.Linear(2 * features, channels)
        bpm = torch.logspace(0, 1, tempi, base=fastest_bpm / slowest_bpm, dtype=torch.float64) * slowest_bpm
        turn = F.pad(2 * torch.pi * bpm / 60 / frame_rate, (0, 1))
        decay = math.exp(-1 / (memory_s * frame_rate))
        lags = torch.arange(_BLOCK + 1, dtype=torch.float64).unsqueeze(1)
        powers = torch.polar(decay**lags, turn * lags).to(torch.complex64)
        self.register_buffer("powers", powers, persistent=False)
        self.register_buffer("turn", turn[:-1].float(), persistent=False)
        # What times i is, of a row of real and imaginary part.
        self.register_buffer("quarter_turn", torch.tensor([[0.0, 1.0], [-1.0, 0.0]]), persistent=False)
        self.register_buffer("real", torch.tensor([1.0, 0.0]).repeat(tempi + 1), persistent=False)
        self.gain = 1 - decay

    def ahead(self, resonators: Tensor, frames: Tensor) -> Tensor:
        """Resonators [..., channels, tempi, 2] turned onward by `frames` [...] frames."""
        angle = frames.float().unsqueeze(-1) * self.get_buffer("turn")
        return self._turned(resonators, angle.cos().unsqueeze(-2), angle.sin().unsqueeze(-2))

    def _turned(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Complex numbers [..., 2] times cosine + i sine, [...]."""
        # Once for each part: a graph engine multiplies whole rows, where it would go pair by pair.
        across, along = (torch.stack([wave, wave], dim=-1) for wave in (cosine, sine))
        return x * across + (x @ self.get_buffer("quarter_turn")) * along

    def _drive(self, x: Tensor, before: Tensor) -> Tensor:
        """Onset strengths [..., channels], never negative."""
        return F.softplus(self.onset(torch.cat([x, x - before], dim=-1)).float())

    def _scaled(self, resonators: Tensor) -> Tensor:
        """Relative to the mean onset strength, which the resonator without a tempo holds."""
        tempi, mean = resonators.split([self.tempi, 1], dim=-2)
        return tempi / (mean[..., :1] + 0.1 / self.gain)

    def forward(self, x: Tensor) -> Tensor:
        before = F.pad(x, (0, 0, 1, 0))[:, :-1]
        drive = self._drive(x, before)
        powers = self.get_buffer("powers")
        carry = torch.zeros(x.shape[0], self.channels, self.tempi + 1, dtype=torch.complex64, device=x.device)
        blocks = []
        for part in drive.split(_BLOCK, dim=1):
            n = part.shape[1]
            t = torch.arange(n, device=x.device)
            lag = t.unsqueeze(1) - t
            response = torch.where((lag >= 0).unsqueeze(-1), powers[lag.clamp(min=0)], 0)
            answer = torch.einsum("tsk,bsc->btck", response, part.to(torch.complex64))
            answer = answer + powers[1 : n + 1].unsqueeze(1) * carry.unsqueeze(1)
            carry = answer[:, -1]
            blocks.append(answer)
        return self._scaled(torch.view_as_real(torch.cat(blocks, dim=1)))

    def init_state(self, batch: int) -> TempogramState:
        weight = self.onset.weight
        return TempogramState(
            weight.new_zeros(batch, weight.shape[1] // 2),
            weight.new_zeros(batch, self.channels, self.tempi + 1, 2),
        )

    def step(self, x: Tensor, state: TempogramState, active: Tensor) -> tuple[Tensor, TempogramState]:
        drive = self._drive(x, state.before)
        one = self.get_buffer("powers")[1]
        turned = self._turned(state.resonators, one.real, one.imag)
        turned = turned + (drive.unsqueeze(-1) * self.get_buffer("real")).unflatten(-1, (-1, 2))
        kept = select(active, turned, state.resonators)
        return self._scaled(turned), TempogramState(select(active, x, state.before), kept)
