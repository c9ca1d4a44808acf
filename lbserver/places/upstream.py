# SPDX-License-Identifier: GPL-3.0-or-later
"""Another server as a place to play: this one relays its sessions there, so that no plug-in waits on a network."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lbmodels.contract.stems import STEMS
from lbserver.engine import memory_file
from lbserver.engine.budget import Budget
from lbserver.engine.describe import understood
from lbserver.engine.worker import merged, timing_from_wire, write_moment
from lbserver.errors import LiveBandError
from lbserver.host.logs import fields, shown
from lbserver.places.backoff import Backoff
from lbserver.places.link import SILENT_S, Link, LinkConfig, LinkError
from lbserver.places.relay import Handed, Relay, RelaySetup, anticipation_ms
from lbserver.places.supervisor import Ready, WorkerError
from lbserver.protocol.controls import CONTROLS, INDEX, MODES, TRIGGERS
from lbserver.protocol.errors import ERRORS
from lbserver.protocol.messages import MessageError
from lbserver.ring.ends import CorruptSegmentError, WorkerPort
from lbserver.ring.segment import Segment

POLL_S = 0.001
_IDLE_POLL_S = 0.01
_BUSY_FOR_S = 1.0
_REMOTE_POLL_S = 0.002
_STATUS_S = 0.25
_RENDER_WAITS_S = 15.0  # half of what front ends wait for a block of a render
_NO_PLACE_FOR = ("mode", "anticipation", "seed", "stem", "gain", "mix", "mute", *TRIGGERS)

_log = logging.getLogger(__name__)


class UpstreamPlace:
    """A place to play (`engine.place.Place`): a server elsewhere.

    Its budget is that server's plus the longest of the last round trips, so A and L are chosen for the way there
    and back. When the connection is lost its sessions fade and are to be opened anew, as after a worker's death.
    """

    def __init__(
        self,
        config: LinkConfig,
        *,
        model: str | None = None,
        on_lost: Callable[["UpstreamPlace", tuple[str, ...]], None],
        on_back: Callable[["UpstreamPlace"], None],
        on_ended: Callable[[str, str, str], None],
        start_timeout_s: float = 10.0,
        tag: str = "",
    ) -> None:
        """`tag` ends the names of sessions there: places with one tag can go on with each other's. Random by default.

        Raises LiveBandError for keys that cannot be read.
        """
        self.number = 0
        self.restarts = 0
        self._model = model
        self._on_lost, self._on_back, self._on_ended = on_lost, on_back, on_ended
        self._start_timeout_s = start_timeout_s
        self._described: tuple[Any, Budget] | None = None
        self._relays: dict[str, Relay] = {}
        self._by_remote: dict[str, Relay] = {}
        self._tag = tag or secrets.token_hex(4)
        self._leaving: set[str] = set()
        self._link = Link(
            config,
            on_message=self._take,
            on_up=self._came,
            on_down=self._went,
            silent_s=self._silent_s,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._heard_s = 0.0
        self._lost = False
        self._return: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        return self._link.up and self._described is not None

    @property
    def reason(self) -> str:
        return self._link.reason

    @property
    def pid(self) -> int | None:
        """Not of this machine."""
        return None

    @property
    def ready(self) -> Ready | None:
        """What is played there, with a budget as of the last round trips."""
        round_trip = self._link.round_trip
        if self._described is None or round_trip is None:
            return None
        spec, budget = self._described
        return Ready(
            spec=spec,
            budget=Budget(
                compute_s=budget.compute_s + round_trip.longest_s + POLL_S + _REMOTE_POLL_S,
                margin_s=budget.margin_s + (round_trip.longest_s - round_trip.median_s) / 2,
            ),
            step_s={1: budget.compute_s},
            runtime=f"upstream {self._link.config.address}",
        )

    async def start(self) -> Ready:
        """Connect and ask what is played there.

        Raises WorkerError: nobody there in time, we are not let in, another version, no such model.
        """
        try:
            await self._link.start(timeout_s=self._start_timeout_s)
            await self._describe()
        except LiveBandError as error:
            raise WorkerError(str(error)) from None
        if not self._tasks:
            self._tasks = [asyncio.create_task(work()) for work in (self._pump, self._ask)]
        ready = self.ready
        assert ready is not None
        return ready

    async def stop(self) -> None:
        """Close what is open there and hang up."""
        for task in (*self._tasks, *([self._return] if self._return else [])):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for relay in self._relays.values():
            self._link.send({"type": "close", "session": relay.setup.remote_session})
        if self._relays and self._link.up:
            with suppress(LinkError):  # what was sent before it is sent
                await self._link.request({"type": "ping"}, timeout_s=0.1)
        await self._link.close()
        for relay in self._relays.values():
            relay.port.segment.close()
        self._relays.clear()
        self._by_remote.clear()

    async def request(self, message: dict[str, Any], descriptor: int | None = None) -> dict[str, Any]:
        """As `engine.place.Place`. Raises WorkerError."""
        name = message.get("session", "")
        try:
            if message["type"] in ("open", "replace"):
                assert descriptor is not None
                await self._open(name, message, descriptor)
            elif message["type"] == "close":
                if message.get("move"):
                    return {"type": "done", "handed": await self._leave(name)}
                await self._close(name)
            elif relay := self._relays.get(name):
                await self._tell(relay, message)
            else:
                raise WorkerError(f"session {name!r} is not open")
        except LinkError as error:
            raise WorkerError(str(error), error.code) from None
        return {"type": "done"}

    # Requests

    async def _open(self, name: str, message: dict[str, Any], descriptor: int) -> None:
        if not self.up or self._described is None:
            raise WorkerError(self.reason)
        segment = Segment(descriptor)
        spec, _ = self._described
        timing = timing_from_wire(message["timing"])
        controls = message["controls"]
        remote = f"{name[:48]}.{self._tag}"
        setup = RelaySetup(
            session=name,
            remote_session=remote,
            timing=timing,
            spec=spec,
            live=MODES[int(controls[INDEX["mode"]])] == "live",
        )
        relay, before = Relay(setup, WorkerPort(segment)), self._relays.get(name)
        if message["type"] == "replace" and before is not None:  # its ring too may have told it
            relay.resting = dict(before.resting)
        else:
            relay.resting = {one: controls[INDEX[one]] for one in relay.resting}
        relay.known = dict(message.get("known") or (before.known if before else {}))
        ask: dict[str, Any] = {
            "type": "configure" if message["type"] == "replace" and before is not None else "open",
            "session": remote,
            "rate_hz": segment.shape.rate_hz,
            "channels": segment.shape.mix_channels,
            "block_samples": message["block_samples"],
            "mode": "manual",
            "anticipation_ms": anticipation_ms(spec, timing.anticipation_frames),
            "stem": STEMS[int(controls[INDEX["stem"]])],
            "seed": message["seed"],
            "resume": bool(message.get("resume") or message.get("moment")),
            **({"model": self._model} if self._model else {}),
        }
        if ask["type"] == "open":
            # A session of this name that is still there is closed first, and that is no news of the new one.
            self._by_remote.pop(remote, None)
        try:
            opened = await self._link.request(ask)
            if opened["anticipation_frames"] != timing.anticipation_frames:
                raise WorkerError(
                    f"{self._link.config.address} plays with another anticipation than asked for"
                )
            for control, value in zip(CONTROLS, controls, strict=True):
                if control.name not in (*_NO_PLACE_FOR, *relay.resting) and value != control.default:
                    await self._set(relay, control.name, value)
            for control_name, value in tuple(relay.resting.items()):
                await self._set(relay, control_name, value)
        except LiveBandError:
            segment.close()
            raise
        self._forget(name)
        self._relays[name] = self._by_remote[remote] = relay
        for control_name in relay.levels:
            relay.set_level(control_name, controls[INDEX[control_name]])
        if message.get("resume"):
            relay.resume(message.get("handed"))
        relay.begin()
        relay.wants_know = bool(relay.known)
        await self._know(relay)

    async def _close(self, name: str) -> None:
        relay = self._relays.get(name)
        self._forget(name)
        if relay is not None and self._link.up:
            with suppress(LinkError):
                await self._link.request({"type": "close", "session": relay.setup.remote_session})

    async def _leave(self, name: str) -> Handed | None:
        """Close a session whose memory is to stay there, and take all that was played of it."""
        relay = self._relays.get(name)
        if relay is None:
            return None
        self._leaving.add(name)
        try:
            await self._link.request(
                {"type": "close", "session": relay.setup.remote_session, "keep": True}, timeout_s=2.0
            )
            return relay.hand_over()
        finally:
            self._leaving.discard(name)
            self._forget(name)

    async def _tell(self, relay: Relay, message: dict[str, Any]) -> None:
        remote = relay.setup.remote_session
        match message["type"]:
            case "set":
                await self._set(relay, message["control"], message["value"])
            case "know":
                before = relay.known
                relay.known = merged(before, message["known"])
                relay.wants_know = True
                try:
                    await self._know(relay)
                except LinkError as error:
                    if error.code in (
                        "bad_message",
                        "unsupported",
                    ):  # refused there: it would be refused again and again
                        relay.known = before
                    raise
            case "keep":
                # The memory stays there; here is kept how to find it.
                path, kept = Path(message["path"]), f"k{secrets.token_hex(12)}"
                await self._link.request({"type": "keep", "session": remote, "name": kept})
                spec_id = relay.setup.spec.weights_id
                about = memory_file.Moment(
                    model=spec_id, memory=kept.encode(), controls={}, known=relay.known
                )
                write_moment(path, memory_file.pack(about))
            case "recall":
                path = Path(message["path"])
                kept = memory_file.unpack(path.read_bytes(), relay.setup.spec.weights_id).memory.decode(
                    "ascii", "replace"
                )
                await self._link.request({"type": "recall", "session": remote, "name": kept})
            case other:
                raise WorkerError(f"{other} is nothing another server can be asked for")

    async def _set(self, relay: Relay, name: str, value: float) -> None:
        if name in relay.levels:
            relay.set_level(name, value)
            return
        for told, as_told in relay.told_there(name, value).items():
            request = {
                "type": "set",
                "session": relay.setup.remote_session,
                "control": told,
                "value": as_told,
            }
            await self._link.request(request)

    async def _know(self, relay: Relay) -> None:
        if relay.wants_know:
            relay.wants_know = False
            known = relay.known_there()
            await self._link.request({"type": "know", "session": relay.setup.remote_session, **known})

    async def _describe(self) -> None:
        ask = {"type": "describe", **({"model": self._model} if self._model else {})}
        self._described = understood(await self._link.request(ask))

    # The link

    def _came(self) -> None:
        if self._lost:
            if self._return is not None:
                self._return.cancel()  # it was of a connection before this one
            self._return = asyncio.create_task(self._come_back())

    async def _come_back(self) -> None:
        before, backoff, told = self._described, Backoff(), ""
        while True:
            try:
                await self._describe()
                break
            except LiveBandError as error:
                if str(error) != told:
                    told = str(error)
                    _log.warning("the upstream server is back, but: %s", error)
            await asyncio.sleep(max(0.1, backoff.failed(time.monotonic())))
        if before is not None and self._described is not None and before[0] != self._described[0]:
            # Other frames, another A: what was promised cannot be kept.
            for name in list(self._relays):
                self._forget(name)
                self._on_ended(name, "unknown_model", "the upstream server came back with another model")
        self._lost = False
        self.restarts += 1
        self._on_back(self)

    def _silent_s(self) -> float:
        """Who plays live is soon to be heard elsewhere; a render loses nothing by waiting for a server that stands still, and
        all with its connection.
        """
        renders = [relay.port.offline for relay in self._relays.values()]
        return _RENDER_WAITS_S if renders and all(renders) else SILENT_S

    def _went(self, reason: str) -> None:
        self._lost = True
        for name, relay in list(self._relays.items()):
            bouncing = relay.streaming and relay.port.offline and relay.port.position > 0
            relay.lose()
            if bouncing:  # a hole in a bounce is worse than a bounce that fails
                self._forget(name)
                self._on_ended(name, "crashed", f"the upstream server was lost: {reason}")
        self._on_lost(self, ())

    def _take(self, message: dict[str, Any]) -> None:
        """What comes unasked."""
        relay = self._by_remote.get(str(message.get("session")))
        if relay is None:
            return
        if message["type"] == "stem":
            try:
                relay.land(message)
            except MessageError as error:
                _log.warning("%s: %s", self._link.config.address, error)
        elif message["type"] == "closed" and relay.setup.session not in self._leaving:
            name = relay.setup.session
            self._forget(name)
            self._on_ended(name, "crashed", shown(message["reason"], 400))

    async def _pump(self) -> None:
        while True:
            busy = time.monotonic() - self._heard_s < _BUSY_FOR_S
            await asyncio.sleep(POLL_S if busy else _IDLE_POLL_S)
            round_trip = self._link.round_trip
            for name, relay in list(self._relays.items()):
                try:
                    if relay.pump(self._link.send, round_trip.median_s if round_trip else 0.0):
                        self._heard_s = time.monotonic()
                except CorruptSegmentError as error:
                    self._forget(name)
                    self._on_ended(name, "bad_message", str(error))
                except Exception:  # noqa: BLE001 (one session's fault is its own)
                    _log.exception("a relay failed", extra=fields(session=name))
                    self._forget(name)
                    self._on_ended(name, "internal", ERRORS["internal"])

    async def _ask(self) -> None:
        """The other server's figures, and what it must know again."""
        while True:
            await asyncio.sleep(_STATUS_S)
            for relay in list(self._relays.values()):
                with suppress(LinkError):
                    await self._know(relay)
                    ask = {"type": "status", "session": relay.setup.remote_session}
                    status: Mapping[str, Any] = (await self._link.request(ask, timeout_s=1.0))["status"]
                    if self._relays.get(relay.setup.session) is relay:
                        try:
                            relay.report(status)
                        except (TypeError, ValueError, ArithmeticError) as error:
                            _log.warning("%s: a status that cannot be: %s", self._link.config.address, error)

    def _forget(self, name: str) -> None:
        relay = self._relays.pop(name, None)
        if relay is not None:
            self._by_remote.pop(relay.setup.remote_session, None)
            relay.port.segment.close()
