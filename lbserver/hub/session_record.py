# SPDX-License-Identifier: GPL-3.0-or-later
"""A session as the hub knows it: enough to open it again elsewhere, and to say how it fares."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from lbmodels.contract.spec import Spec
from lbmodels.contract.stems import STEMS
from lbserver.engine.budget import Wish, epoch_timing, ring_capacity
from lbserver.engine.worker import timing_to_wire
from lbserver.errors import LiveBandError
from lbserver.hub.admission import HubError, Peer
from lbserver.music.notation.charts import parse_chart
from lbserver.places.place import Place
from lbserver.protocol.controls import CONTROLS, INDEX, MODES, TRIGGERS
from lbserver.protocol.messages import MessageError, control_value
from lbserver.ring.segment import Segment, Shape, create
from lbserver.ring.timeline import Mode, Timing
from lbserver.session import states
from lbserver.session.states import Event, State


@dataclass(frozen=True, kw_only=True)
class Opened:
    """An open session: the caller owns `descriptor`, its segment, and closes it."""

    session: str
    descriptor: int
    timing: Timing
    mode: str
    spec: Spec


@dataclass(frozen=True, kw_only=True)
class Taps:
    """Seconds of an epoch at which the beat was tapped; of the last one where the mix was, and when it was by our clock."""

    epoch: int = 0
    at_s: tuple[float, ...] = ()
    position: int = 0
    told_s: float = 0.0


@dataclass(kw_only=True, eq=False)
class Entry:
    """One session in one format; `configure` makes another. Owns `descriptor` and `segment` until `release`.

    `placed`: its place has it. `state` is set while no place reports one in the segment. `struck_s`: when its worker
    last died under it or it was placed again; `detached_s`: when its peer left.
    """

    name: str
    peer: Peer
    wish: Wish
    place: Place
    spec: Spec
    timing: Timing
    descriptor: int
    segment: Segment
    controls: dict[str, float]
    known: dict[str, Any] = field(default_factory=dict)
    strikes: int = 0
    struck_s: float = 0.0
    reason: str = ""
    state: State | None = State.OPENING
    placed: bool = False
    detached_s: float | None = None
    taps: Taps = Taps()

    def release(self) -> None:
        """Let go of the segment. Idempotent."""
        if self.descriptor >= 0:
            self.segment.close()
            os.close(self.descriptor)
            self.descriptor = -1

    def opened(self) -> Opened:
        """What is handed to who opened it. Raises HubError when no descriptor is left for it."""
        try:
            descriptor = os.dup(self.descriptor)
        except OSError as error:
            raise HubError("busy", f"no room for a session: {error.strerror}") from None
        return Opened(
            session=self.name,
            descriptor=descriptor,
            timing=self.timing,
            mode=self.wish.mode.value,
            spec=self.spec,
        )

    def section(self, number: int) -> str:
        """The name of a section of the chart that its host told, by its number from 1; empty for what is none."""
        names = section_names(str(self.known.get("chart", "")))
        return names[number - 1] if 1 <= number <= len(names) else ""

    def seen_state(self) -> State:
        """What it is doing, as the hub or else its place says."""
        if self.state is not None:
            return self.state
        number = self.segment.load("state")
        return states.STATES[number] if number < len(states.STATES) else State.LISTENING

    def become(self, event: Event) -> None:
        """What happened to it, where its front end sees it."""
        self.state = states.after(self.seen_state(), event)
        self.segment.store("state", states.NUMBER[self.state])

    def message(self, kind: str) -> dict[str, Any]:
        """The `open` or `replace` message for its place."""
        return {
            "type": kind,
            "session": self.name,
            "timing": timing_to_wire(self.timing),
            "block_samples": self.wish.block_samples,
            "seed": int(self.controls["seed"]),
            "controls": [self.controls[control.name] for control in CONTROLS],
        }


@lru_cache(maxsize=256)
def section_names(chart: str) -> tuple[str, ...]:
    """The sections of a chart as it is played; none of a text that is no chart."""
    try:
        return tuple(name for _, name in parse_chart(chart).sections) if chart.strip() else ()
    except LiveBandError:
        return ()


def emptiest(places: Sequence[Place], entries: Sequence[Entry]) -> Place:
    """The one with the fewest sessions of places that play the same model. Raises HubError: none can play."""
    up = [place for place in places if place.up and place.ready is not None]
    if not up:
        reasons = {place.reason for place in places if place.reason}
        raise HubError("crashed", "; ".join(reasons) or "no worker is ready")
    return min(up, key=lambda place: sum(entry.place is place for entry in entries))


def plan(place: Place, request: Mapping[str, Any]) -> tuple[Spec, Wish, Timing]:
    """What is played there, what is asked for, and the A and L that follow. Raises HubError."""
    if request["mode"] not in MODES:
        raise HubError("unsupported", f"mode must be one of {', '.join(MODES)}")
    wish = Wish(
        rate_hz=int(request["rate_hz"]),
        block_samples=int(request["block_samples"]),
        mode=Mode(request["mode"]),
        anticipation_ms=request.get("anticipation_ms"),
        latency_samples=request.get("latency_samples"),
    )
    ready = place.ready
    if ready is None:
        raise HubError("crashed", place.reason or "no worker is ready")
    try:
        return ready.spec, wish, epoch_timing(ready.spec, wish, ready.budget)
    except LiveBandError as error:
        raise HubError("unsupported", str(error)) from None


def segment_for(spec: Spec, wish: Wish, timing: Timing, channels: int) -> tuple[int, Segment]:
    """A new segment and its descriptor. Raises HubError when the machine has no room for it."""
    descriptor = -1
    try:
        descriptor = create(
            Shape(
                rate_hz=wish.rate_hz,
                mix_channels=channels,
                stem_channels=min(2, channels),
                capacity=ring_capacity(spec, wish, timing),
            )
        )
        return descriptor, Segment(descriptor)
    except LiveBandError as error:
        if descriptor >= 0:
            os.close(descriptor)
        raise HubError("busy", str(error)) from None


def first_controls(spec: Spec, request: Mapping[str, Any]) -> dict[str, float]:
    """Every control at its default, but for the stem and the seed asked for. Raises HubError."""
    controls = {control.name: control.default for control in CONTROLS}
    controls["stem"] = checked_value("stem", request["stem"], spec)
    controls["seed"] = float(request.get("seed", 0))
    return controls


def epoch_controls(wish: Wish) -> dict[str, float]:
    """The controls that an epoch was begun with."""
    begun = {"mode": float(MODES.index(wish.mode.value))}
    return begun if wish.anticipation_ms is None else begun | {"anticipation": float(wish.anticipation_ms)}


def checked_value(name: str, value: float | int | str, spec: Spec) -> float:
    """A control's value as a number. Raises HubError: no such control, out of range, not for this model."""
    try:
        number = control_value(name, value)
    except MessageError as error:
        raise HubError("bad_message" if name in INDEX else "unknown_control", str(error)) from None
    control = CONTROLS[INDEX[name]]
    if name == "stem":
        if STEMS[int(number)] not in spec.stems:
            raise HubError("unsupported", f"this model plays {', '.join(spec.stems)}")
    elif control.acts == "model":
        known = sorted(own.name for own in spec.controls)
        if name not in known:
            raise HubError("unknown_control", f"this model does not know {name}: {', '.join(known)}")
    return number


def restored(controls: dict[str, float], kept: Mapping[str, float], spec: Spec) -> dict[str, float]:
    """Controls as they were kept; what is out of range now, or not for this model, stays as it is."""
    taken = dict(controls)
    for name, value in kept.items():
        if name in INDEX and CONTROLS[INDEX[name]].acts != "epoch" and name not in TRIGGERS:
            try:
                taken[name] = checked_value(name, value, spec)
            except HubError:
                continue
    return taken
