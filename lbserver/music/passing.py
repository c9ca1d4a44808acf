# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens in the music, found in a session's figures as they pass: beats, bars, chords, sections. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, isnan, nan

from lbserver.host.logs import shown

Status = Mapping[str, float | int | str]

_TEMPO_BPM = 0.5
"""By how much a heard tempo must differ to be another: it wavers as players do."""
_MOST_BEATS = 64
"""Of a bar: what is told is not to be believed beyond."""


@dataclass
class Bars:
    """One session's beats as they pass: `beat` is the place in the bar that was seen last, from 1, NaN if none was."""

    beat: float = nan
    bar: int = 0

    def passed(self, beat: float) -> list[tuple[str, int]]:
        """What has begun since: ("bar", counted from 1), ("beat", its number in the bar), each that passed meanwhile. A step
        back, or what is not known, is no beat.
        """
        before, fresh = self.beat, isnan(self.beat)
        if not 1.0 <= beat < 1.0 + _MOST_BEATS or (not fresh and -0.5 <= beat - before <= 0.0):
            return []
        self.beat = beat
        began = []
        first = int(beat) if fresh else int(before) + 1
        if fresh or beat < before:
            self.bar += 1
            began.append(("bar", self.bar))
            first = int(beat) if fresh else 1
        return began + [("beat", number) for number in range(first, int(beat) + 1)]


@dataclass
class Events:
    """One session's music as it passes: told, or heard where nobody tells."""

    bars: Bars = field(default_factory=Bars)
    heard: Bars = field(default_factory=Bars)
    words: dict[str, str] = field(default_factory=dict)
    tempo: float = nan

    def passed(self, status: Status) -> list[tuple[str, float | int | str]]:
        """What has begun since, by the name of its cue."""
        told, heard = float(status["beat"]), float(status["heard_beat"])
        began: list[tuple[str, float | int | str]] = [*self.bars.passed(told if isfinite(told) else heard)]
        for name in ("section", "chord", "heard_chord"):
            word = str(status[name])
            if word != self.words.get(name, ""):
                began.append((name, word))
            self.words[name] = word
        tempo = float(status["heard_tempo"])
        if isfinite(tempo) and not abs(tempo - self.tempo) < _TEMPO_BPM:
            self.tempo = tempo
            began.append(("heard_tempo", tempo))
        began += [("heard_beat", number) for name, number in self.heard.passed(heard) if name == "beat"]
        return began


def in_words(status: Status) -> str:
    """What the band is told of the music, and what it hears of it by itself, in words."""

    def words(tempo: str, chord: str) -> list[str]:
        bpm = status.get(tempo)
        known = [f"{bpm:.1f} bpm"] if isinstance(bpm, float) and bpm == bpm else []
        return [*known, *filter(None, (shown(str(status.get(chord, "")), 16),))]

    heard, told = words("heard_tempo", "heard_chord"), words("tempo", "chord")
    section = shown(str(status.get("section", "")), 24)
    parts = ("hears " + ", ".join(heard) if heard else "hears no beat yet", ", ".join(told) and "is told " + ", ".join(told),
             section and f"section {section}")  # fmt: skip
    return ";  ".join(filter(None, parts))
