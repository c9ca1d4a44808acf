# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens from logits: the best, or one of the best k by Gumbel noise that is a function of (seed, frame, level)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lbmodels.streaming.noise import gumbel


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


def choose(logits: Tensor, how: Sampling, counter: Tensor) -> Tensor:
    """Index [B] into logits [B, N]; `counter` [B] int64 tells draws of one seed apart."""
    count = logits.shape[-1]
    order = logits.sort(dim=-1, descending=True).values
    least = order.gather(-1, (how.top_k.clamp(1, count) - 1).unsqueeze(-1))
    noise = how.temperature.unsqueeze(-1) * gumbel(how.seed, counter, count)
    return (logits + noise).masked_fill(logits < least, -torch.inf).argmax(-1)
