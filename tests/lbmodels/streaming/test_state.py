# SPDX-License-Identifier: GPL-3.0-or-later
"""State as a value."""

import contextlib
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lbmodels.errors import LiveBandModelError
from lbmodels.streaming.conv import CausalDepthwiseConv, ConvNeXtStack
from lbmodels.streaming.state import clone, from_bytes, map_tensors, named_tensors, select, to_bytes
from lbmodels.streaming.transformer import CausalTransformer


class Leaf(NamedTuple):
    a: torch.Tensor
    b: torch.Tensor


class Nest(NamedTuple):
    first: Leaf
    many: tuple[Leaf, ...]


def nest() -> Nest:
    def leaf() -> Leaf:
        return Leaf(torch.randn(2, 3), torch.randint(9, (2,)))

    return Nest(leaf(), (leaf(), leaf()))


def test_names_are_dotted_paths() -> None:
    names = [name for name, _ in named_tensors(nest())]
    assert names == ["first.a", "first.b", "many.0.a", "many.0.b", "many.1.a", "many.1.b"]


def test_a_restored_state_has_its_types_and_bits() -> None:
    state = nest()
    state.first.a[0, 0] = float("nan")
    again = from_bytes(to_bytes(state), nest())
    assert isinstance(again, Nest)
    assert isinstance(again.many[1], Leaf)
    for (_, old), (_, new) in zip(named_tensors(state), named_tensors(again), strict=True):
        assert old.dtype == new.dtype
        assert torch.equal(old.view(torch.uint8), new.view(torch.uint8))


def test_views_and_shared_memory_are_saved_too() -> None:
    """A state may be a slice of a larger tensor, or hold one tensor twice."""
    whole = torch.arange(24.0).view(2, 12)
    state = Leaf(whole[:, ::2], whole[:, ::2])
    again = from_bytes(to_bytes(state), state)
    assert torch.equal(again.a, whole[:, ::2])
    assert torch.equal(again.b, whole[:, ::2])


def test_a_clone_shares_no_memory() -> None:
    state = nest()
    copy = clone(state)
    map_tensors(lambda t: t.zero_(), state)
    assert copy.many[1].a.abs().sum() > 0


def test_select_takes_whole_rows() -> None:
    new, old = torch.ones(3, 2, 2), torch.zeros(3, 2, 2)
    assert select(torch.tensor([True, False, True]), new, old)[:, 0, 0].tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        (CausalTransformer(16, 2, 3, 8), "another model"),
        (CausalTransformer(16, 2, 2, 9), "needs"),
        (CausalTransformer(16, 4, 2, 8), "needs"),
        (ConvNeXtStack(16, 3, 2), "another model"),
        (CausalDepthwiseConv(16, 3), "another model"),
    ],
)
def test_a_snapshot_of_another_model_is_refused_in_one_line(other, complaint: str) -> None:
    saved = to_bytes(CausalTransformer(16, 2, 2, 8).init_state(2))
    with pytest.raises(LiveBandModelError, match=complaint) as refused:
        from_bytes(saved, other.init_state(2))
    assert "\n" not in str(refused.value)


def test_a_snapshot_of_another_batch_is_refused() -> None:
    layer = CausalDepthwiseConv(4, 3)
    with pytest.raises(LiveBandModelError, match=r"past is \(2, 2, 4\).* needs \(3, 2, 4\)"):
        from_bytes(to_bytes(layer.init_state(2)), layer.init_state(3))


@settings(max_examples=40)
@given(st.data())
def test_a_damaged_snapshot_is_refused_or_has_the_right_shape(data: st.DataObject) -> None:
    """Any cut or flipped byte of the header: one of our errors, never a crash."""
    like = ConvNeXtStack(4, 3, 1).init_state(2)
    saved = bytearray(to_bytes(like))
    if data.draw(st.booleans()):
        saved = saved[: data.draw(st.integers(0, len(saved) - 1))]
    else:
        saved[data.draw(st.integers(0, 80))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(LiveBandModelError):
        assert from_bytes(bytes(saved), like)[0].past.shape == like[0].past.shape
