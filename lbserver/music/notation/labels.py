# SPDX-License-Identifier: GPL-3.0-or-later
"""Chord labels, as musicians write them, as pitch classes.

With a colon a label is Harte's (Harte et al. 2005: `C:min7/b3`, `G:sus4(b7,9)`) or has one of MusicXML's words for kinds
(`C:dominant-ninth`), without one it is a lead sheet's (`Cm7b5`, `C^7#11`, `B♭ø`, `C7(b9,13)/E`). They differ in two things:
in Harte's a degree in parentheses is always added, in a lead sheet an altered one replaces the natural one of its number;
in Harte's a number after the slash is always the bass, in a lead sheet it is an added tone from 6 on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lbserver.errors import LiveBandError
from lbserver.music.notation.hints import nearest
from lbserver.music.notation.note_names import NOTE, pitch_class, plain
from lbserver.music.notation.parts import MAJOR_SCALE, UnreadError, read_parts, shown

_NO_CHORD = re.compile(r"N|n|(?i:n\.?c\.?|none|no ?chord|tacet)")
_HARTE = re.compile(r"([^(/]*)(?:\(([^()]*)\))?(?:/(.*))?")
_DEGREE = re.compile(r"(\*?)([#b]*)([1-9][0-9]?)")
_LONGEST = 64
_TWO_READINGS = re.compile(r"(5|9|11|13)(?![0-9])")

# MusicXML's kinds (W3C MusicXML 4.0, `kind-value`) that are no words of a lead sheet, in those words.
_MUSICXML: Mapping[str, str] = {
    "major-minor": "mM7", "power": "5", "pedal": "1", "suspended-second": "sus2", "suspended-fourth": "sus4",
    "augmented-seventh": "aug7", "augmented-ninth": "aug9", "diminished-seventh": "dim7", "minor-major": "mM7",
} | {
    f"{quality}-{size}": f"{word}{number}"
    for quality, word in (("major", "maj"), ("minor", "m"), ("dominant", ""))
    for size, number in (("sixth", 6), ("seventh", 7), ("ninth", 9), ("11th", 11), ("13th", 13))
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Chord:
    """A label and what it means: pitch classes from C = 0 (none = "no chord") and the bass, None with no chord.

    `tones` is None when the label says that the chord is unknown (`X`). The bass is among them only if the chord has it.
    """

    label: str
    tones: frozenset[int] | None
    bass: int | None


def parse_label(label: str) -> Chord:
    """Raises LiveBandError, which says what cannot be read and what to write instead."""
    text = plain(label).strip()
    if _NO_CHORD.fullmatch(text):
        return Chord(label="N", tones=frozenset(), bass=None)
    if text == "X":
        return Chord(label=text, tones=None, bass=None)
    try:
        return _read(text)
    except UnreadError as error:
        instead = error.write or nearest(text, reads_as_chord)
        write = instead or "e.g. C, Cm7, F#m7b5, Bb/D, C:min7/b3, or N for no chord"
        raise LiveBandError(f"{shown(label)} is not a chord: {error}; write {write}") from None


def reads_as_chord(text: str) -> bool:
    """Whether plain text is the label of a chord that sounds."""
    try:
        _read(text)
    except UnreadError:
        return False
    return True


def _read(text: str) -> Chord:
    joined = "".join(text.split())
    if len(joined) > _LONGEST:
        raise UnreadError(f"it is longer than {_LONGEST} characters")
    match = NOTE.match(joined)
    if match is None:
        raise UnreadError(_why_no_note(joined))
    name, rest = match[0], joined[match.end() :]
    if len(match[2]) > 1 and _TWO_READINGS.match(rest):
        raise UnreadError(
            "the second sign may be the root's or the number's", f"{name[:-1]}({name[-1]}{rest})"
        )
    harte = rest.startswith(":")
    kind, slash, below = rest.removeprefix(":").partition("/")
    rest = _MUSICXML.get(kind.lower(), kind) + slash + below
    root = pitch_class(name)
    if harte and rest != "6/9":
        return _harte(text, name, rest)
    parts, bass = read_parts(name, rest)
    return _chord(text, root, parts.intervals, root if bass is None else _bass(bass, root))


def _harte(text: str, name: str, rest: str) -> Chord:
    match = _HARTE.fullmatch(rest)
    if match is None:
        raise UnreadError(f"{shown(rest)} is no quality(degrees)/bass")
    shorthand, listed, bass = match.groups()
    if listed is not None and re.search(r"[^#b*,0-9]", listed):  # C:min(maj7)
        shorthand, listed = f"{shorthand}({listed})", None
    intervals = read_parts(name, shorthand)[0].intervals
    if listed is not None and not shorthand:  # C:(1,5) lists its tones itself
        intervals = frozenset()
    for degree in filter(None, (listed or "").split(",")):
        semitones, omitted = _degree(degree)
        intervals = intervals - {semitones} if omitted else intervals | {semitones}
    root = pitch_class(name)
    return _chord(text, root, intervals, _bass(bass or "", root))


def _chord(text: str, root: int, intervals: frozenset[int], bass: int) -> Chord:
    return Chord(label=text, tones=frozenset((root + i) % 12 for i in intervals), bass=bass)


def _bass(bass: str, root: int) -> int:
    """The bass as a note or as a degree above the root; the root where nothing is said."""
    if not bass:
        return root
    note = NOTE.fullmatch(bass[0].upper() + bass[1:]) if bass[0].isalpha() else None
    return pitch_class(note[0]) if note else (root + _degree(bass)[0]) % 12


def _degree(degree: str) -> tuple[int, bool]:
    match = _DEGREE.fullmatch(degree)
    if match is None:
        raise UnreadError(f"{shown(degree)} is not a degree such as b3, 5 or #11")
    star, signs, number = match.groups()
    semitones = MAJOR_SCALE[(int(number) - 1) % 7] + signs.count("#") - signs.count("b")
    return semitones % 12, bool(star)


def _why_no_note(text: str) -> str:
    if re.match(r"[#b]?([1-7]|(?i:VI{0,3}|I{1,3}|IV))", text):
        return "degrees of a key are not read, only chords by their notes"
    return "it does not begin with a note, A to G (or H) in a capital letter"
