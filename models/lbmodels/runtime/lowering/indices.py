# SPDX-License-Identifier: GPL-3.0-or-later
"""Look-ups, and the one write into a ring."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx

from lbmodels.errors import NotExportableError
from lbmodels.runtime.builder import BATCH, Operand, Value
from lbmodels.runtime.lowering.core import BatchRange, Lowering, RingWrite, axis_of, lowers

aten = torch.ops.aten
_FEW = 64


@lowers(aten.one_hot.default)
def _one_hot(low: Lowering, node: fx.Node) -> Any:
    x = low.get(node.args[0])
    classes = torch.arange(int(node.args[1]))  # type: ignore[arg-type]
    wide = low.builder.reshape(x, (*x.shape, 1))
    equal = low.builder.elementwise("Equal", torch.bool, wide, classes)
    return low.builder.cast(equal, torch.int64)


@lowers(aten.embedding.default)
def _embedding(low: Lowering, node: fx.Node) -> Any:
    return _looked_up(low, low.builder.value(low.get(node.args[0])), low.get(node.args[1]), 0)


def _looked_up(low: Lowering, table: Value, index: Value, axis: int) -> Value:
    """Entries of an axis in the place of which the index's axes come."""
    shape = (*table.shape[:axis], *index.shape, *table.shape[axis + 1 :])
    if (
        index.shape == (BATCH,) and axis == 0 and len(table.shape) > 1
    ):  # a row's one number, written [batch, 1]
        return Value(low.builder.raw("GatherND", [table.name, index.name])[0], shape, table.dtype)
    return Value(low.builder.raw("Gather", [table.name, index.name], axis=axis)[0], shape, table.dtype)


@lowers(aten.topk.default)
def _topk(low: Lowering, node: fx.Node) -> Any:
    """The greatest numbers on the last axis, in order, and where they stand."""
    x = low.builder.value(low.solid(node.args[0]))
    count: Any = node.args[1]
    if axis_of(node, node.args[0], 2, -1) != len(x.shape) - 1:
        raise NotExportableError("this model cannot be exported: topk on another axis than the last")
    values, where = low.builder.raw("TopK", [x.name, low.builder.integers([count]).name], outputs=2, axis=-1)
    shape = (*x.shape[:-1], count)
    return [Value(values, shape, x.dtype), Value(where, shape, torch.int64)]


@lowers(aten.gather.default)
def _gather(low: Lowering, node: fx.Node) -> Any:
    x, index = (low.builder.value(low.solid(node.args[n])) for n in (0, 2))
    axis = axis_of(node, node.args[0])
    name = low.builder.raw("GatherElements", [x.name, index.name], axis=axis)[0]
    return Value(name, index.shape, x.dtype)


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
    few = low.declared(source)[axis]
    if (
        axis == len(low.declared(source)) - 1
        and isinstance(index, Tensor)
        and few is not None
        and few <= _FEW
    ):
        # A product with ones and zeros is exact, and quicker than fetching number by number.
        table = torch.nn.functional.one_hot(index, few).t().float().contiguous()
        return low.map(lambda x: low.builder.matmul(x, table), low.solid(source))
    index = low.builder.value(index)

    def gather(x: Operand) -> Value:
        return _looked_up(low, low.builder.value(x), index, axis)

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
    return RingWrite(
        low.get(ring).name, low.builder.unshaped(low.builder.value(low.solid(entry))), given[1][0]
    )


def _reads(node: Any, ring: fx.Node) -> bool:
    return isinstance(node, fx.Node) and node.target is aten.index.Tensor and node.args[0] is ring


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
