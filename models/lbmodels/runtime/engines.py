# SPDX-License-Identifier: GPL-3.0-or-later
"""Graph engines behind one call: named arrays in, named arrays out, one thread. Knows no torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from lbmodels.errors import LiveBandModelError

_LIBRARIES = {"onnx": "onnxruntime"}

Arrays = Mapping[str, NDArray[Any]]


class Engine(Protocol):
    """A loaded graph. The arrays it returns are the caller's."""

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]: ...


class OnnxEngine:
    """ONNX Runtime, on the CPU with one thread: a second one made steps of a few milliseconds slower."""

    def __init__(self, model: bytes, device: str = "cpu") -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        # Denormals of a fading tail would cost a hundred times as much as sound.
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=_providers(onnxruntime, device)
            )
        except Exception as error:  # noqa: BLE001 (the library raises its own types, without a common base)
            line = " ".join(str(error).split())[:200]
            raise LiveBandModelError(
                f"ONNX Runtime {onnxruntime.__version__} refuses the graph: {line}"
            ) from None
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._inputs = [given.name for given in self._session.get_inputs()]

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        feeds = {name: inputs[name] for name in self._inputs}
        return dict(zip(self._outputs, self._session.run(self._outputs, feeds), strict=True))


def installed(engine: str) -> bool:
    """Whether the library of an engine is there."""
    return engine in _LIBRARIES and importlib.util.find_spec(_LIBRARIES[engine]) is not None


def _providers(library: Any, device: str) -> list[Any]:
    """What of the library runs a graph on a device. Raises LiveBandModelError: this build of it cannot."""
    if device == "cpu":
        return ["CPUExecutionProvider"]
    if not device.startswith("cuda") or "CUDAExecutionProvider" not in library.get_available_providers():
        there = ", ".join(library.get_available_providers())
        raise LiveBandModelError(
            f"ONNX Runtime here cannot use {device}: it has {there}; torch can, as runtime torch"
        )
    number = int(device.partition(":")[2] or 0)
    return [("CUDAExecutionProvider", {"device_id": number}), "CPUExecutionProvider"]


def open_engine(engine: str, model: bytes, device: str = "cpu") -> Engine:
    """Load a graph onto a device.

    Raises:
        LiveBandModelError: no such engine, not installed, or it does not take the graph.
    """
    if engine not in _LIBRARIES:
        raise LiveBandModelError(f"unknown graph engine {engine!r}; there is {', '.join(_LIBRARIES)}")
    if not installed(engine):
        raise LiveBandModelError(f"{engine} is not installed: pip install {_LIBRARIES[engine]}")
    return OnnxEngine(model, device)
