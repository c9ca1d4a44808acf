# SPDX-License-Identifier: GPL-3.0-or-later
"""Safetensors of any size as tensors over the mapped file: the header is checked, nothing is executed or read ahead."""

from __future__ import annotations

import hashlib
import mmap
import warnings
from pathlib import Path

import torch
from torch import Tensor

from lbmodels.errors import LiveBandModelError
from lbmodels.weights import checks

_TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def read(path: Path) -> dict[str, Tensor]:
    """Tensors by key. They live in the mapping, private to this process: writing to them does not change the file.

    Raises:
        LiveBandModelError: not there, not safetensors, damaged, or numbers of another kind than F32, F16, BF16.
    """
    try:
        with path.open("rb") as file:
            if not path.is_file() or path.stat().st_size < 8:
                raise LiveBandModelError(f"{path.name}: truncated, not safetensors or no file")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise LiveBandModelError(f"{path} cannot be read: {reason}") from None
    header = checks.check(data, path.name)  # type: ignore[arg-type] # length and slices are all it asks for
    tensors = {}
    for key, (kind, shape, first, end) in header.tensors.items():
        if kind not in _TYPES:
            raise LiveBandModelError(
                f"{path.name}: {key} holds {kind}; accepted are {', '.join(sorted(_TYPES))}"
            )
        if end == first:
            tensors[key] = torch.zeros(shape, dtype=_TYPES[kind])
            continue
        count = (end - first) // checks.ELEMENT_BYTES[kind]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            flat = torch.frombuffer(data, dtype=_TYPES[kind], count=count, offset=header.data_start + first)
        tensors[key] = flat.view(shape)
    return tensors


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
