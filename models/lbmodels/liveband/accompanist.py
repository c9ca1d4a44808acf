# SPDX-License-Identifier: GPL-3.0-or-later
"""The LiveBand accompanist: encoder, generator and decoder as one streaming step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lbmodels.codec.autoencoder import Codec, DecoderState, EncoderState
from lbmodels.conditioning.table import columns, first_frame
from lbmodels.contract.conditions import HOST
from lbmodels.contract.spec import Control, Spec
from lbmodels.errors import LiveBandModelError
from lbmodels.listening.ahead import ahead_by
from lbmodels.listening.chordkeeper import Chordkeeper, ChordkeeperState
from lbmodels.listening.timekeeper import TEMPO_CONTROLS, Timekeeper, TimekeeperState, span_of
from lbmodels.liveband.conditions import condition_features
from lbmodels.liveband.generator import Generator, GeneratorState, Heard
from lbmodels.liveband.steering import STEERING_CONTROLS, Steer, steering_features
from lbmodels.streaming.preamp import Preamp, PreampState
from lbmodels.streaming.spectral import FrontState, SemitoneFrontEnd
from lbmodels.streaming.state import select

CONTROLS = (
    Control(
        name="variation",
        unit="",
        minimum=0.0,
        maximum=2.0,
        default=1.0,
        description="noise temperature: 0 plays the most expected part, above 1 takes more risks",
    ),
)

_MOST_TRIM_DB = 18.0


class SessionState(NamedTuple):
    """Everything one batch of sessions remembers. `guess` [B, 15]: beat sine and cosine, tempo, chord logits.

    `beat` [B, 4]: what the timekeeper knew of the frame played last, see `Timekeeper.ahead`.
    `level` [B]: what the stem of the last frame was multiplied by, to undo the preamp; 0 before the first sound.
    `timekeeper` and `chordkeeper` are empty where the model has none.
    """

    seed: Tensor
    preamp: PreampState
    level: Tensor
    encoder: EncoderState
    ear: FrontState
    generator: GeneratorState
    decoder: DecoderState
    guess: Tensor
    beat: Tensor
    timekeeper: TimekeeperState | tuple[()] = ()
    chordkeeper: ChordkeeperState | tuple[()] = ()


class LiveBandAccompanist(nn.Module):
    """Audio frame n of the mix in, audio frame n + 1 + A of the stem out.

    A soft mix is heard louder than it is, and its stem is as much softer: the band plays along with whoever plays softly.
    With a `timekeeper` it hears the beat that no host tells, with a `chordkeeper` the chord; what the host does tell
    always holds.
    """

    def __init__(
        self,
        name: str,
        codec: Codec,
        generator: Generator,
        timekeeper: Timekeeper | None = None,
        chordkeeper: Chordkeeper | None = None,
        *,
        weights_id: str = "",
        recipe: str = "",
    ) -> None:
        super().__init__()
        if codec.config.latent != generator.config.latent:
            raise LiveBandModelError(
                f"codec has {codec.config.latent} latent channels, generator {generator.config.latent}: not a pair"
            )
        if timekeeper is not None and (timekeeper.config.sample_rate, timekeeper.config.hop) != (
            codec.config.sample_rate,
            codec.config.hop,
        ):
            raise LiveBandModelError(
                f"codec has frames of {codec.config.hop} samples at {codec.config.sample_rate} Hz, the timekeeper "
                f"{timekeeper.config.hop} at {timekeeper.config.sample_rate}: not a pair"
            )
        if chordkeeper is not None and (chordkeeper.config.semitones, chordkeeper.config.frame_rate) != (
            generator.config.semitones,
            generator.config.frame_rate,
        ):
            raise LiveBandModelError(
                f"generator hears {generator.config.semitones} semitones {generator.config.frame_rate:g} times a second, "
                f"the chordkeeper {chordkeeper.config.semitones}, {chordkeeper.config.frame_rate:g}: not a pair"
            )
        self.codec, self.generator = codec, generator
        self.timekeeper, self.chordkeeper = timekeeper, chordkeeper
        trim_db = generator.config.trim_db
        if trim_db and (
            len(trim_db) != len(generator.config.stems) or max(map(abs, trim_db)) > _MOST_TRIM_DB
        ):
            raise LiveBandModelError(
                f"trim_db {trim_db}: accepted is one gain for each of {len(generator.config.stems)} stems, "
                f"-{_MOST_TRIM_DB:g} to {_MOST_TRIM_DB:g} dB"
            )
        self.register_buffer("gain", 10 ** (torch.tensor(trim_db) / 20), persistent=False)
        self.preamp = Preamp()
        hop = codec.config.hop
        self.register_buffer("along", torch.arange(1, hop + 1) / hop, persistent=False)
        self.ear = SemitoneFrontEnd(
            sample_rate=codec.config.sample_rate, hop=codec.config.hop, semitones=generator.config.semitones
        )
        self.spec = Spec(
            name=name,
            sample_rate=codec.config.sample_rate,
            channels=2,
            hop=codec.config.hop,
            chunk_frames=1,
            anticipation_frames=(0, generator.config.anticipation_max),
            stems=generator.config.stems,
            controls=(
                *CONTROLS,
                *(STEERING_CONTROLS if generator.config.steered else ()),
                *(TEMPO_CONTROLS if timekeeper is not None else ()),
            ),
            conditions=HOST if timekeeper is None else (*HOST, "tempo_scale"),
            context_frames=generator.config.window,
            parameters=sum(p.numel() for p in self.parameters()),
            recipe=recipe,
            weights_id=weights_id,
        )

    @property
    def causal(self) -> bool:
        """False for the bidirectional offline reference: only `forward` is of use then."""
        return self.generator.config.causal

    def init_state(self, seeds: Sequence[int]) -> SessionState:
        """A fresh state, one row a seed.

        Raises:
            LiveBandModelError: the model is a bidirectional reference, which has no stream.
        """
        if not self.generator.config.causal:
            raise LiveBandModelError(
                f"{self.spec.name} is a bidirectional reference: it cannot stream, only play offline"
            )
        batch = len(seeds)
        return SessionState(
            torch.tensor(list(seeds), dtype=torch.int64),
            self.preamp.init_state(batch),
            torch.zeros(batch),
            self.codec.encoder.init_state(batch),
            self.ear.init_state(batch),
            self.generator.init_state(batch),
            self.codec.decoder.init_state(batch),
            torch.zeros(batch, 15),
            torch.full((batch, 4), -1.0),
            () if self.timekeeper is None else self.timekeeper.init_state(batch),
            () if self.chordkeeper is None else self.chordkeeper.init_state(batch),
        )

    def _at_level(self, audio: Tensor, stem: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """Stem frames [B, ..., 2, hop], each at its stem's level and turned down by what the preamp turned the mix up.

        stem [B]; before, after [B, ...]: the level of the frame before and of this one, between which it glides.
        """
        trim = self.get_buffer("gain")
        if len(trim):
            audio = audio * trim[stem.long()].view(-1, *[1] * (audio.dim() - 1))
        start, end = before[..., None, None], after[..., None, None]
        return audio * (start + (end - start) * self.get_buffer("along"))

    def _steer(self, conditions: Mapping[str, Tensor]) -> Steer | None:
        return steering_features(conditions) if self.generator.config.steered else None

    def heard_beat(self, state: SessionState) -> Tensor:
        """What the timekeeper knows of the frame after the one played last: beat phase, bar phase, bpm [B, 1, 3],
        negative where it does not know.
        """
        ahead = ahead_by(state.beat.cpu().numpy(), self.spec.hop / self.spec.sample_rate)
        return torch.from_numpy(ahead).unsqueeze(1)

    @torch.no_grad()
    def step(
        self, mix: Tensor, conditions: Mapping[str, Tensor], state: SessionState, active: Tensor
    ) -> tuple[Tensor, SessionState]:
        """One frame.

        Args:
            mix: [B, 2, hop].
            conditions: of the frame to be played, each [B, 1, width]; `stem`, `anticipation`, `variation` and all of the
                host's, NaN where unknown. Of a steered model also its other controls; one that is absent or NaN is the
                model's own choice.
            state: consumed. active: bool [B].

        Returns:
            The stem's frame [B, 2, hop] and the next state.
        """
        conditions = first_frame(conditions)
        gain, preamp = self.preamp.step(mix, state.preamp, active)
        mix = mix * gain[:, None, None]
        timekeeper: TimekeeperState | tuple[()] = ()
        beat = state.beat
        if self.timekeeper is not None:
            assert isinstance(state.timekeeper, TimekeeperState)
            kept, timekeeper = self.timekeeper.step(
                mix, state.timekeeper, active, conditions["tempo"], span_of(conditions)
            )
            beat = self.timekeeper.ahead(kept, conditions["anticipation"])
            conditions = self.timekeeper.tell(kept, conditions, conditions["anticipation"])
        latents, encoder = self.codec.encoder.step(mix, state.encoder, active)
        semitones, ear = self.ear.step(mix, state.ear, active)
        chordkeeper: ChordkeeperState | tuple[()] = ()
        if self.chordkeeper is not None:
            assert isinstance(state.chordkeeper, ChordkeeperState)
            kept, chordkeeper = self.chordkeeper.step(semitones, state.chordkeeper, active)
            conditions = self.chordkeeper.tell(kept, conditions, conditions["anticipation"])
        played, generator = self.generator.step(
            Heard(latents, semitones),
            condition_features(conditions),
            conditions["stem"].long(),
            conditions["anticipation"].long(),
            state.seed,
            conditions["variation"].float(),
            state.generator,
            active,
            self._steer(conditions),
        )
        audio, decoder = self.codec.decoder.step(played.latents, state.decoder, active)
        # Nobody plays before the first sound, and then not louder than it.
        level = torch.where(preamp.frames >= 1, 1 / gain, 0.0)
        audio = self._at_level(audio, conditions["stem"], state.level, level)
        guess = torch.cat([played.beat, played.tempo.unsqueeze(-1), played.chord], dim=-1)
        guess = select(active, guess, state.guess)
        return audio, SessionState(
            seed=state.seed,
            preamp=preamp,
            level=select(active, level, state.level),
            encoder=encoder,
            ear=ear,
            generator=generator,
            decoder=decoder,
            guess=guess,
            beat=select(active, beat, state.beat),
            timekeeper=timekeeper,
            chordkeeper=chordkeeper,
        )

    @torch.no_grad()
    def forward(self, mix: Tensor, conditions: Mapping[str, Tensor], seeds: Sequence[int]) -> Tensor:
        """The parallel pass: mix [B, F, 2, hop] and conditions [B, F, width] (stem and anticipation constant in time)
        -> stem frames [B, F, 2, hop], frame n being the stem's n + 1 + A.
        """
        conditions = columns(conditions)
        gain = self.preamp(mix)
        level = torch.where(self.preamp.heard(mix), 1 / gain, 0.0)
        mix = mix * gain[..., None, None]
        if self.timekeeper is not None:
            kept = self.timekeeper(mix, conditions["tempo"], span_of(conditions))
            conditions = self.timekeeper.tell(kept, conditions, conditions["anticipation"])
        heard = Heard(self.codec.encoder(mix), self.ear(mix))
        if self.chordkeeper is not None:
            kept = self.chordkeeper(heard.semitones)
            conditions = self.chordkeeper.tell(kept, conditions, conditions["anticipation"])
        played = self.generator(
            heard,
            condition_features(conditions),
            conditions["stem"][:, 0].long(),
            conditions["anticipation"][:, 0].long(),
            torch.tensor(list(seeds), dtype=torch.int64),
            conditions["variation"][:, 0].float(),
            self._steer(conditions),
        )
        audio: Tensor = self.codec.decoder(played.latents)
        before = torch.cat([torch.zeros_like(level[:, :1]), level[:, :-1]], dim=1)
        return self._at_level(audio, conditions["stem"][:, 0], before, level)
