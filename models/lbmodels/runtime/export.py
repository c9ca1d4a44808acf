# SPDX-License-Identifier: GPL-3.0-or-later
"""From the torch modules to a graph of the whole step: the same code is traced, nothing is written twice."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from lbmodels.contract.conditions import WIDTHS
from lbmodels.errors import NotExportableError
from lbmodels.families.parts import Family
from lbmodels.runtime.builder import BATCH, Builder, Value
from lbmodels.runtime.engines import packed
from lbmodels.runtime.halves import split
from lbmodels.runtime.lowering import Lowering, RingWrite
from lbmodels.runtime.manifest import Field, Manifest
from lbmodels.runtime.matrices import Matrices
from lbmodels.streaming.state import map_tensors, named_tensors

aten = torch.ops.aten

_MOVING = ("beat_phase", "bar_phase")
"""Conditions that are others in every frame."""

_ROWS = 3  # a batch of 1 would be taken for a fixed size


class _Step(nn.Module):
    """An accompanist's `step` with its state as a list."""

    def __init__(self, accompanist: Any) -> None:
        super().__init__()
        self.accompanist = accompanist
        self.nest = accompanist.init_state([0])

    def forward(
        self, mix: Tensor, conditions: Mapping[str, Tensor], state: list[Tensor], active: Tensor
    ) -> list[Tensor]:
        tensors = iter(state)
        nest = map_tensors(lambda _: next(tensors), self.nest)
        stem, after = self.accompanist.step(mix, conditions, nest, active)
        return [stem, *(tensor for _, tensor in named_tensors(after))]


def traced(accompanist: Any) -> torch.export.ExportedProgram:
    """The step as torch's exporter sees it, for any batch."""
    spec = accompanist.spec
    state = [tensor for _, tensor in named_tensors(accompanist.init_state([0] * _ROWS))]
    conditions = {name: torch.zeros(_ROWS, spec.chunk_frames, WIDTHS[name]) for name in _conditions(spec)}
    arguments = (
        torch.zeros(_ROWS, spec.channels, spec.chunk_frames * spec.hop),
        conditions,
        state,
        torch.ones(_ROWS, dtype=torch.bool),
    )
    batch = {0: torch.export.Dim("batch", min=1, max=4096)}
    shapes = (batch, dict.fromkeys(conditions, batch), [batch] * len(state), batch)
    step = _Step(accompanist)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.export.export(step, arguments, dynamic_shapes=shapes, strict=False)
        except Exception as error:  # noqa: BLE001 (torch's exporter has no common base of its errors)
            line = " ".join(str(error).split())[:200]
            raise NotExportableError(f"torch {torch.__version__} cannot export this model: {line}") from None


def _conditions(spec: Any) -> list[str]:
    return ["stem", "anticipation", *(control.name for control in spec.controls), *spec.conditions]


def export(accompanist: Any, matrices: Matrices, family: Family) -> tuple[bytes, Manifest]:
    """The step as an ONNX model, and what a caller must know to run it.

    Inputs: `mix` [B, C, hop], `condition.<name>`, `state.<name>`, `active` [B] bool. Outputs: `stem`,
    `next.<name>` of state that changes, and `entry.<name>`, what the caller writes into a ring. In two graphs where some of it
    follows from what seldom changes (`lbmodels.runtime.halves`).

    Raises:
        NotExportableError: the model uses an operation that has no lowering.
    """
    return lower(traced(accompanist), accompanist, matrices, family)


def lower(
    program: torch.export.ExportedProgram, accompanist: Any, matrices: Matrices, family: Family
) -> tuple[bytes, Manifest]:
    """`export` of a step already traced."""
    spec = accompanist.spec
    initial = dict(named_tensors(accompanist.init_state([0])))
    builder = Builder()
    names = {
        "mix": "mix",
        "active": "active",
        **{f"conditions_{name}": f"condition.{name}" for name in _conditions(spec)},
        **{f"state_{n}": f"state.{name}" for n, name in enumerate(initial)},
    }
    weights: dict[str, Tensor] = {}
    for given in program.graph_signature.input_specs:
        if given.target is not None:
            found = program.state_dict.get(given.target, program.constants.get(given.target))
            if isinstance(found, Tensor):
                weights[given.arg.name] = found.detach()

    nodes = list(program.graph.nodes)
    inputs: dict[str, Value] = {}
    for node in nodes:
        if node.op == "placeholder" and node.name in names:
            shape = tuple(size if isinstance(size, int) else BATCH for size in node.meta["val"].shape)
            inputs[node.name] = builder.input(names[node.name], shape, node.meta["val"].dtype)
    missing = names.keys() - inputs.keys()
    if missing:
        raise NotExportableError(f"this model cannot be exported: inputs {sorted(missing)[:3]} were renamed")

    exact = {
        given.arg.name
        for given in program.graph_signature.input_specs
        if given.target is not None and any(part in given.target for part in family.exact)
    }
    owners = {f"state_{n}": name.rpartition(".")[0] or name for n, name in enumerate(initial)}
    for given in program.graph_signature.input_specs:
        module, _, _ = str(given.target or "").removeprefix("accompanist.").rpartition(".")
        if module:
            owners[given.arg.name] = module
    lowering = Lowering(builder, inputs["active"], matrices, exact, owners)
    with torch.no_grad():
        for node in nodes:
            if node.op == "placeholder":
                lowering.values[node] = inputs.get(node.name, weights.get(node.name))
            elif node.op == "call_function":
                lowering.run(node)

    outputs = _outputs(program, nodes[-1])
    builder.output("stem", builder.value(lowering.solid(outputs[0])))
    fields = tuple(
        _field(lowering, name, tensor, node, family.position)
        for (name, tensor), node in zip(initial.items(), outputs[1:], strict=True)
    )
    manifest = Manifest(
        spec=spec,
        fields=fields,
        conditions=tuple((name, WIDTHS[name]) for name in _conditions(spec)),
        seed=family.seed,
    )
    settings = {f"condition.{name}" for name, _ in manifest.conditions if name not in _MOVING}
    settings.add(f"state.{family.seed}")
    parts = split(builder.model(spec.name), settings, lowering.known())
    return packed(*(part.SerializeToString() for part in parts if part is not None)), manifest


def _outputs(program: torch.export.ExportedProgram, last: fx.Node) -> list[fx.Node]:
    """What the step returned; the program also lists the tensors that it wrote into."""
    returned: Any = last.args[0]
    kinds = [spec.kind.name for spec in program.graph_signature.output_specs]
    return [node for node, kind in zip(returned, kinds, strict=True) if kind == "USER_OUTPUT"]


def _field(lowering: Lowering, name: str, initial: Tensor, node: fx.Node, position: str) -> Field:
    """Declare what becomes of one tensor of the state, and give it out."""
    after = lowering.get(node)
    before = Value(f"state.{name}", (BATCH, *initial.shape[1:]), initial.dtype)
    row = initial[0]
    values = tuple(row.flatten().tolist())
    common: dict[str, Any] = {
        "name": name,
        "shape": tuple(row.shape),
        "dtype": str(row.dtype).removeprefix("torch."),
        "initial": values[:1] if len(set(values)) <= 1 else values,
    }
    if isinstance(after, RingWrite):
        lowering.builder.output(f"entry.{name}", after.entry)
        return Field(**common, kind="ring", axis=after.axis, position=position)
    if after == before:
        return Field(**common, kind="kept")
    if node.target is aten.where.self and lowering.get(node.args[2]) == before:
        # Idle rows keep what they have: the caller sees to it, and only when there are any.
        node = node.args[1]  # type: ignore[assignment]
    lowering.builder.output(f"next.{name}", lowering.builder.value(lowering.solid(node)))
    return Field(**common, kind="next")
