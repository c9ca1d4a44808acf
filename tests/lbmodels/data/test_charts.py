# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts of other formats become songs."""

import zipfile
from pathlib import Path

import mido
import numpy as np
import pytest

from lbmodels.data.charts import charts_of_split, find_charts, read_chart, song_from_chart
from lbmodels.data.errors import DataError
from lbmodels.data.render import PLAYERS

BILLBOARD = """# title: Small Song
# artist: Nobody
# metre: 4/4
# tonic: A

0.0\tsilence
0.3\tA, intro, | A:min | F:maj . G:maj . |, (guitar)
4.0\tB, verse, | A:min | D:min7 E:7/3 | x2
8.0\t| (2/4) C:maj | N |
9.0\tend
"""
MUSICXML = """<score-partwise><work><work-title>Waltz</work-title></work><part id="P1">
<measure number="0" implicit="yes"><attributes><divisions>2</divisions><key><fifths>1</fifths><mode>major</mode></key>
<time><beats>3</beats><beat-type>4</beat-type></time></attributes>
<note><pitch><step>D</step><octave>4</octave></pitch><duration>2</duration></note></measure>
{bars}</part></score-partwise>"""
XML_BAR = """<measure number="{n}"><harmony><root><root-step>{root}</root-step></root><kind>{kind}</kind></harmony>
<note><pitch><step>B</step><alter>-1</alter><octave>4</octave></pitch><duration>4</duration>{tie}</note>
<note><rest/><duration>2</duration></note></measure>"""


def billboard(folder: Path, text: str = BILLBOARD) -> Path:
    path = folder / "0001" / "salami_chords.txt"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_billboard_bars_repeats_and_metre_marks(tmp_path) -> None:
    chart = read_chart(billboard(tmp_path))
    assert [beats for beats, _ in chart.bars] == [4] * 6 + [2, 4]
    assert [(o, c.label) for o, c in chart.bars[1][1]] == [(0.0, "F:maj"), (2.0, "G:maj")]
    assert chart.bars[3][1][1][1].bass == 8  # E:7/3
    assert chart.sections[:3] == ("intro", "intro", "verse")
    assert chart.key == 21  # A minor


def test_lead_sheet_chords_melody_and_pickup(tmp_path) -> None:
    bars = "".join(
        XML_BAR.format(n=i, root="GCDG"[i % 4], kind=("major", "minor")[i % 2], tie="") for i in range(8)
    )
    path = tmp_path / "waltz.mxl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
        archive.writestr("waltz.xml", MUSICXML.format(bars=bars))
    chart = read_chart(path)
    assert (chart.beats_per_bar, chart.key, len(chart.bars)) == (3, 7, 8)
    assert chart.bars[1][1][0][1].label == "C:min"
    assert [(n.start_beat, n.beats, n.pitch) for n in chart.melody[:2]] == [(0.0, 2.0, 70), (3.0, 2.0, 70)]
    song, parts = song_from_chart(chart, "t", 0, np.random.default_rng(0), target_s=(20, 30))
    assert "lead" in parts
    assert song.duration_s > 18  # a short chart is repeated


def test_pop909_folder(tmp_path) -> None:
    folder = tmp_path / "001"
    folder.mkdir()
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000, time=0)]))
    melody = mido.MidiTrack([mido.MetaMessage("track_name", name="MELODY", time=0)])
    for _ in range(8):
        melody.append(mido.Message("note_on", note=67, velocity=90, time=480))
        melody.append(mido.Message("note_off", note=67, velocity=0, time=480))
    file.tracks.append(melody)
    file.save(folder / "001.mid")
    beats = [f"{i * 0.5} {float(i % 2 == 0)} {float(i % 4 == 0)}" for i in range(41)]
    (folder / "beat_midi.txt").write_text("\n".join(beats))
    (folder / "chord_midi.txt").write_text("0.0\t10.0\tF:maj7\n10.0\t20.0\tC:7/b7\n")
    (folder / "key_audio.txt").write_text("0.0\t20.0\tF:maj\n")
    chart = read_chart(find_charts(tmp_path)[0])
    assert (chart.key, chart.beats_per_bar, len(chart.bars)) == (5, 4, 10)
    assert chart.bars[0][1][0][1].label == "F:maj7"
    assert [n.start_beat for n in chart.melody[:3]] == [1.0, 3.0, 5.0]


def test_a_chart_song_is_playable_in_every_part(tmp_path) -> None:
    chart = read_chart(billboard(tmp_path))
    for seed in range(4):
        song, parts = song_from_chart(chart, "t", seed, np.random.default_rng(seed), target_s=(10, 20))
        numbers = [number for _, number in song.beat_rows()]
        assert numbers[0] == 1 or numbers[: numbers.index(1)] == list(range(numbers[0], 5))  # or a pick-up
        for part in parts:
            notes = PLAYERS[part](song, np.random.default_rng(0))
            assert all(0 <= n.pitch < 128 and n.end_s > n.start_s for n in notes)


def test_charts_fall_into_one_split_each(tmp_path) -> None:
    paths = [tmp_path / f"{i:04d}" / "salami_chords.txt" for i in range(400)]
    shares = [charts_of_split(paths, s) for s in ("train", "validation", "test")]
    assert sum(map(len, shares)) == len(set().union(*shares)) == 400
    assert all(20 <= len(s) <= 60 for s in shares[1:])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "fewer than 4 bars"),
        (BILLBOARD.replace("4/4", "5/4"), "metre '5/4' is not played"),
        (BILLBOARD.replace("F:maj", "F:wow"), "unknown shorthand"),
    ],
)
def test_charts_that_cannot_be_played_are_refused(tmp_path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_chart(billboard(tmp_path, text))


def test_damaged_archives_and_empty_folders(tmp_path) -> None:
    with pytest.raises(DataError, match="no charts in"):
        find_charts(tmp_path)
    (tmp_path / "x.mxl").write_text("not a zip")
    with pytest.raises(DataError, match="cannot be read as a chart"):
        read_chart(tmp_path / "x.mxl")
