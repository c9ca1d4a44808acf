# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise as a function of (seed, position): the whole generator state is two integers.

A counter-based generator gives the parallel pass and the stream the same numbers, needs no state beyond
the position, and exports as plain integer arithmetic.
"""

from __future__ import annotations

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF


def _scramble(x: Tensor) -> Tensor:
    """32-bit avalanche of int64 values below 2^32 (the lowbias32 constants of Wellons 2018)."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _MASK
    return x ^ (x >> 16)


def bits(seed: Tensor, position: Tensor, count: int) -> Tensor:
    """Random 32-bit numbers [..., count], as int64, for seeds and positions [...] int64."""
    lane = torch.arange(count, device=seed.device)
    mixed = _scramble((seed & _MASK) ^ _scramble(((seed >> 32) & _MASK) + 0x9E3779B9 & _MASK))
    mixed = _scramble((mixed + (position & _MASK) * 0x85EBCA6B) & _MASK)
    return _scramble((mixed.unsqueeze(-1) + lane * 0xC2B2AE35) & _MASK)


def gaussian(seed: Tensor, position: Tensor, features: int) -> Tensor:
    """Standard normal numbers [..., features] for seeds and positions [...] int64 (Box and Muller 1958)."""
    uniform = (bits(seed, position, 2 * features).float() + 0.5) / 2**32
    radius = (-2 * uniform[..., :features].clamp(min=1e-9).log()).sqrt()
    return radius * (2 * torch.pi * uniform[..., features:]).cos()


def gumbel(seed: Tensor, position: Tensor, count: int) -> Tensor:
    """Gumbel noise [..., count] for seeds and positions [...] int64: added to logits, the largest is a sample of them."""
    uniform = (bits(seed, position, count).double() + 0.5) / 2**32
    return -(-uniform.log()).log().float()
