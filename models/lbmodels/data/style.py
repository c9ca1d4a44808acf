# SPDX-License-Identifier: GPL-3.0-or-later
"""What a style is: a grid, grooves and figures as lines of text, and the sounds it is played with.

A groove or figure is one bar of steps. Drum lines: `X` accent, `x` hit, `o` ghost note, `.` nothing.
Bass: `R` root, `5` fifth, `3` third, `7` seventh or sixth, `8` octave, `A` approach to the next chord, `-` hold, `.` rest.
Piano: `X`/`x` chord, `-` hold, `.` rest, digits = single voices of the chord from below.
Guitar: `d`/`D` down stroke, `u` up stroke, `m` muted stroke, digits = strings of an arpeggio, `-` hold, `.` rest.
Bars of 4/4 have 16 steps (12 where the beat is divided in three), 3/4 has 12, 6/8 has 6 (two beats of three steps).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Style:
    """One accompaniment style. `swing` is where the off-beat falls in its unit (0.5 = straight), `swing_unit` in beats."""

    name: str
    beats_per_bar: int = 4
    steps_per_beat: int = 4
    tempo_bpm: tuple[float, float]
    swing: tuple[float, float] = (0.5, 0.5)
    swing_unit: float = 1.0
    colour: float  # chance that a triad grows to a seventh or further
    minor: float = 0.4  # chance of a minor key
    grooves: tuple[dict[str, str], ...]
    bass: tuple[str, ...]
    piano: tuple[tuple[str, str], ...]  # right hand, left hand
    guitar: tuple[str, ...]
    power_chords: float = 0.0
    kits: tuple[int, ...] = (0, 8, 16)
    bass_programs: tuple[int, ...] = (33, 34, 33, 32)
    piano_programs: tuple[int, ...] = (0, 1, 0, 2)
    guitar_programs: tuple[int, ...] = (25, 27, 24)
    lead_programs: tuple[int, ...] = (80, 81, 73, 65, 56, 40, 22)
    pad_programs: tuple[int, ...] = (48, 49, 50, 16, 17, 89, 52)
    drum_lag_ms: float = 0.0
    blues: float = 0.0  # chance of a twelve-bar form
    drumless: float = 0.0  # chance of a band without drums


def groove(**lines: str) -> dict[str, str]:
    """One bar of drums by line."""
    return lines
