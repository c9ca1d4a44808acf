# SPDX-License-Identifier: GPL-3.0-or-later
"""Model state as a value: a nest of NamedTuples of tensors, batch first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from lbmodels.errors import LiveBandModelError
from lbmodels.weights import checks

S = TypeVar("S")


def select(active: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Rows of `new` where `active` [B] is true, rows of `old` elsewhere."""
    return torch.where(active.view(-1, *([1] * (new.dim() - 1))), new, old)


def named_tensors(state: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a nest with its dotted name, in a fixed order."""
    if isinstance(state, Tensor):
        yield prefix, state
        return
    names = state._fields if hasattr(state, "_fields") else [str(i) for i in range(len(state))]
    for name, value in zip(names, state, strict=True):
        yield from named_tensors(value, f"{prefix}.{name}" if prefix else name)


def map_tensors(function: Any, *states: Any) -> Any:
    """Apply `function` to the tensors of nests of one shape, keeping the nest."""
    first = states[0]
    if isinstance(first, Tensor):
        return function(*states)
    values = [map_tensors(function, *parts) for parts in zip(*states, strict=True)]
    return type(first)(*values) if hasattr(first, "_fields") else tuple(values)


def clone(state: S) -> S:
    """A copy that shares no memory with `state`."""
    result: S = map_tensors(lambda t: t.clone(), state)
    return result


def to_bytes(state: Any) -> bytes:
    """Snapshot of a state; `from_bytes` restores it to the bit."""
    return safetensors.torch.save({name: t.contiguous().cpu() for name, t in named_tensors(state)})


def from_bytes(data: bytes, like: S) -> S:
    """Restore a snapshot into the nest of `like` (any state of the same model and batch), all of it or nothing.

    Raises:
        LiveBandModelError: the snapshot belongs to another model, batch or version.
    """
    checks.check(data, "snapshot is not readable")
    try:
        saved = safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise LiveBandModelError(f"snapshot is not readable: {error}") from None
    wanted = dict(named_tensors(like))
    if wanted.keys() != saved.keys():
        odd = sorted(wanted.keys() ^ saved.keys())[:3]
        raise LiveBandModelError(f"snapshot is of another model: fields {odd} do not match")
    for name, tensor in wanted.items():
        found = saved[name]
        if found.shape != tensor.shape or found.dtype != tensor.dtype:
            raise LiveBandModelError(
                f"snapshot field {name} is {tuple(found.shape)} {found.dtype}, "
                f"this model needs {tuple(tensor.shape)} {tensor.dtype}"
            )
    values = iter([saved[name] for name in wanted])
    result: S = map_tensors(lambda t: next(values).to(t.device), like)
    return result
