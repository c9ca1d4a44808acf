# SPDX-License-Identifier: GPL-3.0-or-later
"""Drums and bass, and what every player needs while it writes its notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lbmodels.data.harmony import Chord
from lbmodels.data.performance import Feel
from lbmodels.data.song import Bar, Song

# Pattern letter -> General MIDI percussion key.
DRUM_KEYS = {
    "K": 36, "S": 38, "R": 37, "H": 42, "p": 44, "O": 46, "r": 51, "B": 56, "C": 49, "c": 39, "t": 54, "h": 70,
    "q": 63, "1": 50, "2": 47, "3": 45, "4": 43,
}  # fmt: skip
_DRUM_LEVEL = {
    "K": 1.0,
    "S": 1.0,
    "H": 0.72,
    "p": 0.65,
    "O": 0.75,
    "r": 0.75,
    "C": 0.85,
    "t": 0.6,
    "h": 0.6,
    "B": 0.6,
}
STRENGTH = {"X": 108, "x": 86, "o": 46, "D": 104, "d": 86, "u": 72}


@dataclass(frozen=True, kw_only=True)
class Note:
    """One note in seconds; `pitch` and `velocity` are MIDI numbers."""

    start_s: float
    end_s: float
    pitch: int
    velocity: int


class Player:
    """What every part needs while it writes: grid times with swing, and how this player deviates from them."""

    def __init__(
        self, song: Song, rng: np.random.Generator, *, jitter_ms: float, lag_ms: float = 0.0
    ) -> None:
        self.song, self.rng = song, rng
        self.style = song.style
        band = song.take.swing
        self.swing = float(rng.uniform(*self.style.swing)) if band is None else band
        if self.swing != 0.5:
            own = float(rng.normal(0.0, 0.01)) * song.take.looseness
            self.swing = float(np.clip(self.swing + own, 0.5, 0.72))
        self.feel = Feel(song.take, len(song.beats_s) - 1, rng, jitter_ms=jitter_ms, lag_ms=lag_ms)
        self.notes: list[Note] = []

    def beat_of_step(self, step: float) -> float:
        """Beat position in the bar of a step, swing included."""
        beat = step / self.style.steps_per_beat
        unit = self.style.swing_unit
        whole, part = divmod(beat / unit, 1.0)
        warped = (
            part * self.swing / 0.5 if part < 0.5 else self.swing + (part - 0.5) * (1.0 - self.swing) / 0.5
        )
        return (whole + warped) * unit

    def time(self, bar: Bar, step: float) -> float:
        return self.song.time_s(bar.start_beat + self.beat_of_step(step))

    def add(self, start_s: float, end_s: float, pitch: int, velocity: float, *, spread: float = 6.0) -> None:
        beat = self.song.beat_at(start_s)
        start = max(0.0, start_s + self.feel.offset_s(beat))
        level = self.feel.velocity(beat, velocity, spread)
        self.notes.append(
            Note(start_s=start, end_s=max(end_s, start + 0.03), pitch=int(pitch), velocity=level)
        )

    def steps(self, bar: Bar) -> int:
        return bar.beats * self.style.steps_per_beat

    def limit(self, bar: Bar) -> int:
        """Steps that sound in this bar: all of them, or only the first beat of a stop."""
        return self.style.steps_per_beat if bar.stop else self.steps(bar)

    def chord(self, bar: Bar, step: int) -> Chord:
        return bar.chord_at(step / self.style.steps_per_beat)

    def change_steps(self, bar: Bar) -> set[int]:
        return {round(offset * self.style.steps_per_beat) for offset, _ in bar.chords}


def fit(pattern: str, steps: int) -> str:
    """A figure repeated or cut to a bar's length."""
    return (pattern * (steps // len(pattern) + 1))[:steps]


def section_choice(n: int, rng: np.random.Generator) -> Callable[[str], int]:
    """Keeps one choice of n per kind of section, so that verses sound alike and choruses differ."""
    chosen: dict[str, int] = {}

    def choose(section: str) -> int:
        if section not in chosen:
            chosen[section] = int(rng.integers(n))
        return chosen[section]

    return choose


# Fills by steps per beat: lines over the last two beats (8 steps) or one and a third of a bar.
_FILLS: dict[int, tuple[dict[str, str], ...]] = {
    4: (
        {"S": "x.x.xxxX", "K": "X...X..."},
        {"S": "xx......", "1": "..xx....", "2": "....xx..", "4": "......xx", "K": "X...X..."},
        {"1": "x.x.....", "2": "....x...", "4": "......xx", "K": "X......."},
        {"S": "....X.XX", "K": "X.X....."},
        {"S": "oooxxxXX", "K": "X...X..."},
        {"S": "X..X..X.", "K": "X..X..X.", "C": "X..X..X."},
        {"O": "......X.", "S": "....X...", "K": "X.....X."},
    ),
    3: (
        {"S": "x.xxxX", "K": "X..X.."},
        {"1": "xx....", "2": "..xx..", "4": "....xx", "K": "X....."},
        {"S": "XxxXxx", "K": "X..X.."},
    ),
}


def drums(song: Song, rng: np.random.Generator) -> list[Note]:
    """Drum kit: one groove per kind of section, bar variations, crashes on section starts, fills on section ends."""
    player = Player(song, rng, jitter_ms=2.5, lag_ms=song.style.drum_lag_ms * 0.3)
    style = song.style
    choose = section_choice(len(style.grooves), rng)
    busy = float(rng.uniform(0.0, 0.35))
    cymbal_swap = {s: bool(rng.random() < 0.4) for s in ("chorus", "solo", "bridge")}
    previous: Bar | None = None
    for bar in song.bars:
        if "drums" not in bar.playing:
            previous = None
            continue
        if bar.section == "count-in":
            for beat in range(bar.beats):
                start = player.time(bar, beat * style.steps_per_beat)
                player.add(start, start + 0.2, DRUM_KEYS["R"], 92 + (10 if beat == 0 else 0))
            continue
        groove = dict(style.grooves[choose(bar.section)])
        if cymbal_swap.get(bar.section) and "H" in groove and "r" not in groove:
            groove["r"] = groove.pop("H")
        if bar.section in ("breakdown", "intro") and bar.intensity < 0.45:
            groove.pop("S", None)
        steps, limit = player.steps(bar), player.limit(bar)
        lines = {key: list(fit(line, steps)) for key, line in groove.items()}
        _vary(lines, steps, busy, rng)
        if bar.closes_section and not bar.stop and rng.random() < 0.75:
            _fill(lines, steps, style.steps_per_beat, rng)
        entering = previous is None or bar.bar_in_section == 0
        if entering and rng.random() < 0.25 + 0.6 * bar.intensity and style.name not in ("bossa",):
            lines.setdefault("C", ["."] * steps)[0] = "X"
            lines.get("H", ["."])[0] = "."
        level = 0.62 + 0.42 * bar.intensity
        for key, line in lines.items():
            for step, mark in enumerate(line[:limit]):
                if mark == ".":
                    continue
                start = player.time(bar, step)
                strength = STRENGTH[mark] * level * _DRUM_LEVEL.get(key, 0.85)
                ring = 1.2 if key in "CrO" else 0.25
                player.add(start, start + ring, DRUM_KEYS[key], strength)
        previous = bar
    return player.notes


def _vary(lines: dict[str, list[str]], steps: int, busy: float, rng: np.random.Generator) -> None:
    """Small changes from bar to bar: an extra kick, a ghost note, an open hat."""
    half = steps // 2
    if "K" in lines and rng.random() < busy:
        lines["K"][int(rng.integers(half, steps))] = "x"
    if "S" in lines and rng.random() < busy:
        step = int(rng.integers(1, steps))
        if lines["S"][step] == ".":
            lines["S"][step] = "o"
    if "H" in lines and rng.random() < 0.4 * busy and steps % 4 == 0:
        lines["H"][steps - 2] = "."
        lines.setdefault("O", ["."] * steps)[steps - 2] = "x"


def _fill(lines: dict[str, list[str]], steps: int, steps_per_beat: int, rng: np.random.Generator) -> None:
    """Replaces the end of the bar by a fill."""
    options = _FILLS[steps_per_beat]
    fill = options[int(rng.integers(len(options)))]
    length = len(next(iter(fill.values())))
    if length >= steps or rng.random() < 0.35:
        length = min(length, steps) // 2 if rng.random() < 0.5 else min(length, steps)
    start = steps - length
    for line in lines.values():
        line[start:] = ["."] * length
    for key, pattern in fill.items():
        target = lines.setdefault(key, ["."] * steps)
        target[start:] = list(pattern[-length:])


def near(pitch_class: int, centre: int, low: int, high: int) -> int:
    """The octave of a pitch class nearest to `centre` inside [low, high]."""
    options = [p for p in range(low, high + 1) if p % 12 == pitch_class % 12]
    return min(options, key=lambda p: abs(p - centre))


def _bass_tone(symbol: str, value: Chord, following: Chord, last: int, rng: np.random.Generator) -> int:
    root = near(value.bass, 38 + (last - 38) // 3, 28, 50)
    intervals = [(t - value.root) % 12 for t in value.tones]
    if symbol == "8":
        return root + 12 if root <= 40 else root
    if symbol in "5":
        fifth = next((i for i in intervals if i in (6, 7, 8)), 7)
        return near(value.root + fifth, root, 28, 52)
    if symbol == "3":
        third = next((i for i in intervals if i in (3, 4, 5, 2)), 7)
        return near(value.root + third, root + 3, 28, 52)
    if symbol == "7":
        seventh = next((i for i in intervals if i in (9, 10, 11)), 9 if 4 in intervals else 10)
        return near(value.root + seventh, root + 6, 28, 54)
    if symbol == "A":
        if following.root < 0 or following.bass == value.bass:
            return near(value.root + 7, root, 28, 52)
        target = near(following.bass, last, 29, 50)
        return target + int(rng.choice([-1, 1, -2]))
    return root


def bass(song: Song, rng: np.random.Generator) -> list[Note]:
    """Bass line: roots where chords change, figures of the style between, doubled kicks, approach notes, walking lines."""
    player = Player(song, rng, jitter_ms=4.0, lag_ms=float(rng.uniform(-2, 5)))
    style = song.style
    choose = section_choice(len(style.bass), rng)
    short = float(rng.uniform(0.55, 0.95))
    last = 38
    for index, bar in enumerate(song.bars):
        if "bass" not in bar.playing:
            continue
        steps, limit = player.steps(bar), player.limit(bar)
        following = song.bars[index + 1].chords[0][1] if index + 1 < len(song.bars) else bar.chords[0][1]
        figure = style.bass[choose(bar.section)]
        if bar.section in ("intro", "breakdown") and rng.random() < 0.3:
            figure = "R" + "-" * (steps - 1)
        line = _walking(bar, style.steps_per_beat, rng) if figure == "W" else list(fit(figure, steps))
        for step in player.change_steps(bar):
            if line[step] in "-.57":
                line[step] = "R"
        if bar.closes_section and rng.random() < 0.35 and steps >= 12:
            line[steps - style.steps_per_beat :] = list(
                fit("5-A-" if style.steps_per_beat == 4 else "5-A", style.steps_per_beat)
            )
        events = [(s, m) for s, m in enumerate(line[:limit]) if m not in "-."]
        for step, mark in events:
            value = player.chord(bar, step)
            if value.root < 0:
                continue
            end = step + 1
            while end < limit and line[end] == "-":
                end += 1
            upcoming = [c for o, c in bar.chords if o * style.steps_per_beat > step]
            pitch = _bass_tone(mark, value, upcoming[0] if upcoming else following, last, rng)
            last = pitch
            start_s, end_s = player.time(bar, step), player.time(bar, end)
            strong = step % style.steps_per_beat == 0
            velocity = (70 if not strong else 84) + 24 * bar.intensity
            length = (end_s - start_s) * (0.96 if end - step > 3 else short)
            player.add(start_s, start_s + length, pitch, velocity)
    return monophonic(player.notes)


def _walking(bar: Bar, steps_per_beat: int, rng: np.random.Generator) -> list[str]:
    """One note per beat: root, chord tones, and an approach on the last."""
    line: list[str] = []
    for beat in range(bar.beats):
        if beat == 0:
            mark = "R"
        elif beat == bar.beats - 1:
            mark = "A"
        else:
            mark = str(rng.choice(["3", "5", "7", "8"], p=[0.35, 0.35, 0.15, 0.15]))
        tail = "-" * (steps_per_beat - 1)
        if rng.random() < 0.12 and beat:
            tail = "-" * (steps_per_beat - 2) + "5"
        line += list(mark + tail)
    return line


def monophonic(notes: list[Note]) -> list[Note]:
    """Cuts each note where the next begins."""
    ordered = sorted(notes, key=lambda n: n.start_s)
    result: list[Note] = []
    for note, following in zip(ordered, [*ordered[1:], None], strict=False):
        end = (
            note.end_s if following is None else min(note.end_s, max(following.start_s, note.start_s + 0.02))
        )
        result.append(Note(start_s=note.start_s, end_s=end, pitch=note.pitch, velocity=note.velocity))
    return result
