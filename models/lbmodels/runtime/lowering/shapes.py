# SPDX-License-Identifier: GPL-3.0-or-later
"""Axes: cut, joined, turned, overlapped."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx

from lbmodels.errors import NotExportableError
from lbmodels.runtime.builder import BATCH, Operand, Value
from lbmodels.runtime.lowering.core import Lowering, axis_of, lowers, real_dtype

aten = torch.ops.aten


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
        first, second = axis_of(node, source, 1), axis_of(node, source, 2)
    order = list(range(rank))
    order[first], order[second] = second, first
    return low.map(lambda x: low.builder.transpose(low.builder.value(x), order), low.get(source))


@lowers(aten.slice.Tensor)
def _slice(low: Lowering, node: fx.Node) -> Any:
    source: Any = node.args[0]
    axis = axis_of(node, source, 1, 0)
    start, end = ([*node.args, None, None][n] for n in (2, 3))
    if source.target is aten.fft_rfft.default:  # made with no more bins than are asked for
        return low.map(lambda x: _cut(low, x, axis, start, end), low.get(source))
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
    axis = axis_of(node, source)
    index: Any = node.args[2]
    size = low.declared(source)[axis]
    assert size is not None
    return low.map(lambda x: low.builder.take(low.builder.value(x), axis, index % size), low.solid(source))


@lowers(aten.unbind.int)
def _unbind(low: Lowering, node: fx.Node) -> Any:
    source: Any = node.args[0]
    axis = axis_of(node, source, 1, 0)
    size = low.declared(source)[axis] or 0
    x = low.solid(source)
    return [
        low.map(lambda part, n=n: low.builder.take(low.builder.value(part), axis, n), x) for n in range(size)
    ]


@lowers(aten.split.Tensor, aten.split_with_sizes.default, aten.chunk.default)
def _split(low: Lowering, node: fx.Node) -> Any:
    source: Any = node.args[0]
    axis = axis_of(node, source, 2, 0)
    sizes = [part.shape[axis] for part in node.meta["val"]]
    x, parts, start = low.solid(source), [], 0
    if isinstance(x, Value) and len(sizes) > 1 and all(sizes):
        return low.builder.split(x, axis, sizes)
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
        shape = values[0].shape
        if (
            axis < len(shape) and shape[axis] is not BATCH
        ):  # side by side, then cut apart: no part moves twice
            return low.builder.reshape(
                low.builder.concat(values, axis), (*shape[:axis], len(values), *shape[axis:])
            )
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
    steps = low.builder.reshape(low.builder.transpose(x, (0, 2, 1)), (rows, count * ratio, step))
    # Which step of which column falls where: a product with ones and zeros adds them up.
    place = torch.arange(count).unsqueeze(1) + torch.arange(ratio)
    falls = torch.nn.functional.one_hot(place.flatten(), count + ratio - 1).t().float().contiguous()
    return low.builder.reshape(low.builder.matmul(falls, steps), low.declared(node))


@lowers(aten.flip.default)
def _flip(low: Lowering, node: fx.Node) -> Any:
    x = low.builder.value(low.solid(node.args[0]))
    axes: Any = node.args[1]
    if len(axes) != 1:
        raise NotExportableError("this model cannot be exported: a flip of several axes")
    axis = axes[0] % len(x.shape)
    index = low.builder.integers(range((x.shape[axis] or 0) - 1, -1, -1))
    return Value(low.builder.raw("Gather", [x.name, index.name], axis=axis)[0], x.shape, x.dtype)
