# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell that every family of latents plays in: input level, encode, listen, the family's step, decode, output level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lbmodels.codec.autoencoder import Codec, DecoderState, EncoderState
from lbmodels.conditioning.table import columns
from lbmodels.contract.conditions import HOST
from lbmodels.contract.spec import Control, Spec
from lbmodels.contract.stems import STEMS
from lbmodels.errors import LiveBandModelError
from lbmodels.listening.ahead import ahead_by
from lbmodels.listening.beat_tracker import TEMPO_CONTROLS, BeatTracker, BeatTrackerState, span_of
from lbmodels.listening.chord_tracker import ChordTracker, ChordTrackerState
from lbmodels.listening.chords import heard_in
from lbmodels.streaming.input_level import InputLevel, InputLevelState
from lbmodels.streaming.spectral import FrontState, SemitoneFrontEnd
from lbmodels.streaming.state import select

_MOST_TRIM_DB = 18.0


class Heard(NamedTuple):
    """One frame, or a sequence, of the mix: latents [..., latent] and semitone energies [..., semitones]."""

    latents: Tensor
    semitones: Tensor


@dataclass(frozen=True, kw_only=True)
class PlayerConfig:
    """Sizes that every family's player has: what it hears and plays, and how wide and deep it is."""

    latent: int = 64
    semitones: int = 66
    stems: tuple[str, ...] = STEMS
    frame_rate: float = 25.0
    features: int = 256
    heads: int = 4
    depth: int = 6


class Answer(NamedTuple):
    """Stem latents [B, F, latent] of a family's player, and what it guesses of the last of these frames [B, 15]: beat sine
    and cosine, tempo, chord logits; of a player that guesses nothing zeros.
    """

    latents: Tensor
    guess: Tensor


class Player(Protocol):
    """A family's network as the shell sees it: what was heard in, stem latents out. An nn.Module."""

    @property
    def latent(self) -> int:
        """Channels of the latents it hears and plays."""
        ...

    @property
    def semitones(self) -> int:
        """Semitones that it hears."""
        ...

    @property
    def frame_rate(self) -> float:
        """Frames in a second."""
        ...

    @property
    def stems(self) -> tuple[str, ...]: ...

    @property
    def controls(self) -> tuple[Control, ...]: ...

    @property
    def chunk_frames(self) -> int: ...

    @property
    def anticipation_frames(self) -> tuple[int, int]: ...

    @property
    def anticipation_step(self) -> int: ...

    @property
    def context_frames(self) -> int: ...

    @property
    def trim_db(self) -> tuple[float, ...]:
        """Make-up gain of each stem; empty for none."""
        ...

    @property
    def styled(self) -> bool:
        """Whether it takes the condition `style`."""
        ...

    @property
    def causal(self) -> bool:
        """False for an offline reference: only `play_all` is of use then."""
        ...

    def init_state(self, batch: int) -> Any: ...

    def play_chunk(
        self, heard: Heard, conditions: Mapping[str, Tensor], seed: Tensor, state: Any, active: Tensor
    ) -> tuple[Answer, Any]:
        """A chunk: heard [B, k, ...], conditions of the k frames to be played [B, k] (chord [B, k, 12]), seed [B]."""
        ...

    def play_all(self, heard: Heard, conditions: Mapping[str, Tensor], seed: Tensor) -> Answer:
        """The parallel pass over whole chunks: heard and conditions [B, F, ...]."""
        ...


class SessionState(NamedTuple):
    """Everything one batch of sessions remembers. `guess` [B, 15]: see `Answer`.

    `beat` [B, 4]: what the beat tracker knew of the frame played last, see `BeatTracker.ahead`.
    `level` [B]: what the stem of the last frame was multiplied by, to undo the gain of the input level; 0 before the first sound.
    `beat_tracker` and `chord_tracker` are empty where the model has none.
    """

    seed: Tensor
    input_level: InputLevelState
    level: Tensor
    encoder: EncoderState
    ear: FrontState
    generator: Any
    decoder: DecoderState
    guess: Tensor
    beat: Tensor
    beat_tracker: BeatTrackerState | tuple[()] = ()
    chord_tracker: ChordTrackerState | tuple[()] = ()


def _together(frames: Sequence[Tensor]) -> Tensor:
    """Frames [B, ...] as [B, F, ...]."""
    return frames[0].unsqueeze(1) if len(frames) == 1 else torch.stack(list(frames), dim=1)


class Band(nn.Module):
    """Audio of the mix in, audio of the stem out: mix frames [n*k, (n+1)*k) give stem frames [(n+1)*k + A, (n+2)*k + A).

    A soft mix is heard louder than it is, and its stem is as much softer: the band plays along with whoever plays softly.
    With a `beat_tracker` it hears the beat that no host tells, with a `chord_tracker` the chord; what the host does tell
    always holds.
    """

    def __init__(
        self,
        name: str,
        codec: Codec,
        generator: Any,
        beat_tracker: BeatTracker | None = None,
        chord_tracker: ChordTracker | None = None,
        *,
        weights_id: str = "",
        recipe: str = "",
    ) -> None:
        """`generator` is a `Player`. Raises LiveBandModelError: the parts do not go together."""
        super().__init__()
        player: Player = generator
        sizes = codec.config
        if sizes.latent != player.latent:
            raise LiveBandModelError(
                f"codec has {sizes.latent} latent channels, generator {player.latent}: not a pair"
            )
        if beat_tracker is not None and (beat_tracker.config.sample_rate, beat_tracker.config.hop) != (
            sizes.sample_rate,
            sizes.hop,
        ):
            raise LiveBandModelError(
                f"codec has frames of {sizes.hop} samples at {sizes.sample_rate} Hz, the beat tracker "
                f"{beat_tracker.config.hop} at {beat_tracker.config.sample_rate}: not a pair"
            )
        if chord_tracker is not None and (
            chord_tracker.config.semitones,
            chord_tracker.config.frame_rate,
        ) != (
            player.semitones,
            player.frame_rate,
        ):
            raise LiveBandModelError(
                f"generator hears {player.semitones} semitones {player.frame_rate:g} times a second, "
                f"the chord tracker {chord_tracker.config.semitones}, {chord_tracker.config.frame_rate:g}: not a pair"
            )
        if player.trim_db and (
            len(player.trim_db) != len(player.stems) or max(map(abs, player.trim_db)) > _MOST_TRIM_DB
        ):
            raise LiveBandModelError(
                f"trim_db {player.trim_db}: accepted is one gain for each of {len(player.stems)} stems, "
                f"-{_MOST_TRIM_DB:g} to {_MOST_TRIM_DB:g} dB"
            )
        self.codec, self.generator = codec, generator
        self.beat_tracker, self.chord_tracker = beat_tracker, chord_tracker
        self.register_buffer("gain", 10 ** (torch.tensor(player.trim_db) / 20), persistent=False)
        # The beat tracker may hear the codec's spectra: those of the mean are the mean of the spectra.
        self._one_transform = beat_tracker is not None and beat_tracker.front.stft.like(codec.encoder.front)
        self.input_level = InputLevel()
        self.register_buffer("along", torch.arange(1, sizes.hop + 1) / sizes.hop, persistent=False)
        self.ear = SemitoneFrontEnd(sample_rate=sizes.sample_rate, hop=sizes.hop, semitones=player.semitones)
        self.spec = Spec(
            name=name,
            sample_rate=sizes.sample_rate,
            channels=2,
            hop=sizes.hop,
            chunk_frames=player.chunk_frames,
            anticipation_frames=player.anticipation_frames,
            anticipation_step=player.anticipation_step,
            stems=player.stems,
            controls=(*player.controls, *(TEMPO_CONTROLS if beat_tracker is not None else ())),
            conditions=(
                *HOST,
                *(("tempo_scale",) if beat_tracker is not None else ()),
                *(("style",) if player.styled else ()),
            ),
            context_frames=player.context_frames,
            parameters=sum(p.numel() for p in self.parameters()),
            recipe=recipe,
            weights_id=weights_id,
        )

    @property
    def causal(self) -> bool:
        """False for the bidirectional offline reference: only `forward` is of use then."""
        return bool(self.generator.causal)

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self.get_buffer("along").device

    def init_state(self, seeds: Sequence[int]) -> SessionState:
        """A fresh state, one row a seed, on the model's device.

        Raises:
            LiveBandModelError: the model is a bidirectional reference, which has no stream.
        """
        if not self.causal:
            raise LiveBandModelError(
                f"{self.spec.name} is a bidirectional reference: it cannot stream, only play offline"
            )
        batch, device = len(seeds), self.device
        return SessionState(
            torch.tensor(list(seeds), dtype=torch.int64, device=device),
            self.input_level.init_state(batch, device),
            torch.zeros(batch, device=device),
            self.codec.encoder.init_state(batch),
            self.ear.init_state(batch),
            self.generator.init_state(batch),
            self.codec.decoder.init_state(batch),
            torch.zeros(batch, 15, device=device),
            torch.full((batch, 4), -1.0, device=device),
            () if self.beat_tracker is None else self.beat_tracker.init_state(batch),
            () if self.chord_tracker is None else self.chord_tracker.init_state(batch),
        )

    def _at_level(self, audio: Tensor, stem: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """Stem frames [B, ..., 2, hop], each at its stem's level and turned down by as much as the mix was turned up.

        stem [B]; before, after [B, ...]: the level of the frame before and of this one, between which it glides.
        """
        trim = self.get_buffer("gain")
        if len(trim):
            audio = audio * trim[stem.long()].view(-1, *[1] * (audio.dim() - 1))
        start, end = before[..., None, None], after[..., None, None]
        return audio * (start + (end - start) * self.get_buffer("along"))

    def heard_beat(self, state: SessionState) -> Tensor:
        """What the beat tracker knows of the frames after the one played last: beat phase, bar phase, bpm, metre [B, k, 4],
        negative where it does not know.
        """
        frame_s = self.spec.hop / self.spec.sample_rate
        return torch.from_numpy(ahead_by(state.beat.cpu().numpy(), frame_s, self.spec.chunk_frames))

    def heard_chord(self, state: SessionState) -> NDArray[np.float64]:
        """What the chord tracker hears: tones of the chord and its lowest [B, 13], NaN where it is sure of none."""
        known = state.chord_tracker
        if not isinstance(known, ChordTrackerState):
            return np.full((len(state.seed), 13), np.nan)
        return heard_in(known.belief.cpu().numpy(), known.told.cpu().numpy())

    @torch.no_grad()
    def step(
        self, mix: Tensor, conditions: Mapping[str, Tensor], state: SessionState, active: Tensor
    ) -> tuple[Tensor, SessionState]:
        """One chunk.

        Args:
            mix: [B, 2, k*hop].
            conditions: of the frames to be played, each [B, k, width]; `stem`, `anticipation`, `variation` and all of the
                host's, NaN where unknown. Of a steered model also its other controls; one that is absent or NaN is the
                model's own choice.
            state: consumed. active: bool [B].

        Returns:
            The stem's frames [B, 2, k*hop] and the next state.
        """
        k, hop = self.spec.chunk_frames, self.spec.hop
        told = [columns({name: value[:, n] for name, value in conditions.items()}) for n in range(k)]
        input_level, encoder, ear = state.input_level, state.encoder, state.ear
        beat_tracker, chord_tracker, beat = state.beat_tracker, state.chord_tracker, state.beat
        gains, sounding, latents, semitones = [], [], [], []
        beat_heard = chord_heard = None
        for n, known in enumerate(told):
            frame = mix if k == 1 else mix[..., n * hop : (n + 1) * hop]
            gain, input_level = self.input_level.step(frame, input_level, active)
            frame = frame * gain[:, None, None]
            gains.append(gain)
            sounding.append(input_level.frames >= 1)
            spectra = self.codec.encoder.spectra(frame, encoder, active)
            if self.beat_tracker is not None:
                assert isinstance(beat_tracker, BeatTrackerState)
                mid = self.codec.encoder.map.mid(spectra[0]) if self._one_transform else None
                beat_heard, beat_tracker = self.beat_tracker.step(
                    frame, beat_tracker, active, known["tempo"], span_of(known), mid
                )
            latent, encoder = self.codec.encoder.step(frame, encoder, active, spectra)
            tones, ear = self.ear.step(frame, ear, active)
            latents.append(latent)
            semitones.append(tones)
            if self.chord_tracker is not None:
                assert isinstance(chord_tracker, ChordTrackerState)
                chord_heard, chord_tracker = self.chord_tracker.step(tones, chord_tracker, active)
        for n, known in enumerate(
            told
        ):  # frame n of the chunk is n frames further ahead of the last one heard
            ahead = known["anticipation"] if n == 0 else known["anticipation"] + n
            if self.beat_tracker is not None and beat_heard is not None:
                beat = self.beat_tracker.ahead(beat_heard, ahead)
                known = self.beat_tracker.tell(beat_heard, known, ahead)
            if self.chord_tracker is not None and chord_heard is not None:
                known = self.chord_tracker.tell(chord_heard, known, ahead)
            told[n] = known
        answer, generator = self.generator.play_chunk(
            Heard(_together(latents), _together(semitones)),
            {name: _together([known[name] for known in told]) for name in told[0]},
            state.seed,
            state.generator,
            active,
        )
        decoder, before, frames = state.decoder, state.level, []
        for n in range(k):
            audio, decoder = self.codec.decoder.step(answer.latents[:, n], decoder, active)
            # Nobody plays before the first sound, and then not louder than it.
            level = torch.where(sounding[n], 1 / gains[n], 0.0)
            frames.append(self._at_level(audio, told[n]["stem"], before, level))
            before = level
        return frames[0] if k == 1 else torch.cat(frames, dim=-1), SessionState(
            seed=state.seed,
            input_level=input_level,
            level=select(active, before, state.level),
            encoder=encoder,
            ear=ear,
            generator=generator,
            decoder=decoder,
            guess=select(active, answer.guess, state.guess),
            beat=select(active, beat, state.beat),
            beat_tracker=beat_tracker,
            chord_tracker=chord_tracker,
        )

    @torch.no_grad()
    def forward(self, mix: Tensor, conditions: Mapping[str, Tensor], seeds: Sequence[int]) -> Tensor:
        """The parallel pass: mix [B, F, 2, hop] of whole chunks and conditions [B, F, width] (stem and anticipation constant
        in time) -> stem frames [B, F, 2, hop], frame n being the stem's n + k + A.
        """
        conditions = columns(conditions)
        k = self.spec.chunk_frames
        ahead = conditions["anticipation"]
        if k > 1:
            ahead = ahead + torch.arange(mix.shape[1], device=mix.device) % k
        gain = self.input_level(mix)
        level = torch.where(self.input_level.heard(mix), 1 / gain, 0.0)
        mix = mix * gain[..., None, None]
        if self.beat_tracker is not None:
            kept = self._at_chunks(self.beat_tracker(mix, conditions["tempo"], span_of(conditions)))
            conditions = self.beat_tracker.tell(kept, conditions, ahead)
        heard = Heard(self.codec.encoder(mix), self.ear(mix))
        if self.chord_tracker is not None:
            conditions = self.chord_tracker.tell(
                self._at_chunks(self.chord_tracker(heard.semitones)), conditions, ahead
            )
        seed = torch.tensor(list(seeds), dtype=torch.int64, device=mix.device)
        answer = self.generator.play_all(heard, conditions, seed)
        audio: Tensor = self.codec.decoder(answer.latents)
        before = torch.cat([torch.zeros_like(level[:, :1]), level[:, :-1]], dim=1)
        return self._at_level(audio, conditions["stem"][:, 0], before, level)

    def _at_chunks(self, y: Tensor) -> Tensor:
        """[B, F, ...] as it was at the end of each frame's chunk."""
        k = self.spec.chunk_frames
        return y if k == 1 else y[:, k - 1 :: k].repeat_interleave(k, dim=1)
