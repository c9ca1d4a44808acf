# SPDX-License-Identifier: GPL-3.0-or-later
"""The names by which chords are shown that cross a process border as numbers (`chord` in segment.py)."""

NOTES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

KINDS = {
    "": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11), "m7": (0, 3, 7, 10), "6": (0, 4, 7, 9),
    "m7b5": (0, 3, 6, 10), "dim7": (0, 3, 6, 9), "dim": (0, 3, 6), "aug": (0, 4, 8), "sus4": (0, 5, 7), "sus2": (0, 2, 7),
    "m6": (0, 3, 7, 9), "mM7": (0, 3, 7, 11), "7sus4": (0, 5, 7, 10), "9": (0, 2, 4, 7, 10), "maj9": (0, 2, 4, 7, 11),
    "m9": (0, 2, 3, 7, 10), "add9": (0, 2, 4, 7), "m(add9)": (0, 2, 3, 7), "5": (0, 7), "aug7": (0, 4, 8, 10),
    "7b9": (0, 1, 4, 7, 10), "7#9": (0, 3, 4, 7, 10), "13": (0, 2, 4, 7, 9, 10), "6/9": (0, 2, 4, 7, 9),
}  # fmt: skip
"""Semitones above the root; of two that fit as well the first counts."""


def label_of(tones: frozenset[int], bass: int | None) -> str:
    """A lead sheet's label of pitch classes over a bass, `N` for none. What has no name of its own is named by the most of its
    tones that have one.
    """
    if not tones:
        return "N"
    best: tuple[int, bool, str] = (0, False, NOTES[min(tones)])
    for root in range(12):
        for kind, intervals in KINDS.items():
            sounding = {(root + interval) % 12 for interval in intervals}
            rank = len(sounding & tones) - 2 * len(sounding - tones), root == bass
            if rank > best[:2]:
                best = *rank, NOTES[root] + kind + ("" if bass in (None, root) else f"/{NOTES[bass]}")
    return best[2]
