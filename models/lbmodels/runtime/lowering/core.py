# SPDX-License-Identifier: GPL-3.0-or-later
"""Walks an exported program: constants are computed, the rest goes to the handler of its operation."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from lbmodels.errors import NotExportableError
from lbmodels.runtime.builder import BATCH, Builder, Operand, Shape, Value, written
from lbmodels.runtime.fourier import Pair
from lbmodels.runtime.matrices import Matrices

aten = torch.ops.aten
Handler = Callable[["Lowering", fx.Node], Any]
HANDLERS: dict[Any, Handler] = {}
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
            HANDLERS[target] = handler
        return handler

    return enter


class Lowering:
    """The nodes of an exported program, one after the other, into a builder.

    `values` holds what each node became: a constant (Tensor), a `Value`, a `Pair`, a list of those, or None
    for sizes, which the graph tells by shapes. `exact` names the inputs that are weights to keep in float32, `owners` the
    parts of the model that inputs belong to: what follows the use of one is counted as its part's work.
    """

    def __init__(
        self,
        builder: Builder,
        batch: Value,
        matrices: Matrices,
        exact: Collection[str] = (),
        owners: Mapping[str, str] | None = None,
    ) -> None:
        self.builder, self.matrices, self.exact = builder, matrices, exact
        self.owners = owners or {}
        self.values: dict[fx.Node, Any] = {}
        self._batch = builder.raw("Shape", [batch.name], start=0, end=1)[0]

    def run(self, node: fx.Node) -> None:
        """Lower one call.

        Raises:
            NotExportableError: an operation that no handler knows.
        """
        inputs = [self.values[n] for n in node.all_input_nodes]
        for given in node.all_input_nodes:
            self.builder.part = self.owners.get(given.name, self.builder.part)
        if inputs and all(isinstance(value, Tensor) for value in inputs):
            arguments = fx.map_arg(node.args, self.values.__getitem__)
            options = fx.map_arg(node.kwargs, self.values.__getitem__)
            self.values[node] = node.target(*arguments, **options)  # type: ignore[operator]
            return
        if not inputs and isinstance(node.target, torch._ops.OpOverload):
            made = node.target(*node.args, **{k: v for k, v in node.kwargs.items() if k != "device"})
            self.values[node] = made
            return
        handler = HANDLERS.get(node.target)
        if handler is None:
            raise NotExportableError(f"this model cannot be exported: no graph operation for {node.target}")
        self.values[node] = handler(self, node)

    def known(self) -> dict[str, Value]:
        """The tensors of the graph that nodes of the program became, by name."""
        parts = (
            part
            for value in self.values.values()
            for part in (value if isinstance(value, (list, Pair)) else [value])
        )
        return {part.name: part for part in parts if isinstance(part, Value)}

    def get(self, argument: Any) -> Any:
        if isinstance(argument, complex):
            return torch.tensor(argument, dtype=torch.complex64)
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
            for size in written(shape)
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


def axis_of(node: fx.Node, argument: Any, position: int = 1, default: int | None = None) -> int:
    """A dimension argument, counted from the front of the input's shape."""
    axis: Any = node.args[position] if len(node.args) > position else default
    return int(axis) % len(argument.meta["val"].shape)


def only_scaled(low: Lowering, node: fx.Node) -> Tensor | None:
    """A vector of weights that the only user of a product multiplies it with."""
    users = list(node.users)
    if len(users) != 1 or users[0].target is not aten.mul.Tensor:
        return None
    other = users[0].args[0] if users[0].args[1] is node else users[0].args[1]
    scale = low.values.get(other) if isinstance(other, fx.Node) else None
    fits = isinstance(scale, Tensor) and tuple(scale.shape) == tuple(node.meta["val"].shape[-1:])
    return scale if fits else None
