# SPDX-License-Identifier: GPL-3.0-or-later
"""An accompanist that runs from an exported graph: numpy in, numpy out. Knows no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from lbmodels.errors import LiveBandModelError
from lbmodels.listening.ahead import ahead_by
from lbmodels.listening.chords import heard_in
from lbmodels.runtime import snapshot as snapshots
from lbmodels.runtime.buffers import Buffers
from lbmodels.runtime.engines import Engine
from lbmodels.runtime.manifest import Field, Manifest

Audio = NDArray[np.float32]


class GraphState(NamedTuple):
    """Named arrays, batch first, and where they lie once they have been played with: a step writes in place."""

    tensors: dict[str, NDArray[Any]]
    buffers: Buffers | None = None


class GraphAccompanist:
    """An `lbmodels.contract.accompanist.Accompanist` on a graph engine.

    Every row is computed from its own inputs alone. The state is consumed by `step`: rings of keys and values
    are megabytes, so that each frame's entry is written into them and nothing else of them moves.
    """

    def __init__(self, runtime: str, manifest: Manifest, engine: Engine) -> None:
        self.runtime, self.spec = runtime, manifest.spec
        self._manifest, self._engine = manifest, engine
        self._defaults = {control.name: control.default for control in manifest.spec.controls}

    def init_state(self, seeds: Sequence[int]) -> GraphState:
        rows = len(seeds)
        tensors = {field.name: _fresh(field, rows) for field in self._manifest.fields}
        tensors[self._manifest.seed] = np.asarray(seeds, np.int64)
        return GraphState(tensors)

    def step(
        self, mix: Audio, conditions: Mapping[str, Audio], state: GraphState, active: NDArray[np.bool_]
    ) -> tuple[Audio, GraphState]:
        """A chunk: mix [B, C, k*H] and what is known of the frames to be played, [B, k, width] -> stem [B, C, k*H].

        A control that is not told is at its default; what else is not told is unknown.
        Rows with active [B] False keep their state to the bit and give silence.
        """
        buffers = state.buffers
        if buffers is None or not buffers.holds(state.tensors, self._engine):
            buffers = Buffers(self._engine, self._manifest, state.tensors)
        stem = buffers.step(mix, conditions, self._defaults, active)
        return stem, GraphState(buffers.now, buffers)

    def heard_beat(self, state: GraphState) -> NDArray[np.float64]:
        """As the contract has it, from what `Band` keeps of the frame that it played last."""
        return unknown_as_nan(
            ahead_by(state.tensors["beat"], self.spec.hop / self.spec.sample_rate, self.spec.chunk_frames)
        )

    def heard_chord(self, state: GraphState) -> NDArray[np.float64]:
        """As the contract has it, from the state of the model's chord tracker, if it has one."""
        tensors = state.tensors
        if "chord_tracker.belief" not in tensors:
            return np.full((len(tensors[self._manifest.seed]), 13), np.nan)
        return heard_in(tensors["chord_tracker.belief"], tensors["chord_tracker.told"])

    def join(self, states: Sequence[GraphState]) -> GraphState:
        """One state with the rows of all, in order."""
        if len(states) == 1:
            return states[0]
        names = [field.name for field in self._manifest.fields]
        return GraphState({name: np.concatenate([s.tensors[name] for s in states]) for name in names})

    def row(self, state: GraphState, index: int) -> GraphState:
        """A copy of one row."""
        return GraphState({name: t[index : index + 1].copy() for name, t in state.tensors.items()})

    def snapshot(self, state: GraphState) -> bytes:
        body = safetensors.numpy.save({name: np.ascontiguousarray(t) for name, t in state.tensors.items()})
        rows = len(state.tensors[self._manifest.seed])
        return snapshots.sealed(body, weights_id=self.spec.weights_id, runtime=self.runtime, rows=rows)

    def compact(self, snapshot: bytes) -> bytes:
        return snapshots.compacted(snapshot)

    def restore(self, snapshot: bytes) -> GraphState:
        """Raises:
        LiveBandModelError: damaged, or of another model.
        """
        found = snapshots.opened(snapshot, weights_id=self.spec.weights_id)
        try:
            saved = safetensors.numpy.load(found.body)
        except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
            raise LiveBandModelError(f"snapshot is not readable: {error}") from None
        wanted = {field.name: field for field in self._manifest.fields}
        if wanted.keys() != saved.keys():
            odd = sorted(wanted.keys() ^ saved.keys())[:3]
            raise LiveBandModelError(f"snapshot is of another model: fields {odd} do not match")
        for name, field in wanted.items():
            shape = (found.rows, *field.shape)
            if saved[name].shape != shape or saved[name].dtype != field.dtype:
                raise LiveBandModelError(
                    f"snapshot field {name} is {saved[name].shape} {saved[name].dtype}, "
                    f"this model needs {shape} {field.dtype}"
                )
        return GraphState({name: np.array(saved[name]) for name in wanted})


def unknown_as_nan(beat: NDArray[np.float32]) -> NDArray[np.float64]:
    """A model's beat, which is negative where unknown, as the contract has it."""
    return np.where(beat < 0, np.nan, beat).astype(np.float64)


def _fresh(field: Field, rows: int) -> NDArray[Any]:
    values = np.array(field.initial, field.dtype)
    row = values.reshape(field.shape) if len(values) > 1 else np.full(field.shape, values[0], field.dtype)
    return np.repeat(row[None], rows, axis=0)
