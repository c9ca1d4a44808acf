# SPDX-License-Identifier: GPL-3.0-or-later
"""Multi-scale complex STFT discriminator (Defossez 2022, section 3.4), small enough for a CPU."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class _Scale(nn.Module):
    """Real and imaginary STFT as channels, strided 2-D convolutions over frequency."""

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("window", torch.hann_window(size), persistent=False)
        widths = [2, channels, channels, 2 * channels, 2 * channels]
        self.layers = nn.ModuleList(
            nn.utils.parametrizations.weight_norm(
                nn.Conv2d(a, b, (9, 3) if i == 0 else (8, 3), stride=(4 if i < 2 else 2, 1), padding=(4, 1))
            )
            for i, (a, b) in enumerate(itertools.pairwise(widths))
        )
        self.out = nn.utils.parametrizations.weight_norm(nn.Conv2d(widths[-1], 1, (3, 3), padding=1))

    def forward(self, audio: Tensor) -> tuple[Tensor, list[Tensor]]:
        spectra = torch.stft(
            audio,
            self.size,
            self.size // 4,
            window=self.get_buffer("window"),
            center=False,
            return_complex=True,
        )
        size = (spectra.real.square() + spectra.imag.square() + 1e-6).sqrt()
        x = torch.view_as_real(spectra / size.sqrt()).permute(0, 3, 1, 2)
        maps = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            maps.append(x)
        return self.out(x), maps


class StftDiscriminator(nn.Module):
    """Audio [B, T] -> a list, by scale, of logits and feature maps."""

    def __init__(self, channels: int = 16, sizes: tuple[int, ...] = (512, 1024, 2048)) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_Scale(size, channels) for size in sizes)

    def forward(self, audio: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
        return [scale(audio) for scale in self.scales]


def discriminator_loss(
    real: list[tuple[Tensor, list[Tensor]]], fake: list[tuple[Tensor, list[Tensor]]]
) -> Tensor:
    """Hinge loss (Lim and Ye 2017), mean over scales."""
    losses = [F.relu(1 - r).mean() + F.relu(1 + f).mean() for (r, _), (f, _) in zip(real, fake, strict=True)]
    return torch.stack(losses).mean()


def generator_loss(fake: list[tuple[Tensor, list[Tensor]]]) -> Tensor:
    """The other side of the hinge game."""
    return torch.stack([-f.mean() for f, _ in fake]).mean()


def feature_matching(
    real: list[tuple[Tensor, list[Tensor]]], fake: list[tuple[Tensor, list[Tensor]]]
) -> Tensor:
    """Mean relative L1 distance of the discriminator's feature maps (Kumar 2019, eq. 4)."""
    distances = [
        F.l1_loss(f, r.detach()) / r.detach().abs().mean().clamp(min=1e-3)
        for (_, real_maps), (_, fake_maps) in zip(real, fake, strict=True)
        for r, f in zip(real_maps, fake_maps, strict=True)
    ]
    return torch.stack(distances).mean()
