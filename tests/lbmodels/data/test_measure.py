# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of how a data set sounds have known answers."""

from pathlib import Path

import numpy as np
import pytest

from lbmodels.data.measure import measure_split, measure_track, silence_share, spectral_tilt
from lbmodels.data.recording import noise
from lbmodels.data.slakh import find_tracks

TINY = Path(__file__).parents[2] / "fixtures" / "slakh_tiny"
RATE = 48000


def test_silence_is_counted_in_windows() -> None:
    audio = np.concatenate([np.zeros(RATE), 0.1 * np.sin(np.arange(3 * RATE) / 20)])
    assert silence_share(audio, RATE) == pytest.approx(0.25, abs=0.01)
    assert silence_share(np.zeros(RATE), RATE) == 1.0


@pytest.mark.parametrize(("kind", "tilt_db"), [("white", 0.0), ("pink", -3.0)])
def test_the_tilt_of_noise_is_that_of_its_colour(kind: str, tilt_db: float) -> None:
    audio = noise(kind, 10 * RATE, RATE, np.random.default_rng(0))[0].astype(np.float64)
    assert spectral_tilt(audio, RATE) == pytest.approx(tilt_db, abs=0.3)
    assert np.isnan(spectral_tilt(np.zeros(RATE), RATE))


def test_a_track_has_all_its_figures() -> None:
    figures = measure_track(find_tracks(TINY, "test")[0])
    assert 60 <= figures["tempo_bpm"] <= 200
    assert -60 < figures["level_db"] < 0
    bass = next(s for s in figures["stems"] if s["class"] == "bass")
    assert bass["polyphony"] == pytest.approx(1.0, abs=0.05)
    assert 0.2 < bass["notes_per_s"] < 12
    piano = next(s for s in figures["stems"] if s["class"] == "piano")
    assert piano["polyphony"] > 1.3
    split = measure_split(TINY, "test")
    assert split["tempo_bpm"][0] == split["tempo_bpm"][2] == pytest.approx(figures["tempo_bpm"])
    assert "drums.silence_share" in split
