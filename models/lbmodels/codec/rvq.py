# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens on the autoencoder's latents: residual vector quantisation (Zeghidour 2021), level by level.

Each level names the code nearest to what the levels before it left over, so any number of first levels is a whole
description, coarser or finer. A frame is quantised by itself: there is no state, and streaming is offline.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class RvqConfig:
    """`levels` code books of `codes` vectors of `latent` numbers."""

    latent: int = 64
    levels: int = 12
    codes: int = 1024


class ResidualQuantiser(nn.Module):
    """Latents [..., latent] <-> tokens [..., levels] int64."""

    def __init__(self, config: RvqConfig) -> None:
        super().__init__()
        self.config = config
        self.codes = nn.Parameter(
            torch.zeros(config.levels, config.codes, config.latent), requires_grad=False
        )

    def encode(self, latents: Tensor, levels: int | None = None) -> Tensor:
        """Tokens of the first `levels` levels (all of them if None)."""
        return self.split(latents, levels)[0]

    def split(self, latents: Tensor, levels: int | None = None) -> tuple[Tensor, Tensor]:
        """Tokens [..., levels], and what each level had to describe: the latents less the codes before it [..., levels, latent]."""
        rest, rests, tokens = latents, [], []
        for codes in self.codes[:levels]:
            token = nearest(rest, codes)
            rests.append(rest)
            tokens.append(token)
            rest = rest - codes[token]
        return torch.stack(tokens, dim=-1), torch.stack(rests, dim=-2)

    def decode(self, tokens: Tensor) -> Tensor:
        """Latents of the levels that are there, the first ones."""
        total = self.codes[0][tokens[..., 0]]
        for level in range(1, tokens.shape[-1]):
            total = total + self.codes[level][tokens[..., level]]
        return total

    def forward(self, latents: Tensor, levels: int | None = None) -> Tensor:
        """Latents as their tokens give them back."""
        return self.decode(self.encode(latents, levels))

    def init_state(self, _batch: int) -> tuple[()]:
        return ()

    def step(self, latent: Tensor, state: tuple[()], _active: Tensor) -> tuple[Tensor, tuple[()]]:
        """One frame [B, latent]; every row by itself, so idle ones need no care."""
        found: Tensor = self(latent)
        return found, state

    def bits_per_s(self, levels: int, frames_per_s: float) -> float:
        return levels * math.log2(self.config.codes) * frames_per_s


def nearest(points: Tensor, codes: Tensor) -> Tensor:
    """Index [...] of the code [K, D] nearest to each point [..., D]."""
    # |p - c|^2 less |p|^2, which is the same for all codes.
    return (codes.square().sum(-1) - 2 * points @ codes.t()).argmin(-1)
