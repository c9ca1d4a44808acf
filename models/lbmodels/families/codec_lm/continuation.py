# SPDX-License-Identifier: GPL-3.0-or-later
"""Hears the mix as LiveBand's generator does, and what it played itself besides; something draws the frame that comes next.

Position p of the trunk has heard mix frame p and played frames up to p + A; what it knows there decides frame p + 1 + A. With
chunks of k frames the newest of them are drawn ahead of the mix: position p + i of such a draft has heard nothing of the mix
since p, so that it is a draw at an anticipation of A + i. Once the mix has been heard the draft's positions are taken again with it
(StreamMusicGen's prefix decoder), so the past is always that of one frame a step, and one model serves every k and A.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lbmodels.band import Answer, Heard
from lbmodels.conditioning import steering
from lbmodels.conditioning.silent import SilentAtFirst
from lbmodels.conditioning.steering import STEERING_CONTROLS, TEMPERATURE, Steer, steering_features
from lbmodels.conditioning.style import told_features
from lbmodels.contract.spec import Control
from lbmodels.errors import LiveBandModelError
from lbmodels.families.liveband.generator import Generator, GeneratorConfig
from lbmodels.streaming.attention import rotary, visible
from lbmodels.streaming.noise import gaussian
from lbmodels.streaming.state import select
from lbmodels.streaming.tempogram import TempogramState
from lbmodels.streaming.transformer import Block, TransformerState

_PAST_SEED = 0x5EED
"""Added to a seed for noise over the past, which is another than that of the draw."""

CONTROLS = (
    TEMPERATURE,
    next(control for control in STEERING_CONTROLS if control.name == "adherence"),
)


class Past(NamedTuple):
    """What was played before: frames [..., played], the spread of the noise in them [...], and whether anything was [...]."""

    frames: Tensor
    noise: Tensor
    there: Tensor

    def features(self) -> Tensor:
        """[..., played + 2]."""
        there = self.there.unsqueeze(-1)
        return torch.cat([self.frames * there, self.noise.unsqueeze(-1) * there, there], dim=-1)


class ContinuationState(NamedTuple):
    """`stem` [B]: the part that is played; another hears nothing of what was drawn last. `drawn` [B, k, played] and `told` [B, k, ...]: the
    chunk that was drawn last, and what was told of its frames.
    """

    trunk: TransformerState
    tempogram: TempogramState
    stem: Tensor
    drawn: Tensor
    told: Tensor


class Drafts(NamedTuple):
    """Where drafts leave the committed positions in training: after each of `starts`, for `chunk` - 1 positions."""

    starts: Sequence[int]
    chunk: int

    def positions(self) -> Tensor:
        """All of the drafts' positions, one draft after the other."""
        steps = torch.arange(1, self.chunk)
        return (torch.tensor(list(self.starts), dtype=torch.int64).unsqueeze(1) + steps).flatten()

    def last_heard(self) -> Tensor:
        """The position where each of them last heard the mix."""
        return torch.tensor(list(self.starts), dtype=torch.int64).repeat_interleave(self.chunk - 1)


class Continuation(nn.Module):
    """The network up to what is known of the next frame; what draws it is a subclass's."""

    def __init__(self, hearing: GeneratorConfig, *, played: int | None = None) -> None:
        """`played`: numbers of a frame that is played, of latents where nothing is said.

        Raises LiveBandModelError: a generator that cannot be part of it.
        """
        super().__init__()
        if not hearing.causal or hearing.steered or hearing.latent_matching:
            raise LiveBandModelError(
                "hearing: accepted is a causal generator that is neither steered nor of matched latents"
            )
        self.hearing = Generator(hearing)
        self.played = hearing.latent if played is None else played
        self.own = SilentAtFirst(self.played + 2, hearing.features)
        # Chance is in the draw of a frame, nowhere else.
        self.register_buffer("no_chance", torch.zeros(hearing.noise + hearing.style), persistent=False)
        self.unheard = nn.Parameter(torch.zeros(hearing.features))

    @property
    def told(self) -> int:
        """How many numbers it is told of a frame that it is to decide."""
        return self.hearing.told_width

    @property
    def knows(self) -> int:
        """How many numbers are known of a frame: the trunk's features, then those of the position's own past."""
        return self.hearing.config.features + self.played + 2

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
        """Inputs of the trunk [..., features]; see `Generator.embed`. past: features of a `Past`."""
        chance = self.get_buffer("no_chance")
        x: Tensor = self.hearing.embed(heard, tempogram, known, stem, ahead, chance, steer) + self.own(past)
        return x

    def forward(
        self,
        heard: Heard,
        known: Tensor,
        past: Past,
        stem: Tensor,
        anticipation: Tensor,
        drafts: Drafts,
    ) -> tuple[Tensor, Tensor]:
        """What is known, [B, F, knows], at F positions that hear the mix, and [B, D, knows] at the drafts' positions: the trunk's
        hidden features, then those of the position's own past.

        Args:
            heard, past: of the F positions. known: what is told of the frames that they decide, [B, F, told].
            stem, anticipation: int64 [B].
        """
        both = torch.cat(heard, dim=-1)
        tempogram = self.hearing.tempogram(both)
        stem, ahead, own = stem.unsqueeze(1), anticipation.unsqueeze(1), past.features()
        x = self.embed(both, tempogram, known, own, stem, ahead, None)
        place, from_place = drafts.positions(), drafts.last_heard()
        if not len(place):
            h = torch.cat([self.hearing.trunk(x), own], dim=-1)
            return h, h[:, :0]
        frames, nothing = both.shape[1], both.new_zeros(len(both), len(place), both.shape[2])
        draft = self.embed(
            nothing,
            tempogram[:, from_place],
            known[:, place],
            own[:, place],
            stem,
            ahead + (place - from_place),
            None,
        )
        x = torch.cat([x, draft + self.unheard], dim=1)
        trunk = self.hearing.trunk
        first = trunk.blocks[0]
        assert isinstance(first, Block)
        attention = first.attention
        places = torch.cat([torch.arange(frames), place])
        seen = visible(places, places, trunk.window)
        group = torch.cat([torch.full((frames,), -1), torch.arange(len(drafts.starts)).repeat_interleave(drafts.chunk - 1)])  # fmt: skip
        heard_until = torch.cat([torch.arange(frames), from_place])
        committed = (group == -1) & (places <= heard_until.unsqueeze(1))
        seen = seen & (committed | ((group == group.unsqueeze(1)) & (group != -1)))
        slots = attention.slot_bias(places)
        bias = torch.cat([slots, torch.where(seen, 0.0, -torch.inf)], dim=1)
        rope = rotary(places, attention.head_features)
        for block in trunk.blocks:
            x = block(x, bias, rope)
        h = torch.cat([trunk.norm(x), torch.cat([own, own[:, place]], dim=1)], dim=-1)
        return h[:, :frames], h[:, frames:]


class ContinuationPlayer(nn.Module, ABC):
    """A `lbmodels.band.Player` that hears what it played; subclasses say how a frame is drawn."""

    controls: tuple[Control, ...] = CONTROLS
    anticipation_step = 1
    causal = True

    def __init__(self, network: Continuation, chunk: int, *, past_noise: float = 0.0) -> None:
        """`past_noise`: spread of the noise over what it hears of what it played, as training laid it there."""
        super().__init__()
        mine = network.hearing.config
        self.network, self.chunk_frames, self.past_noise = network, chunk, past_noise
        self.register_buffer("own_choice", torch.zeros(steering.WIDTH), persistent=False)
        self.latent, self.semitones = mine.latent, mine.semitones
        self.frame_rate, self.stems = mine.frame_rate, mine.stems
        self.anticipation_frames = (0, mine.anticipation_max)
        self.context_frames, self.trim_db = mine.window, mine.trim_db
        self.styled = mine.styled

    def told(self, conditions: Mapping[str, Tensor]) -> Tensor:
        """What the network is told of frames, [..., told], of their conditions [...]."""
        return told_features(conditions, styled=self.styled)

    def goes_on(self, stem: Tensor, state: ContinuationState) -> Tensor:
        """Whether what was drawn last is the past of a part [B]: another begins with nothing played."""
        return stem == state.stem

    @abstractmethod
    def draw(self, known: Tensor, seed: Tensor, place: Tensor, asked: Mapping[str, Tensor]) -> Tensor:
        """A frame [B, played] of what is known [B, knows], by seed and place [B] int64; `asked`: values of `controls` [B]."""

    def init_state(self, batch: int) -> ContinuationState:
        hearing = self.network.hearing
        weight = self.network.unheard
        return ContinuationState(
            trunk=hearing.trunk.init_state(batch),
            tempogram=hearing.tempogram.init_state(batch),
            stem=torch.full((batch,), -1, dtype=torch.int64, device=weight.device),
            drawn=weight.new_zeros(batch, self.chunk_frames, self.network.played),
            told=weight.new_zeros(batch, self.chunk_frames, self.network.told),
        )

    def play_chunk(
        self,
        heard: Heard,
        conditions: Mapping[str, Tensor],
        seed: Tensor,
        state: ContinuationState,
        active: Tensor,
    ) -> tuple[Answer, ContinuationState]:
        """Hear a chunk with what was played before it, then draw the next; see `lbmodels.band.Player`."""
        k, hearing = self.chunk_frames, self.network.hearing
        known = self.told(conditions)
        now = {name: value[:, 0] for name, value in conditions.items()}
        stem, ahead = now["stem"].long(), now["anticipation"].long()
        bond = steering_features(now).bond.unsqueeze(1)
        steer = Steer(self.get_buffer("own_choice"), bond)
        begun = (state.trunk.position > 0) & self.goes_on(stem, state)
        both = torch.cat(heard, dim=-1)
        tempograms, tempogram = [], state.tempogram
        for frame in both.unbind(1):
            felt, tempogram = hearing.tempogram.step(frame, tempogram, active)
            tempograms.append(felt)
        played = begun.float().unsqueeze(1).expand(-1, k)
        past = self._past(state.drawn, played, seed, state.trunk.position).features()
        told = known if k == 1 else torch.cat([state.told[:, 1:], known[:, :1]], dim=1)
        x = self.network.embed(
            both, torch.stack(tempograms, dim=1), told, past, stem.unsqueeze(1), ahead.unsqueeze(1), steer
        )
        h, trunk = self._through(x, state.trunk, active)
        guess, own = hearing.tell(h), past[:, -1]
        # Of the draft only what was drawn is kept.
        place, draft = state.trunk.position, trunk
        frames: list[Tensor] = []
        for i in range(k):
            if i:
                last = self._past(
                    frames[-1].unsqueeze(1), torch.ones_like(played[:, :1]), seed, place + i
                ).features()
                x = self.network.embed(
                    torch.zeros_like(both[:, :1]),
                    tempograms[-1].unsqueeze(1),
                    known[:, i : i + 1],
                    last,
                    stem.unsqueeze(1),
                    ahead.unsqueeze(1) + i,
                    steer,
                )
                h, draft = self._through(x + self.network.unheard, draft, active)
                own = last[:, 0]
            known_here = torch.cat([h, own], dim=-1)
            frames.append(self.draw(known_here, seed, place + i, now))
        drawn = torch.stack(frames, dim=1)
        return Answer(drawn, guess), ContinuationState(
            trunk=trunk,
            tempogram=tempogram,
            stem=torch.where(active, stem, state.stem),
            drawn=select(active, drawn, state.drawn),
            told=select(active, known, state.told),
        )

    def _past(self, drawn: Tensor, there: Tensor, seed: Tensor, place: Tensor) -> Past:
        """Frames [B, n, played] that were drawn before a position [B], there or not [B, n], as training tells of them."""
        if self.past_noise:
            at = place.unsqueeze(1) - drawn.shape[1] + torch.arange(drawn.shape[1], device=place.device)
            drawn = drawn + self.past_noise * gaussian(seed.unsqueeze(1) + _PAST_SEED, at, drawn.shape[2])
        return Past(drawn, torch.full_like(there, self.past_noise), there)

    def _through(self, x: Tensor, state: TransformerState, active: Tensor) -> tuple[Tensor, TransformerState]:
        """Positions [B, n, features] into the trunk; the last one's hidden."""
        if x.shape[1] == 1:
            return self.network.hearing.trunk.step(x[:, 0], state, active)
        h, state = self.network.hearing.trunk.step(x, state, active)
        return h[:, -1], state

    def play_all(self, heard: Heard, conditions: Mapping[str, Tensor], seed: Tensor) -> Answer:
        """Chunk after chunk: what is drawn is heard by what comes next, so there is no other way."""
        k, frames = self.chunk_frames, heard.latents.shape[1]
        state, active = self.init_state(len(seed)), torch.ones_like(seed, dtype=torch.bool)
        answers = []
        for n in range(0, frames, k):
            answer, state = self.play_chunk(
                Heard(*(part[:, n : n + k] for part in heard)),
                {name: value[:, n : n + k] for name, value in conditions.items()},
                seed,
                state,
                active,
            )
            answers.append(answer)
        return Answer(torch.cat([answer.latents for answer in answers], dim=1), answers[-1].guess)
