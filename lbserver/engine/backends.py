# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to lbmodels: loads models by name, lends the CLI its model commands.

Nothing here imports lbmodels or torch until a model is asked for, so the server runs without them.
"""

import argparse
import importlib
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Accompanist
from lbserver.errors import LiveBandError
from lbserver.testing import accompanists


def load(name: str | None = None, runtime: str = "auto", device: str = "auto") -> Accompanist:
    """An accompanist by name or path; None is the default model, `test:copy` and the like need no torch.

    `runtime` is `torch`, a graph engine of `lbmodels.runtime.opening`, or `auto`: what $LIVEBAND_RUNTIME says,
    else the quickest that is installed and can run the model. The first time a model runs on a graph engine it
    is exported, once. `device` is cpu, cuda, cuda:<number>, mps, or `auto`: what $LIVEBAND_DEVICE says, else the CPU.

    Raises LiveBandError, or lbmodels' own LiveBandModelError: see `is_user_error`.
    """
    if name is not None and name.startswith("test:"):
        if name not in accompanists.BY_NAME:
            raise LiveBandError(
                f"unknown model {name!r}: test accompanists are {', '.join(accompanists.BY_NAME)}"
            )
        return accompanists.BY_NAME[name]()
    try:
        opening = importlib.import_module("lbmodels.runtime.opening")
        accompanist: Accompanist = opening.open_accompanist(name, runtime, device)
        return accompanist
    except ImportError as error:
        raise LiveBandError(f"the models cannot be loaded: {' '.join(str(error).split())}") from error


def check_device(device: str) -> None:
    """Raises lbmodels' LiveBandModelError: `device` is none, or is not in this machine (see `is_user_error`)."""
    importlib.import_module("lbmodels.runtime.devices").chosen(device)


def whole_name(name: str) -> str:
    """A model's name as a process in another folder understands it: of a folder of weights, the absolute path."""
    if name.startswith("test:"):
        return name
    try:
        return str(importlib.import_module("lbmodels.weights.manifest").whole_name(name))
    except ImportError:
        return name


def own_name(name: str) -> str:
    """What a model calls itself: of a folder of weights, the name that its card has. As given where there is no such model."""
    if name.startswith("test:"):
        return name
    try:
        return str(importlib.import_module("lbmodels.weights.manifest").locate(name).name)
    except ImportError:
        return name
    except ValueError as error:
        if not is_user_error(error):
            raise
        return name


def models() -> list[Any]:
    """Cards of the models that are installed (lbmodels.weights.manifest.ModelCard)."""
    return list(importlib.import_module("lbmodels.weights.manifest").available())


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
    manifest = importlib.import_module("lbmodels.weights.manifest")
    folder, right = manifest.weights_folder(), {}
    for card in manifest.available():
        for file, digest in card.sha256.items():
            path = folder / file
            right[file] = path.is_file() and manifest.sha256(path) == digest
    return right


def sizes_bytes() -> dict[str, int]:
    """What of each installed model is read where it plays, by its name: of one with a graph that ships the graph, else its parts."""
    folder = importlib.import_module("lbmodels.weights.manifest").weights_folder()
    files = {card.name: (card.graphs or card.parts).values() for card in models()}
    return {name: sum(_size_bytes(folder / file) for file in played) for name, played in files.items()}


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def runtimes(name: str | None = None) -> list[Any]:
    """What a frame of a model costs on each runtime, the one in use first (lbmodels.runtime.timing.Timed).

    Takes about a second for each, and the first time an export.
    """
    return list(importlib.import_module("lbmodels.runtime.timing").runtimes(name))


def style_vector(line: str) -> NDArray[np.float32]:
    """What a line of prompts asks for, a unit vector of the style space: see lbmodels.style.prompts.

    Raises LiveBandError: words that are not known, named; or no models here that know any.
    """
    vector: NDArray[np.float32] = _of_style("vector", line)
    return vector


def style_word(audio: NDArray[np.float32], rate_hz: int) -> str:
    """A recording [N, channels] as a word of such a line. Raises LiveBandError: it is silent."""
    return str(_of_style("heard_as_word", audio, rate_hz))


def style_words() -> tuple[str, ...]:
    """Words that may be asked for; none where no models are installed."""
    try:
        return tuple(_of_style("suggestions"))
    except LiveBandError:
        return ()


def _of_style(function: str, *arguments: Any) -> Any:
    try:
        return getattr(importlib.import_module("lbmodels.style.prompts"), function)(*arguments)
    except ImportError as error:
        raise LiveBandError(f"no models are installed that know styles: {error}") from None
    except ValueError as error:
        if not is_user_error(error) or isinstance(error, LiveBandError):
            raise
        raise LiveBandError(str(error)) from None


def run_tasks(
    work: Callable[[Any], Any], tasks: Sequence[Any], *, jobs: int | None, cluster: str | None
) -> Generator[tuple[int, Any], None, None]:
    """Tasks done by processes of this machine or by a cluster: see lbmodels.tasks.running."""
    found: Generator[tuple[int, Any], None, None] = importlib.import_module("lbmodels.tasks.running").run(
        work, tasks, jobs=jobs, cluster=cluster
    )
    return found


def cluster_joined(address: str, processors: int) -> AbstractContextManager[Any]:
    """The library Ray, connected to a cluster, which has so many processors if it is one of this machine alone: see
    lbmodels.tasks.cluster. Raises LiveBandModelError.
    """
    joined: AbstractContextManager[Any] = importlib.import_module("lbmodels.tasks.cluster").joined(
        address, processors
    )
    return joined


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
