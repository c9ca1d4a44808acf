# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host tells of the music while it plays, turned into conditions of the frames to come.

The host's transport says where in the song a position lies; from there tempo, beat, bar and the chart's chords are
known as far ahead as it stays on course. That is the look into the future that makes anticipation musical.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.conditions import FrameConditions
from lbmodels.contract.streams import Injection, parse_classes, parse_injection
from lbserver.errors import LiveBandError
from lbserver.music.conditions import (
    HostKnowledge,
    Jump,
    SteadyBeat,
    agreed_beats,
    bars_at,
    conditions_at,
    jumped,
    section_at,
)
from lbserver.music.notation.charts import parse_chart
from lbserver.music.notation.keys import parse_key
from lbserver.music.notation.labels import parse_label
from lbserver.music.style import DEFAULT_GLIDE_S, Style, Vector, style_at, towards
from lbserver.music.style import NONE as NONE_ASKED
from lbserver.protocol.chord_names import label_of
from lbserver.protocol.segment import EVENT_KINDS, TRANSPORT_FLAGS
from lbserver.ring.ends import Event

TAKEN_BY_SOME = ("style", "classes", "injection")
"""Fields of `know` that are conditions of some models; one that takes none of it refuses them."""
_UNKNOWN_CHORD: NDArray[np.float32] = np.full(12, np.nan, np.float32)


@dataclass(frozen=True, kw_only=True)
class Transport:
    """Where the song is: at host position `position` (of this epoch) it is `quarters` quarter notes in."""

    position: int
    playing: bool
    bpm: float
    quarters: float
    bar_start_quarters: float
    beats_above: float
    beat_unit: float

    @property
    def quarters_per_bar(self) -> float:
        return 4.0 * self.beats_above / self.beat_unit

    def quarters_at(self, position: float, rate_hz: int) -> float:
        """Song position at a host position, if the tempo stays; NaN if the host does not tell."""
        return self.quarters + (position - self.position) / rate_hz * self.bpm / 60.0


@dataclass(frozen=True, kw_only=True)
class Told:
    """All that a session's host has told; a value, so that a frame sees one state of it.

    `transport` goes before `knowledge.beat`, `chord` (the one that sounds from now on) before its chart and spans.
    `beats_per_bar` is that of the next beat that is told, `glide_s` the time that the next style takes; `classes` and `injection` are for a
    stream of a whole band, None its own choice.
    """

    transport: Transport | None = None
    beats_per_bar: int = 4
    chord: tuple[tuple[float, ...], float] | None = None
    key: float = float("nan")
    knowledge: HostKnowledge = field(default_factory=HostKnowledge)
    style: Style = NONE_ASKED
    glide_s: float = DEFAULT_GLIDE_S
    classes: tuple[float, ...] | None = None
    injection: Injection | None = None


def after_event(told: Told, event: Event) -> Told:
    """What is told after an event of the ring; nonsense in it is ignored, for it may come from anyone."""
    values = event.values
    if event.kind == EVENT_KINDS["transport"]:
        bpm, quarters, bar, above, below = values[:5]
        if not (isfinite(bpm) and 10 <= bpm <= 1000):
            return replace(told, transport=None)
        above, below = (
            (above, below) if 1 <= above <= 64 and 1 <= below <= 64 else (float("nan"), float("nan"))
        )
        transport = Transport(
            position=event.position,
            playing=bool(event.flags & TRANSPORT_FLAGS["playing"]),
            bpm=bpm,
            quarters=quarters if abs(quarters) < 1e9 else float("nan"),
            bar_start_quarters=bar if abs(bar) < 1e9 else float("nan"),
            beats_above=above,
            beat_unit=below,
        )
        return replace(told, transport=transport)
    if event.kind == EVENT_KINDS["chord"]:
        mask, bass, key = values[:3]
        chord = None
        if isfinite(mask) and 0 <= mask < 4096:
            bits = int(mask)
            chord = (
                tuple(float(bits >> pitch & 1) for pitch in range(12)),
                bass if bass in range(12) else float("nan"),
            )
        return replace(told, chord=chord, key=key if key in range(24) else told.key)
    return told


def after_know(told: Told, message: dict[str, Any]) -> Told:
    """What is told after a `know` message.

    Raises LiveBandError naming the chord, chart, key, classes or injection that cannot be read.
    """
    told = _steered(told, message)
    knowledge = told.knowledge
    beat = knowledge.beat if isinstance(knowledge.beat, SteadyBeat) else None
    if "bpm" in message or "first_beat_s" in message or "beats_per_bar" in message:
        bpm = message.get("bpm", beat.bpm if beat else 0.0)
        first = message.get("first_beat_s", beat.first_beat_s if beat else None)
        per_bar = message.get("beats_per_bar", beat.beats_per_bar if beat else told.beats_per_bar)
        beat = SteadyBeat(bpm=bpm, first_beat_s=first, beats_per_bar=per_bar) if bpm else None
        told = replace(told, transport=None, beats_per_bar=per_bar)
    chart, spans, sections, jump = knowledge.chart, knowledge.spans, knowledge.sections, knowledge.jump
    if "chart" in message:
        text = message["chart"].strip()
        chart, spans, sections, jump = (), (), (), Jump()
        if text:
            read = parse_chart(text)
            chart, sections = read.slots, read.sections
            per_bar = agreed_beats(read, message.get("beats_per_bar"))
            if beat is not None and per_bar is not None:
                beat = replace(beat, beats_per_bar=per_bar)
    if chart and beat is None and told.transport is None:
        raise LiveBandError(
            "a chart counts bars, so the tempo and the first beat must be known: tell bpm too"
        )
    if chart and beat is not None and beat.first_beat_s is None:
        beat = replace(beat, first_beat_s=0.0)
    chord, key = told.chord, told.key
    if "chord" in message:
        chord = _chord(message["chord"].strip())
    if "key" in message:
        text = message["key"].strip()
        key = float("nan") if text in ("", "?") else float(parse_key(text))
    # A chart beside a transport needs no beat of its own: bars are counted from the song's start.
    kept = HostKnowledge(beat=beat, spans=spans, chart=chart if beat else (), sections=sections, jump=jump)
    if chart and beat is None:
        counted = SteadyBeat(bpm=120.0, first_beat_s=0.0)
        kept = HostKnowledge(beat=counted, chart=chart, sections=sections, jump=jump)
    return replace(told, knowledge=kept, chord=chord, key=key, glide_s=message.get("glide_s", told.glide_s))


def apart(known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is known in messages that can be refused alone: what every model takes, which may be empty, then one for each of the rest."""
    every = {name: value for name, value in known.items() if name not in TAKEN_BY_SOME}
    return [every, *({name: known[name]} for name in TAKEN_BY_SOME if name in known)]


def after_style(told: Told, vector: Vector | None, position: float, rate_hz: int) -> Told:
    """What is told once another style is asked for, None for none, from a host position on; one that is asked for already begins no way anew."""
    before = told.style.target
    if vector is before or (vector is not None and before is not None and np.array_equal(vector, before)):
        return told
    style = towards(told.style, vector, at_s=position / rate_hz, length_s=told.glide_s)
    return replace(told, style=style)


def conditions_of(told: Told, position: float, rate_hz: int) -> FrameConditions:
    """Conditions of an output frame that starts at a host position of this epoch."""
    known = dict(conditions_at(told.knowledge, position / rate_hz))
    transport = told.transport
    if transport is not None:
        known |= {"beat_phase": np.nan, "bar_phase": np.nan, "tempo": transport.bpm}
        quarters = transport.quarters_at(position, rate_hz)
        if transport.playing and isfinite(quarters):
            known["beat_phase"] = _phase(quarters)
            in_bar = (quarters - transport.bar_start_quarters) / transport.quarters_per_bar
            if isfinite(in_bar):
                known["bar_phase"] = _phase(in_bar)
            if told.knowledge.chart:
                per_bar = transport.quarters_per_bar if isfinite(transport.quarters_per_bar) else 4.0
                known |= _charted(told.knowledge, quarters / per_bar)
    if told.chord is not None:
        known["chord"] = np.array(told.chord[0], np.float32)
        known["chord_bass"] = told.chord[1]
    if isfinite(told.key):
        known["key"] = told.key
    if (style := style_at(told.style, position / rate_hz)) is not None:
        known["style"] = style
    if told.classes is not None:
        known["classes"] = np.array(told.classes, np.float32)
    if told.injection is not None:
        bpm = float(np.asarray(known.get("tempo", nan)))
        known["injection"] = np.array(told.injection.numbers(bpm), np.float32)
    return known


def _steered(told: Told, message: dict[str, Any]) -> Told:
    """What a stream is asked for; an empty text leaves it to the stream again."""
    try:
        if "classes" in message:
            text = message["classes"].strip()
            told = replace(told, classes=parse_classes(text) if text else None)
        if "injection" in message:
            text = message["injection"].strip()
            told = replace(told, injection=parse_injection(text) if text else None)
    except ValueError as error:
        raise LiveBandError(str(error)) from None
    return told


def after_next_section(told: Told, position: float, rate_hz: int) -> Told:
    """What is told once the chart is to go on, at the next bar behind a host position, with its next section."""
    bars = _bars(told, position, rate_hz)
    return replace(told, knowledge=jumped(told.knowledge, bars)) if isfinite(bars) else told


def section_now(told: Told, position: float, rate_hz: int) -> int | None:
    """Which section of the chart sounds at a host position, by its number in the chart; None if none is known."""
    bars = _bars(told, position, rate_hz)
    return section_at(told.knowledge, bars) if isfinite(bars) else None


def chord_now(told: Told, position: float, rate_hz: int) -> float:
    """The chord that is told of a host position, as `chord_number`; 0 if none is."""
    known = conditions_of(told, position, rate_hz)
    return chord_number(np.asarray(known["chord"]), float(np.asarray(known["chord_bass"])))


def chord_number(tones: NDArray[Any], bass: float) -> float:
    """Pitch classes [12], 1 or 0, and the bass, NaN if none, as the segment's number; 0 for NaN: unknown."""
    if not np.isfinite(tones).all():
        return 0.0
    mask = sum(1 << pitch for pitch in range(12) if tones[pitch] > 0.5)
    return 1.0 + mask + (4096.0 * (1 + int(bass)) if isfinite(bass) else 0.0)


def chord_label(number: float) -> str:
    """The label of a `chord_number`, whatever number it is; empty for unknown."""
    if not (isfinite(number) and 1 <= number <= 1 + 4095 + 4096 * 12):
        return ""
    bass, mask = divmod(int(number) - 1, 4096)
    return label_of(frozenset(pitch for pitch in range(12) if mask >> pitch & 1), bass - 1 if bass else None)


def number_of_label(label: str) -> float:
    """The `chord_number` of a label; 0 for what is empty or cannot be read."""
    try:
        chord = _chord(label)
    except LiveBandError:
        return 0.0
    return 0.0 if chord is None else chord_number(np.array(chord[0]), chord[1])


def _bars(told: Told, position: float, rate_hz: int) -> float:
    """Bars of the song at a host position, NaN where there is no chart to count them for or nobody counts."""
    if not told.knowledge.chart:
        return nan
    transport = told.transport
    if transport is None:
        return bars_at(told.knowledge, position / rate_hz)
    if not transport.playing:
        return nan
    per_bar = transport.quarters_per_bar if isfinite(transport.quarters_per_bar) else 4.0
    return transport.quarters_at(position, rate_hz) / per_bar


def beat_now(told: Told, position: int, rate_hz: int) -> tuple[float, float]:
    """(tempo in bpm, beat of the bar from 1), NaN each where unknown; for people to look at."""
    known = conditions_of(told, position, rate_hz)
    tempo, bar_phase = float(np.asarray(known["tempo"])), float(np.asarray(known["bar_phase"]))
    per_bar = 4.0
    if told.transport is not None and isfinite(told.transport.beats_above):
        per_bar = told.transport.beats_above
    elif isinstance(told.knowledge.beat, SteadyBeat):
        per_bar = told.knowledge.beat.beats_per_bar
    return tempo, 1.0 + bar_phase * per_bar


def _charted(knowledge: HostKnowledge, bars: float) -> FrameConditions:
    """Chord of a chart at a song position in bars, as if its first beat were the song's."""
    assert isinstance(knowledge.beat, SteadyBeat)
    bar_s = 60.0 / knowledge.beat.bpm * knowledge.beat.beats_per_bar
    at = conditions_at(knowledge, (knowledge.beat.first_beat_s or 0.0) + bars * bar_s)
    return {"chord": at["chord"], "chord_bass": at["chord_bass"]}


def _chord(label: str) -> tuple[tuple[float, ...], float] | None:
    if label in ("", "?"):
        return None
    chord = parse_label(label)
    if chord.tones is None:
        return None
    tones = tuple(1.0 if pitch in chord.tones else 0.0 for pitch in range(12))
    return tones, float("nan") if chord.bass is None else float(chord.bass)


def _phase(cycles: float) -> float:
    phase = float(np.float32(cycles - np.floor(cycles)))
    return 0.0 if phase >= 1.0 else phase
