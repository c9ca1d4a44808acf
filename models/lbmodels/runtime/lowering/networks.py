# SPDX-License-Identifier: GPL-3.0-or-later
"""Products with weights, norms, sums over axes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, fx

from lbmodels.errors import NotExportableError
from lbmodels.runtime.builder import BATCH, Operand, Value
from lbmodels.runtime.lowering.core import Lowering, axis_of, lowers, only_scaled

aten = torch.ops.aten


@lowers(aten.linear.default)
def _linear(low: Lowering, node: fx.Node) -> Any:
    weight = low.get(node.args[1])
    bias = low.get(node.args[2]) if len(node.args) > 2 else None
    scaled = only_scaled(low, node)
    if scaled is not None:
        # The product takes the scale in its weights, and the multiplication that follows gives what it gets.
        weight = weight * scaled.unsqueeze(1)
        bias = None if bias is None else bias * scaled
    exact = isinstance(node.args[1], fx.Node) and node.args[1].name in low.exact
    return low.matrices.linear(low.builder, low.get(node.args[0]), weight, bias, exact=exact)


@lowers(aten.matmul.default, aten.bmm.default, aten.mm.default)
def _matmul(low: Lowering, node: fx.Node) -> Any:
    return low.builder.matmul(low.get(node.args[0]), low.get(node.args[1]))


@lowers(aten.layer_norm.default)
def _layer_norm(low: Lowering, node: fx.Node) -> Any:
    x, _size, weight, bias = (low.get(argument) for argument in node.args[:4])
    parameters = [low.builder.constant(weight).name, low.builder.constant(bias).name]
    epsilon: Any = node.args[4]
    (name,) = low.builder.raw("LayerNormalization", [x.name, *parameters], axis=-1, epsilon=float(epsilon))
    return Value(name, x.shape, x.dtype)


@lowers(aten.rms_norm.default)
def _rms_norm(low: Lowering, node: fx.Node) -> Any:
    x = low.get(node.args[0])
    weight, epsilon = ([*(low.get(argument) for argument in node.args[2:]), None, None])[:2]
    scale = torch.ones(x.shape[-1]) if weight is None else weight
    epsilon = float(torch.finfo(x.dtype).eps if epsilon is None else epsilon)
    summed = _norm_of_sum(low, x, scale, epsilon)
    if summed is not None:
        return summed
    (name,) = low.builder.raw(
        "SimplifiedLayerNormalization",  # ONNX Runtime's name of it
        [x.name, low.builder.constant(scale).name],
        axis=-1,
        epsilon=epsilon,
        stash_type=1,
    )
    return Value(name, x.shape, x.dtype)


def _norm_of_sum(low: Lowering, x: Value, scale: Tensor, epsilon: float) -> Value | None:
    """The sum and its norm at once, where the sum was not read before: ONNX Runtime has an operation for it."""
    made = low.builder.made_by(x)
    if made is None or made.op != "Add" or len(x.shape) != 2 or x.dtype != torch.float32:
        return None
    if any(low.builder.shape_of(name) != x.shape for name in made.inputs):
        return None
    names = low.builder.raw(
        "SkipSimplifiedLayerNormalization",
        [*made.inputs, low.builder.constant(scale).name],
        outputs=4,
        unused=(1, 2),
        domain="com.microsoft",
        epsilon=epsilon,
    )
    return Value(names[0], x.shape, x.dtype) if low.builder.replaced(x, names[3]) else None


@lowers(aten._native_batch_norm_legit_no_training.default, aten.batch_norm.default)
def _batch_norm(low: Lowering, node: fx.Node) -> Any:
    whole = node.target is aten.batch_norm.default
    if whole and node.args[5]:
        raise NotExportableError("this model cannot be exported: it is in training")
    x, weight, bias, mean, variance = (low.get(argument) for argument in node.args[:5])
    epsilon: Any = node.args[7 if whole else 6]
    scale = (variance + epsilon).rsqrt() * (1 if weight is None else weight)
    shift = (0 if bias is None else bias) - mean * scale
    dtype = x.dtype
    normal = low.op("Add", dtype, low.op("Mul", dtype, x, scale), shift)
    return normal if whole else [normal]


@lowers(aten.softmax.int, aten._softmax.default)
def _softmax(low: Lowering, node: fx.Node) -> Any:
    x = low.get(node.args[0])
    axis = axis_of(node, node.args[0])
    return Value(low.builder.raw("Softmax", [x.name], axis=axis)[0], x.shape, x.dtype)


@lowers(aten.sum.dim_IntList, aten.mean.dim)
def _reduce(low: Lowering, node: fx.Node) -> Any:
    given: Any = node.args[1]
    keep = bool(node.args[2]) if len(node.args) > 2 else False
    rank = len(low.declared(node.args[0]))  # type: ignore[arg-type]
    axes = [axis % rank for axis in given]
    mean = node.target is aten.mean.dim

    def reduce(x: Operand) -> Value:
        truths = x.dtype == torch.bool  # torch counts them
        value = low.builder.value(low.builder.cast(x, torch.int64) if truths else x)
        (axis,) = axes if len(axes) == 1 else (rank - 1,)
        count = value.shape[axis]
        if axis == rank - 1 or count is BATCH or BATCH in value.shape[axis:]:
            return low.builder.reduce("ReduceMean" if mean else "ReduceSum", value, axes, keep=keep)
        # As a product, which sums in one order, and several times as fast; ONNX Runtime sums rows in another when the
        # batch is 1.
        lead, rest = value.shape[:axis], value.shape[axis + 1 :]
        rows = low.builder.reshape(value, (*lead, count, math.prod(size or 0 for size in rest)))
        weights = torch.full((1, count), 1 / count if mean else 1, dtype=value.dtype)
        total = low.builder.matmul(weights, rows)
        return low.builder.reshape(total, (*lead, *([1] if keep else []), *rest))

    return low.map(reduce, low.solid(node.args[0]))


@lowers(aten.argmax.default)
def _argmax(low: Lowering, node: fx.Node) -> Any:
    x = low.builder.value(low.solid(node.args[0]))
    axis = axis_of(node, node.args[0])
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    (name,) = low.builder.raw("ArgMax", [x.name], axis=axis, keepdims=int(shape == (BATCH,)))
    return Value(name, shape, torch.int64)


@lowers(aten.cumsum.default)
def _cumsum(low: Lowering, node: fx.Node) -> Any:
    x = low.builder.value(low.solid(node.args[0]))
    axis = low.builder.constant(torch.tensor(axis_of(node, node.args[0]), dtype=torch.int64))
    return Value(low.builder.raw("CumSum", [x.name, axis.name])[0], x.shape, x.dtype)
