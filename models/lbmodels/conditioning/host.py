# SPDX-License-Identifier: GPL-3.0-or-later
"""Host knowledge as network input: one vector a frame, every item with its own "unknown"."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_BEAT_HARMONICS = 4
_BAR_HARMONICS = 8
WIDTH = 2 * _BEAT_HARMONICS + 1 + 2 * _BAR_HARMONICS + 1 + 2 + 13 + 13 + 14


_TOLD = ("beat_phase", "bar_phase", "tempo", "chord_bass", "key")


def _known(x: Tensor) -> tuple[Tensor, Tensor]:
    known = ~x.isnan()
    return torch.where(known, x, 0.0), known.float()


def _waves() -> tuple[Tensor, Tensor, Tensor]:
    """Beat and bar phase in cycles, as a row of two, times the first are angles, plus the second too, of which the sines are
    what tells of both: sines and cosines of harmonics, and 1. The third says which of the two each is of.
    """
    harmonics = (_BEAT_HARMONICS, _BAR_HARMONICS)
    width = [2 * count + 1 for count in harmonics]
    rates, of, ahead = torch.zeros(2, sum(width)), torch.zeros(2, sum(width)), torch.zeros(sum(width))
    for n, count in enumerate(harmonics):
        start = sum(width[:n])
        orders = 2 * torch.pi * torch.arange(1, count + 1)
        rates[n, start : start + 2 * count] = orders.repeat(2)
        ahead[start + count : start + width[n]] = torch.pi / 2
        of[n, start : start + width[n]] = 1.0
    return rates, ahead, of


def condition_features(conditions: Mapping[str, Tensor]) -> Tensor:
    """Conditions, each [...] (chord [..., 12]), of the frame to be played -> features [..., WIDTH]."""
    told = torch.stack([conditions[name] for name in _TOLD], dim=-1)
    value, known = _known(told)
    rates, ahead, of = (table.to(told.device) for table in _waves())
    circles = (value[..., :2] @ rates + ahead).sin() * (known[..., :2] @ of)

    tempo_known = known[..., 2:3]
    tempo = torch.log2(value[..., 2:3].clamp(20, 400) / 120) * tempo_known
    chord, chord_known = _known(conditions["chord"])

    bass, key = value[..., 3:4], value[..., 4:5]
    minor = (key >= 12).float()
    place = torch.cat([bass, key % 12], dim=-1).long().clamp(0, 11)
    hot = torch.nn.functional.one_hot(place, 12).float() * known[..., 3:].unsqueeze(-1)
    tones = torch.cat([hot, known[..., 3:].unsqueeze(-1)], dim=-1).flatten(-2)
    parts = [circles, tempo, tempo_known, chord, chord_known[..., :1], tones, minor]
    return torch.cat(parts, dim=-1)
