# SPDX-License-Identifier: GPL-3.0-or-later
"""A continuation whose frames are tokens: residual codes of its latents, level by level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from lbmodels.codec.rvq import ResidualQuantiser
from lbmodels.errors import LiveBandModelError
from lbmodels.families.codec_lm.continuation import Continuation, ContinuationPlayer
from lbmodels.families.codec_lm.depth import Depth
from lbmodels.families.liveband.generator import GeneratorConfig


@dataclass(frozen=True, kw_only=True)
class LmConfig:
    """Sizes; `hearing` are those of the part that is LiveBand's.

    `levels` of `codes` tokens are drawn a frame, `chunk` frames a step, each token of the `top_k` likeliest at a temperature of
    `heat` where the variation is 1.
    """

    hearing: GeneratorConfig = field(default_factory=lambda: GeneratorConfig(window=160))
    levels: int = 8
    codes: int = 1024
    hidden: int = 192
    chunk: int = 1
    top_k: int = 200
    heat: float = 1.0


class CodecLm(Continuation):
    """The network alone, which knows latents; tokens are its player's."""

    def __init__(self, config: LmConfig) -> None:
        super().__init__(config.hearing)
        if not 1 <= config.top_k <= config.codes:
            raise LiveBandModelError(f"top_k is 1 to {config.codes}, got {config.top_k}")
        self.config = config
        self.depth = Depth(self.knows, config.hidden, config.hearing.latent, config.levels, config.codes)


class Player(ContinuationPlayer):
    """The language model and the code books that it speaks in."""

    def __init__(self, lm: CodecLm, rvq: ResidualQuantiser) -> None:
        """Raises LiveBandModelError: they do not go together."""
        super().__init__(lm, lm.config.chunk)
        mine, codes = lm.config, rvq.config
        sizes = (mine.hearing.latent, mine.codes)
        if (codes.latent, codes.codes) != sizes or codes.levels < mine.levels:
            raise LiveBandModelError(
                f"the language model speaks {mine.levels} levels of {mine.codes} codes of {mine.hearing.latent} numbers, "
                f"the code books {codes.levels} of {codes.codes} of {codes.latent}: not a pair"
            )
        self.depth, self.rvq, self.config = lm.depth, rvq, mine

    def draw(self, known: Tensor, seed: Tensor, place: Tensor, asked: Mapping[str, Tensor]) -> Tensor:
        heat = asked["variation"].float() * self.config.heat
        return self.depth.draw(
            known, self.rvq, self.config.levels, seed, place, heat, self.config.top_k
        ).latents
