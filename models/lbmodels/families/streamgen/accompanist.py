# SPDX-License-Identifier: GPL-3.0-or-later
"""StreamMusicGen in a stream: k blocks of the mix in, k blocks of the stem out, each with exact state.

Step n, n from 0, has heard input frames up to (n + 1) k - 1. It commits the language model's steps up to C, the largest
multiple of k that hears no later frame, draws k more from what was played alone (for k = 1 that is the published loop), and
decodes the frames that are complete with them. The delay pattern holds back levels - 1 frames and a frame's last sample is
the next block's first, hence A = k floor(-fv / k) - levels. A model whose A would be negative plays at A = 0, `late_frames`
late: its t_f leaves no time for the pattern.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lbmodels.conditioning.steering import TEMPERATURE
from lbmodels.contract.spec import Spec
from lbmodels.errors import LiveBandModelError
from lbmodels.families.streamgen.beats import REFERENCE_BPM
from lbmodels.families.streamgen.codec import CodecState, Dac
from lbmodels.families.streamgen.decoder import Decoder, sharpen
from lbmodels.families.streamgen.generation import with_filler
from lbmodels.families.streamgen.level import Level, LevelState
from lbmodels.families.streamgen.pattern import FIRST_CODE
from lbmodels.families.streamgen.trunk import Cache
from lbmodels.streaming.noise import gaussian
from lbmodels.streaming.state import map_tensors, select

INSTRUMENTS: Mapping[str, int] = {"drums": 15, "bass": 5, "piano": 1, "guitar": 4}
"""Tokens of the published classes that our stems are."""
TOP_K = 200
BEATS_A_BAR = 4
"""Of hosts that tell a bar's phase and no metre."""

CONTROLS = (TEMPERATURE,)


class StreamState(NamedTuple):
    """What a batch of sessions remembers.

    `calls` [B]: steps since the part began, which a change of stem starts anew; `drawn` [B, Q, window of steps]: the newest
    tokens, the last being of the newest step; `heard` [B, 2k, D]: the newest input frames; `held` [B]: the sample that goes
    first in the next block.
    """

    seed: Tensor
    stem: Tensor
    calls: Tensor
    level: LevelState
    encoder: CodecState
    heard: Tensor
    cache: Cache
    drawn: Tensor
    decoder: CodecState
    held: Tensor


class StreamgenAccompanist(nn.Module):
    """Mono blocks in and out. Special tokens are never drawn, since a stream cannot drop the frames that hold them."""

    def __init__(
        self, name: str, codec: Dac, decoder: Decoder, *, weights_id: str = "", recipe: str = ""
    ) -> None:
        super().__init__()
        config = decoder.config
        if config.input_dim != codec.config.latent_dim or config.levels > codec.config.levels:
            raise LiveBandModelError(f"{name}: its codec and its language model are not a pair")
        if config.future_visibility > 0:
            raise LiveBandModelError(
                f"{name} hears {config.future_visibility} frames of the future (t_f > 0): it can be played offline only"
            )
        self.codec, self.decoder, self.chunk = codec, decoder, config.chunk
        self.leveller = Level(codec.config.sample_rate, on=config.levelled)
        self.ahead = self.chunk * (-config.future_visibility // self.chunk)
        anticipation = self.ahead - config.levels
        self.late_frames = max(0, -anticipation)
        self.spec = Spec(
            name=name,
            sample_rate=codec.config.sample_rate,
            channels=1,
            hop=codec.config.hop,
            chunk_frames=self.chunk,
            anticipation_frames=(max(0, anticipation), max(0, anticipation)),
            stems=tuple(INSTRUMENTS),
            controls=CONTROLS,
            conditions=("beat_phase", "bar_phase", "tempo") if decoder.beats is not None else (),
            context_frames=config.trunk.window,
            parameters=sum(p.numel() for p in self.parameters()),
            recipe=recipe,
            weights_id=weights_id,
        )

    def init_state(self, seeds: Sequence[int]) -> StreamState:
        """A fresh state, one row a seed."""
        batch, config = len(seeds), self.decoder.config
        return StreamState(
            seed=torch.tensor(list(seeds), dtype=torch.int64),
            stem=torch.full((batch,), -1, dtype=torch.int64),
            calls=torch.zeros(batch, dtype=torch.int64),
            level=self.leveller.init_state(batch),
            encoder=self.codec.encoder.init_state(batch),
            heard=torch.zeros(batch, 2 * self.chunk, config.input_dim),
            cache=self.decoder.trunk.init_cache(batch, ahead=2 * self.chunk),
            drawn=torch.zeros(batch, config.levels, self.chunk + config.levels, dtype=torch.int64),
            decoder=self.codec.decoder.init_state(batch),
            held=torch.zeros(batch),
        )

    def heard_beat(self, state: StreamState) -> Tensor:
        """It tracks no beat: unknown [B, k, 4]."""
        return torch.full((state.seed.shape[0], self.chunk, 4), -1.0)

    @torch.no_grad()
    def step(
        self, mix: Tensor, conditions: Mapping[str, Tensor], state: StreamState, active: Tensor
    ) -> tuple[Tensor, StreamState]:
        """Mix [B, 1, k hop] -> stem [B, 1, k hop]; conditions [B, k] or [B, k, width] of the frames to be played."""
        hop, batch = self.spec.hop, mix.shape[0]
        stem = conditions["stem"].reshape(batch, -1)[:, 0].long()
        state = self._restarted(state, active & (stem != state.stem), stem)
        gain, level = self.leveller.step(mix[:, 0], state.level, active)
        frames, encoder = [], state.encoder
        for block in (mix[:, 0] * gain.unsqueeze(1)).split(hop, dim=1):
            latents, encoder = self.codec.encoder.step(block, encoder, active)
            frames.append(self.codec.embed(self.codec.quantise(latents, self.decoder.config.levels)))
        heard = torch.cat([state.heard[:, self.chunk :], torch.stack(frames, dim=1)], dim=1)
        heard = select(active, heard, state.heard)
        state = state._replace(encoder=encoder, level=level, heard=heard)
        # A part that begins writes all the way up to its anticipation first.
        target = (state.calls + 1) * self.chunk + self.ahead
        audio = mix.new_zeros(batch, self.chunk * hop)
        while bool((behind := active & (state.cache.steps <= target)).any()):
            audio, state = self._round(audio, conditions, state, behind)
        calls = torch.where(active, state.calls + 1, state.calls)
        return (audio / gain.unsqueeze(1)).unsqueeze(1), state._replace(calls=calls)

    def _restarted(self, state: StreamState, rows: Tensor, stem: Tensor) -> StreamState:
        """The state with the rows' parts to begin anew; what was heard stays heard."""
        if not bool(rows.any()):
            return state
        fresh = self.init_state([0] * len(rows))

        def anew(new: Tensor, old: Tensor) -> Tensor:
            return select(rows, new, old)

        return state._replace(
            stem=torch.where(rows, stem, state.stem),
            calls=anew(fresh.calls, state.calls),
            cache=map_tensors(anew, fresh.cache, state.cache),
            drawn=anew(fresh.drawn, state.drawn),
            decoder=map_tensors(anew, fresh.decoder, state.decoder),
            held=anew(fresh.held, state.held),
        )

    def _round(
        self, audio: Tensor, conditions: Mapping[str, Tensor], state: StreamState, rows: Tensor
    ) -> tuple[Tensor, StreamState]:
        """Commit what was drawn, with what was heard; draw k steps more; decode k frames. Of `rows` alone."""
        tokens = self._instruments(state.stem)
        begins = rows & (state.cache.steps == 0)
        hidden, cache = None, state.cache
        if bool(begins.any()):
            first = tokens.view(-1, 1, 1).expand(-1, self.decoder.config.levels, 1)
            hidden, cache = self._commit(first, cache, state, conditions, begins)
        goes_on = rows & ~begins
        if bool(goes_on.any()):
            more, cache = self._commit(state.drawn[..., -self.chunk :], cache, state, conditions, goes_on)
            hidden = more if hidden is None else select(begins, hidden[:, -1:], more[:, -1:])
        assert hidden is not None
        committed, drawn, logits = (
            cache.steps.clone(),
            state.drawn,
            self.decoder.logits(hidden[:, -1:])[:, :, 0],
        )
        for i in range(self.chunk):
            place = committed + i
            chosen = with_filler(self._draw(logits, conditions, state.seed, place), place, tokens)
            drawn = torch.cat([drawn[..., 1:], chosen.unsqueeze(2)], dim=2)
            if i + 1 < self.chunk:
                new = self.decoder.tentative(chosen.unsqueeze(2))
                condition = self._condition(place.unsqueeze(1), conditions, state)
                hidden, cache = self.decoder.trunk.extend(new, cache, rows, condition)
                logits = self.decoder.logits(hidden)[:, :, 0]
        cache = cache._replace(steps=committed)
        drawn = select(rows, drawn, state.drawn)
        stretch, decoder, held = self._decode(drawn, committed + self.chunk - 1, state, rows)
        audio = select(rows, stretch, audio)
        return audio, state._replace(cache=cache, drawn=drawn, decoder=decoder, held=held)

    def _instruments(self, stem: Tensor) -> Tensor:
        return torch.tensor(list(INSTRUMENTS.values()), device=stem.device)[stem.clamp(min=0)]

    def _commit(
        self,
        steps: Tensor,
        cache: Cache,
        state: StreamState,
        conditions: Mapping[str, Tensor],
        rows: Tensor,
    ) -> tuple[Tensor, Cache]:
        """Steps [B, Q, m] with their input frames into the cache."""
        place = cache.steps.unsqueeze(1) + torch.arange(steps.shape[2], device=steps.device)
        newest = (state.calls.unsqueeze(1) + 1) * self.chunk  # the frame after the last one heard
        frame = place - 1 + self.decoder.config.future_visibility
        index = (frame - newest + 2 * self.chunk).clamp(0, 2 * self.chunk - 1)
        heard = state.heard.gather(1, index.unsqueeze(2).expand(-1, -1, state.heard.shape[2]))
        nothing = self.decoder.nothing_yet
        assert nothing is not None
        pads = nothing[place.clamp(max=len(nothing) - 1)]
        heard = torch.where((frame < 0).unsqueeze(2), pads, heard)
        condition = self._condition(place, conditions, state)
        return self.decoder.trunk.extend(self.decoder.fuse(steps, heard), cache, rows, condition)

    def _draw(self, logits: Tensor, conditions: Mapping[str, Tensor], seed: Tensor, place: Tensor) -> Tensor:
        """Tokens [B, Q] by the seed and the step: the same whoever else plays, and however often it is asked."""
        heat = conditions["variation"].reshape(len(logits), -1)[:, 0].float().nan_to_num(1.0).view(-1, 1, 1)
        logits = logits.clone()
        logits[..., :FIRST_CODE] = -torch.inf
        chances = sharpen(logits / heat.clamp(min=1e-3), TOP_K, 1.0)
        draw = torch.special.ndtr(gaussian(seed, place, logits.shape[1])).unsqueeze(2)
        sampled = (chances.double().cumsum(-1) < draw).sum(-1).clamp(max=logits.shape[-1] - 1)
        impossible = chances.gather(-1, sampled.unsqueeze(-1)).squeeze(-1) <= 0
        likeliest = logits.argmax(-1)
        return torch.where(impossible | (heat.squeeze(2) < 1e-3), likeliest, sampled)

    def _decode(
        self, drawn: Tensor, newest: Tensor, state: StreamState, rows: Tensor
    ) -> tuple[Tensor, CodecState, Tensor]:
        """Samples [B, k hop] of the frames that are complete once step `newest` [B] is drawn."""
        levels, hop = self.decoder.config.levels, self.spec.hop
        decoder, raw = state.decoder, []
        width = drawn.shape[2]
        for i in range(self.chunk):
            back = self.chunk - 1 - i
            column = [width - 1 - back - (levels - 1 - q) for q in range(levels)]
            codes = torch.stack([drawn[:, q, column[q]] for q in range(levels)], dim=1) - FIRST_CODE
            there = newest - back - levels >= 0  # the frame's number
            latents = self.codec.embed(codes.clamp(min=0))
            block, decoder = self.codec.decoder.step(latents, decoder, rows & there)
            raw.append(torch.where(there.unsqueeze(1), block, 0.0))
        # Raw block t is the recording's samples hop (t - 1) + 1 to hop t: one sample after the block's grid.
        samples = torch.cat([state.held.unsqueeze(1), *raw], dim=1)
        return samples[:, : self.chunk * hop], decoder, select(rows, samples[:, -1], state.held)

    def _condition(
        self, place: Tensor, conditions: Mapping[str, Tensor], state: StreamState
    ) -> Tensor | None:
        """Where steps [B, m] stand in beat and bar, carried from what the host tells of the frames to be played."""
        if self.decoder.beats is None:
            return None
        batch = place.shape[0]
        beat, bar, bpm = (
            conditions[name].reshape(batch, -1)[:, :1].float()
            for name in ("beat_phase", "bar_phase", "tempo")
        )
        bpm = bpm.nan_to_num(REFERENCE_BPM).clamp(20.0, 400.0)
        first = (state.calls.unsqueeze(1) + 1) * self.chunk + self.spec.anticipation_frames[0]
        frame = (place - 1 + self.decoder.config.future_visibility).clamp(min=0)
        beats = (frame - first) * (bpm / 60 * self.spec.hop / self.spec.sample_rate)
        phase = torch.remainder(beat.nan_to_num(0.0) + beats, 1.0)
        in_bar = torch.remainder(bar.nan_to_num(0.0) + beats / BEATS_A_BAR, 1.0)
        turns = 2 * torch.pi * torch.stack([phase, in_bar], dim=-1)
        tempo = (bpm / REFERENCE_BPM).log().expand_as(phase)
        zero = torch.zeros_like(phase)
        numbers = torch.stack(
            [
                turns[..., 0].sin(),
                turns[..., 0].cos(),
                turns[..., 1].sin(),
                turns[..., 1].cos(),
                tempo,
                tempo,
                zero,
                zero,
            ],
            dim=-1,
        )
        metre = torch.full_like(place, BEATS_A_BAR)
        condition: Tensor = self.decoder.beats(numbers, metre, metre)
        return condition
