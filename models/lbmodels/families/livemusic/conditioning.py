# SPDX-License-Identifier: GPL-3.0-or-later
"""What steers one frame of Magenta RealTime 2: 12 style tokens, 128 pitches, drums, and guidance, as table ids.

Each channel's table begins with the six reserved ids and one that means dropped out; -1 says "masked".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.errors import LiveBandModelError
from lbmodels.families.livemusic.transformer import Dense, LayerNorm

FIRST_ID = 7
MASKED = -1
PITCHES = 128
STYLE_LEVELS = 12
STYLE_CODES = 1024
# The sizes of the published tables, masked and reserved ids included.
CHANNEL_SIZES = (*(FIRST_ID + STYLE_CODES,) * STYLE_LEVELS, *(11,) * PITCHES, 9, 47, 47, 15)
NOTE_OFF, NOTE_HELD, NOTE_ONSET, NOTE_AS_THE_MODEL_LIKES = range(4)
GUIDANCE_RANGE = (-1.0, 7.0)


@dataclass(frozen=True, kw_only=True)
class Steering:
    """One frame's wishes. None leaves it to the model.

    `style`: up to 12 tokens 0..1023, coarse first, the rest masked. `notes`: 128 values NOTE_*, -1 masked.
    `drums`: on, off. Guidance -1 to 7, the published defaults.
    """

    style: tuple[int, ...] | None = None
    notes: tuple[int, ...] | None = None
    drums: bool | None = None
    style_guidance: float = 3.0
    notes_guidance: float = 1.0
    drums_guidance: float = 1.0


def guidance_ids(style: float, notes: float, drums: float) -> tuple[int, int, int]:
    """Steps of 0.2 for style and notes, of 1 for drums, counted from -1; limited to [-1, 7]."""
    least, most = GUIDANCE_RANGE
    s, n, d = (min(max(value, least), most) - least for value in (style, notes, drums))
    return round(s / 0.2), round(n / 0.2), round(d)


def values(wishes: Steering) -> tuple[int, ...]:
    """The 144 values of a frame, -1 where masked.

    Raises:
        LiveBandModelError: too many style tokens, or a token or note out of range.
    """
    style = wishes.style or ()
    if len(style) > STYLE_LEVELS or not all(0 <= token < STYLE_CODES for token in style):
        raise LiveBandModelError(f"style tokens: accepted are up to {STYLE_LEVELS} of 0 to {STYLE_CODES - 1}")
    notes = wishes.notes if wishes.notes is not None else (MASKED,) * PITCHES
    if len(notes) != PITCHES or not all(MASKED <= note <= NOTE_AS_THE_MODEL_LIKES for note in notes):
        raise LiveBandModelError(f"notes: accepted are {PITCHES} values of -1 to {NOTE_AS_THE_MODEL_LIKES}")
    drums = MASKED if wishes.drums is None else int(wishes.drums)
    guidance = guidance_ids(wishes.style_guidance, wishes.notes_guidance, wishes.drums_guidance)
    return (*style, *(MASKED,) * (STYLE_LEVELS - len(style)), *notes, drums, *guidance)


def ids(wishes: Steering) -> Tensor:
    """Table ids [144] int64 of a frame. Guidance of 7 is one past its table and reads the next one's first row, as the
    published code does.
    """
    return torch.tensor(values(wishes)) + FIRST_ID


class _Table(nn.Module):
    def __init__(self, rows: int, features: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(rows, features) * features**-0.5)


class _StyleEmbedder(nn.Module):
    def __init__(self, rows: int, width: int, features: int) -> None:
        super().__init__()
        self.mulan_dequantizer = _Table(rows, width)
        self.depth_input_adapter = Dense(width, features, bias=False)


class _StyleBranch(nn.Module):
    def __init__(self, rows: int, width: int, features: int) -> None:
        super().__init__()
        self.mulan_embedder = _StyleEmbedder(rows, width, features)


class _OtherBranch(nn.Module):
    def __init__(self, rows: int, features: int) -> None:
        super().__init__()
        self.regular_embedder = _Table(rows, features)


class _Branches(nn.Module):
    def __init__(self, style: _StyleBranch, other: _OtherBranch) -> None:
        super().__init__()
        self.branched_mulan_embedder, self.branched_regular_embedder = style, other


class _Body(nn.Module):
    def __init__(self, branches: _Branches, features: int) -> None:
        super().__init__()
        self.layers_1, self.encoder_ln = branches, LayerNorm(features)


class Conditioner(nn.Module):
    """Ids [..., channels] int64 -> [..., C]: the style tokens' sum and the others' mean, averaged and normalised."""

    starts: Tensor

    def __init__(
        self, features: int, *, style_width: int, style_levels: int, channel_sizes: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.style_levels = style_levels
        style, other = channel_sizes[:style_levels], channel_sizes[style_levels:]
        starts = [sum(part[:n]) for part in (style, other) for n in range(len(part))]
        self.register_buffer("starts", torch.tensor(starts), persistent=False)
        rows = -(-sum(other) // 128) * 128
        branches = _Branches(_StyleBranch(sum(style), style_width, features), _OtherBranch(rows, features))
        self.body = _Body(branches, features)

    def forward(self, channels: Tensor) -> Tensor:
        rows = channels + self.starts
        style = self.body.layers_1.branched_mulan_embedder.mulan_embedder
        heard = F.embedding(rows[..., : self.style_levels], style.mulan_dequantizer.embedding).sum(-2)
        table = self.body.layers_1.branched_regular_embedder.regular_embedder.embedding
        other = F.embedding(rows[..., self.style_levels :], table).mean(-2)
        y: Tensor = self.body.encoder_ln((style.depth_input_adapter(heard) + other) / 2)
        return y
