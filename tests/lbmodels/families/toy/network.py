# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens in, tokens out: four frames a step, each level of each frame by its own head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lbmodels.band import Answer, Heard
from lbmodels.codec.rvq import ResidualQuantiser
from lbmodels.conditioning.host import WIDTH, condition_features
from lbmodels.contract.spec import Control
from lbmodels.contract.stems import STEMS
from lbmodels.streaming.noise import gaussian
from lbmodels.streaming.transformer import CausalTransformer, TransformerState


@dataclass(frozen=True, kw_only=True)
class TokenConfig:
    """Sizes; `chunk` frames are written at once."""

    levels: int = 2
    codes: int = 16
    features: int = 32
    heads: int = 2
    depth: int = 2
    window: int = 16
    chunk: int = 4
    stems: tuple[str, ...] = STEMS


class TokenModel(nn.Module):
    """Tokens [B, F, levels] and conditions -> logits [B, F, levels, codes] of the chunk that comes next."""

    def __init__(self, config: TokenConfig) -> None:
        super().__init__()
        c = self.config = config
        self.embed = nn.ModuleList(nn.Embedding(c.codes, c.features) for _ in range(c.levels))
        self.know = nn.Linear(WIDTH, c.features)
        self.stem = nn.Embedding(len(c.stems), c.features)
        self.trunk = CausalTransformer(c.features, c.heads, c.depth, c.window, block=c.chunk)
        self.out = nn.Linear(c.features, c.levels * c.codes)

    def _input(self, tokens: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        x = self.know(condition_features(conditions)) + self.stem(conditions["stem"].long())
        for level, embed in enumerate(self.embed):
            x = x + embed(tokens[..., level])
        return x

    def _output(self, h: Tensor) -> Tensor:
        return self.out(h).unflatten(-1, (self.config.levels, self.config.codes))

    def forward(self, tokens: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        return self._output(self.trunk(self._input(tokens, conditions)))

    def step(
        self, tokens: Tensor, conditions: Mapping[str, Tensor], state: TransformerState, active: Tensor
    ) -> tuple[Tensor, TransformerState]:
        h, state = self.trunk.step(self._input(tokens, conditions), state, active)
        return self._output(h), state


class TokenPlayer(nn.Module):
    """A `lbmodels.band.Player` of a token model and the code books that it speaks in."""

    controls = (
        Control(name="variation", unit="", minimum=0, maximum=2, default=1, description="temperature"),
    )
    semitones, frame_rate, trim_db, causal, styled = 12, 100.0, (), True, False

    def __init__(self, rvq: ResidualQuantiser, model: TokenModel) -> None:
        super().__init__()
        self.rvq, self.model = rvq, model
        self.latent, self.stems = rvq.config.latent, model.config.stems
        self.chunk_frames = self.anticipation_step = model.config.chunk
        self.anticipation_frames = (0, 4 * model.config.chunk)
        self.context_frames = model.config.window

    def init_state(self, batch: int) -> TransformerState:
        return self.model.trunk.init_state(batch)

    def _drawn(self, logits: Tensor, first: Tensor, seed: Tensor, variation: Tensor) -> Answer:
        """The likeliest tokens of logits that noise has moved: a function of seed and frame."""
        places = first.unsqueeze(1) + torch.arange(logits.shape[1], device=logits.device)
        noise = gaussian(seed.unsqueeze(1).expand_as(places), places, logits[0, 0].numel())
        moved = logits + variation[..., None, None] * noise.view(logits.shape)
        return Answer(self.rvq.decode(moved.argmax(-1)), logits.new_zeros(logits.shape[0], 15))

    def play_chunk(
        self,
        heard: Heard,
        conditions: Mapping[str, Tensor],
        seed: Tensor,
        state: TransformerState,
        active: Tensor,
    ) -> tuple[Answer, TransformerState]:
        logits, after = self.model.step(self.rvq.encode(heard.latents), conditions, state, active)
        return self._drawn(logits, state.position, seed, conditions["variation"]), after

    def play_all(self, heard: Heard, conditions: Mapping[str, Tensor], seed: Tensor) -> Answer:
        logits = self.model(self.rvq.encode(heard.latents), conditions)
        return self._drawn(logits, torch.zeros_like(seed), seed, conditions["variation"])
