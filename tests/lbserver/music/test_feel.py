# SPDX-License-Identifier: GPL-3.0-or-later
"""Half and double time: from the next bar on, on the beat, in any metre."""

import numpy as np
import pytest

from lbserver.music import feel
from lbserver.music.feel import Beat

BPM, FRAME_S = 110.0, 0.04


def told(wishes: dict[int, float], *, per_bar: int, frames: int = 500, bar: bool = True) -> list[Beat]:
    """A steady host retold frame by frame; `wishes` by the frame from which on they hold."""
    row = np.stack(feel.init_state(1), axis=1)[0]
    wish, heard = 1.0, []
    for frame in range(frames):
        wish = wishes.get(frame, wish)
        beats = 0.37 + frame * FRAME_S * BPM / 60
        phase = beats / per_bar % 1.0 if bar else float("nan")
        heard.append(feel.retold(Beat(beats % 1.0, phase, BPM), wish, row))
    return heard


def unwrapped(phases: list[float]) -> np.ndarray:
    return np.unwrap(2 * np.pi * np.array(phases)) / (2 * np.pi)


@pytest.mark.parametrize("per_bar", [3, 4, 5])
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_from_the_next_bar_on_all_of_the_beat_is_retold(per_bar: int, factor: float) -> None:
    """A switch in mid-bar limps; one that halves the beat and not the bar, or slips a beat with each bar, is heard at once."""
    heard = told({120: factor}, per_bar=per_bar)
    plain = told({}, per_bar=per_bar)
    changed = next(n for n, (a, b) in enumerate(zip(heard, plain, strict=True)) if a != b)
    assert 120 <= changed <= 120 + per_bar * 60 / BPM / FRAME_S + 1
    assert plain[changed].bar < plain[changed - 1].bar  # a bar began
    after = heard[changed:]
    assert {one.tempo for one in after} == {factor * BPM}
    frames = np.arange(len(after))
    for phases, cycle in (([b.beat for b in after], 1), ([b.bar for b in after], per_bar)):
        line = unwrapped(phases)
        assert np.abs(line - line[0] - frames * FRAME_S * factor * BPM / 60 / cycle).max() < 1e-6
        assert 0 <= phases[0] < 0.15  # it begins where the bar did
        assert all(0 <= phase < 1 for phase in phases)


def test_back_to_what_is_heard_at_a_bar_too() -> None:
    heard, plain = told({50: 0.5, 300: 1.0}, per_bar=4), told({}, per_bar=4)
    back = max(n for n, (a, b) in enumerate(zip(heard, plain, strict=True)) if a != b) + 1
    assert 300 <= back <= 300 + 56
    assert plain[back].bar < plain[back - 1].bar


def test_where_no_bar_is_known_a_beat_will_do_and_where_no_beat_is_the_tempo() -> None:
    """A wish that waits for a bar that nobody tells would wait for ever."""
    heard = told({100: 2.0}, per_bar=4, bar=False)
    assert heard[99].tempo == BPM
    assert heard[115].tempo == 2 * BPM
    assert np.isnan(heard[-1].bar)
    row = np.stack(feel.init_state(1), axis=1)[0]
    only_tempo = feel.retold(Beat(float("nan"), float("nan"), 100.0), 0.5, row)
    assert only_tempo.tempo == 50.0
    assert np.isnan(only_tempo.beat)
