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
    # [q, p]: transform over q from the left, real and imaginary parts below each other.
    inner = _waves(np.outer(np.arange(q), np.arange(q)), q)
    grid = builder.matmul(
        _constant(builder, np.concatenate([inner.real, inner.imag])), builder.reshape(x, (*lead, q, p))
    )
    real, imag = builder.slice(grid, len(lead), 0, q), builder.slice(grid, len(lead), q, 2 * q)
    real, imag = _turn(builder, Pair(real, imag), _waves(np.outer(np.arange(q), np.arange(p)), length))
    # [i, p] -> [i, j] from the right, only as many j as there are bins.
    columns = -(-bins // q)
    outer = _waves(np.outer(np.arange(p), np.arange(columns)), p)
    both = builder.concat([real, imag], len(lead) + 1)
    matrix = np.block([[outer.real, outer.imag], [-outer.imag, outer.real]])
    spectrum = builder.matmul(both, _constant(builder, matrix))
    order = [*range(len(lead)), len(lead) + 1, len(lead)]
    parts = []
    for first in (0, columns):
        part = builder.transpose(
            builder.slice(spectrum, len(lead) + 1, first, first + columns), order
        )  # [j, i]: bin Q j + i
        parts.append(builder.slice(builder.reshape(part, (*lead, columns * q)), len(lead), 0, bins))
    return Pair(*parts)


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
    parts = []
    for part in spectrum:
        scaled = builder.elementwise("Mul", part.dtype, part, _constant(builder, weight))
        padding = builder.integers([0] * (2 * len(lead) + 1) + [rows * q - bins])
        name = builder.raw("Pad", [scaled.name, padding.name])[0]
        padded = Value(name, (*lead, rows * q), part.dtype)
        parts.append(builder.reshape(padded, (*lead, rows, q)))
    # [j, i] -> [p, i] over j from the left.
    outer = _waves(-np.outer(np.arange(p), np.arange(rows)), p)
    matrix = np.block([[outer.real, -outer.imag], [outer.imag, outer.real]])
    grid = builder.matmul(_constant(builder, matrix), builder.concat(parts, len(lead)))
    real, imag = builder.slice(grid, len(lead), 0, p), builder.slice(grid, len(lead), p, 2 * p)
    real, imag = _turn(builder, Pair(real, imag), _waves(-np.outer(np.arange(p), np.arange(q)), length))
    # [p, i] -> [p, q] over i from the right, the real part only; sample p + P q.
    inner = _waves(-np.outer(np.arange(q), np.arange(q)), q)
    both = builder.concat([real, imag], len(lead) + 1)
    signal = builder.matmul(both, _constant(builder, np.concatenate([inner.real, -inner.imag])))
    order = [*range(len(lead)), len(lead) + 1, len(lead)]
    return builder.reshape(builder.transpose(signal, order), (*lead, length))


def _turn(builder: Builder, x: Pair, by: NDArray[np.complex128]) -> Pair:
    cosine, sine = _constant(builder, by.real), _constant(builder, by.imag)

    def product(a: Value, b: Value) -> Value:
        return builder.elementwise("Mul", a.dtype, a, b)

    dtype = x.real.dtype
    real = builder.elementwise("Sub", dtype, product(x.real, cosine), product(x.imag, sine))
    imag = builder.elementwise("Add", dtype, product(x.real, sine), product(x.imag, cosine))
    return Pair(real, imag)


def _waves(turns: NDArray[np.int64], length: int) -> NDArray[np.complex128]:
    return np.exp(-2j * np.pi * (turns % length) / length)


def _constant(builder: Builder, array: NDArray[np.float64]) -> Value:
    return builder.constant(torch.from_numpy(np.ascontiguousarray(array)).float())


def _length(size: int | None) -> int:
    if size is None:
        raise ValueError("the batch has no Fourier transform")
    return size
