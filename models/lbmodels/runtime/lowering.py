# SPDX-License-Identifier: GPL-3.0-or-later
"""Each operation that a step uses, from torch's names to ONNX's.

What depends on weights alone is computed here and now by torch itself. A complex tensor is a pair of real ones.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from lbmodels.errors import NotExportableError
from lbmodels.runtime import fourier
from lbmodels.runtime.builder import BATCH, Builder, Operand, Shape, Value
from lbmodels.runtime.fourier import Pair
from lbmodels.runtime.matrices import Matrices

aten = torch.ops.aten
Handler = Callable[["Lowering", fx.Node], Any]
_HANDLERS: dict[Any, Handler] = {}
_IN_PACKETS = {"Log", "Sin", "Cos", "Softplus", "Atan"}
_PACKET = 16


@dataclass(frozen=True)
class BatchRange:
    """0, 1, ... of the rows: of use only as an index that pairs each row with itself."""


@dataclass(frozen=True)
class RingWrite:
    """`entry` [B, ...] belongs at `slot` of `axis` of a state tensor that the graph itself does not copy."""

    ring: str
    entry: Value
    axis: int


def lowers(*targets: Any) -> Callable[[Handler], Handler]:
    """Enter a handler under torch's names for an operation."""

    def enter(handler: Handler) -> Handler:
        for target in targets:
            _HANDLERS[target] = handler
        return handler

    return enter


class Lowering:
    """The nodes of an exported program, one after the other, into a builder.

    `values` holds what each node became: a constant (Tensor), a `Value`, a `Pair`, a list of those, or None
    for sizes, which the graph tells by shapes.
    """

    def __init__(self, builder: Builder, batch: Value, matrices: Matrices) -> None:
        self.builder, self.matrices = builder, matrices
        self.values: dict[fx.Node, Any] = {}
        self._batch = builder.raw("Shape", [batch.name], start=0, end=1)[0]

    def run(self, node: fx.Node) -> None:
        """Lower one call.

        Raises:
            NotExportableError: an operation that no handler knows.
        """
        inputs = [self.values[n] for n in node.all_input_nodes]
        if inputs and all(isinstance(value, Tensor) for value in inputs):
            arguments = fx.map_arg(node.args, self.values.__getitem__)
            options = fx.map_arg(node.kwargs, self.values.__getitem__)
            self.values[node] = node.target(*arguments, **options)  # type: ignore[operator]
            return
        if not inputs and isinstance(node.target, torch._ops.OpOverload):
            made = node.target(*node.args, **{k: v for k, v in node.kwargs.items() if k != "device"})
            self.values[node] = made
            return
        handler = _HANDLERS.get(node.target)
        if handler is None:
            raise NotExportableError(f"this model cannot be exported: no graph operation for {node.target}")
        self.values[node] = handler(self, node)

    def get(self, argument: Any) -> Any:
        return self.values[argument] if isinstance(argument, fx.Node) else argument

    def declared(self, node: fx.Node) -> Shape:
        return tuple(size if isinstance(size, int) else BATCH for size in node.meta["val"].shape)

    def solid(self, argument: Any) -> Any:
        """A value with the shape it was said to have, broadcast if it is not so yet."""
        return self.map(lambda v: self._expanded(v, self.declared(argument)), self.get(argument))

    def map(self, function: Callable[..., Any], *values: Any) -> Any:
        """Apply a function of real tensors to the two parts of complex ones alike."""
        if not any(isinstance(v, Pair) or (isinstance(v, Tensor) and v.is_complex()) for v in values):
            return function(*values)
        pairs = [self.pair(value) for value in values]
        return Pair(*(function(*parts) for parts in zip(*pairs, strict=True)))

    def pair(self, value: Any) -> Any:
        """Any tensor as real and imaginary part."""
        if isinstance(value, Pair):
            return value
        if isinstance(value, Tensor) and value.is_complex():
            return Pair(value.real.clone(), value.imag.clone())  # type: ignore[arg-type]
        zero = torch.zeros((), dtype=torch.float32)
        return Pair(value, zero)  # type: ignore[arg-type]

    def _expanded(self, value: Operand, shape: Shape) -> Operand:
        if tuple(value.shape) == shape:
            return value
        if isinstance(value, Tensor) and BATCH not in shape:
            return value.expand([size for size in shape if size is not None]).clone()
        x = self.builder.value(value)
        sizes = [
            Value(self._batch, (1,), torch.int64) if size is BATCH else self.builder.integers([size])
            for size in shape
        ]
        target = self.builder.concat(sizes, 0)
        return Value(self.builder.raw("Expand", [x.name, target.name])[0], shape, x.dtype)

    def op(self, name: str, dtype: torch.dtype, *operands: Any, **attributes: Any) -> Any:
        """An elementwise operation on reals; numbers and tensors are cast to `dtype`, constants computed."""
        cast = [
            self.builder.cast(torch.tensor(x, dtype=dtype) if isinstance(x, (int, float)) else x, dtype)
            for x in operands
        ]
        return self.builder.elementwise(name, dtype, *cast, **attributes)

    def curve(self, name: str, dtype: torch.dtype, x: Any) -> Any:
        """A function of one number.

        ONNX Runtime computes most of these in packets of 4 to 16 numbers and the rest one by one, which differs
        in the last bit: a row is filled up to whole packets, or its place in the batch would be heard.
        """
        value = self.builder.value(self.builder.cast(x, dtype))
        if name not in _IN_PACKETS or not value.shape:
            return self.op(name, dtype, value)
        flat = self.builder.reshape(value, (*value.shape, 1)) if value.shape == (BATCH,) else value
        size = flat.shape[-1]
        rest = math.prod(n for n in flat.shape if n is not BATCH) % _PACKET
        if size is BATCH or not rest:
            return self.op(name, dtype, value)
        rank = len(flat.shape)
        pads = self.builder.integers([0] * (2 * rank - 1) + [-size % _PACKET])
        one = self.builder.constant(torch.ones((), dtype=dtype))
        padded = self.builder.raw("Pad", [flat.name, pads.name, one.name])[0]
        shape = (*flat.shape[:-1], size + -size % _PACKET)
        result = self.op(name, dtype, Value(padded, shape, dtype))
        return self.builder.reshape(self.builder.slice(result, rank - 1, 0, size), value.shape)

    # Arithmetic on reals and pairs.

    def add(self, a: Any, b: Any, dtype: torch.dtype, name: str = "Add") -> Any:
        return self.map(lambda x, y: self.op(name, dtype, x, y), a, b)

    def multiply(self, a: Any, b: Any, dtype: torch.dtype) -> Any:
        complex_a, complex_b = (
            isinstance(v, Pair) or (isinstance(v, Tensor) and v.is_complex()) for v in (a, b)
        )
        if not (complex_a or complex_b):
            return self.op("Mul", dtype, a, b)
        if not (complex_a and complex_b):
            whole, factor = (self.pair(a), b) if complex_a else (self.pair(b), a)
            return Pair(*(self.op("Mul", dtype, part, factor) for part in whole))
        (ar, ai), (br, bi) = self.pair(a), self.pair(b)

        def product(x: Any, y: Any) -> Any:
            return self.op("Mul", dtype, x, y)

        return Pair(
            self.op("Sub", dtype, product(ar, br), product(ai, bi)),
            self.op("Add", dtype, product(ar, bi), product(ai, br)),
        )

    def squared_size(self, pair: Any, dtype: torch.dtype) -> Value:
        real, imag = self.pair(pair)
        squares = (self.op("Mul", dtype, part, part) for part in (real, imag))
        result: Value = self.op("Add", dtype, *squares)
        return result


def real_dtype(node: fx.Node) -> torch.dtype:
    """Of a node's result, or of its parts."""
    dtype: torch.dtype = node.meta["val"].dtype
    return {torch.complex64: torch.float32, torch.complex128: torch.float64}.get(dtype, dtype)


def _axis(node: fx.Node, argument: Any, position: int = 1, default: int | None = None) -> int:
    """A dimension argument, counted from the front of the input's shape."""
    axis: Any = node.args[position] if len(node.args) > position else default
    return int(axis) % len(argument.meta["val"].shape)


# --- arithmetic ---


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
    rest = low.op("Mod", dtype, x, divisor)
    return low.op("Div", dtype, low.op("Sub", dtype, x, rest), divisor)


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
    return low.op("Not", torch.bool, low.get(node.args[0]))


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


# --- complex ---


@lowers(aten.view_as_complex.default)
def _as_complex(low: Lowering, node: fx.Node) -> Any:
    x = low.get(node.args[0])
    return Pair(*(low.builder.take(x, len(x.shape) - 1, part) for part in (0, 1)))


@lowers(aten.view_as_real.default)
def _as_real(low: Lowering, node: fx.Node) -> Any:
    parts = [low.builder.value(part) for part in low.solid(node.args[0])]
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
    build = low.builder
    flat = low.curve("Atan", dtype, low.op("Div", dtype, y, x))
    left = build.elementwise("Less", torch.bool, x, build.constant(torch.tensor(0.0)))
    below = build.elementwise("Less", torch.bool, y, build.constant(torch.tensor(0.0)))
    half = build.elementwise(
        "Where", dtype, below, build.constant(torch.tensor(-math.pi)), build.constant(torch.tensor(math.pi))
    )
    turned = build.elementwise("Where", dtype, left, low.op("Add", dtype, flat, half), flat)
    nowhere = build.elementwise(
        "Equal", torch.bool, low.squared_size(Pair(x, y), dtype), build.constant(torch.tensor(0.0))
    )
    return build.elementwise("Where", dtype, nowhere, build.constant(torch.tensor(0.0)), turned)


@lowers(aten.fft_rfft.default)
def _rfft(low: Lowering, node: fx.Node) -> Any:
    return fourier.real_to_complex(low.builder, low.builder.value(low.solid(node.args[0])))


@lowers(aten.fft_irfft.default)
def _irfft(low: Lowering, node: fx.Node) -> Any:
    pair = Pair(*(low.builder.value(part) for part in low.solid(node.args[0])))
    return fourier.complex_to_real(low.builder, pair, node.meta["val"].shape[-1])


# --- matrices ---


@lowers(aten.linear.default)
def _linear(low: Lowering, node: fx.Node) -> Any:
    bias = low.get(node.args[2]) if len(node.args) > 2 else None
    return low.matrices.linear(low.builder, low.get(node.args[0]), low.get(node.args[1]), bias)


@lowers(aten.matmul.default, aten.bmm.default, aten.mm.default)
def _matmul(low: Lowering, node: fx.Node) -> Any:
    return low.builder.matmul(low.get(node.args[0]), low.get(node.args[1]))


@lowers(aten.layer_norm.default)
def _layer_norm(low: Lowering, node: fx.Node) -> Any:
    x, _size, weight, bias = (low.get(argument) for argument in node.args[:4])
    return low.matrices.layer_norm(low.builder, x, weight, bias, float(node.args[4]))  # type: ignore[arg-type]


@lowers(aten.rms_norm.default)
def _rms_norm(low: Lowering, node: fx.Node) -> Any:
    x = low.get(node.args[0])
    given = [low.get(argument) for argument in node.args[2:]]
    weight = given[0] if given else None
    epsilon = given[1] if len(given) > 1 and given[1] is not None else torch.finfo(x.dtype).eps
    return low.matrices.rms_norm(low.builder, x, weight, float(epsilon))


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
    axis = _axis(node, node.args[0])
    return Value(low.builder.raw("Softmax", [x.name], axis=axis)[0], x.shape, x.dtype)


@lowers(aten.sum.dim_IntList, aten.mean.dim)
def _reduce(low: Lowering, node: fx.Node) -> Any:
    given: Any = node.args[1]
    keep = bool(node.args[2]) if len(node.args) > 2 else False
    rank = len(low.declared(node.args[0]))  # type: ignore[arg-type]
    axes = [axis % rank for axis in given]
    mean = node.target is aten.mean.dim

    def reduce(x: Operand) -> Value:
        value = low.builder.value(x)
        if mean or axes != [rank - 2]:
            return low.builder.reduce("ReduceMean" if mean else "ReduceSum", value, axes, keep=keep)
        # As a product, which sums in one order; ONNX Runtime sums rows in another when the batch is 1.
        ones = torch.ones(1, int(value.shape[-2] or 0), dtype=value.dtype)
        total = low.builder.matmul(ones, value)
        return total if keep else low.builder.reshape(total, (*value.shape[:-2], value.shape[-1]))

    return low.map(reduce, low.solid(node.args[0]))


@lowers(aten.cumsum.default)
def _cumsum(low: Lowering, node: fx.Node) -> Any:
    x = low.builder.value(low.solid(node.args[0]))
    axis = low.builder.constant(torch.tensor(_axis(node, node.args[0]), dtype=torch.int64))
    return Value(low.builder.raw("CumSum", [x.name, axis.name])[0], x.shape, x.dtype)


# --- shapes ---


@lowers(
    aten.view.default, aten.reshape.default, aten.flatten.using_ints, aten.unflatten.int,
    aten._unsafe_view.default,
)  # fmt: skip
def _reshape(low: Lowering, node: fx.Node) -> Any:
    shape = low.declared(node)
    return low.map(lambda x: low.builder.reshape(low.builder.value(x), shape), low.solid(node.args[0]))


@lowers(aten.unsqueeze.default)
def _unsqueeze(low: Lowering, node: fx.Node) -> Any:
    axis: Any = node.args[1]

    def widen(x: Operand) -> Operand:
        at = axis % (len(x.shape) + 1)
        if isinstance(x, Tensor):
            return x.unsqueeze(at)
        return low.builder.reshape(x, (*x.shape[:at], 1, *x.shape[at:]))

    return low.map(widen, low.get(node.args[0]))


@lowers(aten.squeeze.dim, aten.squeeze.dims)
def _squeeze(low: Lowering, node: fx.Node) -> Any:
    shape = low.declared(node)
    return low.map(lambda x: low.builder.reshape(low.builder.value(x), shape), low.solid(node.args[0]))


@lowers(aten.expand.default)
def _expand(low: Lowering, node: fx.Node) -> Any:
    """Axes are added; that they are wider is left to the operations, which broadcast."""
    rank = len(low.declared(node))

    def lead(x: Operand) -> Operand:
        shape = (1,) * (rank - len(x.shape)) + tuple(x.shape)
        if isinstance(x, Tensor):
            return x.reshape([size for size in shape if size is not None])
        return low.builder.reshape(x, shape)

    return low.map(lead, low.get(node.args[0]))


@lowers(aten.permute.default)
def _permute(low: Lowering, node: fx.Node) -> Any:
    order: Any = node.args[1]
    order = [axis % len(order) for axis in order]
    return low.map(lambda x: low.builder.transpose(low.builder.value(x), order), low.get(node.args[0]))


@lowers(aten.transpose.int, aten.mT.default, aten.t.default)
def _transpose(low: Lowering, node: fx.Node) -> Any:
    source: Any = node.args[0]
    rank = len(source.meta["val"].shape)
    first, second = (rank - 2, rank - 1)
    if node.target is aten.transpose.int:
        first, second = _axis(node, source, 1), _axis(node, source, 2)
    order = list(range(rank))
    order[first], order[second] = second, first
    return low.map(lambda x: low.builder.transpose(low.builder.value(x), order), low.get(source))


@lowers(aten.slice.Tensor)
def _slice(low: Lowering, node: fx.Node) -> Any:
    source: Any = node.args[0]
    axis = _axis(node, source, 1, 0)
    start, end = ([*node.args, None, None][n] for n in (2, 3))
    return low.map(lambda x: _cut(low, x, axis, start, end), low.solid(source))


def _cut(low: Lowering, x: Any, axis: int, start: Any, end: Any) -> Any:
    value = low.builder.value(x)
    size = value.shape[axis]
    if size is BATCH:
        return value
    first, last, _ = slice(start, end).indices(size)
    return low.builder.slice(value, axis, first, last)


@lowers(aten.select.int)
def _select(low: Lowering, node: fx.Node) -> Any:
    source: Any = node.args[0]
    axis = _axis(node, source)
    index: Any = node.args[2]
    size = low.declared(source)[axis]
    assert size is not None
    return low.map(lambda x: low.builder.take(low.builder.value(x), axis, index % size), low.solid(source))


@lowers(aten.unbind.int)
def _unbind(low: Lowering, node: fx.Node) -> Any:
    source: Any = node.args[0]
    axis = _axis(node, source, 1, 0)
    size = low.declared(source)[axis] or 0
    x = low.solid(source)
    return [
        low.map(lambda part, n=n: low.builder.take(low.builder.value(part), axis, n), x) for n in range(size)
    ]


@lowers(aten.split.Tensor, aten.split_with_sizes.default, aten.chunk.default)
def _split(low: Lowering, node: fx.Node) -> Any:
    source: Any = node.args[0]
    axis = _axis(node, source, 2, 0)
    sizes = [part.shape[axis] for part in node.meta["val"]]
    x, parts, start = low.solid(source), [], 0
    for size in sizes:
        parts.append(low.map(lambda v, a=start, s=size: _cut(low, v, axis, a, a + s), x))
        start += size
    return parts


@lowers(operator.getitem)
def _getitem(low: Lowering, node: fx.Node) -> Any:
    index: Any = node.args[1]
    return low.get(node.args[0])[index]


@lowers(aten.cat.default)
def _cat(low: Lowering, node: fx.Node) -> Any:
    parts: Any = node.args[0]
    axis: Any = node.args[1] if len(node.args) > 1 else 0
    axis %= len(low.declared(node))
    dtype = real_dtype(node)
    values = [low.solid(part) for part in parts]

    def join(*operands: Any) -> Any:
        rank_zero = [low.builder.cast(x, dtype) for x in operands]
        return low.builder.concat([low.builder.value(x) for x in rank_zero], axis)

    return low.map(join, *values)


@lowers(aten.stack.default)
def _stack(low: Lowering, node: fx.Node) -> Any:
    parts: Any = node.args[0]
    axis: Any = node.args[1] if len(node.args) > 1 else 0
    axis %= len(low.declared(node))

    def join(*operands: Any) -> Any:
        values = [low.builder.value(x) for x in operands]
        wide = [low.builder.reshape(v, (*v.shape[:axis], 1, *v.shape[axis:])) for v in values]
        return low.builder.concat(wide, axis)

    return low.map(join, *(low.solid(part) for part in parts))


@lowers(aten.pad.default, aten.constant_pad_nd.default)
def _pad(low: Lowering, node: fx.Node) -> Any:
    source: Any = node.args[0]
    pads: Any = node.args[1]
    x = low.builder.value(low.solid(source))
    rank = len(x.shape)
    before, after = [0] * rank, [0] * rank
    for n in range(len(pads) // 2):
        before[rank - 1 - n], after[rank - 1 - n] = pads[2 * n], pads[2 * n + 1]
    name = low.builder.raw("Pad", [x.name, low.builder.integers([*before, *after]).name])[0]
    shape = tuple(
        size if size is BATCH else size + a + b for size, a, b in zip(x.shape, before, after, strict=True)
    )
    return Value(name, shape, x.dtype)


@lowers(aten.slice_scatter.default)
def _slice_scatter(low: Lowering, node: fx.Node) -> Any:
    target, part = (low.builder.value(low.solid(argument)) for argument in node.args[:2])
    axis: Any = node.args[2] if len(node.args) > 2 else 0
    start, end = ([*node.args, None, None][n] for n in (3, 4))
    size = target.shape[axis]
    if size is BATCH:
        return part
    first, last, _ = slice(start, end).indices(size)
    pieces = [low.builder.slice(target, axis, 0, first)] if first else []
    pieces.append(part)
    if last < size:
        pieces.append(low.builder.slice(target, axis, last, size))
    return low.builder.concat(pieces, axis)


@lowers(aten.unfold.default)
def _unfold(low: Lowering, node: fx.Node) -> Any:
    """Overlapping windows of the last axis, gathered from segments of one step each."""
    source: Any = node.args[0]
    axis, window, step = (int(argument) for argument in node.args[1:4])  # type: ignore[arg-type]
    x = low.builder.value(low.solid(source))
    length = x.shape[-1]
    assert length is not None
    assert axis % len(x.shape) == len(x.shape) - 1
    if window % step or length % step:
        raise NotExportableError(f"this model cannot be exported: windows of {window} samples every {step}")
    lead = x.shape[:-1]
    segments = low.builder.reshape(x, (*lead, length // step, step))
    count, ratio = (length - window) // step + 1, window // step
    index = low.builder.constant(torch.arange(count).unsqueeze(1) + torch.arange(ratio))
    name = low.builder.raw("Gather", [segments.name, index.name], axis=len(lead))[0]
    gathered = Value(name, (*lead, count, ratio, step), x.dtype)
    return low.builder.reshape(gathered, (*lead, count, window))


@lowers(aten.col2im.default)
def _overlap_add(low: Lowering, node: fx.Node) -> Any:
    """Columns [N, window, count] summed where they overlap, by shifting whole steps."""
    x = low.builder.value(low.solid(node.args[0]))
    kernel, stride = node.args[2], node.args[5]
    if kernel[0] != 1 or node.args[3] != [1, 1] or node.args[4] != [0, 0] or kernel[1] % stride[1]:  # type: ignore[index, operator]
        raise NotExportableError("this model cannot be exported: overlap-add of another form")
    window, step = int(kernel[1]), int(stride[1])  # type: ignore[index, arg-type]
    rows, _, count = x.shape
    assert count is not None
    ratio = window // step
    frames = low.builder.reshape(low.builder.transpose(x, (0, 2, 1)), (rows, count, ratio, step))
    total = None
    for n in range(ratio):
        part = low.builder.take(frames, 2, n)
        pads = low.builder.integers([0, n, 0, 0, ratio - 1 - n, 0])
        name = low.builder.raw("Pad", [part.name, pads.name])[0]
        shifted = Value(name, (rows, count + ratio - 1, step), x.dtype)
        total = shifted if total is None else low.op("Add", x.dtype, total, shifted)
    assert total is not None
    return low.builder.reshape(total, low.declared(node))


# --- indices ---


@lowers(aten.one_hot.default)
def _one_hot(low: Lowering, node: fx.Node) -> Any:
    x = low.get(node.args[0])
    classes = torch.arange(int(node.args[1]))  # type: ignore[arg-type]
    wide = low.builder.reshape(x, (*x.shape, 1))
    equal = low.builder.elementwise("Equal", torch.bool, wide, classes)
    return low.builder.cast(equal, torch.int64)


@lowers(aten.embedding.default)
def _embedding(low: Lowering, node: fx.Node) -> Any:
    table, index = low.builder.value(low.get(node.args[0])), low.get(node.args[1])
    name = low.builder.raw("Gather", [table.name, index.name], axis=0)[0]
    return Value(name, (*index.shape, *table.shape[1:]), table.dtype)


@lowers(aten.index.Tensor)
def _index(low: Lowering, node: fx.Node) -> Any:
    """One index on one axis; or, of a ring, each row's own slot."""
    source: Any = node.args[0]
    indices: Any = node.args[1]
    given = [(axis, low.get(index)) for axis, index in enumerate(indices) if index is not None]
    if len(given) == 2 and given[0][0] == 0 and isinstance(given[0][1], BatchRange):
        return _row_slots(low, low.solid(source), *given[1])
    if len(given) != 1:
        raise NotExportableError("this model cannot be exported: an index on several axes")
    ((axis, index),) = given
    index = low.builder.value(index)

    def gather(x: Operand) -> Value:
        value = low.builder.value(x)
        name = low.builder.raw("Gather", [value.name, index.name], axis=axis)[0]
        shape = (*value.shape[:axis], *index.shape, *value.shape[axis + 1 :])
        return Value(name, shape, value.dtype)

    return low.map(gather, low.get(source) if axis == 0 else low.solid(source))


def _row_slots(low: Lowering, ring: Value, axis: int, slot: Value) -> Value:
    """Ring [B, H, W, D], slot [B] -> [B, H, D]."""
    if axis != 2:
        raise NotExportableError("this model cannot be exported: a ring along another axis than the third")
    wide = low._expanded(low.builder.reshape(slot, (BATCH, 1, 1)), (BATCH, ring.shape[1], 1))
    name = low.builder.raw("GatherND", [ring.name, low.builder.value(wide).name], batch_dims=2)[0]
    return Value(name, (BATCH, ring.shape[1], ring.shape[3]), ring.dtype)


@lowers(aten.index_put_.default)
def _write(low: Lowering, node: fx.Node) -> Any:
    """In place: what is read of the ring from here on is the ring with its new entry."""
    low.values[node.args[0]] = _index_put(low, node)  # type: ignore[index]
    return low.values[node.args[0]]  # type: ignore[index]


@lowers(aten.index_put.default)
def _index_put(low: Lowering, node: fx.Node) -> Any:
    """Only as the write of one entry a row into a ring that came in as state."""
    ring: Any = node.args[0]
    indices: Any = node.args[1]
    given = [(axis, low.get(index)) for axis, index in enumerate(indices) if index is not None]
    if (
        ring.op != "placeholder"
        or len(given) != 2
        or given[0][0] != 0
        or not isinstance(given[0][1], BatchRange)
    ):
        raise NotExportableError(
            "this model cannot be exported: a write that is not of one entry into a ring"
        )
    entry: Any = node.args[2]
    if entry.target is aten.where.self and _reads(entry.args[2], ring):
        # An idle row would be given what it has: the caller writes the active rows alone.
        entry = entry.args[1]
    return RingWrite(low.get(ring).name, low.builder.value(low.solid(entry)), given[1][0])


def _reads(node: Any, ring: fx.Node) -> bool:
    return isinstance(node, fx.Node) and node.target is aten.index.Tensor and node.args[0] is ring


# --- sizes and constants ---


@lowers(
    aten.sym_size.int, operator.mul, operator.add, operator.floordiv, aten._assert_tensor_metadata.default,
    aten._assert_scalar.default, aten.sym_constrain_range_for_size.default,
)  # fmt: skip
def _nothing(_low: Lowering, _node: fx.Node) -> Any:
    """Sizes are read from shapes, and what is asserted held when the program was exported."""
    return None


@lowers(aten.arange.default, aten.arange.start_step, aten.arange.start)
def _arange(_low: Lowering, _node: fx.Node) -> Any:
    return BatchRange()


@lowers(aten.ones_like.default, aten.zeros_like.default, aten.full_like.default)
def _filled(low: Lowering, node: fx.Node) -> Any:
    number: Any = {aten.ones_like.default: 1, aten.zeros_like.default: 0}.get(node.target)  # type: ignore[call-overload]
    number = node.args[1] if number is None else number
    sizes = [1 if size is BATCH else size for size in low.declared(node)]
    return torch.full(sizes, number, dtype=node.meta["val"].dtype)


@lowers(
    aten.alias.default, aten.clone.default, aten.contiguous.default, aten.detach.default,
    aten.lift_fresh_copy.default,
)  # fmt: skip
def _same(low: Lowering, node: fx.Node) -> Any:
    return low.get(node.args[0])


@lowers(aten.copy.default)
def _copy(low: Lowering, node: fx.Node) -> Any:
    return low.get(node.args[1])
