# SPDX-License-Identifier: GPL-3.0-or-later
import re

import pytest

from lbserver.errors import LiveBandError
from lbserver.music.notation.charts import parse_chart


def _bars(text: str) -> list[str]:
    """The chord at the start of each bar."""
    slots = parse_chart(text).slots
    return [
        next(s.chord.label for s in slots if s.start_bars <= bar < s.end_bars)
        for bar in range(round(slots[-1].end_bars))
    ]


def test_bars_share_hold_and_repeat() -> None:
    slots = parse_chart("| C . Am . | F |\n| % || G7 C/E | . |").slots
    assert [(s.start_bars, s.end_bars, s.chord.label) for s in slots] == [
        (0.0, 0.5, "C"),
        (0.5, 1.0, "Am"),
        (1.0, 3.0, "F"),
        (3.0, 3.5, "G7"),
        (3.5, 5.0, "C/E"),
    ]


@pytest.mark.parametrize(
    ("text", "bars"),
    [
        ("| C / / / | G / Am / |", "C G"),
        ("| C | F G | % % |", "C F F"),
        ("| C | G | %% | F |", "C G C G F"),
        ("| C . . . | G . . . | %% . . . | . . . . |", "C G C G"),
        ("| C | G | x2", "C G C G"),
        ("| C | G | (2x)\n| F |", "C G C G F"),
        ("|: C | F :|", "C F C F"),
        ("|: C | F :| x3", "C F C F C F"),
        ("| C :|: F :| G |]", "C C F F G"),
        ("|: C | F |1 G :|2 Am |]", "C F G C F Am"),
        ("|: C |1. D | E :|2. F | G :| A ||", "C D E C F G A"),
        ("|: C |1,2 D :|3 E | F |", "C D C D C E F"),
        ("|: C |[1 D :|[2 E |]", "C D C E"),
        ("[A] | C | F |\n[B] | G | C |]", "C F G C"),
        ("| [A] C | F | [B] G |", "C F G"),
        ("Verse 1: | C | F |\nChorus\n| G |", "C F G"),
        ("A Day in C Minor, slow\nKey: Cm\n4/4\n\n| C | F |  # and so on", "C F"),
        ("{title: x}\n{start_of_grid}\n|| Am . . . | C . . . |.\n{end_of_grid}", "Am C"),
        ("C | F | G", "C F G"),
        ("| C7 (b9) | F /A |", "C7(b9) F/A"),
        ("| Hm | E/H |", "Hm E/H"),
        ("｜ Ｃ ｜ Ｆ♯ｍ ｜", "C F#m"),
        ("𝄆 C │ F 𝄇 G ‖".replace("‖", "|"), "C F C F G"),
    ],
)
def test_charts_as_people_type_them(text: str, bars: str) -> None:
    """Slashes, `% %`, `x2`, sections, `|]`, titles, time signatures and repeats were refused without a hint."""
    assert _bars(text) == bars.split()


@pytest.mark.parametrize(
    ("text", "metre", "beats"),
    [
        ("| C |", None, ()),
        ("3/4\n| C |", (3, 4), (3,)),
        ("| 3/4 C | F |", (3, 4), (3,)),
        ("{time: 6/8}\n| C |", (6, 8), (2, 6)),
        ("Time: 2/2\n| C |", (2, 2), (2, 4)),
    ],
)
def test_the_time_signature_is_told(text: str, metre: tuple[int, int] | None, beats: tuple[int, ...]) -> None:
    chart = parse_chart(text)
    assert (chart.metre, chart.beats_per_bar) == (metre, beats)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("| C |\nG", "line 2: a bar chart has bars between |"),
        ("Am F C G\n| C |", "line 1: a bar chart has bars between |"),
        ("| C |\nlet it be", "# before other words"),
        ("| . |", "line 1, bar 1: . holds"),
        ("| % |", "line 1, bar 1: % repeats"),
        ("| C | %% |", "line 1, bar 2: %% repeats"),
        ("| C | | G |", "line 1, bar 2: an empty bar"),
        ("| C | F |\n| G | Q7m |", "line 2, bar 4: 'Q7m' is not a chord"),
        ("| C | Dm7flat5x |", "write Dm7flat5"),
        ("||", "no bars"),
        (":| C |", ":| repeats what stands before"),
        ("| C x2 | F |", "x2 stands behind the last bar line"),
        ("| C |\nx2", "x2 stands behind the bars"),
        ("| C | x |", "write % to repeat"),
        ("| C | F | D.C. al Fine |", "write the bars out"),
        ("| 1 | 4 | 5 |", "1 is no chord"),
        ("| C | 2 G |", "bar 2 is never played"),
        ("| [C] | [G] | [Am] |", "without brackets"),
        ("| C | (Db7) |", "'(Db7)' is not a chord"),
        ("| 3/4 C | F |\n| 4/4 C |", "the time signature changes to 4/4"),
        ("| Hm | B |", "B and H stand side by side"),
    ],
)
def test_charts_name_the_place_that_is_wrong_and_what_to_write(text: str, says: str) -> None:
    with pytest.raises(LiveBandError, match=re.escape(says)):
        parse_chart(text)


@pytest.mark.parametrize(
    "text",
    [
        "| " + "C " * 60 + "| %" * 100_000,
        "| " + "C G " * 20_000 + "|",
        "| C " * 5000 + "|",
        "\n".join(["| C | % | % | % |"] * 2000),
        "| C | G | x9999",
        "|: C | G :| x9999",
        "\n".join(["| C | x64"] * 65),
    ],
)
def test_a_chart_that_multiplies_is_refused(text: str) -> None:
    """1 MB of `%` after one bar of 100,000 chords would be 10^10 chords."""
    with pytest.raises(LiveBandError, match=r"up to 4096 bars of 64 chords"):
        parse_chart(text)


@pytest.mark.parametrize(
    "text",
    [
        "|" + "(" * 300_000,
        "| C " + "|1 C :" * 2000,
        "|" + "[" * 300_000,
        "| C" + "b5" * 300_000,
        "|.   " * 100_000,
    ],
)
def test_a_hostile_chart_is_answered(text: str) -> None:
    """An expression that looks ahead from each parenthesis would take hours over a megabyte of them."""
    with pytest.raises(LiveBandError):
        parse_chart(text)


@pytest.mark.parametrize("chart", ["| [{}] C |", "[{}]\n| C |", "{}: | C |"])
@pytest.mark.parametrize(
    ("name", "refused"), [("A" * 65, "64 characters"), ("A\0B", "control"), ("A\ud800", "control")]
)
def test_a_name_of_a_section_fits_a_display_and_a_datagram(chart: str, name: str, refused: str) -> None:
    """A name of 3,000 characters became an OSC packet larger than any, a NUL in one ended everybody's cues."""
    assert parse_chart(chart.format("A" * 64)).sections == ((0, "A" * 64),)
    with pytest.raises(LiveBandError, match=refused):
        parse_chart(chart.format(name))
