# SPDX-License-Identifier: GPL-3.0-or-later
"""Two clocks that disagree, on a virtual clock: nothing runs dry, nothing is heard of the correction."""

import numpy as np
import pytest

from lbserver.audio.drift import DriftConfig, DriftFollower, Line
from lbserver.testing.drifting import BLOCK, RATE_HZ, Run, play
from lbserver.testing.grids import long_or_short


def check(run: Run, drift: float, *, anchors: int, settled_s: float = 0.0) -> None:
    """The figures of the fault matrix: no run dry, fill within 25 % after 30 s, rate within 5 ppm after 60 s, a tone
    without steps, corrections of at most 16 ppm per second.
    """
    follower, time_s = run.follower, run.time_s
    print(
        f"drift {drift * 1e6:+.0f} ppm: underruns {follower.underruns}, overruns {follower.overruns}, anchors "
        f"{follower.anchors}, off after 30 s {np.abs(run.off_samples[time_s > settled_s + 30]).max():.1f} samples, rate "
        f"error after 60 s {1e6 * np.abs(run.correction[time_s > settled_s + 60] - drift).max():.2f} ppm, "
        f"CPU {run.cpu_s:.1f} s for {len(time_s)} blocks"
    )
    assert follower.underruns == follower.overruns == 0
    assert follower.anchors == anchors
    assert np.abs(run.off_samples[time_s > settled_s + 30]).max() <= 0.25 * follower.target_samples
    assert np.abs(run.correction[time_s > settled_s + 60] - drift).max() <= 5e-6
    # Blocks that are heard in full; the one break of an anchor, and the fade in after it, aside.
    heard = run.level > 0.95
    assert np.count_nonzero(~heard) <= 0.1 * RATE_HZ / BLOCK + 4 * anchors
    whole = heard[2:] & heard[1:-1] & heard[:-2]
    assert np.abs(np.diff(run.phase, 2)[whole]).max() < 0.01
    slew = np.abs(np.diff(run.correction)) * RATE_HZ / BLOCK
    assert np.count_nonzero(slew > 16.5e-6) == anchors


@pytest.mark.parametrize("ppm", [200, -200, 0, 7])
def test_a_crystal_that_is_off_is_followed_unheard(ppm: float) -> None:
    check(play(120.0, lambda _now_s: ppm * 1e-6), ppm * 1e-6, anchors=0)


@pytest.mark.parametrize("ppm", [2000, -2000])
def test_a_clock_that_is_far_off_costs_one_break_at_most(ppm: float) -> None:
    """At 16 ppm per second the correction would take two minutes, and the buffer lasts twenty seconds."""
    check(play(120.0, lambda _now_s: ppm * 1e-6), ppm * 1e-6, anchors=1)


@pytest.mark.parametrize("ppm", [2000, -2000])
def test_a_clock_that_changes_its_pace_costs_one_break(ppm: float) -> None:
    """A step in the middle of a concert."""
    run = play(180.0, lambda now_s: 0.0 if now_s < 60 else ppm * 1e-6)
    check(run, ppm * 1e-6, anchors=1, settled_s=60.0)


def test_jitter_is_not_taken_for_drift() -> None:
    """20 ms of jitter, no drift: the pitch wanders by less than half a cent."""
    config = DriftConfig(rate_hz=RATE_HZ, channels=1, fill_ms=60.0)
    run = play(90.0, lambda _now_s: 0.0, jitter_ms=20.0, config=config)
    assert run.follower.underruns == run.follower.anchors == 0
    assert np.abs(run.correction).max() < 289e-6


@pytest.mark.slow
@pytest.mark.parametrize("ppm", [200, -200])
def test_an_hour_of_drift(ppm: float) -> None:
    """Up to 675,000 blocks and 34,560 samples of drift, none of it heard."""
    run = play(long_or_short(3600, 900), lambda _now_s: ppm * 1e-6)
    check(run, ppm * 1e-6, anchors=0)


def test_what_runs_dry_is_faded_counted_and_begins_again() -> None:
    config = DriftConfig(rate_hz=RATE_HZ, channels=2)
    follower = DriftFollower(config)
    rng = np.random.default_rng(1)
    out = []
    for index in range(400):
        now_s = index * BLOCK / RATE_HZ
        if not 100 <= index < 150:
            follower.push((0.3 + 0.01 * rng.standard_normal((2, BLOCK))).astype(np.float32), now_s)
        out.append(follower.pull(BLOCK, now_s))
    audio = np.concatenate(out, axis=1)
    assert follower.underruns == 1
    assert np.abs(np.diff(audio, axis=1)).max() < 0.1  # noise of 0.01 alone makes steps of 0.06
    assert np.abs(audio[:, -BLOCK:]).min() > 0.2
    assert np.abs(audio[:, 130 * BLOCK : 140 * BLOCK]).max() == 0.0


def test_the_line_forgets_and_stays_exact_for_long() -> None:
    """A day of points: cancellation must not eat the slope."""
    line = Line(nominal_per_s=48000.0, memory_s=10.0)
    for index in range(60_000):
        line.add(86_400.0 + index * 0.005, 86_400.0 * 48000 + index * 0.005 * 48000 * (1 + 50e-6))
    assert line.rate / 48000.0 - 1.0 == pytest.approx(50e-6, abs=1e-9)
