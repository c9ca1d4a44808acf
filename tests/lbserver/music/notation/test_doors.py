# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written reads the same through every door: file, `know` message, OSC packet."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lbserver.errors import LiveBandError
from lbserver.music.conditions import read_knowledge
from lbserver.music.notation.charts import parse_chart
from lbserver.protocol.messages import check
from lbserver.session.knowledge import Told, after_know
from lbserver.transports.osc import packet

_CHARTS = (
    "| C^7#11 | B♭ø / E7alt / | % | C/E |]",
    "[A] |: Am7 | D7(b9,13) :| x3\n[B] | G-^7 | N.C. | x2",
    "3/4\n|: Hm | F♯7sus4 |1 G6/9 :|2 G |]",
)
_TOKENS = st.sampled_from(
    (
        "C",
        "B♭ø7",
        "F♯m7(b5)",
        ".",
        "/",
        "%",
        "%%",
        "|",
        "||",
        "|:",
        ":|",
        "|1",
        "x2",
        "[A]",
        "4/4",
        "Cfoo",
        "\n",
    )
)


def _known(message: dict[str, Any]) -> Told:
    clean, _ = check({"type": "know", "session": "a", "bpm": 100.0, **message}, "in")
    return after_know(Told(), clean)


def _by_osc(text: str) -> str:
    sent = packet.parse(packet.write(packet.message("/lb/a/chart", text)))
    assert isinstance(sent, packet.Message)
    (told,) = sent.arguments
    assert isinstance(told, str)
    return told


def _file(folder: Path, text: str) -> Path:
    path = folder / "chart.txt"
    path.write_text(text, encoding="utf-16")
    return path


@pytest.mark.parametrize("text", _CHARTS)
def test_a_chart_is_the_same_by_file_message_and_osc(tmp_path: Path, text: str) -> None:
    """One door had a reader, or limits, of its own."""
    slots = parse_chart(text).slots
    assert read_knowledge(bpm=100.0, chords_path=_file(tmp_path, text)).chart == slots
    assert _known({"chart": text}).knowledge.chart == slots
    assert _known({"chart": _by_osc(text)}).knowledge.chart == slots


@given(st.lists(_TOKENS, max_size=14).map(" ".join))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_one_door_refuses_every_door_refuses_in_the_same_words(tmp_path: Path, text: str) -> None:
    text = f"| {text}"
    try:
        expected: Any = parse_chart(text).slots
    except LiveBandError as error:
        expected = str(error)
    for read in (
        lambda: read_knowledge(bpm=100.0, chords_path=_file(tmp_path, text)).chart,
        lambda: _known({"chart": _by_osc(text)}).knowledge.chart,
    ):
        try:
            got: Any = read()
        except LiveBandError as error:
            got = str(error).removeprefix(f"{tmp_path / 'chart.txt'}: ")
        assert got == expected


def test_a_time_signature_tells_the_beats_of_a_bar(tmp_path: Path) -> None:
    """A chart in 3/4 went by in bars of four beats: from the second bar on each chord came late."""
    text = "3/4\n| C | F |"
    for knowledge in (
        read_knowledge(bpm=100.0, chords_path=_file(tmp_path, text)),
        read_knowledge(bpm=100.0, beats_per_bar=3, chords_path=_file(tmp_path, text)),
        _known({"chart": text}).knowledge,
    ):
        assert getattr(knowledge.beat, "beats_per_bar", None) == 3
    with pytest.raises(LiveBandError, match="in 3/4, and 4 beats per bar are told"):
        read_knowledge(bpm=100.0, beats_per_bar=4, chords_path=_file(tmp_path, text))
    with pytest.raises(LiveBandError, match="in 3/4, and 4 beats per bar are told"):
        _known({"chart": text, "beats_per_bar": 4})
    assert getattr(_known({"chart": "| C |"}).knowledge.beat, "beats_per_bar", None) == 4
