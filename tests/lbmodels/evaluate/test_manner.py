# SPDX-License-Identifier: GPL-3.0-or-later
"""Distances between manners of playing grow with what was done to the truth, each with its own damage."""

from dataclasses import replace

import numpy as np
import pytest

from lbmodels.evaluate.excerpts import Truth
from lbmodels.evaluate.features import Features
from lbmodels.evaluate.manner import MANNERS, distances
from lbmodels.evaluate.metrics import LEVEL_HOP_S, rest_placement

SECONDS, BAR_S = 40.0, 2.0
FRAMES = round(SECONDS / LEVEL_HOP_S)
TRUTH = Truth(
    beats_s=np.arange(0, SECONDS, 0.5),
    beat_chords=np.zeros((79, 12)),
    downbeats_s=np.arange(0, SECONDS, BAR_S),
    beat_keys=np.zeros(79),
)


def part(seed: int) -> Features:
    """Eighths with gaps, some bars soft, every fourth bar a rest, notes of 0.15 s."""
    rng = np.random.default_rng(seed)
    level, onsets = np.full(FRAMES, -90.0), []
    for bar in range(int(SECONDS / BAR_S)):
        if (bar + seed) % 4 == 3:
            continue
        loud = -20.0 - 8 * rng.random()
        for eighth in np.flatnonzero(rng.random(8) < 0.6):
            onset = bar * BAR_S + eighth * BAR_S / 8
            onsets.append(onset)
            first = round(onset / LEVEL_HOP_S)
            level[first : first + 4] = loud
    return Features(
        beats_s=TRUTH.beats_s, downbeats_s=TRUTH.downbeats_s, onsets_s=np.array(onsets), pulse=np.zeros(1),
        chroma=np.zeros((1, 12)), level_db=level, loudness_lufs=-20.0,
    )  # fmt: skip


TRUE = [part(seed) for seed in range(12)]


def heard(change: object) -> dict[str, tuple[float, float]]:
    played = [change(part(100 + seed)) for seed in range(12)]  # type: ignore[operator]
    return distances([(f, TRUTH) for f in played], [(f, TRUTH) for f in TRUE], 5.0)


def never_rests(f: Features) -> Features:
    return replace(f, level_db=np.maximum(f.level_db, -50.0))


def one_level(f: Features) -> Features:
    return replace(
        f, level_db=np.where(f.level_db > -60, -20.0, np.where(np.arange(FRAMES) % 50 < 4, -20.0, -90.0))
    )


def every_beat(f: Features) -> Features:
    return replace(f, onsets_s=TRUTH.beats_s)


def late(f: Features) -> Features:
    return replace(f, onsets_s=f.onsets_s + 0.125)


def long_notes(f: Features) -> Features:
    return replace(f, level_db=np.full(FRAMES, -25.0))


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (never_rests, {"rest_lengths"}),
        (one_level, {"bar_levels"}),
        (every_beat, {"bar_onsets", "bar_repeats", "bar_places"}),
        (late, {"bar_places"}),
        (long_notes, {"note_lengths", "rest_lengths", "bar_levels"}),
    ],
)
def test_each_damage_is_seen_by_what_measures_it(change: object, names: set[str]) -> None:
    """A distance that stays near that of two halves of the truth would call a metronome a player."""
    found, same = heard(change), heard(lambda f: f)
    for name in names:
        assert found[name][0] > 3 * max(same[name]), (name, found[name], same[name])
    for name, (distance, halves) in same.items():
        assert distance < 2.5 * halves + 0.02, name
    assert set(found) == set(MANNERS)


def test_rests_are_placed_where_the_truth_rests_or_by_chance() -> None:
    level = part(0).level_db
    assert rest_placement(level, level) == pytest.approx(1.0)
    assert rest_placement(level, np.where(level < -60, -20.0, -90.0)) == pytest.approx(-1.0)
    chance = [rest_placement(level, np.roll(part(seed).level_db, 37 * seed)) for seed in range(40)]
    assert abs(np.mean(chance)) < 0.1
    assert rest_placement(level, np.full(FRAMES, -20.0)) == 0.0
