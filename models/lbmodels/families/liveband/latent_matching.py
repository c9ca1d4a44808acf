# SPDX-License-Identifier: GPL-3.0-or-later
"""Stem latents given the colours of true ones: an affine map for each stem, after the generator.

A player that is not sure plays the mean of what it might play: its latents spread less wide than true ones, least of all in
the finest directions, and sound dull and blurred. The map undoes that in the mean over a stem class.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LatentMatching(nn.Module):
    """Latents [..., latent] -> latents; changes nothing until it is fitted (`lbmodels.train.latent_matching`)."""

    def __init__(self, stems: int, latent: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(latent).repeat(stems, 1, 1))
        self.bias = nn.Parameter(torch.zeros(stems, latent))

    def forward(self, latents: Tensor, stem: Tensor) -> Tensor:
        """Latents [B, latent] or [B, F, latent] of stems [B]."""
        frames = latents.unflatten(0, (-1, 1)) if latents.dim() == 2 else latents
        matched: Tensor = frames @ self.weight[stem].mT + self.bias[stem].unsqueeze(1)
        return matched.reshape(latents.shape)


def optimal_map(source: Tensor, target: Tensor, *, least: float, most: float) -> tuple[Tensor, Tensor]:
    """Matrix and offset that turn a source's mean and covariance into a target's and move it least.

    The optimal transport between two Gaussians (Olkin and Pukelsheim 1982), T^(1/2) (T^(1/2) S T^(1/2))^(-1/2) T^(1/2).

    Args:
        source, target: [N, D] and [M, D], of unrelated order.
        least, most: no direction is narrowed or stretched beyond them. What a source hardly has is mostly noise in it.

    Returns:
        A [D, D] and b [D] of x -> A x + b.
    """

    def power(matrix: Tensor, exponent: float) -> Tensor:
        values, vectors = torch.linalg.eigh(matrix)
        return (vectors * values.clamp(min=1e-6) ** exponent) @ vectors.mT

    source, target = source.double(), target.double()
    s, t = torch.cov(source.mT), torch.cov(target.mT)
    root = power(t, 0.5)
    values, vectors = torch.linalg.eigh(root @ power(root @ s @ root, -0.5) @ root)
    matrix = (vectors * values.clamp(least, most)) @ vectors.mT
    offset = target.mean(0) - matrix @ source.mean(0)
    return matrix.float(), offset.float()
