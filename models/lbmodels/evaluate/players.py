# SPDX-License-Identifier: GPL-3.0-or-later
"""Who plays in an evaluation: a baseline, a model through ONNX Runtime where it can, else through torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.baselines import PREFIX, Oracle, open_baseline
from lbmodels.evaluate.generation import Accompanist
from lbmodels.families import loading
from lbmodels.runtime.devices import chosen
from lbmodels.runtime.graph import GraphAccompanist, GraphState
from lbmodels.runtime.opening import GRAPHS, open_model


class GraphPlayer:
    """An exported graph behind the tensors of the evaluation's protocol."""

    def __init__(self, graph: GraphAccompanist) -> None:
        self.spec: Any = graph.spec
        self._graph = graph

    def init_state(self, seeds: Sequence[int]) -> GraphState:
        return self._graph.init_state(seeds)

    def step(
        self, mix: Tensor, conditions: Mapping[str, Tensor], state: GraphState, active: Tensor
    ) -> tuple[Tensor, GraphState]:
        told = {name: value.numpy() for name, value in conditions.items()}
        stem, state = self._graph.step(mix.numpy(), told, state, active.numpy())
        return torch.from_numpy(stem), state


def open_contender(model: str | None, runtime: str = "auto", device: str = "auto") -> Accompanist | Oracle:
    """Whoever can have a row in the table: by name, folder or `baseline:...`.

    `runtime` is auto, onnx (8-bit weights, as the server runs them), onnx-float32 or torch; `device` as `lbmodels.runtime.devices` has it.

    Raises:
        LiveBandModelError: no such model, baseline or runtime, or damaged weights.
    """
    if model is not None and model.startswith(PREFIX):
        return open_baseline(model)
    place = chosen(device)
    graph = open_model(model, runtime, place) if place == "cpu" or runtime in GRAPHS else None
    if graph is not None:
        return GraphPlayer(graph)
    found: Accompanist = loading.load(model)
    return found if place == "cpu" else found.to(place)  # type: ignore[attr-defined] # a torch module


@lru_cache(maxsize=1)
def open_player(model: str | None, runtime: str = "auto", device: str = "auto") -> Accompanist:
    """As `open_contender`, for what needs someone who listens and plays.

    Raises:
        LiveBandModelError: as there, and for a baseline that is read from the data set.
    """
    found = open_contender(model, runtime, device)
    if isinstance(found, Oracle):
        raise LiveBandModelError(f"{found.spec.name} is read from the data set: it does not listen or play")
    return found
