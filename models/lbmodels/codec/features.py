# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a spectrum the autoencoder keeps: magnitudes, phase advance, attack time and panning.

Absolute phase is left out on purpose. A latent that carried it would rotate from frame to frame even
under a steady note, and a generator would have to invent that rotation; phase *differences* are
steady under a steady note. The decoder integrates them back (the phase gradients of Prusa, Balazs and
Sondergaard 2017, here predicted by the network instead of derived from the magnitudes):

- `advance`: exp(i(phase[t] - phase[t-1] - w_k step)) per low bin, the instantaneous frequency;
- `attack`: magnitude-weighted mean of exp(i(phase[k+1] - phase[k])) per band, the group delay:
  its angle tells where in the window the energy sits, its modulus how sharply.

Means of unit phasors shrink where they are unpredictable, so their modulus is the confidence.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lbmodels.streaming.stacked import size, stacked, times, times_conjugate

_FLOOR = 0.02
"""Magnitude taken as silence: about -88 dB below a full-scale sine under the codec's window."""


class Features(NamedTuple):
    """One value per STFT column; leading axes [..., columns].

    level: log magnitude of low bins and high bands, [..., low + high], about 0..2.
    advance: real and imaginary part of the phase advance, [..., low, 2].
    attack: real and imaginary part of the vertical phase step, [..., attack bands, 2].
    pan: (right - left) / (right + left) energy, [..., pan bands].
    """

    level: Tensor
    advance: Tensor
    attack: Tensor
    pan: Tensor

    def by_column(self) -> Tensor:
        """[..., columns, all]."""
        parts = [self.level, self.advance.flatten(-2), self.attack.flatten(-2), self.pan]
        return torch.cat(parts, dim=-1)

    def flat(self) -> Tensor:
        """[..., columns, all] -> [..., columns * all]."""
        return self.by_column().flatten(-2)


def _bands(edges: np.ndarray, bins: int, first: int) -> Tensor:
    """Triangles [bins, bands] between log-spaced centres; columns sum to 1."""
    k = np.arange(first, bins)[:, None]
    rise = (k - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - k) / (edges[2:] - edges[1:-1])
    weights = np.clip(np.minimum(rise, fall), 0, None)
    return torch.tensor(weights / weights.sum(0, keepdims=True), dtype=torch.float32)


class FeatureMap(nn.Module):
    """The fixed maps between STFT bins and the codec's bands."""

    def __init__(
        self, *, window: int, step: int, low: int, high: int, attack_bands: int = 8, pan_bands: int = 24
    ) -> None:
        super().__init__()
        bins = window // 2 + 1
        self.bins, self.low, self.high = bins, low, high
        edges = np.geomspace(low - 1, bins, high + 2)
        spread = _bands(edges, bins, low)
        self.register_buffer("high_bank", spread, persistent=False)
        self.register_buffer(
            "high_spread", spread / spread.sum(1, keepdim=True).clamp(min=1e-9), persistent=False
        )
        for name, bands in (("pan", pan_bands), ("attack", attack_bands)):
            index = self._index(bands, bins)
            self.register_buffer(f"{name}_index", index, persistent=False)
            self.register_buffer(
                f"{name}_pool", nn.functional.one_hot(index, bands).float(), persistent=False
            )
        self.register_buffer(
            "bins_each", torch.cat([torch.ones(low), self.get_buffer("high_spread").sum(0)]), persistent=False
        )
        groups = (torch.arange(low) * 16 // low).tolist() + [16 + i * 16 // high for i in range(high)]
        self.register_buffer(
            "groups", nn.functional.one_hot(torch.tensor(groups), 32).float(), persistent=False
        )
        centre = 2 * torch.pi * torch.arange(bins) * step / window
        self.register_buffer("centre_advance", torch.polar(torch.ones(bins), centre), persistent=False)
        self.pan_bands, self.attack_bands = pan_bands, attack_bands

    @staticmethod
    def _index(bands: int, bins: int) -> Tensor:
        edges = np.geomspace(4, bins, bands)
        return torch.tensor(np.minimum(np.searchsorted(edges, np.arange(bins)), bands - 1))

    @property
    def width(self) -> int:
        """Values per STFT column."""
        return self.low + self.high + 2 * self.low + 2 * self.attack_bands + self.pan_bands

    def analyse(self, spectra: Tensor, before: Tensor) -> Features:
        """Spectra [..., C, columns, 2, bins] and the mid column before them [..., 1, 2, low] -> features."""
        power = spectra.square().sum(-2)
        mono = power.mean(-3)
        pooled = mono[..., self.low :] @ self.get_buffer("high_bank")
        level = torch.cat([mono[..., : self.low], pooled], dim=-1)
        level = 0.5 * torch.log10(level.sqrt() + _FLOOR) + 0.85

        mid = self.mid(spectra)
        low = mid[..., : self.low]
        centre = stacked(self.get_buffer("centre_advance")[: self.low].unsqueeze(0)).squeeze(0)
        earlier = times(centre, torch.cat([before, low[..., :-1, :, :]], dim=-3))
        turn = times_conjugate(low, earlier)
        advance = (turn / size(turn, 1e-4)).mT.contiguous()

        steps = times_conjugate(mid[..., 1:], mid[..., :-1])
        length = mid.square().sum(-2, keepdim=True).sqrt()
        steps = (
            torch.cat([steps, length[..., 1:] * length[..., :-1]], dim=-2)
            @ self.get_buffer("attack_pool")[1:]
        )
        step, weight = steps.split([2, 1], dim=-2)
        attack = (step / (weight + 1e-4)).mT.contiguous()

        sides = power @ self.get_buffer("pan_pool")
        left, right = sides[..., 0, :, :], sides[..., 1, :, :]
        pan = (right - left) / (right + left + 1e-4)
        return Features(level, advance, attack, pan)

    @staticmethod
    def mid(spectra: Tensor) -> Tensor:
        """Channel mean [..., C, columns, 2, bins] -> [..., columns, 2, bins]."""
        return spectra.mean(-4)

    def split(self, flat: Tensor, columns: int) -> Features:
        """The inverse of `Features.flat`."""
        x = flat.unflatten(-1, (columns, self.width))
        sizes = [self.low + self.high, 2 * self.low, 2 * self.attack_bands, self.pan_bands]
        level, advance, attack, pan = x.split(sizes, dim=-1)
        return Features(level, advance.unflatten(-1, (-1, 2)), attack.unflatten(-1, (-1, 2)), pan)

    def linear(self, level: Tensor) -> Tensor:
        """[..., low + high] -> magnitude of low bins and high bands, whose squares sum up to the power of the column."""
        size = (torch.pow(10.0, (level * 2 - 1.7).clamp(max=3.2)) - _FLOOR).clamp(min=0)
        return size * self.get_buffer("bins_each").sqrt()

    def band_power(self, linear: Tensor) -> Tensor:
        """`linear` magnitudes -> power in 16 equal parts of the low bins and 16 of the high bands, [..., 32]."""
        return linear.square() @ self.get_buffer("groups")

    def magnitude(self, level: Tensor) -> Tensor:
        """[..., low + high] -> linear magnitude [..., bins]."""
        low, high = level.split([self.low, self.high], dim=-1)
        bins = torch.cat([low, high @ self.get_buffer("high_spread").t()], dim=-1)
        return (torch.pow(10.0, (bins * 2 - 1.7).clamp(max=3.2)) - _FLOOR).clamp(min=0)

    def sides(self, pan: Tensor) -> Tensor:
        """Pan [..., columns, pan bands] -> gains [..., 2, columns, bins] that keep the mean power."""
        bins = pan.clamp(-1, 1)[..., self.get_buffer("pan_index")].unsqueeze(-3)
        sign = torch.tensor([-1.0, 1.0], device=pan.device).view(2, 1, 1)
        return (1 + bins * sign).clamp(min=1e-6).sqrt()
