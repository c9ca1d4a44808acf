# SPDX-License-Identifier: GPL-3.0-or-later
"""A graph in two: what follows from a session's seed and settings alone, and the step, which takes that as given.

A player moves a control now and then, and frames come twenty-five times a second: what a control makes of itself need not be
computed in each.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import onnx
from onnx import helper

from lbmodels.runtime.builder import Value, declared


def split(
    model: onnx.ModelProto, settings: Collection[str], known: Mapping[str, Value]
) -> tuple[onnx.ModelProto | None, onnx.ModelProto]:
    """The part that reads no other inputs than `settings`, None if there is none, and the rest.

    Only tensors whose shape is `known` go from the one to the other.
    """
    graph = model.graph
    outputs = {info.name for info in graph.output}
    moving = {info.name for info in graph.input} - set(settings)
    early = []
    for node in graph.node:
        if moving.isdisjoint(node.input) and outputs.isdisjoint(node.output):
            early.append(node)
        else:
            moving.update(filter(None, node.output))
    # From the end, so that whoever feeds a node that moves to the rest is looked at after it.
    read = _read(node for node in graph.node if not moving.isdisjoint(node.output))
    kept = []
    for node in reversed(early):
        if (read & set(node.output)) <= known.keys():
            kept.append(node)
        else:
            read |= _read([node])
    kept.reverse()
    first = {name for node in kept for name in node.output}
    crossing = [known[name] for node in kept for name in node.output if name in read]
    if not crossing:
        return None, model
    rest = [node for node in graph.node if first.isdisjoint(node.output)]
    across = [declared(value.name, value.shape, value.dtype) for value in crossing]
    return _part(model, kept, [], across), _part(model, rest, across, list(graph.output))


def _read(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    return {name for node in nodes for name in node.input if name}


def _part(
    model: onnx.ModelProto,
    nodes: list[onnx.NodeProto],
    more: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """Some nodes of a model as a model: of its inputs and constants those that they read, and `more` inputs."""
    read = _read(nodes)
    graph = helper.make_graph(
        nodes,
        model.graph.name,
        [info for info in (*model.graph.input, *more) if info.name in read],
        outputs,
        [constant for constant in model.graph.initializer if constant.name in read],
    )
    return helper.make_model(
        graph,
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
        producer_name=model.producer_name,
    )
