# SPDX-License-Identifier: GPL-3.0-or-later
"""The critic: does this stem, over this mix, under these conditions, sound like a band?

It sees whole sequences, both directions in time, and answers once per frame with a receptive field of
seconds. It only ever runs in training.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.band import Heard
from lbmodels.conditioning import host, steering
from lbmodels.conditioning.silent import SilentAtFirst
from lbmodels.families.liveband.generator import GeneratorConfig


@dataclass(frozen=True, kw_only=True)
class CriticConfig:
    """Sizes; one block a dilation."""

    features: int = 192
    kernel: int = 5
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32)


class _Block(nn.Module):
    """Dilated depthwise convolution over time, then an MLP, residual."""

    def __init__(self, features: int, kernel: int, dilation: int) -> None:
        super().__init__()
        pad = dilation * (kernel - 1) // 2
        self.conv = nn.Conv1d(features, features, kernel, padding=pad, dilation=dilation, groups=features)
        self.norm = nn.LayerNorm(features)
        self.widen = nn.Linear(features, 3 * features)
        self.narrow = nn.Linear(3 * features, features)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x.transpose(1, 2)).transpose(1, 2)
        narrowed: Tensor = self.narrow(F.gelu(self.widen(self.norm(y))))
        return x + narrowed


class Critic(nn.Module):
    """(mix, conditions, stem class, stem latents, steering) -> logits [B, F] and feature maps, one a block."""

    def __init__(self, config: CriticConfig, generator: GeneratorConfig) -> None:
        super().__init__()
        d = config.features
        self.context = nn.Linear(generator.latent + generator.semitones + host.WIDTH, d)
        self.stem_class = nn.Embedding(len(generator.stems), d)
        self.stem = nn.Linear(generator.latent, d)
        self.blocks = nn.ModuleList(_Block(d, config.kernel, dilation) for dilation in config.dilations)
        self.norm = nn.LayerNorm(d)
        self.out = nn.Linear(d, 1)
        self.steer = SilentAtFirst(steering.WIDTH, d) if generator.steered else None

    def forward(
        self, heard: Heard, known: Tensor, stem: Tensor, latents: Tensor, steer: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """All sequences aligned to the stem's own time: frame m of the mix beside frame m of the stem.

        `steer` [B, F, WIDTH], a `Steer`'s ranks, is what the player was told: one that does not do it is found out.
        """
        context = self.context(torch.cat([*heard, known], dim=-1)) + self.stem_class(stem).unsqueeze(1)
        if self.steer is not None and steer is not None:
            context = context + self.steer(steer)
        x = context + self.stem(latents)
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return self.out(self.norm(x)).squeeze(-1), maps
