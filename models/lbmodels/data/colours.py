# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts that colour a band: hand percussion and broken-chord patterns."""

from __future__ import annotations

import numpy as np

from lbmodels.data.comping import voicing
from lbmodels.data.parts import STRENGTH, Note, Player, monophonic
from lbmodels.data.song import Song

# Shakers, tambourine, claves, congas, bongos, triangle, cabasa, claps: General MIDI percussion keys.
_INSTRUMENTS = ((70,), (54,), (75,), (62, 63, 64), (60, 61), (80, 81), (69,), (39,), (82,), (56,))


def percussion(song: Song, rng: np.random.Generator) -> list[Note]:
    """One or two hand instruments, each with one pattern a song: an even pulse, or a figure of its own."""
    player = Player(song, rng, jitter_ms=6.0, lag_ms=float(rng.uniform(-4, 4)))
    spb = song.style.steps_per_beat
    chosen = [_INSTRUMENTS[int(i)] for i in rng.permutation(len(_INSTRUMENTS))[: int(rng.integers(1, 3))]]
    patterns = [_pattern(song.style.beats_per_bar * spb, spb, rng) for _ in chosen]
    for bar in song.bars:
        if "percussion" not in bar.playing:
            continue
        for keys, pattern in zip(chosen, patterns, strict=True):
            for step in range(player.limit(bar)):
                mark = pattern[step % len(pattern)]
                if mark == "." or rng.random() < 0.04:
                    continue
                start_s = player.time(bar, step)
                key = keys[0] if mark == "X" else keys[step % len(keys)]
                player.add(start_s, start_s + 0.2, key, STRENGTH[mark] * (0.5 + 0.4 * bar.intensity))
    return player.notes


def _pattern(steps: int, steps_per_beat: int, rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.35:
        return "".join("X" if s % steps_per_beat == 0 else "o" for s in range(steps))
    if kind < 0.55:
        return "".join("x" if s % max(1, steps_per_beat // 2) == 0 else "." for s in range(steps))
    if kind < 0.7:
        return "".join("x" if s % (2 * steps_per_beat) == steps_per_beat else "." for s in range(steps))
    weights = [0.75 if s % steps_per_beat == 0 else 0.35 for s in range(steps)]
    hits = rng.random(steps) < np.array(weights)
    return "".join(str(rng.choice(["X", "x", "o"])) if hit else "." for hit in hits)


def arpeggio(song: Song, rng: np.random.Generator) -> list[Note]:
    """The chord's tones one by one, up, down or to and fro, on eighths, sixteenths or triplets."""
    player = Player(song, rng, jitter_ms=4.0)
    spb = song.style.steps_per_beat
    every = int(rng.choice([1, 2])) if spb == 4 else 1
    low, voices = int(rng.integers(54, 68)), int(rng.choice([3, 4]))
    shape = str(rng.choice(["up", "down", "to and fro"]))
    gate = float(rng.uniform(0.5, 1.4))
    level = float(rng.uniform(56, 84))
    previous: list[int] = []
    for bar in song.bars:
        if "arpeggio" not in bar.playing:
            continue
        for step in range(0, player.limit(bar), every):
            value = player.chord(bar, step)
            if value.root < 0:
                continue
            stack = previous = voicing(value, previous, low=low, high=low + 20, voices=voices)
            order = stack if shape == "up" else stack[::-1] if shape == "down" else stack + stack[-2:0:-1]
            start_s = player.time(bar, step)
            end_s = player.time(bar, min(step + every, player.steps(bar)))
            accent = 8.0 if step % spb == 0 else 0.0
            pitch = order[(step // every) % len(order)]
            player.add(
                start_s, start_s + (end_s - start_s) * gate, pitch, level + accent + 14 * bar.intensity
            )
    return player.notes if gate > 1.0 else monophonic(player.notes)
