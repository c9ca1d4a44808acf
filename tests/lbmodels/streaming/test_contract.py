# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract itself: every layer keeps it, and it catches each way of breaking it."""

from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lbmodels.streaming.contract import assert_streaming_contract, run_steps
from lbmodels.streaming.conv import CausalDepthwiseConv, ConvNeXtStack
from lbmodels.streaming.spectral import SemitoneFrontEnd, StftBackEnd, StftFrontEnd
from lbmodels.streaming.state import select
from lbmodels.streaming.transformer import CausalTransformer

few = settings(max_examples=8)


@few
@given(
    batch=st.integers(2, 4), frames=st.integers(4, 12), features=st.integers(1, 9), kernel=st.integers(1, 8)
)
def test_causal_convolution(batch: int, frames: int, features: int, kernel: int) -> None:
    """Kernels longer than the sequence, and of one tap (an empty state), included."""
    layer = CausalDepthwiseConv(features, kernel)
    assert_streaming_contract(layer, torch.randn(batch, frames, features))


@few
@given(depth=st.integers(1, 4), features=st.integers(1, 16), kernel=st.integers(2, 7))
def test_convnext_stack(depth: int, features: int, kernel: int) -> None:
    assert_streaming_contract(ConvNeXtStack(features, kernel, depth), torch.randn(2, 14, features))


def lively(features: int, heads: int, depth: int, window: int) -> CausalTransformer:
    """A transformer whose attention matters: as initialised it is nearly the identity."""
    layer = CausalTransformer(features, heads, depth, window)
    for block in layer.blocks:
        block.attention.out.weight.data.normal_(0, 0.3)
        block.attention.slot_values.data.normal_(0, 1)
        block.narrow.weight.data.normal_(0, 0.1)
    return layer


@few
@given(
    window=st.integers(1, 9),
    frames=st.integers(4, 30),
    heads=st.integers(1, 2),
    depth=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_transformer_before_at_and_past_its_window(
    window: int, frames: int, heads: int, depth: int, seed: int
) -> None:
    """Catches ring slots that are overwritten too early or seen too long, in any turn of the ring."""
    torch.manual_seed(seed)
    assert_streaming_contract(lively(24 * heads, heads, depth, window), torch.randn(2, frames, 24 * heads))


@few
@given(columns=st.integers(1, 5), overlap=st.sampled_from([4, 8]), channels=st.integers(1, 3))
def test_stft_front_end(columns: int, overlap: int, channels: int) -> None:
    layer = StftFrontEnd(hop=16 * columns, window=16 * overlap, step=16)
    layer.init_state = lambda batch: StftFrontEnd.init_state(layer, batch, channels)
    assert_streaming_contract(AsReal(layer), torch.randn(2, 8, channels, 16 * columns))


@few
@given(columns=st.integers(1, 9), overlap=st.sampled_from([4, 8]), channels=st.integers(1, 3))
def test_stft_back_end(columns: int, overlap: int, channels: int) -> None:
    """Hops shorter and longer than the window, both."""
    layer = StftBackEnd(hop=16 * columns, window=16 * overlap, step=16)
    layer.init_state = lambda batch: StftBackEnd.init_state(layer, batch, channels)
    x = torch.randn(2, 8, channels, columns, 8 * overlap + 1, 2)
    assert_streaming_contract(FromReal(layer), x)


@pytest.mark.parametrize(("hop", "window"), [(480, 2048), (480, 480), (1920, 8192)])
def test_semitone_front_end(hop: int, window: int) -> None:
    layer = SemitoneFrontEnd(sample_rate=48000, hop=hop, window=window)
    assert_streaming_contract(layer, torch.randn(2, 9, 2, hop))


class AsReal(nn.Module):
    """A layer with complex output, as the contract compares reals."""

    def __init__(self, layer: StftFrontEnd) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return torch.view_as_real(self.layer(x))

    def init_state(self, batch: int) -> Any:
        return self.layer.init_state(batch)

    def step(self, x: Tensor, state: Any, active: Tensor) -> tuple[Tensor, Any]:
        y, state = self.layer.step(x, state, active)
        return torch.view_as_real(y), state


class FromReal(AsReal):
    """A layer with complex input."""

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(torch.view_as_complex(x.contiguous()))

    def step(self, x: Tensor, state: Any, active: Tensor) -> tuple[Tensor, Any]:
        return self.layer.step(torch.view_as_complex(x.contiguous()), state, active)


# --- layers that break one law each -----------------------------------------------------------------


class Sum(NamedTuple):
    total: Tensor


class RunningMean:
    """The honest layer that the broken ones below differ from: a decaying sum over the past."""

    def __call__(self, x: Tensor) -> Tensor:
        total, outputs = torch.zeros_like(x[:, 0]), []
        for n in range(x.shape[1]):
            total = 0.5 * total + x[:, n]
            outputs.append(total)
        return torch.stack(outputs, dim=1)

    def init_state(self, batch: int) -> Any:
        return Sum(torch.zeros(batch, 3))

    def step(self, x: Tensor, state: Any, active: Tensor) -> tuple[Tensor, Any]:
        total = 0.5 * state.total + x
        return total, Sum(select(active, total, state.total))


class PeeksAhead(RunningMean):
    """The parallel pass takes the sequence's mean off; a stream cannot know it."""

    def __call__(self, x: Tensor) -> Tensor:
        return super().__call__(x - x.mean(1, keepdim=True))


class PeeksAheadWhenMasked(RunningMean):
    """Agrees with the stream on the sequence under test, yet its parallel pass depends on the future."""

    def __init__(self, known: Tensor) -> None:
        self.known = known

    def __call__(self, x: Tensor) -> Tensor:
        return super().__call__(x) + (0 if torch.equal(x, self.known) else x.mean(1, keepdim=True))


class SharesRows(RunningMean):
    """The state is a mean over sessions; right for equal rows only."""

    def step(self, x: Tensor, state: Any, active: Tensor) -> tuple[Tensor, Any]:
        total, state = super().step(x, state, active)
        return total + 0 * state.total.mean(0), state


class MovesIdleRows(RunningMean):
    """Ignores `active`."""

    def step(self, x: Tensor, state: Any, active: Tensor) -> tuple[Tensor, Any]:
        return super().step(x, state, torch.ones_like(active))


class IdleRowsTouchActive(RunningMean):
    """An inactive neighbour changes the output."""

    def step(self, x: Tensor, state: Any, active: Tensor) -> tuple[Tensor, Any]:
        y, state = super().step(x, state, active)
        return y + (~active).any(), state


class KeepsStateOnItself(RunningMean):
    """Part of the state is an attribute, so that a snapshot loses it."""

    def init_state(self, batch: int) -> Any:
        self.hidden = torch.zeros(batch, 3)
        return Sum(torch.zeros(batch, 3))

    def step(self, x: Tensor, state: Any, active: Tensor) -> tuple[Tensor, Any]:
        self.hidden = 0.5 * self.hidden + x
        return self.hidden, Sum(select(active, self.hidden, state.total))


class ForgetsOnStep(RunningMean):
    """The stream forgets twice as fast as the parallel pass."""

    def step(self, x: Tensor, state: Any, active: Tensor) -> tuple[Tensor, Any]:
        return super().step(x, Sum(0.5 * state.total), active)


X = torch.randn(3, 8, 3, generator=torch.Generator().manual_seed(5))


def test_the_honest_layer_passes() -> None:
    assert_streaming_contract(RunningMean(), X)


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (PeeksAhead(), "law 3"),
        (PeeksAheadWhenMasked(X), "law 2: the parallel pass looks into the future"),
        (SharesRows(), "law 5: NaN in another session"),
        (MovesIdleRows(), "law 5: an idle session's state total moved"),
        (IdleRowsTouchActive(), "law 5: an idle session changed an active one"),
        (KeepsStateOnItself(), "snapshot"),
        (ForgetsOnStep(), "law 3"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_broken_layer_is_caught(broken: Any, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        assert_streaming_contract(broken, X)


def test_the_stream_goes_on_from_a_state() -> None:
    whole, _ = run_steps(RunningMean(), X)
    first, state = run_steps(RunningMean(), X[:, :3])
    rest, _ = run_steps(RunningMean(), X[:, 3:], state)
    assert torch.equal(torch.cat([first, rest], dim=1), whole)
