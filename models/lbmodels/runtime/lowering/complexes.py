# SPDX-License-Identifier: GPL-3.0-or-later
"""Complex tensors as pairs of real ones, and Fourier transforms."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, fx

from lbmodels.runtime import fourier
from lbmodels.runtime.builder import Value
from lbmodels.runtime.fourier import Pair
from lbmodels.runtime.lowering.core import Lowering, lowers, real_dtype

aten = torch.ops.aten


@lowers(aten.view_as_complex.default)
def _as_complex(low: Lowering, node: fx.Node) -> Any:
    x = low.get(node.args[0])
    return Pair(*(low.builder.take(x, len(x.shape) - 1, part) for part in (0, 1)))


@lowers(aten.view_as_real.default)
def _as_real(low: Lowering, node: fx.Node) -> Any:
    parts = [low.builder.value(part) for part in low.solid(node.args[0])]
    both = low.builder.whole(parts)
    if both is not None:
        rank = len(both.shape)
        return low.builder.transpose(both, [*range(rank - 2), rank - 1, rank - 2])
    columns = [low.builder.reshape(part, (*part.shape, 1)) for part in parts]
    return low.builder.concat(columns, len(columns[0].shape) - 1)


@lowers(aten.real.default)
def _real(low: Lowering, node: fx.Node) -> Any:
    return low.get(node.args[0])[0]


@lowers(aten.imag.default)
def _imag(low: Lowering, node: fx.Node) -> Any:
    return low.get(node.args[0])[1]


@lowers(aten._conj.default, aten.conj_physical.default)
def _conj(low: Lowering, node: fx.Node) -> Any:
    real, imag = low.get(node.args[0])
    return Pair(real, low.op("Neg", real_dtype(node), imag))


@lowers(aten.polar.default)
def _polar(low: Lowering, node: fx.Node) -> Any:
    size, angle, dtype = low.get(node.args[0]), low.get(node.args[1]), real_dtype(node)
    waves = [low.curve(wave, dtype, angle) for wave in ("Cos", "Sin")]
    if isinstance(size, Tensor) and bool((size == 1).all()):
        return Pair(*waves)
    return Pair(*(low.op("Mul", dtype, size, wave) for wave in waves))


@lowers(aten.angle.default)
def _angle(low: Lowering, node: fx.Node) -> Any:
    """atan2 from atan: half a turn is added left of the imaginary axis; 0 at the origin."""
    (x, y), dtype = low.get(node.args[0]), real_dtype(node)
    return _turned_by(low, y, x, dtype)


@lowers(aten.atan2.default)
def _atan2(low: Lowering, node: fx.Node) -> Any:
    return _turned_by(low, low.get(node.args[0]), low.get(node.args[1]), real_dtype(node))


def _turned_by(low: Lowering, y: Any, x: Any, dtype: torch.dtype) -> Value:
    build = low.builder
    zero = build.constant(torch.tensor(0.0))
    # Where x is 0 the quotient is infinite, which is right, but where both are it is no number: it is left out.
    quotient = low.op("Div", dtype, y, x)
    unclear = Value(build.raw("IsNaN", [quotient.name])[0], quotient.shape, torch.bool)
    flat = low.curve("Atan", dtype, build.elementwise("Where", dtype, unclear, zero, quotient))
    left = build.elementwise("Less", torch.bool, x, zero)
    below = build.elementwise("Less", torch.bool, y, zero)
    half = build.elementwise(
        "Where", dtype, below, build.constant(torch.tensor(-math.pi)), build.constant(torch.tensor(math.pi))
    )
    result: Value = low.op("Add", dtype, flat, build.elementwise("Where", dtype, left, half, zero))
    return result


@lowers(aten.fft_rfft.default)
def _rfft(low: Lowering, node: fx.Node) -> Any:
    bins: int = node.meta["val"].shape[-1]
    rank = len(node.meta["val"].shape)
    ends = [user.args[3] for user in node.users if user.target is aten.slice.Tensor
            and user.args[1] in (-1, rank - 1) and user.args[2] in (0, None) and len(user.args) == 4]  # fmt: skip
    if len(ends) == len(node.users):
        bins = min(bins, max(int(end) for end in ends))  # type: ignore[arg-type]
    pair = fourier.real_to_complex(low.builder, low.builder.value(low.solid(node.args[0])), bins)
    return pair


@lowers(aten.fft_irfft.default)
def _irfft(low: Lowering, node: fx.Node) -> Any:
    pair = Pair(*(low.builder.value(part) for part in low.solid(node.args[0])))
    return fourier.complex_to_real(low.builder, pair, node.meta["val"].shape[-1])
