# SPDX-License-Identifier: GPL-3.0-or-later
"""Chord parts: piano, guitar, pads, with their voicings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbmodels.data.harmony import Chord
from lbmodels.data.parts import STRENGTH, Note, Player, fit, near, section_choice
from lbmodels.data.song import Song


def voicing(value: Chord, previous: list[int], *, low: int, high: int, voices: int) -> list[int]:
    """Close-position voicing nearest to the previous one (smallest total movement), sorted from below."""
    tones = list(value.tones)
    if len(tones) > voices:
        # The fifth tells least about a chord, then the root, which the bass plays.
        tones = [t for t in tones if (t - value.root) % 12 != 7]
    if len(tones) > voices:
        tones = tones[1 : voices + 1]
    centre = sum(previous) / len(previous) if previous else (low + high) / 2
    best: list[int] = []
    best_cost = float("inf")
    for base in range(low, high - 5):
        if base % 12 not in {t % 12 for t in tones}:
            continue
        stack = sorted(base + (t - base) % 12 for t in tones)
        if stack[-1] > high:
            continue
        if len(stack) < voices and stack[0] + 12 <= high:
            stack.append(stack[0] + 12)
        if previous:
            cost = sum(min(abs(p - q) for q in previous) for p in stack) + 0.2 * abs(
                sum(stack) / len(stack) - centre
            )
        else:
            cost = abs(sum(stack) / len(stack) - centre)
        cost += 0.08 * abs(sum(stack) / len(stack) - (low + high) / 2)
        if cost < best_cost:
            best, best_cost = stack, cost
    return best or [low + (value.root - low) % 12]


def _figure_events(line: str, limit: int, changes: set[int]) -> Iterator[tuple[int, str, int]]:
    """(step, mark, end step) of a figure; a held note is struck again where the chord changes under it."""
    step, sounding = 0, "."
    while step < limit:
        mark = line[step]
        if mark == "-" and step in changes and sounding != ".":
            mark = sounding
        if mark not in "-.":
            sounding = mark
            end = step + 1
            while end < limit and line[end] == "-" and end not in changes:
                end += 1
            yield step, mark, end
            step = end
            continue
        if mark == ".":
            sounding = "."
        step += 1


def piano(song: Song, rng: np.random.Generator) -> list[Note]:
    """Keyboard: right-hand chords by voice leading or broken chords, left-hand roots and octaves."""
    player = Player(song, rng, jitter_ms=5.0, lag_ms=float(rng.uniform(-3, 4)))
    style = song.style
    choose = section_choice(len(style.piano), rng)
    low = int(rng.integers(52, 58))
    voices = int(rng.choice([3, 3, 4]))
    octave_left = bool(rng.random() < 0.35)
    pedal = float(rng.uniform(0.7, 1.0))
    previous: list[int] = []
    for bar in song.bars:
        if "piano" not in bar.playing:
            continue
        right, left = style.piano[choose(bar.section)]
        steps, limit, changes = player.steps(bar), player.limit(bar), player.change_steps(bar)
        level = 58 + 36 * bar.intensity
        for step, mark, end in _figure_events(fit(right, steps), limit, changes):
            value = player.chord(bar, step)
            if value.root < 0:
                continue
            stack = previous = voicing(value, previous, low=low, high=low + 24, voices=voices)
            start_s, end_s = player.time(bar, step), player.time(bar, end)
            accent = 6.0 if step % style.steps_per_beat == 0 else 0.0
            if mark.isdigit():
                pitch = stack[int(mark) % len(stack)] + 12 * (int(mark) // len(stack))
                player.add(start_s, start_s + (end_s - start_s) * (1 + pedal), pitch, level + accent)
                continue
            roll = float(rng.uniform(0, 0.006))
            for i, pitch in enumerate(stack):
                player.add(
                    start_s + i * roll,
                    start_s + (end_s - start_s) * pedal,
                    pitch,
                    level + accent + (6 if mark == "X" else 0),
                    spread=4.0,
                )
        if "bass" in bar.playing and rng.random() < 0.15:
            continue
        for step, _, end in _figure_events(fit(left, steps), limit, changes):
            value = player.chord(bar, step)
            if value.root < 0:
                continue
            start_s, end_s = player.time(bar, step), player.time(bar, end)
            pitch = near(value.bass, 43, 36, 50)
            player.add(start_s, start_s + (end_s - start_s) * 0.95, pitch, level)
            if octave_left:
                player.add(start_s, start_s + (end_s - start_s) * 0.95, pitch - 12, level - 4)
    return player.notes


# Standard tuning, low to high; shapes are found by walking each string up to the nearest chord tone.
_STRINGS = (40, 45, 50, 55, 59, 64)


def _guitar_shape(value: Chord, position: int, *, power: bool) -> list[int]:
    """Pitches of a chord grip near a fret position, lowest string carrying the root."""
    if power:
        root = near(value.root, 44, 40, 51)
        return [root, root + 7, root + 12]
    tones = set(value.tones)
    pitches: list[int] = []
    for index, string in enumerate(_STRINGS):
        wanted = {value.bass} if not pitches and index <= 1 else tones
        fret = next((f for f in range(position, position + 5) if (string + f) % 12 in wanted), None)
        if fret is not None:
            pitches.append(string + fret)
    return sorted(set(pitches)) or [near(value.root, 52, 40, 64)]


def guitar(song: Song, rng: np.random.Generator, part: str = "guitar") -> list[Note]:
    """Guitar (or a second one, by the name of its part): strummed grips with down and up strokes, arpeggios, muted strokes, power chords where the style has them."""
    player = Player(song, rng, jitter_ms=5.0, lag_ms=float(rng.uniform(-3, 5)))
    style = song.style
    choose = section_choice(len(style.guitar), rng)
    position = int(rng.choice([0, 0, 2, 3, 5, 7]))
    power = bool(rng.random() < style.power_chords)
    strum_s = float(rng.uniform(0.004, 0.016))
    damp = float(rng.uniform(0.6, 1.0))
    for bar in song.bars:
        if part not in bar.playing:
            continue
        figure = style.guitar[choose(bar.section)]
        steps, limit, changes = player.steps(bar), player.limit(bar), player.change_steps(bar)
        level = 0.72 + 0.3 * bar.intensity
        for step, mark, end in _figure_events(fit(figure, steps), limit, changes):
            value = player.chord(bar, step)
            if value.root < 0:
                continue
            grip = _guitar_shape(value, position, power=power)
            start_s, end_s = player.time(bar, step), player.time(bar, end)
            hold = start_s + max(0.09, (end_s - start_s) * damp)
            if mark.isdigit():
                pitch = grip[int(mark) % len(grip)]
                player.add(start_s, start_s + (end_s - start_s) * 1.8, pitch, 84 * level)
            elif mark == "m":
                for pitch in grip[:3]:
                    player.add(start_s, start_s + 0.04, pitch, 50 * level, spread=4.0)
            else:
                struck = grip if mark in "dD" else grip[::-1][:4]
                for i, pitch in enumerate(struck):
                    player.add(
                        start_s + i * strum_s * 0.6, hold, pitch, STRENGTH[mark] * level - 2 * i, spread=4.0
                    )
    return player.notes


def pad(song: Song, rng: np.random.Generator) -> list[Note]:
    """Held chords, led by smallest movement."""
    player = Player(song, rng, jitter_ms=6.0)
    low = int(rng.integers(50, 58))
    previous: list[int] = []
    for bar in song.bars:
        if "pad" not in bar.playing:
            continue
        bounds = [o for o, _ in bar.chords] + [1.0 if bar.stop else float(bar.beats)]
        for (offset, value), end in zip(bar.chords, bounds[1:], strict=True):
            if value.root < 0 or (bar.stop and offset >= 1.0):
                continue
            previous = voicing(value, previous, low=low, high=low + 22, voices=3)
            start_s = song.time_s(bar.start_beat + offset)
            end_s = song.time_s(bar.start_beat + min(end, 1.0 if bar.stop else end))
            for pitch in previous:
                player.add(start_s, end_s - 0.01, pitch, 48 + 34 * bar.intensity, spread=3.0)
    return player.notes
