# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys as people write them, as numbers."""

import re

from lbserver.errors import LiveBandError
from lbserver.music.notation.note_names import GERMAN_NAMES, NOTE, pitch_class, plain

_KEY = re.compile(
    r"(?:(?i:key)\s*(?:of|:)?\s*)?([A-Ha-h])\s*(?:([#b])|[- ]?(sharp|flat)\b)?\s*[-:]?\s*"
    r"((?i:(?:natural|harmonic|melodic)?\s*(?:minor|min|mi|aeolian)|major|maj|ma|ionian)|m|-|M|)"
)
_GERMAN_KEY = re.compile(r"([A-Ha-h])(is|es|s|b|#)?\s*-?\s*(dur|moll)", re.IGNORECASE)
_MODES = {"dorian": 10, "phrygian": 8, "lydian": 7, "mixolydian": 5, "locrian": 1}
_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_ACCEPTED = "write C, Am, F#m, Bb major or 'E minor'"


def parse_key(text: str) -> int:
    """0..11 major by tonic, 12..23 minor, from `C`, `Am`, `f#m`, `B♭ Major`, `C# minor`, `Bb:maj`, `h-Moll`.

    A small letter alone is minor. Raises LiveBandError: of modes there are major (ionian) and minor (aeolian) alone.
    """
    name = " ".join(plain(text).split())
    german = _GERMAN_KEY.fullmatch(name)
    if german:
        return _german(german[1].upper() + (german[2] or "").lower(), german[3], text)
    match = _KEY.fullmatch(name)
    if match is None:
        raise LiveBandError(f"{text[:40]!r} is not a key: {_instead(name)}")
    letter, sign, word, scale = match.groups()
    sign = sign or {"sharp": "#", "flat": "b", None: ""}[word]
    minor = scale.lower().endswith(("minor", "min", "mi", "aeolian")) or scale in ("m", "-")
    tonic = pitch_class(letter.upper() + sign)
    return tonic + (12 if minor or (not scale and letter.islower()) else 0)


def _german(name: str, scale: str, text: str) -> int:
    """With Dur and Moll B is B flat and H is B."""
    name = "Bb" if name == "B" else GERMAN_NAMES.get(name, name)
    if NOTE.fullmatch(name) is None:
        raise LiveBandError(f"{text[:40]!r} is not a key: {_ACCEPTED}")
    return pitch_class(name) + (12 if scale.lower() == "moll" else 0)


def _instead(name: str) -> str:
    """What to write: of a mode, the major key with the same notes."""
    tonic = re.match(r"([A-Ha-h])([#b]?)\s*[-:]?\s*([A-Za-z]+)", name)
    up = None if tonic is None else _MODES.get(tonic[3].lower())
    if tonic is None or up is None:
        return _ACCEPTED
    major = _NAMES[(pitch_class(tonic[1].upper() + tonic[2]) + up) % 12]
    return f"only major and minor are known; the notes of this mode are those of {major} major"
