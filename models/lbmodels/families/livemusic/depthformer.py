# SPDX-License-Identifier: GPL-3.0-or-later
"""Magenta RealTime 2's language model: a temporal transformer over frames, a depth transformer over a frame's levels.

Token ids are global: 6 reserved, then 1024 a level. `forward` gives teacher-forced logits; `step` makes one frame of
40 ms, with the whole memory in the state it takes and returns. Google DeepMind 2026, magenta-realtime 2.0.3 (Apache-2.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.families.livemusic.conditioning import CHANNEL_SIZES, STYLE_LEVELS, Conditioner
from lbmodels.families.livemusic.sampling import Sampling, choose
from lbmodels.families.livemusic.transformer import Dense, LayerNorm, LayerState, Stack
from lbmodels.streaming.state import select

RESERVED = 6
START = 0


@dataclass(frozen=True, kw_only=True)
class StackConfig:
    """Sizes of one transformer."""

    layers: int
    dim: int
    ff: int
    heads: int
    dim_per_head: int


@dataclass(frozen=True, kw_only=True)
class DepthformerConfig:
    """Sizes of the whole; `past_window` in frames, the present one not counted."""

    cond_dim: int
    temporal: StackConfig
    depth: StackConfig
    past_window: int
    levels: int = 12
    codes: int = 1024
    sinks: int = 1
    style_width: int = 768
    style_levels: int = STYLE_LEVELS
    channel_sizes: tuple[int, ...] = CHANNEL_SIZES
    soft_cap: float = 30.0

    @property
    def vocabulary(self) -> int:
        return RESERVED + self.levels * self.codes


PUBLISHED = {
    "small": DepthformerConfig(
        cond_dim=256,
        temporal=StackConfig(layers=12, dim=1024, ff=4096, heads=8, dim_per_head=128),
        depth=StackConfig(layers=2, dim=768, ff=3072, heads=6, dim_per_head=128),
        past_window=41,
    ),
    "base": DepthformerConfig(
        cond_dim=1024,
        temporal=StackConfig(layers=20, dim=3072, ff=8192, heads=24, dim_per_head=128),
        depth=StackConfig(layers=6, dim=1024, ff=4096, heads=8, dim_per_head=128),
        past_window=25,
    ),
}


class DepthformerState(NamedTuple):
    """`previous` [B, levels] int64 global ids of the last frame, `position` [B] int64 frames made."""

    previous: Tensor
    position: Tensor
    layers: tuple[LayerState, ...]


class _Embedding(nn.Module):
    def __init__(self, rows: int, features: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(rows, features) * features**-0.5)


class _EmbeddingHolder(nn.Module):
    def __init__(self, rows: int, features: int) -> None:
        super().__init__()
        self.embedding = _Embedding(rows, features)


class _Temporal(nn.Module):
    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.transformer = stack


class _Depth(nn.Module):
    def __init__(self, config: DepthformerConfig, stack: Stack) -> None:
        super().__init__()
        if config.temporal.dim != config.depth.dim:
            self.depth_input_adapter = Dense(config.temporal.dim, config.depth.dim, bias=False)
        self.transformer = stack
        self.final_ln = LayerNorm(config.depth.dim)
        self.to_logits = Dense(config.depth.dim, config.vocabulary, bias=True)

    def adapt(self, x: Tensor) -> Tensor:
        return self.depth_input_adapter(x) if hasattr(self, "depth_input_adapter") else x


def _stack(sizes: StackConfig, *, source: int | None, window: int, sinks: int) -> Stack:
    return Stack(
        sizes.layers,
        sizes.dim,
        sizes.ff,
        sizes.heads,
        sizes.dim_per_head,
        source=source,
        window=window,
        sinks=sinks,
    )


class _Decoder(nn.Module):
    def __init__(self, config: DepthformerConfig) -> None:
        super().__init__()
        self.decoder_embedding = _EmbeddingHolder(config.vocabulary, config.temporal.dim)
        self.temporal_body = _Temporal(
            _stack(config.temporal, source=config.cond_dim, window=config.past_window, sinks=config.sinks)
        )
        # The depth window is never narrower than a frame: every level sees all coarser ones.
        self.depth_body = _Depth(config, _stack(config.depth, source=None, window=config.levels, sinks=0))


class Depthformer(nn.Module):
    """See the module. Parameter paths are the published keys with dots."""

    def __init__(self, config: DepthformerConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Conditioner(
            config.cond_dim,
            style_width=config.style_width,
            style_levels=config.style_levels,
            channel_sizes=config.channel_sizes,
        )
        self.decoder = _Decoder(config)

    def embed(self, tokens: Tensor) -> Tensor:
        """Global ids [...] -> [..., D]."""
        table = self.decoder.decoder_embedding.embedding.embedding
        return F.embedding(tokens, table) * self.config.temporal.dim**0.5

    def _logits(self, x: Tensor, level: int | None) -> Tensor:
        """Soft-capped logits of all ids, or of one level's only: the rest cannot be chosen."""
        depth = self.decoder.depth_body
        bias = depth.to_logits.bias
        assert bias is not None
        first = RESERVED + (level or 0) * self.config.codes
        span = slice(None) if level is None else slice(first, first + self.config.codes)
        cap = self.config.soft_cap
        return cap * torch.tanh((depth.final_ln(x) @ depth.to_logits.kernel[:, span] + bias[span]) / cap)

    def forward(self, tokens: Tensor, conditioning: Tensor) -> Tensor:
        """Logits [B, F, levels, ids] of `tokens` [B, F, levels], each frame seeing those before it.

        `conditioning` [B, F, channels] are table ids.
        """
        source = self.encoder(conditioning)
        embedded = self.embed(tokens)
        start = self.embed(torch.full_like(tokens[:, :1], START))
        before = torch.cat([start, embedded[:, :-1]], dim=1).mean(-2)
        frames = self.decoder.temporal_body.transformer(before, source)
        inputs = torch.cat([frames.unsqueeze(2), embedded[:, :, :-1]], dim=2)
        depth = self.decoder.depth_body
        x = depth.adapt(inputs).flatten(0, 1)
        return self._logits(depth.transformer(x, x), None).unflatten(0, tokens.shape[:2])

    def init_state(self, batch: int) -> DepthformerState:
        device = self.encoder.starts.device
        return DepthformerState(
            torch.full((batch, self.config.levels), START, dtype=torch.int64, device=device),
            torch.zeros(batch, dtype=torch.int64, device=device),
            self.decoder.temporal_body.transformer.init_state(batch),
        )

    def step(
        self,
        conditioning: Tensor,
        state: DepthformerState,
        active: Tensor,
        how: Sampling,
        forced: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, DepthformerState]:
        """One frame for table ids [B, channels]: codes [B, levels] of 0..1023, their logits [B, levels, 1024], the next state.

        `forced` [B, levels] codes stand in for what would be chosen, -1 where the model chooses: that is how a stream is
        filled with what was heard before. An idle row keeps its state to the bit.
        """
        before = self.embed(state.previous).mean(-2)
        source = self.encoder(conditioning)
        temporal, depth = self.decoder.temporal_body.transformer, self.decoder.depth_body
        x, layers = temporal.step(before, source, state.layers, active, state.position)
        rings = depth.transformer.init_state(x.shape[0])
        everyone = torch.ones_like(active)
        chosen, seen = [], []
        for level in range(self.config.levels):
            y = depth.adapt(x)
            at = torch.full_like(state.position, level)
            y, rings = depth.transformer.step(y, y, rings, everyone, at)
            logits = self._logits(y, level)
            code = choose(logits, how, state.position * self.config.levels + level)
            if forced is not None:
                code = torch.where(forced[:, level] >= 0, forced[:, level], code)
            chosen.append(code)
            seen.append(logits)
            x = self.embed(code + RESERVED + level * self.config.codes)
        codes = torch.stack(chosen, dim=1)
        ids = codes + RESERVED + self.config.codes * torch.arange(self.config.levels, device=codes.device)
        new = DepthformerState(
            select(active, ids, state.previous), state.position + active.to(torch.int64), layers
        )
        return codes, torch.stack(seen, dim=1), new
