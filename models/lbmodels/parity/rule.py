# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights that follow from a tensor's name and shape alone, so that golden files need not store them.

Every tensor is `offset + scale * noise`, with noise seeded by the name. The table is the golden files' own
(tests/fixtures/parity/README.md): change nothing here, or no golden file fits any more.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Weights = dict[str, NDArray[np.float32]]
Shapes = Mapping[str, Sequence[int]]


def normal(name: str, shape: Sequence[int]) -> NDArray[np.float32]:
    """Standard normal numbers that depend on name and size alone."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    return generator.standard_normal(math.prod(shape), dtype=np.float32).reshape(tuple(shape))


def _per(fan: int) -> float:
    return float(1.0 / np.sqrt(fan))


def _same(scale: float) -> Callable[[Sequence[int]], float]:
    return lambda _shape: scale


def _fan_in(s: Sequence[int]) -> float:
    return _per(math.prod(s[1:]))


# Where a published layer's noise has a scale of its own: first match wins.
_SCALES: tuple[tuple[re.Pattern[str], Callable[[Sequence[int]], float]], ...] = tuple(
    (re.compile(pattern), scale)
    for pattern, scale in (
        (r"add_gate$", _same(0.5)),
        (r"input_padding$", _same(1.0)),
        (r"output_emb\.emb\.weight$", _same(0.02)),
        (r"(target_token_emb|inst_emb|ts_emb|ts_den_emb)\.weight$", _same(0.5)),
        (r"codebook\.weight$", _same(1.0)),
        (r"decoder\.model\.\d+\.block\.1\..*weight_v$", lambda s: _per(2 * s[0])),
        (r"decoder\.model\.8\.weight_v$", lambda s: 0.1 * _fan_in(s)),
        (r"block\.\d\.block\.4\..*weight_v$", lambda s: 0.5 * _fan_in(s)),
        (r"weight_v$", _fan_in),
        (r"per_dim_scale$", _same(0.3)),
        (r"sink_key_embeddings$", _same(0.2)),
        (r"sink_value_embeddings$", _same(1.0)),
        (r"regular_embedder/embedding$", _same(1.0)),
        (r"params/quantizer/", _same(0.3)),
        (r"embedding$", lambda s: _per(s[-1])),
        (r"to_logits/kernel$", lambda s: 4 * _per(s[0])),
        (r"output_projection/kernel$", lambda s: _per(s[1] * s[2])),
        (r"kernel$", lambda s: _per(math.prod(s[:3])) if len(s) == 4 else _per(s[0])),
    )
)
_AROUND_ONE = re.compile(r"(alpha|qk_norm_[qk]_scale|(norm|ln)/scale)$")


def tensor(name: str, shape: Sequence[int], shapes: Shapes) -> NDArray[np.float32]:
    """The tensor of that name; a `weight_g` needs the shape of its `weight_v` from `shapes`.

    Raises:
        KeyError: a `weight_g` without its `weight_v`.
    """
    shape = tuple(shape)
    if name.endswith("inv_freq"):
        steps = np.arange(shape[0], dtype=np.float64) / shape[0]
        return (10000.0**-steps).astype(np.float32)
    if name.endswith("resample_filter"):
        return np.full(shape, 0.25, np.float32)
    noise = normal(name, shape)
    if name.endswith("to_gamma.bias"):
        return (-2 + 0.1 * noise).astype(np.float32)
    if name.endswith("weight_g"):
        partner = f"{name[:-1]}v"
        direction = tensor(partner, shapes[partner], shapes).astype(np.float64)
        rest = tuple(range(1, direction.ndim))
        length = np.sqrt((direction**2).sum(axis=rest, keepdims=True)).reshape(shape)
        return (length * (1 + 0.1 * noise)).astype(np.float32)
    if _AROUND_ONE.search(name) or (len(shape) == 1 and name.endswith("weight")):
        return (1 + 0.1 * noise).astype(np.float32)
    scale = next((scale(shape) for pattern, scale in _SCALES if pattern.search(name)), None)
    if scale is None:
        scale = _fan_in(shape) if len(shape) >= 2 else 0.02
    return (noise * np.float32(scale)).astype(np.float32)


def weights(shapes: Shapes) -> Weights:
    """All tensors of a model, by name."""
    return {name: tensor(name, shape, shapes) for name, shape in shapes.items()}


def fingerprint(shapes: Shapes) -> dict[str, list[float]]:
    """Sum, first and last value of up to twelve tensors spread over the sorted names."""
    names = sorted(shapes)
    if len(names) > 12:
        names = [names[int(i)] for i in np.linspace(0, len(names) - 1, 12)]
    found = {}
    for name in names:
        values = tensor(name, shapes[name], shapes)
        found[name] = [float(values.astype(np.float64).sum()), float(values.flat[0]), float(values.flat[-1])]
    return found
