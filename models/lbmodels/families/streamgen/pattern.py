# SPDX-License-Identifier: GPL-3.0-or-later
"""The delay pattern (Copet 2023): step s holds frame s - 1 - q of level q, so that a level knows the ones before it.

Step 0 and every cell before a level's first frame hold the filler, which is the instrument's token. Layout [B, Q, time].
"""

from __future__ import annotations

import torch
from torch import Tensor

FIRST_CODE = 19
"""Token ids: 0 nothing, 1 to 18 the instruments, then the codes."""


def delay(frames: Tensor, filler: Tensor) -> Tensor:
    """Frames [B, Q, T] and fillers [B] -> steps [B, Q, T + 1]; the later levels' last frames fall off the end."""
    batch, levels, length = frames.shape
    steps = filler.view(-1, 1, 1).expand(batch, levels, length + 1).clone()
    for q in range(min(levels, length)):
        steps[:, q, q + 1 :] = frames[:, q, : length - q]
    return steps


def undelay(steps: Tensor) -> Tensor:
    """Steps [B, Q, S + 1] -> frames [B, Q, S]; cells whose step was not reached are 0."""
    levels, length = steps.shape[1], steps.shape[2] - 1
    frames = torch.zeros_like(steps[..., 1:])
    for q in range(min(levels, length)):
        frames[:, q, : length - q] = steps[:, q, q + 1 :]
    return frames


def is_filler(step: int | Tensor, levels: int) -> Tensor:
    """Which levels [..., Q] of a step hold no frame."""
    place = torch.as_tensor(step).unsqueeze(-1)
    return place - 1 - torch.arange(levels, device=place.device) < 0


def complete(frames: Tensor) -> Tensor:
    """The frames [Q, T'] of one row [Q, T] that can be played: no cell is filler or missing."""
    return frames[:, (frames >= FIRST_CODE).all(0)]
