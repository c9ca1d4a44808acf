# SPDX-License-Identifier: GPL-3.0-or-later
"""The nearest chord label that can be read, for one that cannot."""

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches

from lbserver.music.notation.note_names import GERMAN_NAMES, NOTE

_LONGEST = 40
_SPELT_NAMES = {
    **GERMAN_NAMES,
    "Do": "C",
    "Re": "D",
    "Ré": "D",
    "Mi": "E",
    "Fa": "F",
    "Sol": "G",
    "La": "A",
    "Si": "B",
}
_SPELT_OUT = re.compile(
    "^(" + "|".join(sorted(_SPELT_NAMES, key=len, reverse=True)) + ")(?![a-z]{3})",
    re.IGNORECASE,
)
_USUAL = (
    "m", "7", "m7", "maj7", "6", "m6", "69", "m69", "9", "m9", "maj9", "11", "m11", "13", "m13", "maj13", "dim", "dim7", "m7b5",
    "aug", "aug7", "5", "2", "add9", "madd9", "add11", "sus2", "sus4", "7sus4", "9sus4", "13sus4", "mMaj7", "7b5", "7#5", "7b9",
    "7#9", "7#11", "7b13", "maj7#11", "maj7#5", "maj7b5", "9#11", "13#11", "13b9", "7#5#9", "7b5b9", "7b9b13", "7alt", "(no3)",
    "(b5)", "maj", "min", "minor", "major",
)  # fmt: skip


def nearest(text: str, reads: Callable[[str], bool]) -> str | None:
    """The first of the spellings near `text` (in plain characters) that `reads` accepts."""
    return next((candidate for candidate in _candidates(text[:_LONGEST]) if reads(candidate)), None)


def _candidates(text: str) -> Iterator[str]:
    text = "".join(text.split()).replace("\\", "/").strip("'\"`.,;:!?*_<>[]{}")
    spelt = _SPELT_OUT.match(text)
    spellings = [text, *([_SPELT_NAMES[spelt[1].capitalize()] + text[spelt.end() :]] if spelt else [])]
    spellings.append(text[:1].upper() + text[1:])
    yield from spellings
    for spelling in spellings:
        root = NOTE.match(spelling)
        if root is None:
            continue
        kind, slash, bass = spelling[root.end() :].partition("/")
        for close in get_close_matches(kind, _USUAL, n=3, cutoff=0.7):
            yield f"{root[0]}{close}{slash}{bass}"
            yield f"{root[0]}{close}"
        for end in range(len(spelling) - 1, root.end() - 1, -1):
            yield spelling[:end].rstrip("/")
