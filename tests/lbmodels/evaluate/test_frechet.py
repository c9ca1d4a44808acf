# SPDX-License-Identifier: GPL-3.0-or-later
"""The Frechet distance is that of the formula, and a perfect player scores what the truth's halves score."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lbmodels.evaluate import extras, frechet, run


def excerpts(count: int, mean: float, spread: float, seed: int, size: int = 12) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [mean + spread * rng.standard_normal((5, size)) for _ in range(count)]


def test_it_is_the_distance_of_the_gaussians_that_drew_the_vectors() -> None:
    """sum of (m1 - m2)^2 + (s1 - s2)^2 per dimension, where covariances are diagonal."""
    found = frechet.distance(excerpts(2000, 1.0, 1.0, 0), excerpts(2000, 0.5, 2.0, 1))
    assert found == pytest.approx(12 * (0.5**2 + 1.0**2), rel=0.03)


def test_it_agrees_with_the_matrix_root() -> None:
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((300, 8)) @ rng.standard_normal((8, 8)), rng.standard_normal((250, 8))
    s, t = np.cov(a.T), np.cov(b.T)
    root = float(np.trace(s) + np.trace(t) - 2 * np.trace(sqrtm(s @ t)).real)
    expected = float(((a.mean(0) - b.mean(0)) ** 2).sum()) + root
    assert frechet.distance([a], [b]) == pytest.approx(expected, rel=1e-6)


def test_the_same_vectors_are_at_no_distance_even_where_they_are_fewer_than_their_size() -> None:
    some = excerpts(4, 0.0, 1.0, 0, size=50)
    assert frechet.distance(some, some[::-1]) == pytest.approx(0, abs=1e-6)
    assert math.isnan(frechet.distance([], some))
    assert math.isnan(frechet.distance([some[0][:1]], some))


def test_a_perfect_player_scores_the_halves_and_a_foreign_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the whole set held against the whole, a copy would score 0 and the floor would mean nothing."""
    metric = extras.SetMetric(embedding="numbers", score=frechet.distance)
    monkeypatch.setattr(run, "SETS", {"frechet": metric})
    true = [{"numbers": x} for x in excerpts(20, 0.0, 1.0, 5)]
    other = [{"numbers": x} for x in excerpts(20, 0.0, 1.0, 6)]
    foreign = [{"numbers": x} for x in excerpts(20, 1.0, 1.0, 7)]
    copied, fair, far = (run.set_scores(h, true)["frechet"] for h in (true, other, foreign))
    assert copied.halves > 0.3  # small samples of one distribution are apart
    assert copied.score == pytest.approx(copied.halves)
    assert fair.score == pytest.approx(fair.halves, rel=0.7)
    assert far.score > 4 * far.halves
