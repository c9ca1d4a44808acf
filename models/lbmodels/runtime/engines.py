# SPDX-License-Identifier: GPL-3.0-or-later
"""Graph engines behind one call: named arrays in, named arrays out, one thread. Knows no torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lbmodels.errors import LiveBandModelError

_LIBRARIES = {"onnx": "onnxruntime"}
_IN_TWO = b"LBGRAPH2"
_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}

Arrays = Mapping[str, NDArray[Any]]


class Engine(Protocol):
    """A loaded graph."""

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Once; the arrays it returns are the caller's."""
        ...

    def outputs(self, rows: int) -> dict[str, NDArray[Any]]:
        """Arrays that hold what a batch of `rows` gives."""
        ...

    def bound(self, inputs: Arrays, outputs: Arrays) -> Callable[[], object]:
        """A run from and into these very arrays, again and again: what they hold is read and written in place."""
        ...


def packed(*graphs: bytes) -> bytes:
    """A step's graphs as one: the step, after what follows from a session's settings, if that is a graph of its own."""
    return (
        graphs[0] if len(graphs) == 1 else _IN_TWO + len(graphs[0]).to_bytes(8, "little") + b"".join(graphs)
    )


def graphs(model: bytes) -> list[bytes]:
    """What was `packed`."""
    head = len(_IN_TWO) + 8
    if not model.startswith(_IN_TWO):
        return [model]
    middle = head + int.from_bytes(model[len(_IN_TWO) : head], "little")
    return [model[head:middle], model[middle:]]


class OnnxEngine:
    """ONNX Runtime, on the CPU with one thread: a second one made steps of a few milliseconds slower.

    Of a step in two graphs the first one runs only when something that it reads has changed.
    """

    def __init__(self, model: bytes, device: str = "cpu", watched: str = "") -> None:
        """`watched`: what the names of the library's own profiles begin with."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        # Denormals of a fading tail would cost a hundred times as much as sound.
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        sessions: list[Any] = []
        for graph in graphs(model):
            if watched and len(sessions) == len(graphs(model)) - 1:
                options.enable_profiling, options.profile_file_prefix = True, watched
            try:
                sessions.append(
                    onnxruntime.InferenceSession(graph, options, providers=_providers(onnxruntime, device))
                )
            except Exception as error:  # noqa: BLE001 (the library raises its own types, without a common base)
                line = " ".join(str(error).split())[:200]
                raise LiveBandModelError(
                    f"ONNX Runtime {onnxruntime.__version__} refuses the graph: {line}"
                ) from None
        *first, self._session = sessions
        self._first = first[0] if first else None
        self._value = onnxruntime.OrtValue.ortvalue_from_numpy

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        settled = {} if self._first is None else _once(self._first, inputs)
        return _once(self._session, {**inputs, **settled})

    def outputs(self, rows: int) -> dict[str, NDArray[Any]]:
        return {
            output.name: np.zeros(
                [size if isinstance(size, int) else rows for size in output.shape], _DTYPES[output.type]
            )
            for output in self._session.get_outputs()
        }

    def bound(self, inputs: Arrays, outputs: Arrays) -> Callable[[], object]:
        if self._first is None:
            return self._bound(self._session, inputs, outputs)
        settings = [inputs[given.name] for given in self._first.get_inputs()]
        settled = _once(self._first, inputs)
        settle = self._bound(self._first, inputs, settled)
        step = self._bound(self._session, {**inputs, **settled}, outputs)
        settled_for = b""

        def run() -> None:
            nonlocal settled_for
            now = b"".join([setting.tobytes() for setting in settings])
            if now != settled_for:
                settle()
                settled_for = now
            step()

        return run

    def finish(self) -> str:
        """The file with the library's profile of a step, for an engine that is `watched`."""
        return str(self._session.end_profiling())

    def _bound(self, session: Any, inputs: Arrays, outputs: Arrays) -> Callable[[], object]:
        binding = session.io_binding()
        # The library holds no reference to the arrays: whoever may run it does.
        kept = []
        for given in session.get_inputs():
            kept.append(self._value(inputs[given.name]))
            binding.bind_ortvalue_input(given.name, kept[-1])
        for made in session.get_outputs():
            kept.append(self._value(outputs[made.name]))
            binding.bind_ortvalue_output(made.name, kept[-1])

        def run(_kept: object = kept) -> None:
            session.run_with_iobinding(binding)

        return run


def _once(session: Any, inputs: Arrays) -> dict[str, NDArray[Any]]:
    names = [output.name for output in session.get_outputs()]
    feeds = {given.name: inputs[given.name] for given in session.get_inputs()}
    return dict(zip(names, session.run(names, feeds), strict=True))


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
