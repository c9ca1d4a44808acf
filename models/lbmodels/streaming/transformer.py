# SPDX-License-Identifier: GPL-3.0-or-later
"""Causal transformer trunk: pre-norm, windowed attention, SwiGLU (Shazeer 2020)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.streaming.attention import AttentionState, WindowedAttention, rotary


class TransformerState(NamedTuple):
    """Frames since the stream began [B] int64, and one attention ring a block."""

    position: Tensor
    blocks: tuple[AttentionState, ...]


class Block(nn.Module):
    """Attention, then a gated MLP, both residual."""

    def __init__(self, features: int, heads: int, window: int, *, causal: bool) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(features)
        self.attention = WindowedAttention(features, heads, window, causal=causal)
        self.mlp_norm = nn.RMSNorm(features)
        hidden = 64 * round(features * 8 / 3 / 64)
        self.gate_and_value = nn.Linear(features, 2 * hidden, bias=False)
        self.narrow = nn.Linear(hidden, features, bias=False)

    def mlp(self, x: Tensor) -> Tensor:
        gate, value = self.gate_and_value(self.mlp_norm(x)).chunk(2, dim=-1)
        narrowed: Tensor = self.narrow(F.silu(gate) * value)
        return x + narrowed

    def forward(self, x: Tensor, bias: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
        return self.mlp(x + self.attention(self.attention_norm(x), bias, rope))


class CausalTransformer(nn.Module):
    """[B, F, D] -> [B, F, D]; see `WindowedAttention` for what each frame sees."""

    def __init__(self, features: int, heads: int, depth: int, window: int, *, causal: bool = True) -> None:
        super().__init__()
        self.window = window
        self.blocks = nn.ModuleList(Block(features, heads, window, causal=causal) for _ in range(depth))
        self.norm = nn.RMSNorm(features)
        for block in self._typed():
            for layer in (block.attention.out, block.narrow):
                nn.init.normal_(layer.weight, std=0.02 / (2 * depth) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        attention = self._typed()[0].attention
        bias = attention.bias(x.shape[1], x.device)
        rope = rotary(torch.arange(x.shape[1], device=x.device), attention.head_features)
        for block in self.blocks:
            x = block(x, bias, rope)
        y: Tensor = self.norm(x)
        return y

    def init_state(self, batch: int) -> TransformerState:
        position = torch.zeros(batch, dtype=torch.int64, device=self.norm.weight.device)
        return TransformerState(position, tuple(b.attention.init_state(batch) for b in self._typed()))

    def step(self, x: Tensor, state: TransformerState, active: Tensor) -> tuple[Tensor, TransformerState]:
        states = []
        for block, ring in zip(self._typed(), state.blocks, strict=True):
            y, ring = block.attention.step(block.attention_norm(x), ring, active, state.position)
            states.append(ring)
            x = block.mlp(x + y)
        return self.norm(x), TransformerState(state.position + active, tuple(states))

    def _typed(self) -> list[Block]:
        return [block for block in self.blocks if isinstance(block, Block)]
