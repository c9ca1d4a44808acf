# SPDX-License-Identifier: GPL-3.0-or-later
"""The generator: what has been heard, what the host knows and noise in, stem latents out.

It never sees a stem, neither the truth nor its own output: its past reaches it through attention alone,
so training in one parallel pass and streaming frame by frame are the same computation (Pasini 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lbmodels.band import Answer, Heard, PlayerConfig
from lbmodels.conditioning import host, style
from lbmodels.conditioning.silent import SilentAtFirst
from lbmodels.conditioning.steering import STEERING_CONTROLS, WIDTH, Steer, steering_features
from lbmodels.conditioning.style import told_features, told_width
from lbmodels.contract.spec import Control
from lbmodels.errors import LiveBandModelError
from lbmodels.families.liveband.latent_matching import LatentMatching
from lbmodels.streaming.noise import gaussian
from lbmodels.streaming.tempogram import Tempogram, TempogramState
from lbmodels.streaming.transformer import CausalTransformer, TransformerState

VARIATION = Control(
    name="variation",
    unit="",
    minimum=0.0,
    maximum=2.0,
    default=1.0,
    description="noise temperature: 0 plays the most expected part, above 1 takes more risks",
)

_MOST_GUIDANCE = 4.0
_STYLE_POSITION = -1
"""Noise position of the session's style vector, outside every frame."""


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(PlayerConfig):
    """Sizes; `window` in frames. `causal = false` is the bidirectional offline reference.

    `steered`: it takes the controls of `lbmodels.conditioning.steering`. `styled`: it takes a style. `trim_db`: make-up gain of each stem, of a trained
    model whose stems were measured softer than true ones; empty for none. `guidance`: for each stem, how much more than in
    training counts what is heard and told, of a trained model that was measured to follow it too little; empty for none.
    `latent_matching`: its latents are given the colours of true ones by `lbmodels.families.liveband.latent_matching`.
    """

    window: int = 256
    noise: int = 32
    style: int = 32
    anticipation_max: int = 25
    causal: bool = True
    steered: bool = False
    styled: bool = False
    trim_db: tuple[float, ...] = ()
    guidance: tuple[float, ...] = ()
    latent_matching: bool = False


class Played(NamedTuple):
    """Stem latents [..., latent], and the trunk's guess at what the host may not tell, at output time.

    `beat` [..., 2]: sine and cosine of the beat phase; `tempo` [...]: log2(BPM / 120); `chord` [..., 12]: logits.
    """

    latents: Tensor
    beat: Tensor
    tempo: Tensor
    chord: Tensor


class GeneratorState(NamedTuple):
    """The trunk's past, and the tempogram of what was heard."""

    trunk: TransformerState
    tempogram: TempogramState


class Generator(nn.Module):
    """Frame n of the input gives frame n + 1 + anticipation of the stem."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        if config.guidance and (
            len(config.guidance) != len(config.stems)
            or not all(0 <= g <= _MOST_GUIDANCE for g in config.guidance)
        ):
            raise LiveBandModelError(
                f"guidance {config.guidance}: accepted is one number for each of {len(config.stems)} stems, "
                f"0 to {_MOST_GUIDANCE:g}"
            )
        self.register_buffer("guidance", torch.tensor(config.guidance), persistent=False)
        d = config.features
        self.listen = nn.Linear(config.latent + config.semitones, d)
        self.know = nn.Sequential(nn.Linear(host.WIDTH, d), nn.SiLU(), nn.Linear(d, d))
        self.tempogram = Tempogram(config.latent + config.semitones, frame_rate=config.frame_rate)
        inputs = 3 * self.tempogram.channels * self.tempogram.tempi
        felt = nn.Linear(d, d)
        nn.init.zeros_(felt.weight)
        self.feel = nn.Sequential(nn.Linear(inputs, d), nn.SiLU(), felt)
        self.chance = nn.Linear(config.noise + config.style, d)
        self.stem = nn.Embedding(len(config.stems), d)
        self.ahead = nn.Sequential(nn.Linear(8, d), nn.SiLU(), nn.Linear(d, d))
        self.trunk = CausalTransformer(d, config.heads, config.depth, config.window, causal=config.causal)
        self.play = nn.Linear(d, config.latent)
        self.latent_matching = (
            LatentMatching(len(config.stems), config.latent) if config.latent_matching else None
        )
        self.tell = nn.Linear(d, 2 + 1 + 12)
        self.steer = SilentAtFirst(WIDTH, d) if config.steered else None
        self.styling = SilentAtFirst(style.WIDTH, d) if config.styled else None

    @property
    def latent(self) -> int:
        return self.config.latent

    @property
    def semitones(self) -> int:
        return self.config.semitones

    @property
    def frame_rate(self) -> float:
        return self.config.frame_rate

    @property
    def stems(self) -> tuple[str, ...]:
        return self.config.stems

    @property
    def controls(self) -> tuple[Control, ...]:
        return (VARIATION, *(STEERING_CONTROLS if self.config.steered else ()))

    @property
    def chunk_frames(self) -> int:
        return 1

    @property
    def anticipation_frames(self) -> tuple[int, int]:
        return (0, self.config.anticipation_max)

    @property
    def anticipation_step(self) -> int:
        return 1

    @property
    def context_frames(self) -> int:
        return self.config.window

    @property
    def trim_db(self) -> tuple[float, ...]:
        return self.config.trim_db

    @property
    def causal(self) -> bool:
        return self.config.causal

    @property
    def styled(self) -> bool:
        return self.config.styled

    @property
    def told_width(self) -> int:
        """Features of what it is told of a frame."""
        return told_width(styled=self.styled)

    def _told(self, conditions: Mapping[str, Tensor]) -> tuple[Tensor, Steer | None]:
        """What the host knows, and how the player is steered, as features."""
        steer = steering_features(conditions) if self.config.steered else None
        return told_features(conditions, styled=self.styled), steer

    def play_chunk(
        self,
        heard: Heard,
        conditions: Mapping[str, Tensor],
        seed: Tensor,
        state: GeneratorState,
        active: Tensor,
    ) -> tuple[Answer, GeneratorState]:
        """A step of the shell: a chunk of one frame, see `lbmodels.band.Player`."""
        now = {name: value[:, 0] for name, value in conditions.items()}
        known, steer = self._told(now)
        played, state = self.step(
            Heard(*(part[:, 0] for part in heard)),
            known,
            now["stem"].long(),
            now["anticipation"].long(),
            seed,
            now["variation"].float(),
            state,
            active,
            steer,
        )
        guess = torch.cat([played.beat, played.tempo.unsqueeze(-1), played.chord], dim=-1)
        return Answer(played.latents.unsqueeze(1), guess), state

    def play_all(self, heard: Heard, conditions: Mapping[str, Tensor], seed: Tensor) -> Answer:
        """The shell's parallel pass: heard and conditions [B, F, ...]."""
        known, steer = self._told(conditions)
        stem, anticipation, variation = (
            conditions[name][:, 0] for name in ("stem", "anticipation", "variation")
        )
        played = self(heard, known, stem.long(), anticipation.long(), seed, variation.float(), steer)
        last = torch.cat([played.beat, played.tempo.unsqueeze(-1), played.chord], dim=-1)[:, -1]
        return Answer(played.latents, last)

    def feel_tempogram(self, tempogram: Tensor, anticipation: Tensor) -> Tensor:
        """The tempogram [..., channels, tempi, 2], turned on to the output time, as features [..., features]."""
        at_output = self.tempogram.ahead(tempogram, 1 + anticipation.expand(tempogram.shape[:-3]))
        size = at_output.square().sum(-1).add(1e-6).sqrt().unsqueeze(-1)
        felt: Tensor = self.feel(torch.cat([at_output, size], dim=-1).flatten(-3))
        return felt

    def embed(
        self,
        heard: Tensor,
        tempogram: Tensor,
        known: Tensor,
        stem: Tensor,
        anticipation: Tensor,
        chance: Tensor,
        steer: Steer | None,
    ) -> Tensor:
        """Sum of all inputs [..., features]; `stem` and `anticipation` [...] broadcast over frames; known [..., told_width]."""
        felt = self.feel_tempogram(tempogram, anticipation)
        ahead = anticipation.float().unsqueeze(-1) / self.config.anticipation_max
        orders = torch.arange(8, device=ahead.device) / 2
        waves = torch.cos(torch.pi * ahead.sqrt() * orders)
        asked = None
        if self.styling is not None:
            known, asked = known.split([host.WIDTH, style.WIDTH], dim=-1)
        told = self.listen(heard) + felt + self.know(known)
        x: Tensor = told + self.chance(chance) + self.stem(stem) + self.ahead(waves)
        if self.steer is not None:
            x = x + self.steer(x.new_zeros(WIDTH) if steer is None else steer.ranks)
        if self.styling is not None:
            x = x + self.styling(asked)
        more = self._more(stem, steer)
        if more is None:
            return x
        # What `listen` and `know` say of zeros.
        nothing = self.listen.bias + self.know[1:](self.know.get_parameter("0.bias"))
        return x + more * (told - nothing)

    def _more(self, stem: Tensor, steer: Steer | None) -> Tensor | None:
        """By how much more than in training what is heard and told counts, [..., 1]: guidance by the input.

        A step beyond the model's own choice, away from what it plays when nothing is heard or told (Ho and Salimans 2022,
        eq. 6), taken on the sum of its inputs instead of its outputs, so that one pass does.
        """
        bond = None if steer is None else steer.bond
        if not self.config.guidance:
            return bond
        usual = 1 + self.get_buffer("guidance")[stem].unsqueeze(-1)
        return usual - 1 if bond is None else usual * (1 + bond) - 1

    def _output(self, h: Tensor, stem: Tensor) -> Played:
        told, latents = self.tell(h), self.play(h)
        if self.latent_matching is not None:
            latents = self.latent_matching(latents, stem)
        return Played(latents, told[..., :2], told[..., 2], told[..., 3:])

    def chance_at(self, seed: Tensor, position: Tensor, variation: Tensor) -> Tensor:
        """Noise and style [..., noise + style] of sessions at positions [...], at the temperature of the variation.

        Its third power, so that a variation of 2 is eight times the noise of training: takes of twice the noise were
        measured to be hardly further apart than takes of once.
        """
        always = torch.full_like(position, _STYLE_POSITION)
        if self.config.noise == self.config.style:
            places = torch.stack([position, always], dim=-1)
            chance = gaussian(seed.unsqueeze(-1), places, self.config.noise).flatten(-2)
        else:
            frame, style = (self.config.noise, position), (self.config.style, always)
            chance = torch.cat([gaussian(seed, where, count) for count, where in (frame, style)], dim=-1)
        temperature = variation * variation * variation
        return chance * temperature.unsqueeze(-1)

    def forward(
        self,
        heard: Heard,
        known: Tensor,
        stem: Tensor,
        anticipation: Tensor,
        seed: Tensor,
        variation: Tensor,
        steer: Steer | None = None,
    ) -> Played:
        """The parallel pass over F frames.

        Args:
            heard: the mix, [B, F, ...].
            known: `told_features` of the frames to be played, [B, F, told_width].
            stem, anticipation, seed: int64 [B]. variation: float [B].
            steer: `steering_features` of [B, F]; None, or a model that is not steered: its own choice.
        """
        frames = known.shape[1]
        position = torch.arange(frames, device=known.device).expand(known.shape[0], -1)
        chance = self.chance_at(
            seed.unsqueeze(1).expand_as(position), position, variation.unsqueeze(1).expand(position.shape)
        )
        both = torch.cat(heard, dim=-1)
        x = self.embed(
            both, self.tempogram(both), known, stem.unsqueeze(1), anticipation.unsqueeze(1), chance, steer
        )
        return self._output(self.trunk(x), stem)

    def init_state(self, batch: int) -> GeneratorState:
        return GeneratorState(self.trunk.init_state(batch), self.tempogram.init_state(batch))

    def step(
        self,
        heard: Heard,
        known: Tensor,
        stem: Tensor,
        anticipation: Tensor,
        seed: Tensor,
        variation: Tensor,
        state: GeneratorState,
        active: Tensor,
        steer: Steer | None = None,
    ) -> tuple[Played, GeneratorState]:
        """One frame: as `forward` without the frame axis."""
        chance = self.chance_at(seed, state.trunk.position, variation)
        both = torch.cat(heard, dim=-1)
        tempogram, resonators = self.tempogram.step(both, state.tempogram, active)
        x = self.embed(both, tempogram, known, stem, anticipation, chance, steer)
        h, trunk = self.trunk.step(x, state.trunk, active)
        return self._output(h, stem), GeneratorState(trunk, resonators)
