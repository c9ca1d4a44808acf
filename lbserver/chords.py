# SPDX-License-Identifier: GPL-3.0-or-later
"""Chords as the host knows them: labels, timed chord files, bar charts and keys, read into pitch classes.

Labels: Harte et al. 2005 (`C:min7/b3`, `N`, `X`) and what musicians write (`Cm7`, `F#m7b5`, `Bb/D`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lbserver.errors import LiveBandError

NATURALS: Mapping[str, int] = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)

# Quality -> semitones above the root; the spellings of one quality stand together.
_SPELLINGS: Mapping[tuple[str, ...], tuple[int, ...]] = {
    ("", "maj", "M", "major"): (0, 4, 7),
    ("min", "m", "-", "mi", "minor"): (0, 3, 7),
    ("dim", "o", "°", "mb5"): (0, 3, 6),
    ("aug", "+", "#5"): (0, 4, 8),
    ("sus4", "sus"): (0, 5, 7),
    ("sus2",): (0, 2, 7),
    ("5",): (0, 7),
    ("1",): (0,),
    ("7", "dom7"): (0, 4, 7, 10),
    ("maj7", "M7", "ma7", "j7", "Δ", "Δ7", "^7", "^"): (0, 4, 7, 11),
    ("min7", "m7", "-7", "mi7"): (0, 3, 7, 10),
    ("minmaj7", "mM7", "mmaj7", "-M7", "m(maj7)"): (0, 3, 7, 11),
    ("dim7", "o7", "°7"): (0, 3, 6, 9),
    ("hdim7", "ø", "ø7", "m7b5", "-7b5", "min7b5"): (0, 3, 6, 10),
    ("aug7", "7#5", "+7"): (0, 4, 8, 10),
    ("7b5",): (0, 4, 6, 10),
    ("7sus4", "7sus"): (0, 5, 7, 10),
    ("maj6", "6", "M6"): (0, 4, 7, 9),
    ("min6", "m6", "-6"): (0, 3, 7, 9),
    ("6/9", "69"): (0, 4, 7, 9, 2),
    ("add9", "add2"): (0, 4, 7, 2),
    ("madd9", "madd2"): (0, 3, 7, 2),
    ("9",): (0, 4, 7, 10, 2),
    ("maj9", "M9", "ma9"): (0, 4, 7, 11, 2),
    ("min9", "m9", "-9"): (0, 3, 7, 10, 2),
    ("9sus4", "9sus"): (0, 5, 7, 10, 2),
    ("7b9",): (0, 4, 7, 10, 1),
    ("7#9",): (0, 4, 7, 10, 3),
    ("11",): (0, 4, 7, 10, 2, 5),
    ("maj11",): (0, 4, 7, 11, 2, 5),
    ("min11", "m11", "-11"): (0, 3, 7, 10, 2, 5),
    ("7#11",): (0, 4, 7, 10, 6),
    ("13",): (0, 4, 7, 10, 2, 9),
    ("maj13", "M13"): (0, 4, 7, 11, 2, 9),
    ("min13", "m13", "-13"): (0, 3, 7, 10, 2, 9),
}
QUALITIES: Mapping[str, tuple[int, ...]] = {
    spelling: tones for spellings, tones in _SPELLINGS.items() for spelling in spellings
}

# What no song needs and a file of % and | could ask for: its bars multiply.
_MOST_BARS, _MOST_CHORDS_A_BAR = 4096, 64
_LABEL = re.compile(r"^([A-G])([#b]*)(:?)(6/9|[^/():]*)(?:\(([^)]*)\))?(?:/([A-G]?[#b]*\d*))?$")
_DEGREE = re.compile(r"^(\*?)([#b]*)([1-9]\d?)$")
_KEY = re.compile(r"^([A-Ga-g])([#b]?)\s*:?\s*(maj|major|min|minor|m|dur|moll|)$")


@dataclass(frozen=True, kw_only=True)
class Chord:
    """A label and what it means: pitch classes from C = 0 (none = "no chord") and the bass, None with no chord.

    `tones` is None when the label says that the chord is unknown (`X`).
    """

    label: str
    tones: frozenset[int] | None
    bass: int | None


@dataclass(frozen=True, kw_only=True)
class ChordSpan:
    """One chord from `start_s` until just before `end_s`."""

    start_s: float
    end_s: float
    chord: Chord


@dataclass(frozen=True, kw_only=True)
class ChartSlot:
    """One chord of a bar chart: `start_bars` and `end_bars` count bars from the start of the form."""

    start_bars: float
    end_bars: float
    chord: Chord


def parse_label(label: str) -> Chord:
    """Raises LiveBandError when the label is neither Harte's nor a musician's."""
    text = label.strip().replace("♯", "#").replace("♭", "b")
    if text in {"N", "N.C.", "NC"}:
        return Chord(label=text, tones=frozenset(), bass=None)
    if text == "X":
        return Chord(label=text, tones=None, bass=None)
    match = _LABEL.match(text)
    if match is None:
        raise LiveBandError(
            f"{label!r} is not a chord: write C, Cm7, F#m, Bb/D, C:min7/b3, or N for no chord"
        )
    letter, signs, _colon, quality, extras, bass = match.groups()
    root = _pitch_class(letter, signs)
    if extras is not None and f"{quality}({extras})" in QUALITIES:
        quality, extras = f"{quality}({extras})", None
    if quality not in QUALITIES:
        raise LiveBandError(
            f"{label!r}: unknown kind of chord {quality!r}; known are e.g. m, 7, maj7, min7, dim, aug, sus4, 6, 9"
        )
    # "C:(1,5)" lists its tones itself; "C(9)" adds to the triad.
    intervals = set() if extras and _colon and not quality else set(QUALITIES[quality])
    for degree in filter(None, (part.strip() for part in (extras or "").split(","))):
        semitones, omitted = _degree(degree, label)
        intervals = intervals - {semitones} if omitted else intervals | {semitones}
    bass_tone = root if not bass else _bass(bass, root, label)
    return Chord(label=text, tones=frozenset((root + i) % 12 for i in intervals), bass=bass_tone)


def parse_key(text: str) -> int:
    """0..11 major by tonic, 12..23 minor, from `C`, `Am`, `F# minor`, `Bb:maj`; raises LiveBandError."""
    match = _KEY.match(text.strip().replace("♯", "#").replace("♭", "b"))
    if match is None:
        raise LiveBandError(f"{text!r} is not a key: write C, Am, F#m, Bb:maj or 'E minor'")
    letter, sign, scale = match.groups()
    minor = scale in {"m", "min", "minor", "moll"} or (not scale and letter.islower())
    return _pitch_class(letter.upper(), sign) + (12 if minor else 0)


def parse_timed(text: str) -> tuple[ChordSpan, ...]:
    """Lines `start end label` in seconds, by tabs or spaces; blank lines and lines that begin with # are skipped.

    Raises LiveBandError naming the line when it is malformed, out of order or overlaps the one before.
    """
    spans: list[ChordSpan] = []
    for number, line in _lines(text):
        fields = line.split()
        if len(fields) != 3:
            raise LiveBandError(f"line {number}: expected `start end label`, got {line.strip()!r}")
        try:
            start_s, end_s = float(fields[0]), float(fields[1])
        except ValueError:
            raise LiveBandError(
                f"line {number}: start and end are seconds, got {fields[0]!r} {fields[1]!r}"
            ) from None
        if not 0 <= start_s < end_s < float("inf"):
            raise LiveBandError(
                f"line {number}: the chord must end after it starts, got {start_s:g} to {end_s:g}"
            )
        # A millisecond of overlap is the rounding of another program.
        if spans and start_s < spans[-1].end_s - 1e-3:
            raise LiveBandError(f"line {number}: starts at {start_s:g} s, before the chord above it ends")
        spans.append(ChordSpan(start_s=start_s, end_s=end_s, chord=_label_on_line(fields[2], number)))
    if not spans:
        raise LiveBandError("no chords in it: write lines `start end label`, or bars `| C . Am . | F | G7 |`")
    return tuple(spans)


def parse_chart(text: str) -> tuple[ChartSlot, ...]:
    """Bars between `|`: chords share a bar equally, `.` holds the chord before, `%` alone repeats the bar before.

    Raises LiveBandError naming the line.
    """
    slots: list[ChartSlot] = []
    bars: list[list[Chord]] = []
    for number, line in _lines(text):
        if "|" not in line:
            raise LiveBandError(f"line {number}: a bar chart has bars between |, got {line.strip()!r}")
        if "|:" in line or ":|" in line:
            raise LiveBandError(
                f"line {number}: repeat signs are not read; write the bars out, or % to repeat one"
            )
        for bar in line.strip().strip("|").split("|"):
            if bar == "":  # a double bar line
                continue
            tokens = bar.split()
            if not tokens:
                raise LiveBandError(
                    f"line {number}: an empty bar; write . to hold the chord or N for no chord"
                )
            if len(bars) >= _MOST_BARS or len(tokens) > _MOST_CHORDS_A_BAR:
                raise LiveBandError(
                    f"line {number}: too much: a chart has up to {_MOST_BARS} bars of {_MOST_CHORDS_A_BAR} chords"
                )
            if tokens == ["%"]:
                if not bars:
                    raise LiveBandError(f"line {number}: % repeats the bar before, and there is none")
                bars.append(bars[-1])
                continue
            chords: list[Chord] = []
            for token in tokens:
                held = chords[-1] if chords else bars[-1][-1] if bars else None
                if token != ".":
                    chords.append(_label_on_line(token, number))
                elif held is None:
                    raise LiveBandError(f"line {number}: . holds the chord before, and there is none")
                else:
                    chords.append(held)
            bars.append(chords)
    for index, chords in enumerate(bars):
        for slot, chord in enumerate(chords):
            start, end = index + slot / len(chords), index + (slot + 1) / len(chords)
            if slots and slots[-1].chord == chord:
                slots[-1] = ChartSlot(start_bars=slots[-1].start_bars, end_bars=end, chord=chord)
            else:
                slots.append(ChartSlot(start_bars=start, end_bars=end, chord=chord))
    if not slots:
        raise LiveBandError("no bars in it: write bars as `| C . Am . | F | G7 |`")
    return tuple(slots)


def is_chart(text: str) -> bool:
    """Whether a chord file is a bar chart, and not timed lines."""
    return any("|" in line for _, line in _lines(text))


def _lines(text: str) -> list[tuple[int, str]]:
    lines = enumerate(text.lstrip("\ufeff").splitlines(), start=1)
    return [(number, line) for number, line in lines if line.strip() and not line.lstrip().startswith("#")]


def _label_on_line(label: str, number: int) -> Chord:
    try:
        return parse_label(label)
    except LiveBandError as error:
        raise LiveBandError(f"line {number}: {error}") from None


def _pitch_class(letter: str, signs: str) -> int:
    return (NATURALS[letter] + signs.count("#") - signs.count("b")) % 12


def _degree(degree: str, label: str) -> tuple[int, bool]:
    match = _DEGREE.match(degree)
    if match is None:
        raise LiveBandError(f"{label!r}: {degree!r} is not a degree such as b3, 5 or #11")
    star, signs, number = match.groups()
    semitones = _MAJOR_SCALE[(int(number) - 1) % 7] + signs.count("#") - signs.count("b")
    return semitones % 12, bool(star)


def _bass(bass: str, root: int, label: str) -> int:
    if bass[0] in NATURALS:
        if bass[1:].strip("#b"):
            raise LiveBandError(f"{label!r}: {bass!r} is not a bass note such as D or Bb")
        return _pitch_class(bass[0], bass[1:])
    return (root + _degree(bass, label)[0]) % 12
