# SPDX-License-Identifier: GPL-3.0-or-later
"""Fourier transforms of real signals as two small matrix products and a turn in between (Cooley and Tukey 1965).

With N = P Q, n = p + P q and k = Q j + i the transform splits into Q-point transforms over q, a factor
exp(-2 pi i p i / N), and P-point transforms over p. Every graph engine multiplies matrices well; few have a
Fourier transform that is quick at lengths like 1920.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lbmodels.runtime.builder import Builder, Value


class Pair(NamedTuple):
    """Real and imaginary part."""

    real: Value
    imag: Value


def factors(length: int) -> tuple[int, int]:
    """P, Q with P Q = length, as near to each other as can be."""
    small = max(n for n in range(1, math.isqrt(length) + 1) if length % n == 0)
    return length // small, small


def real_to_complex(builder: Builder, x: Value, bins: int | None = None) -> Pair:
    """Real [..., N] -> the first `bins` of N / 2 + 1, by default all."""
    length = _length(x.shape[-1])
    p, q = factors(length)
    bins = length // 2 + 1 if bins is None else bins
    lead = x.shape[:-1]
    # [q, p]: transform over q from the left, the real part of a row above its imaginary part.
    inner = _rows_in_turn(_waves(np.outer(np.arange(q), np.arange(q)), q))
    grid = builder.matmul(_constant(builder, inner), builder.reshape(x, (*lead, q, p)))
    grid = _turn(
        builder, builder.reshape(grid, (*lead, q, 2, p)), np.outer(np.arange(q), np.arange(p)), length
    )
    # [i, p] -> [i, j] from the right, only as many j as there are bins.
    columns = -(-bins // q)
    outer = _waves(np.outer(np.arange(p), np.arange(columns)), p)
    matrix = np.block([[outer.real, outer.imag], [-outer.imag, outer.real]])
    spectrum = builder.matmul(builder.reshape(grid, (*lead, q, 2 * p)), _constant(builder, matrix))
    order = [*range(len(lead)), len(lead) + 1, len(lead)]
    turned = builder.reshape(
        builder.transpose(spectrum, order), (*lead, 2, columns * q)
    )  # [j, i]: bin Q j + i
    both = builder.slice(turned, len(lead) + 1, 0, bins)
    return Pair(*(builder.take(both, len(lead), part) for part in (0, 1)))


def complex_to_real(builder: Builder, spectrum: Pair, length: int) -> Value:
    """Bins [..., N / 2 + 1] of a real signal -> [..., N], scaled by 1 / N. Imaginary parts of the first and
    the last bin are not looked at.
    """
    p, q = factors(length)
    bins = length // 2 + 1
    lead = spectrum.real.shape[:-1]
    rows = -(-bins // q)
    weight = np.full(bins, 2.0 / length)
    weight[0] = 1.0 / length
    if length % 2 == 0:
        weight[-1] = 1.0 / length
    both = builder.whole(spectrum)
    if both is None:
        parts = [builder.reshape(part, (*lead, 1, bins)) for part in spectrum]
        both = builder.concat(parts, len(lead))
    scaled = builder.elementwise("Mul", both.dtype, both, _constant(builder, weight))
    padding = builder.integers([0] * (2 * len(lead) + 3) + [rows * q - bins])
    name = builder.raw("Pad", [scaled.name, padding.name])[0]
    stacked = builder.reshape(Value(name, (*lead, 2, rows * q), both.dtype), (*lead, 2 * rows, q))
    # [j, i] -> [p, i] over j from the left.
    outer = _waves(-np.outer(np.arange(p), np.arange(rows)), p)
    matrix = np.concatenate([_rows_in_turn(outer), _rows_in_turn(1j * outer)], axis=1)
    grid = builder.reshape(builder.matmul(_constant(builder, matrix), stacked), (*lead, p, 2, q))
    grid = _turn(builder, grid, -np.outer(np.arange(p), np.arange(q)), length)
    # [p, i] -> [p, q] over i from the right, the real part only; sample p + P q.
    inner = _waves(-np.outer(np.arange(q), np.arange(q)), q)
    signal = builder.matmul(
        builder.reshape(grid, (*lead, p, 2 * q)),
        _constant(builder, np.concatenate([inner.real, -inner.imag])),
    )
    order = [*range(len(lead)), len(lead) + 1, len(lead)]
    return builder.reshape(builder.transpose(signal, order), (*lead, length))


def _rows_in_turn(matrix: NDArray[np.complex128]) -> NDArray[np.float64]:
    """[N, M] -> [2 N, M]: of each row the real part, then the imaginary part."""
    return np.stack([matrix.real, matrix.imag], axis=1).reshape(2 * len(matrix), -1)


def _turn(builder: Builder, x: Value, turns: NDArray[np.int64], length: int) -> Value:
    """Numbers [..., N, 2, M], real and imaginary, times exp(-2 pi i turns / length)."""
    by = _waves(turns, length)
    swapped = Value(
        builder.raw("Gather", [x.name, builder.integers([1, 0]).name], axis=len(x.shape) - 2)[0],
        x.shape,
        x.dtype,
    )
    # The same for both parts, and yet written twice: whole rows are multiplied faster than halves that repeat.
    across = builder.elementwise("Mul", x.dtype, x, _constant(builder, np.stack([by.real, by.real], axis=1)))
    along = builder.elementwise(
        "Mul", x.dtype, swapped, _constant(builder, np.stack([-by.imag, by.imag], axis=1))
    )
    return builder.elementwise("Add", x.dtype, across, along)


def _waves(turns: NDArray[np.int64], length: int) -> NDArray[np.complex128]:
    return np.exp(-2j * np.pi * (turns % length) / length)


def _constant(builder: Builder, array: NDArray[np.float64]) -> Value:
    return builder.constant(torch.from_numpy(np.ascontiguousarray(array)).float())


def _length(size: int | None) -> int:
    if size is None:
        raise ValueError("the batch has no Fourier transform")
    return size
