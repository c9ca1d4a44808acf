# SPDX-License-Identifier: GPL-3.0-or-later
"""Chords as values: Harte labels to pitch classes and back.

Source: Harte et al. 2005, "Symbolic representation of musical chords" (label syntax and shorthands).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lbmodels.data.errors import DataError

NOTE_NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_MAJOR_DEGREES = (0, 2, 4, 5, 7, 9, 11)

# Shorthand -> semitones above the root, in stacking order.
QUALITIES: dict[str, tuple[int, ...]] = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "sus4": (0, 5, 7),
    "sus2": (0, 2, 7),
    "5": (0, 7),
    "1": (0,),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
    "minmaj7": (0, 3, 7, 11),
    "dim7": (0, 3, 6, 9),
    "hdim7": (0, 3, 6, 10),
    "maj6": (0, 4, 7, 9),
    "min6": (0, 3, 7, 9),
    "9": (0, 4, 7, 10, 2),
    "maj9": (0, 4, 7, 11, 2),
    "min9": (0, 3, 7, 10, 2),
    "11": (0, 4, 7, 10, 2, 5),
    "maj11": (0, 4, 7, 11, 2, 5),
    "min11": (0, 3, 7, 10, 2, 5),
    "13": (0, 4, 7, 10, 2, 9),
    "maj13": (0, 4, 7, 11, 2, 9),
    "min13": (0, 3, 7, 10, 2, 9),
    "sus4(b7)": (0, 5, 7, 10),
    "aug(b7)": (0, 4, 8, 10),
}

_LABEL = re.compile(r"^([A-G])([#b]*)(?::([A-Za-z0-9]*)(\([^)]*\))?)?(?:/([#b]*\d+))?$")
_DEGREE = re.compile(r"^(\*?)([#b]*)(\d+)$")


@dataclass(frozen=True, kw_only=True)
class Chord:
    """One chord. `root` and `bass` are pitch classes (C=0), -1 for "no chord"; `tones` are pitch classes, root first."""

    root: int
    quality: str
    tones: tuple[int, ...]
    bass: int

    @property
    def label(self) -> str:
        """Harte label, for example `C:min7/b3`; `N` for no chord, `X` for an unknown one."""
        if self.root < 0:
            return self.quality or "N"
        name = f"{NOTE_NAMES[self.root]}:{self.quality}"
        if self.bass == self.root:
            return name
        return f"{name}/{_degree_name((self.bass - self.root) % 12, self.quality)}"


NO_CHORD = Chord(root=-1, quality="", tones=(), bass=-1)
UNKNOWN_CHORD = Chord(root=-1, quality="X", tones=(), bass=-1)
"""Something sounds, the annotation does not say what (Harte 2005): not the same as silence."""

_DEGREE_NAMES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")


def _degree_name(semitones: int, quality: str) -> str:
    if semitones == 8 and quality.startswith("aug"):
        return "#5"
    if semitones == 9 and quality == "dim7":
        return "bb7"
    return _DEGREE_NAMES[semitones]


def chord(root: int, quality: str, bass_interval: int = 0) -> Chord:
    """Chord of a known quality on pitch class `root`, with the bass `bass_interval` semitones above the root."""
    if quality not in QUALITIES:
        raise DataError(f"unknown chord quality {quality!r}; known: {', '.join(QUALITIES)}")
    root %= 12
    tones = tuple((root + i) % 12 for i in QUALITIES[quality])
    return Chord(root=root, quality=quality, tones=tones, bass=(root + bass_interval) % 12)


def _degree_semitones(degree: str, label: str) -> int:
    match = _DEGREE.match(degree.strip())
    if match is None or int(match.group(3)) < 1:
        raise DataError(f"chord label {label!r}: {degree!r} is not a degree such as b3, 5 or #11")
    _, accidentals, number = match.groups()
    octave, step = divmod(int(number) - 1, 7)
    return _MAJOR_DEGREES[step] + 12 * octave + accidentals.count("#") - accidentals.count("b")


def parse_label(label: str) -> Chord:
    """Chord of a Harte label such as `C`, `Eb:maj7`, `F#:min7/b3`, `G:sus4(b7,9)`, `A:(1,5)`, `N` or `X`.

    Raises:
        DataError: the label does not follow the syntax.
    """
    text = label.strip()
    if text in {"N", "&pause"}:
        return NO_CHORD
    if text == "X":
        return UNKNOWN_CHORD
    match = _LABEL.match(text)
    if match is None:
        raise DataError(f"chord label {label!r} is not Harte syntax, such as C:min7/b3 or N")
    letter, accidentals, shorthand, extras, bass = match.groups()
    root = (_NATURALS[letter] + accidentals.count("#") - accidentals.count("b")) % 12
    if shorthand:
        if shorthand not in QUALITIES:
            raise DataError(
                f"chord label {label!r}: unknown shorthand {shorthand!r}; known: {', '.join(QUALITIES)}"
            )
        intervals = list(QUALITIES[shorthand])
    else:
        intervals = [] if extras else list(QUALITIES["maj"])
    for degree in (extras or "")[1:-1].split(","):
        if not degree.strip():
            continue
        semitones = _degree_semitones(degree, label) % 12
        if degree.strip().startswith("*"):
            intervals = [i for i in intervals if i != semitones]
        elif semitones not in intervals:
            intervals.append(semitones)
    quality = (shorthand or ("" if extras else "maj")) + (extras or "")
    tones = tuple((root + i) % 12 for i in intervals) or (root,)
    bass_pc = (root + _degree_semitones(bass, label)) % 12 if bass else root
    return Chord(root=root, quality=quality, tones=tones, bass=bass_pc)


def pitch_class_vector(value: Chord) -> npt.NDArray[np.float32]:
    """0/1 vector [12] of sounding pitch classes, the bass included; zeros for no chord, NaN for an unknown one."""
    vector = np.full(12, np.nan if value == UNKNOWN_CHORD else 0.0, np.float32)
    if value.root >= 0:
        vector[list(value.tones)] = 1.0
        vector[value.bass] = 1.0
    return vector


def transpose(value: Chord, semitones: int) -> Chord:
    """The same chord `semitones` higher."""
    if value.root < 0:
        return value
    return Chord(
        root=(value.root + semitones) % 12,
        quality=value.quality,
        tones=tuple((t + semitones) % 12 for t in value.tones),
        bass=(value.bass + semitones) % 12,
    )


def key_name(key: int) -> str:
    """Name of a key number 0..23 (0-11 major by tonic, 12-23 minor)."""
    return f"{NOTE_NAMES[key % 12]} {'minor' if key >= 12 else 'major'}"


def scale(key: int) -> tuple[int, ...]:
    """Pitch classes of the key's scale (natural minor for keys 12..23)."""
    steps = (0, 2, 3, 5, 7, 8, 10) if key >= 12 else _MAJOR_DEGREES
    return tuple((key % 12 + s) % 12 for s in steps)
