# SPDX-License-Identifier: GPL-3.0-or-later
"""Which excerpts are judged, and with what truth."""

from pathlib import Path

import numpy as np
import pytest

from lbmodels.data.slakh import read_track
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.excerpts import choose_excerpts, read_excerpt, read_truth

SIZES = {"seconds": 6.0, "hop": 1920, "sample_rate": 48000}


def test_choice_is_deterministic_and_spreads_over_songs(dataset):
    first = choose_excerpts(dataset, "test", "bass", 6, seed=3, **SIZES)
    assert first == choose_excerpts(dataset, "test", "bass", 6, seed=3, **SIZES)
    assert first != choose_excerpts(dataset, "test", "bass", 6, seed=4, **SIZES)
    assert first[:4] == choose_excerpts(dataset, "test", "bass", 4, seed=3, **SIZES)
    assert len({excerpt.track for excerpt in first[:4]}) == 4
    for a in first:
        for b in first:
            assert a is b or a.track != b.track or abs(a.start_s - b.start_s) >= 6
        assert a.start_s == pytest.approx(a.first_frame * 0.04)


def test_songs_without_the_stem_are_not_chosen(dataset):
    with pytest.raises(LiveBandModelError, match="guitar"):
        choose_excerpts(dataset, "test", "guitar", 4, seed=0, **SIZES)
    with pytest.raises(LiveBandModelError, match="nowhere"):
        choose_excerpts(dataset, "nowhere", "bass", 4, seed=0, **SIZES)
    with pytest.raises(LiveBandModelError, match="bass"):
        choose_excerpts(Path(dataset), "test", "bass", 4, seed=0, seconds=60, hop=1920, sample_rate=48000)


def test_truth_and_audio_of_an_excerpt(dataset):
    """The stem to be played must not be in the mix; beats are counted from the excerpt's start."""
    excerpt = choose_excerpts(dataset, "test", "drums", 1, seed=0, **SIZES)[0]
    track = read_track(excerpt.track_dir)
    mix, stem = read_excerpt(excerpt, track)
    truth = read_truth(excerpt, track)
    assert mix.shape == stem.shape == (2, 6 * 48000)
    spectrum = np.abs(np.fft.rfft(mix[0]))
    assert spectrum[(1800 * 6)] < 0.05 * spectrum.max()
    onset = np.flatnonzero(np.abs(stem[0]) > 0.05)[0] / 48000
    first = truth.beats_s[0] if truth.beats_s[0] < 0.5 else 0
    assert min(abs(onset - truth.beats_s).min(), onset) < 0.01 + first
    assert truth.beat_chords.shape == (len(truth.beats_s) - 1, 12)
    assert (truth.beat_chords.sum(axis=1) == 3).all()
