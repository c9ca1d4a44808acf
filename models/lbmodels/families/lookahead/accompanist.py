# SPDX-License-Identifier: GPL-3.0-or-later
"""The look-ahead accompanist: a chunk of the mix in, the stem's chunk out, as far ahead as it was asked to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lbmodels.codec.autoencoder import Codec, DecoderState, EncoderState
from lbmodels.conditioning.host import WIDTH, condition_features
from lbmodels.conditioning.table import columns as told_by_frame
from lbmodels.contract.conditions import HOST
from lbmodels.contract.spec import Spec
from lbmodels.errors import LiveBandModelError
from lbmodels.families.lookahead.diffusion import consistency, heun
from lbmodels.families.lookahead.network import Seen, WindowNetwork
from lbmodels.families.lookahead.quality import Tier, after_step, pace_of
from lbmodels.families.lookahead.window import Memory, Window, empty_memory, recall, remember, shifted
from lbmodels.streaming.noise import gaussian
from lbmodels.streaming.state import map_tensors, select

_MOST_DRAWS = 64
"""Draws of one window have positions of their own in the noise of a session."""


class LookaheadState(NamedTuple):
    """What one batch of sessions remembers.

    `cursor` [B] columns heard; `mix` [B, C, latent] the last of them; `told` [B, C, WIDTH] what was announced of the columns before
    `memory.end`.
    """

    seed: Tensor
    cursor: Tensor
    encoder: EncoderState
    mix: Tensor
    told: Tensor
    memory: Memory
    decoder: DecoderState


def fill(network: WindowNetwork, seen: Seen, tier: Tier, seed: Tensor, end: Tensor) -> Tensor:
    """Stem latents [B, C, latent] of windows that end at columns `end` [B]: known ones as they are, the others drawn.

    The noise of a column is a function of the session's seed, the column and the draw: the rows of a batch are independent.
    """
    columns, config = seen.mix.shape[1], network.config
    places = end[:, None] - columns + torch.arange(columns, device=end.device)
    count = 0

    def draw() -> Tensor:
        nonlocal count
        noise = gaussian(seed[:, None], places * _MOST_DRAWS + count, config.latent)
        count += 1
        return noise * config.sigma_data

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        return network.denoise(x, sigma, seen)

    known, schedule = seen.known.unsqueeze(-1), config.schedule()
    if config.student:
        sigmas = schedule.levels(tier.levels + 1)[: tier.levels]
        return consistency(denoise, sigmas, draw, known=known, source=seen.source, least=config.sigma_min)[0]
    return heun(denoise, schedule.levels(tier.levels), draw, known=known, source=seen.source)


class LookaheadAccompanist(nn.Module):
    """Mix columns [n k, (n + 1) k) in, stem columns [(n + 1) k + A, (n + 2) k + A) out; k of the window's step ratio.

    A is the condition `anticipation`, any number of columns so that A + k is at most half a window: A = w k for look-ahead w.
    `student` serves the tiers of few calls, `teacher` the others; one of them is enough.
    """

    def __init__(
        self,
        name: str,
        codec: Codec,
        *,
        teacher: WindowNetwork | None = None,
        student: WindowNetwork | None = None,
        window: Window | None = None,
        quality: str = "fast",
        weights_id: str = "",
    ) -> None:
        super().__init__()
        networks = [network for network in (student, teacher) if network is not None]
        if not networks:
            raise LiveBandModelError("a look-ahead model has a teacher or a student, or both")
        for network, is_student in ((student, True), (teacher, False)):
            if network is not None and network.config.student != is_student:
                raise LiveBandModelError("the teacher and the student are the wrong way round")
        config = networks[0].config
        if any(network.config.latent != codec.config.latent for network in networks):
            raise LiveBandModelError(
                f"codec has {codec.config.latent} latent channels, the window network {config.latent}: not a pair"
            )
        self.codec, self.teacher, self.student, self.config = codec, teacher, student, config
        self.pace = pace_of(quality)
        self.window = window or Window(ratio=0.125, look_ahead=1)
        self.new = self.window.new_columns(config.columns)
        self.spec = Spec(
            name=name,
            sample_rate=codec.config.sample_rate,
            channels=2,
            hop=codec.config.hop,
            chunk_frames=self.new,
            anticipation_frames=(0, max(0, config.columns // 2 - self.new)),
            stems=config.stems,
            controls=(),
            conditions=HOST,
            context_frames=config.columns,
            parameters=sum(p.numel() for p in self.parameters()),
            recipe="lookahead",
            weights_id=weights_id,
        )

    @property
    def tier(self) -> Tier:
        """How much work a step gets."""
        return self.pace.tier

    def keep_pace(self, took_s: float, budget_s: float) -> str:
        """Be told how long a step took of how long it may take; the tier that is used from now on, by name.

        Only who plays against a clock tells: offline the tier stays as wished.
        """
        self.pace = after_step(self.pace, took_s, budget_s)
        return self.tier.name

    def network_for(self, tier: Tier) -> WindowNetwork:
        """The network that a tier asks for, or the one that there is."""
        wanted = self.student if tier.student else self.teacher
        found = wanted or self.student or self.teacher
        assert found is not None
        return found

    def init_state(self, seeds: Sequence[int]) -> LookaheadState:
        """A fresh state, one row a seed."""
        batch, columns, latent = len(seeds), self.config.columns, self.config.latent
        device = next(self.parameters()).device
        return LookaheadState(
            torch.tensor(list(seeds), dtype=torch.int64, device=device),
            torch.zeros(batch, dtype=torch.int64, device=device),
            self.codec.encoder.init_state(batch),
            torch.zeros(batch, columns, latent, device=device),
            torch.zeros(batch, columns, WIDTH, device=device),
            empty_memory(batch, columns, latent, device),
            self.codec.decoder.init_state(batch),
        )

    def heard_beat(self, state: LookaheadState) -> Tensor:
        """It has no ear for the beat: -1, unknown, of each frame [B, k, 4]."""
        return torch.full((len(state.seed), self.new, 4), -1.0)

    @torch.no_grad()
    def step(
        self,
        mix: Tensor,
        conditions: Mapping[str, Tensor],
        state: LookaheadState,
        active: Tensor,
        tier: Tier | None = None,
    ) -> tuple[Tensor, LookaheadState]:
        """Mix [B, 2, k hop] -> stem [B, 2, k hop].

        conditions: of each frame of the chunk to be played, [B, k, width]. `tier`: how much work this step gets (default: the
        model's `tier`).
        """
        conditions = told_by_frame(conditions)
        new, tier = self.new, tier or self.tier
        heard, encoder = self._encode(mix, state.encoder, active)
        ring = torch.cat([state.mix[:, new:], heard], dim=1)
        ahead = conditions["anticipation"].reshape(len(mix), -1)[:, 0].round().to(torch.int64)
        cursor = state.cursor + new
        end = cursor + ahead + new
        told = self._announced(conditions, state, end)
        columns = torch.arange(self.config.columns, device=mix.device)
        source, known = recall(state.memory, end)
        is_heard = (columns < len(columns) - (ahead + new)[:, None]) & (
            columns >= len(columns) - end[:, None]
        )
        seen = Seen(
            shifted(ring, ahead + new),
            is_heard,
            source,
            known,
            told,
            conditions["stem"].reshape(len(mix), -1)[:, 0].long(),
        )
        filled = fill(self.network_for(tier), seen, tier, state.seed, end)
        audio, decoder = self._decode(filled[:, -new:], state.decoder, active)
        after = LookaheadState(state.seed, cursor, encoder, ring, told, remember(filled, end), decoder)
        return select(active, audio, torch.zeros_like(audio)), map_tensors(
            lambda fresh, old: select(active, fresh, old), after, state
        )

    def _encode(self, mix: Tensor, state: EncoderState, active: Tensor) -> tuple[Tensor, EncoderState]:
        latents = []
        for frame in mix.unflatten(-1, (self.new, -1)).unbind(2):
            latent, state = self.codec.encoder.step(frame, state, active)
            latents.append(latent)
        return torch.stack(latents, dim=1), state

    def _decode(self, latents: Tensor, state: DecoderState, active: Tensor) -> tuple[Tensor, DecoderState]:
        frames = []
        for latent in latents.unbind(1):
            frame, state = self.codec.decoder.step(latent, state, active)
            frames.append(frame)
        return torch.cat(frames, dim=-1), state

    def _announced(self, conditions: Mapping[str, Tensor], state: LookaheadState, end: Tensor) -> Tensor:
        """Features [B, C, WIDTH] of the window's columns: those of its last `new` are told now, the others were."""
        per_frame = {name: conditions[name] for name in HOST}
        ring = shifted(state.told, end - state.memory.end)
        return torch.cat([ring[:, : -self.new], condition_features(per_frame)], dim=1)
