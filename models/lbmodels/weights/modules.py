# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules as safetensors files that carry their own configuration: written, checked, built and filled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import safetensors
import safetensors.torch
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from lbmodels.config import build
from lbmodels.documents import read_json
from lbmodels.errors import LiveBandModelError
from lbmodels.folders import whole_file
from lbmodels.former_names import today
from lbmodels.weights import checks
from lbmodels.weights.part import Part

M = TypeVar("M", bound=nn.Module)
FORMAT = "liveband-weights-1"
# What a size in a weights header may be, 1 to 16384 if it is not named here: a header is a stranger's word.
_LEAST_SIZES = dict.fromkeys(
    ("anticipation_max", "noise", "style", "semitones", "delay_strides", "decoder_depth", "encoder_columns", "decoder_columns", "condition", "condition_hidden"), 0
) | {"sample_rate": 8_000, "future_visibility": -500}  # fmt: skip
_MOST_SIZES = {
    "sample_rate": 192_000, "depth": 64, "decoder_depth": 64, "encoder_column_depth": 64, "decoder_column_depth": 64,
    "high_bands": 1024, "low_bins": 8192, "semitones": 256, "future_visibility": 500, "chunk": 500,
}  # fmt: skip
_MOST_NUMBER = 1e6


def save_weights(path: Path, model: nn.Module, *, kind: str, config: Any, half: bool = False) -> Path:
    """Write a module with the configuration that rebuilds it; `half` stores float16."""
    tensors = {
        name: (t.half() if half and t.dtype == torch.float32 and t.dim() > 1 else t).contiguous().cpu()
        for name, t in model.state_dict().items()
    }
    header = {"format": FORMAT, "kind": kind, "config": json.dumps(asdict(config))}
    digest = checks.digest_of(safetensors.torch.save(tensors, header))
    try:
        with whole_file(path) as part:
            safetensors.torch.save_file(tensors, part, metadata=header | {checks.DIGEST: digest})
    except safetensors.SafetensorError as error:  # a full disk too
        raise LiveBandModelError(f"{path} cannot be written: {' '.join(str(error).split())[:160]}") from None
    return path


def read_weights(
    path: Path, kind: str, digest: str | None = None
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Configuration and tensors of a weights file; `digest` pins the SHA-256 of the whole file.

    Raises:
        LiveBandModelError: not there, truncated, damaged, not of this `kind` or not the pinned file.
    """
    data = checks.read_bytes(path)
    if digest is not None and hashlib.sha256(data).hexdigest() != digest:
        raise LiveBandModelError(
            f"weights {path.name} differ from the manifest: truncated or foreign; reinstall them"
        )
    header = checks.check(data, f"weights {path.name}").metadata
    if header.get("format") != FORMAT or today(header.get("kind", "")) != kind:
        found = header.get("kind", "none of ours")
        raise LiveBandModelError(
            f"weights {path.name} are foreign: kind {found[:80]!r}, wanted {kind!r} in {FORMAT}"
        )
    if not header.keys() <= {"format", "kind", "config", checks.DIGEST}:
        raise LiveBandModelError(
            f"weights {path.name} are damaged or foreign: metadata {sorted(header)}"[:300]
        )
    try:
        config = read_json(header.get("config", ""))
    except ValueError as error:
        raise LiveBandModelError(
            f"weights {path.name}: their configuration cannot be read: {error}"
        ) from None
    if not isinstance(config, dict):
        raise LiveBandModelError(f"weights {path.name} carry no configuration: written by another program")
    try:
        tensors = safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise LiveBandModelError(f"weights {path.name} are truncated or not safetensors ({error})") from None
    return config, {today(key): tensor for key, tensor in tensors.items()}


def fill(model: nn.Module, tensors: Mapping[str, torch.Tensor], name: str) -> None:
    """Load strictly, in float32.

    Raises:
        LiveBandModelError: a tensor is missing, left over or of another shape.
    """
    try:
        model.load_state_dict({k: t.float() if t.is_floating_point() else t for k, t in tensors.items()})
    except RuntimeError as error:
        line = " ".join(str(error).split())[:200]
        raise LiveBandModelError(f"weights {name} do not fit their configuration: {line}") from None
    model.eval().requires_grad_(False)


class _Budget(TorchFunctionMode):
    """Stops a module under construction that asks for more numbers than its weights can fill."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.left = most

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and not any(isinstance(value, torch.Tensor) for value in args):
            self.left -= result.numel()
            if self.left < 0:
                raise ValueError("larger than the file that should fill them")
        return result


def construct(
    make: Callable[[], M], config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], name: str
) -> M:
    """A module whose sizes come from a file: it may ask for no more memory than the file's tensors account for.

    Raises:
        LiveBandModelError: sizes out of range, or that do not go together.
    """
    for key, value in _sizes(config):
        least, most = _LEAST_SIZES.get(key, 1), _MOST_SIZES.get(key, 2**14)
        if isinstance(value, float) and not abs(value) <= _MOST_NUMBER:
            raise LiveBandModelError(f"weights {name} have an impossible {key}: {value:g}")
        if isinstance(value, int) and not isinstance(value, bool) and not least <= value <= most:
            raise LiveBandModelError(
                f"weights {name} have impossible sizes: {key} is {least} to {most}, got {value}"
            )
    # Besides its weights a module holds tables that are not saved; those stay below 4 million numbers.
    budget = 4 * sum(tensor.numel() for tensor in tensors.values()) + 2**22
    try:
        with _Budget(budget):
            return make()
    except (ValueError, RuntimeError, ZeroDivisionError, IndexError) as error:
        line = " ".join(str(error).split())[:200]
        raise LiveBandModelError(f"weights {name} have impossible sizes: {line}") from None


def _sizes(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every entry by its name, those of tables within it too."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _sizes(value)
        else:
            yield key, value


def load_part(part: Part[M], path: Path, digest: str | None = None) -> M:
    """The network of a weights file, ready to run; `digest` pins the SHA-256 of the file.

    Raises:
        LiveBandModelError: the file is missing, damaged or foreign, or not the pinned one.
    """
    return module_of(part, *read_weights(path, part.kind, digest), path.name)


def module_of(part: Part[M], config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], name: str) -> M:
    """The network that a file's configuration and tensors are of; `name` stands for the file in messages."""
    sizes_type, network = part.network()
    sizes: Any = build(sizes_type, config, name)
    module = construct(lambda: network(sizes), config, tensors, name)
    fill(module, tensors, name)
    return module
