# SPDX-License-Identifier: GPL-3.0-or-later
"""A and L of an epoch: enough for everything between a sample and its effect, no more than a block too much."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbserver.engine.budget import Budget, Wish, epoch_timing
from lbserver.engine.lane import resampling_samples
from lbserver.errors import LiveBandError
from lbserver.ring.timeline import Mode
from lbserver.testing import accompanists

SPEC = accompanists.copy().spec


@given(
    st.sampled_from([44100, 48000, 88200, 96000, 8000, 192000]),
    st.integers(1, 8192),
    st.sampled_from([Mode.LIVE, Mode.ALIGNED, Mode.MANUAL]),
    st.floats(0, 0.2),
    st.integers(0, 12),
)
def test_what_is_granted_covers_what_is_needed_within_a_block(
    rate_hz: int, block: int, mode: Mode, compute_s: float, frames: int
) -> None:
    """Too little is late for ever; too much is latency for nothing."""
    wish = Wish(rate_hz=rate_hz, block_samples=block, mode=mode, anticipation_ms=40.0 * frames)
    timing = epoch_timing(SPEC, wish, Budget(compute_s=compute_s, margin_s=0.002))
    needed = (compute_s + 0.002) * rate_hz + block - 1 + resampling_samples(SPEC, rate_hz)
    granted = float(timing.anticipation_samples) + timing.latency_samples
    assert granted >= needed - 1e-6
    assert timing.latency_samples % block == 0
    if timing.latency_samples:
        assert granted < needed + block + 1
    if mode is Mode.LIVE and timing.anticipation_frames < SPEC.anticipation_frames[1]:
        assert timing.latency_samples == 0
        one_less = (timing.anticipation_frames - 1) * SPEC.hop * rate_hz / SPEC.sample_rate
        assert one_less < needed
    if mode is Mode.ALIGNED:
        assert timing.anticipation_frames == 0
    if mode is Mode.MANUAL:
        assert timing.anticipation_frames == frames
    assert timing.recency_gap_samples == timing.anticipation_samples + timing.latency_samples


def test_a_bounce_owes_nothing_for_compute() -> None:
    wish = Wish(rate_hz=48000, block_samples=512, mode=Mode.BOUNCE, anticipation_ms=40.0)
    assert epoch_timing(SPEC, wish, Budget(compute_s=5.0, margin_s=1.0)).latency_samples == 0


def test_a_bounce_takes_the_latency_it_was_saved_with() -> None:
    wish = Wish(rate_hz=48000, block_samples=64, mode=Mode.BOUNCE, anticipation_ms=0.0, latency_samples=1000)
    timing = epoch_timing(SPEC, wish, Budget(compute_s=5.0, margin_s=1.0))
    assert (timing.anticipation_frames, timing.latency_samples) == (0, 1000)
    assert timing.recency_gap_samples == Fraction(1000)
    short = Wish(rate_hz=48000, block_samples=512, mode=Mode.BOUNCE, anticipation_ms=0.0, latency_samples=100)
    with pytest.raises(LiveBandError, match="100 samples is too short for blocks of 512: 512 or more"):
        epoch_timing(SPEC, short, Budget(compute_s=0.0, margin_s=0.0))


def test_a_latency_that_the_ring_cannot_hold_is_refused() -> None:
    """It would read what was overwritten: audio of another place."""
    wish = Wish(
        rate_hz=48000, block_samples=64, mode=Mode.BOUNCE, anticipation_ms=0.0, latency_samples=1 << 20
    )
    with pytest.raises(LiveBandError, match=r"1048576 samples .* is too long: the ring holds 1048576"):
        epoch_timing(SPEC, wish, Budget(compute_s=0.0, margin_s=0.0))


def test_an_anticipation_that_the_model_was_not_made_for_is_refused() -> None:
    wish = Wish(rate_hz=48000, block_samples=64, mode=Mode.MANUAL, anticipation_ms=5000.0)
    with pytest.raises(LiveBandError, match="125 frames is out of range: 0 to 25"):
        epoch_timing(SPEC, wish, Budget(compute_s=0.0, margin_s=0.0))
