# SPDX-License-Identifier: GPL-3.0-or-later
"""The levels of one frame, drawn one after the other from what the trunk knows: no level waits for a later frame.

A delay pattern would hold back levels - 1 frames of 40 ms. The codes of the levels that are drawn add up to a latent, and that
sum stands for them: a level needs no memory of its own of those before it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.codec.rvq import ResidualQuantiser
from lbmodels.streaming.noise import bits


class Frame(NamedTuple):
    """A drawn frame: tokens [B, levels] int64 and the sum of their codes [B, latent]."""

    tokens: Tensor
    latents: Tensor


class Depth(nn.Module):
    """What is known [..., features] and the codes so far -> logits of a level.

    They begin as those of a normal distribution of the latent around what the trunk expects: the nearer a code to what is
    left to say, the likelier, by the level's `trust` in what is expected and its `surety`. What is learned beside it makes the
    distribution any other.
    """

    def __init__(self, features: int, hidden: int, latent: int, levels: int, codes: int) -> None:
        super().__init__()
        self.expect = nn.Linear(features, latent)
        self.know = nn.Linear(features, hidden)
        self.said = nn.Linear(latent, hidden, bias=False)
        self.level = nn.Embedding(levels, hidden)
        self.think = nn.Sequential(
            nn.RMSNorm(hidden), nn.Linear(hidden, 2 * hidden), nn.SiLU(), nn.Linear(2 * hidden, hidden)
        )
        self.turn = nn.Linear(hidden, latent)
        self.trust = nn.Parameter(torch.ones(levels))
        self.surety = nn.Parameter(torch.zeros(levels))  # the logarithm of one over a variance
        self.heads = nn.ModuleList(nn.Linear(hidden, codes) for _ in range(levels))
        for layer in (self.turn, *self.heads):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def logits(self, h: Tensor, said: Tensor, level: int, codes: Tensor) -> Tensor:
        """Logits [..., codes] of a level whose code vectors are `codes` [codes, latent], after codes that sum up to `said`."""
        x = self.know(h) + self.said(said) + self.level.weight[level]
        x = x + self.think(x)
        left = self.trust[level] * (self.expect(h) - said) + self.turn(x)
        near = left @ codes.t() - codes.square().sum(-1) / 2
        found: Tensor = self.surety[level].exp() * near + self.heads[level](x)
        return found

    def draw(
        self,
        h: Tensor,
        quantiser: ResidualQuantiser,
        levels: int,
        seed: Tensor,
        place: Tensor,
        heat: Tensor,
        top: int,
    ) -> Frame:
        """A frame of what is known [B, features], by seed and place [B] int64: the same whoever else plays.

        heat: temperature [B]; 0 takes the likeliest codes. top: how many codes of each level can be drawn at all.
        """
        draw = (bits(seed, place, levels).float() + 0.5) / 2**32
        said, tokens = torch.zeros_like(self.expect(h)), []
        for level in range(levels):
            codes = quantiser.codes[level]
            most, which = self.logits(h, said, level, codes).topk(top)  # the likeliest first
            chances = (most / heat.clamp(min=1e-3).unsqueeze(-1)).softmax(-1).cumsum(-1)
            chosen = (chances < draw[:, level : level + 1]).sum(-1, keepdim=True).clamp(max=top - 1)
            token = which.gather(-1, chosen).squeeze(-1)
            tokens.append(token)
            said = said + F.embedding(token, codes)
        return Frame(torch.stack(tokens, dim=-1), said)
