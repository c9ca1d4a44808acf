# SPDX-License-Identifier: GPL-3.0-or-later
"""What a steered player learns from: how busy and how bright each true stem is.

Both are read from the levels that the codec's decoder makes of a stem's latents, so any latents will do and no audio is
kept. `adherence` is not learned: it is the weight of what is heard and told (`Generator`), and needs only that training
sometimes hides it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.codec.autoencoder import Codec, Decoder

MARGIN_FRAMES = 40
"""Latents before and after a crop that `measure` wants to see, where there are any."""

_SPAN_S = 3.0
_APART_S = 0.05
_RISE = 0.03
_FLOOR = 0.04
_FAINT = 0.5
_QUANTILES = 41


class Measured(NamedTuple):
    """Per frame [F]: onsets per second around it, and log2 of the spectral centroid in Hz (NaN in silence)."""

    density: Tensor
    brightness: Tensor


class _Bands(NamedTuple):
    frequency_hz: Tensor
    bins: Tensor


def _bands(codec: Codec) -> _Bands:
    """Centre, and width in bins, of each level."""
    config, features = codec.config, codec.decoder.map
    spread = features.get_buffer("high_spread")[: features.bins - features.low]
    frequencies = torch.arange(features.bins) * config.sample_rate / config.window
    high = spread.sum(0).clamp(min=1e-6)
    centres = frequencies[features.low :] @ spread / high
    return _Bands(
        torch.cat([frequencies[: features.low], centres]), torch.cat([torch.ones(features.low), high])
    )


def _levels(decoder: Decoder, latents: Tensor) -> Tensor:
    """Levels [F * columns, low + high] that the decoder makes of latents [F, latent], without what else it makes."""
    bands, columns = decoder.map.low + decoder.map.high, decoder.config.columns
    h = decoder.norm(decoder.stack(decoder.embed(latents[None])))[0]
    weight = decoder.head.weight.unflatten(0, (columns, -1))[:, :bands].flatten(0, 1)
    bias = decoder.head.bias.unflatten(0, (columns, -1))[:, :bands].flatten()
    return F.linear(h, weight, bias).unflatten(-1, (columns, bands)).flatten(0, 1)


def _around(x: Tensor, span: int) -> Tensor:
    """Sum over `span` values around each of x [T], beyond the ends as at the ends."""
    padded = F.pad(x[None, None], (span // 2, span - 1 - span // 2), mode="replicate")
    total: Tensor = F.avg_pool1d(padded, span, 1)[0, 0] * span
    return total


@torch.no_grad()
def measure(codec: Codec, latents: Tensor) -> Measured:
    """How busy and how bright a stem of latents [F, latent] is, frame by frame, over 3 s around each."""
    config = codec.config
    columns, per_s = config.columns, config.sample_rate / config.step
    level = _levels(codec.decoder, latents.float()).clamp(min=0)
    bands = _bands(codec)
    rise = (level[2:] - level[:-2]).clamp(min=0).mean(-1)
    rise = F.pad(rise, (2, 0))
    apart = max(1, round(_APART_S * per_s))
    highest = F.max_pool1d(rise[None, None], 2 * apart + 1, 1, apart)[0, 0]
    usual = _around(rise, 4 * apart + 1) / (4 * apart + 1)
    onset = (rise == highest) & (rise > 1.3 * usual) & (rise > _RISE)
    span = min(round(_SPAN_S * per_s), len(rise) - 1)
    density = _around(onset.float(), span) * per_s / span
    size = (torch.pow(10.0, 2 * level - 1.7) - _FLOOR).clamp(min=0) * bands.bins
    total = _around(size.sum(-1), span)
    centroid = _around(size @ bands.frequency_hz, span) / total.clamp(min=1e-9)
    brightness = torch.where(total / span > _FAINT, centroid.clamp(min=20).log2(), torch.nan)
    return Measured(density[columns // 2 :: columns], brightness[columns // 2 :: columns])


class Ranks:
    """Where a measure stands among stems of its class: 0 to 1, NaN where it is not known."""

    def __init__(self, classes: int, measured: Iterable[tuple[int, Measured]]) -> None:
        """From examples (class, measured); a class without any ranks everything NaN."""
        found: list[list[list[np.ndarray]]] = [[[], []] for _ in range(classes)]
        for index, both in measured:
            for values, kept in zip(both, found[index], strict=True):
                known = values[~values.isnan()][::5].numpy()
                # Rests say nothing about how busy a player is who plays.
                kept.append(known[known > 0])
        at = np.linspace(0, 1, _QUANTILES)
        all_of = [[np.concatenate([*kept, np.zeros(0)]) for kept in both] for both in found]
        self._tables = [[np.quantile(x, at) if len(x) else None for x in both] for both in all_of]

    def __call__(self, stem: int, measured: Measured) -> Measured:
        ranks = []
        for values, table in zip(measured, self._tables[stem], strict=True):
            if table is None:
                ranks.append(torch.full_like(values, torch.nan))
                continue
            # Onsets are whole numbers: a value that many share is in the middle of its ranks.
            low, high = (np.searchsorted(table, values.numpy(), side=side) for side in ("left", "right"))
            share = np.where(
                low < high,
                (low + high - 1) / 2,
                np.interp(values.numpy(), table, np.arange(len(table), dtype=float)),
            )
            rank = torch.from_numpy((share / (len(table) - 1)).clip(0, 1).astype(np.float32))
            ranks.append(torch.where(values.isnan(), torch.nan, rank))
        return Measured(*ranks)


class SteeringReader(nn.Module):
    """Reads density and brightness ranks back from stem latents [B, F, latent]: [B, F, 2].

    It learns from true stems alone, and tells the generator whether it did what it was told.
    """

    def __init__(self, latent: int, classes: int, features: int = 64, span_frames: int = 75) -> None:
        super().__init__()
        self.span_frames = span_frames
        self.near = nn.Conv1d(latent, features, 5, padding=2)
        self.mix = nn.Conv1d(features, features, 1)
        self.stem = nn.Embedding(classes, features)
        self.out = nn.Sequential(nn.Linear(features, features), nn.SiLU(), nn.Linear(features, 2))

    def forward(self, latents: Tensor, stem: Tensor) -> Tensor:
        h = F.silu(self.mix(F.silu(self.near(latents.transpose(1, 2)))))
        span = self.span_frames
        h = F.avg_pool1d(F.pad(h, (span // 2, span // 2)), span, 1, count_include_pad=False)
        ranks: Tensor = self.out(h.transpose(1, 2) + self.stem(stem).unsqueeze(1))
        return ranks
