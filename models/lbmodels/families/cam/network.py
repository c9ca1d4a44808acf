# SPDX-License-Identifier: GPL-3.0-or-later
"""A continuation whose frames are latents, drawn by a flow."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from lbmodels.errors import LiveBandModelError
from lbmodels.families.cam.flow import Flow
from lbmodels.families.codec_lm.continuation import Continuation, ContinuationPlayer
from lbmodels.families.liveband.generator import GeneratorConfig


@dataclass(frozen=True, kw_only=True)
class CamConfig:
    """Sizes; `hearing` are those of the part that is LiveBand's.

    The flow has `layers` of `hidden` features and takes `flow_steps` of Heun from noise of spread `heat` (where the variation is 1)
    to a frame, `chunk` of which are drawn a step. `past_noise` is laid over what it hears of its own past, and told to it.
    """

    hearing: GeneratorConfig = field(default_factory=lambda: GeneratorConfig(window=160))
    hidden: int = 384
    layers: int = 3
    flow_steps: int = 3
    chunk: int = 1
    heat: float = 1.0
    past_noise: float = 0.5


class Cam(Continuation):
    """Ears, trunk and flow."""

    def __init__(self, config: CamConfig) -> None:
        super().__init__(config.hearing)
        for name, least in (("hidden", 1), ("layers", 1), ("flow_steps", 1), ("chunk", 1)):
            if getattr(config, name) < least:
                raise LiveBandModelError(f"{name} is {least} or more, got {getattr(config, name)}")
        self.config = config
        self.flow = Flow(self.knows, config.hidden, config.layers, config.hearing.latent)


class Player(ContinuationPlayer):
    """It alone."""

    def __init__(self, cam: Cam) -> None:
        super().__init__(cam, cam.config.chunk, past_noise=cam.config.past_noise)
        self.flow, self.config = cam.flow, cam.config

    def draw(self, known: Tensor, seed: Tensor, place: Tensor, variation: Tensor) -> Tensor:
        return self.flow.draw(known, seed, place, variation * self.config.heat, self.config.flow_steps)
