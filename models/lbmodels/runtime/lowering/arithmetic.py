# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers: sums, products, curves, comparisons, choices."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import fx

from lbmodels.runtime.builder import Value
from lbmodels.runtime.fourier import Pair
from lbmodels.runtime.lowering.core import Lowering, lowers, only_scaled, real_dtype

aten = torch.ops.aten


@lowers(aten.add.Tensor, aten.add.Scalar)
def _add(low: Lowering, node: fx.Node) -> Any:
    return low.add(low.get(node.args[0]), low.get(node.args[1]), real_dtype(node))


@lowers(aten.sub.Tensor, aten.sub.Scalar)
def _sub(low: Lowering, node: fx.Node) -> Any:
    return low.add(low.get(node.args[0]), low.get(node.args[1]), real_dtype(node), "Sub")


@lowers(aten.rsub.Scalar, aten.rsub.Tensor)
def _rsub(low: Lowering, node: fx.Node) -> Any:
    return low.add(low.get(node.args[1]), low.get(node.args[0]), real_dtype(node), "Sub")


@lowers(aten.mul.Tensor, aten.mul.Scalar)
def _mul(low: Lowering, node: fx.Node) -> Any:
    for product in node.args:
        if (
            isinstance(product, fx.Node)
            and product.target is aten.linear.default
            and only_scaled(low, product) is not None
        ):
            return low.get(product)
    return low.multiply(low.get(node.args[0]), low.get(node.args[1]), real_dtype(node))


@lowers(aten.div.Tensor, aten.div.Scalar)
def _div(low: Lowering, node: fx.Node) -> Any:
    a, b = low.get(node.args[0]), low.get(node.args[1])
    dtype = real_dtype(node)
    if isinstance(b, (int, float)):
        return low.map(lambda x: low.op("Mul", dtype, x, 1.0 / b), a)
    parts = low.pair(a) if isinstance(a, Pair) else None
    if parts is None:
        return low.op("Div", dtype, a, b)
    return Pair(*(low.op("Div", dtype, part, b) for part in parts))


@lowers(aten.neg.default)
def _neg(low: Lowering, node: fx.Node) -> Any:
    return low.map(lambda x: low.op("Neg", real_dtype(node), x), low.get(node.args[0]))


@lowers(aten.square.default)
def _square(low: Lowering, node: fx.Node) -> Any:
    source = node.args[0]
    if isinstance(source, fx.Node) and source.target is aten.abs.default:
        inner = low.get(source.args[0])
        if isinstance(inner, Pair):
            return low.squared_size(inner, real_dtype(node))
    x = low.get(source)
    return low.op("Mul", real_dtype(node), x, x)


@lowers(aten.pow.Scalar)
def _power_of(low: Lowering, node: fx.Node) -> Any:
    """Base ** x: the exponential is quicker than the general power."""
    base: Any = node.args[0]
    scaled = low.op("Mul", real_dtype(node), low.get(node.args[1]), math.log(base))
    return low.op("Exp", real_dtype(node), scaled)


@lowers(aten.abs.default)
def _abs(low: Lowering, node: fx.Node) -> Any:
    x = low.get(node.args[0])
    if isinstance(x, Pair):
        return low.op("Sqrt", real_dtype(node), low.squared_size(x, real_dtype(node)))
    return low.op("Abs", real_dtype(node), x)


_UNARY: dict[Any, str] = {
    aten.sqrt.default: "Sqrt",
    aten.exp.default: "Exp",
    aten.log.default: "Log",
    aten.sin.default: "Sin",
    aten.cos.default: "Cos",
    aten.gelu.default: "Gelu",
    aten.softplus.default: "Softplus",
    aten.sigmoid.default: "Sigmoid",
    aten.reciprocal.default: "Reciprocal",
    aten.floor.default: "Floor",
}


@lowers(*_UNARY)
def _unary(low: Lowering, node: fx.Node) -> Any:
    return low.curve(_UNARY[node.target], real_dtype(node), low.get(node.args[0]))


@lowers(aten.log10.default, aten.log2.default)
def _log(low: Lowering, node: fx.Node) -> Any:
    base = 10 if node.target is aten.log10.default else 2
    dtype = real_dtype(node)
    return low.op("Mul", dtype, low.curve("Log", dtype, low.get(node.args[0])), 1 / math.log(base))


@lowers(aten.silu.default)
def _silu(low: Lowering, node: fx.Node) -> Any:
    x, dtype = low.get(node.args[0]), real_dtype(node)
    return low.op("Mul", dtype, x, low.op("Sigmoid", dtype, x))


@lowers(aten.clamp.default, aten.clamp_min.default)
def _clamp(low: Lowering, node: fx.Node) -> Any:
    least = node.args[1] if len(node.args) > 1 else node.kwargs.get("min")
    most = node.args[2] if len(node.args) > 2 else node.kwargs.get("max")
    dtype = real_dtype(node)
    x = low.builder.value(low.builder.cast(low.get(node.args[0]), dtype))
    bounds = [
        "" if bound is None else low.builder.constant(torch.tensor(bound, dtype=dtype)).name
        for bound in (least, most)
    ]
    return Value(low.builder.raw("Clip", [x.name, *bounds])[0], x.shape, dtype)


@lowers(aten.remainder.Scalar)
def _remainder(low: Lowering, node: fx.Node) -> Any:
    """The result has the divisor's sign, as in Python."""
    x, divisor, dtype = low.get(node.args[0]), node.args[1], real_dtype(node)
    if not dtype.is_floating_point:
        return low.op("Mod", dtype, x, divisor)
    turns = low.op("Floor", dtype, low.op("Div", dtype, x, divisor))
    return low.op("Sub", dtype, x, low.op("Mul", dtype, turns, divisor))


@lowers(aten.__rshift__.Scalar, aten.bitwise_right_shift.Tensor_Scalar)
def _shift(low: Lowering, node: fx.Node) -> Any:
    """An arithmetic shift is a division that rounds down."""
    x, dtype = low.get(node.args[0]), real_dtype(node)
    divisor = 2 ** int(node.args[1])  # type: ignore[arg-type]
    if _never_negative(node.args[0]):
        return low.op("Div", dtype, x, divisor)
    rest = low.op("Mod", dtype, x, divisor)
    return low.op("Div", dtype, low.op("Sub", dtype, x, rest), divisor)


def _never_negative(node: Any) -> bool:
    """Whether a whole number is seen to be 0 or more: it was masked, or made of such."""
    if not isinstance(node, fx.Node):
        return False
    if node.target in (aten.__and__.Scalar, aten.bitwise_and.Scalar):
        return int(node.args[1]) >= 0  # type: ignore[arg-type]
    if node.target in (aten.__xor__.Tensor, aten.bitwise_xor.Tensor):
        return all(_never_negative(argument) for argument in node.args)
    return node.target is aten.__rshift__.Scalar and _never_negative(node.args[0])


@lowers(aten.__and__.Scalar, aten.bitwise_and.Scalar)
def _and(low: Lowering, node: fx.Node) -> Any:
    return low.op("BitwiseAnd", real_dtype(node), low.get(node.args[0]), node.args[1])


@lowers(aten.__and__.Tensor, aten.bitwise_and.Tensor, aten.logical_and.default)
def _both(low: Lowering, node: fx.Node) -> Any:
    name = "And" if real_dtype(node) == torch.bool else "BitwiseAnd"
    return low.op(name, real_dtype(node), low.get(node.args[0]), low.get(node.args[1]))


@lowers(aten.__xor__.Tensor, aten.bitwise_xor.Tensor)
def _xor(low: Lowering, node: fx.Node) -> Any:
    return low.op("BitwiseXor", real_dtype(node), low.get(node.args[0]), low.get(node.args[1]))


@lowers(aten.bitwise_not.default, aten.logical_not.default)
def _not(low: Lowering, node: fx.Node) -> Any:
    x = low.builder.value(low.get(node.args[0]))
    made = low.builder.made_by(x)
    if made is not None and made.op == "IsNaN":  # what is a number is equal to itself
        return Value(low.builder.raw("Equal", [made.inputs[0]] * 2)[0], x.shape, torch.bool)
    return low.op("Not", torch.bool, x)


@lowers(aten.isnan.default)
def _isnan(low: Lowering, node: fx.Node) -> Any:
    x = low.get(node.args[0])
    return Value(low.builder.raw("IsNaN", [x.name])[0], x.shape, torch.bool)


_COMPARISONS = {
    aten.gt: ("Greater", False),
    aten.ge: ("GreaterOrEqual", False),
    aten.lt: ("Less", False),
    aten.le: ("LessOrEqual", False),
    aten.eq: ("Equal", False),
    aten.ne: ("Equal", True),
}


def _compare(low: Lowering, node: fx.Node) -> Any:
    target: Any = node.target
    name, negated = _COMPARISONS[target.overloadpacket]
    a, b = low.get(node.args[0]), low.get(node.args[1])
    dtype = a.dtype if isinstance(b, (int, float)) else torch.promote_types(a.dtype, b.dtype)
    operands = [
        low.builder.cast(torch.tensor(x, dtype=dtype) if isinstance(x, (int, float)) else x, dtype)
        for x in (a, b)
    ]
    result = low.builder.elementwise(name, torch.bool, *operands)
    return low.op("Not", torch.bool, result) if negated else result


for _packet in _COMPARISONS:
    lowers(_packet.Scalar, _packet.Tensor)(_compare)


@lowers(aten.where.self, aten.where.ScalarOther, aten.where.ScalarSelf, aten.where.Scalar)
def _where(low: Lowering, node: fx.Node) -> Any:
    dtype = real_dtype(node)

    def choose(a: Any, b: Any) -> Any:
        operands = [
            low.builder.cast(torch.tensor(x, dtype=dtype) if isinstance(x, (int, float)) else x, dtype)
            for x in (a, b)
        ]
        return low.builder.elementwise("Where", dtype, low.get(node.args[0]), *operands)

    return low.map(choose, low.get(node.args[1]), low.get(node.args[2]))


@lowers(aten._to_copy.default, aten.to.dtype)
def _cast(low: Lowering, node: fx.Node) -> Any:
    return low.builder.cast(low.get(node.args[0]), real_dtype(node))
