# SPDX-License-Identifier: GPL-3.0-or-later
"""The sessions that are played over OSC: opened for a guest, fed by its packets, left to their lease when it is silent."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from lbmodels.contract.stems import STEMS
from lbserver.errors import LiveBandError
from lbserver.host.logs import fields, shown
from lbserver.hub.hub import Hub, HubError, Peer
from lbserver.protocol import limits
from lbserver.protocol.controls import MODES
from lbserver.protocol.messages import MessageError, check, control_value
from lbserver.protocol.osc import OPEN_DEFAULTS
from lbserver.transports.osc.addresses import Call, compose
from lbserver.transports.osc.audio import decode
from lbserver.transports.osc.doorway import Bucket, Guest, Guests
from lbserver.transports.osc.link import AudioLink
from lbserver.transports.osc.packet import Message, write
from lbserver.transports.osc.stream import JitterConfig

log = logging.getLogger(__name__)

AUDIO, RESEND = "/lb/<session>/audio", "/lb/<session>/resend"
_BUSY_POLL_S = 0.002
_IDLE_POLL_S = 0.02
_SILENT_S = 2.0


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """How streams are received and sent, and how fast sessions may be opened."""

    jitter: JitterConfig
    redundancy: int
    opens_per_s: float
    opens_burst: float


@dataclass
class _Played:
    """A session of a guest; `away` while the guest is silent and the lease runs.

    `steered_s` is when somebody, from wherever, last had a say in it: many patches send from a port for each object.
    """

    link: AudioLink
    guest: Guest
    peer: Peer
    request: Mapping[str, Any]
    away: bool = False
    steered_s: float = float("-inf")


class Stage:
    """Sessions by name, each with its link. `send(guest, data)` puts a datagram on its way."""

    def __init__(
        self, hub: Hub, guests: Guests, config: StageConfig, send: Callable[[Guest, bytes], None]
    ) -> None:
        self.faults = 0
        self._hub, self._guests, self._config, self._send = hub, guests, config, send
        self._played: dict[str, _Played] = {}
        self._opens = Bucket(burst=config.opens_burst, per_s=config.opens_per_s)
        self._loop = asyncio.get_running_loop()

    @property
    def links(self) -> dict[str, AudioLink]:
        return {name: played.link for name, played in self._played.items()}

    def of(self, guest: Guest | None) -> tuple[str, ...]:
        """The sessions that a guest has opened."""
        return tuple(name for name, played in self._played.items() if played.guest is guest)

    def players(self) -> list[tuple[Guest, str]]:
        return [(played.guest, name) for name, played in self._played.items()]

    async def open(self, call: Call, guest: Guest, peer: Peer) -> None:
        """Open a session and tell the guest. Raises HubError."""
        if not self._opens.take(self._loop.time()):
            raise HubError("busy", f"too fast: {self._config.opens_per_s:g} sessions a second may be opened")
        await self._open({"type": "open", **OPEN_DEFAULTS, **call.arguments}, guest, peer)

    async def change(self, session: str, control: str, value: float | int | str, peer: Peer) -> None:
        """Open a session of this stage anew with another mode, or another anticipation, for which the mode is manual.

        Raises HubError: it was not opened here, or the value cannot be.
        """
        played = self._played.get(session)
        if played is None or not (peer.trusted or played.peer == peer):
            self._hub.status(session, peer=peer)
            raise HubError(
                "unsupported",
                f"{control} begins a new epoch: only who opened {session} may, and not over OSC",
            )
        try:
            number = control_value(control, value)
        except MessageError as error:
            raise HubError("bad_message", str(error)) from None
        if control == "mode":
            changed: dict[str, Any] = {"mode": MODES[int(number)]}
        else:
            changed = {"mode": "manual", "anticipation_ms": number}
        now = self._hub.controls(session, peer=peer)
        kept = {"stem": STEMS[int(now["stem"])], "seed": int(now["seed"])}
        await self._open({**played.request, **kept, **changed}, played.guest, played.peer)

    async def _open(self, wish: Mapping[str, Any], guest: Guest, peer: Peer) -> None:
        try:
            request, _ = check(wish, "in")
        except MessageError as error:
            raise HubError("bad_message", str(error)) from None
        if request["mode"] == "bounce":
            raise HubError("unsupported", "a bounce must lose nothing: use the local socket or ZeroMQ for it")
        self._succeed(str(request["session"]), guest, peer)
        self._hub.subscribe(peer, partial(self._notice, guest))
        opened = await self._hub.open(request, peer=peer)
        try:
            link = AudioLink(
                opened,
                stream=secrets.randbelow(limits.OSC_STREAMS),
                redundancy=self._config.redundancy,
                jitter=self._config.jitter,
            )
        except LiveBandError as error:
            raise HubError("busy", str(error)) from None
        self._drop(opened.session)
        self._played[opened.session] = _Played(link, guest, peer, request)
        timing = opened.timing
        told = (
            timing.latency_samples,
            float(timing.anticipation_samples),
            timing.recency_gap_ms,
            link.stream,
        )
        self._send(guest, write(compose("/lb/<session>/opened", *told, session=opened.session)))

    def hear(self, call: Call, one: Message, guest: Guest, now_s: float) -> None:
        """An audio packet, or a request for stem packets. Raises HubError and OscError."""
        played = self._played.get(call.names["session"])
        if played is None or played.guest is not guest:
            raise HubError(
                "unknown_session", f"no session {shown(call.names['session'])} of yours: /lb/open it"
            )
        link = played.link
        if call.arguments["stream"] != link.stream:
            return  # of an opening that is over: nothing of it may be heard
        if call.pattern == RESEND:
            first, last = (int(call.arguments[name]) & 0xFFFFFFFF for name in ("first", "last"))
            datagrams = link.resend(first, last, now_s)
        else:
            datagrams = link.push(decode(one, link.channels), now_s)
        for datagram in datagrams:
            self._send(guest, datagram)

    def forget_sound(self, guest: Guest | None) -> None:
        """Panic: nothing of before will be heard in a guest's sessions."""
        for name in self.of(guest):
            self._played[name].link.forget()

    async def pump(self) -> None:
        """For ever: stem that has landed, and what is missing for too long."""
        while True:
            now_s = self._loop.time()
            busy = False
            for name, played in list(self._played.items()):
                link = played.link
                busy = busy or now_s - link.last_s < 1.0
                if link.waits and self._guests.attentive(played.guest, now_s):
                    try:
                        for datagram in link.pump(now_s):
                            self._send(played.guest, datagram)
                    except Exception:
                        log.exception("audio over OSC failed", extra=fields(session=name))
                        self.faults += 1
                        self._drop(name)
            await asyncio.sleep(_BUSY_POLL_S if busy else _IDLE_POLL_S)

    def keep_house(self, now_s: float, alive: set[str]) -> None:
        """Leave the sessions of the silent to their lease, and let go of those that are no more."""
        for played in self._played.values():
            steered = now_s - played.steered_s <= limits.OSC_ATTENTIVE_S
            if not (played.away or steered or self._guests.attentive(played.guest, now_s)):
                played.away = True
                self._hub.detach(played.peer)
        for name in [name for name in self._played if name not in alive]:
            self._drop(name)

    def steered(self, session: str, now_s: float) -> None:
        """Somebody who may has had a say in a session: it is in use, wherever its guest is."""
        played = self._played.get(session)
        if played is not None:
            played.steered_s = now_s

    def back(self, guest: Guest) -> None:
        """A guest was heard again: its sessions are its own as before."""
        for name, played in self._played.items():
            if played.guest is guest and played.away:
                played.away = False
                self._hub.subscribe(played.peer, partial(self._notice, guest))
                self._hub.attach(name, played.peer)

    def close(self) -> None:
        """Leave every session to its lease."""
        for name, played in list(self._played.items()):
            self._hub.detach(played.peer)
            self._drop(name)

    def _succeed(self, session: str, guest: Guest, peer: Peer) -> None:
        """A patch that was started again comes from another port: on this machine it need not wait for its own lease."""
        played = self._played.get(session)
        if played is None or played.guest is guest or not (peer.trusted and played.peer.trusted):
            return
        if self._loop.time() - played.guest.heard_s > _SILENT_S:
            self._hub.detach(played.peer)
            for other in self._played.values():
                other.away = other.away or other.guest is played.guest
            self._drop(session)

    def _notice(self, guest: Guest, message: dict[str, Any]) -> None:
        """What the hub has to say to a guest."""
        if message["type"] == "closed":
            self._drop(message["session"])
            reason = str(message.get("reason", ""))[:256]
            self._send(guest, write(compose("/lb/<session>/closed", reason, session=message["session"])))
        elif message["type"] == "error":
            self._send(guest, write(compose("/lb/error", message["code"], str(message["text"])[:256])))

    def _drop(self, session: str) -> None:
        played = self._played.pop(session, None)
        if played is not None:
            played.link.close()
