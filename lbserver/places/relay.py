# SPDX-License-Identifier: GPL-3.0-or-later
"""One session that is played by another server: its mix goes there, its stem comes back, each placed by position.

The other server counts positions from where its epoch began here, `base`; it begins anew, at another base, with
every epoch of the front end and after every loss of the connection. What it sent before that is stale and ignored.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Any

import numpy as np

from lbmodels.contract.accompanist import Audio
from lbmodels.contract.quality import QUALITIES
from lbmodels.contract.spec import Spec
from lbserver.audio.channels import to_channels
from lbserver.audio.fades import Concealer
from lbserver.audio.limiter import Limiter
from lbserver.engine.lane import Queue, grid_of
from lbserver.engine.shell import accompanies, shell_conditions
from lbserver.protocol.controls import BY_NAME, CONTROLS, INDEX, SILENCES, linear_gain
from lbserver.protocol.messages import MessageError
from lbserver.protocol.segment import EPOCH_MASK, EVENT_KINDS, LADDER, split
from lbserver.ring import timeline
from lbserver.ring.ends import Event, WorkerPort
from lbserver.ring.remote_end import from_bytes, to_bytes
from lbserver.ring.timeline import Timing
from lbserver.session import states
from lbserver.session.knowledge import number_of_label
from lbserver.session.states import State

_LARGEST_PIECE_BYTES = 1 << 18
_LONGEST_WAIT_S = 1.0  # mix that could not be sent for so long is not worth sending
_MOST_GAIN = 10.0 ** (BY_NAME["gain"].maximum / 20.0)
_LOUDEST = 2.0  # +6 dBFS: another server's word is not trusted with ears

_STATE_NAMES = frozenset(state.value for state in State)

Send = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, kw_only=True)
class RelaySetup:
    """What is fixed for a relay: names here and there, the epoch's timing, the accompanist's clocks, whether it is on
    stage: in mode live.
    """

    session: str
    remote_session: str
    timing: Timing
    spec: Spec
    live: bool = False


@dataclass(frozen=True, kw_only=True)
class Handed:
    """Of a session that goes to another server: up to where its mix was played to (None if that is not known), and what its
    host told last.
    """

    epoch: int
    position: int | None
    told: Mapping[tuple[int, float], Event]


class Relay:
    """Between one session's ring and the messages of the other server. `known` is all that was told by `know`.

    Until `begin` nothing is sent: the mix is taken and forgotten, so that the front end never waits.
    """

    def __init__(self, setup: RelaySetup, port: WorkerPort) -> None:
        self.setup, self.port = setup, port
        self.known: dict[str, Any] = {}
        self.resting = {name: BY_NAME[name].default for name in ("when_silent", "listen")}
        """The controls that say whether it rests, as they were set here."""
        self.levels = {name: BY_NAME[name].default for name in ("gain", "mute", "mix")}
        """Those that act where the stem is read, which is here."""
        self.streaming = False
        self.base = 0
        self.stale_stems = self.late_stems = self._late_told = 0
        self.wants_know = False
        self._rate_hz = port.segment.shape.rate_hz
        self._channels = port.segment.shape.mix_channels
        self._wire_epoch = 0
        self._waiting = Queue(self._channels)
        self._events: list[Event] = []
        self._told: dict[tuple[int, float], Event] = {}
        self._limiter = self._new_limiter()
        self._concealer = Concealer(rate_hz=self._rate_hz, channels=port.segment.shape.stem_channels)
        self._first = 0
        grid = grid_of(setup.spec, self._rate_hz)
        silent = timeline.silent_frames(grid, setup.timing.anticipation_frames) * setup.spec.hop
        self._silent = timeline.host_samples_before(grid, silent)
        self._period = _whole_chunks_samples(setup.spec, self._rate_hz)
        self._report_timing()

    def resume(self, handed: Handed | None = None) -> None:
        """Take over a ring in mid-epoch: what is handed over is gone on with exactly, if its mix is still in the ring."""
        segment = self.port.segment
        epoch, position = split(segment.load("mix_cursor"))
        if handed is not None and handed.epoch == epoch:
            self._told = dict(handed.told)
            if handed.position is not None and self._is_there(handed.position, position):
                position = handed.position
        if epoch:
            self.port.resume(mix_position=position)
            stem_epoch, written = split(segment.load("stem_cursor"))
            self.port.write_from(written if stem_epoch == epoch else 0)

    def begin(self) -> None:
        """The other server listens now: from the next whole chunk on everything goes there."""
        self.streaming = True
        self._start(-(-self.port.position // self._period) * self._period)

    def hand_over(self) -> Handed:
        """What another relay needs to go on with. The other server has closed the session, and all that it played is here."""
        position = self.port.written - self._silent
        exact = self.streaming and position >= self.base and (position - self.base) % self._period == 0
        return Handed(epoch=self.port.epoch, position=position if exact else None, told=dict(self._told))

    def lose(self) -> None:
        """The other server is gone."""
        self.streaming = False
        self._show(State.RECOVERING)

    def pump(self, send: Send, round_trip_s: float) -> bool:
        """Take what the front end wrote and send it; returns whether there was anything.

        Raises CorruptSegmentError.
        """
        heard = self.port.listen()
        for event in self.port.events():
            self._told[event.kind, event.values[0] if event.kind == EVENT_KINDS["control"] else 0.0] = event
            self._events.append(event)
        self.port.beat()
        if heard is not None:
            if heard.fresh:
                self._concealer.reset()
                self._limiter = self._new_limiter()
                # Known to be silent, as nothing was heard for it yet: it need not come over the network first.
                stem_channels = self.port.segment.shape.stem_channels
                self._put(self._concealer.present(np.zeros((stem_channels, self._silent), np.float32)))
                if self.streaming:
                    self._start(0)
            if self.streaming:
                skipped = max(0, self.base + self._waiting.end - heard.position)
                self._waiting.put(heard.audio[:, skipped:])
        if not self.streaming:
            self._events.clear()
        elif self._waiting.length:
            self._send(send, round(round_trip_s * self._rate_hz))
        return heard is not None

    def land(self, message: Mapping[str, Any]) -> None:
        """Put a `stem` message where it belongs. Raises MessageError for one that cannot be."""
        if not self.streaming or message["epoch"] != self._wire_epoch:
            self.stale_stems += 1
            return
        port, shape = self.port, self.port.segment.shape
        stem = from_bytes(message["data"], message["channels"], message["format"])
        position = message["position"] + self.base
        end = position + stem.shape[-1]
        if end > max(port.read_position, port.position) + shape.capacity:
            raise MessageError(f"stem: at {position}, that is farther ahead than the ring reaches")
        stem = stem[:, max(0, port.written - position, self._first - position) :]
        if not stem.shape[-1]:
            return
        self.late_stems += port.read_position > end - stem.shape[-1]
        self._conceal_until(end - stem.shape[-1])
        stem = np.clip(np.nan_to_num(stem, nan=0.0, posinf=0.0, neginf=0.0), -_LOUDEST, _LOUDEST)
        self._put(self._concealer.present(to_channels(stem, shape.stem_channels)))
        headroom = port.written - port.read_position
        port.segment.store_float("headroom_ms", 1000.0 * headroom / self._rate_hz)

    def report(self, status: Mapping[str, Any]) -> None:
        """Copy the other server's figures to where the front end and the hub look for them."""
        segment = self.port.segment
        for name in ("frames", "late_frames", "skipped_frames"):
            if isinstance(value := status.get(name), int) and 0 <= value < 1 << 63:
                segment.store(name, value + (self.late_stems if name == "late_frames" else 0))
        for name in ("step_ms", "queue_age_ms", "tempo", "beat", "heard_tempo", "heard_beat"):
            if isinstance(value := status.get(name), int | float):
                segment.store_float(name, float(value))
        for name in ("chord", "heard_chord"):
            if isinstance(value := status.get(name), str):
                segment.store_float(name, number_of_label(value))
        if (quality := status.get("quality")) in ("", *QUALITIES):
            segment.store_float("quality", float(("", *QUALITIES).index(quality)))
        if status.get("ladder") in LADDER:
            segment.store("ladder", LADDER.index(status["ladder"]))
        if self.streaming and status.get("state") in _STATE_NAMES:
            late = self.late_stems > self._late_told and status["state"] == State.PLAYING.value
            self._show(State.LATE if late else State(status["state"]))
        self._late_told = self.late_stems

    def set_level(self, name: str, value: float) -> None:
        """One of `levels`: the front end looks for it in the segment."""
        self.levels[name] = value
        segment = self.port.segment
        segment.store_float("mix", self.levels["mix"])
        segment.store_float("gain", linear_gain(self.levels["gain"], self.levels["mute"]))

    def told_there(self, name: str, value: float) -> dict[str, float]:
        """What the other server is told of a control. It plays in mode manual, so what `auto` means here is said to it."""
        if name not in self.resting:
            return {name: value}
        self.resting[name] = value
        live = self.setup.live and bool(self.resting["listen"]) and accompanies(self.setup.spec)
        rests = shell_conditions(self.resting, live=live)["rests"]
        silence = float(SILENCES.index("rest" if rests else "play_on"))
        return ({name: value} if name == "listen" else {}) | {"when_silent": silence}

    def known_there(self) -> dict[str, Any]:
        """What is known, as the other server counts time: its epoch began `base` samples after ours."""
        known = dict(self.known)
        if self.base and ("first_beat_s" in known or "chart" in known):
            known["first_beat_s"] = known.get("first_beat_s", 0.0) - self.base / self._rate_hz
        return known

    # Inside

    def _start(self, base: int) -> None:
        self.wants_know = self.wants_know or base != self.base
        self.base = base
        # In mid-song the frames before the first that it can play are no silence to be placed but what is missing.
        self._first = base + self._silent if base else 0
        self._wire_epoch = self._wire_epoch % EPOCH_MASK + 1
        self._waiting = Queue(self._channels)
        # What was told before holds on, so it is told again at the beginning.
        self._events = [self._moved(event) for event in self._told.values()]

    def _is_there(self, position: int, written: int) -> bool:
        """Whether the ring still has the mix from a position on, and will a little longer: the host goes on writing."""
        margin = 0 if self.port.offline else self._rate_hz // 4
        return 0 <= position <= written <= position + self.port.segment.shape.capacity - margin

    def _moved(self, event: Event) -> Event:
        """An event of the past as of `base`: a song goes on meanwhile; where it was in an epoch before is no use."""
        values, ours = event.values, event.epoch == self.port.epoch
        if event.kind == EVENT_KINDS["transport"]:
            if not ours or event.position >= self.base:
                return event
            if isfinite(values[0]) and isfinite(values[1]):
                passed_s = (self.base - event.position) / self._rate_hz
                values = (values[0], values[1] + passed_s * values[0] / 60.0, *values[2:])
        elif ours and event.position >= self.base:
            return event
        return event._replace(epoch=self.port.epoch, position=self.base, values=values)

    def _send(self, send: Send, round_trip_samples: int) -> None:
        if not self.port.offline and self._waiting.length > _LONGEST_WAIT_S * self._rate_hz:
            self.begin()  # later, but in time
            return
        for event in self._events:
            if event.epoch == self.port.epoch and event.position >= self.base:
                for one in self._as_there(event):
                    send(self._event(one))
        self._events = []
        longest = _LARGEST_PIECE_BYTES // (4 * self._channels)
        while self._waiting.length:
            start = self._waiting.start
            samples = min(longest, self._waiting.length)
            audio = self._waiting.take(samples)
            read = start + samples + self.base - self.setup.timing.latency_samples
            message = {
                "type": "audio",
                "session": self.setup.remote_session,
                "epoch": self._wire_epoch,
                "position": start,
                "channels": self._channels,
                "format": "f32",
                "data": to_bytes(audio, "f32"),
                "offline": self.port.offline,
                "needed": read + round_trip_samples - self.base,
            }
            if not send(message):
                self._give_back(audio, start)
                return

    def _give_back(self, audio: Audio, start: int) -> None:
        later = Queue(self._channels, start=start)
        later.put(audio)
        later.put(self._waiting.take(self._waiting.length))
        self._waiting = later

    def _as_there(self, event: Event) -> list[Event]:
        number, value = event.values[:2]
        if event.kind != EVENT_KINDS["control"] or number not in range(len(CONTROLS)) or not isfinite(value):
            return [event]
        control = CONTROLS[int(number)]
        told = self.told_there(control.name, min(max(value, control.minimum), control.maximum))
        return [
            event._replace(values=(float(INDEX[name]), number, *event.values[2:]))
            for name, number in told.items()
        ]

    def _event(self, event: Event) -> dict[str, Any]:
        return {
            "type": "event",
            "session": self.setup.remote_session,
            "epoch": self._wire_epoch,
            "kind": event.kind,
            "flags": event.flags,
            "position": event.position - self.base,
            "values": np.array(event.values, "<f8").tobytes(),
        }

    def _conceal_until(self, position: int) -> None:
        """Fill what never came: a fade, then silence. Of a long gap only what the ring holds."""
        port, capacity = self.port, self.port.segment.shape.capacity
        gap = position - port.written
        if gap > capacity:
            self._concealer.absent(1)
            port.write_from(position - capacity)
            gap = capacity
        if gap > 0:
            self._put(self._concealer.absent(gap))

    def _put(self, audio: Audio) -> None:
        """Put audio into the ring, limited for the gain it will be turned up by here: the other server knows none.

        It is cut where frames begin, so that what the limiter does depends little on how the messages were cut.
        """
        start, frame = self.port.written, self._rate_hz // 25
        cuts = range(frame - start % frame, audio.shape[-1], frame)
        gain = min(self.port.segment.load_float("gain"), _MOST_GAIN)
        for piece in np.split(audio, cuts, axis=-1):
            self.port.put(self._limiter.push(piece, gain=gain))

    def _new_limiter(self) -> Limiter:
        channels = self.port.segment.shape.stem_channels
        return Limiter(rate_hz=self._rate_hz, rows=1, channels=channels)

    def _show(self, state: State) -> None:
        self.port.segment.store("state", states.NUMBER[state])

    def _report_timing(self) -> None:
        segment, timing = self.port.segment, self.setup.timing
        segment.store("latency_samples", timing.latency_samples)
        segment.store_float("anticipation_samples", float(timing.anticipation_samples))
        segment.store_float("recency_gap_ms", timing.recency_gap_ms)


def _whole_chunks_samples(spec: Spec, rate_hz: int) -> int:
    """The least host samples that are whole chunks of the model: where it may begin without moving its grid."""
    return timeline.host_position(grid_of(spec, rate_hz), spec.hop * spec.chunk_frames).numerator


def anticipation_ms(spec: Spec, frames: int) -> float:
    """Frames as the milliseconds that are asked for."""
    return float(Fraction(1000 * frames * spec.hop, spec.sample_rate))
