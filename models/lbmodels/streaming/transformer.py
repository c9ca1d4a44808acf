# SPDX-License-Identifier: GPL-3.0-or-later
"""Causal transformer trunk: pre-norm, windowed attention, perhaps a look at a memory, SwiGLU (Shazeer 2020)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.streaming.attention import AttentionState, CrossAttention, CrossState, WindowedAttention, rotary


class TransformerState(NamedTuple):
    """Frames since the stream began [B] int64, one attention ring a block, and what each block looks at, if anything."""

    position: Tensor
    blocks: tuple[AttentionState, ...]
    memory: tuple[CrossState, ...] = ()


class Block(nn.Module):
    """Attention, perhaps cross-attention, then a gated MLP, all residual."""

    def __init__(
        self, features: int, heads: int, window: int, *, causal: bool, block: int = 1, memory: int = 0
    ) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(features)
        self.attention = WindowedAttention(features, heads, window, causal=causal, block=block)
        self.cross_norm = nn.RMSNorm(features) if memory else None
        self.cross = CrossAttention(features, heads, memory) if memory else None
        self.mlp_norm = nn.RMSNorm(features)
        hidden = 64 * round(features * 8 / 3 / 64)
        self.gate_and_value = nn.Linear(features, 2 * hidden, bias=False)
        self.narrow = nn.Linear(hidden, features, bias=False)

    def mlp(self, x: Tensor, memory: CrossState | None = None) -> Tensor:
        """What comes after attention: the memory, if the block looks at one, and the MLP."""
        if self.cross is not None and self.cross_norm is not None and memory is not None:
            x = x + self.cross(self.cross_norm(x), memory)
        gate, value = self.gate_and_value(self.mlp_norm(x)).chunk(2, dim=-1)
        narrowed: Tensor = self.narrow(F.silu(gate) * value)
        return x + narrowed

    def forward(
        self, x: Tensor, bias: Tensor, rope: tuple[Tensor, Tensor], memory: CrossState | None = None
    ) -> Tensor:
        return self.mlp(x + self.attention(self.attention_norm(x), bias, rope), memory)


class CausalTransformer(nn.Module):
    """[B, F, D] -> [B, F, D]; see `WindowedAttention` for what each frame sees.

    `block`: frames that see each other. `memory`: features of what every block looks at besides; 0 for nothing.
    """

    def __init__(
        self,
        features: int,
        heads: int,
        depth: int,
        window: int,
        *,
        causal: bool = True,
        block: int = 1,
        memory: int = 0,
    ) -> None:
        super().__init__()
        self.window, self.block = window, block
        self.blocks = nn.ModuleList(
            Block(features, heads, window, causal=causal, block=block, memory=memory) for _ in range(depth)
        )
        self.norm = nn.RMSNorm(features)
        for layer in (linear for block in self._typed() for linear in (block.attention.out, block.narrow)):
            nn.init.normal_(layer.weight, std=0.02 / (2 * depth) ** 0.5)

    def forward(
        self, x: Tensor, memory: Tensor | None = None, there: Tensor | None = None, prefix: int = 0
    ) -> Tensor:
        """The parallel pass. memory [B, M, E] and `there` [B, M]: what is looked at. `prefix`: frames at the start that see
        each other.
        """
        attention = self._typed()[0].attention
        bias = attention.bias(x.shape[1], x.device, prefix)
        rope = rotary(torch.arange(x.shape[1], device=x.device), attention.head_features)
        looked_at = self._remembered(memory, there)
        for n, block in enumerate(self.blocks):
            x = block(x, bias, rope, looked_at[n] if looked_at else None)
        y: Tensor = self.norm(x)
        return y

    def init_state(
        self, batch: int, memory: Tensor | None = None, there: Tensor | None = None
    ) -> TransformerState:
        position = torch.zeros(batch, dtype=torch.int64, device=self.norm.weight.device)
        rings = tuple(block.attention.init_state(batch) for block in self._typed())
        return TransformerState(position, rings, self._remembered(memory, there))

    def prefill(
        self, x: Tensor, memory: Tensor | None = None, there: Tensor | None = None, prefix: int = 0
    ) -> tuple[Tensor, TransformerState]:
        """The parallel pass over the beginning [B, F, D] of streams, with the state that they go on from."""
        state = self.init_state(len(x), memory, there)
        active = torch.ones(len(x), dtype=torch.bool, device=x.device)
        return self._steps(x, state, active, prefix)

    def step(self, x: Tensor, state: TransformerState, active: Tensor) -> tuple[Tensor, TransformerState]:
        """One frame [B, D], or several that came at once [B, n, D]: whole blocks where there are blocks.

        Raises:
            ValueError: not whole blocks.
        """
        if x.dim() == 3 or self.block > 1:
            return self._steps(x, state, active)
        states = []
        moment = self._typed()[0].attention.moment(state.position)
        for n, (block, ring) in enumerate(zip(self._typed(), state.blocks, strict=True)):
            y, ring = block.attention.step(block.attention_norm(x), ring, active, state.position, moment)
            states.append(ring)
            x = block.mlp(x + y, state.memory[n] if state.memory else None)
        return self.norm(x), TransformerState(state.position + active, tuple(states), state.memory)

    def _steps(
        self, x: Tensor, state: TransformerState, active: Tensor, prefix: int = 0
    ) -> tuple[Tensor, TransformerState]:
        if x.dim() != 3 or x.shape[1] % self.block:
            raise ValueError(f"blocks of {self.block} frames: accepted are whole ones, got {tuple(x.shape)}")
        count, states = x.shape[1], []
        for n, (block, ring) in enumerate(zip(self._typed(), state.blocks, strict=True)):
            y, ring = block.attention.steps(block.attention_norm(x), ring, active, state.position, prefix)
            states.append(ring)
            x = block.mlp(x + y, state.memory[n] if state.memory else None)
        return self.norm(x), TransformerState(state.position + count * active, tuple(states), state.memory)

    def _remembered(self, memory: Tensor | None, there: Tensor | None) -> tuple[CrossState, ...]:
        if memory is None:
            return ()
        crosses = [block.cross for block in self._typed()]
        return tuple(cross.init_state(memory, there) for cross in crosses if cross is not None)

    def _typed(self) -> list[Block]:
        return [block for block in self.blocks if isinstance(block, Block)]
