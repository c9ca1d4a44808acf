# SPDX-License-Identifier: GPL-3.0-or-later
"""Truth sampled at model frames."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbmodels.data.conditions import frame_conditions
from lbmodels.data.errors import DataError
from lbmodels.data.harmony import parse_label, pitch_class_vector
from lbmodels.data.slakh import ChordSpan, Track


def make_track(
    *,
    beat_s: float = 0.5,
    beats_per_bar: int = 4,
    n_beats: int = 16,
    first_s: float = 0.3,
    chords=("C", "A:min/b3"),
    key=9,
) -> Track:
    beats_s = first_s + beat_s * np.arange(n_beats)
    beat_in_bar = np.arange(n_beats) % beats_per_bar + 1
    values = [parse_label(c) for c in chords]
    edges = np.linspace(first_s, first_s + beat_s * n_beats, len(values) + 1)
    spans = tuple(
        ChordSpan(start_s=a, end_s=b, label=v.label, pitch_classes=pitch_class_vector(v), bass=v.bass)
        for a, b, v in zip(edges[:-1], edges[1:], values, strict=True)
    )
    return Track(
        name="t", duration_s=10.0, sample_rate=48000, stems=(), mix_path=Path("mix.flac"), beats_s=beats_s,
        beat_in_bar=beat_in_bar, downbeats_s=beats_s[beat_in_bar == 1], chords=spans, key=key, info={},
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.25, 1.2), st.integers(2, 6), st.integers(2, 40), st.floats(0, 2), st.integers(-50, 400),
    st.sampled_from([480, 1024, 1920, 2048]),
)  # fmt: skip
def test_phases_stay_in_range_and_agree_with_each_other(
    beat_s, beats_per_bar, n_beats, first_s, first_frame, hop
) -> None:
    track = make_track(beat_s=beat_s, beats_per_bar=beats_per_bar, n_beats=n_beats, first_s=first_s)
    got = frame_conditions(track, first_frame, 200, hop=hop, sample_rate=48000)
    times = (first_frame + np.arange(200)) * hop / 48000
    known = ~np.isnan(got["beat_phase"])
    end_s = first_s + n_beats * beat_s
    assert known[(times > first_s + 1e-6) & (times < end_s - 1e-6)].all()
    assert not known[(times < first_s - 1e-6) | (times > end_s + 1e-6)].any()
    for name in ("beat_phase", "bar_phase"):
        values = got[name][known]
        assert np.all((values >= 0) & (values < 1))
    assert np.allclose(got["tempo"][known], 60 / beat_s, rtol=1e-4)
    length = min(beats_per_bar, n_beats)
    wrapped = np.angle(np.exp(2j * np.pi * (got["bar_phase"][known] * length - got["beat_phase"][known])))
    assert np.abs(wrapped).max(initial=0) < 1e-3


def test_values_on_a_known_frame() -> None:
    got = frame_conditions(make_track(first_s=0.0), 25, 1, hop=1920, sample_rate=48000)  # 1.0 s = third beat
    assert got["beat_phase"][0] == pytest.approx(0.0, abs=1e-6)
    assert got["bar_phase"][0] == pytest.approx(0.5, abs=1e-6)
    assert got["tempo"][0] == pytest.approx(120.0)
    assert np.array_equal(np.flatnonzero(got["chord"][0]), [0, 4, 7])
    assert (got["chord_bass"][0], got["key"][0]) == (0, 9)


def test_the_bass_of_a_slash_chord_and_what_no_chord_says() -> None:
    got = frame_conditions(
        make_track(first_s=0.0, chords=("A:min/b3", "N")), 0, 190, hop=1920, sample_rate=48000
    )
    assert got["chord_bass"][0] == 0
    assert not got["chord"][150].any()
    assert np.isnan(got["chord_bass"][150])


def test_a_track_without_truth_is_unknown_everywhere() -> None:
    bare = make_track(n_beats=0, chords=(), key=None)
    got = frame_conditions(bare, 0, 5, hop=1920, sample_rate=48000)
    assert {k: v.shape for k, v in got.items()} == {
        "beat_phase": (5,), "bar_phase": (5,), "tempo": (5,), "chord": (5, 12), "chord_bass": (5,), "key": (5,),
    }  # fmt: skip
    assert all(np.isnan(v).all() and v.dtype == np.float32 for v in got.values())


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="hop, sample_rate and n_frames"):
        frame_conditions(make_track(), 0, 0, hop=1920, sample_rate=48000)
