# SPDX-License-Identifier: GPL-3.0-or-later
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbserver import chords
from lbserver.errors import LiveBandError


@pytest.mark.parametrize(
    ("label", "tones", "bass"),
    [
        ("C", {0, 4, 7}, 0),
        ("Cm7", {0, 3, 7, 10}, 0),
        ("C:min7/b3", {0, 3, 7, 10}, 3),
        ("F#m", {6, 9, 1}, 6),
        ("Bb/D", {10, 2, 5}, 2),
        ("Bb/C", {10, 2, 5}, 0),
        ("G7", {7, 11, 2, 5}, 7),
        ("F:maj(9)", {5, 9, 0, 7}, 5),
        ("A:(1,5)", {9, 4}, 9),
        ("D:sus4(b7)", {2, 7, 9, 0}, 2),
        ("C:maj(*3)", {0, 7}, 0),
        ("C6/9", {0, 2, 4, 7, 9}, 0),
        ("C:maj/9", {0, 4, 7}, 2),
        ("Bm7b5", {11, 2, 5, 9}, 11),
        ("Am(maj7)", {9, 0, 4, 8}, 9),
        ("E♭maj7", {3, 7, 10, 2}, 3),
        ("Cb", {11, 3, 6}, 11),
        ("Bdim7/Ab", {11, 2, 5, 8}, 8),
    ],
)
def test_labels(label: str, tones: set[int], bass: int) -> None:
    chord = chords.parse_label(label)
    assert chord.tones == tones
    assert chord.bass == bass


def test_no_chord_is_known_and_x_is_unknown() -> None:
    assert chords.parse_label("N").tones == frozenset()
    assert chords.parse_label("N").bass is None
    assert chords.parse_label("X").tones is None


@pytest.mark.parametrize(
    "label", ["", "H", "c", "Cfoo", "C:blah", "C/", "C//G", "C:maj(b)", "C/H", "C/C5", "C/0"]
)
def test_what_is_no_chord_is_refused(label: str) -> None:
    if label == "C/":  # a slash with nothing after it means the root
        assert chords.parse_label(label).bass == 0
        return
    with pytest.raises(LiveBandError):
        chords.parse_label(label)


@given(st.text(alphabet="ABCDEFGHmaj7b#:/()*,0159N|. \t%-+", max_size=12))
def test_any_text_is_a_chord_or_a_clear_error(text: str) -> None:
    for parse in (chords.parse_label, chords.parse_key, chords.parse_timed, chords.parse_chart):
        with contextlib.suppress(LiveBandError):
            parse(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("C", 0),
        ("Am", 21),
        ("F# minor", 18),
        ("Bb:maj", 10),
        ("e", 16),
        ("Eb major", 3),
        ("b", 23),
        ("C:min", 12),
    ],
)
def test_keys(text: str, key: int) -> None:
    assert chords.parse_key(text) == key


def test_timed_lines() -> None:
    spans = chords.parse_timed("# a comment\n0.0\t1.5\tC:maj\n\n1.5 3 Am7\n4 5 N\n")
    assert [(s.start_s, s.end_s, s.chord.label) for s in spans] == [
        (0.0, 1.5, "C:maj"),
        (1.5, 3.0, "Am7"),
        (4.0, 5.0, "N"),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 1 C\n1 2\n", "line 2: expected"),
        ("0 1 C\n\n1 x G\n", "line 3: start and end"),
        ("2 1 C\n", "line 1: the chord must end"),
        ("0 nan C\n", "line 1: the chord must end"),
        ("0 2 C\n1 3 G\n", "line 2: starts at 1 s, before"),
        ("0 1 Q\n", "line 1: 'Q' is not a chord"),
        ("# nothing\n", "no chords"),
    ],
)
def test_timed_lines_name_the_line_that_is_wrong(text: str, says: str) -> None:
    with pytest.raises(LiveBandError, match=says):
        chords.parse_timed(text)


def test_bars_share_hold_and_repeat() -> None:
    slots = chords.parse_chart("| C . Am . | F |\n| % || G7 C/E | . |")
    assert [(s.start_bars, s.end_bars, s.chord.label) for s in slots] == [
        (0.0, 0.5, "C"),
        (0.5, 1.0, "Am"),
        (1.0, 3.0, "F"),
        (3.0, 3.5, "G7"),
        (3.5, 5.0, "C/E"),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("| C |\nG", "line 2: a bar chart"),
        ("| . |", "line 1: . holds"),
        ("| % |", "line 1: % repeats"),
        ("|: C :|", "line 1: repeat signs"),
        ("| C | | G |", "line 1: an empty bar"),
        ("| C | Hm |", "line 1: 'Hm' is not a chord"),
        ("||", "no bars"),
    ],
)
def test_charts_name_the_line_that_is_wrong(text: str, says: str) -> None:
    with pytest.raises(LiveBandError, match=says.replace("|", r"\|")):
        chords.parse_chart(text)


@pytest.mark.parametrize(
    "text",
    [
        "| " + "C " * 60 + "| %" * 100_000,
        "| " + "C G " * 200_000 + "|",
        "| C " * 5000 + "|",
        "\n".join(["| C | % | % | % |"] * 2000),
    ],
)
def test_a_chart_that_multiplies_is_refused(text: str) -> None:
    """1 MB of `%` after one bar of 100,000 chords would be 10^10 chords."""
    with pytest.raises(LiveBandError, match=r"up to 4096 bars of 64 chords"):
        chords.parse_chart(text)
