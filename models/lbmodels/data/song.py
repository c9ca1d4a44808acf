# SPDX-License-Identifier: GPL-3.0-or-later
"""Songs of our own making: keys, chord progressions, forms, tempi, as bars on a beat grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lbmodels.data.harmony import NO_CHORD, Chord, chord, transpose
from lbmodels.data.performance import Take
from lbmodels.data.styles import STYLES, WEIGHTS, Style
from lbmodels.data.tempo import TempoPlan

CORE_PARTS = ("drums", "bass", "piano", "guitar")

# Roman numeral -> (semitones above the tonic, triad quality).
_NUMERALS: dict[str, tuple[int, str]] = {
    "I": (0, "maj"), "i": (0, "min"), "bII": (1, "maj"), "ii": (2, "min"), "II": (2, "maj"), "iio": (2, "dim"),
    "bIII": (3, "maj"), "iii": (4, "min"), "III": (4, "maj"), "IV": (5, "maj"), "iv": (5, "min"),
    "#ivo": (6, "dim"), "V": (7, "maj"), "v": (7, "min"), "bVI": (8, "maj"), "VI": (9, "maj"), "vi": (9, "min"),
    "vio": (9, "dim"), "bVII": (10, "maj"), "bvii": (10, "min"), "viio": (11, "dim"), "vii": (11, "min"),
}  # fmt: skip

_MAJOR_LOOPS = (
    "I V vi IV", "vi IV I V", "I vi IV V", "I IV V IV", "I IV vi V", "I iii IV V", "ii V I vi", "I vi ii V",
    "IV I V vi", "I V ii IV", "I bVII IV I", "IV V iii vi", "I I IV V", "I V vi iii IV I IV V", "iii vi ii V",
    "I III IV iv", "ii V I I", "I VI ii V", "vi ii V I", "I ii iii IV", "IV IV I I", "I bVII bVI V", "vi V IV V",
    "I #ivo IV V", "I II IV I", "IV iv I VI", "I IV I V",
)  # fmt: skip
_MINOR_LOOPS = (
    "i bVII bVI V", "i bVI bIII bVII", "i iv v i", "i bVII bVI bVII", "i iv bVII bIII", "i bVI iv V", "i i iv V",
    "iio V i i", "i v bVI bVII", "i bIII bVII iv", "i iv i V", "bVI bVII i i", "i IV i IV", "i bVII iv i",
    "iv bVII bIII bVI iio V i i", "i bVI iio V", "i bII i v", "i bIII iv bVI", "iv i V i",
)  # fmt: skip
_MAJOR_WALK = {
    "I": "IV V vi ii iii bVII", "ii": "V V IV vi", "iii": "vi IV ii", "IV": "V I ii vi iv", "V": "I vi IV I",
    "vi": "IV ii V iii", "bVII": "IV I", "iv": "I V",
}  # fmt: skip
_MINOR_WALK = {
    "i": "iv bVI bVII v V bIII", "iv": "V bVII i bIII", "v": "i bVI", "V": "i bVI", "bVI": "bVII iv bIII V",
    "bVII": "i bIII bVI", "bIII": "bVI iv bVII",
}  # fmt: skip
_MAJOR_BLUES = "I IV I I IV IV I I V IV I V"
_JAZZ_BLUES = "I IV I I IV #ivo I VI ii V I V"
_MINOR_BLUES = "i i i i iv iv i i bVI V i V"

_FORMS = (
    "intro verse chorus verse chorus outro",
    "intro verse verse chorus bridge chorus outro",
    "verse chorus verse chorus solo chorus",
    "intro chorus verse chorus bridge chorus outro",
    "intro verse prechorus chorus verse prechorus chorus",
    "verse verse bridge verse outro",
    "intro verse solo chorus breakdown chorus outro",
    "chorus verse breakdown verse chorus outro",
)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar. `chords` are (beats from the bar's start, chord), the first at 0; `playing` names the parts that sound.

    `first_beat` is the number of its first beat (above 1 for a pick-up), `key_shift` how far the song has moved from its key.
    """

    start_beat: int
    beats: int
    section: str
    section_index: int
    bar_in_section: int
    section_bars: int
    chords: tuple[tuple[float, Chord], ...]
    intensity: float
    playing: frozenset[str]
    stop: bool = False
    first_beat: int = 1
    key_shift: int = 0

    @property
    def closes_section(self) -> bool:
        return self.bar_in_section == self.section_bars - 1

    def chord_at(self, beat: float) -> Chord:
        """Chord sounding `beat` beats after the bar's start."""
        current = self.chords[0][1]
        for offset, value in self.chords:
            if offset <= beat + 1e-9:
                current = value
        return current


@dataclass(frozen=True, kw_only=True)
class MelodyNote:
    """A given melody's note, in beats from the song's start."""

    start_beat: float
    beats: float
    pitch: int


@dataclass(frozen=True, kw_only=True)
class Song:
    """Bars on a beat grid. `beats_s` [n_beats + 1] holds each beat's time, the last one being the end of the last bar."""

    name: str
    title: str
    source: str
    seed: int
    key: int
    tempo_bpm: float
    style: Style
    bars: tuple[Bar, ...]
    beats_s: npt.NDArray[np.float64]
    duration_s: float
    melody: tuple[MelodyNote, ...] = ()
    take: Take = Take()
    tempo_plan: TempoPlan = TempoPlan()

    def time_s(self, beat: float) -> float:
        """Time of a beat position, exact on beats, linear between them."""
        return float(np.interp(beat, np.arange(len(self.beats_s)), self.beats_s))

    def beat_rows(self) -> list[tuple[float, int]]:
        """(seconds, beat in bar counted from 1) of every beat; a pick-up's numbers are those of the bar's last ones."""
        return [
            (float(self.beats_s[b.start_beat + i]), b.first_beat + i)
            for b in self.bars
            for i in range(b.beats)
        ]

    def beat_at(self, time_s: float) -> float:
        """Beat position of a time, the inverse of `time_s`; held at the song's ends."""
        return float(np.interp(time_s, self.beats_s, np.arange(len(self.beats_s))))

    def key_of(self, bar: Bar) -> int:
        """Key number 0..23 in a bar."""
        return (self.key + bar.key_shift) % 12 + (12 if self.key >= 12 else 0)

    def key_rows(self) -> list[tuple[float, int]]:
        """(start in seconds, key number) wherever the key is a new one, the first at 0."""
        rows = [(0.0, self.key_of(self.bars[0]))]
        for bar in self.bars:
            if self.key_of(bar) != rows[-1][1]:
                rows.append((float(self.beats_s[bar.start_beat]), self.key_of(bar)))
        return rows

    def chord_rows(self) -> list[tuple[float, float, Chord]]:
        """(start, end, chord) without gaps from 0 to the end of the song; equal neighbours are joined."""
        rows: list[tuple[float, float, Chord]] = []
        if self.beats_s[0] > 0:
            rows.append((0.0, float(self.beats_s[0]), NO_CHORD))
        for bar in self.bars:
            bounds = [offset for offset, _ in bar.chords] + [float(bar.beats)]
            for (offset, value), end in zip(bar.chords, bounds[1:], strict=True):
                start_s, end_s = self.time_s(bar.start_beat + offset), self.time_s(bar.start_beat + end)
                if rows and rows[-1][2] == value:
                    rows[-1] = (rows[-1][0], end_s, value)
                else:
                    rows.append((start_s, end_s, value))
        if self.duration_s > rows[-1][1]:
            rows.append((rows[-1][1], self.duration_s, NO_CHORD))
        return rows


def pick_style(rng: np.random.Generator) -> Style:
    """A style, drawn by weight."""
    weights = np.array([WEIGHTS[s.name] for s in STYLES])
    return STYLES[int(rng.choice(len(STYLES), p=weights / weights.sum()))]


def _coloured(degree: int, quality: str, *, minor: bool, colour: float, rng: np.random.Generator) -> str:
    """A triad grown to a seventh or further with chance `colour`, by its function in the key."""
    if rng.random() >= colour:
        if quality == "maj" and rng.random() < 0.04:
            return str(rng.choice(["sus4", "sus2"]))
        return quality
    rich = rng.random() < 0.25 * colour
    if quality == "maj":
        dominant = degree == 7 or degree in (2, 4, 9) or (degree == 10 and minor)
        if dominant:
            return str(rng.choice(["9", "13", "sus4(b7)"])) if rich else "7"
        return str(rng.choice(["maj9", "maj6"])) if rich else "maj7"
    if quality == "min":
        return str(rng.choice(["min9", "min11", "min6"], p=[0.6, 0.2, 0.2])) if rich else "min7"
    return "hdim7" if degree in (2, 9, 11) else "dim7"


def _chord_of(numeral: str, key: int, colour: float, rng: np.random.Generator) -> Chord:
    degree, quality = _NUMERALS[numeral]
    minor = key >= 12
    full = _coloured(degree, quality, minor=minor, colour=colour, rng=rng)
    bass = 0
    if quality in ("maj", "min") and rng.random() < 0.05:
        bass = int(rng.choice([7, 4 if quality == "maj" else 3]))
    return chord(key % 12 + degree, full, bass)


def _walk(table: dict[str, str], start: str, n: int, rng: np.random.Generator) -> list[str]:
    numerals = [start]
    while len(numerals) < n:
        numerals.append(str(rng.choice(table[numerals[-1]].split())))
    return numerals


def _progression(key: int, style: Style, section: str, rng: np.random.Generator) -> list[str]:
    """Numerals of one loop (4 or 8 chords, 12 for a blues)."""
    minor = key >= 12
    if style.blues and section in ("verse", "chorus", "solo") and rng.random() < style.blues:
        form = _MINOR_BLUES if minor else (_JAZZ_BLUES if style.colour > 0.8 else _MAJOR_BLUES)
        return form.split()
    if rng.random() < 0.35:
        table = _MINOR_WALK if minor else _MAJOR_WALK
        tonic = "i" if minor else "I"
        start = tonic if rng.random() < 0.6 else str(rng.choice(list(table)))
        loop = _walk(table, start, int(rng.choice([4, 4, 8])), rng)
        if section in ("prechorus", "bridge"):
            loop[-1] = "V"
        return loop
    return str(rng.choice(_MINOR_LOOPS if minor else _MAJOR_LOOPS)).split()


def _section_chords(
    key: int, style: Style, section: str, n_bars: int, rng: np.random.Generator
) -> list[tuple[tuple[float, Chord], ...]]:
    """Chords of each bar of a section; the loop keeps its colours on repetition."""
    loop = _progression(key, style, section, rng)
    chords = [_chord_of(n, key, style.colour, rng) for n in loop]
    beats = style.beats_per_bar
    if len(loop) == 12:
        return [((0.0, chords[i % 12]),) for i in range(n_bars)]
    slow = style.tempo_bpm[0] < 90
    rhythm = str(
        rng.choice(["bar", "half", "two bars"], p=[0.62, 0.26 if slow else 0.14, 0.12 if slow else 0.24])
    )
    bars: list[tuple[tuple[float, Chord], ...]] = []
    for i in range(n_bars):
        if rhythm == "half" and beats % 2 == 0:
            first, second = chords[(2 * i) % len(chords)], chords[(2 * i + 1) % len(chords)]
            bars.append(((0.0, first),) if first == second else ((0.0, first), (beats / 2, second)))
        elif rhythm == "two bars":
            bars.append(((0.0, chords[(i // 2) % len(chords)]),))
        else:
            bars.append(((0.0, chords[i % len(chords)]),))
    if beats == 4 and rhythm == "bar" and rng.random() < 0.3:
        # A turn in the last bar: the next chord of the loop comes half a bar early.
        last = bars[-1][0][1]
        extra = _chord_of("V", key, style.colour, rng)
        if extra != last:
            bars[-1] = ((0.0, last), (2.0, extra))
    return bars


# How hard each kind of section is played, 0..1.
INTENSITY = {
    "intro": 0.55, "verse": 0.6, "prechorus": 0.72, "chorus": 0.9, "bridge": 0.65, "solo": 0.75, "breakdown": 0.4,
    "outro": 0.7,
}  # fmt: skip


def choose_playing(section: str, parts: tuple[str, ...], rng: np.random.Generator) -> frozenset[str]:
    """Parts that sound in a section: intros and breakdowns are thin, choruses full; now and then a part rests."""
    rest = {"intro": 0.35, "verse": 0.12, "prechorus": 0.1, "chorus": 0.03, "bridge": 0.22, "solo": 0.12,
            "breakdown": 0.5, "outro": 0.12}[section]  # fmt: skip
    kept = [p for p in parts if rng.random() >= rest * (0.8 if p in ("drums", "bass") else 1.0)]
    if rng.random() < 0.03 or not kept:
        kept = [str(rng.choice(list(parts)))]  # a solo passage
    return frozenset(kept)


def everyone_plays(bars: Sequence[Bar], parts: Sequence[str]) -> tuple[Bar, ...]:
    """The bars, with core parts that would rest all through the song put into its fullest section."""
    sounding = frozenset[str]().union(*(b.playing for b in bars))
    idle = frozenset(p for p in parts if p in CORE_PARTS) - sounding
    if not idle:
        return tuple(bars)
    loudest = max(bars, key=lambda b: b.intensity).section_index
    return tuple(replace(b, playing=b.playing | idle) if b.section_index == loudest else b for b in bars)


def choose_parts(rng: np.random.Generator, style: Style) -> tuple[str, ...]:
    """Band of a song: each core part is missing in about one song of ten; one to four others join.

    Some styles do without drums, and one song in eight is a duo or trio of core parts alone.
    """
    core = [p for p in CORE_PARTS if rng.random() >= 0.1]
    while len(core) < 2:
        core = [p for p in CORE_PARTS if rng.random() >= 0.1]
    if "drums" in core and len(core) > 2 and rng.random() < style.drumless:
        core.remove("drums")
    if rng.random() < 0.125:
        return tuple(core)
    chances = {
        "lead": 0.72,
        "pad": 0.55,
        "counter": 0.28,
        "guitar2": 0.2,
        "percussion": 0.15,
        "arpeggio": 0.18,
    }
    kept = [other for other, chance in chances.items() if rng.random() < chance]
    return tuple(core + (kept or ["lead"]))


def bars_of_form(
    style: Style,
    key: int,
    tempo_bpm: float,
    target_s: float,
    parts: tuple[str, ...],
    rng: np.random.Generator,
) -> tuple[Bar, ...]:
    """Bars of a generated form that last about `target_s` seconds."""
    bar_s = style.beats_per_bar * 60.0 / tempo_bpm
    n_target = max(2, round(target_s / bar_s))
    form = str(rng.choice(_FORMS)).split()
    unit = 8 if n_target >= 40 else 4
    lengths = {"intro": unit // 2, "outro": unit // 2, "prechorus": unit // 2}
    material: dict[str, list[tuple[tuple[float, Chord], ...]]] = {}
    band: dict[str, frozenset[str]] = {}
    bars: list[Bar] = []
    section_index = 0
    shift = 0
    start_at = int(rng.integers(len(form))) if n_target < 12 else 0
    while len(bars) < n_target:
        section = form[(start_at + section_index) % len(form)]
        if section not in material:
            source = "verse" if section == "intro" and "verse" in material else section
            n = lengths.get(section, unit)
            material[section] = material.get(source) or _section_chords(key, style, section, n, rng)
            if len(material[section]) == 4 and n == 4 and style.blues and rng.random() < style.blues:
                material[section] = _section_chords(key, style, section, 12, rng)
            band[section] = choose_playing(section, parts, rng)
        chords = material[section]
        if section == "chorus" and section_index >= len(form) - 2 and shift == 0 and rng.random() < 0.06:
            shift = int(rng.choice([1, 2]))
        if rng.random() < 0.3:
            band[section] = choose_playing(section, parts, rng)
        n = min(len(chords), n_target - len(bars))
        intensity = float(np.clip(INTENSITY[section] + rng.normal(0, 0.06), 0.3, 1.0))
        stop_last = rng.random() < 0.1
        for i in range(n):
            moved = tuple((o, transpose(c, shift)) for o, c in chords[i])
            bars.append(
                Bar(
                    key_shift=shift, start_beat=len(bars) * style.beats_per_bar, beats=style.beats_per_bar, section=section,
                    section_index=section_index, bar_in_section=i, section_bars=n, chords=moved,
                    intensity=intensity, playing=band[section], stop=stop_last and i == n - 1,
                )
            )  # fmt: skip
        section_index += 1
    return everyone_plays(bars, parts)
