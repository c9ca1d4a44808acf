# SPDX-License-Identifier: GPL-3.0-or-later
"""The causal codec's layers, which work on a whole clip or on a stretch at a time with exact state. Layout [B, C, T].

Every layer of a stack has `forward(x)`, `init_state(batch)` and `stretch(x, state, active)`: the next stretch of
the stream, of a length that the strides divide.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.streaming.state import select


class Carry(NamedTuple):
    """What a layer keeps of the past [B, C, n]: inputs of a convolution, overlap of a transposed one."""

    past: Tensor


class _Layer(Protocol):
    def __call__(self, x: Tensor) -> Tensor: ...

    def init_state(self, batch: int) -> Any: ...

    def stretch(self, x: Tensor, state: Any, active: Tensor) -> tuple[Tensor, Any]: ...


class CausalConv(nn.Module):
    """A convolution that sees nothing to come: `(kernel - 1) * dilation` zeros on the left."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.stride, self.dilation, self.left = stride, dilation, (kernel - 1) * dilation
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel))
        self.bias = nn.Parameter(torch.empty(outputs))

    def _convolve(self, x: Tensor) -> Tensor:
        return F.conv1d(x, self.weight, self.bias, stride=self.stride, dilation=self.dilation)

    def forward(self, x: Tensor) -> Tensor:
        return self._convolve(F.pad(x, (self.left, 0)))

    def init_state(self, batch: int) -> Carry:
        return Carry(self.weight.new_zeros(batch, self.weight.shape[1], self.left))

    def stretch(self, x: Tensor, state: Carry, active: Tensor) -> tuple[Tensor, Carry]:
        window = torch.cat([state.past, x], dim=2)
        past = window[..., window.shape[2] - self.left :]
        return self._convolve(window), Carry(select(active, past, state.past))


class CausalTransposed(nn.Module):
    """A transposed convolution of kernel 2 * stride: input t reaches outputs t * stride to (t + 2) * stride."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(inputs, outputs, 2 * stride))
        self.bias = nn.Parameter(torch.empty(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T] -> [B, C', (T + 1) * stride]: the last `stride` samples are what rings on."""
        return F.conv_transpose1d(x, self.weight, self.bias, stride=self.stride)

    def init_state(self, batch: int) -> Carry:
        return Carry(self.weight.new_zeros(batch, self.weight.shape[1], self.stride))

    def stretch(self, x: Tensor, state: Carry, active: Tensor) -> tuple[Tensor, Carry]:
        y = F.conv_transpose1d(x, self.weight, stride=self.stride)
        head = y[..., : self.stride] + state.past
        end = y.shape[2] - self.stride
        y, overlap = torch.cat([head, y[..., self.stride : end]], dim=2), y[..., end:]
        return y + self.bias.unsqueeze(1), Carry(select(active, overlap, state.past))


class Snake(nn.Module):
    """x + sin(alpha x)^2 / alpha, a period for each channel (Ziyin 2020)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.empty(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.sin(self.alpha * x).square() / (self.alpha + 1e-9)

    def init_state(self, batch: int) -> tuple[()]:  # noqa: ARG002 (no memory)
        return ()

    def stretch(self, x: Tensor, state: tuple[()], active: Tensor) -> tuple[Tensor, tuple[()]]:  # noqa: ARG002
        return self(x), state


class Stack(nn.Module):
    """Layers in series; with `residual`, their result is added to their input."""

    def __init__(self, *layers: nn.Module, residual: bool = False) -> None:
        super().__init__()
        self.layers, self.residual = nn.ModuleList(layers), residual

    def _each(self) -> Iterator[_Layer]:
        yield from self.layers  # type: ignore[misc]

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self._each():
            y = layer(y)
        return x + y if self.residual else y

    def init_state(self, batch: int) -> tuple[Any, ...]:
        return tuple(layer.init_state(batch) for layer in self._each())

    def stretch(self, x: Tensor, state: tuple[Any, ...], active: Tensor) -> tuple[Tensor, tuple[Any, ...]]:
        y, states = x, []
        for layer, mine in zip(self._each(), state, strict=True):
            y, new = layer.stretch(y, mine, active)
            states.append(new)
        return (x + y if self.residual else y), tuple(states)


def residual_unit(channels: int, dilation: int) -> Stack:
    """Two convolutions, the first of which looks back `6 * dilation`, around which the input is led."""
    return Stack(
        Snake(channels),
        CausalConv(channels, channels, 7, dilation=dilation),
        Snake(channels),
        CausalConv(channels, channels, 1),
        residual=True,
    )


def residual_units(channels: int) -> list[Stack]:
    """The three of a stage."""
    return [residual_unit(channels, dilation) for dilation in (1, 3, 9)]
