# SPDX-License-Identifier: GPL-3.0-or-later
"""Note names, and text about music in plain characters: one sign for a flat, whatever program or keyboard it came from."""

import re
import unicodedata
from collections.abc import Mapping

NATURALS: Mapping[str, int] = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11, "H": 11}
"""Pitch class of each letter; H is the B natural of German and Nordic charts, and nothing else."""

GERMAN_NAMES: Mapping[str, str] = {
    "Cis": "C#", "Dis": "D#", "Eis": "E#", "Fis": "F#", "Gis": "G#", "Ais": "A#", "His": "B#",
    "Ces": "Cb", "Des": "Db", "Es": "Eb", "Fes": "Fb", "Ges": "Gb", "As": "Ab", "Hes": "Bb",
}  # fmt: skip

# Signs that Unicode's compatibility forms (full and half width, superscripts) leave as they are.
_SIGNS = str.maketrans(
    {
        "♭": "b", "♯": "#", "♮": "", "𝄫": "bb", "𝄪": "##", "𝄬": "b", "𝄰": "#",
        "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "‒": "-",
        "△": "Δ", "∆": "Δ", "▵": "Δ", "˚": "°", "○": "°", "◦": "°", "º": "°", "⚬": "°",
        "Ø": "ø", "∅": "ø", "⌀": "ø", "𝆩": "ø", "⁄": "/", "∕": "/", "⧸": "/",
        "ı": "i", "İ": "I",  # a case-blind search takes Turkish letters for these
        "│": "|", "┃": "|", "❘": "|", "𝄀": "|", "𝄁": "||", "𝄂": "|]", "𝄆": "|:", "𝄇": ":|", "𝄎": "%", "×": "x",
        "\u200b": "", "\u200c": "", "\u200d": "", "\u2060": "", "\ufeff": "", "\u00ad": "", "\ufe0e": "", "\ufe0f": "",
    }
)  # fmt: skip


def plain(text: str) -> str:
    """The same text with `b` and `#` for flats and sharps, `-` for every dash, `Δ`, `°` and `ø`, no full-width characters."""
    return unicodedata.normalize("NFKC", text.translate(_SIGNS)).translate(_SIGNS)


def pitch_class(name: str) -> int:
    """0..11 of a letter with any number of `#` and `b` behind it."""
    return (NATURALS[name[0]] + name.count("#") - name[1:].count("b")) % 12


NOTE = re.compile(r"([A-H])(#+|b+|)")
