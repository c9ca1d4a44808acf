# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own window network: a compact diffusion transformer over latent columns, told what is heard, known and announced.

It hears with the ears of a LiveBand generator and thinks with its trunk, whose norms are set by the noise level after Peebles and Xie
2023 (arXiv 2212.09748), and may so begin as one that plays already. A column hears what was heard as long before it as the
window's end lies beyond what is heard: as a generator does at that anticipation. What is known of the stem enters as it
is, not only as something to paste: so one or two calls continue it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.band import PlayerConfig
from lbmodels.errors import LiveBandModelError
from lbmodels.families.liveband.generator import Generator, GeneratorConfig
from lbmodels.families.lookahead.diffusion import Preconditioning, Schedule
from lbmodels.families.lookahead.window import shifted
from lbmodels.streaming.attention import rotary
from lbmodels.streaming.transformer import Block

_CODE_FEATURES = 32
_LATER = -5.0
"""Logit of what lies later, at first: a trunk that never saw it is not disturbed by it."""


@dataclass(frozen=True, kw_only=True)
class LookaheadConfig(PlayerConfig):
    """Sizes. `columns`: latent columns of a window, T = columns / frame_rate seconds.

    `student`: a consistency model, which answers in 1 to 4 calls; otherwise a diffusion model. Noise levels from `sigma_max` down
    to `sigma_min`, spaced by `rho`; `sigma_data` is the deviation of the latents. `trim_db`: make-up gain of each stem; empty for none. `styled`: it takes a style.
    """

    columns: int = 128
    sigma_data: float = 1.0
    sigma_min: float = 0.03
    sigma_max: float = 10.0
    rho: float = 7.0
    student: bool = False
    trim_db: tuple[float, ...] = ()
    styled: bool = False

    def hearing(self) -> GeneratorConfig:
        """The generator whose ears and trunk it has."""
        return GeneratorConfig(
            latent=self.latent,
            semitones=self.semitones,
            stems=self.stems,
            features=self.features,
            heads=self.heads,
            depth=self.depth,
            frame_rate=self.frame_rate,
            window=self.columns,
            styled=self.styled,
        )

    def preconditioning(self) -> Preconditioning:
        return Preconditioning(sigma_data=self.sigma_data, floor=self.sigma_min if self.student else 0.0)

    def schedule(self) -> Schedule:
        return Schedule(sigma_min=self.sigma_min, sigma_max=self.sigma_max, rho=self.rho)


class Seen(NamedTuple):
    """What a window is filled by, C columns: the mix as far as it is heard, the stem as far as it is known, what is announced.

    mix [B, C, latent + semitones], source [B, C, latent]; heard, known [B, C] bool; told [B, C, told_width] what is announced of them; stem [B]
    int64; unheard [B] int64, columns at the window's end that come after all that is heard. Columns that are not heard or
    not known may hold anything.
    """

    mix: Tensor
    heard: Tensor
    source: Tensor
    known: Tensor
    told: Tensor
    stem: Tensor
    unheard: Tensor


def untold(seen: Seen) -> Seen:
    """The same with nothing told by the host, and no style."""
    return seen._replace(told=torch.zeros_like(seen.told))


def _level(code: Tensor) -> Tensor:
    """Noise codes [B] -> [B, 2 * _CODE_FEATURES] sines and cosines, of periods from 8 codes down."""
    octaves = torch.arange(_CODE_FEATURES, device=code.device) / 4
    angles = code.float()[:, None] * (2 * torch.pi / 8) * 2**octaves
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _silent(inputs: int, features: int) -> nn.Linear:
    """A layer that says nothing until it is trained."""
    layer = nn.Linear(inputs, features)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class WindowNetwork(nn.Module):
    """Scaled noisy stem latents and what is seen -> what the preconditioning makes the stem of."""

    def __init__(self, config: LookaheadConfig) -> None:
        super().__init__()
        if config.features % (2 * config.heads):
            raise LiveBandModelError(
                f"features {config.features} do not divide among {config.heads} heads of even width"
            )
        self.config = config
        width = config.features
        self.hearing = Generator(config.hearing())
        self.beside = nn.Linear(3 * config.latent + config.semitones + 2, width)
        nn.init.normal_(self.beside.weight, std=0.02)
        self.level = nn.Sequential(
            nn.Linear(2 * _CODE_FEATURES, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.sets = nn.ModuleList(_silent(width, 6 * width) for _ in range(config.depth))
        self.later = nn.Parameter(torch.full((config.depth, config.heads), _LATER))
        self.lean = _silent(width, 2 * config.latent)

    def context(self, seen: Seen) -> Tensor:
        """What does not change from call to call, [B, C, features]: the sum of all that the generator's ears hear and are told."""
        hearing = self.hearing
        heard = torch.where(seen.heard.unsqueeze(-1), seen.mix, 0.0)
        late = shifted(heard, -seen.unheard)
        ahead = (seen.unheard - 1).clamp(min=0).unsqueeze(1)
        chance = heard.new_zeros(hearing.chance.in_features)
        tempogram = hearing.tempogram(late)
        embedded = hearing.embed(late, tempogram, seen.told, seen.stem.unsqueeze(1), ahead, chance, None)
        known = seen.known.unsqueeze(-1)
        source = torch.where(known, seen.source, 0.0)
        sides = [source, heard, known.to(heard.dtype), seen.heard.unsqueeze(-1).to(heard.dtype)]
        weight = self.beside.weight[:, self.config.latent :]
        return embedded + F.linear(torch.cat(sides, dim=-1), weight, self.beside.bias)

    def forward(self, x: Tensor, code: Tensor, context: Tensor) -> Tensor:
        """X [B, C, latent] with C at most `columns`, code [B], what `context` gives -> [B, C, latent]."""
        columns = x.shape[1]
        embedding = self.level(_level(code))
        h = context + F.linear(x, self.beside.weight[:, : self.config.latent])
        blocks = [block for block in self.hearing.trunk.blocks if isinstance(block, Block)]
        at = torch.arange(columns, device=x.device)
        rope = rotary(at, blocks[0].attention.head_features)
        slots = blocks[0].attention.slot_bias(at)
        later = (at > at[:, None]).to(x.dtype)
        for block, settings, logit in zip(blocks, self.sets, self.later, strict=True):
            scale, shift, gate, wide, lift, open_ = settings(embedding).unsqueeze(1).chunk(6, dim=-1)
            frames = later * logit[:, None, None]
            bias = torch.cat([slots.expand(len(frames), -1, -1), frames], dim=-1)
            y = block.attention(block.attention_norm(h) * (1 + scale) + shift, bias, rope)
            h = h + (1 + gate) * y
            opened, value = block.gate_and_value(block.mlp_norm(h) * (1 + wide) + lift).chunk(2, dim=-1)
            h = h + (1 + open_) * block.narrow(F.silu(opened) * value)
        keep, add = self.lean(embedding).unsqueeze(1).chunk(2, dim=-1)
        # At noise alone the answer is what the trunk plays, at none it is the input: so begins a denoiser of a normal distribution.
        expected = torch.sigmoid(8 * code).sqrt()[:, None, None] + add
        answer: Tensor = expected * self.hearing.play(self.hearing.trunk.norm(h)) + keep * x
        return answer

    def denoise(self, x: Tensor, sigma: Tensor, seen: Seen, context: Tensor | None = None) -> Tensor:
        """Clean stem latents expected of noisy ones at levels sigma [B]; what is known is itself.

        `context` may be handed in by who calls more than once.
        """
        pre = self.config.preconditioning()
        around = self.context(seen) if context is None else context
        clean = pre.denoise(lambda scaled, code: self(scaled, code, around), x, sigma)
        return torch.where(seen.known.unsqueeze(-1), seen.source, clean)

    def guided(self, seen: Seen, strength: float) -> Callable[[Tensor, Tensor], Tensor]:
        """`denoise` of these windows as a function of x and sigma, led by `strength` away from what it expects of them untold.

        Ho and Salimans 2022 (arXiv 2207.12598). The windows go twice through the network, side by side, unless `strength` is 0.
        """
        if not strength:
            context = self.context(seen)
            return lambda x, sigma: self.denoise(x, sigma, seen, context)
        both = Seen(*(torch.cat(pair) for pair in zip(seen, untold(seen), strict=True)))
        around = self.context(both)

        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            told, unaware = self.denoise(x.repeat(2, 1, 1), sigma.repeat(2), both, around).chunk(2)
            return told + strength * (told - unaware)

        return denoise
