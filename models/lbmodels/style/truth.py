# SPDX-License-Identifier: GPL-3.0-or-later
"""Which concepts are true of a song and of a stem, by what their data sets say of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lbmodels.style.vocabulary import CONCEPTS

ROLE_OF_CLASS = {
    "Bass": "bass", "Piano": "piano", "Guitar": "guitar", "Strings": "strings", "Ensemble": "strings", "Brass": "brass",
    "Reed": "reed", "Pipe": "pipe", "Organ": "organ", "Synth Lead": "synth", "Synth Pad": "synth",
    "Synth Effects": "synth", "Chromatic Percussion": "mallets", "Ethnic": "ethnic",
}  # fmt: skip
# General MIDI programs, counted from 0, of each sound.
_SOUND_OF_PROGRAM: Mapping[str, tuple[int, ...]] = {
    "grand piano": (0, 1, 2), "honky tonk piano": (3,), "electric piano": (4, 5), "harpsichord": (6,), "clavinet": (7,),
    "bells": (8, 9, 10, 14), "vibraphone": (11,), "marimba": (12, 13), "hammond": (16, 17, 18),
    "accordion": (21, 23), "harmonica": (22,), "nylon guitar": (24,), "steel guitar": (25,), "jazz guitar": (26,),
    "clean guitar": (27,), "muted guitar": (28,), "overdriven guitar": (29,), "distorted guitar": (30,),
    "upright bass": (32,), "electric bass": (33,), "picked bass": (34,), "fretless bass": (35,), "slap bass": (36, 37),
    "synth bass": (38, 39), "violin": (40, 110), "synth strings": (50, 51), "choir": (52, 53, 54), "trumpet": (56, 59),
    "trombone": (57,), "horn section": (61,), "synth brass": (62, 63), "saxophone": (64, 65, 66, 67),
    "clarinet": (71,), "flute": (72, 73, 74, 75), "synth lead": tuple(range(80, 88)),
    "synth pad": tuple(range(88, 96)), "banjo": (105,),
}  # fmt: skip
_KITS = {0: "standard kit", 8: "room kit", 16: "power kit", 24: "electronic kit", 25: "electronic kit",
         32: "jazz kit", 40: "brushes"}  # fmt: skip
_SLOW_BPM, _FAST_BPM = 92.0, 132.0


def song_concepts(info: Mapping[str, Any]) -> set[str]:
    """What is true of all that plays in a song of ours."""
    tempo, key = float(info.get("tempo_bpm") or 0), info.get("key")
    said = {str(info.get("style"))}
    said |= {"slow"} if 0 < tempo < _SLOW_BPM else {"fast"} if tempo > _FAST_BPM else set()
    said |= {"major" if key < 12 else "minor"} if isinstance(key, int) else set()
    return said & set(CONCEPTS)


def stem_concepts(entry: Mapping[str, Any]) -> set[str]:
    """What is true of a stem by its instrument."""
    program = int(entry.get("program_num") or 0)
    if entry.get("is_drum"):
        if entry.get("midi_program_name") == "percussion":
            return {"percussion"}
        return {"drums"} | sound_of(program, is_drum=True)
    roles = (
        {ROLE_OF_CLASS[str(entry.get("inst_class"))]} if entry.get("inst_class") in ROLE_OF_CLASS else set()
    )
    return roles | sound_of(program, is_drum=False)


def sound_of(program: int, *, is_drum: bool) -> set[str]:
    """The sound of a General MIDI program, from 0, or of a kit; empty for those without a word."""
    if is_drum:
        return {_KITS[program]} if program in _KITS else set()
    return {name for name, programs in _SOUND_OF_PROGRAM.items() if program in programs}
