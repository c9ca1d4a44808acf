# SPDX-License-Identifier: GPL-3.0-or-later
"""The look-ahead accompanist: a chunk of the mix in, the stem's chunk out, as far ahead as it was asked to write.

With a beat tracker it hears the beat that no host tells, with a chord tracker the chord; what the host does tell always holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lbmodels.codec.autoencoder import Codec, DecoderState, EncoderState, from_frames, to_frames
from lbmodels.conditioning.style import told_features, told_width
from lbmodels.conditioning.table import columns as told_by_frame
from lbmodels.contract.conditions import HOST
from lbmodels.contract.quality import QUALITIES
from lbmodels.contract.spec import Control, Spec
from lbmodels.errors import LiveBandModelError
from lbmodels.families.lookahead.diffusion import consistency, heun
from lbmodels.families.lookahead.network import Seen, WindowNetwork
from lbmodels.families.lookahead.quality import TIERS, Tier, tier_of
from lbmodels.families.lookahead.window import Memory, Window, empty_memory, recall, remember, shifted
from lbmodels.listening.ahead import ahead_by
from lbmodels.listening.beat_tracker import TEMPO_CONTROLS, BeatTracker, BeatTrackerState, span_of
from lbmodels.listening.chord_tracker import ChordTracker, ChordTrackerState
from lbmodels.listening.chords import heard_in
from lbmodels.streaming.input_level import InputLevel, InputLevelState
from lbmodels.streaming.noise import gaussian
from lbmodels.streaming.spectral import FrontState, SemitoneFrontEnd
from lbmodels.streaming.state import map_tensors, select

_MOST_DRAWS = 64
"""Draws of one window have positions of their own in the noise of a session."""


class LookaheadState(NamedTuple):
    """What one batch of sessions remembers.

    `cursor` [B] columns heard; `mix` [B, C, latent + semitones] the last of them; `told` [B, C, told_width] what was announced of the
    columns before `memory.end`; `level` [B] what the stem's last frame was multiplied by, to undo the gain of the input level, 0 before
    the first sound; `beat` [B, 4] what the beat tracker knew of the column played last. The trackers' are empty where
    there are none.
    """

    seed: Tensor
    cursor: Tensor
    input_level: InputLevelState
    level: Tensor
    encoder: EncoderState
    ear: FrontState
    mix: Tensor
    told: Tensor
    memory: Memory
    decoder: DecoderState
    beat: Tensor
    beat_tracker: BeatTrackerState | tuple[()] = ()
    chord_tracker: ChordTrackerState | tuple[()] = ()


class _Heard(NamedTuple):
    """What a chunk was heard as: [B, k, latent + semitones], the level [B] to play at, and what the trackers then knew, if there are
    any.
    """

    mix: Tensor
    level: Tensor
    beat: Tensor | None
    chord: Tensor | None


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

    denoise = network.guided(seen, tier.guidance)
    known, schedule = seen.known.unsqueeze(-1), config.schedule()
    if config.student:
        sigmas = schedule.levels(tier.levels + 1)[: tier.levels]
        return consistency(denoise, sigmas, draw, known=known, source=seen.source, least=config.sigma_min)[0]
    return heun(denoise, schedule.levels(tier.levels), draw, known=known, source=seen.source)


class LookaheadAccompanist(nn.Module):
    """Mix columns [n k, (n + 1) k) in, stem columns [(n + 1) k + A, (n + 2) k + A) out; k of the window's step ratio.

    A is the condition `anticipation`, any number of columns so that A + k is at most half a window: A = w k for look-ahead w.
    `student` serves the tiers of few calls, `teacher` the best one; one of them is enough, and its tiers are then all that there are.
    `quality`: the tier where the control of that name says nothing; None: `fast` by a student, `full` by a teacher alone.
    """

    def __init__(
        self,
        name: str,
        codec: Codec,
        *,
        teacher: WindowNetwork | None = None,
        student: WindowNetwork | None = None,
        beat_tracker: BeatTracker | None = None,
        chord_tracker: ChordTracker | None = None,
        window: Window | None = None,
        quality: str | None = None,
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
        if any(network.config.styled != config.styled for network in networks):
            raise LiveBandModelError(
                "of teacher and student one takes a style, the other does not: not a pair"
            )
        if any(network.config.latent != codec.config.latent for network in networks):
            raise LiveBandModelError(
                f"codec has {codec.config.latent} latent channels, the window network {config.latent}: not a pair"
            )
        self.codec, self.teacher, self.student, self.config = codec, teacher, student, config
        self.beat_tracker, self.chord_tracker = beat_tracker, chord_tracker
        self.input_level = InputLevel()
        self.ear = SemitoneFrontEnd(
            sample_rate=codec.config.sample_rate, hop=codec.config.hop, semitones=config.semitones
        )
        self.tiers = tuple(tier for tier in TIERS if (student if tier.student else teacher) is not None)
        self.tier = self.tier_at(QUALITIES.index(tier_of(quality or "fast").name))
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
            controls=(*(TEMPO_CONTROLS if beat_tracker is not None else ()), *self._quality()),
            conditions=(
                *HOST,
                *(("tempo_scale",) if beat_tracker is not None else ()),
                *(("style",) if config.styled else ()),
            ),
            context_frames=config.columns,
            parameters=sum(p.numel() for p in self.parameters()),
            recipe="lookahead",
            weights_id=weights_id,
        )

    def at(self, window: Window, quality: str | None = None) -> LookaheadAccompanist:
        """The same networks at another window and quality. Raises LiveBandModelError: no such quality."""
        return LookaheadAccompanist(
            self.spec.name,
            self.codec,
            teacher=self.teacher,
            student=self.student,
            beat_tracker=self.beat_tracker,
            chord_tracker=self.chord_tracker,
            window=window,
            quality=quality or self.tier.name,
            weights_id=self.spec.weights_id,
        ).eval()

    def tier_at(self, quality: int) -> Tier:
        """The best that there is up to an index into `QUALITIES`, else the cheapest."""
        return next((tier for tier in reversed(self.tiers) if TIERS.index(tier) <= quality), self.tiers[0])

    def _quality(self) -> tuple[Control, ...]:
        """The control, where there is more than one quality."""
        if len(self.tiers) < 2:
            return ()
        least, most, usual = (float(TIERS.index(one)) for one in (self.tiers[0], self.tiers[-1], self.tier))
        names = ", ".join(f"{TIERS.index(tier)} {tier.name}" for tier in self.tiers)
        return (
            Control(
                name="quality",
                unit="",
                minimum=least,
                maximum=most,
                default=usual,
                description=f"work a window gets: {names}",
            ),
        )

    def network_for(self, tier: Tier) -> WindowNetwork:
        """The network of a tier."""
        found = self.student if tier.student else self.teacher
        if found is None:
            raise LiveBandModelError(f"{self.spec.name} has no quality {tier.name}")
        return found

    def init_state(self, seeds: Sequence[int]) -> LookaheadState:
        """A fresh state, one row a seed."""
        batch, columns, latent = len(seeds), self.config.columns, self.config.latent
        device = next(self.parameters()).device
        return LookaheadState(
            torch.tensor(list(seeds), dtype=torch.int64, device=device),
            torch.zeros(batch, dtype=torch.int64, device=device),
            self.input_level.init_state(batch, device),
            torch.zeros(batch, device=device),
            self.codec.encoder.init_state(batch),
            self.ear.init_state(batch),
            torch.zeros(batch, columns, latent + self.config.semitones, device=device),
            torch.zeros(batch, columns, told_width(styled=self.config.styled), device=device),
            empty_memory(batch, columns, latent, device),
            self.codec.decoder.init_state(batch),
            torch.full((batch, 4), -1.0, device=device),
            () if self.beat_tracker is None else self.beat_tracker.init_state(batch),
            () if self.chord_tracker is None else self.chord_tracker.init_state(batch),
        )

    def heard_beat(self, state: LookaheadState) -> Tensor:
        """What the beat tracker knows of the frames after the one played last: beat phase, bar phase, bpm, metre [B, k, 4],
        negative where it does not know.
        """
        frame_s = self.spec.hop / self.spec.sample_rate
        return torch.from_numpy(ahead_by(state.beat.cpu().numpy(), frame_s, self.new))

    def heard_chord(self, state: LookaheadState) -> NDArray[np.float64]:
        """What the chord tracker hears: tones of the chord and its lowest [B, 13], NaN where it is sure of none."""
        known = state.chord_tracker
        if not isinstance(known, ChordTrackerState):
            return np.full((len(state.seed), 13), np.nan)
        return heard_in(known.belief.cpu().numpy(), known.told.cpu().numpy())

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

        conditions: of each frame of the chunk to be played, [B, k, width]; `quality`, an index into `QUALITIES`, says how much work
        the step gets. `tier`: the same for all rows, whatever it says.
        """
        conditions = told_by_frame(conditions)
        new = self.new
        heard, listening = self._hear(mix, conditions, state, active)
        ring = torch.cat([state.mix[:, new:], heard.mix], dim=1)
        ahead = conditions["anticipation"].reshape(len(mix), -1)[:, 0].round().to(torch.int64)
        cursor = state.cursor + new
        end = cursor + ahead + new
        conditions, beat = self._known(heard, conditions, ahead)
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
            ahead + new,
        )
        tiers = self._tiers(conditions, len(mix), tier)
        filled = self._filled(seen, tiers, state.seed, end)
        audio, decoder = self.codec.decoder.step(filled[:, -new:], state.decoder, active)
        audio = self._at_level(from_frames(audio) * self._trims(tiers, seen.stem), state.level, heard.level)
        after = listening._replace(
            cursor=cursor,
            level=heard.level,
            mix=ring,
            told=told,
            memory=remember(filled, end),
            decoder=decoder,
            beat=state.beat if beat is None else beat,
        )
        return select(active, audio, torch.zeros_like(audio)), map_tensors(
            lambda fresh, old: select(active, fresh, old), after, state
        )

    def _tiers(self, conditions: Mapping[str, Tensor], rows: int, tier: Tier | None) -> list[Tier]:
        """Of each row."""
        if tier is not None or "quality" not in conditions:
            return [tier or self.tier] * rows
        asked = conditions["quality"].reshape(rows, -1)[:, 0].tolist()
        return [self.tier if value != value else self.tier_at(round(value)) for value in asked]

    def _filled(self, seen: Seen, tiers: Sequence[Tier], seed: Tensor, end: Tensor) -> Tensor:
        """Stem latents [B, C, latent]: rows of one tier together."""
        if len(set(tiers)) == 1:
            return fill(self.network_for(tiers[0]), seen, tiers[0], seed, end)
        filled = torch.empty_like(seen.source)
        for tier in dict.fromkeys(tiers):
            rows = torch.tensor([row for row, one in enumerate(tiers) if one is tier], device=end.device)
            some = Seen(*(part[rows] for part in seen))
            filled[rows] = fill(self.network_for(tier), some, tier, seed[rows], end[rows])
        return filled

    def _hear(
        self, mix: Tensor, conditions: Mapping[str, Tensor], state: LookaheadState, active: Tensor
    ) -> tuple[_Heard, LookaheadState]:
        """A chunk, its columns at once where nothing hangs on the one before; the state after it differs in what listens."""
        input_level, gains = state.input_level, []
        frames = to_frames(mix, self.spec.hop)
        for frame in frames.unbind(1):
            gain, input_level = self.input_level.step(frame, input_level, active)
            gains.append(gain)
        frames = frames * torch.stack(gains, dim=1)[:, :, None, None]
        latents, encoder = self.codec.encoder.step(frames, state.encoder, active)
        tones, ear = self.ear.step(frames, state.ear, active)
        beats, chords, beat, chord = state.beat_tracker, state.chord_tracker, None, None
        for n in range(self.new):
            if self.beat_tracker is not None:
                assert isinstance(beats, BeatTrackerState)
                now = {name: value[:, n] for name, value in conditions.items()}
                beat, beats = self.beat_tracker.step(frames[:, n], beats, active, now["tempo"], span_of(now))
            if self.chord_tracker is not None:
                assert isinstance(chords, ChordTrackerState)
                chord, chords = self.chord_tracker.step(tones[:, n], chords, active)
        level = torch.where(input_level.frames >= 1, 1 / gains[-1], 0.0)
        heard = _Heard(torch.cat([latents, tones], dim=-1), level, beat, chord)
        return heard, state._replace(
            encoder=encoder, ear=ear, input_level=input_level, beat_tracker=beats, chord_tracker=chords
        )

    def _known(
        self, heard: _Heard, conditions: Mapping[str, Tensor], ahead: Tensor
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        """Conditions of the chunk to be played with what the trackers know filled in, and the beat of its last column [B, 4]."""
        frames, beat = [], None
        for n in range(self.new):
            known = {name: value[:, n] for name, value in conditions.items()}
            if self.beat_tracker is not None and heard.beat is not None:
                beat = self.beat_tracker.ahead(heard.beat, ahead + n)
                known = self.beat_tracker.tell(heard.beat, known, ahead + n)
            if self.chord_tracker is not None and heard.chord is not None:
                known = self.chord_tracker.tell(heard.chord, known, ahead + n)
            frames.append(known)
        return {name: torch.stack([known[name] for known in frames], dim=1) for name in frames[0]}, beat

    def _trims(self, tiers: Sequence[Tier], stem: Tensor) -> Tensor:
        """Make-up gain [B, 1, 1] of each row's network for its stem."""
        trims = [self.network_for(tier).config.trim_db for tier in tiers]
        gains = [10 ** (trim[i] / 20) if trim else 1.0 for trim, i in zip(trims, stem.tolist(), strict=True)]
        return torch.tensor(gains, device=stem.device)[:, None, None]

    def _at_level(self, audio: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """A chunk [B, 2, k hop] turned down by as much as the mix was turned up; it glides there in a frame."""
        hop = self.spec.hop
        along = ((torch.arange(audio.shape[-1], device=audio.device) + 1) / hop).clamp(max=1.0)
        return audio * (before[:, None, None] + (after - before)[:, None, None] * along)

    def _announced(self, conditions: Mapping[str, Tensor], state: LookaheadState, end: Tensor) -> Tensor:
        """Features [B, C, told_width] of the window's columns: those of its last `new` are told now, the others were."""
        ring = shifted(state.told, end - state.memory.end)
        told = told_features(conditions, styled=self.config.styled)
        return torch.cat([ring[:, : -self.new], told], dim=1)
