# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts mixed by weight, and the way from one mix to the next: values in, values out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lbmodels.style import prompts


def mix(vectors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The unit vector of a weighted mean of unit vectors [latent].

    Raises:
        LiveBandModelError: no slot or too many, weights of another number, negative or none above 0, or prompts that
            cancel each other out.
    """
    return torch.from_numpy(prompts.mix([vector.numpy() for vector in vectors], weights))


class Glide(NamedTuple):
    """From `start` to `target`, both [B, latent], over `length` [B] frames, of which `position` [B] have passed."""

    start: Tensor
    target: Tensor
    position: Tensor
    length: Tensor


def still(vector: Tensor) -> Glide:
    """At [B, latent] and staying there."""
    nothing = torch.zeros(len(vector), dtype=torch.int64)
    return Glide(vector, vector, nothing, nothing)


def now(glide: Glide) -> Tensor:
    """Where it is: [B, latent], along the great circle, at an even pace."""
    part = torch.where(glide.length > 0, glide.position / glide.length.clamp(min=1), 1.0).clamp(max=1.0)
    cosine = (glide.start * glide.target).sum(-1).clamp(-1, 1)
    angle = cosine.acos()
    # Opposite ends have no one way between them, equal ones no angle: there the straight line serves.
    straight = torch.lerp(glide.start, glide.target, part.unsqueeze(-1))
    sine = angle.sin().clamp(min=1e-6)
    a, b = ((1 - part) * angle).sin() / sine, (part * angle).sin() / sine
    curved = a.unsqueeze(-1) * glide.start + b.unsqueeze(-1) * glide.target
    vector = torch.where((angle.sin() < 1e-4).unsqueeze(-1), straight, curved)
    return torch.where((part >= 1.0).unsqueeze(-1), glide.target, F.normalize(vector, dim=-1))


def towards(glide: Glide, target: Tensor, frames: Tensor) -> Glide:
    """Set off from where it is for `target` [B, latent], to be there in `frames` [B] frames."""
    return Glide(now(glide), target, torch.zeros_like(frames), frames.clamp(min=0))


def step(glide: Glide, active: Tensor) -> tuple[Tensor, Glide]:
    """The vector of this frame [B, latent], and the next state; idle rows stand still."""
    moved = torch.minimum(glide.position + active.to(torch.int64), glide.length)
    return now(glide), glide._replace(position=moved)
