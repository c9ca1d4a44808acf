# SPDX-License-Identifier: GPL-3.0-or-later
"""From bars to a take: a new song of our own making, and how a band plays the bars of any song."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lbmodels.data.arrangement import arrange
from lbmodels.data.harmony import key_name
from lbmodels.data.performance import draw_take
from lbmodels.data.song import Bar, MelodyNote, Song, bars_of_form, choose_parts, pick_style
from lbmodels.data.style import Style
from lbmodels.data.tempo import beat_times, draw_plan, draw_start_s, draw_tempo


def generate_song(
    name: str, seed: int, rng: np.random.Generator, *, target_s: tuple[float, float] = (60.0, 75.0)
) -> tuple[Song, tuple[str, ...]]:
    """A new song and its band. The same generator state gives the same song.

    Args:
        target_s: range of lengths aimed at, seconds.
    """
    style = pick_style(rng)
    key = int(rng.integers(12)) + (12 if rng.random() < style.minor else 0)
    tempo = draw_tempo(*style.tempo_bpm, rng)
    parts = choose_parts(rng, style)
    bars = bars_of_form(style, key, tempo, float(rng.uniform(*target_s)), parts, rng)
    title = f"{style.name} in {key_name(key)}, {tempo:g} BPM"
    return played(
        name=name, title=title, source="generator", seed=seed, key=key, tempo=tempo, style=style, bars=bars, melody=(),
        parts=parts, rng=rng,
    )  # fmt: skip


def played(
    *, name: str, title: str, source: str, seed: int, key: int, tempo: float, style: Style, bars: Sequence[Bar],
    melody: Sequence[MelodyNote], parts: tuple[str, ...], rng: np.random.Generator,
) -> tuple[Song, tuple[str, ...]]:  # fmt: skip
    """A take of the bars: arranged, with a tempo curve, a feel, and some time before and after."""
    arranged, moved = arrange(bars, melody, parts, rng)
    plan = draw_plan(rng)
    sections = [b.start_beat for b in arranged if b.bar_in_section == 0]
    beats_s = beat_times(
        sum(b.beats for b in arranged), tempo, plan, rng, start_s=draw_start_s(rng),
        section_beats=sorted({0, *sections}), phrase_beats=4 * style.beats_per_bar,
    )  # fmt: skip
    tail_s = 1.5 if rng.random() < 0.8 else float(rng.uniform(1.5, 5.0))
    song = Song(
        name=name, title=title, source=source, seed=seed, key=key, tempo_bpm=tempo, style=style, bars=arranged,
        beats_s=beats_s, duration_s=float(beats_s[-1]) + tail_s, melody=moved, take=draw_take(rng, style.swing),
        tempo_plan=plan,
    )  # fmt: skip
    return song, parts
