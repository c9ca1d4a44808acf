# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbserver.errors import LiveBandError
from lbserver.music import conditions
from lbserver.music.conditions import BeatMap, HostKnowledge, SteadyBeat
from lbserver.ring.timeline import Grid

GRID = Grid(host_rate_hz=44100, model_rate_hz=48000, hop_samples=1920)


def test_a_steady_beat_at_the_start_of_each_output_frame() -> None:
    source = conditions.condition_source(
        HostKnowledge(beat=SteadyBeat(bpm=150.0, first_beat_s=0.4, beats_per_bar=3)), GRID
    )
    # 150 bpm is a beat per 0.4 s, ten frames of 40 ms; the first beat is frame 10.
    for frame, beat, bar in (
        (10, 0.0, 0.0),
        (15, 0.5, 0.5 / 3),
        (20, 0.0, 1 / 3),
        (40, 0.0, 0.0),
        (0, 0.0, 2 / 3),
    ):
        known = source(frame)
        assert known["tempo"] == 150.0
        assert known["beat_phase"] == pytest.approx(beat, abs=1e-6)
        assert known["bar_phase"] == pytest.approx(bar, abs=1e-6)
        assert np.isnan(known["chord"]).all()
        assert np.isnan(known["key"])


@given(st.floats(20, 400), st.floats(-10, 10), st.floats(0, 20000), st.integers(1, 16))
def test_phases_stay_below_one_in_float32(bpm: float, first: float, time: float, bar: int) -> None:
    """A phase of exactly 1 would be a beat that is never over: found once by rounding to float32."""
    beat, bar_phase, _ = conditions.beat_at(SteadyBeat(bpm=bpm, first_beat_s=first, beats_per_bar=bar), time)
    for phase in (beat, bar_phase):
        assert 0.0 <= np.float32(phase) < 1.0


def test_a_tempo_without_a_first_beat_tells_the_tempo_only() -> None:
    beat, bar, tempo = conditions.beat_at(SteadyBeat(bpm=90.0), 1.0)
    assert np.isnan(beat)
    assert np.isnan(bar)
    assert tempo == 90.0


def test_a_beat_map_knows_nothing_outside_itself() -> None:
    beats = BeatMap(beats_s=(1.0, 1.5, 2.0, 3.0, 4.0, 4.5), beat_in_bar=(3, 1, 2, 3, 1, 2))
    assert conditions.beat_at(beats, 1.75) == pytest.approx((0.5, 0.5 / 3, 120.0))
    assert conditions.beat_at(beats, 2.25) == pytest.approx((0.25, 1.25 / 3, 60.0))
    assert conditions.beat_at(beats, 1.25) == pytest.approx((0.5, 2.5 / 3, 120.0))
    assert conditions.beat_at(beats, 4.25) == pytest.approx((0.5, 0.5 / 3, 120.0))
    for outside in (0.99, 4.5, 100.0):
        assert np.isnan(conditions.beat_at(beats, outside)).all()


def test_a_chart_starts_at_the_first_beat_and_repeats(tmp_path: Path) -> None:
    chart = tmp_path / "chart.txt"
    chart.write_text("| C . Am . | G7/B |")
    known = conditions.read_knowledge(bpm=120.0, first_beat_s=1.0, chords_path=chart, key="Am")
    labels = [conditions.chord_at(known, t) for t in (0.5, 1.0, 2.0, 3.0, 4.99, 5.0, 6.5)]
    assert [chord and chord.label for chord in labels] == [None, "C", "Am", "G7/B", "G7/B", "C", "Am"]
    at = conditions.conditions_at(known, 3.0)
    np.testing.assert_array_equal(np.flatnonzero(at["chord"]), [2, 5, 7, 11])
    assert at["chord_bass"] == 11
    assert at["key"] == 21


def test_no_chord_is_zeros_and_a_gap_is_unknown(tmp_path: Path) -> None:
    file = tmp_path / "chords.txt"
    file.write_text("0 1 N\n2 3 C\n")
    known = conditions.read_knowledge(chords_path=file)
    assert not np.any(conditions.conditions_at(known, 0.5)["chord"])
    assert np.isnan(conditions.conditions_at(known, 0.5)["chord_bass"])
    assert np.isnan(conditions.conditions_at(known, 1.5)["chord"]).all()
    assert np.isnan(conditions.conditions_at(known, 3.0)["chord"]).all()


def test_what_is_refused(tmp_path: Path) -> None:
    chart = tmp_path / "chart.txt"
    chart.write_text("| C |\n| Zz |\n")
    with pytest.raises(LiveBandError, match=r"chart\.txt: line 2, bar 2: 'Zz' is not a chord"):
        conditions.read_knowledge(bpm=120.0, chords_path=chart)
    chart.write_text("| C |")
    with pytest.raises(LiveBandError, match="needs the tempo"):
        conditions.read_knowledge(chords_path=chart)
    with pytest.raises(LiveBandError, match="no such chord file"):
        conditions.read_knowledge(chords_path=tmp_path / "none.txt")
    chart.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LiveBandError, match="cannot read the chord file"):
        conditions.read_knowledge(chords_path=chart)
    with pytest.raises(LiveBandError, match="--first-beat needs --bpm"):
        conditions.read_knowledge(first_beat_s=1.0)
    for bpm in (0.0, -3.0, 1000.0, float("nan")):
        with pytest.raises(LiveBandError, match="out of range"):
            SteadyBeat(bpm=bpm)
    with pytest.raises(LiveBandError, match="follow each other"):
        BeatMap(beats_s=(1.0, 1.0), beat_in_bar=(1, 2))


def test_a_chord_file_without_an_end_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("# a remark\n" * 100_000)
    for path in (Path("/dev/zero"), tmp_path / "long.txt"):
        with pytest.raises(LiveBandError, match=r"too large for chords: up to 1048576 characters"):
            conditions.read_knowledge(chords_path=path)
