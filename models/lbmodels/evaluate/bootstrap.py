# SPDX-License-Identifier: GPL-3.0-or-later
"""Floors by wrong pairing, and intervals by resampling songs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.metrics import Floats


@dataclass(frozen=True, kw_only=True)
class Score:
    """One figure with its floor, ceiling and 95 % intervals over songs.

    `floor` is the true stem of another song; `shuffled` the judged stem itself against another song's truth.
    """

    score: float
    score_interval: tuple[float, float]
    floor: float
    shuffled: float
    ceiling: float
    normalised: float
    interval: tuple[float, float]
    above_shuffled: float
    above_shuffled_interval: tuple[float, float]
    excerpts: int
    songs: int


def derangements(songs: Sequence[str], count: int, *, seed: int) -> npt.NDArray[np.int64]:
    """[count, N] permutations of N excerpts, none of which pairs an excerpt with its own song.

    Excerpts are laid out song after song in a random order and rotated by at least the longest run: then no
    place meets its own song.

    Raises:
        LiveBandModelError: one song holds more than half of the excerpts.
    """
    rng = np.random.default_rng(seed)
    names = sorted(set(songs))
    longest = max(list(songs).count(name) for name in names)
    shifts = np.arange(longest, len(songs) - longest + 1)
    if not len(shifts):
        raise LiveBandModelError(
            f"a random floor needs songs that each hold at most half of the excerpts, got {longest} of {len(songs)} from one"
        )
    result = np.empty((count, len(songs)), dtype=np.int64)
    for k in range(count):
        rank = dict(zip(names, rng.permutation(len(names)), strict=True))
        order = np.array(sorted(range(len(songs)), key=lambda i: rank[songs[i]]))
        result[k, order] = np.roll(order, rng.choice(shifts))
    return result


def summarise(
    songs: Sequence[str],
    score: Floats,
    floor: Floats,
    shuffled: Floats,
    ceiling: Floats,
    *,
    less_is_better: bool = False,
    draws: int = 2000,
    seed: int = 0,
) -> Score:
    """Means over excerpts (NaN left out) and percentile intervals over songs drawn with replacement.

    Of an error (`less_is_better`) the floor lies above the ceiling, and `above_shuffled` is what it is below it.
    """
    sign = -1.0 if less_is_better else 1.0
    known = np.isfinite(score) & np.isfinite(floor) & np.isfinite(shuffled) & np.isfinite(ceiling)
    kept = [song for song, good in zip(songs, known, strict=True) if good]
    values = np.stack((score, floor, shuffled, ceiling), axis=1)[known]
    names = sorted(set(kept))
    nan = float("nan")
    if not names:
        return Score(
            score=nan, score_interval=(nan, nan), floor=nan, shuffled=nan, ceiling=nan, normalised=nan,
            interval=(nan, nan), above_shuffled=nan, above_shuffled_interval=(nan, nan), excerpts=0, songs=0,
        )  # fmt: skip
    index = np.array([names.index(song) for song in kept])
    sums = np.zeros((len(names), 5))
    np.add.at(sums, index, np.concatenate((values, np.ones((len(values), 1))), axis=1))
    picks = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
    drawn = sums[picks].sum(axis=1)
    means = drawn[:, :4] / drawn[:, 4:]
    s, f, h, c = values.mean(axis=0)
    return Score(
        score=float(s),
        score_interval=_interval(means[:, 0]),
        floor=float(f),
        shuffled=float(h),
        ceiling=float(c),
        normalised=normalise(sign * s, sign * f, sign * c),
        interval=_interval(np.array([normalise(*row) for row in sign * means[:, [0, 1, 3]]])),
        above_shuffled=float(sign * (s - h)),
        above_shuffled_interval=_interval(sign * (means[:, 0] - means[:, 2])),
        excerpts=len(values),
        songs=len(names),
    )


def normalise(score: float, floor: float, ceiling: float) -> float:
    """(score - floor) / (ceiling - floor): 0 is chance, 1 the truth; NaN where the two do not part."""
    return float((score - floor) / (ceiling - floor)) if ceiling - floor > 1e-6 else float("nan")


def _interval(draws: Floats) -> tuple[float, float]:
    good = draws[np.isfinite(draws)]
    if not len(good):
        return float("nan"), float("nan")
    low, high = np.percentile(good, [2.5, 97.5])
    return float(low), float(high)
