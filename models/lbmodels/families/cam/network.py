# SPDX-License-Identifier: GPL-3.0-or-later
"""A continuation whose frames are latents, drawn by a flow, each of the level that the arrangement chose for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lbmodels.band import Answer, Heard
from lbmodels.conditioning.steering import Steer
from lbmodels.errors import LiveBandModelError
from lbmodels.families.cam.arrangement import CLASSES, Arrangement, Arranger
from lbmodels.families.cam.flow import Flow
from lbmodels.families.codec_lm.continuation import Continuation, ContinuationPlayer, ContinuationState
from lbmodels.families.liveband.generator import GeneratorConfig

_LEVEL_GAIN = 10.0
"""An optimiser moves all weights by steps of one size: what a frame is to be like shall be learned before what may be guessed from its past."""
LEVEL = "level"
"""The condition that tells a frame's class of level, one-hot [..., CLASSES]."""


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


class FlowContinuation(Continuation):
    """One whose frames are drawn by a flow."""

    flow: Flow


class Cam(FlowContinuation):
    """Ears, trunk and flow. Besides what the host tells of a frame it is told the frame's class of level."""

    def __init__(self, config: CamConfig) -> None:
        super().__init__(config.hearing)
        for name, least in (("hidden", 1), ("layers", 1), ("flow_steps", 1), ("chunk", 1)):
            if getattr(config, name) < least:
                raise LiveBandModelError(f"{name} is {least} or more, got {getattr(config, name)}")
        self.config = config
        self.level = nn.Linear(CLASSES, config.hearing.features, bias=False)
        nn.init.zeros_(self.level.weight)
        self.flow = Flow(self.knows, config.hidden, config.layers, config.hearing.latent)

    @property
    def told(self) -> int:
        return super().told + CLASSES

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
        told, level = known.split([super().told, CLASSES], dim=-1)
        x: Tensor = super().embed(
            heard, tempogram, told, past, stem, ahead, steer
        ) + _LEVEL_GAIN * self.level(level)
        return x


class LatentPlayer(ContinuationPlayer):
    """The flow, where `LEVEL` of the conditions says the class of each frame's level."""

    def __init__(self, cam: Cam) -> None:
        super().__init__(cam, cam.config.chunk, past_noise=cam.config.past_noise)
        self.flow, self.config = cam.flow, cam.config

    def told(self, conditions: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([super().told(conditions), conditions[LEVEL]], dim=-1)

    def draw(self, known: Tensor, seed: Tensor, place: Tensor, asked: Mapping[str, Tensor]) -> Tensor:
        heat = asked["variation"].float() * self.config.heat
        return self.flow.draw(known, seed, place, heat, self.config.flow_steps)


class CamState(NamedTuple):
    """Of the chain of levels, and of what is made of them."""

    arrangement: ContinuationState
    latents: ContinuationState


class Player(nn.Module):
    """A `lbmodels.band.Player`: the arrangement chooses a chunk's levels, the flow draws its frames."""

    anticipation_step = 1
    causal = True

    def __init__(self, cam: Cam, arrangement: Arrangement) -> None:
        """Raises LiveBandModelError: they do not go together."""
        super().__init__()
        mine, other = cam.config.hearing, arrangement.config.hearing
        for name in ("latent", "semitones", "stems", "frame_rate", "anticipation_max"):
            if getattr(mine, name) != getattr(other, name):
                raise LiveBandModelError(
                    f"the arrangement has {name} {getattr(other, name)}, the flow {getattr(mine, name)}: not a pair"
                )
        self.latents, self.arranger = LatentPlayer(cam), Arranger(arrangement, cam.config.chunk)
        self.controls, self.chunk_frames = self.arranger.controls, cam.config.chunk
        self.latent, self.semitones = mine.latent, mine.semitones
        self.frame_rate, self.stems = mine.frame_rate, mine.stems
        self.anticipation_frames = (0, mine.anticipation_max)
        self.context_frames, self.trim_db = max(mine.window, other.window), mine.trim_db
        self.styled = mine.styled or other.styled

    def init_state(self, batch: int) -> CamState:
        return CamState(self.arranger.init_state(batch), self.latents.init_state(batch))

    def play_chunk(
        self,
        heard: Heard,
        conditions: Mapping[str, Tensor],
        seed: Tensor,
        state: CamState,
        active: Tensor,
    ) -> tuple[Answer, CamState]:
        """Choose the chunk's levels, then draw it; see `lbmodels.band.Player`."""
        level, arrangement = self.arranger.play_chunk(heard, conditions, seed, state.arrangement, active)
        told = {**conditions, LEVEL: level.latents}
        answer, latents = self.latents.play_chunk(heard, told, seed, state.latents, active)
        return answer, CamState(arrangement, latents)

    def play_all(self, heard: Heard, conditions: Mapping[str, Tensor], seed: Tensor) -> Answer:
        """All of the levels, then all of the frames: what was drawn is never heard by the arrangement."""
        level = self.arranger.play_all(heard, conditions, seed)
        return self.latents.play_all(heard, {**conditions, LEVEL: level.latents}, seed)
