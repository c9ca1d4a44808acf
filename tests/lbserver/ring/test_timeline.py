# SPDX-License-Identifier: GPL-3.0-or-later
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbserver.errors import LiveBandError
from lbserver.ring import timeline
from lbserver.ring.timeline import Grid, Mode

RATES = st.sampled_from([8000, 11025, 22050, 44100, 44101, 48000, 88200, 96000, 192000])
GRIDS = st.builds(
    Grid,
    host_rate_hz=RATES,
    model_rate_hz=st.sampled_from([32000, 44100, 48000]),
    hop_samples=st.integers(1, 4096),
    chunk_frames=st.integers(1, 8),
)
DEFAULT = Grid(host_rate_hz=48000, model_rate_hz=48000, hop_samples=1920)


@given(GRIDS, st.integers(0, 10**12))
def test_positions_there_and_back_are_exact(grid: Grid, sample: int) -> None:
    there = timeline.host_position(grid, sample)
    assert there * grid.model_rate_hz / grid.host_rate_hz == sample
    assert timeline.model_position(grid, sample) * grid.host_rate_hz == sample * grid.model_rate_hz


@given(GRIDS, st.integers(0, 10**7), st.integers(0, 64))
def test_steps_emit_each_frame_once_and_never_hear_ahead(grid: Grid, step: int, ahead: int) -> None:
    """Law 2 in numbers: what a step heard ends A*H before its first output frame begins."""
    out = timeline.output_frames_of_step(grid, step, ahead)
    assert out[-1] + 1 == timeline.output_frames_of_step(grid, step + 1, ahead)[0]
    heard_frames = (step + 1) * grid.chunk_frames
    assert heard_frames == out[0] - ahead
    assert timeline.output_frames_of_step(grid, 0, ahead)[0] == timeline.silent_frames(grid, ahead)


@given(
    GRIDS,
    st.fractions(0, 10**6, max_denominator=1000),
    st.integers(0, 64),
    st.integers(1, 65536),
)
def test_latency_is_the_least_whole_block_that_pays(
    grid: Grid, budget: Fraction, ahead: int, block: int
) -> None:
    latency = timeline.latency_samples(
        grid, budget_samples=budget, anticipation_frames=ahead, block_samples=block
    )
    slack = latency + timeline.anticipation_samples(grid, ahead)
    assert latency >= 0
    assert latency % block == 0
    assert slack >= budget
    assert latency == 0 or slack - block < budget


@given(GRIDS, st.fractions(0, 10**6, max_denominator=1000))
def test_live_mode_takes_the_least_anticipation_without_latency(grid: Grid, budget: Fraction) -> None:
    live = timeline.timing(
        grid, Mode.LIVE, budget_samples=budget, block_samples=64, anticipations=range(1 << 40)
    )
    assert live.latency_samples == 0
    assert live.anticipation_samples >= budget
    if live.anticipation_frames:
        assert timeline.anticipation_samples(grid, live.anticipation_frames - 1) < budget


@given(GRIDS, st.fractions(0, 10**6, max_denominator=1000), st.integers(0, 100))
def test_live_mode_owes_as_latency_what_the_largest_anticipation_does_not_pay(
    grid: Grid, budget: Fraction, most: int
) -> None:
    live = timeline.timing(
        grid, Mode.LIVE, budget_samples=budget, block_samples=64, anticipations=range(most + 1)
    )
    assert live.anticipation_frames <= most
    assert live.anticipation_samples + live.latency_samples >= budget
    assert live.latency_samples == 0 or live.anticipation_frames == most


def test_figures_of_the_default_setting() -> None:
    made = timeline.timing(DEFAULT, Mode.BOUNCE, budget_samples=Fraction(5000), anticipation_frames=1)
    assert made.anticipation_samples == 1920
    assert made.latency_samples == 0
    assert made.recency_gap_ms == 40.0
    assert made.future_visibility_s == Fraction(-1, 25)
    aligned = timeline.timing(DEFAULT, Mode.ALIGNED, budget_samples=Fraction(1000), block_samples=512)
    assert (aligned.anticipation_frames, aligned.latency_samples) == (0, 1024)
    assert aligned.recency_gap_samples == 1024
    manual = timeline.timing(
        DEFAULT, Mode.MANUAL, budget_samples=Fraction(4000), anticipation_frames=2, block_samples=128
    )
    assert manual.latency_samples == 256


@given(GRIDS, st.integers(0, 64), st.integers(0, 10**6))
def test_the_gap_is_that_of_the_last_frame_of_a_chunk(grid: Grid, ahead: int, latency: int) -> None:
    """A gap that forgets the chunk: a model that writes a second at once would promise 40 ms."""
    of_one = timeline.timing(
        grid, Mode.MANUAL, anticipation_frames=ahead, anticipations=range(65), budget_samples=Fraction(0)
    )
    timing = timeline.with_latency(grid, of_one, latency)
    last = timeline.output_frames_of_step(grid, 0, ahead)[-1]
    heard = timeline.host_position(grid, grid.chunk_frames * grid.hop_samples)
    begins = timeline.host_position(grid, last * grid.hop_samples)
    assert timing.recency_gap_samples == begins + latency - heard
    assert timing.recency_gap_ms == pytest.approx(
        float(timing.recency_gap_samples) * 1000 / grid.host_rate_hz
    )


@pytest.mark.parametrize(
    ("wish_ms", "frames"), [(0, 0), (19, 0), (20, 1), (40, 1), (59, 1), (61, 2), (1000, 25)]
)
def test_wishes_round_to_the_nearest_frame(wish_ms: float, frames: int) -> None:
    assert timeline.anticipation_frames_nearest(DEFAULT, wish_ms) == frames


def test_anticipation_on_steps() -> None:
    """A window model writes whole windows ahead: an A between two of them was told, and another one played."""
    steps = range(4, 101, 16)
    for budget, frames in ((0, 4), (4 * 1920, 4), (4 * 1920 + 1, 20), (10**9, 100)):
        live = timeline.timing(DEFAULT, Mode.LIVE, budget_samples=Fraction(budget), anticipations=steps)
        assert live.anticipation_frames == frames
        assert live.anticipation_samples + live.latency_samples >= budget
    assert [timeline.anticipation_frames_nearest(DEFAULT, ms, steps) for ms in (160, 479, 481, 4000)] == [
        4,
        4,
        20,
        100,
    ]
    with pytest.raises(LiveBandError, match="5 frames is out of range: 4 to 100 frames in steps of 16"):
        timeline.timing(DEFAULT, Mode.MANUAL, anticipation_frames=5, anticipations=steps)


def test_what_is_refused() -> None:
    with pytest.raises(LiveBandError, match="needs an anticipation"):
        timeline.timing(DEFAULT, Mode.MANUAL)
    with pytest.raises(LiveBandError, match="26 frames is out of range: 0 to 25"):
        timeline.timing(DEFAULT, Mode.BOUNCE, anticipation_frames=26, anticipations=range(26))
    with pytest.raises(LiveBandError, match="host_rate_hz"):
        Grid(host_rate_hz=0, model_rate_hz=48000, hop_samples=1920)
    with pytest.raises(LiveBandError, match="block"):
        timeline.latency_samples(DEFAULT, budget_samples=Fraction(0), anticipation_frames=0, block_samples=0)
