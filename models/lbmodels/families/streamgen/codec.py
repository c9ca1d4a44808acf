# SPDX-License-Identifier: GPL-3.0-or-later
"""The causal DAC that StreamMusicGen speaks: 32 kHz mono, a frame of codes every 640 samples (Kumar 2023, made causal).

Encoder frame t hears samples up to 640 t, the first of block t. Decoder frame t completes the raw samples of block t,
which are the recording's 640 t - 639 to 640 t: the published program crops the first 639.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.families.streamgen.layers import CausalConv, CausalTransposed, Snake, Stack, residual_units


@dataclass(frozen=True, kw_only=True)
class DacConfig:
    """Sizes; strides from the sample rate down to the frame rate."""

    encoder_dim: int = 64
    decoder_dim: int = 1536
    strides: tuple[int, ...] = (4, 4, 5, 8)
    latent_dim: int = 1024
    levels: int = 10
    codebook_size: int = 4096
    codebook_dim: int = 8
    sample_rate: int = 32_000

    @property
    def hop(self) -> int:
        """Samples a frame."""
        return math.prod(self.strides)


class Quantiser(nn.Module):
    """One level: a code is looked up by the angle in a small space, and stands for a vector of the latent space."""

    def __init__(self, config: DacConfig) -> None:
        super().__init__()
        self.into = nn.Linear(config.latent_dim, config.codebook_dim)
        self.out = nn.Linear(config.codebook_dim, config.latent_dim)
        self.codebook = nn.Parameter(torch.empty(config.codebook_size, config.codebook_dim))

    def choose(self, residual: Tensor) -> Tensor:
        """[..., D] -> codes [...], by the largest cosine."""
        small = F.normalize(self.into(residual), dim=-1)
        return (small @ F.normalize(self.codebook, dim=-1).mT).argmax(-1)

    def embed(self, codes: Tensor) -> Tensor:
        """Codes [...] -> [..., D]."""
        embedded: Tensor = self.out(F.embedding(codes, self.codebook))
        return embedded


class CodecState(NamedTuple):
    """Of the encoder and of the decoder, a nest of `Carry`."""

    layers: tuple[Any, ...]


class DacEncoder(nn.Module):
    """Blocks [B, F, hop] -> latents [B, F, D]; only the first sample of its own block reaches a frame."""

    def __init__(self, config: DacConfig) -> None:
        super().__init__()
        channels = config.encoder_dim
        layers: list[nn.Module] = [CausalConv(1, channels, 7)]
        for stride in config.strides:
            down = CausalConv(channels, 2 * channels, 2 * stride, stride=stride)
            layers.append(Stack(*residual_units(channels), Snake(channels), down))
            channels *= 2
        self.stack = Stack(*layers, Snake(channels), CausalConv(channels, config.latent_dim, 3))

    def forward(self, blocks: Tensor) -> Tensor:
        return self.stack(blocks.flatten(1).unsqueeze(1)).transpose(1, 2)

    def init_state(self, batch: int) -> CodecState:
        return CodecState(self.stack.init_state(batch))

    def step(self, block: Tensor, state: CodecState, active: Tensor) -> tuple[Tensor, CodecState]:
        """[B, hop] -> [B, D]."""
        y, layers = self.stack.stretch(block.unsqueeze(1), state.layers, active)
        return y.squeeze(2), CodecState(layers)


class DacDecoder(nn.Module):
    """Latents [B, F, D] -> raw blocks [B, F, hop], complete as soon as their frame is known."""

    def __init__(self, config: DacConfig) -> None:
        super().__init__()
        self.hop, channels = config.hop, config.decoder_dim
        layers: list[nn.Module] = [CausalConv(config.latent_dim, channels, 7)]
        for stride in reversed(config.strides):
            up = CausalTransposed(channels, channels // 2, stride)
            channels //= 2
            layers.append(Stack(Snake(2 * channels), up, *residual_units(channels)))
        self.stack = Stack(*layers, Snake(channels), CausalConv(channels, 1, 7))

    def ring_on(self, latents: Tensor) -> Tensor:
        """[B, F, D] -> samples [B, 1, F * hop + tail] as the published decoder gives them."""
        return torch.tanh(self.stack(latents.transpose(1, 2)))

    def forward(self, latents: Tensor) -> Tensor:
        frames = latents.shape[1]
        return self.ring_on(latents)[:, 0, : frames * self.hop].unflatten(1, (frames, self.hop))

    def init_state(self, batch: int) -> CodecState:
        return CodecState(self.stack.init_state(batch))

    def step(self, latents: Tensor, state: CodecState, active: Tensor) -> tuple[Tensor, CodecState]:
        """[B, D] -> [B, hop]."""
        y, layers = self.stack.stretch(latents.unsqueeze(2), state.layers, active)
        return torch.tanh(y).squeeze(1), CodecState(layers)


class Dac(nn.Module):
    """Encoder, levels and decoder."""

    def __init__(self, config: DacConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = DacEncoder(config), DacDecoder(config)
        self.levels = nn.ModuleList(Quantiser(config) for _ in range(config.levels))

    def _level(self, number: int) -> Quantiser:
        level = self.levels[number]
        assert isinstance(level, Quantiser)
        return level

    def codebook(self, number: int) -> Tensor:
        """[codes, small]."""
        return self._level(number).codebook

    def blocks(self, samples: Tensor) -> Tensor:
        """Samples [B, T] -> blocks [B, F, hop], zeros after the end."""
        hop = self.config.hop
        return F.pad(samples, (0, -samples.shape[1] % hop)).unflatten(1, (-1, hop))

    def quantise(self, latents: Tensor, levels: int | None = None) -> Tensor:
        """[..., D] -> codes [..., Q] of the first `levels` (all)."""
        residual, codes = latents, []
        for number in range(self.config.levels if levels is None else levels):
            level = self._level(number)
            codes.append(level.choose(residual))
            residual = residual - level.embed(codes[-1])
        return torch.stack(codes, dim=-1)

    def embed(self, codes: Tensor) -> Tensor:
        """Codes [..., Q] of the first Q levels -> [..., D]."""
        latents = self._level(0).embed(codes[..., 0])
        for number in range(1, codes.shape[-1]):
            latents = latents + self._level(number).embed(codes[..., number])
        return latents

    def round_trip(self, samples: Tensor) -> Tensor:
        """Samples [B, T] through the codes of all levels and back, [B, T]."""
        decoded = self.decoder.ring_on(self.embed(self.quantise(self.encoder(self.blocks(samples)))))[:, 0]
        return decoded[:, self.config.hop - 1 :][:, : samples.shape[1]]
