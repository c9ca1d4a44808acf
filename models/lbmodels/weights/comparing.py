# SPDX-License-Identifier: GPL-3.0-or-later
"""What importers of published checkpoints share: every name and shape compared, numbers checked, modules filled strictly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lbmodels.errors import LiveBandModelError
from lbmodels.weights.checkpoints import Checkpoint, Stored, finite

M = TypeVar("M", bound=nn.Module)
Shapes = Mapping[str, tuple[int, ...]]
_SHOWN = 6


def state_dict(checkpoint: Checkpoint) -> Any:
    root = checkpoint.root
    return root.get("state_dict", root) if isinstance(root, dict) else {}


def check_names(path: Path, what: str, wanted: Shapes, found: Shapes) -> None:
    """Raises LiveBandModelError with a report of what is missing, extra and misshapen."""
    missing = [name for name in wanted if name not in found]
    extra = [name for name in found if name not in wanted]
    shapes = [
        f"{name} {found[name]} in place of {wanted[name]}"
        for name in wanted
        if name in found and tuple(found[name]) != tuple(wanted[name])
    ]
    report = [
        _listed(kind, names)
        for kind, names in (("missing", missing), ("extra", extra), ("misshapen", shapes))
        if names
    ]
    if report:
        raise LiveBandModelError(f"{path} is no whole {what}: {'; '.join(report)}")


def _listed(kind: str, names: Iterable[str]) -> str:
    names = [name[:160] for name in names]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} {kind} ({', '.join(names[:_SHOWN])}{more})"


def fetch(checkpoint: Checkpoint, stored: Mapping[str, Stored], names: Iterable[str]) -> dict[str, Tensor]:
    tensors = {}
    for name, tensor in checkpoint.tensors({name: stored[name] for name in names}):
        if not tensor.is_floating_point():
            raise LiveBandModelError(f"{checkpoint.path}: tensor {name} has no fractions ({tensor.dtype})")
        if not finite(tensor):
            raise LiveBandModelError(f"{checkpoint.path}: tensor {name} has numbers that are NaN or infinite")
        tensors[name] = tensor
    return tensors


def on_meta(make: Callable[[], M], path: Path) -> M:
    """A module without memory: its sizes come from a stranger's file."""
    try:
        with torch.device("meta"):
            return make()
    except (ValueError, RuntimeError, ZeroDivisionError, IndexError) as error:
        raise LiveBandModelError(
            f"{path} has impossible sizes: {' '.join(str(error).split())[:160]}"
        ) from None


def filled(model: M, tensors: Mapping[str, Tensor], path: Path) -> M:
    try:
        model.load_state_dict(dict(tensors), assign=True)
    except RuntimeError as error:
        raise LiveBandModelError(f"{path}: {' '.join(str(error).split())[:200]}") from None
    return model.eval().requires_grad_(False)
