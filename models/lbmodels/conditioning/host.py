# SPDX-License-Identifier: GPL-3.0-or-later
"""Host knowledge as network input: one vector a frame, every item with its own "unknown"."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_BEAT_HARMONICS = 4
_BAR_HARMONICS = 8
WIDTH = 2 * _BEAT_HARMONICS + 1 + 2 * _BAR_HARMONICS + 1 + 2 + 13 + 13 + 14


def _known(x: Tensor) -> tuple[Tensor, Tensor]:
    known = ~x.isnan()
    return torch.where(known, x, 0.0), known.float()


def _circle(phase: Tensor, harmonics: int) -> Tensor:
    """Phase [...] in cycles -> [..., 2 * harmonics + 1]: sines and cosines, and whether it is known."""
    value, known = _known(phase)
    orders = torch.arange(1, harmonics + 1, device=phase.device)
    angles = 2 * torch.pi * value.unsqueeze(-1) * orders
    waves = torch.cat([angles.sin(), angles.cos()], dim=-1) * known.unsqueeze(-1)
    return torch.cat([waves, known.unsqueeze(-1)], dim=-1)


def _one_hot(index: Tensor, classes: int) -> Tensor:
    """Index [...] -> [..., classes + 1], the last item telling whether it is known."""
    value, known = _known(index)
    hot = torch.nn.functional.one_hot(value.long().clamp(0, classes - 1), classes) * known.unsqueeze(-1)
    return torch.cat([hot.float(), known.unsqueeze(-1)], dim=-1)


def condition_features(conditions: Mapping[str, Tensor]) -> Tensor:
    """Conditions, each [...] (chord [..., 12]), of the frame to be played -> features [..., WIDTH]."""
    tempo, tempo_known = _known(conditions["tempo"])
    tempo = torch.where(tempo_known > 0, torch.log2(tempo.clamp(20, 400) / 120), 0.0)
    chord, chord_known = _known(conditions["chord"])
    key = conditions["key"]
    minor, key_known = _known(torch.where(key >= 12, 1.0, torch.where(key.isnan(), key, 0.0)))
    tonic = torch.where(key.isnan(), key, key % 12)
    parts = [
        _circle(conditions["beat_phase"], _BEAT_HARMONICS),
        _circle(conditions["bar_phase"], _BAR_HARMONICS),
        torch.stack([tempo, tempo_known], dim=-1),
        chord,
        chord_known[..., :1],
        _one_hot(conditions["chord_bass"], 12),
        _one_hot(tonic, 12),
        (minor * key_known).unsqueeze(-1),
    ]
    return torch.cat(parts, dim=-1)
