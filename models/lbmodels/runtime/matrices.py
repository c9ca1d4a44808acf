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
    """`bits` 32 or 8. With `portable`, standard ONNX alone: 8-bit weights are scaled back by DequantizeLinear,
    an output at a time, for engines that keep them small by themselves.
    """

    bits: int = 8
    portable: bool = False

    def linear(
        self, builder: Builder, x: Value, weight: Tensor, bias: Tensor | None, *, exact: bool = False
    ) -> Value:
        """[..., K] x [N, K] -> [..., N]; `exact` in float32 whatever the others are in."""
        small = self.bits == 8 and weight.numel() >= _SMALLEST and not exact
        outputs, inputs = weight.shape
        shape = (*x.shape[:-1], outputs)
        if small and not self.portable:
            quantised, scales = quantise(weight, BLOCK)
            (name,) = builder.raw(
                "MatMulNBits",
                [
                    *(x.name, builder.constant(quantised).name, builder.constant(scales).name),
                    *([] if bias is None else ["", "", builder.constant(bias).name]),
                ],
                domain="com.microsoft",
                K=inputs,
                N=outputs,
                bits=8,
                block_size=BLOCK,
                accuracy_level=4,  # activations in 8 bits, sums in int32
            )
            return Value(name, shape, x.dtype)
        if small:
            scale = weight.abs().amax(1).clamp(min=1e-12) / 127
            whole = (weight / scale.unsqueeze(1)).round().to(torch.int8)
            kept = builder.constant(whole.t().contiguous())
            (name,) = builder.raw("DequantizeLinear", [kept.name, builder.constant(scale).name], axis=1)
            product = builder.matmul(x, Value(name, (inputs, outputs), x.dtype))
        else:
            product = builder.matmul(x, weight.t().contiguous())
        return product if bias is None else builder.elementwise("Add", x.dtype, product, bias)

    def layer_norm(self, builder: Builder, x: Value, weight: Tensor, bias: Tensor, epsilon: float) -> Value:
        parameters = [builder.constant(weight).name, builder.constant(bias).name]
        (name,) = builder.raw("LayerNormalization", [x.name, *parameters], axis=-1, epsilon=epsilon)
        return Value(name, x.shape, x.dtype)

    def rms_norm(self, builder: Builder, x: Value, weight: Tensor | None, epsilon: float) -> Value:
        size = x.shape[-1]
        assert size is not None
        scale = torch.ones(size) if weight is None else weight
        if not self.portable:
            (name,) = builder.raw(
                "SimplifiedLayerNormalization",
                [x.name, builder.constant(scale).name],
                axis=-1,
                epsilon=epsilon,
                stash_type=1,
            )
            return Value(name, x.shape, x.dtype)
        square = builder.elementwise("Mul", x.dtype, x, x)
        mean = builder.reduce("ReduceMean", square, [len(x.shape) - 1], keep=True)
        floored = builder.elementwise("Add", x.dtype, mean, torch.tensor(epsilon))
        normal = builder.elementwise("Div", x.dtype, x, builder.elementwise("Sqrt", x.dtype, floored))
        return normal if weight is None else builder.elementwise("Mul", x.dtype, normal, weight)


def quantise(weight: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """[N, K] -> bytes [N, K / block, block] around 128 and scales [N * K / block]; K is filled up with zeros."""
    padded = F.pad(weight, (0, -weight.shape[1] % block)).unflatten(1, (-1, block))
    scales = padded.abs().amax(-1) / 127
    steps = padded / scales.clamp(min=1e-30).unsqueeze(-1)
    return (steps.round() + 128).to(torch.uint8).contiguous(), scales.flatten().contiguous()
