# SPDX-License-Identifier: GPL-3.0-or-later
"""Attention: what each frame sees, the two kinds of learned slots, and precision after weeks of stream."""

import pytest
import torch

from lbmodels.streaming.attention import WindowedAttention, rotary, rotate
from lbmodels.streaming.contract import run_steps
from lbmodels.streaming.transformer import CausalTransformer, TransformerState


def even(window: int, sinks: int = 2) -> WindowedAttention:
    """Attention that looks at all it sees evenly: with queries of zero every logit is its bias."""
    layer = WindowedAttention(4, 1, window, sinks=sinks).requires_grad_(False)
    layer.project.weight[:4] = 0
    layer.out.weight.copy_(torch.eye(4))
    return layer


def test_nothing_heard_yet_fades_out_as_the_window_fills() -> None:
    """At position p it stands for the window - 1 - p frames before the stream; from a full window on, for none."""
    window, sinks = 6, 2
    layer = even(window, sinks)
    layer.project.weight.zero_()
    layer.slot_values[:, sinks] = 1.0
    offline = layer(torch.randn(1, 12, 4))[0, :, 0]
    expected = torch.tensor([max(0, window - 1 - p) / (window + sinks) for p in range(12)])
    torch.testing.assert_close(offline, expected)
    state = layer.init_state(1)
    for p in range(12):
        y, state = layer.step(torch.randn(1, 4), state, torch.tensor([True]), torch.tensor([p]))
        torch.testing.assert_close(y[0, 0], expected[p])


def test_sinks_are_seen_for_ever() -> None:
    layer = even(4, 2)
    layer.project.weight.zero_()
    layer.slot_values[:, :2] = 1.0
    torch.testing.assert_close(layer(torch.randn(1, 50, 4))[0, :, 0], torch.full((50,), 2 / 6))


@pytest.mark.parametrize("window", [1, 3, 7])
def test_a_frame_sees_itself_and_the_window_before_it_and_no_more(window: int) -> None:
    layer = WindowedAttention(8, 2, window)
    for seen_from in (0, window, 2 * window + 1):
        x = torch.randn(1, 20, 8, requires_grad=True)
        layer(x)[0, seen_from].square().sum().backward()
        heard = x.grad[0].abs().sum(-1) > 0
        expected = [max(0, seen_from - window + 1) <= n <= seen_from for n in range(20)]
        assert heard.tolist() == expected


def test_the_bidirectional_reference_sees_everything_and_no_missing_frames() -> None:
    layer = WindowedAttention(8, 2, 3, causal=False)
    layer.slot_values.data[:, -1] = torch.nan
    layer.slot_values.data[:, -1] = 1e3
    x = torch.randn(1, 10, 8, requires_grad=True)
    y = layer(x)
    assert y.abs().max() < 1e2
    y[0, 4].square().sum().backward()
    assert (x.grad[0].abs().sum(-1) > 0).all()


def test_rotation_keeps_its_precision_at_position_10_to_the_8() -> None:
    """46 days at 25 frames a second: angles reduced in float32 would be off by radians."""
    torch.manual_seed(0)
    q, k = torch.randn(2, 64)
    for age in (0, 1, 17, 255):
        scores = []
        for position in (1000, 10**8):
            turned = rotate(q, *rotary(torch.tensor(position), 64))
            scores.append(turned @ rotate(k, *rotary(torch.tensor(position - age), 64)))
        torch.testing.assert_close(scores[0], scores[1], atol=1e-4, rtol=1e-5)


def test_a_stream_of_46_days_sounds_like_a_young_one() -> None:
    """With a full window, attention depends on ages alone: nothing else may know the position."""
    torch.manual_seed(1)
    layer = CausalTransformer(16, 2, 2, 5)
    for block in layer.blocks:
        block.attention.out.weight.data.normal_(0, 0.3)
    x = torch.randn(1, 40, 16)
    with torch.no_grad():
        young, _ = run_steps(layer, x)
        fresh = layer.init_state(1)
        old = TransformerState(torch.full_like(fresh.position, 10**8), fresh.blocks)
        aged, state = run_steps(layer, x, old)
    assert state.position.item() == 10**8 + 40
    # Two blocks of five frames: what was in the rings at the start is gone after ten.
    torch.testing.assert_close(aged[:, 12:], young[:, 12:], atol=1e-4, rtol=1e-4)


def test_the_loudest_input_does_not_saturate_attention() -> None:
    """Queries and keys are normalised, so logits stay bounded whatever comes in."""
    layer = WindowedAttention(8, 2, 6)
    x = torch.randn(1, 12, 8)
    for scale in (1e-6, 1e6):
        assert layer(scale * x).isfinite().all()
    with torch.no_grad():
        torch.testing.assert_close(layer(1e3 * x), layer(1e4 * x) / 10, atol=1e-3, rtol=1e-3)
