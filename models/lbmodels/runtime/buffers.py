# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a batch's state lies while it plays: arrays that a graph reads and writes in place, bound once.

To hand sixty arrays to an engine and take as many from it costs a step of a few milliseconds a tenth of its time. What
comes out of the graph anew goes to and fro between two sets of arrays; rings stay where they are and take one entry a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lbmodels.runtime.engines import Engine
from lbmodels.runtime.manifest import Field, Manifest

Tensors = dict[str, NDArray[Any]]


class Buffers:
    """The state of one batch, taken over from `tensors`; `now` is what it is, by the names of its fields."""

    def __init__(self, engine: Engine, manifest: Manifest, tensors: Mapping[str, NDArray[Any]]) -> None:
        rows = len(tensors[manifest.seed])
        spec = manifest.spec
        self._engine, self._rows = engine, rows
        self._conditions = {
            name: np.zeros((rows, spec.chunk_frames, width), np.float32)
            for name, width in manifest.conditions
        }
        self._mix = np.zeros((rows, spec.channels, spec.chunk_frames * spec.hop), np.float32)
        self._active = np.zeros((rows, 1), np.bool_)
        self._next = [field.name for field in manifest.fields if field.kind == "next"]
        outputs = [engine.outputs(rows), engine.outputs(rows)]
        own: Tensors = {}
        self._rings: list[_Rings] = []
        for group in _alike(manifest.fields):
            rings = _Rings(group, tensors, outputs)
            own.update(rings.tensors)
            self._rings.append(rings)
        own.update(
            {
                field.name: np.array(tensors[field.name], order="C")
                for field in manifest.fields
                if field.kind != "ring"
            }
        )
        self._sides = [own, dict(own)]
        for name in self._next:
            fresh = np.array(tensors[name], order="C")
            for side, written in zip(self._sides, reversed(outputs), strict=True):
                side[name] = written[f"next.{name}"].reshape(fresh.shape)
            self._sides[0][name][...] = fresh
        fixed = {
            "mix": self._mix,
            "active": self._active,
            **{f"condition.{name}": value for name, value in self._conditions.items()},
        }
        self._stems = [written["stem"] for written in outputs]
        self._runs = [
            engine.bound({**fixed, **_as_inputs(side)}, written)
            for side, written in zip(self._sides, outputs, strict=True)
        ]
        self._side = 0

    @property
    def now(self) -> Tensors:
        return self._sides[self._side]

    def holds(self, tensors: Mapping[str, NDArray[Any]], engine: Engine) -> bool:
        """Whether a state is still what lies here, on an engine."""
        now = self.now
        return engine is self._engine and all(now[name] is value for name, value in tensors.items())

    def step(
        self,
        mix: NDArray[np.float32],
        conditions: Mapping[str, NDArray[np.float32]],
        untold: Mapping[str, float],
        active: NDArray[np.bool_],
    ) -> NDArray[np.float32]:
        """The stem; what a condition that is missing is taken for is in `untold`, by default not a number."""
        before, rows = self.now, range(self._rows)
        self._mix[...] = mix
        self._active[:, 0] = active
        for name, buffer in self._conditions.items():
            told = conditions.get(name)
            buffer[...] = untold.get(name, np.nan) if told is None else told
        idle = None if active.all() else ~active
        self._runs[self._side]()
        stem = self._stems[self._side].copy()
        for rings in self._rings:
            rings.write(self._side, before, rows if idle is None else np.flatnonzero(active).tolist())
        self._side = 1 - self._side
        if idle is not None:
            stem[idle] = 0.0
            after = self.now
            for name in self._next:
                after[name][idle] = before[name][idle]
        return stem


class _Rings:
    """Rings of one shape at one position, side by side, so that a row's entries are written at once."""

    def __init__(
        self, fields: list[Field], tensors: Mapping[str, NDArray[Any]], outputs: list[Tensors]
    ) -> None:
        first = fields[0]
        self._position, self._window = first.position, first.shape[first.axis - 1]
        self._before = (slice(None),) * (first.axis - 1)
        self._kept = np.stack([tensors[field.name] for field in fields])
        self.tensors = {field.name: self._kept[n] for n, field in enumerate(fields)}
        shape = self._kept.shape[: first.axis + 1] + self._kept.shape[first.axis + 2 :]
        self._entries = []
        for written in outputs:
            names = [f"entry.{field.name}" for field in fields]
            together = np.zeros((len(fields), *written[names[0]].shape), self._kept.dtype)
            for n, name in enumerate(names):
                written[name] = together[n]
            self._entries.append(together.reshape(shape))

    def write(self, side: int, before: Tensors, rows: Any) -> None:
        entries, places = self._entries[side], before[self._position].tolist()
        for row in rows:
            self._kept[(slice(None), row, *self._before, places[row] % self._window)] = entries[:, row]


def _alike(fields: tuple[Field, ...]) -> list[list[Field]]:
    groups: dict[Any, list[Field]] = {}
    for field in fields:
        if field.kind == "ring":
            groups.setdefault((field.shape, field.dtype, field.axis, field.position), []).append(field)
    return list(groups.values())


def _as_inputs(tensors: Tensors) -> Tensors:
    """One number a row is written [batch, 1] in graphs."""
    return {
        f"state.{name}": tensor if tensor.ndim > 1 else tensor[:, None] for name, tensor in tensors.items()
    }
