# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host knows about the music, turned into conditions per output frame; what it does not know stays NaN."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import floor, inf
from pathlib import Path
from typing import TypeAlias

import numpy as np

from lbmodels.contract.conditions import FrameConditions
from lbserver.errors import LiveBandError
from lbserver.music.notation.charts import Chart, ChartSlot, parse_chart
from lbserver.music.notation.files import ChordSpan, is_chart, parse_timed, read_text
from lbserver.music.notation.keys import parse_key
from lbserver.music.notation.labels import Chord
from lbserver.protocol.ranges import refusal
from lbserver.ring.timeline import Grid, frame_time_s

_CALLED = {
    "bpm": "a tempo",
    "beats_per_bar": "a number of beats per bar",
    "first_beat_s": "a first beat at a time",
}

ConditionSource: TypeAlias = Callable[[int], FrameConditions]
"""What the host knows about an output frame; names left out are unknown."""


def nothing_known(_frame: int) -> FrameConditions:
    """The source of a host that knows nothing."""
    return {}


@dataclass(frozen=True, kw_only=True)
class SteadyBeat:
    """A constant tempo; `first_beat_s` is a first beat of a bar, None if the phase is unknown."""

    bpm: float
    first_beat_s: float | None = None
    beats_per_bar: int = 4

    def __post_init__(self) -> None:
        told = {"bpm": self.bpm, "beats_per_bar": self.beats_per_bar, "first_beat_s": self.first_beat_s}
        for name, value in told.items():
            if value is not None and (why := refusal(name, value)):
                raise LiveBandError(f"{_CALLED[name]} of {why}")


@dataclass(frozen=True, kw_only=True)
class BeatMap:
    """Beats one by one, in seconds, each with its number in its bar from 1; nothing is known outside of them."""

    beats_s: tuple[float, ...]
    beat_in_bar: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.beats_s) != len(self.beat_in_bar) or len(self.beats_s) < 2:
            raise LiveBandError(
                f"a beat map has two beats or more and a number for each, got {len(self.beats_s)} "
                f"and {len(self.beat_in_bar)}"
            )
        if any(b <= a for a, b in zip(self.beats_s, self.beats_s[1:], strict=False)):
            raise LiveBandError("the beats of a beat map must follow each other in time")


@dataclass(frozen=True, kw_only=True)
class Jump:
    """The form moved against the bars of the song: by `before` bars, and from bar `at` on by `after`."""

    at: float = inf
    before: float = 0.0
    after: float = 0.0

    def moved(self, bars: float) -> float:
        """The place in the endless form that sounds at a bar of the song."""
        return bars + (self.after if bars >= self.at else self.before)


@dataclass(frozen=True, kw_only=True)
class HostKnowledge:
    """All a host may tell. `chart` counts bars, so it needs a SteadyBeat; its form repeats to the end, moved by `jump`.

    `sections`: the bar of the form that each begins with, and its name. `style`: a vector of the style space, asked for from the
    beginning on; empty if none is.
    """

    beat: SteadyBeat | BeatMap | None = None
    spans: tuple[ChordSpan, ...] = ()
    chart: tuple[ChartSlot, ...] = ()
    sections: tuple[tuple[int, str], ...] = ()
    jump: Jump = Jump()
    key: int | None = None
    style: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.chart and not (isinstance(self.beat, SteadyBeat) and self.beat.first_beat_s is not None):
            raise LiveBandError(
                "a bar chart needs the tempo and the first beat: give --bpm (and --first-beat)"
            )


def read_knowledge(
    *,
    bpm: float | None = None,
    first_beat_s: float | None = None,
    beats_per_bar: int | None = None,
    key: str | None = None,
    chords_path: Path | None = None,
) -> HostKnowledge:
    """What the command line tells. A bar chart without a first beat starts at 0 s, and its time signature tells the beats.

    Raises LiveBandError, for chord files naming the file and the line.
    """
    if bpm is None and first_beat_s is not None:
        raise LiveBandError("--first-beat needs --bpm: a first beat says nothing without a tempo")
    spans: tuple[ChordSpan, ...] = ()
    chart = Chart(slots=())
    if chords_path is not None:
        text = read_text(chords_path)
        try:
            if is_chart(text):
                chart = parse_chart(text)
                beats_per_bar = agreed_beats(chart, beats_per_bar)
            else:
                spans = parse_timed(text)
        except LiveBandError as error:
            raise LiveBandError(f"{chords_path}: {error}") from None
        if chart.slots and bpm is None:
            raise LiveBandError(f"{chords_path}: a bar chart needs the tempo: give --bpm (and --first-beat)")
        if chart.slots and first_beat_s is None:
            first_beat_s = 0.0
    beat = None
    if bpm is not None:
        beat = SteadyBeat(bpm=bpm, first_beat_s=first_beat_s, beats_per_bar=beats_per_bar or 4)
    return HostKnowledge(
        beat=beat,
        spans=spans,
        chart=chart.slots,
        sections=chart.sections,
        key=None if key is None else parse_key(key),
    )


def agreed_beats(chart: Chart, told: int | None) -> int | None:
    """Beats per bar of a chart's time signature, or as told where it has none. Raises LiveBandError if they differ."""
    if not chart.beats_per_bar or told in chart.beats_per_bar:
        return told
    if told is not None:
        above, below = chart.metre or (0, 0)
        raise LiveBandError(
            f"the chart is in {above}/{below}, and {told} beats per bar are told: change one of them"
        )
    return chart.beats_per_bar[0]


def beat_at(beat: SteadyBeat | BeatMap | None, time_s: float) -> tuple[float, float, float]:
    """(beat phase, bar phase, tempo in bpm) at a time; NaN each where unknown."""
    if beat is None:
        return np.nan, np.nan, np.nan
    if isinstance(beat, SteadyBeat):
        if beat.first_beat_s is None:
            return np.nan, np.nan, beat.bpm
        beats = (time_s - beat.first_beat_s) * beat.bpm / 60.0
        return _phase(beats), _phase(beats / beat.beats_per_bar), beat.bpm
    index = bisect_right(beat.beats_s, time_s) - 1
    if not 0 <= index < len(beat.beats_s) - 1:
        return np.nan, np.nan, np.nan
    length_s = beat.beats_s[index + 1] - beat.beats_s[index]
    phase = _phase((time_s - beat.beats_s[index]) / length_s)
    in_bar = beat.beat_in_bar[index]
    return phase, _phase((in_bar - 1 + phase) / _beats_in_bar(beat, index)), 60.0 / length_s


def chord_at(knowledge: HostKnowledge, time_s: float) -> Chord | None:
    """The chord that sounds at a time, None if unknown."""
    if knowledge.chart:
        bars = bars_at(knowledge, time_s)
        if bars < 0:
            return None
        bars = in_form(knowledge, bars)
        slot = bisect_right([slot.start_bars for slot in knowledge.chart], bars) - 1
        return knowledge.chart[slot].chord
    index = bisect_right([span.start_s for span in knowledge.spans], time_s) - 1
    if index < 0 or time_s >= knowledge.spans[index].end_s:
        return None
    return knowledge.spans[index].chord


def bars_at(knowledge: HostKnowledge, time_s: float) -> float:
    """Bars of the song at a time, of a host that knows a chart."""
    assert isinstance(knowledge.beat, SteadyBeat)
    assert knowledge.beat.first_beat_s is not None
    bar_s = 60.0 / knowledge.beat.bpm * knowledge.beat.beats_per_bar
    return (time_s - knowledge.beat.first_beat_s) / bar_s


def in_form(knowledge: HostKnowledge, bars: float) -> float:
    """The place in the chart's form, in bars, at a bar of the song."""
    return knowledge.jump.moved(bars) % knowledge.chart[-1].end_bars


def section_at(knowledge: HostKnowledge, bars: float) -> int | None:
    """Which of the sections sounds at a bar of the song; None where none has begun or none is told."""
    if not (knowledge.chart and knowledge.sections and bars >= 0):
        return None
    found = bisect_right([start for start, _ in knowledge.sections], in_form(knowledge, bars)) - 1
    return found if found >= 0 else None


def jumped(knowledge: HostKnowledge, bars: float) -> HostKnowledge:
    """From the next bar after `bars` on the form goes on with its next section of another name; as it is where there is none."""
    if not (knowledge.chart and knowledge.sections):
        return knowledge
    bar = floor(bars) + 1
    at = section_at(knowledge, max(0.0, bars))
    following = (*knowledge.sections[0 if at is None else at + 1 :], *knowledge.sections[: at or 0])
    name = "" if at is None else knowledge.sections[at][1]
    start = next((one for one, other in following if other != name), None)
    if start is None:
        return knowledge
    before = knowledge.jump.after if bars >= knowledge.jump.at else knowledge.jump.before
    return replace(knowledge, jump=Jump(at=bar, before=before, after=start - bar))


def conditions_at(knowledge: HostKnowledge, time_s: float) -> FrameConditions:
    """Conditions of a frame that starts at a time: `beat_phase`, `bar_phase`, `tempo`, `chord` [12], `chord_bass`, `key`;
    `style` [latent] if one is asked for.
    """
    beat_phase, bar_phase, tempo = beat_at(knowledge.beat, time_s)
    chord = chord_at(knowledge, time_s)
    pitches = np.full(12, np.nan, np.float32)
    bass = np.nan
    if chord is not None and chord.tones is not None:
        pitches[:] = 0.0
        pitches[list(chord.tones)] = 1.0
        bass = np.nan if chord.bass is None else chord.bass
    style = {"style": np.array(knowledge.style, np.float32)} if knowledge.style else {}
    return {
        "beat_phase": beat_phase,
        "bar_phase": bar_phase,
        "tempo": tempo,
        "chord": pitches,
        "chord_bass": bass,
        "key": np.nan if knowledge.key is None else knowledge.key,
        **style,
    }


def condition_source(knowledge: HostKnowledge, grid: Grid) -> ConditionSource:
    """The engine's source: conditions by output frame, at the exact start time of the frame."""
    return lambda frame: conditions_at(knowledge, float(frame_time_s(grid, frame)))


def describe(knowledge: HostKnowledge) -> str:
    """What is known, in words for the user."""
    told = []
    if isinstance(knowledge.beat, SteadyBeat):
        told.append(f"{knowledge.beat.bpm:g} bpm")
        if knowledge.beat.first_beat_s is not None:
            told.append(
                f"first beat at {knowledge.beat.first_beat_s:g} s, {knowledge.beat.beats_per_bar} beats per bar"
            )
    elif knowledge.beat is not None:
        told.append(f"{len(knowledge.beat.beats_s)} beats")
    if knowledge.chart:
        told.append(f"a chart of {knowledge.chart[-1].end_bars:g} bars")
    if knowledge.spans:
        told.append(f"{len(knowledge.spans)} chords")
    if knowledge.key is not None:
        told.append("the key")
    if knowledge.style:
        told.append("the style")
    return ", ".join(told) if told else "nothing: it plays by ear"


def _phase(cycles: float) -> float:
    """The fraction in [0, 1) as float32 will hold it: a hair below 1 rounds to 1, which is 0 again."""
    phase = float(np.float32(cycles - floor(cycles)))
    return 0.0 if phase >= 1.0 else phase


def _beats_in_bar(beat: BeatMap, index: int) -> int:
    """Beats in the bar around a beat; the last bar, cut off, is taken to be as long as the longest."""
    numbers = beat.beat_in_bar
    for later in range(index + 1, len(numbers)):
        if numbers[later] <= numbers[later - 1]:
            return numbers[later - 1]
    return max(numbers)
