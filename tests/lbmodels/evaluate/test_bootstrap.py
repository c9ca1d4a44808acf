# SPDX-License-Identifier: GPL-3.0-or-later
"""Floors and intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.bootstrap import derangements, normalise, summarise


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=40), st.integers(0, 5))
def test_no_excerpt_meets_its_own_song(songs, seed):
    """A floor that holds true pairs is too high, and hides what a model can do."""
    names = [f"song {i}" for i in songs]
    if max(names.count(name) for name in names) * 2 > len(names):
        with pytest.raises(LiveBandModelError, match="half"):
            derangements(names, 3, seed=seed)
        return
    pairings = derangements(names, 3, seed=seed)
    for pairing in pairings:
        assert sorted(pairing) == list(range(len(names)))
        assert all(names[i] != names[j] for i, j in enumerate(pairing))
    assert np.array_equal(pairings, derangements(names, 3, seed=seed))


def test_intervals_cover_the_true_mean():
    """Excerpts of one song are alike: an interval over excerpts instead of songs would cover far too rarely."""
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(100):
        levels = rng.normal(0.5, 0.2, size=30)
        songs = [f"s{i}" for i in range(30) for _ in range(4)]
        score = np.repeat(levels, 4) + rng.normal(0, 0.02, size=120)
        flat = np.zeros(120)
        found = summarise(songs, score, flat, flat, flat + 1, draws=300, seed=trial)
        covered += found.interval[0] <= 0.5 <= found.interval[1]
    assert 85 <= covered <= 100


def test_normalised_score_of_floor_and_ceiling():
    songs = ["a", "a", "b", "c"]
    floor, ceiling = np.full(4, 0.25), np.full(4, 0.75)
    assert summarise(songs, floor, floor, floor, ceiling).normalised == pytest.approx(0)
    assert summarise(songs, ceiling, floor, floor, ceiling).interval == pytest.approx((1, 1))
    half = summarise(songs, (floor + ceiling) / 2, floor, floor, ceiling)
    assert (half.normalised, half.excerpts, half.songs) == (pytest.approx(0.5), 4, 3)
    assert np.isnan(normalise(0.5, 0.5, 0.5))


def test_of_an_error_less_is_better():
    songs = ["a", "b", "c"]
    found = summarise(
        songs, np.full(3, 2.0), np.full(3, 8.0), np.full(3, 8.0), np.zeros(3), less_is_better=True
    )
    assert (found.normalised, found.above_shuffled) == (pytest.approx(0.75), pytest.approx(6.0))


def test_unknown_excerpts_are_left_out():
    nan = np.full(3, np.nan)
    assert summarise(["a", "b", "c"], nan, nan, nan, nan).songs == 0
    score = np.array([0.4, np.nan, 0.6])
    found = summarise(["a", "b", "c"], score, np.zeros(3), np.zeros(3), np.ones(3))
    assert (found.songs, found.score) == (2, pytest.approx(0.5))
