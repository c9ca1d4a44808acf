# SPDX-License-Identifier: GPL-3.0-or-later
"""One live session inside a worker: its ring, its lane, what it was told, and how it keeps up.

Nothing here reads a clock: `now_s` is an argument, so that a virtual clock makes every decision repeatable.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Audio
from lbmodels.contract.conditions import FrameConditions
from lbmodels.contract.spec import Spec
from lbmodels.contract.stems import STEMS
from lbserver.audio.channels import to_channels
from lbserver.audio.fades import Concealer
from lbserver.engine.backends import style_vector
from lbserver.engine.lane import Lane, grid_of
from lbserver.engine.shell import accompanies, shell_conditions
from lbserver.engine.stream import stem_index
from lbserver.music.room_beat import tapped, with_tap
from lbserver.music.style import in_new_epoch
from lbserver.protocol.controls import CONTROLS, MODES, MOMENTS, TRIGGERS, linear_gain
from lbserver.protocol.segment import EVENT_CAPACITY, EVENT_KINDS, LADDER, epoch_after, split
from lbserver.ring import timeline
from lbserver.ring.ends import Event as RingEvent
from lbserver.ring.ends import WorkerPort
from lbserver.ring.segment import fetch
from lbserver.ring.timeline import Timing
from lbserver.session import states
from lbserver.session.knowledge import (
    Told,
    after_event,
    after_know,
    after_next_section,
    after_style,
    beat_now,
    chord_now,
    chord_number,
    conditions_of,
    section_now,
)
from lbserver.session.states import Event, State

_HISTORY = 50  # frames over which overload is judged: two seconds at 40 ms
_STEADY = 10  # frames on time after which nothing is said of overload any more
_FADE_BELOW = 0.2  # share of frames on time under which a stem is worse than silence
_TRY_EVERY = 8  # frames: recovery is noticed within ten
_OFFSETS = 8  # looks at the ring from which the front end's pace is told
_LANDING_S = 0.002  # from a step's end to its audio in the ring, at the worst
_KEEPS_UP = 0.5 / _FADE_BELOW  # frame periods that a step may take for a faded stem to come back
_GIVE_UP_AFTER = 250  # frames faded
_LOOP_SECONDS = 8.0  # what a frozen session hears again and again
_QUANTISED = frozenset(
    {"stem", "variation", "adherence", "density", "brightness", "intensity", "tacet", "seed", "reset"}
)
"""Changes that the player hears as such: those that can wait for a bar."""
_NO_EAR = np.full(4, np.nan)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a worker must know to play a session."""

    session: str
    timing: Timing
    block_samples: int
    seed: int = 0
    controls: tuple[float, ...] = tuple(control.default for control in CONTROLS)


class LiveSession:
    """A session as its worker sees it. `told` and `controls` are values; the rest is one epoch's business."""

    def __init__(self, setup: Setup, spec: Spec, port: WorkerPort) -> None:
        self.setup, self.spec, self.port = setup, spec, port
        self.state = State.LISTENING
        self.told = Told()
        self.controls = dict(zip((control.name for control in CONTROLS), setup.controls, strict=True))
        self.grid = grid_of(spec, port.segment.shape.rate_hz)
        self.frame_s = spec.hop * spec.chunk_frames / spec.sample_rate
        self._rate_hz = port.segment.shape.rate_hz
        self._pause_s = setup.block_samples / self._rate_hz + 0.005
        self._stem_channels = port.segment.shape.stem_channels
        self._frame_samples = float(timeline.host_position(self.grid, spec.hop * spec.chunk_frames))
        self.waiting: dict[str, float] = {}  # controls that wait for a beat or a bar, by name
        self.heard_beat = _NO_EAR  # of the next output frame: beat phase, bar phase, bpm, beats of a bar
        self.heard_chord = np.full(13, np.nan)
        self._taps: tuple[float, ...] = ()
        self._counts_in = False
        self.lane = self._lane()
        self.seen_s = 0.0  # when the last block was handed over, as far as can be told
        self._offsets_s: deque[float] = deque(maxlen=_OFFSETS)
        self._events: deque[RingEvent] = deque(maxlen=EVENT_CAPACITY)
        self._loop: deque[Audio] = deque(maxlen=max(1, round(_LOOP_SECONDS / self.frame_s)))
        self._loop_at = 0
        self._outcomes: deque[bool] = deque(maxlen=_HISTORY)
        self._faded_frames = 0
        self._unplayed = 0  # frames since a step was computed
        self._ladder = 0
        self.wants_fresh_state = False
        self.frames = self.late_frames = self.skipped_frames = self.faults = 0
        self.quality = 0  # of its steps, from 1; 0 if the model has one alone
        self._report_timing()

    # What comes in

    def listen(self, now_s: float) -> None:
        """Take what the front end wrote since. Raises CorruptSegmentError."""
        heard = self.port.listen()
        self._events.extend(self.port.events())
        if heard is None:
            return
        if heard.fresh:
            self._begin_epoch()
        self.seen_s = self._handed_over_s(now_s)
        self.lane.hear(to_channels(heard.audio, self.spec.channels))

    def resume(self) -> None:
        """Take over in mid-epoch from a worker that died: go on at the first frame that can still be on time."""
        segment = self.port.segment
        epoch, written = split(segment.load("mix_cursor"))
        if epoch == 0:
            return
        chunk = self.spec.hop * self.spec.chunk_frames
        # The oldest mix that is surely still in the ring, half a ring being left to the front end meanwhile.
        oldest = max(0, written - segment.shape.capacity // 2)
        step = -(-timeline.model_samples_before(self.grid, oldest) // chunk) + 1 if oldest else 0
        newest = max(0, timeline.model_samples_before(self.grid, written) // chunk - 1)
        self.lane = self._lane(max(step, newest))
        self.port.resume(mix_position=self.lane.heard)
        stem_epoch, stem_end = split(segment.load("stem_cursor"))
        start = self.lane.stem.start
        if stem_epoch != epoch or stem_end >= start:
            stem_end = start if stem_epoch == epoch else 0
        # What the dead worker left fades, and nothing of an older lap of the ring is taken for the stem.
        rate_hz = self._rate_hz
        concealer = Concealer(rate_hz=rate_hz, channels=self._stem_channels)
        last = min(stem_end, rate_hz // 50)
        concealer.present(fetch(segment.stem, stem_end - last, last))
        self.port.write_from(stem_end)
        self.port.put(concealer.absent(start - stem_end))
        self._publish()

    def set_control(self, name: str, value: float, *, position: int | None = None) -> None:
        """A control, already checked; what acts at a port is written where the port reads it.

        `position` is the host position it was set at, if that is known better than that it is now. What is quantised waits,
        once a frame was played. A stem that the accompanist does not play changes nothing.
        """
        if name == "stem" and STEMS[int(value)] not in self.spec.stems:
            return
        if name == "count_in":
            self._counts_in = True
            self.controls["tacet"] = 0.0
        elif name == "next_section":
            self.told = after_next_section(self.told, self._next_position, self._rate_hz)
        elif name == "tap":
            self._tap((self.port.position if position is None else position) / self._rate_hz)
        elif name in _QUANTISED and self.controls["quantise"] and self.lane.steps:
            self.waiting[name] = value
        else:
            self._act(name, value)

    @property
    def wishes(self) -> dict[str, float]:
        """The controls as they are set, whether they act already or wait for a bar."""
        return {**self.controls, **self.waiting}

    def _act(self, name: str, value: float) -> None:
        if name not in TRIGGERS:
            self.controls[name] = value
        if name in ("gain", "mute"):
            self.lane.gain = linear_gain(self.controls["gain"], 0.0)
            gain = linear_gain(self.controls["gain"], self.controls["mute"])
            self.port.segment.store_float("gain", gain)
        elif name == "mix":
            self.port.segment.store_float("mix", value)
        elif name in ("seed", "reset"):
            self.wants_fresh_state = True
            if name == "seed":
                self.setup = replace(self.setup, seed=int(value))
        elif name == "freeze":
            self._loop_at = 0
        elif name == "quantise" and not value:
            self._act_on_all()

    def _act_on_all(self) -> None:
        waiting, self.waiting = self.waiting, {}
        for name, value in waiting.items():
            self._act(name, value)

    def _tap(self, at_s: float) -> None:
        """A tap on the beat, the first one on a one: the beat that fits them all is told."""
        self._taps = with_tap(self._taps, at_s)
        beat = tapped(self._taps)
        if beat is not None:
            self.told = after_know(self.told, {"bpm": beat.bpm, "first_beat_s": beat.first_beat_s})

    def know(self, message: dict[str, Any]) -> None:
        """A `know` message. Raises LiveBandError for what cannot be read. A model that takes no style is told none."""
        told, line = after_know(self.told, message), message.get("style")
        if line is not None and "style" in self.spec.conditions:
            vector = message.get("style_vector") if line.strip() else []
            vector = style_vector(line) if vector is None else np.array(vector, np.float32)
            told = after_style(told, vector if len(vector) else None, self._next_position, self._rate_hz)
        self.told = told

    # When it is due

    @property
    def due(self) -> bool:
        """Whether a mix frame is whole."""
        return self.lane.waiting > 0

    @property
    def offline(self) -> bool:
        return self.port.offline

    def slack_s(self, now_s: float) -> float:
        """Time until the front end asks for a stem sample that is not there, if it goes on as before."""
        block = self.setup.block_samples
        blocks = (self.port.written - self.port.read_position) // block + 1
        return blocks * block / self._rate_hz - (now_s - self.seen_s)

    def due_in_s(self, now_s: float) -> float:
        """Time until the next mix frame can be whole, if the front end goes on as before; infinite if it stalls."""
        missing = self.lane.needed - self.lane.heard
        if missing <= 0:
            return 0.0
        since = now_s - self.seen_s
        if since > 2 * self.setup.block_samples / self._rate_hz + self.frame_s:
            return float("inf")
        return max(0.0, missing / self._rate_hz - since)

    def catch_up(self, now_s: float, cost_s: float) -> None:
        """Leave out frames that would land too late, so that the next one to be played lands on time.

        The newest is kept as long as a quarter of it would be heard. Now and then one is played whatever is
        expected of it: else nobody would learn that the machine keeps up again. Offline nothing is left out.
        """
        if self.offline:
            return
        before = self.skipped_frames
        while (waiting := self.lane.waiting) > 0:
            if waiting == 1 and self._unplayed >= _TRY_EVERY - 1:
                break
            if not self.silent:
                late = self._read_at(now_s + cost_s + _LANDING_S) - self.port.written
                if late <= 0 or (waiting == 1 and late <= 0.75 * self._frame_samples):
                    break
            self._skip()
        if self.skipped_frames > before:
            self.report(now_s)

    @property
    def silent(self) -> bool:
        """Whether overload has silenced it but for probes."""
        return self.state in (State.FADED, State.BYPASSED)

    # A step

    def take_mix(self) -> Audio:
        """What the next step hears, [C, k*H]."""
        mix = self.lane.take_mix()
        if self.controls["freeze"] and self._loop:
            mix = self._loop[self._loop_at % len(self._loop)]
            self._loop_at += 1
        elif not self.controls["listen"]:
            mix = np.zeros_like(mix)
        if not self.controls["freeze"]:
            self._loop.append(mix)
        return mix

    def conditions(self, heard: NDArray[np.float64] | None = None) -> list[FrameConditions]:
        """What is known about each frame of the next step; events count up to the audio that decides it.

        `heard` [k, 4]: the beat that the band hears by itself, as `Accompanist.heard_beat` tells it of these frames.
        """
        decided_by = self.lane.needed_for_next
        due = self._taken(lambda one: one.epoch == self.port.epoch and one.position < decided_by)
        for event in sorted(due, key=lambda one: one.position):
            self._apply(event)
        known: list[FrameConditions] = []
        settings: FrameConditions | None = None
        first = self.lane.output_frame
        for frame in range(first, first + self.spec.chunk_frames):
            start = float(timeline.host_position(self.grid, frame * self.spec.hop))
            told = conditions_of(self.told, start, self._rate_hz)
            if self.waiting and self._is_time(
                told, start, _NO_EAR if heard is None else heard[frame - first]
            ):
                self._act_on_all()
                settings = None
            settings = settings or self._settings()
            known.append({**told, **settings})
        self._counts_in = False
        return known

    def _settings(self) -> FrameConditions:
        return {
            "stem": float(stem_index(self.spec, STEMS[int(self.controls["stem"])])),
            "anticipation": float(self.setup.timing.anticipation_frames),
            **{one.name: self.controls[one.name] for one in self.spec.controls if one.name in self.controls},
            **shell_conditions({**self.controls, "count_in": float(self._counts_in)}, live=self._rests),
        }

    def _is_time(self, told: FrameConditions, start: float, heard: NDArray[np.float64]) -> bool:
        """Whether what waits is to act on the frame that starts at a host position: a bar, or a beat, begins in it.

        Of a bar that nobody knows the next beat is one; of a beat that nobody knows any moment is.
        """
        frame = self._frame_samples / self.spec.chunk_frames
        now = np.array([told["beat_phase"], told["bar_phase"]], np.float64)
        after = conditions_of(self.told, start + frame, self._rate_hz)
        then = np.array([after["beat_phase"], after["bar_phase"]], np.float64)
        if not isfinite(now[0]):
            beats = frame / self._rate_hz * heard[2] / 60.0
            now, then = heard[:2], (heard[:2] + beats / np.array([1.0, heard[3]])) % 1.0
        begins = (then < now) | (now == 0.0)
        by_bar = self.controls["quantise"] == MOMENTS.index("next_bar") and isfinite(now[1])
        return bool(begins[1] if by_bar else begins[0] or not isfinite(now[0]))

    @property
    def _next_position(self) -> float:
        """Host position at which the next output frame starts."""
        return float(timeline.host_position(self.grid, self.lane.output_frame * self.spec.hop))

    @property
    def _rests(self) -> bool:
        """Whether it rests by itself when the player stops: on stage, not where input is shut off from it, and no stream."""
        live = MODES[int(self.controls["mode"])] == "live"
        return live and bool(self.controls["listen"]) and accompanies(self.spec)

    def land(self, stem: Audio, now_s: float, step_s: float) -> None:
        """Put a step's stem [C, k*H] where it belongs, and judge whether it was on time."""
        headroom_s, round_trip_s = self.slack_s(now_s), self._whole_for_s(now_s)
        on_time = self.offline or self.port.read_position <= self.port.written
        self._unplayed = 0
        if self.silent and on_time and step_s <= _KEEPS_UP * self.frame_s:
            self._outcomes.clear()
            self._faded_frames = 0
            self._become(Event.KEEPS_UP)
        if self.silent:
            self.lane.skip()
        else:
            self.lane.play(stem)
            self.frames += 1
            self.late_frames += not on_time
            self._judge(on_time, "hold")
        self._publish()
        segment = self.port.segment
        segment.store_float("headroom_ms", 1000.0 * headroom_s)
        segment.store_float("round_trip_ms", 1000.0 * round_trip_s)
        segment.store_float("step_ms", 1000.0 * step_s)
        self.report(now_s)

    def report(self, now_s: float) -> None:
        """Figures for whoever watches."""
        segment = self.port.segment
        segment.store("frames", self.frames)
        segment.store("late_frames", self.late_frames)
        segment.store("skipped_frames", self.skipped_frames)
        segment.store_float("queue_age_ms", 1000.0 * self.queue_age_s(now_s))
        segment.store("ladder", self._ladder)
        tempo, beat = beat_now(self.told, self.port.position, self._rate_hz)
        segment.store_float("tempo", tempo)
        segment.store_float("beat", beat)
        segment.store_float("chord", chord_now(self.told, self.port.position, self._rate_hz))
        section = section_now(self.told, self.port.position, self._rate_hz)
        segment.store_float("section", 0.0 if section is None else 1.0 + section)
        _, bar, heard_tempo, per_bar = (float(value) for value in self.heard_beat)
        ago_s = (self._next_position - self.port.position) / self._rate_hz
        segment.store_float("heard_tempo", heard_tempo)
        beats = bar * per_bar - ago_s * heard_tempo / 60.0
        segment.store_float("heard_beat", 1.0 + beats % per_bar if per_bar > 0 else nan)
        segment.store_float("heard_chord", chord_number(self.heard_chord[:12], float(self.heard_chord[12])))
        segment.store_float("quality", self.quality)
        segment.store("state", states.NUMBER[self.state])
        self.port.beat()

    def queue_age_s(self, now_s: float) -> float:
        """Age of the oldest whole mix frame that waits; 0 if none does."""
        return self._whole_for_s(now_s) if self.due else 0.0

    # Inside

    def _whole_for_s(self, now_s: float) -> float:
        """How long ago the mix of the next step became whole."""
        behind = self.lane.heard - self.lane.needed_for_next
        return max(0.0, behind / self._rate_hz + now_s - self.seen_s)

    def _lane(self, first_step: int = 0) -> Lane:
        lane = Lane(self.spec, self.grid, self.setup.timing.anticipation_frames, first_step=first_step)
        lane.gain = linear_gain(self.controls["gain"], 0.0)
        return lane

    def _handed_over_s(self, now_s: float) -> float:
        """When the last block came: it is seen late while a step is computed, but blocks come at a steady pace."""
        at_s = self.port.position / self._rate_hz
        offset_s = now_s - at_s
        if self._offsets_s and offset_s > min(self._offsets_s) + self._pause_s:
            self._offsets_s.clear()  # the front end paused
        self._offsets_s.append(offset_s)
        return min(self._offsets_s) + at_s

    def _begin_epoch(self) -> None:
        self.lane = self._lane()
        self._offsets_s.clear()
        current = (self.port.epoch, epoch_after(self.port.epoch))
        for event in self._taken(lambda one: one.epoch not in current):
            if event.kind != EVENT_KINDS["transport"]:  # its position was of the old epoch
                self._apply(event)
        self._outcomes.clear()
        self._faded_frames = self._ladder = 0
        self._taps = ()
        self._act_on_all()
        self.told = replace(self.told, style=in_new_epoch(self.told.style))
        if self.told.transport is not None:  # its position was of the old epoch
            self.told = replace(self.told, transport=None)
        self._become(Event.EPOCH)
        self._publish()
        self.report(self.seen_s)

    def settle(self) -> None:
        """Apply the controls that wait for their position: its segment is about to be replaced, and they with it."""
        self._events.extend(self.port.events())
        for event in self._taken(lambda one: one.kind == EVENT_KINDS["control"]):
            self._apply(event)

    def _taken(self, wanted: Callable[[RingEvent], bool]) -> list[RingEvent]:
        """Events that wait and are wanted; they wait no more."""
        taken = [event for event in self._events if wanted(event)]
        if taken:
            self._events = deque((e for e in self._events if not wanted(e)), maxlen=EVENT_CAPACITY)
        return taken

    def _apply(self, event: RingEvent) -> None:
        if event.kind == EVENT_KINDS["control"]:
            index, value = event.values[0], event.values[1]
            if index in range(len(CONTROLS)) and isfinite(value):
                control = CONTROLS[int(index)]
                if control.acts != "epoch":
                    clean = min(max(value, control.minimum), control.maximum)
                    self.set_control(control.name, clean, position=event.position)
        else:
            self.told = after_event(self.told, event)

    def _read_at(self, time_s: float) -> int:
        """Stem position that will have been asked for at a time, if the front end goes on as before: whole blocks."""
        blocks = int(max(0.0, time_s - self.seen_s) * self._rate_hz / self.setup.block_samples)
        return self.port.read_position + blocks * self.setup.block_samples

    def _skip(self) -> None:
        self.lane.take_mix()
        self.lane.skip()
        self.skipped_frames += 1
        self._unplayed += 1
        self._judge(False, "skip")
        self._publish()

    def _judge(self, on_time: bool, rung: str) -> None:
        self._outcomes.append(on_time)
        if self.silent:
            self._faded_frames += 1
            if self._faded_frames > _GIVE_UP_AFTER:
                self._become(Event.GIVE_UP)
                self._ladder = LADDER.index("bypass")
            return
        if on_time:
            recent = list(self._outcomes)[-_STEADY:]
            if all(recent):
                self._ladder = 0
                self._become(Event.ON_TIME)
            return
        self._ladder = max(self._ladder, LADDER.index(rung))
        self._become(Event.LATE)
        if len(self._outcomes) == _HISTORY and sum(self._outcomes) < _FADE_BELOW * _HISTORY:
            self._ladder = LADDER.index("fade")
            self._faded_frames = 0
            self._become(Event.OVERLOAD)

    def _become(self, event: Event) -> None:
        self.state = states.after(self.state, event)

    def _publish(self) -> None:
        stem = self.lane.stem.take(self.lane.stem.length)
        self.port.put(to_channels(stem, self._stem_channels))

    def _report_timing(self) -> None:
        segment, timing = self.port.segment, self.setup.timing
        segment.store("latency_samples", timing.latency_samples)
        segment.store_float("anticipation_samples", float(timing.anticipation_samples))
        segment.store_float("recency_gap_ms", timing.recency_gap_ms)
        segment.store("state", states.NUMBER[self.state])
