# SPDX-License-Identifier: GPL-3.0-or-later
"""Complex numbers as two rows, real above imaginary: [..., 2, N].

What is heard of spectra is computed so: a graph engine does on whole rows in one operation what it would do on real and
imaginary parts in two to six.
"""

from __future__ import annotations

import torch
from torch import Tensor


def stacked(x: Tensor) -> Tensor:
    """Complex [..., N] -> [..., 2, N]."""
    return torch.view_as_real(x).mT


def as_complex(x: Tensor) -> Tensor:
    """[..., 2, N] -> complex [..., N]."""
    return torch.view_as_complex(x.mT.contiguous())


def times(a: Tensor, b: Tensor) -> Tensor:
    """The product; it broadcasts."""
    across, along = across_and_along(a)
    return across * b + along * b.flip(-2)


def across_and_along(a: Tensor) -> tuple[Tensor, Tensor]:
    """What a product with `a` multiplies the other factor with, and the other factor flipped."""
    real, imag = a.split(1, dim=-2)
    return real, imag * imag.new_tensor([[-1.0], [1.0]])


def times_conjugate(a: Tensor, b: Tensor) -> Tensor:
    """A times the conjugate of b."""
    real = (a * b).sum(-2, keepdim=True)
    imag = a.new_tensor([[1.0, -1.0]]) @ (a.flip(-2) * b)
    return torch.cat([real, imag], dim=-2)


def size(x: Tensor, least: float) -> Tensor:
    """Magnitudes [..., 1, N], not below `least`: a quotient by them is no surprise, nor is its gradient."""
    return x.square().sum(-2, keepdim=True).clamp(min=least * least).sqrt()
