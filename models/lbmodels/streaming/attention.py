# SPDX-License-Identifier: GPL-3.0-or-later
"""Causal self-attention over a rolling window, with a ring KV cache.

Every query sees `window` frames, itself included. Two learned slots stand outside the window:
sinks, which are always seen (Xiao 2024), and "nothing heard yet", which stands in for every frame
of the window that lies before the stream began: one key and value, its logit raised by the log
of the number of frames it stands for, so that it fades out as the window fills.

Slots have no position: queries meet them unrotated, so a session of hours weighs its sinks as one of
seconds does.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.streaming.state import select


class AttentionState(NamedTuple):
    """Ring of rotated keys and of values, both [B, heads, window, D / heads]."""

    keys: Tensor
    values: Tensor


def rotary(positions: Tensor, features: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines [..., features / 2] of RoPE (Su 2021, eq. 15) at integer positions [...].

    Angles are reduced in float64, so that hours of stream keep their precision.
    """
    rates = 10000.0 ** (
        -torch.arange(0, features, 2, dtype=torch.float64, device=positions.device) / features
    )
    angles = positions.double().unsqueeze(-1) * rates
    return angles.cos().float(), angles.sin().float()


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Rotate the two halves of the last axis against each other."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cosines - b * sines, a * sines + b * cosines], dim=-1)


class WindowedAttention(nn.Module):
    """[B, F, D] -> [B, F, D]. `causal=False` sees the whole sequence: an offline reference only."""

    def __init__(
        self, features: int, heads: int, window: int, *, sinks: int = 2, causal: bool = True
    ) -> None:
        super().__init__()
        self.heads, self.window, self.sinks, self.causal = heads, window, sinks, causal
        self.head_features = features // heads
        self.project = nn.Linear(features, 3 * features, bias=False)
        self.out = nn.Linear(features, features, bias=False)
        self.slot_keys = nn.Parameter(torch.randn(heads, sinks + 1, self.head_features) * 0.2)
        self.slot_values = nn.Parameter(torch.zeros(heads, sinks + 1, self.head_features))

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, F, D] -> three of [B, heads, F, D / heads]; queries and keys of unit RMS (Henry 2020)."""
        q, k, v = self.project(x).unflatten(-1, (3, self.heads, self.head_features)).permute(2, 0, 3, 1, 4)
        size = (self.head_features,)
        return F.rms_norm(q, size), F.rms_norm(k, size), v

    def _slots(self, batch: int) -> tuple[Tensor, Tensor]:
        shape = (batch, -1, -1, -1)
        keys = F.rms_norm(self.slot_keys, (self.head_features,))
        return keys.unsqueeze(0).expand(shape), self.slot_values.unsqueeze(0).expand(shape)

    def _slot_bias(self, positions: Tensor) -> Tensor:
        """[...] positions -> [..., sinks + 1]: 0 for sinks, log of the frames not yet heard for the last."""
        missing = (self.window - 1 - positions).clamp(min=0).float().log()
        return F.pad(missing.unsqueeze(-1), (self.sinks, 0))

    def bias(self, frames: int, device: torch.device) -> Tensor:
        """Additive mask [F, sinks + 1 + F] of the parallel pass."""
        t = torch.arange(frames, device=device)
        age = t.unsqueeze(1) - t
        if self.causal:
            seen = (age >= 0) & (age < self.window)
            slots = self._slot_bias(t)
        else:
            seen = torch.ones_like(age, dtype=torch.bool)
            slots = F.pad(torch.full((frames, 1), -torch.inf, device=device), (self.sinks, 0))
        return torch.cat([slots, torch.where(seen, 0.0, -torch.inf)], dim=1)

    def forward(
        self, x: Tensor, bias: Tensor | None = None, rope: tuple[Tensor, Tensor] | None = None
    ) -> Tensor:
        """The parallel pass; `bias` and `rope` may be handed in to share them between layers."""
        frames = x.shape[1]
        bias = self.bias(frames, x.device) if bias is None else bias
        rope = rotary(torch.arange(frames, device=x.device), self.head_features) if rope is None else rope
        q, k, v = self._heads(x)
        slot_keys, slot_values = self._slots(x.shape[0])
        keys = rotate(k, *rope).to(v.dtype)
        logits = torch.cat(
            [q.to(v.dtype) @ slot_keys.mT.to(v.dtype), rotate(q, *rope).to(v.dtype) @ keys.mT], dim=-1
        )
        weights = (logits * self.head_features**-0.5 + bias).softmax(-1).to(v.dtype)
        slots = self.sinks + 1
        y = weights[..., :slots] @ slot_values.to(v.dtype) + weights[..., slots:] @ v
        return self.out(y.transpose(1, 2).flatten(2))

    def init_state(self, batch: int) -> AttentionState:
        shape = (batch, self.heads, self.window, self.head_features)
        return AttentionState(self.slot_keys.new_zeros(shape), self.slot_keys.new_zeros(shape))

    def step(
        self, x: Tensor, state: AttentionState, active: Tensor, position: Tensor
    ) -> tuple[Tensor, AttentionState]:
        """One frame [B, D] at `position` [B] int64 (frames since the stream began, owned by the caller)."""
        both, v = self.project(x).unflatten(-1, (3 * self.heads, -1)).split([2 * self.heads, self.heads], 1)
        both = F.rms_norm(both, (self.head_features,))
        cosines, sines = (part.unsqueeze(1) for part in rotary(position, self.head_features))
        q = both[:, : self.heads]
        turned, k = rotate(both, cosines, sines).chunk(2, dim=1)

        # The frame that leaves the window is still in the ring: it is masked, and the new one joins from outside,
        # so that the ring is read once as it was and an exported graph need not copy it.
        keys, values = state
        slot = position % self.window
        index = torch.arange(self.window, device=x.device)
        past = (index < position.unsqueeze(1)) & (index != slot.unsqueeze(1))
        seen = torch.where(past, 0.0, -torch.inf)
        slots = self.sinks + 1
        slot_keys, slot_values = self._slots(x.shape[0])
        logits = torch.cat(
            [
                q.unsqueeze(2) @ slot_keys.mT,
                (turned * k).sum(-1, keepdim=True).unsqueeze(2),
                turned.unsqueeze(2) @ keys.mT,
            ],
            dim=-1,
        )
        bias = torch.cat([self._slot_bias(position), torch.zeros_like(seen[:, :1]), seen], dim=1)
        weights = (logits * self.head_features**-0.5 + bias[:, None, None]).softmax(-1)
        y = weights[..., :slots] @ slot_values + weights[..., slots : slots + 1] * v.unsqueeze(2)
        y = y + weights[..., slots + 1 :] @ values

        rows = torch.arange(x.shape[0], device=x.device)
        keys[rows, :, slot] = select(active, k, keys[rows, :, slot])
        values[rows, :, slot] = select(active, v, values[rows, :, slot])
        return self.out(y.flatten(1)), AttentionState(keys, values)
