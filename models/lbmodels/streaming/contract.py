# SPDX-License-Identifier: GPL-3.0-or-later
"""The one assertion that every streaming layer, codec and model must pass."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from lbmodels.streaming.state import clone, from_bytes, named_tensors, to_bytes


class Streaming(Protocol):
    """A layer that runs in parallel over a sequence, or frame by frame with a state."""

    def __call__(self, x: Tensor) -> Tensor: ...

    def init_state(self, batch: int) -> Any: ...

    def step(self, x: Tensor, state: Any, active: Tensor) -> tuple[Tensor, Any]: ...


def run_steps(
    layer: Streaming, x: Tensor, state: Any | None = None, frames_a_step: int = 1
) -> tuple[Tensor, Any]:
    """Stream `x` [B, F, ...] one frame at a time, or several; returns outputs [B, F, ...] and the last state."""
    state = layer.init_state(x.shape[0]) if state is None else state
    active = torch.ones(x.shape[0], dtype=torch.bool)
    outputs = []
    for n in range(0, x.shape[1], frames_a_step):
        y, state = layer.step(_at(x, n, frames_a_step), state, active)
        outputs.append(y if frames_a_step > 1 else y.unsqueeze(1))
    return torch.cat(outputs, dim=1), state


def _at(x: Tensor, n: int, frames_a_step: int) -> Tensor:
    """What a step hears at frame n: [B, ...], or [B, n, ...] where several come at once."""
    return x[:, n] if frames_a_step == 1 else x[:, n : n + frames_a_step]


def assert_streaming_contract(
    layer: Streaming, x: Tensor, *, tolerance: float = 1e-4, frames_a_step: int = 1
) -> None:
    """Hold `layer` to laws 2 (causality), 3 (invariance) and 5 (isolation) on `x` [B >= 2, F >= 4, ...].

    `frames_a_step`: how many it is given at once; half of F must be whole steps.

    Raises:
        AssertionError: names the law that is broken, and by how much.
    """
    batch, frames = x.shape[:2]
    half = frames // 2
    with torch.no_grad():
        offline = layer(x)
        streamed, _ = run_steps(layer, x, frames_a_step=frames_a_step)
        error = (offline - streamed).abs().max().item()
        assert error <= tolerance, f"law 3: step by step differs from one parallel pass by {error:.2e}"

        future = x.clone()
        future[:, half:] = torch.randn_like(future[:, half:])
        changed, _ = run_steps(layer, future, frames_a_step=frames_a_step)
        assert torch.equal(changed[:, :half], streamed[:, :half]), "law 2: a later input changed an output"
        drift = (layer(future)[:, :half] - offline[:, :half]).abs().max().item()
        assert drift <= tolerance, f"law 2: the parallel pass looks into the future ({drift:.2e})"

        poisoned = x.clone()
        poisoned[1:] = float("nan")
        alone, _ = run_steps(layer, poisoned, frames_a_step=frames_a_step)
        assert torch.equal(alone[0], streamed[0]), "law 5: NaN in another session reached this one"

        _, middle = run_steps(layer, x[:, :half], frames_a_step=frames_a_step)
        saved = to_bytes(middle)
        run_steps(
            layer, torch.randn_like(x[:, :half]), frames_a_step=frames_a_step
        )  # what a layer kept to itself is gone now
        resumed, _ = run_steps(layer, x[:, half:], from_bytes(saved, middle), frames_a_step=frames_a_step)
        assert torch.equal(resumed, streamed[:, half:]), "snapshot, restore, continue is not bit-exact"

        _, middle = run_steps(layer, x[:, :half], frames_a_step=frames_a_step)
        before = clone(middle)
        only_first = torch.zeros(batch, dtype=torch.bool)
        only_first[0] = True
        y, after = layer.step(_at(x, half, frames_a_step), middle, only_first)
        assert torch.equal(y[0], _at(streamed, half, frames_a_step)[0]), (
            "law 5: an idle session changed an active one"
        )
        for (name, old), (_, new) in zip(named_tensors(before), named_tensors(after), strict=True):
            assert torch.equal(old[1:], new[1:]), f"law 5: an idle session's state {name} moved"
