# SPDX-License-Identifier: GPL-3.0-or-later
"""SpectroStream: 48 kHz stereo as 25 frames a second of residual codes (Li 2025), encoder, quantiser and decoder.

A frame of codes is 1920 samples, four STFT frames. The decoder looks one frame ahead: codes of frame n give the samples
of frame n - 1. The encoder's STFT looks 480 samples past the frame. Parameter paths are the published keys with dots.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.families.livemusic.convolution import Convolution, Residual, Strides
from lbmodels.streaming.state import map_tensors, select

SAMPLE_RATE = 48_000
CHANNELS = 2
FRAME_SAMPLES = 1920
HOP = 480
WINDOW = 960
BINS = 480
FEATURES = 256
COLUMNS = FRAME_SAMPLES // HOP
LOOKAHEAD_SAMPLES = WINDOW - HOP
# Time and frequency strides from the waveform inwards; all but the last are taken channel by channel.
RATIOS: tuple[Strides, ...] = ((1, 2), (1, 2), (1, 3), (1, 2), (1, 2), (2, 2), (2, 1))
ENCODER_WIDTHS = (32, 64, 64, 128, 128, 128, 256)
DECODER_WIDTHS = (512, 1024, 256, 256, 256, 128, 128, 64)
INNER_BINS = 5
BATCH_FRAMES = 50

Pasts = tuple[tuple[Tensor, ...], ...]
"""Of each layer in turn, what its convolutions remember."""


class _Shortcut(nn.Module):
    def __init__(self, features: int, middle: int, out: int) -> None:
        super().__init__()
        self.conv1x1_b1 = Convolution(features, middle, (1, 1))
        self.conv1x1_b2 = Convolution(middle, out, (1, 1))


class _Bend(nn.Module):
    """One layer straight, two with an elu between them beside it; the straight one's published name is given."""

    def __init__(self, name: str, features: int, middle: int, out: int) -> None:
        super().__init__()
        straight = Convolution(features, out, (1, 1))
        self.add_module(name, straight)
        self._straight = (straight,)
        self.shortcut_layer = _Shortcut(features, middle, out)

    def forward(self, x: Tensor, *, elu_first: bool) -> Tensor:
        beside = self.shortcut_layer
        y = _point(beside.conv1x1_b1, F.elu(x) if elu_first else x)
        return _point(self._straight[0], x) + _point(beside.conv1x1_b2, F.elu(y))


class _Last(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.base_conv_last = Convolution(channels, 2, (7, 7))


def _point(layer: Convolution, x: Tensor) -> Tensor:
    return F.conv2d(x, layer.conv.kernel, layer.conv.bias)


def _hann(device: torch.device) -> Tensor:
    return torch.hann_window(WINDOW, periodic=True, device=device)


class EncoderState(NamedTuple):
    """`waiting` [B, 2, 1920] samples not yet coded; `started` [B]: whether there are any; pasts of the convolutions."""

    waiting: Tensor
    started: Tensor
    pasts: Pasts


class Encoder(nn.Module):
    """Samples [B, N, 2] -> embeddings [B, frames, 256], one for every begun 1920 samples."""

    def __init__(self, widths: tuple[int, ...] = ENCODER_WIDTHS, features: int = FEATURES) -> None:
        super().__init__()
        self.base_conv_first = Convolution(CHANNELS, widths[0], (7, 7))
        self._blocks = []
        for number, strides in enumerate(RATIOS):
            joined = CHANNELS if number == len(RATIOS) - 1 else 1
            into = widths[number] * joined
            out = features if joined > 1 else widths[number + 1]
            self._blocks.append(Residual(into, out, strides, "down"))
            self.add_module(f"encoder_{number}", self._blocks[-1])
        self.bottleneck = Residual(features, features)
        flat = features * INNER_BINS
        self.output_convs = _Bend("conv1x1_last", flat, flat, features)

    def _pasts(self, batch: int) -> Pasts:
        """[B, channel, ...] for what runs channel by channel, [B, ...] for the rest."""
        bins, pasts = BINS, list[tuple[Tensor, ...]]()
        pasts.append((self.base_conv_first.past(batch * CHANNELS, BINS),))
        for number, (block, strides) in enumerate(zip(self._blocks, RATIOS, strict=True)):
            each = batch * CHANNELS if number < len(RATIOS) - 1 else batch
            pasts.append(block.past(each, bins))
            bins //= strides[1]
        split = map_tensors(lambda t: t.unflatten(0, (batch, CHANNELS)), tuple(pasts[:-1]))
        return (*split, pasts[-1], self.bottleneck.past(batch, INNER_BINS))

    def _spectrum(self, audio: Tensor) -> Tensor:
        """[B, 2, samples] -> [B, 4, T, 480]: real and imaginary part of each channel, without the Nyquist bin."""
        frames = audio.unfold(-1, WINDOW, HOP) * _hann(audio.device)
        parts = torch.view_as_real(torch.fft.rfft(frames)[..., :-1])
        return parts.permute(0, 1, 4, 2, 3).flatten(1, 2)

    def _run(self, spectrum: Tensor, pasts: Pasts) -> tuple[Tensor, Pasts]:
        batch = spectrum.shape[0]
        x = spectrum.unflatten(1, (CHANNELS, 2)).flatten(0, 1)
        each = map_tensors(lambda t: t.flatten(0, 1), pasts[: len(RATIOS)])
        x, first = self.base_conv_first.run(x, each[0][0])
        news: list[tuple[Tensor, ...]] = [(first,)]
        for block, past in zip(self._blocks[:-1], each[1:], strict=True):
            x, new = block.run(x, past)
            news.append(new)
        news = list(map_tensors(lambda t: t.unflatten(0, (batch, CHANNELS)), tuple(news)))
        x = x.unflatten(0, (batch, CHANNELS)).flatten(1, 2)
        for block, past in zip((self._blocks[-1], self.bottleneck), pasts[len(RATIOS) :], strict=True):
            x, new = block.run(x, (past[0], past[1]))
            news.append(new)
        # Channels vary fastest within a bin.
        x = x.permute(0, 3, 1, 2).flatten(1, 2).unsqueeze(-1)
        y = self.output_convs(x, elu_first=True).squeeze(-1).mT
        return y, tuple(news)

    def forward(self, audio: Tensor) -> Tensor:
        padded = F.pad(audio.mT, (0, WINDOW - 1))
        return self._run(self._spectrum(padded), self._pasts(audio.shape[0]))[0]

    def init_state(self, batch: int) -> EncoderState:
        zeros = self.base_conv_first.conv.bias.new_zeros
        return EncoderState(
            zeros(batch, CHANNELS, FRAME_SAMPLES), zeros(batch, dtype=torch.bool), self._pasts(batch)
        )

    def step(self, audio: Tensor, state: EncoderState, active: Tensor) -> tuple[Tensor, EncoderState]:
        """One frame of samples [B, 1920, 2] -> the embedding [B, 256] of the frame before; zeros for the first.

        A stream's last frame comes out by a frame of silence more.
        """
        new = audio.mT
        window = torch.cat([state.waiting, new[..., :LOOKAHEAD_SAMPLES]], dim=-1)
        y, pasts = self._run(self._spectrum(window), state.pasts)
        begun = active & state.started
        pasts = map_tensors(lambda a, b: select(begun, a, b), pasts, state.pasts)
        y = select(begun, y[:, 0], torch.zeros_like(y[:, 0]))
        return y, EncoderState(select(active, new, state.waiting), state.started | active, pasts)


class DecoderState(NamedTuple):
    """`tail` [B, 2, 480] of the overlap-add; `started` [B]: whether the look-ahead is there; pasts of the convolutions."""

    tail: Tensor
    started: Tensor
    pasts: Pasts


class Decoder(nn.Module):
    """Embeddings [B, F, 256] -> samples [B, 1920 (F - 1), 2], before the published factor 0.5 (see `playable`)."""

    def __init__(self, widths: tuple[int, ...] = DECODER_WIDTHS, features: int = FEATURES) -> None:
        super().__init__()
        flat = widths[0] * INNER_BINS
        self.input_layer = _Bend("conv1x1_first", features, flat, flat)
        self.input_layers_residual_unit = Residual(widths[0], widths[0], wide_first=True)
        self._blocks = []
        for number, strides in enumerate(reversed(RATIOS)):
            into = widths[number] // (CHANNELS if number == 1 else 1)
            self._blocks.append(Residual(into, widths[number + 1], strides, "up"))
            self.add_module(f"decoder_{number}", self._blocks[-1])
        self.output_layer = _Last(widths[-1])

    def _pasts(self, batch: int) -> Pasts:
        pasts: list[tuple[Tensor, ...]] = [self.input_layers_residual_unit.past(batch, INNER_BINS)]
        bins = INNER_BINS
        for number, (block, strides) in enumerate(zip(self._blocks, reversed(RATIOS), strict=True)):
            pasts.append(block.past(batch * (CHANNELS if number else 1), bins))
            bins *= strides[1]
        pasts.append((self.output_layer.base_conv_last.past(batch * CHANNELS, bins),))
        split = map_tensors(lambda t: t.unflatten(0, (batch, CHANNELS)), tuple(pasts[2:]))
        return (*pasts[:2], *split)

    def _spectrum(self, x: Tensor, pasts: Pasts) -> tuple[Tensor, Pasts]:
        """[B, F, 256] -> [B, 4, 4 F, 480]."""
        batch = x.shape[0]
        x = x.mT.unsqueeze(-1)
        x = self.input_layer(x, elu_first=False)
        x = x.squeeze(-1).unflatten(1, (INNER_BINS, -1)).permute(0, 2, 3, 1)
        news: list[tuple[Tensor, ...]] = []
        for block, past in zip((self.input_layers_residual_unit, self._blocks[0]), pasts[:2], strict=True):
            x, new = block.run(x, (past[0], past[1]))
            news.append(new)
        x = x.unflatten(1, (CHANNELS, -1)).flatten(0, 1)
        each = map_tensors(lambda t: t.flatten(0, 1), pasts[2:])
        folded: list[tuple[Tensor, ...]] = []
        for block, past in zip(self._blocks[1:], each[:-1], strict=True):
            x, new = block.run(x, past)
            folded.append(new)
        x, last = self.output_layer.base_conv_last.run(F.elu(x), each[-1][0])
        folded.append((last,))
        split = map_tensors(lambda t: t.unflatten(0, (batch, CHANNELS)), tuple(folded))
        return x.unflatten(0, (batch, CHANNELS)).flatten(1, 2), (*news, *split)

    def run(self, x: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Embeddings [B, n, 256] -> samples [B, 1920 n, 2] that end one frame earlier; the stream's first 1920 are silence."""
        spectrum, pasts = self._spectrum(x, state.pasts)
        parts = spectrum.unflatten(1, (CHANNELS, 2)).permute(0, 1, 3, 4, 2).contiguous()
        frames = torch.fft.irfft(F.pad(torch.view_as_complex(parts), (0, 1)), n=WINDOW)
        hann = _hann(x.device)
        power = hann.square()
        frames = frames * (hann / (power[:HOP] + power[HOP:]).repeat(2))
        # What the look-ahead consumes is not heard.
        first = torch.arange(frames.shape[2], device=x.device) < COLUMNS
        silent = first & ~state.started.unsqueeze(1)
        frames = frames.masked_fill(silent[:, None, :, None], 0.0)
        early, late = frames[..., :HOP], frames[..., HOP:]
        before = torch.cat([state.tail.unsqueeze(2), late[:, :, :-1]], dim=2)
        samples = (early + before).flatten(2).mT
        return samples, DecoderState(late[:, :, -1], torch.ones_like(state.started), pasts)

    def forward(self, x: Tensor) -> Tensor:
        """In batches of frames, so that an hour needs no more memory than two seconds."""
        state, parts = self.init_state(x.shape[0]), []
        for part in x.split(BATCH_FRAMES, dim=1):
            samples, state = self.run(part, state)
            parts.append(samples)
        return torch.cat(parts, dim=1)[:, FRAME_SAMPLES:]

    def init_state(self, batch: int) -> DecoderState:
        zeros = self.output_layer.base_conv_last.conv.bias.new_zeros
        return DecoderState(zeros(batch, CHANNELS, HOP), zeros(batch, dtype=torch.bool), self._pasts(batch))

    def step(self, x: Tensor, state: DecoderState, active: Tensor) -> tuple[Tensor, DecoderState]:
        """One frame's embedding [B, 256] -> the samples [B, 1920, 2] of the frame before; silence for the first."""
        samples, new = self.run(x.unsqueeze(1), state)
        return samples, map_tensors(lambda a, b: select(active, a, b), new, state)


class Quantiser(nn.Module):
    """Levels of codes of 256 numbers each; a level codes what the coarser ones leave."""

    def __init__(self, levels: int = 64, codes: int = 1024, features: int = FEATURES) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(levels, codes, features))

    def encode(self, x: Tensor, levels: int) -> tuple[Tensor, Tensor]:
        """[..., 256] -> codes [..., levels] int64, and by how much each was nearer (squared) than the second."""
        codes, margins = [], []
        for table in self.embedding[:levels]:
            distances = x.square().sum(-1, keepdim=True) - 2 * x @ table.T + table.square().sum(-1)
            best = distances.topk(2, dim=-1, largest=False).indices
            gaps = (x.unsqueeze(-2) - table[best]).square().sum(-1)
            codes.append(best[..., 0])
            margins.append(gaps[..., 1] - gaps[..., 0])
            x = x - table[codes[-1]]
        return torch.stack(codes, -1), torch.stack(margins, -1)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [..., levels] -> [..., 256], the sum over levels."""
        tables = self.embedding[: codes.shape[-1]]
        return tables[torch.arange(len(tables), device=codes.device), codes].sum(-2)


class SpectroStream(nn.Module):
    """The three together; the encoder may be absent, as it is in the published joint file."""

    def __init__(self, *, encoder: bool = True) -> None:
        super().__init__()
        self.decoder, self.quantizer = Decoder(), Quantiser()
        self.encoder = Encoder() if encoder else None


def playable(samples: Tensor) -> Tensor:
    """What the published system plays: half the level, limited to full scale."""
    return (0.5 * samples).clamp(-1.0, 1.0)
