# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the player's sound lands in the model's past, to the sample."""

import numpy as np
import pytest

from lbmodels.errors import LiveBandModelError
from lbmodels.families.livemusic.injection import (
    History,
    Injection,
    aligned,
    append,
    context,
    loop_samples,
    measured_latency,
)


def clicks(first: int, length: int, *at: int) -> History:
    samples = np.zeros((length, 2), np.float32)
    samples[[place - first for place in at]] = 0.5
    return History(first, samples)


def places(samples: np.ndarray) -> list[int]:
    return np.flatnonzero(samples[:, 0]).tolist()


def test_free_mode_puts_a_note_under_what_it_answered() -> None:
    """A capture at index 1300 with a latency of 300 answers output position 1000; what has not come is silence."""
    heard = clicks(0, 1400, 700, 1300)
    how = Injection(latency=300, fade=0)
    assert places(aligned(heard, 900, 400, how)) == [100]
    assert places(aligned(heard, 200, 1200, how)) == [200, 800]
    assert not aligned(heard, 1100, 500, how).any()


def test_looper_mode_fills_the_past_with_the_loop_before() -> None:
    """However far the capture lags, every phase of the loop is there once a whole loop has been played."""
    heard = clicks(0, 1400, 450, 1050)  # loops of 600: phases 150 and 150 with a latency of 300
    how = Injection(mode="looper", latency=300, loop=600, fade=0)
    assert places(aligned(heard, 600, 1200, how)) == [150, 750]
    everything = History(0, np.ones((1400, 2), np.float32))
    assert aligned(everything, 600, 1200, how).all()
    assert not aligned(everything, 0, 300, how).any()  # there is no loop before the first


def test_the_gap_keeps_the_player_out_of_the_end() -> None:
    everything = History(0, np.ones((2000, 1), np.float32))
    for mode in ("free", "looper"):
        under = aligned(everything, 500, 1000, Injection(mode=mode, gap=300, loop=100, fade=0))
        assert under[:700].all()
        assert not under[700:].any()


def test_borders_are_faded_and_beginnings_of_the_past_are_none() -> None:
    """A player who is cut off in the middle of a note would be heard as a click and continued as one."""
    everything = History(0, np.ones((1000, 1), np.float32))
    under = aligned(everything, 500, 1000, Injection(fade=100))[:, 0]
    assert under[0] == 1
    assert under[300] == 1
    assert 0 < under[480] < 0.2
    assert not under[500:].any()
    assert float(np.abs(np.diff(under)).max()) < 0.05


def test_gain_and_feedback_and_full_scale() -> None:
    output, heard = (
        History(100, np.full((50, 2), 0.4, np.float32)),
        History(0, np.full((400, 2), 0.4, np.float32)),
    )
    mixed = context(output, heard, Injection(gain=0.5, feedback=0.95))
    assert np.allclose(mixed, 0.95 * 0.4 + 0.5 * 0.4)
    assert context(output, heard, Injection(gain=4)).max() == 1.0
    assert np.array_equal(context(output, heard, Injection(mode="off")), output.samples)


def test_history_keeps_its_place() -> None:
    history = History(0, np.zeros((0, 2), np.float32))
    for number in range(5):
        history = append(history, np.full((100, 2), number, np.float32), 250)
    assert (history.first, history.end) == (250, 500)
    assert history.samples[0, 0] == 2


def test_latency_is_found_to_the_sample_or_refused() -> None:
    """A calibration that guesses puts every note in the wrong place."""
    rng = np.random.default_rng(3)
    played = rng.standard_normal(4800).astype(np.float32)
    captured = np.zeros(24_000, np.float32)
    captured[7123 : 7123 + 4800] = 0.05 * np.convolve(played, [1, 0.5, 0.25], "same")
    captured += 0.01 * rng.standard_normal(len(captured)).astype(np.float32)
    assert abs(measured_latency(played, captured) - 7123) <= 1
    with pytest.raises(LiveBandModelError, match="plainly enough"):
        measured_latency(played, rng.standard_normal(24_000).astype(np.float32))
    with pytest.raises(LiveBandModelError, match="plainly enough"):
        measured_latency(played, np.zeros(24_000, np.float32))


def test_settings_out_of_range_are_refused() -> None:
    assert loop_samples(120, 8) == 4 * 48_000
    for wrong in (
        {"mode": "echo"},
        {"gain": -1.0},
        {"feedback": float("nan")},
        {"latency": -1},
        {"mode": "looper"},
    ):
        with pytest.raises(LiveBandModelError, match="injection"):
            Injection(**wrong)  # type: ignore[arg-type]
    for bpm, beats in ((0, 8), (120, 0), (float("nan"), 8)):
        with pytest.raises(LiveBandModelError, match="loop"):
            loop_samples(bpm, beats)
