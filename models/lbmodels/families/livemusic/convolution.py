# SPDX-License-Identifier: GPL-3.0-or-later
"""Convolutions over time and frequency that carry their past in a state: whole files and streams take one path.

Maps are [B, C, T, F]. Every `run(x, past)` returns the output and the next past, a tensor [B, C, columns, F]; a stream
begins with zeros. Kernels are kept as torch wants them; `published.py` turns the published ones.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Strides = tuple[int, int]


class _Kernel(nn.Module):
    """The published `conv` level of names."""

    def __init__(self, *shape: int, out: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(shape) / math.prod(shape[1:]) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(out))


class Convolution(nn.Module):
    """Time padded so that a column sees only what came before its stride's end, frequency on both sides."""

    def __init__(self, channels: int, out: int, kernel: Strides, strides: Strides = (1, 1)) -> None:
        super().__init__()
        self.channels, self.size, self.strides = channels, kernel, strides
        self.columns = max(kernel[0] - strides[0], 0)
        wide = max(kernel[1] - strides[1], 0)
        self.sides = (wide // 2, wide - wide // 2)
        self.conv = _Kernel(out, channels, *kernel, out=out)

    def past(self, batch: int, bins: int) -> Tensor:
        return self.conv.bias.new_zeros(batch, self.channels, self.columns, bins)

    def run(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Where the stride does not divide the columns, which only the end of a file may do, zeros fill up."""
        window = torch.cat([past, x], dim=2)
        rest = -x.shape[2] % self.strides[0]
        y = F.conv2d(
            F.pad(window, (*self.sides, 0, rest)), self.conv.kernel, self.conv.bias, stride=self.strides
        )
        return y, window[:, :, window.shape[2] - self.columns :]


class Upsampling(nn.Module):
    """Transposed convolution: causal in time, each of a stride's columns complete when its input is there."""

    def __init__(self, channels: int, out: int, kernel: Strides, strides: Strides) -> None:
        super().__init__()
        self.channels, self.size, self.strides = channels, kernel, strides
        self.columns = -(-max(kernel[0] - strides[0], 0) // strides[0])
        k, s = kernel[1], strides[1]
        left = k - 1 if s > k - 1 else math.ceil((k + s - 2) / 2)
        self.first_bin = k - 1 - left
        self.conv = _Kernel(channels, out, *kernel, out=out)

    def past(self, batch: int, bins: int) -> Tensor:
        return self.conv.bias.new_zeros(batch, self.channels, self.columns, bins)

    def run(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        window = torch.cat([past, x], dim=2)
        # A spare bin keeps what a narrow kernel does not reach: it has nothing but the bias there.
        y = F.conv_transpose2d(window, self.conv.kernel, self.conv.bias, stride=self.strides)
        (ahead, across), (columns, bins) = self.strides, x.shape[2:]
        y = y[:, :, self.columns * ahead : (self.columns + columns) * ahead]
        y = y[:, :, :, self.first_bin : self.first_bin + bins * across]
        return y, window[:, :, window.shape[2] - self.columns :]


def name_of(kind: str, kernel: Strides, suffix: str = "") -> str:
    """The published name of a convolution of that size."""
    return f"{kind}_{kernel[0]}x{kernel[1]}{suffix}"


def kernel_of(strides: Strides) -> Strides:
    """Twice the stride, at least 3."""
    return max(3, 2 * strides[0]), max(3, 2 * strides[1])


class _Shortcut(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1x1 = Convolution(channels, out, (1, 1))


class Residual(nn.Module):
    """elu, convolution, elu, convolution, added to a shortcut. One of the two may change the resolution.

    `direction`: "up" repeats and convolves transposed first, "down" averages and convolves with a stride last, "keep"
    does neither; `wide_first` says which of the two is published as `..._a`.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        strides: Strides = (1, 1),
        direction: str = "keep",
        wide_first: bool = False,
    ) -> None:
        super().__init__()
        self.strides, self.direction = strides, direction
        kernel = kernel_of(strides)
        first: Convolution | Upsampling
        if direction == "up":
            names = name_of("conv2dtranspose", kernel), "conv2d_3x3"
            first = Upsampling(channels, out, kernel, strides)
            second = Convolution(out, out, (3, 3))
        elif direction == "down":
            names = "conv2d_3x3", name_of("conv2d", kernel, "_a")
            first = Convolution(channels, channels, (3, 3))
            second = Convolution(channels, out, kernel, strides)
        else:
            names = ("conv2d_3x3_a", "conv2d_3x3") if wide_first else ("conv2d_3x3", "conv2d_3x3_a")
            first, second = Convolution(channels, out, (3, 3)), Convolution(out, out, (3, 3))
        for name, layer in zip(names, (first, second), strict=True):
            self.add_module(name, layer)
        self._layers = (first, second)
        self.has_shortcut = channels != out
        if self.has_shortcut:
            self.shortcut_layer = _Shortcut(channels, out)

    def past(self, batch: int, bins: int) -> tuple[Tensor, Tensor]:
        first, second = self._layers
        between = bins * self.strides[1] if self.direction == "up" else bins
        return first.past(batch, bins), second.past(batch, between)

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.direction == "down":
            rest = -x.shape[2] % self.strides[0]
            x = F.avg_pool2d(F.pad(x, (0, 0, 0, rest)), self.strides, self.strides)
        if self.has_shortcut:
            layer = self.shortcut_layer.conv1x1
            x = F.conv2d(x, layer.conv.kernel, layer.conv.bias)
        if self.direction == "up":
            x = x.repeat_interleave(self.strides[0], dim=2).repeat_interleave(self.strides[1], dim=3)
        return x

    def run(self, x: Tensor, past: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        first, second = self._layers
        y, before = first.run(F.elu(x), past[0])
        y, between = second.run(F.elu(y), past[1])
        return y + self._shortcut(x), (before, between)
