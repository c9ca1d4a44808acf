# SPDX-License-Identifier: GPL-3.0-or-later
"""A continuation of what it played itself: what it hears is its own past, with whatever a player put into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lbmodels.conditioning import host
from lbmodels.conditioning.silent import SilentAtFirst
from lbmodels.conditioning.steering import STEERING_CONTROLS, TEMPERATURE, Steer
from lbmodels.errors import LiveBandModelError
from lbmodels.families.cam.flow import Flow
from lbmodels.families.cam.network import FlowContinuation
from lbmodels.families.codec_lm.continuation import ContinuationPlayer, ContinuationState
from lbmodels.families.liveband.generator import GeneratorConfig
from lbmodels.families.livemusic import wishes


@dataclass(frozen=True, kw_only=True)
class LiveMusicConfig:
    """Sizes, of the flow as in `lbmodels.families.cam.network.CamConfig`; a window of 250 frames is a past of 10 s."""

    hearing: GeneratorConfig = field(default_factory=lambda: GeneratorConfig(window=250, styled=True))
    hidden: int = 384
    layers: int = 3
    flow_steps: int = 3
    heat: float = 1.0
    past_noise: float = 0.5


class LiveMusic(FlowContinuation):
    """Ears, trunk and flow; the wishes come behind what is told."""

    def __init__(self, config: LiveMusicConfig) -> None:
        super().__init__(config.hearing)
        if not config.hearing.styled:
            raise LiveBandModelError("hearing.styled: a live stream takes a style")
        for name in ("hidden", "layers", "flow_steps"):
            if getattr(config, name) < 1:
                raise LiveBandModelError(f"{name} is 1 or more, got {getattr(config, name)}")
        self.config = config
        self.wish = SilentAtFirst(wishes.WIDTH, config.hearing.features)
        self.flow = Flow(self.knows, config.hidden, config.layers, config.hearing.latent)

    @property
    def told(self) -> int:
        return super().told + wishes.WIDTH

    def embed(
        self,
        heard: Tensor,
        tempogram: Tensor,
        known: Tensor,
        past: Tensor,
        stem: Tensor,
        ahead: Tensor,
        steer: Steer | None,
    ) -> Tensor:
        told, asked = known.split([super().told, wishes.WIDTH], dim=-1)
        x = super().embed(heard, tempogram, told, past, stem, ahead, steer)
        wish: Tensor = self.wish(asked)
        if steer is None:
            return x + wish
        styling = self.hearing.styling
        assert styling is not None
        asks = styling(told[..., host.WIDTH :]) + wish
        nothing = styling(torch.zeros_like(told[..., host.WIDTH :])) + self.wish(torch.zeros_like(asked))
        # Guidance: a step beyond what was learned, away from what is played when nothing is asked for.
        return x + wish + steer.bond * (asks - nothing)


class Player(ContinuationPlayer):
    """It plays on, whoever leads."""

    controls = (TEMPERATURE, *STEERING_CONTROLS)

    def __init__(self, network: LiveMusic) -> None:
        super().__init__(network, 1, past_noise=network.config.past_noise)
        self.flow, self.config = network.flow, network.config

    def told(self, conditions: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([super().told(conditions), wishes.wish_features(conditions)], dim=-1)

    def goes_on(self, stem: Tensor, state: ContinuationState) -> Tensor:
        del state
        return torch.ones_like(stem, dtype=torch.bool)

    def draw(self, known: Tensor, seed: Tensor, place: Tensor, asked: Mapping[str, Tensor]) -> Tensor:
        heat = asked["variation"].float() * self.config.heat
        return self.flow.draw(known, seed, place, heat, self.config.flow_steps)
