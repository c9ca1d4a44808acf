# SPDX-License-Identifier: GPL-3.0-or-later
"""The latents of a frame, drawn by a rectified flow from what is known of it (Liu, Gong and Liu 2022, eq. 1).

The way leads straight from noise to latents, x_t = (1 - t) noise + t latents. The velocity of a normal distribution of given
mean and spread is known in closed form; the flow begins as that one, and a network learns what any other is beside it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.streaming.noise import gaussian

_WAVES = 16


def waves(t: Tensor) -> Tensor:
    """Cosines [..., 16] of a time [...] from 0 to 1."""
    return torch.cos(torch.pi * t.unsqueeze(-1) * torch.arange(_WAVES, device=t.device))


class Flow(nn.Module):
    """What is known [..., features], a point [..., latent] and its time [...] -> velocity [..., latent].

    What is known enters each layer by a scale and a shift that do not depend on point or time, so that in drawing they are worked out once.
    """

    def __init__(self, features: int, hidden: int, layers: int, latent: int) -> None:
        super().__init__()
        self.layers = layers
        self.expect = nn.Linear(features, latent)
        self.log_spread = nn.Parameter(torch.zeros(latent))
        self.know = nn.Sequential(
            nn.Linear(features, hidden), nn.SiLU(), nn.Linear(hidden, 2 * layers * hidden)
        )
        self.time = nn.Linear(_WAVES, 2 * layers * hidden, bias=False)
        self.point = nn.Linear(latent, hidden)
        self.norm = nn.ModuleList(nn.RMSNorm(hidden) for _ in range(layers))
        self.think = nn.ModuleList(
            nn.Sequential(nn.Linear(hidden, 2 * hidden), nn.SiLU(), nn.Linear(2 * hidden, hidden))
            for _ in range(layers)
        )
        self.velocity = nn.Linear(hidden, latent)
        nn.init.zeros_(self.velocity.weight)
        nn.init.zeros_(self.velocity.bias)

    def prepared(self, known: Tensor) -> tuple[Tensor, Tensor]:
        """Of what is known: the mean that is expected [..., latent], and the layers' scales and shifts."""
        return self.expect(known), self.know(known)

    def _spread(self, t: Tensor) -> Tensor:
        """Of the normal distribution at a time [...]: [..., latent]."""
        at = t.unsqueeze(-1)
        return ((at * self.log_spread.exp()).square() + (1 - at).square()).sqrt()

    def _beside(self, known: Tensor, place: Tensor, t: Tensor) -> Tensor:
        """What the velocity is beside the normal distribution's; `place` [..., latent] is in units of its spread, from its mean."""
        y = self.point(place)
        turns = (known + self.time(waves(t))).chunk(2 * self.layers, dim=-1)
        for n, (norm, think) in enumerate(zip(self.norm, self.think, strict=True)):
            y = y + think(norm(y) * (1 + turns[2 * n]) + turns[2 * n + 1])
        found: Tensor = self.velocity(y)
        return found

    def forward(self, prepared: tuple[Tensor, Tensor], x: Tensor, t: Tensor) -> Tensor:
        mean, known = prepared
        at, spread = t.unsqueeze(-1), self._spread(t)
        place = (x - at * mean) / spread
        growth = (at * (2 * self.log_spread).exp() - (1 - at)) / spread
        return mean + growth * place + self._beside(known, place, t)

    def loss(self, known: Tensor, latents: Tensor, draws: int) -> Tensor:
        """Mean square error of the velocity over `draws` points on the way of each frame; known, latents [N, ...].

        Times are drawn by a logistic curve of a normal number (Esser and others 2024, section 3.1): most in the middle, where it is hard.
        """
        prepared = self.prepared(known)
        noise = torch.randn(draws, *latents.shape, device=latents.device)
        t = torch.randn(noise.shape[:-1], device=latents.device).sigmoid()
        at = t.unsqueeze(-1)
        return F.mse_loss(self(prepared, (1 - at) * noise + at * latents, t).float(), latents - noise)

    def draw(self, known: Tensor, seed: Tensor, place: Tensor, heat: Tensor, steps: int) -> Tensor:
        """Latents [B, latent] of frames, in so many steps, from noise of spread `heat` [B], of seed and place [B] int64.

        A step is taken where the normal distribution stands still, in units of its spread from its mean (an exponential integrator), by
        the mean of the velocities at its two ends (Heun's method): that distribution is drawn exactly by a single one.
        """
        mean, turns = self.prepared(known)

        def velocity(z: Tensor, when: float) -> Tensor:
            t = torch.full_like(heat, when)
            return self._beside(turns, z, t) / self._spread(t)

        z = gaussian(seed, place, self.log_spread.shape[0]) * heat.unsqueeze(-1)
        for n in range(steps):
            begin = velocity(z, n / steps)
            end = velocity(z + begin / steps, (n + 1) / steps)
            z = z + (begin + end) / (2 * steps)
        found: Tensor = mean + self.log_spread.exp() * z
        return found
