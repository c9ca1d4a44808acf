# SPDX-License-Identifier: GPL-3.0-or-later
import contextlib
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbserver.errors import LiveBandError
from lbserver.music.notation import labels
from lbserver.music.notation.charts import parse_chart
from lbserver.music.notation.files import parse_timed
from lbserver.music.notation.keys import parse_key

_FIXTURES = Path(__file__).parents[3] / "fixtures"


def _rule() -> ModuleType:
    spec = importlib.util.spec_from_file_location("chord_spellings", _FIXTURES / "chord_spellings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _table() -> list[tuple[str, str, str]]:
    lines = (_FIXTURES / "chord_spellings.tsv").read_text(encoding="utf-8").splitlines()
    return [(spelling, tones, bass) for spelling, tones, bass in (line.split("\t") for line in lines)]


def test_the_table_of_spellings_is_what_its_rule_makes() -> None:
    """The table was edited by hand, or to suit the reader."""
    assert (_FIXTURES / "chord_spellings.tsv").read_text(encoding="utf-8") == _rule().text()


def test_spellings_in_use_mean_their_notes() -> None:
    """A table of spellings read 74 of 155 in use, and some of them (`Cm7(b5)`, `Csus4/7`) with other notes, silently."""
    table = _table()
    assert len(table) > 400
    got: list[tuple[str, str, str]] = []
    for spelling, _tones, _bass in table:
        try:
            chord = labels.parse_label(spelling)
        except LiveBandError:
            got.append((spelling, "refused", ""))
            continue
        assert chord.tones is not None
        tones = " ".join(map(str, sorted(chord.tones)))
        got.append((spelling, tones, "" if chord.bass is None else str(chord.bass)))
    assert got == table


@pytest.mark.parametrize(
    ("label", "tones", "bass"),
    [
        ("Cm7(b5)", {0, 3, 6, 10}, 0),
        ("C7(#5)", {0, 4, 8, 10}, 0),
        ("Cm6/9", {0, 2, 3, 7, 9}, 0),
        ("Csus4/7", {0, 5, 7, 10}, 0),
        ("Cmaj/7", {0, 4, 7, 11}, 0),
        ("C7/13/E", {0, 4, 7, 9, 10}, 4),
        ("C9(b9)", {0, 1, 4, 7, 10}, 0),
        ("C:9(b9)", {0, 1, 2, 4, 7, 10}, 0),
        ("C:7(b5)", {0, 4, 6, 7, 10}, 0),
        ("C:7/7", {0, 4, 7, 10}, 11),
        ("Co7(maj7)", {0, 3, 6, 9, 11}, 0),
        ("C(no3,5)", {0}, 0),
        ("C sus 4", {0, 5, 7}, 0),
        ("C/", {0, 4, 7}, 0),
        ("Bdim7/Ab", {11, 2, 5, 8}, 8),
    ],
)
def test_parts_of_a_label(label: str, tones: set[int], bass: int) -> None:
    chord = labels.parse_label(label)
    assert chord.tones == tones
    assert chord.bass == bass


def test_no_chord_is_known_and_x_is_unknown() -> None:
    for label in ("N", "N.C.", "NC", "n.c.", "no chord"):
        chord = labels.parse_label(label)
        assert (chord.label, chord.tones, chord.bass) == ("N", frozenset(), None)
    assert labels.parse_label("X").tones is None


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ("", "write e.g. C"),
        ("c", "capital letter; write C"),
        ("am7", "write Am7"),
        ("Cfoo", "nothing is known as 'foo'; write C"),
        ("Cmja7", "write Cmaj7"),
        ("Csuss4/G", "write Csus4/G"),
        ("Fis7", "write F#7"),
        ("Sol7", "write G7"),
        ("IIm7", "degrees of a key are not read"),
        ("C\\E", "write C/E"),
        ("C:blah", "write C:"),
        ("C//G", "one note stands behind the slash"),
        ("C/C5", "write C/C"),
        ("C/0", "write C"),
        ("C:maj(b)", "'b' is not a degree"),
        ("C7(b9", "write C7b9|parenthesis is left open"),
        ("C7+", "write C7#5, or maj"),
        ("C4", "write Csus4 or Cadd4"),
        ("C-5", r"write Cm or C\(b5\)"),
        ("Bbb5", r"write Bb\(b5\)"),
        ("C7/b9", "write C7b9 for the tone"),
        ("C7maj7", "two sevenths; write CmM7 or Cmaj7"),
        ("C6+9", "write C6/9"),
        ("C07", "write Co7 or Cø7"),
        ("Mı", "not a chord|a root|write"),  # a Turkish i, which a case-blind search takes for ours
        ("C" + "b5" * 40, "longer than 64"),
    ],
)
def test_what_is_no_chord_is_refused_with_what_to_write(label: str, says: str) -> None:
    """A refusal named a place at most; what a person may have meant is to be said, and what has two meanings not guessed."""
    with pytest.raises(LiveBandError, match=says):
        labels.parse_label(label)


@pytest.mark.parametrize(
    "label", ["am7", "Cmja7", "Csuss4/G", "Fis7", "C\\E", "C:blah", "C/C5", "Gmajj9", "D7sus44"]
)
def test_the_hint_can_be_read(label: str) -> None:
    with pytest.raises(LiveBandError) as refusal:
        labels.parse_label(label)
    assert labels.parse_label(str(refusal.value).rpartition("write ")[2]).tones


@given(st.text(alphabet="ABCDEFGHmajinsudo7b#:/()*,0159N|. \t\n\0%-+^Δø♭x[]{}𝄫éıİ／½ﷺ\u2028", max_size=16))
def test_any_text_is_a_chord_or_a_clear_error(text: str) -> None:
    """Nothing but LiveBandError may come of any text, and its message is one line."""
    for parse in (labels.parse_label, parse_key, parse_timed, parse_chart):
        try:
            parse(text)
        except LiveBandError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017 (not every text is refused)


@given(st.sampled_from([row[0] for row in _table() if row[1] != "refused"]))
def test_a_label_reads_the_same_again(spelling: str) -> None:
    """A chord's label is shown, kept and told on: it must mean the same when it comes back."""
    chord = labels.parse_label(spelling)
    assert labels.parse_label(chord.label) == chord
    with contextlib.suppress(LiveBandError):
        assert labels.parse_label(f" {spelling} ") == chord
