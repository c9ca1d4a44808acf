# SPDX-License-Identifier: GPL-3.0-or-later
"""What a band does with a form: who enters when, who rests, stops, breaks, solos, silence, pick-ups, odd bars, key changes.

Each idea is a function of bars that returns bars; `arrange` draws which of them a song gets. Bars inserted or cut move
the melody with them, and beats, chords and keys stay those of the bars: the truth needs no repair afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lbmodels.data.harmony import NO_CHORD, transpose
from lbmodels.data.song import CORE_PARTS, Bar, MelodyNote

COUNT_IN, PICK_UP = "count-in", "pick-up"
Bars = list[Bar]
Parts = tuple[str, ...]


def renumbered(bars: Sequence[Bar]) -> tuple[Bar, ...]:
    """The bars laid end to end from beat 0."""
    result: Bars = []
    start = 0
    for bar in bars:
        result.append(replace(bar, start_beat=start))
        start += bar.beats
    return tuple(result)


def _stretch(bars: Bars, length: int, rng: np.random.Generator, *, first: int = 1) -> range:
    """Indices of a random run of bars that leaves the first ones alone; empty where the song is too short."""
    if len(bars) < first + length + 1:
        return range(0)
    at = int(rng.integers(first, len(bars) - length))
    return range(at, at + length)


def enter_in_turn(bars: Bars, parts: Parts, rng: np.random.Generator) -> Bars:
    """The players come in one after another over the first bars."""
    gap = int(rng.choice([1, 2, 2, 4]))
    if len(bars) < gap * len(parts):
        gap = 1
    entries = {p: i * gap for i, p in enumerate(rng.permutation(list(parts)).tolist())}
    return [
        replace(b, playing=frozenset(p for p in b.playing if i >= entries.get(p, 0)))
        for i, b in enumerate(bars)
    ]


def drop_out(bars: Bars, _parts: Parts, rng: np.random.Generator) -> Bars:
    """For a few bars some of the players rest."""
    for i in _stretch(bars, int(rng.choice([1, 2, 4])), rng):
        kept = [p for p in sorted(bars[i].playing) if rng.random() < 0.5]
        bars[i] = replace(bars[i], playing=frozenset(kept) or bars[i].playing)
    return bars


def solo(bars: Bars, parts: Parts, rng: np.random.Generator) -> Bars:
    """For a few bars one player is alone."""
    player = str(rng.choice(list(parts)))
    for i in _stretch(bars, int(rng.choice([2, 4, 8])), rng, first=0):
        bars[i] = replace(bars[i], playing=frozenset({player}))
    return bars


def featured(bars: Bars, parts: Parts, rng: np.random.Generator) -> Bars:
    """For a few bars one player stands in front and the others hold back."""
    player = str(rng.choice(list(parts)))
    for i in _stretch(bars, int(rng.choice([4, 8])), rng):
        bars[i] = replace(
            bars[i], playing=bars[i].playing | {player}, intensity=max(0.3, bars[i].intensity - 0.2)
        )
    return bars


def break_bar(bars: Bars, _parts: Parts, rng: np.random.Generator) -> Bars:
    """Before a new section all but one player stop for a bar."""
    ends = [i for i, b in enumerate(bars[:-1]) if b.closes_section and b.playing]
    for i in ends:
        if rng.random() < 0.5:
            keep = "drums" if rng.random() < 0.6 else str(rng.choice(sorted(bars[i].playing)))
            bars[i] = replace(bars[i], playing=bars[i].playing & {keep})
    return bars


def stops(bars: Bars, _parts: Parts, rng: np.random.Generator) -> Bars:
    """Stop time: in some bars the band plays the first beat and lets it ring."""
    for i in _stretch(bars, int(rng.choice([1, 2, 4])), rng):
        bars[i] = replace(bars[i], stop=True)
    return bars


def silence(bars: Bars, _parts: Parts, rng: np.random.Generator) -> Bars:
    """The whole band rests; the count goes on."""
    for i in _stretch(bars, int(rng.choice([1, 1, 2, 4])), rng):
        bars[i] = replace(bars[i], playing=frozenset())
    return bars


def build_up(bars: Bars, _parts: Parts, rng: np.random.Generator) -> Bars:
    """A rise (or a fall) of the level over a section."""
    by_section = sorted({b.section_index for b in bars})
    chosen = by_section[int(rng.integers(len(by_section)))]
    low, high = sorted(rng.uniform(0.3, 1.0, size=2).tolist())
    if rng.random() < 0.25:
        low, high = high, low
    for i, bar in enumerate(bars):
        if bar.section_index == chosen:
            place = bar.bar_in_section / max(1, bar.section_bars - 1)
            bars[i] = replace(bar, intensity=low + (high - low) * place)
    return bars


def modulation(bars: Bars, _parts: Parts, rng: np.random.Generator) -> Bars:
    """From some section on everything is a step higher, or in another key."""
    starts = [i for i, b in enumerate(bars) if b.bar_in_section == 0 and i > 0]
    if not starts:
        return bars
    at = starts[int(rng.integers(len(starts) // 2, len(starts)))]
    shift = int(rng.choice([1, 2, 2, 3, 5, -2, -3]))
    return [b if i < at else _shifted(b, shift) for i, b in enumerate(bars)]


def _shifted(bar: Bar, shift: int) -> Bar:
    moved = tuple((offset, transpose(value, shift)) for offset, value in bar.chords)
    return replace(bar, chords=moved, key_shift=bar.key_shift + shift)


def odd_bar(bars: Bars, _parts: Parts, rng: np.random.Generator) -> Bars:
    """A section ends on a bar that is half as long: its later chords are not reached."""
    ends = [i for i, b in enumerate(bars[:-1]) if b.closes_section and b.beats == 4]
    if ends:
        i = ends[int(rng.integers(len(ends)))]
        bars[i] = replace(bars[i], beats=2, chords=tuple(c for c in bars[i].chords if c[0] < 2.0))
    return bars


def pick_up(bars: Bars, parts: Parts, rng: np.random.Generator) -> Bars:
    """A part of a bar before the first one, played by a few."""
    full = bars[0].beats
    if full < 2:
        return bars
    beats = int(rng.integers(1, full))
    players = frozenset(str(p) for p in rng.permutation(list(parts))[: int(rng.integers(1, 3))])
    first = replace(
        bars[0], section=PICK_UP, section_index=-1, bar_in_section=0, section_bars=1, beats=beats, playing=players,
        chords=((0.0, bars[0].chords[0][1]),), first_beat=full - beats + 1, intensity=0.5, stop=False,
    )  # fmt: skip
    return [first, *bars]


def count_in(bars: Bars, parts: Parts, rng: np.random.Generator) -> Bars:
    """One or two bars of sticks; nobody plays a chord yet."""
    if "drums" not in parts:
        return bars
    first = replace(
        bars[0], section=COUNT_IN, section_index=-1, bar_in_section=0, section_bars=1, playing=frozenset({"drums"}),
        chords=((0.0, NO_CHORD),), intensity=0.7, stop=False,
    )  # fmt: skip
    return [first] * int(rng.integers(1, 3)) + bars


# Each idea with its chance and the most times it comes in one song.
_INSIDE = (
    (enter_in_turn, 0.22, 1), (drop_out, 0.5, 3), (solo, 0.25, 2), (featured, 0.3, 2), (break_bar, 0.3, 1),
    (stops, 0.2, 2), (build_up, 0.4, 2), (modulation, 0.1, 1), (odd_bar, 0.06, 1), (silence, 0.12, 1),
)  # fmt: skip


def arrange(
    bars: Sequence[Bar], melody: Sequence[MelodyNote], parts: Parts, rng: np.random.Generator
) -> tuple[tuple[Bar, ...], tuple[MelodyNote, ...]]:
    """The song's bars and melody after the band has been at them. Core parts still play somewhere."""
    changed = list(bars)
    for idea, chance, most in _INSIDE:
        for _ in range(most):
            if rng.random() < chance:
                changed = idea(changed, parts, rng)
    changed = _heard(changed, parts)
    moved = _moved(melody, bars, renumbered(changed))
    lead_in = rng.random()
    opened = (
        pick_up(changed, parts, rng)
        if lead_in < 0.1
        else count_in(changed, parts, rng)
        if lead_in < 0.18
        else changed
    )
    before = sum(b.beats for b in opened[: len(opened) - len(changed)])
    return renumbered(opened), tuple(replace(n, start_beat=n.start_beat + before) for n in moved)


def _heard(bars: Bars, parts: Parts) -> Bars:
    """The bars, with core parts that would rest all through the song put into the middle ones."""
    sounding = frozenset[str]().union(*(b.playing for b in bars))
    idle = frozenset(p for p in parts if p in CORE_PARTS) - sounding
    if not idle:
        return bars
    middle = range(len(bars) // 3, max(len(bars) // 3 + 1, 2 * len(bars) // 3))
    return [replace(b, playing=b.playing | idle) if i in middle else b for i, b in enumerate(bars)]


def _moved(melody: Sequence[MelodyNote], old: Sequence[Bar], new: Sequence[Bar]) -> list[MelodyNote]:
    """The melody's notes on the bars they were written for, transposed with them; those of cut beats are left out."""
    starts = np.array([b.start_beat for b in old])
    result = []
    for note in melody:
        index = int(np.searchsorted(starts, note.start_beat + 1e-9, side="right")) - 1
        if index < 0:
            continue
        offset = note.start_beat - old[index].start_beat
        if offset < new[index].beats:
            shift = new[index].key_shift - old[index].key_shift
            result.append(
                replace(
                    note,
                    start_beat=new[index].start_beat + offset,
                    pitch=int(np.clip(note.pitch + shift, 24, 103)),
                )
            )
    return result
