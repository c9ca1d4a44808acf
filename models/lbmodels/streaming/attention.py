# SPDX-License-Identifier: GPL-3.0-or-later
"""Causal self-attention over a rolling window, with a ring KV cache.

Every query sees `window` frames, itself included. Two learned slots stand outside the window:
sinks, which are always seen (Xiao 2024), and "nothing heard yet", which stands in for every frame
of the window that lies before the stream began: one key and value, its logit raised by the log
of the number of frames it stands for, so that it fades out as the window fills.

Slots have no position: queries meet them unrotated, so a session of hours weighs its sinks as one of
seconds does.

Who sees whom, `visible`: a frame sees itself and those before it within the window; with blocks, also those after it in its
own block; with a prefix, the frames of the prefix see each other whatever their order (Raffel 2020, section 3.2.1).
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


def visible(queries: Tensor, keys: Tensor, window: int, block: int = 1, prefix: int = 0) -> Tensor:
    """Whether frames at positions `queries` [..., Q] see frames at `keys` [..., K]: bool [..., Q, K].

    window, block, prefix: in frames. A stream with blocks advances by whole ones.
    """
    query, key = queries.unsqueeze(-1), keys.unsqueeze(-2)
    seen = key <= query if block == 1 else key // block <= query // block
    seen = seen & (query - key < window)
    return seen | ((query < prefix) & (key < prefix)) if prefix else seen


class Moment(NamedTuple):
    """What a step's attention takes from where the stream is, the same in every block.

    cosines, sines: of RoPE, [B, 2 * heads, 1, D / heads], those of the queries scaled as logits are. bias: additive, of the
    slots, the frame itself and the ring, [B, 1, 1, sinks + 2 + window].
    """

    cosines: Tensor
    sines: Tensor
    bias: Tensor


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
    """[B, F, D] -> [B, F, D]. `causal=False` sees the whole sequence: an offline reference only.

    `block`: frames that see each other whatever their order; a stream then comes in steps of whole blocks.
    """

    def __init__(
        self, features: int, heads: int, window: int, *, sinks: int = 2, causal: bool = True, block: int = 1
    ) -> None:
        super().__init__()
        self.heads, self.window, self.sinks, self.causal = heads, window, sinks, causal
        self.block = block
        self.head_features = features // heads
        self.project = nn.Linear(features, 3 * features, bias=False)
        self.out = nn.Linear(features, features, bias=False)
        self.slot_keys = nn.Parameter(torch.randn(heads, sinks + 1, self.head_features) * 0.2)
        self.slot_values = nn.Parameter(torch.zeros(heads, sinks + 1, self.head_features))
        # Halves swapped, the first negative: what RoPE multiplies with sines.
        half = torch.eye(self.head_features).roll(self.head_features // 2, 1)
        half[self.head_features // 2 :] *= -1
        self.register_buffer("half_turn", half, persistent=False)
        scale = torch.ones(2 * heads, 1, 1)
        scale[:heads] = self.head_features**-0.5
        self.register_buffer("scale", scale, persistent=False)

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, F, D] -> three of [B, heads, F, D / heads]; queries and keys of unit RMS (Henry 2020)."""
        q, k, v = self.project(x).unflatten(-1, (3, self.heads, self.head_features)).permute(2, 0, 3, 1, 4)
        size = (self.head_features,)
        return F.rms_norm(q, size), F.rms_norm(k, size), v

    def _slots(self, batch: int) -> tuple[Tensor, Tensor]:
        shape = (batch, -1, -1, -1)
        keys = F.rms_norm(self.slot_keys, (self.head_features,))
        return keys.unsqueeze(0).expand(shape), self.slot_values.unsqueeze(0).expand(shape)

    def slot_bias(self, positions: Tensor) -> Tensor:
        """[...] positions -> [..., sinks + 1]: 0 for sinks, log of the frames not yet heard for the last."""
        missing = (self.window - 1 - positions).clamp(min=0).float().log()
        return F.pad(missing.unsqueeze(-1), (self.sinks, 0))

    def bias(self, frames: int, device: torch.device, prefix: int = 0) -> Tensor:
        """Additive mask [F, sinks + 1 + F] of the parallel pass."""
        t = torch.arange(frames, device=device)
        if self.causal:
            seen = visible(t, t, self.window, self.block, prefix)
            slots = self.slot_bias(t)
        else:
            seen = torch.ones(frames, frames, dtype=torch.bool, device=device)
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

    def steps(
        self, x: Tensor, state: AttentionState, active: Tensor, position: Tensor, prefix: int = 0
    ) -> tuple[Tensor, AttentionState]:
        """Frames [B, n, D] that came at once, the first at `position` [B]; whole blocks, and a prefix in one piece."""
        count = x.shape[1]
        here = position.unsqueeze(1) + torch.arange(count, device=x.device)
        q, k, v = self._heads(x)
        cosines, sines = (part.unsqueeze(1) for part in rotary(here, self.head_features))
        turned, k = rotate(q, cosines, sines), rotate(k, cosines, sines)
        # The frame that each slot of the ring holds: the last one before `position` that falls on it.
        slot = torch.arange(self.window, device=x.device)
        held = position.unsqueeze(1) - 1 - (position.unsqueeze(1) - 1 - slot) % self.window
        past = visible(here, held, self.window, self.block, prefix) & (held >= 0).unsqueeze(1)
        seen = torch.cat([past, visible(here, here, self.window, self.block, prefix)], dim=-1)
        slot_keys, slot_values = self._slots(x.shape[0])
        bias = torch.cat([self.slot_bias(here), torch.where(seen, 0.0, -torch.inf)], dim=-1)
        logits = torch.cat([q @ slot_keys.mT, turned @ state.keys.mT, turned @ k.mT], dim=-1)
        weights = (logits * self.head_features**-0.5 + bias.unsqueeze(1)).softmax(-1)
        sizes = [self.sinks + 1, self.window, count]
        of_slots, of_past, of_here = weights.split(sizes, dim=-1)
        y = of_slots @ slot_values + of_past @ state.values + of_here @ v
        kept = min(count, self.window)
        to = (here[:, -kept:] % self.window)[:, None, :, None].expand(-1, self.heads, -1, self.head_features)
        after = AttentionState(
            *(
                select(active, ring.scatter(2, to, new[:, :, -kept:]), ring)
                for ring, new in zip(state, (k, v), strict=True)
            )
        )
        return self.out(y.transpose(1, 2).flatten(2)), after

    def moment(self, position: Tensor) -> Moment:
        """Of steps at `position` [B] int64."""
        rates = 10000.0 ** (
            -torch.arange(0, self.head_features, 2, dtype=torch.float64, device=position.device)
            / self.head_features
        )
        angles = position.double().unsqueeze(-1) * rates.repeat(2)
        scale = self.get_buffer("scale")
        cosines, sines = (wave.float()[:, None, None] * scale for wave in (angles.cos(), angles.sin()))
        # One key after the other: slots and the frame itself, which are always seen, then the ring.
        before = self.sinks + 2
        index = torch.arange(-before, self.window, device=position.device).clamp(min=-1)
        seen = (index < position.unsqueeze(1)) & (index != (position % self.window).unsqueeze(1))
        missing = (self.window - 1 - position).clamp(min=0).float().log()
        key = torch.arange(before + self.window, device=position.device)
        bias = torch.where(key == self.sinks, missing.unsqueeze(1), 0.0)
        return Moment(cosines, sines, torch.where(seen, bias, -torch.inf)[:, None, None])

    def step(
        self, x: Tensor, state: AttentionState, active: Tensor, position: Tensor, moment: Moment | None = None
    ) -> tuple[Tensor, AttentionState]:
        """One frame [B, D] at `position` [B] int64 (frames since the stream began, owned by the caller).

        `moment`: `self.moment(position)`, if it is there already.
        """
        moment = self.moment(position) if moment is None else moment
        heads = self.project(x).unflatten(-1, (3 * self.heads, 1, self.head_features))
        both, v = heads.split([2 * self.heads, self.heads], 1)
        both = F.rms_norm(both, (self.head_features,))
        turned = both * moment.cosines + (both @ self.get_buffer("half_turn")) * moment.sines
        q, k = turned.chunk(2, dim=1)

        # The frame that leaves the window is still in the ring: it is masked, and the new one joins from outside,
        # so that the ring is read once as it was and an exported graph need not copy it.
        keys, values = state
        slot_keys = F.rms_norm(self.slot_keys, (self.head_features,)) * self.head_features**-0.5
        logits = torch.cat(
            [both[:, : self.heads] @ slot_keys.mT, (q * k).sum(-1, keepdim=True), q @ keys.mT], dim=-1
        )
        weights = (logits + moment.bias).softmax(-1)
        of_slots, of_here, of_past = weights.split([self.sinks + 1, 1, self.window], dim=-1)
        y = of_slots @ self.slot_values + of_here * v + of_past @ values

        rows, slot = torch.arange(x.shape[0], device=x.device), position % self.window
        keys[rows, :, slot] = select(active, k.squeeze(2), keys[rows, :, slot])
        values[rows, :, slot] = select(active, v.squeeze(2), values[rows, :, slot])
        return self.out(y.flatten(1)), AttentionState(keys, values)


class CrossState(NamedTuple):
    """Keys and values of a memory, both [B, heads, M, D / heads], and which of them are there, [B, M]."""

    keys: Tensor
    values: Tensor
    there: Tensor


class CrossAttention(nn.Module):
    """[B, F, D] looks at a memory [B, M, E] that does not change while the stream runs; it has no positions.

    A row whose memory is empty gets zeros: nothing to look at is nothing seen.
    """

    def __init__(self, features: int, heads: int, memory_features: int) -> None:
        super().__init__()
        self.heads, self.head_features = heads, features // heads
        self.ask = nn.Linear(features, features, bias=False)
        self.remember = nn.Linear(memory_features, 2 * features, bias=False)
        self.out = nn.Linear(features, features, bias=False)

    def init_state(self, memory: Tensor, there: Tensor | None = None) -> CrossState:
        """What is looked at from now on; `there` [B, M] bool, all by default."""
        both = self.remember(memory).unflatten(-1, (2, self.heads, self.head_features))
        keys, values = both.permute(2, 0, 3, 1, 4)
        if there is None:
            there = torch.ones(memory.shape[:2], dtype=torch.bool, device=memory.device)
        values = torch.where(there[:, None, :, None], values, 0.0)
        return CrossState(F.rms_norm(keys, (self.head_features,)), values, there.clone())

    def forward(self, x: Tensor, state: CrossState) -> Tensor:
        """One frame [B, D] or several [B, F, D]; the same alone and together."""
        q = F.rms_norm(self.ask(x).unflatten(-1, (self.heads, -1)), (self.head_features,))
        q = q.unsqueeze(2) if x.dim() == 2 else q.transpose(1, 2)
        logits = q @ state.keys.mT * self.head_features**-0.5
        there = state.there[:, None, None]
        weights = logits.masked_fill(~there, -torch.inf).softmax(-1).nan_to_num(0.0)
        y = weights @ state.values
        return self.out(y.flatten(1) if x.dim() == 2 else y.transpose(1, 2).flatten(2))
