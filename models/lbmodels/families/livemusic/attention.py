# SPDX-License-Identifier: GPL-3.0-or-later
"""Attention of Magenta RealTime 2: no positions, a causal band, learned sinks whose logits take the unscaled query.

Parameters carry the published names and shapes, so a checkpoint's key is the parameter's path.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.streaming.state import select


class BandState(NamedTuple):
    """Ring of keys and of values, both [B, window, heads, D / heads]."""

    keys: Tensor
    values: Tensor


class Projection(nn.Module):
    """[..., in] -> [..., heads, features]; kernel [in, heads, features], no bias."""

    def __init__(self, features: int, heads: int, head_features: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(features, heads, head_features) * features**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.kernel.flatten(1)).unflatten(-1, self.kernel.shape[1:])


class OutputProjection(nn.Module):
    """[..., heads, features] -> [..., out]; kernel [out, heads, features], no bias."""

    def __init__(self, features: int, heads: int, head_features: int) -> None:
        super().__init__()
        scale = (heads * head_features) ** -0.5
        self.kernel = nn.Parameter(torch.randn(features, heads, head_features) * scale)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.flatten(-2), self.kernel.flatten(1))


class BandAttention(nn.Module):
    """Queries of one stream meet keys of another (or the same) in [i - window, i], and `sinks` learned slots."""

    def __init__(
        self, features: int, source: int, heads: int, head_features: int, *, window: int, sinks: int
    ) -> None:
        super().__init__()
        self.window, self.sinks = window, sinks
        self.query_projection = Projection(features, heads, head_features)
        self.key_projection = Projection(source, heads, head_features)
        self.value_projection = Projection(source, heads, head_features)
        self.per_dim_scale = nn.Parameter(torch.zeros(head_features))
        if sinks:
            self.sink_key_embeddings = nn.Parameter(torch.zeros(sinks, heads, head_features))
            self.sink_value_embeddings = nn.Parameter(torch.zeros(sinks, heads, head_features))

    def _scaled(self, q: Tensor) -> Tensor:
        """Softplus of a learned vector, normalised so that zero means 1 / sqrt(D)."""
        return q * (F.softplus(self.per_dim_scale) / (math.log(2) * math.sqrt(q.shape[-1])))

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        """[B, F, D] and [B, F, S] -> [B, F, heads, D / heads], the parallel pass."""
        q, k, v = self.query_projection(x), self.key_projection(source), self.value_projection(source)
        frames = torch.arange(x.shape[1], device=x.device)
        age = frames.unsqueeze(1) - frames
        logits = torch.einsum("bqhd,bkhd->bhqk", self._scaled(q), k)
        logits = logits.masked_fill((age < 0) | (age > self.window), -torch.inf)
        if not self.sinks:
            return torch.einsum("bhqk,bkhd->bqhd", logits.softmax(-1), v)
        slots = torch.einsum("bqhd,shd->bhqs", q, self.sink_key_embeddings)
        weights = torch.cat([slots, logits], dim=-1).softmax(-1)
        mixed = torch.einsum("bhqk,bkhd->bqhd", weights[..., self.sinks :], v)
        return mixed + torch.einsum("bhqs,shd->bqhd", weights[..., : self.sinks], self.sink_value_embeddings)

    def init_state(self, batch: int) -> BandState:
        shape = (batch, max(self.window, 1), *self.key_projection.kernel.shape[1:])
        return BandState(self.per_dim_scale.new_zeros(shape), self.per_dim_scale.new_zeros(shape))

    def step(
        self, x: Tensor, source: Tensor, state: BandState, active: Tensor, position: Tensor
    ) -> tuple[Tensor, BandState]:
        """One frame [B, D], [B, S] at `position` [B] int64 (frames since the stream began) -> [B, heads, D / heads]."""
        q, k, v = self.query_projection(x), self.key_projection(source), self.value_projection(source)
        keys, values = state
        index = torch.arange(keys.shape[1], device=x.device)
        unseen = index >= position.clamp(max=self.window).unsqueeze(1)
        scaled = self._scaled(q)
        past = torch.einsum("bhd,bkhd->bhk", scaled, keys).masked_fill(unseen.unsqueeze(1), -torch.inf)
        parts = [past, (scaled * k).sum(-1, keepdim=True)]
        if self.sinks:
            parts.append(torch.einsum("bhd,shd->bhs", q, self.sink_key_embeddings))
        weights = torch.cat(parts, dim=-1).softmax(-1)
        ring = keys.shape[1]
        y = torch.einsum("bhk,bkhd->bhd", weights[..., :ring], values) + weights[..., ring : ring + 1] * v
        if self.sinks:
            y = y + torch.einsum("bhs,shd->bhd", weights[..., ring + 1 :], self.sink_value_embeddings)
        rows = torch.arange(x.shape[0], device=x.device)
        slot = position % ring
        keys, values = keys.clone(), values.clone()
        keys[rows, slot] = select(active, k, keys[rows, slot])
        values[rows, slot] = select(active, v, values[rows, slot])
        return y, BandState(keys, values)
