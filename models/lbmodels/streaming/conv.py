# SPDX-License-Identifier: GPL-3.0-or-later
"""Causal convolution blocks at the frame rate."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.streaming.state import select


class ConvState(NamedTuple):
    """The last `kernel - 1` inputs, [B, kernel - 1, D]; zeros before the stream began."""

    past: Tensor


class CausalDepthwiseConv(nn.Module):
    """One filter per feature over the current and past frames. [B, F, D] -> [B, F, D]."""

    def __init__(self, features: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.weight = nn.Parameter(torch.randn(kernel, features) / kernel**0.5)
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x.transpose(1, 2), (self.kernel - 1, 0))
        weight = self.weight.t().unsqueeze(1)
        return F.conv1d(padded, weight, self.bias, groups=x.shape[2]).transpose(1, 2)

    def init_state(self, batch: int) -> ConvState:
        return ConvState(self.weight.new_zeros(batch, self.kernel - 1, self.weight.shape[1]))

    def step(self, x: Tensor, state: ConvState, active: Tensor) -> tuple[Tensor, ConvState]:
        """One frame [B, D], or several that came at once [B, n, D]."""
        frames = x if x.dim() == 3 else x.unsqueeze(1)
        count = frames.shape[1]
        window = torch.cat([state.past, frames], dim=1)
        if count == 1:
            y = (window * self.weight).sum(1, keepdim=True) + self.bias
        else:
            spans = torch.stack([window[:, i : i + self.kernel] for i in range(count)], 1)
            y = (spans * self.weight).sum(-2) + self.bias
        return y.reshape(x.shape), ConvState(select(active, window[:, count:], state.past))


class ConvNeXtBlock(nn.Module):
    """Depthwise causal convolution, then a gated-free MLP, residual (Liu 2022; Siuzdak 2023 for audio)."""

    def __init__(self, features: int, kernel: int, expansion: int = 4) -> None:
        super().__init__()
        self.conv = CausalDepthwiseConv(features, kernel)
        self.norm = nn.LayerNorm(features)
        self.widen = nn.Linear(features, expansion * features)
        self.narrow = nn.Linear(expansion * features, features)
        self.scale = nn.Parameter(torch.full((features,), 0.1))

    def _mix(self, x: Tensor, y: Tensor) -> Tensor:
        mixed: Tensor = x + self.scale * self.narrow(F.gelu(self.widen(self.norm(y))))
        return mixed

    def forward(self, x: Tensor) -> Tensor:
        return self._mix(x, self.conv(x))

    def init_state(self, batch: int) -> ConvState:
        return self.conv.init_state(batch)

    def step(self, x: Tensor, state: ConvState, active: Tensor) -> tuple[Tensor, ConvState]:
        y, state = self.conv.step(x, state, active)
        return self._mix(x, y), state


class ConvNeXtStack(nn.Module):
    """Blocks in series; the state is a tuple of one ConvState a block."""

    def __init__(self, features: int, kernel: int, depth: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ConvNeXtBlock(features, kernel) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x

    def init_state(self, batch: int) -> tuple[ConvState, ...]:
        return tuple(block.init_state(batch) for block in self._typed())

    def step(
        self, x: Tensor, state: tuple[ConvState, ...], active: Tensor
    ) -> tuple[Tensor, tuple[ConvState, ...]]:
        """One frame [B, D], or several that came at once [B, n, D]."""
        frames, states = x if x.dim() == 3 else x.unsqueeze(1), []
        for block, block_state in zip(self._typed(), state, strict=True):
            frames, new = block.step(frames, block_state, active)
            states.append(new)
        return frames.reshape(x.shape), tuple(states)

    def _typed(self) -> list[ConvNeXtBlock]:
        return [block for block in self.blocks if isinstance(block, ConvNeXtBlock)]
