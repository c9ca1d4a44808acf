# SPDX-License-Identifier: GPL-3.0-or-later
"""The transformer under StreamMusicGen, SilentMetronome and the bidirectional baseline, after x-transformers 2.9 to 2.16.

Grouped queries (query head h reads key head h mod kv_heads), queries and keys of unit length with learned scales, logits
times ten, rotary positions on the first features of a head, no positions otherwise.

In a stream, keys are kept as they were before rotation and turned by their age when they are read. So the window slides
for ever, and step 0, which tells the instrument, stays in sight as if it were the window's oldest step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LOGIT_SCALE = 10.0


@dataclass(frozen=True, kw_only=True)
class TrunkConfig:
    """Sizes. `window`: steps that a step sees in a stream, itself included. `condition`: 0, or an adaptive trunk's width."""

    dim: int = 1024
    depth: int = 16
    heads: int = 16
    kv_heads: int = 8
    dim_head: int = 64
    feedforward: int = 4096
    rotary: int = 32
    window: int = 501
    condition: int = 0
    condition_hidden: int = 4096


class Cache(NamedTuple):
    """The past [B, depth, kv_heads, slots, dim_head], keys before rotation, and [B] the number of steps in it."""

    keys: Tensor
    values: Tensor
    steps: Tensor


class _View(NamedTuple):
    """What all layers share of one step: where new keys go [B, n], how old each slot is, what is seen [B, 1, 1, n, S]."""

    slots: Tensor
    first_turn: Tensor
    key_turn: Tensor
    query_turn: Tensor
    seen: Tensor
    active: Tensor


def turn(x: Tensor, turns: Tensor) -> Tensor:
    """Rotate adjacent pairs of the first features [..., S, D] by unit complex numbers [..., S, rotary / 2]."""
    rotary = 2 * turns.shape[-1]
    pairs = torch.view_as_complex(x[..., :rotary].unflatten(-1, (-1, 2)).contiguous())
    return torch.cat([torch.view_as_real(pairs * turns).flatten(-2), x[..., rotary:]], dim=-1)


class Attention(nn.Module):
    """Heads over all, or over the past."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.config = config
        width, kv_width = config.heads * config.dim_head, config.kv_heads * config.dim_head
        self.to_q = nn.Linear(config.dim, width, bias=False)
        self.to_k = nn.Linear(config.dim, kv_width, bias=False)
        self.to_v = nn.Linear(config.dim, kv_width, bias=False)
        self.to_out = nn.Linear(width, config.dim, bias=False)
        self.q_scale = nn.Parameter(torch.empty(config.heads, 1, config.dim_head))
        self.k_scale = nn.Parameter(torch.empty(config.kv_heads, 1, config.dim_head))

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, S, dim] -> queries [B, groups, kv_heads, S, D], keys and values [B, kv_heads, S, D]."""
        dim_head, kv_heads = self.config.dim_head, self.config.kv_heads
        q, k, v = (
            to(x).unflatten(-1, (-1, dim_head)).transpose(1, 2) for to in (self.to_q, self.to_k, self.to_v)
        )
        q, k = F.normalize(q, dim=-1) * self.q_scale, F.normalize(k, dim=-1) * self.k_scale
        return q.unflatten(1, (-1, kv_heads)), k, v

    def read(self, logits: Tensor, values: Tensor) -> Tensor:
        """Logits [B, groups, kv_heads, S, T] and values [B, kv_heads, T, D] -> [B, S, dim]."""
        y = logits.softmax(-1) @ values.unsqueeze(1)
        out: Tensor = self.to_out(y.flatten(1, 2).transpose(1, 2).flatten(2))
        return out


class Layer(nn.Module):
    """Pre-norm around attention or a feed-forward; where `condition`, both norm and branch are scaled by it."""

    def __init__(self, config: TrunkConfig, branch: nn.Module) -> None:
        super().__init__()
        self.norm = Norm(config)
        self.branch = branch
        self.gate = nn.Linear(config.condition_hidden, config.dim) if config.condition else None

    def gated(self, y: Tensor, condition: Tensor | None) -> Tensor:
        if self.gate is None:
            return y
        assert condition is not None
        return y * torch.sigmoid(self.gate(condition))


class Norm(nn.Module):
    """Unit RMS without parameters; of a conditioned trunk a layer norm scaled by the condition."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.to_gamma = (
            nn.Linear(config.condition_hidden, config.dim, bias=False) if config.condition else None
        )

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        if self.to_gamma is None:
            return F.normalize(x, dim=-1) * x.shape[-1] ** 0.5
        assert condition is not None
        return F.layer_norm(x, x.shape[-1:]) * (self.to_gamma(condition) + 1)


class FeedForward(nn.Module):
    """Linear, SiLU, Linear; no gate."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.widen = nn.Linear(config.dim, config.feedforward)
        self.narrow = nn.Linear(config.feedforward, config.dim)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.narrow(F.silu(self.widen(x)))
        return y


class Trunk(nn.Module):
    """[B, S, dim] -> [B, S, dim], after the final norm. `causal=False` sees the whole sequence."""

    def __init__(self, config: TrunkConfig, *, causal: bool = True) -> None:
        super().__init__()
        self.config, self.causal = config, causal
        self.attention = nn.ModuleList(Layer(config, Attention(config)) for _ in range(config.depth))
        self.feedforward = nn.ModuleList(Layer(config, FeedForward(config)) for _ in range(config.depth))
        self.norm = Norm(config)
        self.adapt = (
            nn.Linear(config.condition, config.condition_hidden, bias=False) if config.condition else None
        )
        rates = 10000.0 ** (-torch.arange(0, config.rotary, 2, dtype=torch.float64) / config.rotary)
        self.register_buffer("rates", rates.float())

    def _turns(self, positions: Tensor) -> Tensor:
        """Unit complex numbers [..., rotary / 2] of positions [...]."""
        angles = positions.float().unsqueeze(-1) * self.get_buffer("rates")
        return torch.polar(torch.ones_like(angles), angles)

    def _condition(self, condition: Tensor | None) -> Tensor | None:
        return None if self.adapt is None or condition is None else F.silu(self.adapt(condition))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The parallel pass. Beyond the window it is what the stream is: banded, with step 0 in sight."""
        steps, window = x.shape[1], self.config.window
        condition = self._condition(condition)
        place = torch.arange(steps, device=x.device)
        turns = self._turns(place)
        age = place.unsqueeze(1) - place
        seen = (
            (age >= 0) & ((age < window) | (place == 0))
            if self.causal
            else torch.ones_like(age, dtype=torch.bool)
        )
        far = place >= window  # from here on step 0 is as old as the window is long
        for attend, forward in self._pairs():
            layer = attend.branch
            assert isinstance(layer, Attention)
            q, k, v = layer.heads(attend.norm(x, condition))
            logits = turn(q, turns) @ turn(k, turns).mT.unsqueeze(1)
            if self.causal and steps > window:
                oldest = q @ turn(k[:, :, :1], self._turns(place[:1] - (window - 1))).mT.unsqueeze(1)
                first = torch.where(far.unsqueeze(1), oldest, logits[..., :1])
                logits = torch.cat([first, logits[..., 1:]], dim=-1)
            logits = (LOGIT_SCALE * logits).masked_fill(~seen, -torch.inf)
            x = x + attend.gated(layer.read(logits, v), condition)
            x = x + forward.gated(forward.branch(forward.norm(x, condition)), condition)
        return self.norm(x, condition)

    def _pairs(self) -> list[tuple[Layer, Layer]]:
        pairs = list(zip(self.attention, self.feedforward, strict=True))
        return pairs  # type: ignore[return-value]

    def init_cache(self, batch: int, ahead: int = 1) -> Cache:
        """An empty past that takes up to `ahead` steps at once, or that many tentative ones."""
        c = self.config
        slots = c.window + ahead
        keys = self.get_buffer("rates").new_zeros(batch, c.depth, c.kv_heads, slots, c.dim_head)
        return Cache(keys, torch.zeros_like(keys), torch.zeros(batch, dtype=torch.int64, device=keys.device))

    def extend(
        self, x: Tensor, cache: Cache, active: Tensor, condition: Tensor | None = None
    ) -> tuple[Tensor, Cache]:
        """Steps [B, n, dim] after the cache's; rows that are not active keep theirs. Consumes `cache`.

        A cache whose `steps` are set back forgets what came after; that is how steps are tentative.
        """
        condition = self._condition(condition)
        view = self._view(cache, x.shape[1], active)
        for i, (attend, forward) in enumerate(self._pairs()):
            layer = attend.branch
            assert isinstance(layer, Attention)
            q, k, v = layer.heads(attend.norm(x, condition))
            keys, values = cache.keys[:, i], cache.values[:, i]
            _write(keys, k, view)
            _write(values, v, view)
            first = turn(
                keys[:, :, :1].expand(-1, -1, x.shape[1], -1), view.first_turn
            )  # as old as each step sees it
            logits = turn(q, view.query_turn) @ turn(keys[:, :, 1:], view.key_turn).mT.unsqueeze(1)
            logits = torch.cat([(q * first.unsqueeze(1)).sum(-1, keepdim=True), logits], dim=-1)
            logits = (LOGIT_SCALE * logits).masked_fill(~view.seen, -torch.inf)
            x = x + attend.gated(layer.read(logits, values), condition)
            x = x + forward.gated(forward.branch(forward.norm(x, condition)), condition)
        steps = torch.where(active, cache.steps + x.shape[1], cache.steps)
        return self.norm(x, condition), Cache(cache.keys, cache.values, steps)

    def init_state(self, batch: int) -> Cache:
        return self.init_cache(batch)

    def step(self, x: Tensor, state: Cache, active: Tensor) -> tuple[Tensor, Cache]:
        """One step [B, dim], without a condition."""
        y, state = self.extend(x.unsqueeze(1), state, active)
        return y.squeeze(1), state

    def _view(self, cache: Cache, count: int, active: Tensor) -> _View:
        window, slots = self.config.window, cache.keys.shape[3]
        ring = slots - 1  # slot 0 is step 0's for ever
        new = cache.steps.unsqueeze(1) + torch.arange(count, device=active.device)
        last = new[:, -1:]
        slot = torch.arange(slots, device=active.device)
        place = torch.where(
            slot == 0, 0, last - (last - slot) % ring
        )  # step that a slot holds once `new` are in
        there = (place >= 1) | (slot == 0)
        age = new.unsqueeze(2) - place.unsqueeze(1)
        seen = there.unsqueeze(1) & (age >= 0) & ((age < window) | (slot == 0))
        return _View(
            slots=torch.where(new == 0, 0, 1 + (new - 1) % ring),
            first_turn=self._turns(-new.clamp(max=window - 1))[:, None],
            key_turn=self._turns((place - last)[:, 1:])[:, None],
            query_turn=self._turns(new - last)[:, None, None],
            seen=seen[:, None, None],
            active=active,
        )


def _write(ring: Tensor, new: Tensor, view: _View) -> None:
    """Put [B, kv_heads, n, D] into their slots of [B, kv_heads, S, D], in place, where the row is active."""
    index = view.slots[:, None, :, None].expand(new.shape)
    kept = torch.where(view.active[:, None, None, None], new, ring.gather(2, index))
    ring.scatter_(2, index, kept)
