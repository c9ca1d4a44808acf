# SPDX-License-Identifier: GPL-3.0-or-later
"""The window protocol: what is heard, known and written, and that nothing is written twice or left out."""

import random

import pytest
import torch

from lbmodels.contract.quality import QUALITIES, after_step, wished
from lbmodels.errors import LiveBandModelError
from lbmodels.families.lookahead import published
from lbmodels.families.lookahead.quality import tier_of
from lbmodels.families.lookahead.window import (
    Memory,
    Window,
    cross_fade,
    empty_memory,
    equal_power,
    recall,
    remember,
)


@pytest.mark.parametrize(
    ("ratio", "ahead", "new", "heard"),
    [(0.25, 1, 16, 32), (0.125, 1, 8, 48), (0.125, 0, 8, 56), (0.25, -1, 16, 64), (1.0, -1, 64, 64)],
)
def test_the_parts_of_a_window_are_the_published_ones(ratio: float, ahead: int, new: int, heard: int) -> None:
    """A mask that is a column off trains and plays, a little worse than it should."""
    window = Window(ratio=ratio, look_ahead=ahead)
    assert (window.new_columns(64), window.heard_columns(64)) == (new, heard)


@pytest.mark.parametrize(("ratio", "ahead"), [(0.5, 1), (0.0, 1), (1.5, -1), (0.25, 2), (float("nan"), 0)])
def test_impossible_windows_are_refused_in_words(ratio: float, ahead: int) -> None:
    with pytest.raises(LiveBandModelError, match=r"step ratio|look-ahead"):
        Window(ratio=ratio, look_ahead=ahead)


def test_nothing_is_written_twice_or_left_out_whatever_changes() -> None:
    """r and w changed while playing: a step that starts at its own ideal place repeats or skips what lies between."""
    rng, columns = random.Random(5), 64
    cursor, written, changes = 64, None, 0
    window = Window(ratio=0.25, look_ahead=1)
    for _ in range(400):
        if rng.random() < 0.3:
            ahead = rng.choice((0, 1))
            window = Window(ratio=rng.choice((0.0625, 0.125, 0.25)), look_ahead=ahead)
            changes += 1
        step = window.step_at(cursor, columns, written)
        if step is not None:
            assert written is None or step.start == max(written, cursor)
            assert step.end == cursor + (window.look_ahead + 1) * window.new_columns(columns)
            assert step.first <= step.start < step.end == step.first + columns
            written = step.end
        assert written is not None
        assert written >= cursor + (window.new_columns(columns) if window.look_ahead == 0 else 0)
        cursor += window.new_columns(columns)
    assert changes > 50


def test_what_is_past_is_never_written_ahead() -> None:
    """After a dropped batch a player that goes on where it stopped sends audio that should have sounded already."""
    window = Window(ratio=0.25, look_ahead=1)
    step = window.step_at(200, 64, written=150)
    assert step is not None
    assert step.start == 200
    assert step.end == 232


def test_a_memory_moves_by_columns_and_knows_what_it_never_held() -> None:
    """Zeros that come in at the end taken for silence that was played teach the model to stop."""
    memory = remember(torch.arange(6.0).view(1, 6, 1), torch.tensor([10]))
    latents, known = recall(memory, torch.tensor([12]))
    assert latents[0, :, 0].tolist() == [2, 3, 4, 5, 0, 0]
    assert known[0].tolist() == [True] * 4 + [False] * 2
    fresh = empty_memory(1, 6, 1)
    assert not recall(fresh, torch.tensor([3]))[1].any()
    part = Memory(memory.latents, memory.end, torch.tensor([2]))
    assert recall(part, torch.tensor([11]))[1][0].tolist() == [False] * 3 + [True] * 2 + [False]


def test_cross_fades_keep_the_power() -> None:
    """Linear gains on both sides dip by 3 dB in the middle; squared ones by more."""
    goes, comes = equal_power(882)
    assert torch.allclose(goes.square() + comes.square(), torch.ones(882))
    joined = cross_fade(torch.ones(2, 100), torch.zeros(2, 100))
    assert joined[0, 0] > 0.99
    assert joined[0, -1] < 0.01


def test_the_published_audio_is_placed_where_it_belongs() -> None:
    """The published server reckons 4134.375 samples a column where the codec has 4096: 41 and 48 ms late."""
    for new, late_ms in ((16, 40.9), (8, 47.9)):
        right = published.first_sample(64, new + 1, as_published=False)
        wrong = published.first_sample(64, new + 1, as_published=True)
        assert right == 4096 * (63 - new)
        assert (wrong - right) / 44.1 == pytest.approx(late_ms, abs=0.1)


def test_two_late_steps_lower_the_tier_and_two_more_at_the_bottom_fade() -> None:
    """A player that keeps a tier it cannot afford drops every batch from then on."""
    pace = wished(QUALITIES.index("fine"))
    names = []
    for _ in range(6):
        pace = after_step(pace, 1.0, 0.5)
        names.append(pace.name)
    assert names == ["fine", "fast", "fast", "draft", "draft", "draft"]
    assert pace.silent
    pace = after_step(pace, 0.3, 0.5)
    assert not pace.silent
    for _ in range(8):
        pace = after_step(pace, 0.1, 0.5)
    assert pace.name == "fast"
    assert wished(3, pace).name == "full", "another wish is tried at once"
    assert wished(2, pace) == pace
    for _ in range(80):
        pace = after_step(pace, 0.1, 0.5)
    assert pace.name == "fine", "never better than what was wished for"
    with pytest.raises(LiveBandModelError, match="draft, fast, fine, full"):
        tier_of("best")
