# SPDX-License-Identifier: GPL-3.0-or-later
"""Diffusion in latents: preconditioning, noise schedules, and the samplers that fill the unknown part of a window.

Karras and others 2022 (arXiv 2206.00364); ADPM2 of the same paper's kin as in Lu and others 2022; consistency models: Song and
others 2023 (arXiv 2303.01469). Nothing here draws by itself: `draw` gives standard normal numbers, one call after the other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Draw = Callable[[], Tensor]
"""Gives the next standard normal numbers of the shape that is sampled."""

Denoise = Callable[[Tensor, Tensor], Tensor]
"""Noisy x [B, ...] and its noise level sigma [B] -> the clean x that is expected."""

Network = Callable[[Tensor, Tensor], Tensor]
"""Scaled x [B, ...] and noise code [B] -> what `Preconditioning.join` mixes with x."""


@dataclass(frozen=True, kw_only=True)
class Preconditioning:
    """What scales a network so that its input and target have variance one at each noise level.

    `floor` is the level at which the answer is the input itself: 0 for a diffusion model, the least level of its schedule for a
    consistency model, which thereby meets its boundary condition.
    """

    sigma_data: float = 1.0
    floor: float = 0.0

    def scale(self, sigma: Tensor) -> Tensor:
        """Factor on the network's noisy input."""
        return 1 / (sigma.square() + self.sigma_data**2).sqrt()

    def join(self, x: Tensor, answer: Tensor, sigma: Tensor) -> Tensor:
        """Denoised x of noisy x and the network's answer."""
        above, data = sigma - self.floor, self.sigma_data
        keep = data**2 / (above.square() + data**2)
        add = above * data / (sigma.square() + data**2).sqrt()
        return keep * x + add * answer

    def code(self, sigma: Tensor) -> Tensor:
        """Noise code that the network is told."""
        return sigma.log() / 4

    def weight(self, sigma: Tensor) -> Tensor:
        """Weight of the squared error, which makes all levels count alike at first."""
        return (sigma.square() + self.sigma_data**2) / (sigma * self.sigma_data).square()

    def denoise(self, network: Network, x: Tensor, sigma: Tensor) -> Tensor:
        """Denoised x [B, ...] at levels sigma [B]."""
        each = sigma.to(x.dtype).view(-1, *[1] * (x.dim() - 1))
        answer = network(self.scale(each) * x, self.code(sigma.to(x.dtype)))
        return self.join(x, answer, each)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Noise levels from `sigma_max` down to `sigma_min`, evenly spaced in the power 1 / rho."""

    sigma_min: float
    sigma_max: float
    rho: float = 7.0

    def levels(self, count: int) -> tuple[float, ...]:
        """`count` levels, the largest first, rounded as float32 arithmetic rounds them."""
        most, least = self.sigma_max ** (1 / self.rho), self.sigma_min ** (1 / self.rho)
        along = torch.arange(count, dtype=torch.float32) / max(1, count - 1)
        return tuple(float(level) for level in (most + along * (least - most)) ** self.rho)


def _at(x: Tensor, sigma: float) -> Tensor:
    return torch.full((x.shape[0],), sigma, dtype=x.dtype, device=x.device)


def adpm2_step(x: Tensor, denoise: Denoise, a: float, b: float, draw: Draw, *, rho: float = 1.0) -> Tensor:
    """One ancestral second-order step from level a to level b: two calls, one draw."""
    up, middle, down = _levels_of_step(a, b, rho)
    slope = (x - denoise(x, _at(x, a))) / a
    half = x + slope * (middle - a)
    slope = (half - denoise(half, _at(x, middle))) / middle
    return x + slope * (down - a) + up * draw()


def _levels_of_step(a: float, b: float, rho: float) -> tuple[float, float, float]:
    """Deviation of the new noise, level between and level before that noise. In float32, as the published sampler reckons: a
    middle that differs in its last digit is told by what comes out of long steps.
    """
    a_, b_ = torch.tensor((a, b), dtype=torch.float32)
    up = math.sqrt(b_**2 * (a_**2 - b_**2) / a_**2)
    down = math.sqrt(max(0.0, b_**2 - up**2))
    return up, float(((a_ ** (1 / rho) + down ** (1 / rho)) / 2) ** rho), down


def heun_step(x: Tensor, denoise: Denoise, a: float, b: float) -> Tensor:
    """One second-order step from level a to level b without new noise: two calls, one where b is 0."""
    slope = (x - denoise(x, _at(x, a))) / a
    euler = x + slope * (b - a)
    if b == 0:
        return euler
    after = (euler - denoise(euler, _at(x, b))) / b
    return x + (slope + after) / 2 * (b - a)


def adpm2(
    denoise: Denoise,
    sigmas: Sequence[float],
    draw: Draw,
    *,
    known: Tensor | None = None,
    source: Tensor | None = None,
    resamples: int = 1,
    rho: float = 1.0,
) -> Tensor:
    """Draw x by ADPM2 down `sigmas`; where `known` is true the answer is `source`.

    Each interval is gone through `resamples` times, with the noise it took put back between, so that the new part agrees with
    the known one (Lugmayr and others 2022). The known part is noised once an interval.
    """
    x = sigmas[0] * draw()
    for a, b in itertools.pairwise(sigmas):
        noised = source + a * draw() if source is not None else None
        for again in range(resamples):
            if known is not None and noised is not None:
                x = torch.where(known, noised, x)
            x = adpm2_step(x, denoise, a, b, draw, rho=rho)
            if again < resamples - 1:
                x = x + math.sqrt(a * a - b * b) * draw()
    return x if known is None or source is None else torch.where(known, source, x)


def heun(
    denoise: Denoise,
    sigmas: Sequence[float],
    draw: Draw,
    *,
    known: Tensor | None = None,
    source: Tensor | None = None,
) -> Tensor:
    """Draw x by Heun's method down `sigmas` to 0; where `known` is true the answer is `source`."""
    x = sigmas[0] * draw()
    start = x / sigmas[0]
    for a, b in zip(sigmas, (*sigmas[1:], 0.0), strict=True):
        if known is not None and source is not None:
            x = torch.where(known, source + a * start, x)
        x = heun_step(x, denoise, a, b)
    return x if known is None or source is None else torch.where(known, source, x)


def consistency(
    denoise: Denoise,
    sigmas: Sequence[float],
    draw: Draw,
    *,
    known: Tensor,
    source: Tensor,
    least: float,
) -> tuple[Tensor, list[Tensor]]:
    """Draw x by a consistency model, one call for each of `sigmas`; where `known` is true the answer is `source`.

    Between calls noise is put back up to the next level above `least`. Returns x and the state after each call.
    """
    x = sigmas[0] * draw()
    states = []
    for index, sigma in enumerate(sigmas):
        x = torch.where(known, source + sigma * draw(), x)
        x = denoise(x, _at(x, sigma))
        if index + 1 < len(sigmas):
            after = sigmas[index + 1]
            x = x + math.sqrt(max(0.0, after * after - least * least)) * draw()
        states.append(x)
    return torch.where(known, source, x), states
