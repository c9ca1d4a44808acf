# SPDX-License-Identifier: GPL-3.0-or-later
"""The style that is asked for as network input: a vector of the style space, and whether there is one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lbmodels.conditioning import host
from lbmodels.conditioning.host import condition_features
from lbmodels.contract.conditions import WIDTHS

WIDTH = WIDTHS["style"] + 1
"""Features of a style: its vector at an even size, and 1 where there is one."""


def style_features(style: Tensor | None, like: Tensor) -> Tensor:
    """A style [..., latent], NaN or None where none is asked for -> [..., WIDTH]; `like` [...] says of how many frames."""
    if style is None:
        return like.new_zeros(*like.shape, WIDTH)
    there = ~style[..., :1].isnan()
    # Of unit length: its numbers are an eighth, where other features are 1.
    size = style.shape[-1] ** 0.5
    return torch.cat([torch.where(there, style * size, 0.0), there.to(style.dtype)], dim=-1)


def told_width(*, styled: bool) -> int:
    """Features of `told_features`."""
    return host.WIDTH + (WIDTH if styled else 0)


def told_features(conditions: Mapping[str, Tensor], *, styled: bool) -> Tensor:
    """What a player is told of the frame to be played: `condition_features`, of a styled one the style's after them."""
    known = condition_features(conditions)
    if not styled:
        return known
    return torch.cat([known, style_features(conditions.get("style"), conditions["tempo"])], dim=-1)
