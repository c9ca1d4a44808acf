# SPDX-License-Identifier: GPL-3.0-or-later
"""The stem classes that a pool can hold, as one table: the four of `contract.stems`, then what other parts of a band sound like."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StemClass:
    """A class is made of whole `parts` of the band, or of what other parts play with these General MIDI `programs` (0..127)."""

    parts: tuple[str, ...] = ()
    programs: tuple[int, ...] = ()


CLASSES: dict[str, StemClass] = {
    "drums": StemClass(parts=("drums", "percussion")),
    "bass": StemClass(parts=("bass",)),
    "piano": StemClass(parts=("piano",)),
    "guitar": StemClass(parts=("guitar", "guitar2")),
    "organ": StemClass(programs=(*range(16, 22), 23)),
    "strings": StemClass(programs=(*range(40, 47), *range(48, 52), 110)),
    "brass": StemClass(programs=tuple(range(56, 64))),
    "lead": StemClass(programs=(22, *range(64, 88))),
    "pad": StemClass(programs=(*range(52, 55), *range(88, 96))),
}
"""In this order: places in a pool's files are counted by it, so a new class comes at the end."""

POOL_STEMS = tuple(CLASSES)

_OF_PART = {part: name for name, one in CLASSES.items() for part in one.parts}
_OF_PROGRAM = {program: name for name, one in CLASSES.items() for program in one.programs}


def stem_class(part: str, program: int) -> str | None:
    """The class of what a part plays with a program; None for mallets, plucked world instruments and effects, which are only heard."""
    return _OF_PART.get(part) or _OF_PROGRAM.get(program)
