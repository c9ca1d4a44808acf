# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes an ONNX graph one operation at a time; what was said before, or says nothing, is not said again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor

OPSET = 20
BATCH = None
"""How the batch is written in shapes."""

Shape = tuple[int | None, ...]

ONNX_TYPES = {
    torch.float32: onnx.TensorProto.FLOAT,
    torch.float64: onnx.TensorProto.DOUBLE,
    torch.int64: onnx.TensorProto.INT64,
    torch.int32: onnx.TensorProto.INT32,
    torch.bool: onnx.TensorProto.BOOL,
    torch.uint8: onnx.TensorProto.UINT8,
}


@dataclass(frozen=True)
class Value:
    """A tensor of the graph. Its `shape` may hold 1 where a broadcast stands for more.

    One number a row, (BATCH,), is written [batch, 1]: to add an axis to it, drop it or lay such numbers side by side is then
    no operation.
    """

    name: str
    shape: Shape
    dtype: torch.dtype


@dataclass(frozen=True)
class _Node:
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Any]


Operand = Value | Tensor


def broadcast(*shapes: Shape) -> Shape:
    """The shape of an elementwise operation on tensors of these shapes."""
    rank = max(map(len, shapes))
    result: list[int | None] = []
    for sizes in zip(*((1,) * (rank - len(s)) + s for s in shapes), strict=True):
        wide = {size for size in sizes if size != 1}
        if len(wide) > 1:
            raise ValueError(f"shapes {shapes} do not go together")
        result.append(wide.pop() if wide else 1)
    return tuple(result)


class Builder:
    """Collects nodes and constants. Equal operations on equal inputs are made once."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.part = ""
        """Names the nodes that are made from now on, for who asks what costs how much."""
        self._made: dict[Any, tuple[str, ...]] = {}
        self._by_output: dict[str, _Node] = {}
        self._given: dict[str, str] = {}
        self._taken: dict[str, tuple[Value, int, int]] = {}
        self._instead: dict[str, str] = {}
        self._shapes: dict[str, Shape] = {}
        self._count = 0

    def input(self, name: str, shape: Shape, dtype: torch.dtype) -> Value:
        self.inputs.append(declared(name, shape, dtype))
        return Value(name, shape, dtype)

    def output(self, name: str, value: Value) -> None:
        """Give a value to the caller under a name."""
        self._given[name] = value.name
        self.outputs.append(declared(name, value.shape, value.dtype))

    def constant(self, tensor: Tensor | np.ndarray[Any, Any]) -> Value:
        array = tensor.detach().cpu().numpy() if isinstance(tensor, Tensor) else tensor
        array = np.ascontiguousarray(array)
        key = ("constant", array.dtype.str, array.shape, array.tobytes())
        if key not in self._made:
            self._made[key] = (self._new_name("c"),)
            self.constants.append(numpy_helper.from_array(array, self._made[key][0]))
        return Value(self._made[key][0], tuple(array.shape), torch.from_numpy(array[..., :0].copy()).dtype)

    def raw(
        self,
        op: str,
        inputs: Sequence[str],
        *,
        outputs: int = 1,
        unused: Sequence[int] = (),
        domain: str = "",
        **attributes: Any,
    ) -> tuple[str, ...]:
        """Append a node; "" is an input left out, `unused` are outputs that are."""
        key = (op, tuple(inputs), repr(sorted(attributes.items())), outputs)
        if key not in self._made:
            names = tuple("" if n in unused else self._new_name(op.lower()) for n in range(outputs))
            self.nodes.append(
                helper.make_node(
                    op,
                    list(inputs),
                    list(names),
                    name=f"{self.part}/{names[0]}",
                    domain=domain or None,
                    **attributes,
                )
            )
            self._made[key] = names
            for name in names:
                self._by_output[name] = _Node(op, tuple(inputs), attributes)
        return self._made[key]

    def made_by(self, value: Value) -> _Node | None:
        """The node that made a value; None for inputs and constants."""
        return self._by_output.get(value.name)

    def shape_of(self, name: str) -> Shape | None:
        """Of a tensor that was read as an operand."""
        return self._shapes.get(name)

    def value(self, operand: Operand) -> Value:
        return operand if isinstance(operand, Value) else self.constant(operand)

    def elementwise(self, op: str, dtype: torch.dtype, *operands: Operand, **attributes: Any) -> Value:
        """An operation that broadcasts."""
        values = [self.value(operand) for operand in operands]
        (name,) = self.raw(op, [value.name for value in values], **attributes)
        self._shapes.update({value.name: value.shape for value in values})
        return Value(name, broadcast(*(value.shape for value in values)), dtype)

    def cast(self, operand: Operand, dtype: torch.dtype) -> Operand:
        if operand.dtype == dtype:
            return operand
        if isinstance(operand, Tensor):
            return operand.to(dtype)
        (name,) = self.raw("Cast", [operand.name], to=ONNX_TYPES[dtype])
        return Value(name, operand.shape, dtype)

    def reshape(self, x: Value, shape: Shape) -> Value:
        """At most one size may be the batch, or a multiple of it."""
        if x.shape == shape:
            return x
        if written(x.shape) == written(shape):
            return Value(x.name, shape, x.dtype)
        if sum(size is BATCH for size in shape) > 1:
            raise ValueError(f"cannot tell the batch's axis in {shape}")
        source = x.name
        before = self.made_by(x)
        if before is not None and before.op == "Reshape":
            source = before.inputs[0]
        sizes = self.integers([-1 if size is BATCH else size for size in written(shape)])
        if source == x.name:
            self._shapes[source] = x.shape
        return Value(self.raw("Reshape", [source, sizes.name])[0], shape, x.dtype)

    def unshaped(self, x: Value) -> Value:
        """The same numbers before they were given another shape, for who knows which one they have."""
        before = self.made_by(x)
        shape = self._shapes.get(before.inputs[0]) if before is not None and before.op == "Reshape" else None
        if before is None or shape is None or shape[:1] != (BATCH,):
            return x
        return Value(before.inputs[0], shape, x.dtype)

    def integers(self, values: Sequence[int]) -> Value:
        return self.constant(np.asarray(values, np.int64))

    def transpose(self, x: Value, order: Sequence[int]) -> Value:
        """Axes in another order; no data moves if only axes of size 1 do."""
        order = list(order)
        shape = tuple(x.shape[axis] for axis in order)
        kept = [axis for axis in order if x.shape[axis] != 1]
        if kept == sorted(kept):
            return self.reshape(x, shape)
        before = self.made_by(x)
        source = x.name
        if before is not None and before.op == "Transpose":
            source = before.inputs[0]
            order = [before.attributes["perm"][axis] for axis in order]
            if order == sorted(order):
                return Value(source, shape, x.dtype)
        return Value(self.raw("Transpose", [source], perm=order)[0], shape, x.dtype)

    def slice(self, x: Value, axis: int, start: int, end: int) -> Value:
        size = x.shape[axis]
        if size is BATCH:
            raise ValueError("the batch is never cut")
        if start == 0 and end >= size:
            return x
        bounds = [self.integers([number]).name for number in (start, end, axis)]
        shape = (*x.shape[:axis], min(end, size) - start, *x.shape[axis + 1 :])
        return Value(self.raw("Slice", [x.name, *bounds])[0], shape, x.dtype)

    def take(self, x: Value, axis: int, index: int) -> Value:
        """One entry of an axis, which goes."""
        shape = (*x.shape[:axis], *x.shape[axis + 1 :])
        before = self.made_by(x)
        if before is not None and before.op == "Transpose":
            # Taken before it is turned there is less to turn, often nothing.
            order = list(before.attributes["perm"])
            source_shape: list[int | None] = [0] * len(order)
            for new, old in enumerate(order):
                source_shape[old] = x.shape[new]
            taken = self.take(Value(before.inputs[0], tuple(source_shape), x.dtype), order[axis], index)
            rest = [old for new, old in enumerate(order) if new != axis]
            return self.transpose(taken, [old - (old > order[axis]) for old in rest])
        if x.shape[axis] == 1:
            return self.reshape(x, shape)
        result = self.reshape(self.slice(x, axis, index, index + 1), shape)
        self._taken[result.name] = (x, axis, index)
        return result

    def whole(self, parts: Sequence[Value]) -> Value | None:
        """What these are all entries of, in order, of its last axis but one; None if they are not."""
        source, axis, _ = self._taken.get(parts[0].name, (None, 0, 0))
        if source is None or axis != len(source.shape) - 2 or source.shape[axis] != len(parts):
            return None
        fits = [self._taken.get(part.name) == (source, axis, n) for n, part in enumerate(parts)]
        return source if all(fits) else None

    def split(self, x: Value, axis: int, sizes: Sequence[int]) -> list[Value]:
        """Side by side along an axis, of these sizes."""
        names = self.raw("Split", [x.name, self.integers(sizes).name], outputs=len(sizes), axis=axis)
        return [
            Value(name, (*x.shape[:axis], size, *x.shape[axis + 1 :]), x.dtype)
            for name, size in zip(names, sizes, strict=True)
        ]

    def replaced(self, value: Value, name: str) -> bool:
        """Let a tensor just made stand for a value that nobody has read yet; False if somebody has."""
        if any(value.name in node.input for node in self.nodes[:-1]):
            return False
        self._instead[value.name] = name
        return True

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        if len(values) == 1:
            return values[0]
        sizes = [value.shape[axis] for value in values]
        if any(size is BATCH for size in sizes):
            raise ValueError("batches are never joined inside the graph")
        (name,) = self.raw("Concat", [value.name for value in values], axis=axis)
        shape = values[0].shape
        total = sum(size for size in sizes if size is not None)
        return Value(name, (*shape[:axis], total, *shape[axis + 1 :]), values[0].dtype)

    def matmul(self, a: Operand, b: Operand) -> Value:
        x, y = self.value(a), self.value(b)
        (name,) = self.raw("MatMul", [x.name, y.name])
        return Value(name, (*broadcast(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1]), x.dtype)

    def reduce(self, op: str, x: Value, axes: Sequence[int], *, keep: bool) -> Value:
        axes = sorted(axis % len(x.shape) for axis in axes)
        sizes = [1 if n in axes else size for n, size in enumerate(x.shape) if keep or n not in axes]
        if sizes == [BATCH]:
            x, axes, keep = (
                self.reshape(x, (BATCH, math.prod(n for n in x.shape if n is not BATCH))),
                [1],
                True,
            )
        (name,) = self.raw(op, [x.name, self.integers(axes).name], keepdims=int(keep))
        return Value(name, tuple(sizes), x.dtype)

    def model(self, name: str) -> onnx.ModelProto:
        """The finished graph, without what no output needs."""
        nodes = self._with_outputs()
        needed = {info.name for info in self.outputs}
        kept = []
        for node in reversed(nodes):
            if needed & set(node.output):
                kept.append(node)
                needed.update(node.input)
        graph = helper.make_graph(
            kept[::-1],
            name,
            [info for info in self.inputs if info.name in needed],
            self.outputs,
            [constant for constant in self.constants if constant.name in needed],
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="liveband")

    def _with_outputs(self) -> list[onnx.NodeProto]:
        """The nodes, outputs under the names they are given out by: copied only where one has two, or was an input."""
        names, copies = dict(self._instead), []
        made = {name for node in self.nodes for name in node.output}
        for given, name in self._given.items():
            name = self._instead.get(name, name)
            if name in made and name not in self._given and name not in names:
                names[name] = given
            else:
                copies.append(helper.make_node("Identity", [self._last(names, name)], [given]))
        nodes = []
        for node in self.nodes:
            renamed = onnx.NodeProto()
            renamed.CopyFrom(node)
            renamed.input[:] = [self._last(names, name) for name in node.input]
            if not set(node.output) & self._instead.keys():
                renamed.output[:] = [self._last(names, name) for name in node.output]
            nodes.append(renamed)
        return nodes + copies

    @staticmethod
    def _last(names: dict[str, str], name: str) -> str:
        while name in names:
            name = names[name]
        return name

    def _new_name(self, stem: str) -> str:
        self._count += 1
        return f"{stem}_{self._count}"


def written(shape: Shape) -> Shape:
    """The axes that a tensor of a shape has in the graph, see `Value`."""
    return (BATCH, 1) if shape == (BATCH,) else shape


def declared(name: str, shape: Shape, dtype: torch.dtype) -> onnx.ValueInfoProto:
    """A tensor as an input or output of a graph."""
    sizes = ["batch" if size is BATCH else size for size in written(shape)]
    return helper.make_tensor_value_info(name, ONNX_TYPES[dtype], sizes)
