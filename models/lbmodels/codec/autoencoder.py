# SPDX-License-Identifier: GPL-3.0-or-later
"""The autoencoder: spectral features, ConvNeXt stacks at the frame rate, phase integration, overlap-add."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lbmodels.codec.features import FeatureMap, Features
from lbmodels.codec.phase import PhaseIntegrator
from lbmodels.streaming.conv import ConvNeXtStack, ConvState
from lbmodels.streaming.spectral import BackState, FrontState, StftBackEnd, StftFrontEnd
from lbmodels.streaming.stacked import as_complex, stacked
from lbmodels.streaming.state import select


@dataclass(frozen=True, kw_only=True)
class CodecConfig:
    """Sizes; `hop`, `window` and `step` in samples at `sample_rate` Hz.

    `encoder_columns` and `decoder_columns` are features of a second stack that works on each STFT column with the same
    weights; with 0 there is none, and the frame's columns are read or written at once. `decoder_depth` 0 is `depth`.
    `phase_lock` keeps the bins of one partial in phase (`codec.phase`).
    """

    sample_rate: int = 48000
    hop: int = 1920
    window: int = 1920
    step: int = 480
    low_bins: int = 192
    high_bands: int = 64
    latent: int = 64
    features: int = 256
    depth: int = 4
    kernel: int = 7
    decoder_depth: int = 0
    encoder_columns: int = 0
    encoder_column_depth: int = 1
    decoder_columns: int = 0
    decoder_column_depth: int = 2
    phase_lock: bool = False

    @property
    def columns(self) -> int:
        """STFT columns per model frame."""
        return self.hop // self.step

    @property
    def delay_samples(self) -> int:
        """Samples by which decoded audio lags the audio that was encoded."""
        return self.window - self.step

    def feature_map(self) -> FeatureMap:
        return FeatureMap(window=self.window, step=self.step, low=self.low_bins, high=self.high_bands)


class EncoderState(NamedTuple):
    """Audio of the open windows, last mid column [B, low, 2], convolution states."""

    front: FrontState
    before: Tensor
    stack: tuple[ConvState, ...]
    columns: tuple[ConvState, ...]


class DecoderState(NamedTuple):
    """Convolution states, frame count [B] int64, phasors [B, bins, 2], open windows."""

    stack: tuple[ConvState, ...]
    position: Tensor
    phasor: Tensor
    back: BackState
    columns: tuple[ConvState, ...]


class Encoder(nn.Module):
    """Audio [B, F, 2, hop] -> latents [B, F, latent] of zero mean and unit variance over the training data."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.map = config.feature_map()
        self.front = StftFrontEnd(hop=config.hop, window=config.window, step=config.step)
        each = config.encoder_columns
        self.embed = nn.Linear(
            *((self.map.width, each) if each else (config.columns * self.map.width, config.features))
        )
        self.columns = ConvNeXtStack(each, config.kernel, config.encoder_column_depth) if each else None
        self.join = nn.Linear(config.columns * each, config.features) if each else None
        self.stack = ConvNeXtStack(config.features, config.kernel, config.depth)
        self.norm = nn.LayerNorm(config.features)
        self.out = nn.Linear(config.features, config.latent)
        self.latent_norm = nn.BatchNorm1d(config.latent, affine=False, momentum=0.01)

    def _latent(self, h: Tensor) -> Tensor:
        z = self.out(self.norm(h))
        normal: Tensor = self.latent_norm(z.flatten(0, -2)).view(z.shape)
        return normal

    def features(self, audio: Tensor) -> Features:
        """Features [B, F, columns, ...] of audio [B, F, 2, hop]: also the decoder's training target."""
        spectra = stacked(self.front(audio))
        mid = self.map.mid(spectra)[..., : self.map.low]
        before = torch.cat([torch.zeros_like(mid[:, :1, -1:]), mid[:, :-1, -1:]], dim=1)
        return self.map.analyse(spectra, before)

    def encode_features(self, features: Features) -> Tensor:
        if self.columns is None or self.join is None:
            return self._latent(self.stack(self.embed(features.flat())))
        h = self.embed(features.by_column())
        h = self.columns(h.flatten(1, 2)).view(h.shape)
        return self._latent(self.stack(self.join(h.flatten(-2))))

    def forward(self, audio: Tensor) -> Tensor:
        return self.encode_features(self.features(audio))

    def init_state(self, batch: int) -> EncoderState:
        before = self.out.weight.new_zeros(batch, self.map.low, 2)
        columns = self.columns.init_state(batch) if self.columns is not None else ()
        return EncoderState(self.front.init_state(batch), before, self.stack.init_state(batch), columns)

    def spectra(self, audio: Tensor, state: EncoderState, active: Tensor) -> tuple[Tensor, FrontState]:
        """Of a frame [B, 2, hop]: [B, 2, columns, 2, bins], complex numbers as rows (`streaming.stacked`); of several
        [B, n, 2, hop] the columns of all, one after the other.
        """
        row = from_frames(audio) if audio.dim() == 4 else audio
        spectra, front = self.front.step(row, state.front, active)
        return stacked(spectra), front

    def step(
        self,
        audio: Tensor,
        state: EncoderState,
        active: Tensor,
        heard: tuple[Tensor, FrontState] | None = None,
    ) -> tuple[Tensor, EncoderState]:
        """One frame [B, 2, hop], or several that came at once [B, n, 2, hop]; `heard`: its `spectra`, if they are there already."""
        several = audio.dim() == 4
        spectra, front = self.spectra(audio, state, active) if heard is None else heard
        features = self.map.analyse(spectra, state.before.mT.unsqueeze(1))
        last = self.map.mid(spectra)[:, -1, :, : self.map.low].mT
        columns = state.columns
        if self.columns is None or self.join is None:
            h = self.embed(self._by_frame(features.by_column(), several))
        else:
            h, columns = self.columns.step(self.embed(features.by_column()), columns, active)
            h = self.join(self._by_frame(h, several))
        h, stack = self.stack.step(h, state.stack, active)
        return self._latent(h), EncoderState(front, select(active, last, state.before), stack, columns)

    def _by_frame(self, x: Tensor, several: bool) -> Tensor:
        """Columns [B, n * columns, D] as frames: [B, columns * D], or of several [B, n, columns * D]."""
        return (x.unflatten(1, (-1, self.config.columns)) if several else x).flatten(-2)


class Decoder(nn.Module):
    """Latents [B, F, latent] -> audio [B, F, 2, hop], `delay_samples` behind what was encoded."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.map = config.feature_map()
        self.embed = nn.Linear(config.latent, config.features)
        self.stack = ConvNeXtStack(config.features, config.kernel, config.decoder_depth or config.depth)
        each = config.decoder_columns
        self.spread = nn.Linear(config.features, config.columns * each) if each else None
        self.columns = ConvNeXtStack(each, config.kernel, config.decoder_column_depth) if each else None
        self.norm = nn.LayerNorm(config.features)
        self.head = nn.Linear(each or config.features, self.map.width * (1 if each else config.columns))
        self.phase = PhaseIntegrator(self.map, lock=config.phase_lock)
        self.back = StftBackEnd(hop=config.hop, window=config.window, step=config.step)

    @property
    def delay_samples(self) -> int:
        return self.back.delay_samples

    def features(self, latents: Tensor) -> Features:
        """Predicted features [B, F, columns, ...]."""
        h = self.norm(self.stack(self.embed(latents)))
        if self.columns is not None and self.spread is not None:
            h = self.spread(h).unflatten(-1, (self.config.columns, -1))
            h = self.columns(h.flatten(1, 2)).view(h.shape)
        flat = self.head(h)
        return self.map.split(flat if self.columns is None else flat.flatten(-2), self.config.columns)

    def synthesise(self, features: Features) -> Tensor:
        """Features [B, F, columns, ...] -> audio [B, F, 2, hop], from a fresh start."""
        batch, frames, columns = features.level.shape[:3]
        column = torch.arange(frames * columns, device=features.level.device).expand(batch, -1)
        phasor = self.first_phasor(batch).mT
        flat = Features(*(part.flatten(1, 2) for part in features))
        spectra, _ = self.phase.integrate(flat, column, phasor)
        audio: Tensor = self.back(as_complex(spectra).unflatten(2, (frames, columns)).transpose(1, 2))
        return audio

    def forward(self, latents: Tensor) -> Tensor:
        return self.synthesise(self.features(latents))

    def init_state(self, batch: int) -> DecoderState:
        phasor = self.first_phasor(batch)
        position = torch.zeros(batch, dtype=torch.int64, device=phasor.device)
        columns = self.columns.init_state(batch) if self.columns is not None else ()
        return DecoderState(
            self.stack.init_state(batch), position, phasor, self.back.init_state(batch), columns
        )

    def first_phasor(self, batch: int) -> Tensor:
        """Phasors [B, bins, 2] before the first column."""
        phasor: Tensor = self.embed.weight.new_tensor([1.0, 0.0]).expand(batch, self.map.bins, 2).clone()
        return phasor

    def step(self, latent: Tensor, state: DecoderState, active: Tensor) -> tuple[Tensor, DecoderState]:
        """One frame [B, latent], or several that came at once [B, n, latent]."""
        several, columns = latent.dim() == 3, self.config.columns
        count = columns * (latent.shape[1] if several else 1)
        h, stack = self.stack.step(self.embed(latent), state.stack, active)
        h, inner = self.norm(h), state.columns
        if self.columns is not None and self.spread is not None:
            h = self.spread(h).unflatten(-1, (columns, -1))
            h, inner = self.columns.step(h.flatten(1, 2) if several else h, inner, active)
        column = state.position.unsqueeze(1) * columns + torch.arange(count, device=latent.device)
        features = self.map.split(self.head(h).flatten(1), count)
        spectra, phasor = self.phase.integrate(features, column, state.phasor.mT)
        audio, back = self.back.step(as_complex(spectra), state.back, active)
        phasors = select(active, phasor.mT, state.phasor)
        position = state.position + (active * latent.shape[1] if several else active)
        after = DecoderState(stack, position, phasors, back, inner)
        return to_frames(audio, self.config.hop) if several else audio, after


class Codec(nn.Module):
    """Encoder and decoder that were trained together."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        if config.step > config.window:
            raise ValueError(f"step {config.step}, window {config.window}")
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    @property
    def delay_samples(self) -> int:
        return self.config.delay_samples

    def forward(self, audio: Tensor) -> Tensor:
        decoded: Tensor = self.decoder(self.encoder(audio))
        return decoded


def to_frames(audio: Tensor, hop: int) -> Tensor:
    """[B, C, F * hop] -> [B, F, C, hop]; a rest shorter than a hop is dropped."""
    frames = audio.shape[-1] // hop
    return audio[..., : frames * hop].unflatten(-1, (frames, hop)).transpose(1, 2)


def from_frames(frames: Tensor) -> Tensor:
    """[B, F, C, hop] -> [B, C, F * hop]."""
    return frames.transpose(1, 2).flatten(2)
