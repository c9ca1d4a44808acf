# SPDX-License-Identifier: GPL-3.0-or-later
"""How a graph engine is told of the products that cost: weights in float32, or in 8 bits by blocks.

8-bit weights are symmetric, with a scale for every block of `BLOCK` inputs of an output. In ONNX Runtime's own
operation the activations are rounded to 8 bits too, again by blocks of one row, so that a row never depends on
another one; a scale over a whole tensor of activations would let sessions in a batch change each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lbmodels.runtime.builder import Builder, Value

BLOCK = 32
_SMALLEST = 4096
"""Matrices below this many weights stay in float32: they cost nothing."""


@dataclass(frozen=True)
class Matrices:
    """`bits` of the weights, 32 or 8."""

    bits: int = 8

    def linear(
        self, builder: Builder, x: Value, weight: Tensor, bias: Tensor | None, *, exact: bool = False
    ) -> Value:
        """[..., K] x [N, K] -> [..., N]; `exact` in float32 whatever the others are in."""
        outputs, inputs = weight.shape
        if self.bits != 8 or weight.numel() < _SMALLEST or exact:
            product = builder.matmul(x, weight.t().contiguous())
            return product if bias is None else builder.elementwise("Add", x.dtype, product, bias)
        quantised, scales = quantise(weight, BLOCK)
        given = [x.name, builder.constant(quantised).name, builder.constant(scales).name]
        (name,) = builder.raw(
            "MatMulNBits",
            given if bias is None else [*given, "", "", builder.constant(bias).name],
            domain="com.microsoft",
            K=inputs,
            N=outputs,
            bits=8,
            block_size=BLOCK,
            accuracy_level=4,  # activations in 8 bits, sums in int32
        )
        return Value(name, (*x.shape[:-1], outputs), x.dtype)


def quantise(weight: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """[N, K] -> bytes [N, K / block, block] around 128 and scales [N * K / block]; K is filled up with zeros."""
    padded = F.pad(weight, (0, -weight.shape[1] % block)).unflatten(1, (-1, block))
    scales = padded.abs().amax(-1) / 127
    steps = padded / scales.clamp(min=1e-30).unsqueeze(-1)
    return (steps.round() + 128).to(torch.uint8).contiguous(), scales.flatten().contiguous()
