# SPDX-License-Identifier: GPL-3.0-or-later
"""All sessions of a server: who owns them, where they are played, and what becomes of them when something dies.

One asyncio loop; nothing here touches audio. Transports open sessions here and get a segment; places play into it.
"""

import asyncio
import contextlib
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lbserver import named_files
from lbserver.accompanist import Spec
from lbserver.engine import moment
from lbserver.engine.budget import Wish, epoch_timing
from lbserver.engine.place import Place
from lbserver.engine.supervisor import Ready, WorkerError
from lbserver.engine.worker import merged, timing_to_wire
from lbserver.errors import LiveBandError
from lbserver.logs import fields
from lbserver.protocol.controls import CONTROLS, INDEX, MODES, STEMS
from lbserver.protocol.errors import ERRORS
from lbserver.protocol.messages import MessageError, control_value
from lbserver.protocol.segment import LADDER, split
from lbserver.segment import Segment, Shape, capacity_for, create
from lbserver.session import states
from lbserver.session.music import Told, after_know
from lbserver.session.states import Event, State
from lbserver.timeline import Mode, Timing

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_RESERVED = ("hello", "welcome", "cookie", "open", "close", "panic", "error")
_STRIKES = 2


class HubError(LiveBandError):
    """Something refused; `code` is a key of the protocol's error table."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(text or ERRORS[code])
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Who asks. A `trusted` one (this user, on this machine) may control every session, others only their own."""

    kind: str
    identity: str
    trusted: bool = False


@dataclass(frozen=True, kw_only=True)
class Opened:
    """An open session: the caller owns `descriptor`, its segment, and closes it."""

    session: str
    descriptor: int
    timing: Timing
    mode: str
    spec: Spec


@dataclass(frozen=True, kw_only=True)
class HubConfig:
    """Caps, so that no peer can take the machine: sessions in all and per peer, opens per second."""

    max_sessions: int = 64
    max_sessions_per_peer: int = 8
    opens_per_s: float = 5.0
    opens_burst: float = 10.0
    lease_s: float = 10.0
    moments: Path = Path()
    kept: Path = Path()


@dataclass(kw_only=True)
class _Entry:
    """A session as the hub knows it: enough to open it again elsewhere."""

    name: str
    peer: Peer
    wish: Wish
    place: Place
    timing: Timing
    descriptor: int
    segment: Segment
    controls: dict[str, float]
    known: dict[str, Any] = field(default_factory=dict)
    told: Told = field(default_factory=Told)
    strikes: int = 0
    reason: str = ""
    state: State | None = None  # set while no worker reports one
    detached_s: float | None = None


@dataclass
class _Bucket:
    tokens: float
    filled_s: float


class Hub:
    """See the module. `places` are started by `start` and stopped by `stop`."""

    def __init__(self, config: HubConfig) -> None:
        self.config = config
        self.places: list[Place] = []
        self._entries: dict[str, _Entry] = {}
        self._notify: dict[Peer, Callable[[dict[str, Any]], None]] = {}
        self._buckets: dict[Peer, _Bucket] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lock = asyncio.Lock()
        self.unknown_fields = 0

    # Its life

    async def start(self, places: list[Place]) -> None:
        """Start every place. Raises WorkerError when one cannot play."""
        self.places = places
        await asyncio.gather(*(place.start() for place in places))
        self._run(self._reap_leases())

    async def stop(self) -> None:
        """Close every session and stop every place."""
        for name in list(self._entries):
            await self._close(name, "the server stops")
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*(place.stop() for place in self.places))

    @property
    def ready(self) -> Ready:
        """Of the first place that can play; all play the same model. Raises HubError."""
        for place in self.places:
            if place.ready is not None:
                return place.ready
        raise HubError("crashed", "no worker is ready")

    # Requests

    async def open(self, request: Mapping[str, Any], *, peer: Peer) -> Opened:
        """Open a session (a checked `open` message), or take up one that lost its peer. Raises HubError."""
        name = str(request["session"])
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise HubError("bad_message", f"{name[:64]!r} is no session name: letters, digits, and _ . -")
        async with self._lock:
            old = self._entries.get(name)
            if old is not None:
                if old.peer.kind != peer.kind or (old.detached_s is None and old.peer != peer):
                    raise HubError("busy", f"there is a session {name!r} already: choose another name")
                if not peer.trusted and old.peer.identity != peer.identity:
                    raise HubError("unauthorised", f"session {name!r} is somebody else's")
                await self._close(name, "opened anew", keep_memory=True)
            self._admit(peer)
            place = self._emptiest(request.get("model"))
            controls = {control.name: control.default for control in CONTROLS}
            controls["stem"] = self._value("stem", request["stem"])
            if STEMS[int(controls["stem"])] not in self._spec(place).stems:
                raise HubError("unsupported", f"this model plays {', '.join(self._spec(place).stems)}")
            controls["seed"] = float(request.get("seed", 0))
            entry_known: dict[str, Any] = {}
            kept = self._autosaved(name, place) if old is not None or request.get("resume") else None
            if kept is not None:
                controls |= {n: v for n, v in kept.controls.items() if n in controls and n != "mode"}
                entry_known = kept.known
            wish, timing = self._timing(place, request)
            controls["mode"] = float(MODES.index(wish.mode.value))
            entry = self._entry(name, peer, place, request, wish, timing, controls)
            entry.known = entry_known
            try:
                await self._play(entry, moment_of=kept is not None)
            except WorkerError as error:
                self._forget(entry)
                raise HubError("crashed", str(error)) from None
            self._entries[name] = entry
            log.info("session opened", extra=fields(session=name, peer=peer.kind, mode=wish.mode.value))
            return self._opened(entry)

    async def configure(self, request: Mapping[str, Any], *, peer: Peer) -> Opened:
        """A new rate, layout or mode: a new segment and epoch, the musical memory stays. Raises HubError."""
        async with self._lock:
            old = self._mine(str(request["session"]), peer)
            wish, timing = self._timing(old.place, request)
            controls = old.controls | {"mode": float(MODES.index(wish.mode.value))}
            entry = self._entry(old.name, old.peer, old.place, request, wish, timing, controls)
            entry.known, entry.told, entry.strikes = old.known, old.told, old.strikes
            try:
                await old.place.request(self._message("replace", entry), entry.descriptor)
            except WorkerError as error:
                self._forget(entry)
                raise HubError("crashed", str(error)) from None
            self._entries[old.name] = entry
            self._forget(old)
            return self._opened(entry)

    async def set_control(self, session: str, name: str, value: float | int | str, *, peer: Peer) -> None:
        """Set a control in its own unit; mode and anticipation begin an epoch, so they go through `configure`.

        Raises HubError.
        """
        entry = self._mine(session, peer)
        number = self._value(name, value)
        control = CONTROLS[INDEX[name]]
        if control.acts == "epoch":
            raise HubError("unsupported", f"{name} begins a new epoch: send configure while stopped")
        if control.acts == "model" and name != "stem":
            known = {own.name for own in self._spec(entry.place).controls}
            if name not in known:
                raise HubError(
                    "unknown_control", f"this model does not know {name}: {', '.join(sorted(known))}"
                )
        if name == "stem" and STEMS[int(number)] not in self._spec(entry.place).stems:
            raise HubError("unsupported", f"this model plays {', '.join(self._spec(entry.place).stems)}")
        await self._ask(entry, {"type": "set", "session": session, "control": name, "value": number})
        if control.kind != "trigger":
            entry.controls[name] = number

    async def know(self, request: Mapping[str, Any], *, peer: Peer) -> None:
        """What the host knows (a checked `know` message). Raises HubError for a chord or chart it cannot read."""
        entry = self._mine(str(request["session"]), peer)
        known = {name: value for name, value in request.items() if name not in ("type", "id", "session")}
        try:
            told = after_know(entry.told, known)
        except LiveBandError as error:
            raise HubError("bad_message", str(error)) from None
        await self._ask(entry, {"type": "know", "session": entry.name, "known": known})
        entry.told = told
        entry.known = merged(entry.known, known)

    async def keep(self, session: str, name: str, *, peer: Peer) -> None:
        """Keep this moment on disk under a name. Raises HubError."""
        entry = self._mine(session, peer)
        path = self.config.moments / f"{entry.name}.kept"
        await self._ask(entry, {"type": "keep", "session": session, "path": str(path)})
        try:
            data = path.read_bytes()
            path.unlink()
            await asyncio.to_thread(named_files.write_atomically, self.config.kept, name, ".moment", data)
        except (OSError, LiveBandError) as error:
            raise HubError("bad_message", str(error)) from None

    async def recall(self, session: str, name: str, *, peer: Peer) -> None:
        """Go on from a kept moment, at the position the session is at. Raises HubError."""
        entry = self._mine(session, peer)
        path = self.config.moments / f"{entry.name}.recalled"
        try:
            with named_files.open_for_reading(self.config.kept, name, ".moment") as file:
                data = file.read(moment.MOST_BYTES + 1)
            moment.unpack(data, self._spec(entry.place).weights_id)
            path.write_bytes(data)
            await self._ask(entry, {"type": "recall", "session": session, "path": str(path)})
        except HubError:
            raise
        except (OSError, LiveBandError) as error:
            raise HubError("not_found", str(error)) from None
        finally:
            path.unlink(missing_ok=True)

    async def close(self, session: str, *, peer: Peer, reason: str = "") -> None:
        """End a session. Raises HubError."""
        async with self._lock:
            self._mine(session, peer)
            await self._close(session, reason)

    def detach(self, peer: Peer) -> None:
        """The peer is gone: local ones' sessions end now, others' when their lease is over.

        A session that ends so keeps its memory: `open` with `resume` goes on from there.
        """
        self._notify.pop(peer, None)
        self._buckets.pop(peer, None)
        now_s = time.monotonic()
        for name, entry in list(self._entries.items()):
            if entry.peer == peer and entry.detached_s is None:
                entry.detached_s = now_s
                if peer.kind == "local":
                    self._run(self._close_locked(name))

    def attach(self, session: str, peer: Peer) -> None:
        """A sign of life of a session's peer: its lease begins anew."""
        entry = self._entries.get(session)
        if entry is not None and entry.peer == peer:
            entry.detached_s = None

    def subscribe(self, peer: Peer, notify: Callable[[dict[str, Any]], None]) -> None:
        """Have messages meant for a peer delivered: closed, error."""
        self._notify[peer] = notify

    # What can be seen

    def status(self, session: str, *, peer: Peer) -> dict[str, float | int | str]:
        """Figures of a session by the names of the status table. Raises HubError."""
        return self._status(self._mine(session, peer))

    def sessions(self, *, peer: Peer | None = None) -> dict[str, dict[str, float | int | str]]:
        """Status of every session that a peer may see; of all for None."""
        return {
            name: {
                **self._status(entry),
                "stem": STEMS[int(entry.controls["stem"])],
                "mode": entry.wish.mode.value,
                "peer": entry.peer.kind,
                "rate_hz": entry.wish.rate_hz,
            }
            for name, entry in self._entries.items()
            if peer is None or peer.trusted or entry.peer == peer
        }

    def controls(self, session: str, *, peer: Peer) -> dict[str, float]:
        """Values of a session's controls. Raises HubError."""
        return dict(self._mine(session, peer).controls)

    # When a place dies: callbacks of the supervisor

    def on_lost(self, place: Place, suspects: tuple[str, ...]) -> None:
        """Its sessions wait for the next worker; who was in the fatal step gets a strike."""
        for entry in [one for one in self._entries.values() if one.place is place]:
            if entry.name in suspects:
                entry.strikes += 1
            entry.reason = place.reason
            self._set_state(entry, states.after(self._state(entry), Event.WORKER_LOST))

    def on_back(self, place: Place) -> None:
        """The next worker is ready: its sessions are reopened from their last snapshots."""
        self._run(self._reopen(place))

    def on_ended(self, session: str, code: str, reason: str) -> None:
        """The worker refused to go on with a session."""
        self._run(self._end(session, code, reason))

    # Inside

    async def _reopen(self, place: Place) -> None:
        async with self._lock:
            for entry in [one for one in self._entries.values() if one.place is place]:
                if entry.strikes >= _STRIKES:
                    self._set_state(entry, State.QUARANTINED)
                    await self._close(entry.name, ERRORS["quarantined"], code="quarantined")
                    continue
                try:
                    await self._play(entry, moment_of=True, resume=True)
                except WorkerError as error:
                    log.error("session not reopened: %s", error, extra=fields(session=entry.name))

    async def _play(self, entry: _Entry, *, moment_of: bool = False, resume: bool = False) -> None:
        message = self._message("open", entry)
        path = self.config.moments / f"{entry.name}.auto"
        if moment_of and path.exists():
            message["moment"] = str(path)
        message |= {"resume": resume, "suspect": entry.strikes > 0, "known": entry.known}
        await entry.place.request(message, entry.descriptor)
        entry.state, entry.reason = None, ""

    def _message(self, kind: str, entry: _Entry) -> dict[str, Any]:
        return {
            "type": kind,
            "session": entry.name,
            "timing": timing_to_wire(entry.timing),
            "block_samples": entry.wish.block_samples,
            "seed": int(entry.controls["seed"]),
            "controls": [entry.controls[control.name] for control in CONTROLS],
        }

    def _entry(
        self,
        name: str,
        peer: Peer,
        place: Place,
        request: Mapping[str, Any],
        wish: Wish,
        timing: Timing,
        controls: dict[str, float],
    ) -> _Entry:
        try:
            descriptor = create(
                Shape(
                    rate_hz=wish.rate_hz,
                    mix_channels=int(request["channels"]),
                    stem_channels=min(2, int(request["channels"])),
                    capacity=capacity_for(wish.rate_hz, wish.block_samples),
                )
            )
        except LiveBandError as error:
            raise HubError("busy", str(error)) from None
        try:
            segment = Segment(descriptor)
        except LiveBandError as error:
            os.close(descriptor)
            raise HubError("busy", str(error)) from None
        return _Entry(
            name=name,
            peer=peer,
            wish=wish,
            place=place,
            timing=timing,
            descriptor=descriptor,
            segment=segment,
            controls=controls,
        )

    def _timing(self, place: Place, request: Mapping[str, Any]) -> tuple[Wish, Timing]:
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
            return wish, epoch_timing(ready.spec, wish, ready.budget)
        except LiveBandError as error:
            raise HubError("unsupported", str(error)) from None

    def _opened(self, entry: _Entry) -> Opened:
        return Opened(
            session=entry.name,
            descriptor=os.dup(entry.descriptor),
            timing=entry.timing,
            mode=entry.wish.mode.value,
            spec=self._spec(entry.place),
        )

    def _admit(self, peer: Peer) -> None:
        if len(self._entries) >= self.config.max_sessions:
            raise HubError("busy", f"the server has its {self.config.max_sessions} sessions already")
        own = sum(entry.peer == peer for entry in self._entries.values())
        if own >= self.config.max_sessions_per_peer:
            raise HubError("busy", f"a peer may have {self.config.max_sessions_per_peer} sessions")
        if peer.trusted:
            return
        now_s = time.monotonic()
        bucket = self._buckets.setdefault(peer, _Bucket(self.config.opens_burst, now_s))
        bucket.tokens = min(
            self.config.opens_burst, bucket.tokens + (now_s - bucket.filled_s) * self.config.opens_per_s
        )
        bucket.filled_s = now_s
        if bucket.tokens < 1:
            raise HubError("busy", f"too fast: {self.config.opens_per_s:g} sessions a second may be opened")
        bucket.tokens -= 1

    def _emptiest(self, model: object) -> Place:
        up = [place for place in self.places if place.up and place.ready is not None]
        if not up:
            reasons = {place.reason for place in self.places if place.reason}
            raise HubError("crashed", "; ".join(reasons) or "no worker is ready")
        if model is not None and model != self._spec(up[0]).name:
            raise HubError("unknown_model", f"this server plays {self._spec(up[0]).name}")
        return min(up, key=lambda place: sum(entry.place is place for entry in self._entries.values()))

    def _spec(self, place: Place) -> Spec:
        if place.ready is None:
            raise HubError("crashed", place.reason)
        return place.ready.spec

    def _mine(self, session: str, peer: Peer) -> _Entry:
        entry = self._entries.get(session)
        if entry is None or not (peer.trusted or entry.peer == peer):
            raise HubError("unknown_session", f"no session {session[:64]!r}, or it is not yours")
        return entry

    def _value(self, name: str, value: float | int | str) -> float:
        try:
            return control_value(name, value)
        except MessageError as error:
            code = "bad_message" if name in INDEX else "unknown_control"
            raise HubError(code, str(error)) from None

    async def _ask(self, entry: _Entry, message: dict[str, Any]) -> dict[str, Any]:
        try:
            return await entry.place.request(message)
        except WorkerError as error:
            raise HubError("crashed" if not entry.place.up else "bad_message", str(error)) from None

    async def _close_locked(self, name: str) -> None:
        async with self._lock:
            entry = self._entries.get(name)
            if entry is not None and entry.detached_s is not None:
                await self._close(name, "its peer is gone", keep_memory=True)

    async def _end(self, session: str, code: str, reason: str) -> None:
        async with self._lock:
            if session in self._entries:
                await self._close(session, reason, code=code)

    async def _close(self, name: str, reason: str, *, keep_memory: bool = False, code: str = "") -> None:
        entry = self._entries.pop(name)
        with contextlib.suppress(WorkerError):
            if entry.place.up:
                await entry.place.request({"type": "close", "session": name})
        self._set_state(entry, State.CLOSED)
        self._forget(entry)
        if not keep_memory:
            with contextlib.suppress(OSError):
                (self.config.moments / f"{name}.auto").unlink(missing_ok=True)
        log.info("session closed: %s", reason or "asked to", extra=fields(session=name))
        notify = self._notify.get(entry.peer)
        if notify is not None:
            if code:
                notify({"type": "error", "code": code, "text": reason})
            notify({"type": "closed", "session": name, "reason": reason})

    def _forget(self, entry: _Entry) -> None:
        entry.segment.close()
        os.close(entry.descriptor)

    def _autosaved(self, name: str, place: Place) -> moment.Moment | None:
        try:
            data = (self.config.moments / f"{name}.auto").read_bytes()
            return moment.unpack(data, self._spec(place).weights_id)
        except (OSError, LiveBandError):
            return None

    def _state(self, entry: _Entry) -> State:
        if entry.state is not None:
            return entry.state
        number = entry.segment.load("state")
        return states.STATES[number] if number < len(states.STATES) else State.LISTENING

    def _set_state(self, entry: _Entry, state: State) -> None:
        entry.state = state
        entry.segment.store("state", states.NUMBER[state])

    def _status(self, entry: _Entry) -> dict[str, float | int | str]:
        segment, timing, rate_hz = entry.segment, entry.timing, entry.wish.rate_hz
        spec = self._spec(entry.place)
        step_ms = segment.load_float("step_ms")
        epoch, position = split(segment.load("mix_cursor"))
        state = self._state(entry)
        reason = entry.reason if entry.place.up else entry.place.reason or entry.reason
        if not reason and state in (State.FADED, State.BYPASSED):
            reason = ERRORS["overloaded"]
        ladder = segment.load("ladder")
        return {
            "state": state.value,
            "reason": reason,
            "latency_samples": timing.latency_samples,
            "anticipation_samples": float(timing.anticipation_samples),
            "latency_ms": 1000.0 * timing.latency_samples / rate_hz,
            "anticipation_ms": 1000.0 * float(timing.anticipation_samples) / rate_hz,
            "recency_gap_ms": timing.recency_gap_ms,
            "headroom_ms": segment.load_float("headroom_ms"),
            "queue_age_ms": segment.load_float("queue_age_ms"),
            "step_ms": step_ms,
            "rtf": spec.frame_ms * spec.chunk_frames / step_ms if step_ms > 0 else 0.0,
            "frames": segment.load("frames"),
            "late_frames": segment.load("late_frames"),
            "skipped_frames": segment.load("skipped_frames"),
            "missing_samples": segment.load("missing_samples"),
            "ladder": LADDER[ladder] if ladder < len(LADDER) else "",
            "position": position,
            "epoch": epoch,
            "tempo": segment.load_float("tempo"),
            "beat": segment.load_float("beat"),
        }

    async def _reap_leases(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self.config.lease_s / 4))
            now_s = time.monotonic()
            for name, entry in list(self._entries.items()):
                if entry.detached_s is not None and now_s - entry.detached_s > self.config.lease_s:
                    await self._close_locked(name)

    def _run(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a task of the hub failed", exc_info=task.exception())
