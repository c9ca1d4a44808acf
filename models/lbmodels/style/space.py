# SPDX-License-Identifier: GPL-3.0-or-later
"""The space: a small network for a description of ten seconds of sound, a vector for each concept, and code books for tokens.

All vectors have unit length. Trained so that a take lies near the phrases that are true of it (Radford 2021, with every
true phrase of a batch a positive: Khosla 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from lbmodels.codec.rvq import ResidualQuantiser, RvqConfig
from lbmodels.style import sound
from lbmodels.style.prompts import KIND, understood
from lbmodels.style.vocabulary import CONCEPTS


@dataclass(frozen=True, kw_only=True)
class StyleConfig:
    """Sizes. `concepts` names the rows of the table of words, so that a vocabulary that grows reads older weights."""

    width: int = 256
    latent: int = 64
    levels: int = 6
    codes: int = 64
    concepts: tuple[str, ...] = CONCEPTS
    temperature: float = 0.07


class StyleSpace(nn.Module):
    """Descriptions [B, DESCRIPTION] of sound and sets of concepts [B, concepts] -> unit vectors [B, latent]."""

    centre: Tensor
    spread: Tensor

    def __init__(self, config: StyleConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        # A description's numbers have scales of their own: they are taken as deviations from training's means.
        self.register_buffer("centre", torch.zeros(sound.DESCRIPTION))
        self.register_buffer("spread", torch.ones(sound.DESCRIPTION))
        self.narrow = nn.Sequential(
            nn.Linear(sound.DESCRIPTION, width), nn.GELU(), nn.LayerNorm(width), nn.Dropout(0.4),
            nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width), nn.Dropout(0.4),
            nn.Linear(width, config.latent),
        )  # fmt: skip
        self.words = nn.Parameter(torch.randn(len(config.concepts), config.latent) * config.latent**-0.5)
        self.log_temperature = nn.Parameter(torch.tensor(config.temperature).log())
        self.quantiser = ResidualQuantiser(
            RvqConfig(latent=config.latent, levels=config.levels, codes=config.codes)
        )

    def hear(self, descriptions: Tensor) -> Tensor:
        return F.normalize(self.narrow((descriptions - self.centre) / self.spread), dim=-1)

    def say(self, concepts: Tensor) -> Tensor:
        return F.normalize(concepts @ self.words, dim=-1)

    def forward(self, descriptions: Tensor, concepts: Tensor) -> Tensor:
        """Logits [B, B']: how near each description is to each phrase."""
        return self.hear(descriptions) @ self.say(concepts).T / self.log_temperature.exp()


def contrast(logits: Tensor, true: Tensor) -> Tensor:
    """Mean over both directions of -log of the share that true pairs [B, B'] have; what is true of nothing is left out."""

    def one(x: Tensor, positive: Tensor) -> Tensor:
        some = positive.any(-1)
        share = x.masked_fill(~positive, -torch.inf).logsumexp(-1)[some] - x.logsumexp(-1)[some]
        return -share.mean()

    return 0.5 * (one(logits, true) + one(logits.T, true.T))


def phrase(config: StyleConfig, concepts: Mapping[str, float]) -> Tensor:
    """Weights [concepts] of named ones."""
    row = torch.zeros(len(config.concepts))
    for name, weight in concepts.items():
        row[config.concepts.index(name)] = weight
    return row


@torch.no_grad()
def of_text(space: StyleSpace, text: str) -> Tensor:
    """The unit vector [latent] of a text.

    Raises:
        LiveBandModelError: words that are not known, named; or nothing that says anything.
    """
    return space.say(phrase(space.config, dict.fromkeys(understood(text, space.config.concepts), 1.0)))


@torch.no_grad()
def of_sound(space: StyleSpace, audio: NDArray[np.floating], sample_rate: int) -> Tensor:
    """The unit vector [latent] of a recording [N] or [N, channels]: the mean over its excerpts.

    Raises:
        LiveBandModelError: no samples, samples that are not finite, or silence throughout.
    """
    descriptions = torch.from_numpy(sound.describe(sound.heard(sound.sounding(audio, sample_rate))))
    return F.normalize(space.hear(descriptions).mean(0), dim=-1)


@torch.no_grad()
def tokens(space: StyleSpace, vector: Tensor, levels: int | None = None) -> Tensor:
    """Unit vectors [..., latent] -> style tokens [..., levels] int64, coarse first (all levels if None)."""
    return space.quantiser.encode(vector, levels)


def shipped() -> Path:
    """Weights that ship."""
    from lbmodels.weights.manifest import weights_folder

    return weights_folder() / "style" / "style.safetensors"


def load(path: Path) -> StyleSpace:
    """A space from its weights.

    Raises:
        LiveBandModelError: not there, damaged, of another kind or sizes.
    """
    from lbmodels.config import build
    from lbmodels.weights import modules

    config, tensors = modules.read_weights(path, KIND)
    space = modules.construct(
        lambda: StyleSpace(build(StyleConfig, config, "style space")), config, tensors, path.name
    )
    modules.fill(space, tensors, path.name)
    return space
