# SPDX-License-Identifier: GPL-3.0-or-later
"""From band powers to how likely a beat, and a first beat of a bar, has just been: causal dilated convolutions.

After Davies and Boeck 2019, "Temporal convolutional networks for musical audio beat tracking", made causal. The
network may answer `delay_strides` after the beat: a window that ends on an onset has not heard it yet.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.listening.onsets import STRIDES, loudness
from lbmodels.streaming.state import select


class DilatedState(NamedTuple):
    """The last `(kernel - 1) * dilation` inputs, [B, n, D]; zeros before the stream began."""

    past: Tensor


class DilatedBlock(nn.Module):
    """A residual convolution over frames `dilation` apart. [B, F, D] -> [B, F, D]."""

    def __init__(self, features: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        self.norm = nn.RMSNorm(features, eps=1e-5)
        self.mix = nn.Linear(kernel * features, features)
        nn.init.normal_(self.mix.weight, std=0.7 / (kernel * features) ** 0.5)
        self.register_buffer("taps", torch.arange(kernel) * dilation, persistent=False)

    @property
    def past_frames(self) -> int:
        return (self.kernel - 1) * self.dilation

    def forward(self, x: Tensor) -> Tensor:
        frames = x.shape[1]
        padded = F.pad(self.norm(x), (0, 0, self.past_frames, 0))
        starts = range(0, self.past_frames + 1, self.dilation)
        near = torch.cat([padded[:, start : start + frames] for start in starts], dim=-1)
        return x + F.silu(self.mix(near))

    def init_state(self, batch: int) -> DilatedState:
        weight = self.mix.weight
        return DilatedState(weight.new_zeros(batch, self.past_frames, weight.shape[0]))

    def step(self, x: Tensor, state: DilatedState, active: Tensor) -> tuple[Tensor, DilatedState]:
        window = torch.cat([state.past, self.norm(x).unsqueeze(1)], dim=1)
        near = window[:, self.get_buffer("taps")].flatten(1)
        y = x + F.silu(self.mix(near))
        return y, DilatedState(select(active, window[:, 1:], state.past))


class NetworkState(NamedTuple):
    """The last stride's loudness [B, bands], and one state a block."""

    before: Tensor
    blocks: tuple[DilatedState, ...]


class Activations(NamedTuple):
    """Logits of what the network hears, [..., STRIDES] of beats and first beats, [..., tempi] of tempi."""

    beat: Tensor
    downbeat: Tensor
    tempo: Tensor


class BeatNetwork(nn.Module):
    """Band powers [B, F, STRIDES, bands] -> [B, F, 2 * STRIDES + tempi], see `split`."""

    def __init__(self, *, bands: int, features: int, kernel: int, depth: int, tempi: int) -> None:
        super().__init__()
        self.embed = nn.Linear(2 * STRIDES * bands, features)
        self.blocks = nn.ModuleList(DilatedBlock(features, kernel, 2**n) for n in range(depth))
        self.norm = nn.RMSNorm(features, eps=1e-5)
        self.head = nn.Linear(features, 2 * STRIDES + tempi)
        nn.init.zeros_(self.head.weight)
        with torch.no_grad():
            self.head.bias.zero_()
            self.head.bias[: 2 * STRIDES] = -3.0

    @staticmethod
    def split(heard: Tensor) -> Activations:
        return Activations(heard[..., :STRIDES], heard[..., STRIDES : 2 * STRIDES], heard[..., 2 * STRIDES :])

    def _features(self, level: Tensor, before: Tensor) -> Tensor:
        """Loudness and its rises: level [..., STRIDES, bands], the stride before the first [..., bands]."""
        earlier = torch.cat([before.unsqueeze(-2), level[..., :-1, :]], dim=-2)
        rise = 2.0 * (level - earlier).clamp(min=0)
        both = torch.cat([level - 1.0, rise], dim=-1).flatten(-2)
        embedded: Tensor = self.embed(both)
        return embedded

    def _answer(self, x: Tensor) -> Tensor:
        answer: Tensor = self.head(self.norm(x))
        return answer

    def forward(self, powers: Tensor) -> Tensor:
        level = loudness(powers)
        before = F.pad(level[:, :-1, -1], (0, 0, 1, 0))
        x = self._features(level, before)
        for block in self.blocks:
            x = block(x)
        return self._answer(x)

    def init_state(self, batch: int) -> NetworkState:
        bands = self.embed.in_features // (2 * STRIDES)
        blocks = tuple(block.init_state(batch) for block in self._typed())
        return NetworkState(self.embed.weight.new_zeros(batch, bands), blocks)

    def step(self, powers: Tensor, state: NetworkState, active: Tensor) -> tuple[Tensor, NetworkState]:
        level = loudness(powers)
        x = self._features(level, state.before)
        states = []
        for block, block_state in zip(self._typed(), state.blocks, strict=True):
            x, new = block.step(x, block_state, active)
            states.append(new)
        return self._answer(x), NetworkState(select(active, level[:, -1], state.before), tuple(states))

    def _typed(self) -> list[DilatedBlock]:
        return [block for block in self.blocks if isinstance(block, DilatedBlock)]
