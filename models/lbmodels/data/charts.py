# SPDX-License-Identifier: GPL-3.0-or-later
"""Further sources of songs: McGill Billboard charts, OpenEWLD lead sheets, POP909 folders.

Formats: Burgoyne et al. 2011 (salami_chords.txt); MusicXML 3 in .mxl containers; Wang et al. 2020 (POP909).
A chart keeps its chords, bars and melody; key, tempo and style are ours, so one chart gives many songs.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from lbmodels.data.errors import DataError
from lbmodels.data.generate import played
from lbmodels.data.harmony import NO_CHORD, Chord, chord, key_name, parse_label, transpose
from lbmodels.data.midi_check import read_checked
from lbmodels.data.song import (
    INTENSITY,
    Bar,
    MelodyNote,
    Song,
    choose_parts,
    choose_playing,
    everyone_plays,
)
from lbmodels.data.styles import STYLES, WEIGHTS, Style
from lbmodels.data.tempo import draw_tempo
from lbmodels.documents import read_xml

_MAX_XML_BYTES = 20_000_000
_MOST_REPEATS = 64  # of one line of a Billboard chart
# Metre -> (beats per bar, steps that a beat divides into: 4 straight, 3 compound).
_METRES = {"4/4": (4, 4), "2/2": (4, 4), "2/4": (4, 4), "3/4": (3, 4), "6/8": (2, 3), "12/8": (4, 3)}
ChordRow = tuple[tuple[float, Chord], ...]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Bars of chords with their section names, and a melody in beats from the first bar, all in the chart's own key."""

    title: str
    source: str
    key: int
    beats_per_bar: int
    steps_per_beat: int
    bars: tuple[tuple[int, ChordRow], ...]  # (beats, chords of the bar)
    sections: tuple[str, ...]
    melody: tuple[MelodyNote, ...] = ()


def find_charts(folder: Path) -> list[Path]:
    """Files of all known chart formats below a folder, sorted.

    Raises:
        DataError: no such folder, or no chart in it.
    """
    if not folder.is_dir():
        raise DataError(f"no such folder of charts: {folder}")
    found = [*folder.rglob("salami_chords.txt"), *folder.rglob("*.mxl")]
    found += [
        p
        for p in folder.rglob("*.mid")
        if (p.parent / "chord_midi.txt").is_file() and p.stem == p.parent.name
    ]
    if not found:
        raise DataError(
            f"no charts in {folder}; accepted: salami_chords.txt (McGill Billboard), *.mxl (OpenEWLD), "
            "NNN/NNN.mid with chord_midi.txt (POP909)"
        )
    return sorted(found)


def charts_of_split(paths: Sequence[Path], split: str) -> list[Path]:
    """A split's share of the charts: a tenth each for validation and test, by a hash of folder and file name."""

    def share(path: Path) -> str:
        digest = hashlib.sha256(f"{path.parent.name}/{path.name}".encode()).digest()[0] % 10
        return {0: "test", 1: "validation"}.get(digest, "train")

    return [p for p in paths if share(p) == split]


def read_chart(path: Path) -> Chart:
    """The chart in a file of any known format.

    Raises:
        DataError: the file is damaged, or in a metre that no style plays.
    """
    try:
        if path.name == "salami_chords.txt":
            return _read_billboard(path)
        if path.suffix == ".mxl":
            return _read_musicxml(path)
        return _read_pop909(path)
    except DataError:
        raise
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile, ElementTree.ParseError) as exc:
        raise DataError(f"{path}: cannot be read as a chart ({exc.__class__.__name__}: {exc})") from exc


def _metre(text: str, path: Path) -> tuple[int, int]:
    if text not in _METRES:
        raise DataError(f"{path}: metre {text!r} is not played; accepted: {', '.join(_METRES)}")
    return _METRES[text]


_SECTION_WORDS = {
    "intro": "intro", "verse": "verse", "pre-chorus": "prechorus", "prechorus": "prechorus", "chorus": "chorus",
    "refrain": "chorus", "bridge": "bridge", "solo": "solo", "instrumental": "solo", "interlude": "breakdown",
    "outro": "outro", "coda": "outro", "fadeout": "outro", "trans": "prechorus", "transition": "prechorus",
}  # fmt: skip


def _cell_chords(cell: str, beats: int, compound: int, last: Chord) -> tuple[int, ChordRow, Chord]:
    """Length in beats, chords, and last chord of one bar's text, such as `C:maj . F:maj .` or `(2/4) G:7`."""
    tokens = cell.split()
    metre = re.fullmatch(r"\((\d+)/(\d+)\)", tokens[0]) if tokens else None
    if metre:
        beats = max(1, int(metre.group(1)) // 3 if compound == 3 else int(metre.group(1)))
        tokens = tokens[1:]
    rows: list[tuple[float, Chord]] = []
    for i, token in enumerate(tokens):
        # Where the transcriber knew no chord the band rests, and the truth says so.
        value = last if token == "." else NO_CHORD if token in ("*", "&pause", "X") else parse_label(token)
        if not rows or value != rows[-1][1]:
            rows.append((i * beats / len(tokens), value))
        last = value
    return beats, tuple(rows) or ((0.0, last),), last


def _read_billboard(path: Path) -> Chart:
    header: dict[str, str] = {}
    bars: list[tuple[int, ChordRow]] = []
    sections: list[str] = []
    section, last = "verse", NO_CHORD
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            name, _, value = line[1:].partition(":")
            # The first metre and tonic rule; later changes are rare and would change the style's grid.
            header.setdefault(name.strip(), value.strip())
            continue
        _, _, text = line.partition("\t")
        for word in re.split(r"[,\s|]+", text.split("|")[0].lower()):
            section = _SECTION_WORDS.get(word, section)
        if text.count("|") < 2:
            continue
        beats, compound = _metre(header.get("metre", "4/4"), path)
        repeat = re.search(r"\|\s*x(\d+)", text)
        cells = text[text.index("|") + 1 : text.rindex("|")].split("|")
        for _ in range(min(int(repeat.group(1)), _MOST_REPEATS) if repeat else 1):
            for cell in cells:
                length, row, last = _cell_chords(cell, beats, compound, last)
                bars.append((length, row))
                sections.append(section)
    beats, compound = _metre(header.get("metre", "4/4"), path)
    tonic = parse_label(header.get("tonic", "C")).root
    minor = _sounds_minor(tonic, bars)
    return Chart(
        title=f"{header.get('title', path.parent.name)} (Billboard {path.parent.name})", source="billboard",
        key=tonic + 12 * minor, beats_per_bar=beats, steps_per_beat=compound, bars=_checked(bars, path),
        sections=tuple(sections),
    )  # fmt: skip


def _sounds_minor(tonic: int, bars: Sequence[tuple[int, ChordRow]]) -> bool:
    tonic_chords = [c for _, row in bars for _, c in row if c.root == tonic]
    minor = sum((tonic + 3) % 12 in c.tones for c in tonic_chords)
    return 2 * minor > len(tonic_chords)


def _checked(bars: Sequence[tuple[int, ChordRow]], path: Path) -> tuple[tuple[int, ChordRow], ...]:
    if len(bars) < 4 or all(c.root < 0 for _, row in bars for _, c in row):
        raise DataError(f"{path}: fewer than 4 bars, or no chords")
    return tuple(bars)


_KINDS = {
    "major": "maj", "minor": "min", "dominant": "7", "major-seventh": "maj7", "minor-seventh": "min7",
    "diminished": "dim", "diminished-seventh": "dim7", "half-diminished": "hdim7", "augmented": "aug",
    "augmented-seventh": "aug(b7)", "major-sixth": "maj6", "minor-sixth": "min6", "dominant-ninth": "9",
    "major-ninth": "maj9", "minor-ninth": "min9", "dominant-11th": "11", "major-11th": "maj11", "minor-11th": "min11",
    "dominant-13th": "13", "major-13th": "maj13", "minor-13th": "min13", "suspended-fourth": "sus4",
    "suspended-second": "sus2", "major-minor": "minmaj7", "power": "5", "pedal": "1",
}  # fmt: skip
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def _text(node: Any, tag: str, default: str = "0") -> str:
    found = node.find(tag)
    return default if found is None or found.text is None else str(found.text).strip()


def _harmony(node: Any) -> Chord:
    kind = _text(node, "kind", "major")
    if kind == "none" or node.find("root") is None:
        return NO_CHORD
    root = _STEPS[_text(node, "root/root-step")] + round(float(_text(node, "root/root-alter")))
    value = chord(root, _KINDS.get(kind, "maj"))
    if node.find("bass") is None:
        return value
    bass = _STEPS[_text(node, "bass/bass-step")] + round(float(_text(node, "bass/bass-alter")))
    return chord(root, value.quality, (bass - root) % 12)


def _mxl_root(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        name = next(
            (
                n
                for n in archive.namelist()
                if n.endswith((".xml", ".musicxml")) and not n.startswith("META-INF")
            ),
            None,
        )
        if name is None:
            raise DataError(f"{path}: no MusicXML inside")
        if archive.getinfo(name).file_size > _MAX_XML_BYTES:
            raise DataError(f"{path}: MusicXML larger than {_MAX_XML_BYTES // 1_000_000} MB")
        return read_xml(archive.read(name), most_bytes=_MAX_XML_BYTES)


def _read_musicxml(path: Path) -> Chart:
    root = _mxl_root(path)
    part = root.find("part")
    if part is None:
        raise DataError(f"{path}: a score without a part")
    divisions, fifths, mode, metre = 1.0, 0, "", "4/4"
    bars: list[tuple[int, ChordRow]] = []
    melody: list[MelodyNote] = []
    last, bar_start = NO_CHORD, 0.0
    for number, measure in enumerate(part.findall("measure")):
        position, rows, notes = 0.0, {}, []
        for node in measure:
            if node.tag == "attributes":
                divisions = float(_text(node, "divisions", str(divisions)))
                if number == 0 or not bars:
                    fifths = int(_text(node, "key/fifths", str(fifths)))
                    mode = _text(node, "key/mode", mode)
                    if node.find("time") is not None:
                        metre = f"{_text(node, 'time/beats')}/{_text(node, 'time/beat-type')}"
            elif node.tag == "harmony":
                offset = float(_text(node, "offset"))
                rows[max(0.0, position + offset)] = _harmony(node)
            elif node.tag in ("backup", "forward"):
                position += float(_text(node, "duration")) * (1 if node.tag == "forward" else -1)
            elif node.tag == "note" and node.find("grace") is None and node.find("chord") is None:
                length = float(_text(node, "duration"))
                if node.find("pitch") is not None and _text(node, "voice", "1") == "1":
                    tied = any(t.get("type") == "stop" for t in node.findall("tie"))
                    notes.append((position, length, _pitch(node), tied))
                position += length
        beats, compound = _metre(metre, path)
        unit = divisions * (1.5 if compound == 3 else 1.0)
        length_beats = beats / 2 if metre == "2/4" else beats
        if (not bars and position < unit * length_beats - 1e-6) or position <= 0:
            continue  # a pick-up bar, or an empty one
        row = [(0.0, last)] if 0.0 not in rows else []
        row += [(p / unit, c) for p, c in sorted(rows.items()) if p / unit < length_beats]
        last = row[-1][1]
        _add_notes(melody, notes, unit, bar_start)
        bars.append((round(length_beats), tuple(row)))
        bar_start += round(length_beats)
    beats, compound = _metre(metre, path)
    tonic = (fifths * 7) % 12
    minor = mode == "minor" or (
        not mode and _sounds_minor((tonic + 9) % 12, bars) and _last_root(bars) != tonic
    )
    title = _text(root, "work/work-title", "") or _text(root, "movement-title", "") or path.stem
    beats_per_bar = 2 if metre == "2/4" else beats
    if metre == "2/4":
        bars, beats_per_bar = _joined(bars), 4
    return Chart(
        title=f"{title} (OpenEWLD)", source="openewld", key=(tonic + 9) % 12 + 12 if minor else tonic,
        beats_per_bar=beats_per_bar, steps_per_beat=compound, bars=_checked(bars, path),
        sections=tuple("verse" if i // 8 % 2 == 0 else "chorus" for i in range(len(bars))), melody=tuple(melody),
    )  # fmt: skip


def _last_root(bars: Sequence[tuple[int, ChordRow]]) -> int:
    return next((c.root for _, row in reversed(bars) for _, c in reversed(row) if c.root >= 0), -1)


def _joined(bars: Sequence[tuple[int, ChordRow]]) -> list[tuple[int, ChordRow]]:
    """Pairs of two-beat bars as four-beat bars."""
    pairs = []
    for first, second in zip(bars[::2], bars[1::2], strict=False):
        later = tuple((o + 2.0, c) for o, c in second[1] if (o, c) != (0.0, first[1][-1][1]))
        pairs.append((4, first[1] + later))
    return pairs


def _pitch(node: Any) -> int:
    step, alter = _STEPS[_text(node, "pitch/step")], round(float(_text(node, "pitch/alter")))
    return 12 * (int(_text(node, "pitch/octave")) + 1) + step + alter


def _add_notes(
    melody: list[MelodyNote], notes: Sequence[tuple[float, float, int, bool]], unit: float, bar_start: float
) -> None:
    for position, length, pitch, tied in notes:
        start, beats = bar_start + position / unit, length / unit
        if tied and melody and melody[-1].pitch == pitch:
            before = melody.pop()
            start, beats = before.start_beat, before.beats + beats
        melody.append(MelodyNote(start_beat=start, beats=beats, pitch=pitch))


def _read_pop909(path: Path) -> Chart:
    import mido

    folder = path.parent
    rows = [
        line.split() for line in (folder / "beat_midi.txt").read_text(encoding="utf-8").splitlines() if line
    ]
    times = np.array([float(r[0]) for r in rows])
    downbeats = np.flatnonzero([float(r[1]) > 0.5 for r in rows])
    strong = np.flatnonzero([float(r[2]) > 0.5 for r in rows])
    if len(strong) >= 8 and np.median(np.diff(strong)) in (3, 4):
        downbeats = strong
    if len(downbeats) < 5:
        raise DataError(f"{path}: too few bars in beat_midi.txt")
    beats_per_bar = int(np.median(np.diff(downbeats)))
    if beats_per_bar == 2:
        downbeats, beats_per_bar = downbeats[::2], 4
    if beats_per_bar not in (3, 4):
        raise DataError(f"{path}: bars of {beats_per_bar} beats are not played")
    spans = [
        line.split() for line in (folder / "chord_midi.txt").read_text(encoding="utf-8").splitlines() if line
    ]
    starts = np.array([float(s[0]) for s in spans])
    chords = [_pop909_chord(s[2]) for s in spans]
    bars: list[tuple[int, ChordRow]] = []
    for begin, end in itertools.pairwise(downbeats):
        row: list[tuple[float, Chord]] = []
        for beat in range(begin, end):
            value = chords[max(0, int(np.searchsorted(starts, times[beat] + 0.05)) - 1)]
            if not row or row[-1][1] != value:
                row.append((float(beat - begin), value))
        bars.append((int(end - begin), tuple(row)))
    key_rows = (folder / "key_audio.txt").read_text(encoding="utf-8").split()
    tonic, _, mode = key_rows[2].partition(":")
    melody = _pop909_melody(mido.MidiFile(file=io.BytesIO(read_checked(path))), times, int(downbeats[0]))
    return Chart(
        title=f"POP909 {folder.name}", source="pop909", key=parse_label(tonic).root + (12 if mode == "min" else 0),
        beats_per_bar=beats_per_bar, steps_per_beat=4, bars=_checked(bars, path),
        sections=tuple("verse" if i // 8 % 2 == 0 else "chorus" for i in range(len(bars))), melody=melody,
    )  # fmt: skip


def _pop909_chord(label: str) -> Chord:
    # Some labels stack a bass degree the syntax does not know, or "/b7" on a shorthand of their own.
    try:
        return parse_label(label)
    except DataError:
        return parse_label(label.partition(":")[0].partition("/")[0] + (":min" if ":min" in label else ""))


def _pop909_melody(file: Any, times: np.ndarray, first_beat: int) -> tuple[MelodyNote, ...]:
    track = next((t for t in file.tracks if t.name.strip().upper() == "MELODY"), None)
    if track is None:
        return ()
    tempo_map: list[tuple[int, int]] = [(0, 500_000)]
    tick = 0
    for message in file.tracks[0]:
        tick += message.time
        if message.type == "set_tempo":
            tempo_map.append((tick, message.tempo))
    ticks = np.array([t for t, _ in tempo_map], float)
    per_tick = np.array([u for _, u in tempo_map]) / 1e6 / file.ticks_per_beat
    seconds = np.concatenate([[0.0], np.cumsum(np.diff(ticks) * per_tick[:-1])])

    def beat_at(at: int) -> float:
        i = int(np.searchsorted(ticks, at, side="right")) - 1
        second = seconds[i] + (at - ticks[i]) * per_tick[i]
        return float(np.interp(second, times, np.arange(len(times)))) - first_beat

    notes: list[MelodyNote] = []
    sounding: dict[int, int] = {}
    tick = 0
    for message in track:
        tick += message.time
        if message.type == "note_on" and message.velocity > 0:
            sounding[message.note] = tick
        elif message.type in ("note_on", "note_off") and message.note in sounding:
            start, end = beat_at(sounding.pop(message.note)), beat_at(tick)
            if start >= 0 and end > start:
                notes.append(
                    MelodyNote(
                        start_beat=round(4 * start) / 4, beats=max(0.25, end - start), pitch=message.note
                    )
                )
    return tuple(sorted(notes, key=lambda n: n.start_beat))


def style_for(chart: Chart, rng: np.random.Generator) -> Style:
    """A style that plays the chart's metre, drawn by weight."""
    fitting = [
        s
        for s in STYLES
        if (s.beats_per_bar, s.steps_per_beat) == (chart.beats_per_bar, chart.steps_per_beat)
    ]
    weights = np.array([WEIGHTS[s.name] for s in fitting])
    return fitting[int(rng.choice(len(fitting), p=weights / weights.sum()))]


def song_from_chart(
    chart: Chart,
    name: str,
    seed: int,
    rng: np.random.Generator,
    *,
    target_s: tuple[float, float] = (60.0, 75.0),
) -> tuple[Song, tuple[str, ...]]:
    """A new song on a stretch of the chart, in a drawn style, key and tempo, with its band."""
    style = style_for(chart, rng)
    tempo = draw_tempo(*style.tempo_bpm, rng)
    chart = _long_enough(chart, target_s[1] * tempo / 60.0)
    shift = int(rng.integers(-5, 7))
    key = (chart.key % 12 + shift) % 12 + (12 if chart.key >= 12 else 0)
    wanted_beats = float(rng.uniform(*target_s)) * tempo / 60.0
    lengths = np.array([beats for beats, _ in chart.bars])
    room = np.flatnonzero(np.cumsum(lengths[::-1])[::-1] >= wanted_beats)
    first = int(rng.integers(room[-1] + 1)) // 4 * 4 if len(room) else 0
    parts = choose_parts(rng, style)
    if chart.melody and "lead" not in parts:
        parts = (*parts, "lead")
    bars = _bars(chart, first, wanted_beats, shift, parts, rng)
    n_beats = sum(b.beats for b in bars)
    octave = int(np.clip(round((72 - float(np.median([n.pitch for n in chart.melody] or [72]))) / 12), -2, 2))
    begin = int(lengths[:first].sum())
    melody = tuple(
        MelodyNote(start_beat=n.start_beat - begin, beats=n.beats, pitch=n.pitch + shift + 12 * octave)
        for n in chart.melody
        if begin <= n.start_beat < begin + n_beats and 24 <= n.pitch + shift + 12 * octave <= 103
    )
    return played(
        name=name, title=f"{chart.title}: {style.name} in {key_name(key)}, {tempo:g} BPM", source=chart.source,
        seed=seed, key=key, tempo=tempo, style=style, bars=bars, melody=melody, parts=parts, rng=rng,
    )  # fmt: skip


def _long_enough(chart: Chart, wanted_beats: float) -> Chart:
    """The chart, repeated as often as it takes to last `wanted_beats`."""
    total = sum(beats for beats, _ in chart.bars)
    times = int(-(-wanted_beats // total))
    if times <= 1:
        return chart
    melody = tuple(
        replace(n, start_beat=n.start_beat + i * total) for i in range(times) for n in chart.melody
    )
    return replace(chart, bars=chart.bars * times, sections=chart.sections * times, melody=melody)


def _bars(
    chart: Chart,
    first: int,
    wanted_beats: float,
    shift: int,
    parts: tuple[str, ...],
    rng: np.random.Generator,
) -> tuple[Bar, ...]:
    """The chart's bars from `first` on, transposed, until `wanted_beats` are reached or the chart ends."""
    rows: list[tuple[int, ChordRow, str]] = []
    total = 0
    for (beats, row), section in zip(chart.bars[first:], chart.sections[first:], strict=False):
        if total >= wanted_beats:
            break
        rows.append((beats, row, section))
        total += beats
    band = {s: choose_playing(s, parts, rng) for s in sorted({s for _, _, s in rows})}
    bars: list[Bar] = []
    start = section_index = 0
    runs: list[list[tuple[int, ChordRow, str]]] = []
    for item in rows:
        # Long sections are cut into eights, so that fills and crashes come as often as a drummer would play them.
        if runs and runs[-1][-1][2] == item[2] and len(runs[-1]) < 8:
            runs[-1].append(item)
        else:
            runs.append([item])
    for section_index, run in enumerate(runs):
        section = run[0][2]
        intensity = float(np.clip(INTENSITY[section] + rng.normal(0, 0.06), 0.3, 1.0))
        for i, (beats, row, _) in enumerate(run):
            moved = tuple((o, transpose(c, shift)) for o, c in row)
            bars.append(
                Bar(
                    start_beat=start, beats=beats, section=section, section_index=section_index, bar_in_section=i,
                    section_bars=len(run), chords=moved, intensity=intensity, playing=band[section],
                )
            )  # fmt: skip
            start += beats
    return everyone_plays(bars, parts)
