# SPDX-License-Identifier: GPL-3.0-or-later
"""Chord labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmodels.data.errors import DataError
from lbmodels.data.harmony import (
    NO_CHORD,
    NOTE_NAMES,
    QUALITIES,
    UNKNOWN_CHORD,
    chord,
    parse_label,
    pitch_class_vector,
    transpose,
)

CHORDS = st.builds(chord, st.integers(0, 11), st.sampled_from(sorted(QUALITIES)), st.integers(0, 11))


@pytest.mark.parametrize(
    ("label", "tones", "bass"),
    [
        ("C", {0, 4, 7}, 0),
        ("C:min7/b3", {0, 3, 7, 10}, 3),
        ("F#:maj", {6, 10, 1}, 6),
        ("Eb:sus4(b7,9)", {3, 8, 10, 1, 5}, 3),
        ("A:(1,5)", {9, 4}, 9),
        ("G:7(*5)", {7, 11, 5}, 7),
        ("B:hdim7/b7", {11, 2, 5, 9}, 9),
        ("D:maj/5", {2, 6, 9}, 9),
    ],
)
def test_known_labels(label: str, tones: set[int], bass: int) -> None:
    value = parse_label(label)
    assert set(value.tones) == tones
    assert value.bass == bass


@given(CHORDS)
def test_written_labels_read_back_as_the_same_sound(value) -> None:
    again = parse_label(value.label)
    assert (set(again.tones), again.bass, again.root) == (set(value.tones), value.bass, value.root)


@given(CHORDS, st.integers(-12, 12))
def test_transposition_rotates_the_pitch_classes(value, semitones: int) -> None:
    moved = pitch_class_vector(transpose(value, semitones))
    assert np.array_equal(moved, np.roll(pitch_class_vector(value), semitones))


def test_no_chord_has_no_tones() -> None:
    assert parse_label("N") == NO_CHORD
    assert not pitch_class_vector(NO_CHORD).any()
    assert NO_CHORD.label == "N"


def test_an_unknown_chord_is_not_silence() -> None:
    """Harte's X: taught as "no chord" it would tell the model to stop playing."""
    assert parse_label("X") == transpose(UNKNOWN_CHORD, 5) == UNKNOWN_CHORD != NO_CHORD
    assert np.isnan(pitch_class_vector(UNKNOWN_CHORD)).all()
    assert parse_label(UNKNOWN_CHORD.label) == UNKNOWN_CHORD


@given(st.text(max_size=12))
def test_any_text_is_a_chord_or_refused(text: str) -> None:
    try:
        value = parse_label(text)
    except DataError:
        return
    assert value.root in range(-1, 12)


def test_unknown_shorthand_is_named() -> None:
    with pytest.raises(DataError, match="unknown shorthand 'foo'"):
        parse_label(f"{NOTE_NAMES[0]}:foo")
