# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts mixed by weight, and the way from one mix to the next: values in, values out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lbmodels.errors import LiveBandModelError

MOST_SLOTS = 6


def mix(vectors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The unit vector of a weighted mean of unit vectors [latent].

    Raises:
        LiveBandModelError: no slot or too many, weights of another number, negative or none above 0, or prompts that
            cancel each other out.
    """
    if not 1 <= len(vectors) <= MOST_SLOTS or len(weights) != len(vectors):
        raise LiveBandModelError(
            f"style: accepted are 1 to {MOST_SLOTS} prompts, each with a weight, not {len(vectors)} and {len(weights)}"
        )
    if not all(0 <= weight < float("inf") for weight in weights) or not sum(weights) > 0:
        raise LiveBandModelError(f"style: weights must be 0 or more and not all 0, not {list(weights)}")
    total = torch.stack(list(vectors)).mul(torch.tensor(weights).unsqueeze(1) / sum(weights)).sum(0)
    if float(total.norm()) < 1e-6:
        raise LiveBandModelError("style: these prompts cancel each other out")
    return F.normalize(total, dim=-1)


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
