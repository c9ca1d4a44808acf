# SPDX-License-Identifier: GPL-3.0-or-later
"""Melody parts: lead and counter line."""

from __future__ import annotations

import numpy as np

from lbmodels.data.harmony import scale
from lbmodels.data.parts import Note, Player, monophonic
from lbmodels.data.song import Song


def _motif(song: Song, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Rhythm of a two-bar phrase as (step, length in steps)."""
    spb = song.style.steps_per_beat
    total = 2 * song.style.beats_per_bar * spb
    grid = 2 if spb == 4 else 1
    events: list[tuple[int, int]] = []
    step = int(rng.choice([0, 0, grid, spb]))
    while step < total - spb:
        length = int(rng.choice([grid, 2 * grid, spb, 2 * spb], p=[0.3, 0.35, 0.2, 0.15]))
        if rng.random() < 0.78:
            events.append((step, length))
        step += length
    return events


def lead(song: Song, rng: np.random.Generator) -> list[Note]:
    """Melody: the song's own where it has one, else phrases of a repeated rhythm, chord tones on beats, steps between."""
    player = Player(song, rng, jitter_ms=7.0, lag_ms=float(rng.uniform(0, 8)))
    if song.melody:
        return _given_melody(song, player)
    return _phrases(song, player, "lead", low=int(rng.integers(60, 66)), rng=rng)


def counter(song: Song, rng: np.random.Generator) -> list[Note]:
    """A second, lower and sparser line."""
    player = Player(song, rng, jitter_ms=7.0)
    return _phrases(song, player, "counter", low=int(rng.integers(50, 57)), rng=rng, rest=0.45)


def _given_melody(song: Song, player: Player) -> list[Note]:
    for note in song.melody:
        bar = next((b for b in song.bars if b.start_beat <= note.start_beat < b.start_beat + b.beats), None)
        if bar is None or "lead" not in bar.playing:
            continue
        start_s = song.time_s(note.start_beat)
        player.add(
            start_s, song.time_s(note.start_beat + note.beats * 0.95), note.pitch, 78 + 24 * bar.intensity
        )
    return player.notes


def _phrases(
    song: Song, player: Player, part: str, *, low: int, rng: np.random.Generator, rest: float = 0.15
) -> list[Note]:
    motifs: dict[str, list[tuple[int, int]]] = {}
    spb = song.style.steps_per_beat
    pitch = low + 7
    silent = False
    for bar in song.bars:
        if bar.bar_in_section % 2 == 0:
            silent = bool(rng.random() < rest)
        if part not in bar.playing or silent:
            continue
        motif = motifs.setdefault(bar.section, _motif(song, rng))
        if rng.random() < 0.1:
            motif = _motif(song, rng)
        steps, limit = player.steps(bar), player.limit(bar)
        first = 0 if bar.bar_in_section % 2 == 0 else steps
        tonic_scale = set(scale(song.key_of(bar)))
        for step, length in ((s - first, n) for s, n in motif if first <= s < first + steps):
            if step >= limit:
                continue
            value = player.chord(bar, step)
            if value.root < 0:
                continue
            allowed = set(value.tones) if step % spb == 0 or length >= spb else tonic_scale | set(value.tones)
            target = pitch + int(rng.choice([-4, -2, -1, 1, 2, 4, 5]))
            target = int(np.clip(target, low, low + 19))
            pitch = min(
                (p for p in range(low - 2, low + 22) if p % 12 in allowed), key=lambda p: abs(p - target)
            )
            start_s = player.time(bar, step)
            end_s = player.time(bar, min(step + length, steps))
            player.add(start_s, start_s + (end_s - start_s) * 0.92, pitch, 70 + 28 * bar.intensity)
    return monophonic(player.notes)
