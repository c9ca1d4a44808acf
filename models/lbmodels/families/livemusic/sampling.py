# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens from logits: the best, or one of the best k by Gumbel noise that is a function of (seed, frame, level)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF


class Sampling(NamedTuple):
    """How to choose, one value a row: `temperature` [B] (0 takes the best), `top_k` [B] int64, `seed` [B] int64."""

    temperature: Tensor
    top_k: Tensor
    seed: Tensor


def sampling(batch: int, *, temperature: float = 1.3, top_k: int = 40, seed: int = 0) -> Sampling:
    """The same settings for every row; the defaults are the published ones."""
    return Sampling(
        torch.full((batch,), float(temperature)),
        torch.full((batch,), top_k, dtype=torch.int64),
        torch.full((batch,), seed, dtype=torch.int64),
    )


def _scramble(x: Tensor) -> Tensor:
    """32-bit avalanche of int64 values below 2^32 (the lowbias32 constants of Wellons 2018)."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _MASK
    return x ^ (x >> 16)


def gumbel(seed: Tensor, counter: Tensor, count: int) -> Tensor:
    """Gumbel noise [B, count] for seeds and counters [B] int64: the same numbers for the same pair, always."""
    lane = torch.arange(count, device=seed.device)
    mixed = _scramble((seed & _MASK) ^ _scramble((((seed >> 32) & _MASK) + 0x9E3779B9) & _MASK))
    mixed = _scramble((mixed + (counter & _MASK) * 0x85EBCA6B) & _MASK)
    bits = _scramble((mixed.unsqueeze(-1) + lane * 0xC2B2AE35) & _MASK)
    uniform = (bits.double() + 0.5) / 2**32
    return -(-uniform.log()).log().float()


def choose(logits: Tensor, how: Sampling, counter: Tensor) -> Tensor:
    """Index [B] into logits [B, N]; `counter` [B] int64 tells draws of one seed apart."""
    count = logits.shape[-1]
    order = logits.sort(dim=-1, descending=True).values
    least = order.gather(-1, (how.top_k.clamp(1, count) - 1).unsqueeze(-1))
    noise = how.temperature.unsqueeze(-1) * gumbel(how.seed, counter, count)
    return (logits + noise).masked_fill(logits < least, -torch.inf).argmax(-1)
