# SPDX-License-Identifier: GPL-3.0-or-later
"""A state as bytes, the same for every runtime: who wrote it, then the named tensors as safetensors.

All runtimes hold the same tensors, so that what one saved another continues; to the bit only the same one does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from lbmodels.documents import read_json
from lbmodels.errors import LiveBandModelError
from lbmodels.former_names import today
from lbmodels.weights import checks

_MAGIC = b"LBSTATE1"
_MOST_HEAD_BYTES = 4096
_MOST_ROWS = 1024
_SCALE = "/scale"
_LARGE = 4096
"""Elements from which on a float tensor is worth 8 bits: attention's memory, not phases and counters."""


class Sealed(NamedTuple):
    """What `opened` found: the runtime that saved it, rows, and checked safetensors bytes."""

    runtime: str
    rows: int
    body: bytes


def sealed(body: bytes, *, weights_id: str, runtime: str, rows: int) -> bytes:
    """`body` with its label before it."""
    return _labelled({"weights": weights_id, "runtime": runtime, "rows": rows}, body)


def compacted(data: bytes) -> bytes:
    """A sealed state in about a quarter of its bytes, for a file that travels; `opened` reads it like any other.

    Large float32 tensors are kept in 8 bits, each of their rows with its own scale: at most 0.4 % of the row's
    peak off, so what is played on from it is near, not the same to the bit.

    Raises:
        LiveBandModelError: these bytes are not a sealed state.
    """
    head, body = _split(data)
    if head.get("compact"):
        return data
    small: dict[str, NDArray[Any]] = {}
    for name, tensor in _tensors(body).items():
        if tensor.dtype != np.float32 or tensor.size < _LARGE or not np.isfinite(tensor).all():
            small[name] = tensor
            continue
        scale = np.abs(tensor).max(axis=-1, keepdims=True) / np.float32(127)
        safe = np.where(scale > 0, scale, np.float32(1))
        small[name] = np.rint(tensor / safe).astype(np.int8)
        small[name + _SCALE] = np.ascontiguousarray(scale)
    return _labelled({**head, "compact": True}, safetensors.numpy.save(small))


def opened(data: bytes, *, weights_id: str) -> Sealed:
    """Read `sealed`.

    Raises:
        LiveBandModelError: these are not such bytes, they are cut, or the state is of other weights.
    """
    head, body = _split(data)
    try:
        weights, runtime, rows = str(head["weights"]), str(head["runtime"]), head["rows"]
    except KeyError:
        raise LiveBandModelError("a state's label is damaged") from None
    if weights != weights_id:
        raise LiveBandModelError(
            f"the state was saved with other weights ({weights[:40]!r}); this model has {weights_id!r}"
        )
    if type(rows) is not int or not 1 <= rows <= _MOST_ROWS:
        raise LiveBandModelError(f"a state has 1 to {_MOST_ROWS} rows: the label is damaged")
    names = checks.check(body, "snapshot is not readable").tensors
    return Sealed(runtime, rows, _brought_up(_expanded(body) if head.get("compact") else body, names))


def _brought_up(body: bytes, names: Iterable[str]) -> bytes:
    """A state that an earlier release saved, as this one keeps it.

    It had other names, or the gain by which a stem is turned down, now kept as the level it leaves at, and no beat, which is
    heard anew.
    """
    if all(name != "turned_up" and today(name) == name for name in names):
        return body
    tensors = {today(name): tensor for name, tensor in _tensors(body).items()}
    gain = tensors.get("turned_up")
    if gain is not None and gain.ndim == 1:  # else no such state: whoever reads it says what is wrong
        del tensors["turned_up"]
        with np.errstate(divide="ignore"):
            tensors["level"] = np.where(gain > 0, np.float32(1) / gain, np.float32(0)).astype(np.float32)
        tensors["beat"] = np.full((len(gain), 4), -1.0, np.float32)
    return safetensors.numpy.save(tensors)


def _labelled(head: dict[str, Any], body: bytes) -> bytes:
    text = json.dumps(head).encode()
    return _MAGIC + len(text).to_bytes(4, "little") + text + body


def _split(data: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(data[8:12], "little")
    if data[:8] != _MAGIC or not 0 < length <= min(_MOST_HEAD_BYTES, len(data) - 12):
        raise LiveBandModelError("these bytes are not a state of a LiveBand model, or damaged")
    try:
        head = read_json(data[12 : 12 + length])
    except ValueError:
        head = None
    if not isinstance(head, dict):
        raise LiveBandModelError("a state's label is damaged")
    return head, data[12 + length :]


def _tensors(body: bytes) -> dict[str, NDArray[Any]]:
    checks.check(body, "snapshot is not readable")
    try:
        return safetensors.numpy.load(body)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise LiveBandModelError(f"snapshot is not readable: {error}") from None


def _expanded(body: bytes) -> bytes:
    tensors = _tensors(body)
    for name in [name for name in tensors if name.endswith(_SCALE)]:
        scale, short = tensors.pop(name), tensors.get(name.removesuffix(_SCALE))
        if short is None or short.dtype != np.int8 or scale.shape != (*short.shape[:-1], 1):
            raise LiveBandModelError(f"snapshot is not readable: {name} belongs to no tensor in 8 bits")
        tensors[name.removesuffix(_SCALE)] = short.astype(np.float32) * scale.astype(np.float32)
    return safetensors.numpy.save(tensors)
