# SPDX-License-Identifier: GPL-3.0-or-later
"""What the transformer does beyond one frame a step: several at once, prefill, blocks, a prefix, a memory."""

from typing import Any

import pytest
import torch
from torch import Tensor

from lbmodels.streaming.contract import assert_streaming_contract, run_steps
from lbmodels.streaming.state import named_tensors
from lbmodels.streaming.transformer import CausalTransformer


def lively(window: int = 5, **more: Any) -> CausalTransformer:
    """Attention that matters, and the slots too."""
    torch.manual_seed(2)
    layer = CausalTransformer(16, 2, 2, window, **more)
    for block in layer.blocks:
        block.attention.out.weight.data.normal_(0, 0.3)
        block.attention.slot_values.data.normal_(0, 1)
        block.narrow.weight.data.normal_(0, 0.1)
    return layer.eval().requires_grad_(False)


class Looking:
    """A transformer whose rows each look at a memory of their own: the same for each number of rows."""

    def __init__(self, layer: CausalTransformer, memory: Tensor, there: Tensor) -> None:
        self.layer, self.memory, self.there = layer, memory, there

    def __call__(self, x: Tensor) -> Tensor:
        return self.layer(x, self.memory[: len(x)], self.there[: len(x)])

    def init_state(self, batch: int) -> Any:
        return self.layer.init_state(batch, self.memory[:batch], self.there[:batch])

    def step(self, x: Tensor, state: Any, active: Tensor) -> Any:
        return self.layer.step(x, state, active)


@pytest.mark.parametrize(
    ("window", "count", "block"), [(5, 3, 1), (4, 6, 1), (9, 4, 4), (3, 4, 2), (16, 8, 8)]
)
def test_several_frames_a_step_obey_the_laws(window: int, count: int, block: int) -> None:
    """Catches ring slots overwritten before a frame of the same step has seen them, steps longer than the window too."""
    assert_streaming_contract(lively(window, block=block), torch.randn(2, 4 * count, 16), frames_a_step=count)


@pytest.mark.parametrize("count", [1, 4])
def test_a_memory_obeys_the_laws_and_is_looked_at(count: int) -> None:
    memory, there = torch.randn(2, 6, 10), torch.ones(2, 6, dtype=torch.bool)
    there[1, 2:] = False
    layer = lively(memory=10)
    looking, x = Looking(layer, memory, there), torch.randn(2, 16, 16)
    assert_streaming_contract(looking, x, frames_a_step=count)
    other = memory.clone()
    other[1, 3] = torch.nan  # of what is not there nothing may be heard
    assert torch.equal(Looking(layer, other, there)(x), looking(x))
    other = memory.clone()
    other[0, 0] += 1
    assert not torch.equal(Looking(layer, other, there)(x)[0], looking(x)[0])
    nothing = torch.zeros(2, 6, dtype=torch.bool)
    torch.testing.assert_close(Looking(layer, memory, nothing)(x), layer(x))


@pytest.mark.parametrize("sizes", [[1] * 12, [3, 1, 4, 4], [12], [7, 5]])
def test_frames_may_come_in_steps_of_any_size(sizes: list[int]) -> None:
    layer, x = lively(), torch.randn(2, 12, 16)
    state, on, parts = layer.init_state(2), torch.ones(2, dtype=torch.bool), []
    for part in x.split(sizes, dim=1):
        y, state = layer.step(part, state, on)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, dim=1), layer(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("prefix", [0, 6])
def test_prefill_is_the_parallel_pass_and_streams_go_on_from_it(prefix: int) -> None:
    """Past the window: a ring that prefill leaves turned by one plays the wrong past ever after."""
    layer, x = lively(window=5), torch.randn(2, 20, 16)
    begun, state = layer.prefill(x[:, :9], prefix=prefix)
    torch.testing.assert_close(begun, layer(x[:, :9], prefix=prefix), atol=1e-5, rtol=1e-4)
    assert state.position.tolist() == [9, 9]
    rest, _ = run_steps(layer, x[:, 9:], state)
    torch.testing.assert_close(rest, layer(x, prefix=prefix)[:, 9:], atol=1e-5, rtol=1e-4)


def sees(layer: CausalTransformer, frames: int, **told: int) -> list[list[int]]:
    """For each frame, which frames of the input change it. One layer: two see through each other."""
    x = torch.randn(1, frames, 16, requires_grad=True)
    y = layer(x, **told)
    seen = []
    for n in range(frames):
        (grad,) = torch.autograd.grad(y[0, n].square().sum(), x, retain_graph=True)
        seen.append(grad[0].abs().sum(-1).nonzero().flatten().tolist())
    return seen


def test_who_sees_whom() -> None:
    one = {"window": 4}
    torch.manual_seed(0)
    plain = CausalTransformer(16, 2, 1, **one)
    plain.blocks[0].attention.out.weight.data.normal_(0, 1)
    assert sees(plain, 7)[5] == [2, 3, 4, 5]
    assert sees(plain, 7, prefix=3)[0] == [0, 1, 2]
    assert sees(plain, 7, prefix=3)[3] == [0, 1, 2, 3]
    blocks = CausalTransformer(16, 2, 1, block=3, **one)
    blocks.blocks[0].attention.out.weight.data.normal_(0, 1)
    assert sees(blocks, 9)[0] == [0, 1, 2]
    assert sees(blocks, 9)[4] == [1, 2, 3, 4, 5]


def test_half_a_block_is_refused() -> None:
    layer = lively(block=4)
    for x in (torch.randn(1, 3, 16), torch.randn(1, 16)):
        with pytest.raises(ValueError, match="blocks of 4 frames: accepted are whole ones"):
            layer.step(x, layer.init_state(1), torch.ones(1, dtype=torch.bool))


def test_a_trunk_without_a_memory_keeps_what_it_always_kept() -> None:
    """Names of the state are those of moments kept long ago."""
    names = [name for name, _ in named_tensors(lively().init_state(1))]
    assert names == ["position", *(f"blocks.{n}.{part}" for n in range(2) for part in ("keys", "values"))]
