# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to lbmodels: loads models by name, adapts torch to numpy, lends the CLI its model commands.

Nothing here imports lbmodels or torch until a model is asked for, so the server runs without them.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Accompanist, Audio
from lbmodels.contract.conditions import Conditions
from lbmodels.contract.spec import Spec
from lbserver.errors import LiveBandError
from lbserver.testing import accompanists


class TorchAccompanist:
    """An lbmodels accompanist seen through the engine's contract: numpy in, numpy out, one thread.

    What other rows hear changes no bit of a row; how many they are and where it stands among them may change its last
    bits, since torch's matrix products choose their kernels by shape. The graph has neither.
    """

    runtime = "torch"

    def __init__(self, model: Any) -> None:
        # One worker, one thread: a second made every small step slower.
        self._torch = importlib.import_module("torch")
        self._torch.set_num_threads(1)
        self._states = importlib.import_module("lbmodels.streaming.state")
        self._snapshots = importlib.import_module("lbmodels.runtime.snapshot")
        self._model = model
        self.spec: Spec = model.spec

    def init_state(self, seeds: Sequence[int]) -> Any:
        with self._torch.inference_mode():
            return self._model.init_state(list(seeds))

    def step(
        self, mix: Audio, conditions: Conditions, state: Any, active: NDArray[np.bool_]
    ) -> tuple[Audio, Any]:
        torch = self._torch
        with torch.inference_mode():
            stem, state = self._model.step(
                torch.from_numpy(mix),
                {name: torch.from_numpy(value) for name, value in conditions.items()},
                state,
                torch.from_numpy(active),
            )
            audio = np.asarray(stem.cpu().numpy(), np.float32)
            return np.where(active[:, None, None], audio, np.float32(0.0)), state

    def heard_beat(self, state: Any) -> NDArray[np.float64]:
        return _heard(self._model.heard_beat(state).numpy())

    def keep_pace(self, took_s: float, budget_s: float) -> str:
        """Tell a model that can do with less work how long a step took; the tier it uses from now on, "" if it has none."""
        keep = getattr(self._model, "keep_pace", None)
        return "" if keep is None else str(keep(took_s, budget_s))

    def join(self, states: Sequence[Any]) -> Any:
        if len(states) == 1:
            return states[0]
        with self._torch.inference_mode():
            return self._states.map_tensors(lambda *rows: self._torch.cat(rows), *states)

    def row(self, state: Any, index: int) -> Any:
        with self._torch.inference_mode():
            return self._states.map_tensors(lambda tensor: tensor[index : index + 1].clone(), state)

    def snapshot(self, state: Any) -> bytes:
        # lbmodels restores into a state of the same batch, so the number of rows goes with it.
        rows = next(tensor for _name, tensor in self._states.named_tensors(state)).shape[0]
        return self._snapshots.sealed(
            self._states.to_bytes(state),
            weights_id=self.spec.weights_id,
            runtime=self.runtime,
            rows=int(rows),
        )

    def compact(self, snapshot: bytes) -> bytes:
        return bytes(self._snapshots.compacted(snapshot))

    def restore(self, snapshot: bytes) -> Any:
        saved = self._snapshots.opened(snapshot, weights_id=self.spec.weights_id)
        with self._torch.inference_mode():
            return self._states.from_bytes(saved.body, self._model.init_state([0] * saved.rows))


class GraphAccompanist:
    """An exported graph (lbmodels.runtime) seen through the engine's contract; it is numpy already."""

    def __init__(self, model: Any) -> None:
        self._snapshots = importlib.import_module("lbmodels.runtime.snapshot")
        self._model = model
        self.runtime = str(model.runtime)
        self.spec: Spec = model.spec

    def init_state(self, seeds: Sequence[int]) -> Any:
        return self._model.init_state(seeds)

    def step(
        self, mix: Audio, conditions: Conditions, state: Any, active: NDArray[np.bool_]
    ) -> tuple[Audio, Any]:
        return self._model.step(mix, conditions, state, active)

    def heard_beat(self, state: Any) -> NDArray[np.float64]:
        return _heard(self._model.heard_beat(state))

    def join(self, states: Sequence[Any]) -> Any:
        return self._model.join(states)

    def row(self, state: Any, index: int) -> Any:
        return self._model.row(state, index)

    def snapshot(self, state: Any) -> bytes:
        return bytes(self._model.snapshot(state))

    def compact(self, snapshot: bytes) -> bytes:
        return bytes(self._snapshots.compacted(snapshot))

    def restore(self, snapshot: bytes) -> Any:
        return self._model.restore(snapshot)


def _heard(beat: NDArray[np.float32]) -> NDArray[np.float64]:
    """A model's beat, which is negative where unknown, as the contract has it."""
    return np.where(beat < 0, np.nan, beat).astype(np.float64)


def load(name: str | None = None, runtime: str = "auto") -> Accompanist:
    """An accompanist by name or path; None is the default model, `test:copy` and the like need no torch.

    `runtime` is `torch`, a graph engine of `lbmodels.runtime.shelf`, or `auto`: what $LIVEBAND_RUNTIME says,
    else the quickest that is installed and can run the model. The first time a model runs on a graph engine it
    is exported, once.

    Raises LiveBandError, or lbmodels' own LiveBandModelError: see `is_user_error`.
    """
    if name is not None and name.startswith("test:"):
        if name not in accompanists.BY_NAME:
            raise LiveBandError(
                f"unknown model {name!r}: test accompanists are {', '.join(accompanists.BY_NAME)}"
            )
        return accompanists.BY_NAME[name]()
    try:
        graph = importlib.import_module("lbmodels.runtime.shelf").open_model(name, runtime)
        if graph is not None:
            return GraphAccompanist(graph)
        return TorchAccompanist(importlib.import_module("lbmodels.zoo").load(name))
    except ImportError as error:
        raise LiveBandError(f"the models cannot be loaded: {' '.join(str(error).split())}") from error


def whole_name(name: str) -> str:
    """A model's name as a process in another folder understands it: of a folder of weights, the absolute path."""
    if name.startswith("test:"):
        return name
    try:
        return str(importlib.import_module("lbmodels.catalog").whole_name(name))
    except ImportError:
        return name


def models() -> list[Any]:
    """Cards of the models that are installed (lbmodels.catalog.ModelCard)."""
    return list(importlib.import_module("lbmodels.catalog").available())


def installed() -> tuple[str, ...]:
    """Names of the models that are installed; none where lbmodels is not."""
    try:
        return tuple(card.name for card in models())
    except ImportError:
        return ()


def verify_weights() -> dict[str, bool]:
    """Which of the shipped weights are there and as their manifest says, by file name.

    Raises lbmodels' LiveBandModelError when there is no folder of weights at all.
    """
    catalog = importlib.import_module("lbmodels.catalog")
    folder, right = catalog.weights_folder(), {}
    for card in catalog.available():
        for file, digest in card.sha256.items():
            path = folder / file
            right[file] = path.is_file() and catalog.sha256(path) == digest
    return right


def runtimes(name: str | None = None) -> list[Any]:
    """What a frame of a model costs on each runtime, the one in use first (lbmodels.runtime.timing.Timed).

    Takes about a second for each, and the first time an export.
    """
    return list(importlib.import_module("lbmodels.runtime.timing").runtimes(name))


def is_user_error(error: BaseException) -> bool:
    """Whether an error's message is meant for the user: ours, or lbmodels' if that was loaded at all."""
    if isinstance(error, LiveBandError):
        return True
    errors = sys.modules.get("lbmodels.errors")
    return errors is not None and isinstance(error, errors.LiveBandModelError)


def add_model_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `data`, `train`, `evaluate` and `models` from lbmodels; nothing where lbmodels is not installed.

    Each sets the default `run`, a function of the parsed arguments that returns the exit code.
    """
    try:
        commands = importlib.import_module("lbmodels.commands")
    except ModuleNotFoundError:
        return
    commands.add_parsers(subparsers)


def prepare_drawing() -> None:
    """To be called before matplotlib is imported: see `lbmodels.isolation`."""
    importlib.import_module("lbmodels.isolation").prepare_drawing()
