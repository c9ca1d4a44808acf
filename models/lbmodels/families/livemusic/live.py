# SPDX-License-Identifier: GPL-3.0-or-later
"""An endless stream: it hears what it played itself, with the player's sound mixed in before it is encoded, and plays on.

Step n hears its own output frame n and what the player played to it, and plays output frame n + 1 + A. The player's sound is
never passed on: the model may repeat it, answer it or let it be (Lyria Team 2025, section 4.2 and appendix E).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lbmodels.band import Heard
from lbmodels.codec.autoencoder import Codec, DecoderState, EncoderState, to_frames
from lbmodels.conditioning.table import columns
from lbmodels.contract.conditions import HOST, WIDTHS
from lbmodels.contract.spec import Spec
from lbmodels.contract.streams import INJECTION_MODES, LONGEST_LATENCY_S, LONGEST_LOOP_S, Injection
from lbmodels.errors import LiveBandModelError
from lbmodels.families.codec_lm.continuation import ContinuationState
from lbmodels.families.livemusic.network import LiveMusic, Player
from lbmodels.streaming.spectral import FrontState, SemitoneFrontEnd
from lbmodels.streaming.state import select

MOST_AHEAD_FRAMES = 5
OFF, FREE, LOOPER = range(len(INJECTION_MODES))
_QUIET = 10 ** (-60 / 20)
"""Peak of a frame in which the player is taken to have stopped."""


class Tape(NamedTuple):
    """The newest samples of a stream, [B, 2, N]: that of position p is at p modulo N."""

    samples: Tensor

    def read(self, start: Tensor, count: int) -> Tensor:
        """[B, 2, count] from positions `start` [B] on; silence before position 0."""
        places = start.unsqueeze(1) + torch.arange(count, device=start.device)
        index = (places % self.samples.shape[2]).unsqueeze(1).expand(-1, 2, -1)
        found = self.samples.gather(2, index).float()
        return torch.where((places >= 0).unsqueeze(1), found, 0.0)

    def write(self, start: Tensor, samples: Tensor, active: Tensor) -> None:
        """In place, in active rows."""
        places = start.unsqueeze(1) + torch.arange(samples.shape[2], device=start.device)
        index = (places % self.samples.shape[2]).unsqueeze(1).expand(-1, 2, -1)
        before = self.samples.gather(2, index)
        self.samples.scatter_(2, index, select(active, samples.to(before.dtype), before))


class LiveMusicState(NamedTuple):
    """What a batch of streams remembers. `own` and `player`: what it played and what was played to it, which a looper plays on where
    the player stops; `guess` [B, 15]: see `lbmodels.band.Answer`.
    """

    seed: Tensor
    own: Tape
    player: Tape
    encoder: EncoderState
    ear: FrontState
    generator: ContinuationState
    decoder: DecoderState
    guess: Tensor


class _Injected(NamedTuple):
    """How the player gets into the past, each [B]; times in samples."""

    mode: Tensor
    gain: Tensor
    loop: Tensor
    latency: Tensor
    gap: Tensor


class LiveMusicBand(nn.Module):
    """Audio of a player in, a whole band out, whether anybody plays or not."""

    def __init__(
        self, name: str, codec: Codec, network: LiveMusic, *, weights_id: str = "", recipe: str = ""
    ) -> None:
        """Raises LiveBandModelError: the parts do not go together."""
        super().__init__()
        player, sizes = Player(network), codec.config
        if sizes.latent != player.latent:
            raise LiveBandModelError(
                f"codec has {sizes.latent} latent channels, the network {player.latent}: not a pair"
            )
        self.codec, self.generator = codec, player
        self.ear = SemitoneFrontEnd(sample_rate=sizes.sample_rate, hop=sizes.hop, semitones=player.semitones)
        ahead = min(MOST_AHEAD_FRAMES, network.hearing.config.anticipation_max)
        self.spec = Spec(
            name=name,
            sample_rate=sizes.sample_rate,
            channels=2,
            hop=sizes.hop,
            chunk_frames=1,
            anticipation_frames=(0, ahead),
            stems=player.stems,
            controls=player.controls,
            conditions=(*HOST, "style", "classes", "injection"),
            context_frames=player.context_frames,
            parameters=sum(p.numel() for p in self.parameters()),
            recipe=recipe,
            weights_id=weights_id,
        )

    def init_state(self, seeds: Sequence[int]) -> LiveMusicState:
        """Nothing played, nothing heard; one row a seed."""
        batch, rate, hop = len(seeds), self.spec.sample_rate, self.spec.hop
        device = next(self.parameters()).device
        own = (self.spec.anticipation_frames[1] + 2) * hop + round(LONGEST_LATENCY_S * rate)
        kept = round((LONGEST_LOOP_S + LONGEST_LATENCY_S) * rate) + hop
        return LiveMusicState(
            torch.tensor(list(seeds), dtype=torch.int64, device=device),
            Tape(torch.zeros(batch, 2, own, device=device)),
            # Half precision is beyond what the ear of the model tells apart.
            Tape(torch.zeros(batch, 2, kept, dtype=torch.float16, device=device)),
            self.codec.encoder.init_state(batch),
            self.ear.init_state(batch),
            self.generator.init_state(batch),
            self.codec.decoder.init_state(batch),
            torch.zeros(batch, 15, device=device),
        )

    def injection(self, asked: Tensor | None, like: Tensor) -> _Injected:
        """Of the condition [B, 5], NaN or None for the usual; `like` [B]."""
        usual = torch.tensor(Injection().numbers(torch.nan), device=like.device)
        told = usual.expand(len(like), -1) if asked is None else torch.where(asked.isnan(), usual, asked)
        mode, gain, loop, latency, gap = told.unbind(-1)

        def samples(seconds: Tensor, least: int, most_s: float) -> Tensor:
            return (
                (seconds * self.spec.sample_rate)
                .round()
                .long()
                .clamp(least, round(most_s * self.spec.sample_rate))
            )

        return _Injected(
            mode.round(),
            gain.clamp(0, 4),
            samples(loop, self.spec.hop, LONGEST_LOOP_S),
            samples(latency, 0, LONGEST_LATENCY_S),
            samples(gap, 0, LONGEST_LATENCY_S),
        )

    @torch.no_grad()
    def step(
        self,
        mix: Tensor,
        conditions: Mapping[str, Tensor],
        state: LiveMusicState,
        active: Tensor,
        given: Tensor | None = None,
    ) -> tuple[Tensor, LiveMusicState]:
        """A frame of the player [B, 2, hop] in, a frame of the band [B, 2, hop] out.

        conditions: see `lbmodels.band.Band.step`. state: consumed. given: latents [B, latent] that are played in place of the model's
        choice, for `prefill`.
        """
        hop = self.spec.hop
        told = columns(conditions)
        here = state.generator.trunk.position * hop
        how = self.injection(None if "injection" not in told else told["injection"][:, 0], state.seed)
        again = (how.mode == LOOPER) & (mix.abs().amax((1, 2)) < _QUIET)
        state.player.write(here, select(again, state.player.read(here - how.loop, hop), mix), active)
        past = state.own.read(here - how.latency, hop) + self._injected(state.player, here, how)
        frame = past.clamp(-1.0, 1.0)
        latents, encoder = self.codec.encoder.step(frame, state.encoder, active)
        tones, ear = self.ear.step(frame, state.ear, active)
        answer, generator = self.generator.play_chunk(
            Heard(latents.unsqueeze(1), tones.unsqueeze(1)), told, state.seed, state.generator, active
        )
        drawn = answer.latents[:, 0]
        if given is not None:
            drawn = given
            generator = generator._replace(drawn=select(active, given.unsqueeze(1), state.generator.drawn))
        audio, decoder = self.codec.decoder.step(drawn, state.decoder, active)
        state.own.write(here + hop * (1 + told["anticipation"][:, 0].long()), audio, active)
        return audio, state._replace(
            encoder=encoder,
            ear=ear,
            generator=generator,
            decoder=decoder,
            guess=select(active, answer.guess, state.guess),
        )

    def _injected(self, player: Tape, here: Tensor, how: _Injected) -> Tensor:
        """What of the player goes under the frame at `here` [B]: as it comes, or as it was a loop ago."""
        back = how.gap + torch.where(how.mode == LOOPER, how.loop, 0)
        gain = torch.where(how.mode == OFF, 0.0, how.gain)
        return gain.view(-1, 1, 1) * player.read(here - back, self.spec.hop)

    @torch.no_grad()
    def prefill(
        self, audio: Tensor, conditions: Mapping[str, Tensor], state: LiveMusicState
    ) -> LiveMusicState:
        """As if the streams had played `audio` [B, 2, N] under `conditions` [B, 1, width]: they go on from there.

        Raises LiveBandModelError: less than a frame of audio, or samples that are not finite.
        """
        hop, delay = self.spec.hop, self.codec.delay_samples
        if audio.shape[-1] < hop or not bool(audio.isfinite().all()):
            raise LiveBandModelError("prefill: accepted is a frame of audio or more, all of it finite")
        early = torch.nn.functional.pad(audio[..., delay:], (0, delay))
        active = torch.ones(len(audio), dtype=torch.bool, device=audio.device)
        silence = audio.new_zeros(len(audio), 2, hop)
        for latents in self.codec.encoder(to_frames(early, hop)).unbind(1):
            _, state = self.step(silence, conditions, state, active, latents)
        return state


def unasked(rows: int, **known: Any) -> dict[str, Tensor]:
    """Conditions [rows, 1, width] where only `known` is known, by name, each a number or a tensor [width]."""
    always = {"stem": 0.0, "anticipation": 1.0, "variation": 1.0}
    return {
        name: torch.as_tensor((always | known).get(name, torch.nan), dtype=torch.float32)
        .expand(rows, 1, width)
        .clone()
        for name, width in WIDTHS.items()
    }
