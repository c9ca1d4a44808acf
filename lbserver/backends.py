# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to lbmodels: loads models by name, adapts torch to numpy, lends the CLI its model commands.

Nothing here imports lbmodels or torch until a model is asked for, so the server runs without them.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lbserver import testing
from lbserver.accompanist import Accompanist, Audio, Conditions, Control, Spec
from lbserver.errors import LiveBandError

_MOST_ROWS = 1024  # a snapshot that claims more is damaged


class TorchAccompanist:
    """An lbmodels accompanist seen through the engine's contract: numpy in, numpy out, one thread."""

    def __init__(self, model: Any) -> None:
        # One worker, one thread: a second made every small step slower.
        self._torch = importlib.import_module("torch")
        self._torch.set_num_threads(1)
        self._states = importlib.import_module("lbmodels.streaming.state")
        self._model = model
        self.spec = adapt_spec(model.spec)

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
            return np.asarray(stem.cpu().numpy(), np.float32), state

    def snapshot(self, state: Any) -> bytes:
        # lbmodels restores into a state of the same batch, so the number of rows goes first.
        rows = next(tensor for _name, tensor in self._states.named_tensors(state)).shape[0]
        return int(rows).to_bytes(4, "little") + bytes(self._states.to_bytes(state))

    def restore(self, snapshot: bytes) -> Any:
        rows = int.from_bytes(snapshot[:4], "little")
        if len(snapshot) < 4 or not 1 <= rows <= _MOST_ROWS:
            raise LiveBandError(f"these bytes are not a state of {self.spec.name}")
        with self._torch.inference_mode():
            return self._states.from_bytes(snapshot[4:], self._model.init_state([0] * rows))


def adapt_spec(spec: Any) -> Spec:
    """The torch side's spec, which has the same fields, as ours."""
    values = {field.name: getattr(spec, field.name) for field in fields(Spec)}
    names = [field.name for field in fields(Control)]
    values["controls"] = tuple(Control(**{n: getattr(c, n) for n in names}) for c in spec.controls)
    for name in ("anticipation_frames", "stems", "conditions"):
        values[name] = tuple(values[name])
    return Spec(**values)


def load(name: str | None = None) -> Accompanist:
    """An accompanist by name or path; None is the default model, `test:copy` and the like need no torch.

    Raises LiveBandError, or lbmodels' own LiveBandModelError: see `is_user_error`.
    """
    if name is not None and name.startswith("test:"):
        if name not in testing.BY_NAME:
            raise LiveBandError(f"unknown model {name!r}: test accompanists are {', '.join(testing.BY_NAME)}")
        return testing.BY_NAME[name]()
    try:
        zoo = importlib.import_module("lbmodels.zoo")
    except ImportError as error:
        raise LiveBandError(f"the models cannot be loaded: {' '.join(str(error).split())}") from error
    return TorchAccompanist(zoo.load(name))


def models() -> list[Any]:
    """Cards of the models that are installed (lbmodels.zoo.ModelCard)."""
    return list(importlib.import_module("lbmodels.zoo").available())


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
