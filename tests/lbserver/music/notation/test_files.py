# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

import pytest

from lbserver.errors import LiveBandError
from lbserver.music.notation.files import is_chart, parse_timed, read_text


def test_timed_lines() -> None:
    spans = parse_timed("# a comment\n0.0\t1.5\tC:maj\n\n1.5 3 Am7  # sung\n4 5 N\n5 6 F maj7\n")
    assert [(s.start_s, s.end_s, s.chord.label) for s in spans] == [
        (0.0, 1.5, "C:maj"),
        (1.5, 3.0, "Am7"),
        (4.0, 5.0, "N"),
        (5.0, 6.0, "F maj7"),
    ]


def test_what_other_programs_write_is_clipped() -> None:
    """Trackers write spans without length and starts before zero; both were refused, the second with a wrong reason."""
    spans = parse_timed("-0.5 1 C\n1 1 G\n1 2 Am\n2 2.0 F\n")
    assert [(s.start_s, s.end_s, s.chord.label) for s in spans] == [(0.0, 1.0, "C"), (1.0, 2.0, "Am")]
    assert parse_timed("-2 -1 C\n0 1 G\n")[0].chord.label == "G"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 1 C\n1 2\n", "line 2: expected"),
        ("0 1 C\n\n1 x G\n", "line 3: start and end are seconds"),
        ("0:01 0:02 C\n", "line 1: start and end are seconds"),
        ("2 1 C\n", "line 1: the chord must end"),
        ("0 nan C\n", "line 1: start and end are seconds, such as 61.5; got 'nan'"),
        ("0 inf C\n", "got 'inf'"),
        ("0 2 C\n1 3 G\n", "line 2: starts at 1 s, before"),
        ("0 1 Q\n", "line 1: 'Q' is not a chord"),
        ("0 1 C\n1 2 Cfoo\n", "line 2: 'Cfoo' is not a chord: nothing is known as 'foo'; write C"),
        ("# nothing\n", "no chords"),
        ("0 1 H7\n1 2 B\n", "B and H stand side by side"),
    ],
)
def test_timed_lines_name_the_line_that_is_wrong(text: str, says: str) -> None:
    with pytest.raises(LiveBandError, match=says):
        parse_timed(text)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_text_is_read_in_the_encodings_of_editors(tmp_path: Path, encoding: str) -> None:
    """Notepad saves UTF-16 and marks of byte order, old files are in Windows-1252; UTF-16 was refused."""
    path = tmp_path / "chart.txt"
    path.write_bytes("| C° | Bø7 |\r\n| F |".encode(encoding))
    text = read_text(path)
    assert is_chart(text)
    assert text.lstrip("\ufeff").split() == ["|", "C°", "|", "Bø7", "|", "|", "F", "|"]


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"RIFF\x00\x00\x01\x00WAVE", b"\x81\x8d"])
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "chart.txt").write_bytes(data)
    with pytest.raises(LiveBandError, match=r"cannot read the chord file .*chart\.txt: it "):
        read_text(tmp_path / "chart.txt")
