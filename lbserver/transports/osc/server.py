# SPDX-License-Identifier: GPL-3.0-or-later
"""The OSC server: datagrams in, calls to the hub and audio to the rings, datagrams out.

On this machine a plain message is enough to control a session that is open: no handshake, and what is wrong with it
is said in words. Whoever wants to open a session, send audio or get status says hello and returns the cookie first.
Without a token only this user's programs on this machine are heard; with one every message must be signed, and
what is not gets no answer at all. Answers go to where a packet came from, or to a port of the same host that hello has
named and at which the cookie was read; nothing that could be forged is answered with more than it had itself.
"""

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, cast

from lbserver import __version__
from lbserver.host import callers, datagrams
from lbserver.host.logs import fields
from lbserver.hub.hub import Hub, HubError
from lbserver.protocol import MAJOR, MINOR, limits
from lbserver.protocol.osc import LAST, REPLY_PORTS
from lbserver.transports.osc.addresses import Call, compose, known, meant, reached, understand
from lbserver.transports.osc.config import OscConfig as OscConfig
from lbserver.transports.osc.control import PANIC, SIMPLE, Control, begins_an_epoch, in_turn, listed
from lbserver.transports.osc.doorway import (
    Buckets,
    Cookies,
    Guest,
    Guests,
    Sender,
    Source,
    peer_of,
    reply_port_in,
    unsigned,
)
from lbserver.transports.osc.link import AudioLink
from lbserver.transports.osc.packet import Message, OscError, parse, timed_messages, write
from lbserver.transports.osc.patterns import is_pattern
from lbserver.transports.osc.schedule import Agenda, delay_s
from lbserver.transports.osc.sockets import is_of_this_machine, listening
from lbserver.transports.osc.stage import AUDIO, RESEND, Stage, StageConfig
from lbserver.transports.osc.stream import JitterConfig
from lbserver.transports.osc.telling import Teller
from lbserver.transports.osc.watches import named_figures

log = logging.getLogger(__name__)

_LONGEST_ERROR = 600
_OF_LAST = f"/lb/{LAST}/"
_HANDSHAKE = ("/lb/hello", "/lb/hello/reply", "/lb/cookie")


class OscServer(asyncio.DatagramProtocol):
    """A listening server; see `osc_server`. The counts rise while it lives."""

    def __init__(self, hub: Hub, config: OscConfig, sockets: Sequence[socket.socket]) -> None:
        self.address: tuple[str, int] = sockets[0].getsockname()[:2]
        self.received = self.sent = self.refused = self._faults = 0
        self._hub, self._config = hub, config
        self._control = Control(hub)
        self._cookies, self._guests, self._agenda = Cookies(), Guests(), Agenda()
        self._addresses: dict[Source, tuple[Any, ...]] = {}
        self._complaints = Buckets(burst=limits.OSC_ERRORS_PER_S, per_s=limits.OSC_ERRORS_PER_S)
        self._opening: Counter[str] = Counter()
        self._stage = Stage(
            hub,
            self._guests,
            StageConfig(
                jitter=JitterConfig(base_ms=config.patience_ms),
                redundancy=config.redundancy,
                opens_per_s=config.opens_per_s,
                opens_burst=config.opens_burst,
            ),
            self._send_to,
        )
        self._teller = Teller(hub, self._guests, self._stage, self._send_to)
        # By whether it is IPv6:
        self._sockets = {bound.family == socket.AF_INET6: bound for bound in sockets}
        self._transports: dict[bool, asyncio.DatagramTransport] = {}
        self._loop = asyncio.get_running_loop()
        # Opening takes its time; a control must not wait for it.
        self._lanes: dict[bool, asyncio.Queue[Callable[[], Any]]] = {
            opening: asyncio.Queue(limits.OSC_WAITING) for opening in (False, True)
        }
        self._tasks = [
            *(asyncio.create_task(self._work(lane)) for lane in self._lanes.values()),
            asyncio.create_task(self._stage.pump()),
            asyncio.create_task(self._every(limits.OSC_STATUS_S, self._teller.status)),
            asyncio.create_task(self._every(limits.OSC_CUES_S, self._teller.events)),
            asyncio.create_task(self._every(1.0, self._keep_house)),
        ]

    async def close(self) -> None:
        """Leave every session to its lease and stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._stage.close()
        for transport in self._transports.values():
            transport.close()

    @property
    def guests(self) -> int:
        """Sources that have returned their cookie."""
        return len(self._guests)

    @property
    def faults(self) -> int:
        """Faults of the server's own that were caught."""
        return self._faults + self._stage.faults + self._teller.faults

    @property
    def links(self) -> dict[str, AudioLink]:
        """The sessions played over OSC."""
        return self._stage.links

    # The socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        bound = transport.get_extra_info("sockname")
        self._transports[":" in bound[0]] = cast(asyncio.DatagramTransport, transport)

    def error_received(self, exc: Exception) -> None:
        """A datagram of ours found nobody: its receiver is gone, and the silence will show it."""

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """A packet, and those that wait behind it: audio shall not keep controls waiting. While many calls wait the loop is to do them."""
        self._take(data, addr)
        for more, sender in datagrams.waiting(self._sockets[":" in addr[0]]):
            self._take(more, sender)
            if max(lane.qsize() for lane in self._lanes.values()) > limits.OSC_WAITING // 2:
                break

    def _take(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """One packet. Nothing in it can end the server."""
        self.received += 1
        # At once, and in this order: whatever passes between the two makes what bears a time tag late, never early.
        wall_s, now_s = time.time(), self._loop.time()
        sender = self._who(data, addr, now_s)
        try:
            for tag, one in sorted(timed_messages(parse(data)), key=in_turn):
                self._hear(one, tag, sender, now_s, wall_s)
        except OscError as error:
            self._complain(sender, "bad_message", str(error))
        except Exception:
            log.exception("a fault while reading an OSC packet")
            self._fault(sender)

    def _who(self, data: bytes, address: tuple[Any, ...], now_s: float) -> Sender:
        source: Source = address[0], address[1]
        guest = self._guests.get(source, now_s)
        ours = is_of_this_machine(source[0])
        if ours and not self._config.anyone:
            # Audio bears the number of its stream, which was told to its guest alone.
            plays = guest is not None and data.partition(b"\0")[0].endswith((b"/audio", b"/resend"))
            ours = guest.ours if guest is not None and plays else callers.sent_datagram(source[1])
        peer = peer_of(source, ours=ours, entered=guest is not None)
        receives_at = address if guest is None else self._addresses.get(source, address)
        return Sender(address, receives_at, peer, guest, len(data), proven=ours and not self._config.token)

    def _hear(self, one: Message, tag: int, sender: Sender, now_s: float, wall_s: float) -> None:
        try:
            one = self._checked(one, sender)
            if (guest := sender.guest) is not None:
                sender = replace(sender, proven=True)
                self._guests.heard(guest, now_s)
                self._stage.back(guest)
            for call in self._calls(one, sender):
                if call.pattern in (AUDIO, RESEND):  # placed by position, not by time tag
                    self._stage.hear(call, one, self._let_in(sender), now_s)
                elif (ahead_s := delay_s(tag, wall_s)) > 0.0:
                    self._agenda.add(now_s + ahead_s, partial(self._begin, call, sender))
                    self._loop.call_at(now_s + ahead_s, self._do_what_is_due)
                else:
                    self._begin(call, sender)
        except (OscError, HubError) as error:
            self._complain(sender, _code(error), str(error), one.address)

    def _calls(self, one: Message, sender: Sender) -> list[Call]:
        """What a message asks, of every address that its pattern matches. Raises OscError and HubError."""
        if not is_pattern(one.address):
            open_now = self._hub.sessions(peer=sender.peer) if one.address.startswith(_OF_LAST) else ()
            return [self._call(replace(one, address=meant(one.address, open_now)))]
        found = reached(one.address, self._hub.sessions(peer=sender.peer))
        if not found:
            raise HubError("unknown_message", "nothing matches it")
        return [self._call(replace(one, address=address)) for address in found]

    def _call(self, one: Message) -> Call:
        try:
            return understand(one)
        except KeyError:
            raise HubError("unknown_message", "no such address") from None

    def _checked(self, one: Message, sender: Sender) -> Message:
        """The message without its signature, where it must bear one. Raises OscError and HubError."""
        if not self._config.token:
            if not sender.peer.trusted:
                log.warning("an OSC message of another user, or of a program that had ended, was not taken")
                raise HubError(
                    "unauthorised", "another user's program, or one that has ended: see SECURITY.md"
                )
            return one
        handshake = one.address in _HANDSHAKE
        guest = sender.guest
        if guest is None and not handshake:
            raise OscError("a stranger's message")
        cookie = "" if handshake or guest is None else guest.cookie
        inner, counter = unsigned(one, self._config.token, cookie)
        if guest is not None and not guest.counters.fresh(counter):
            raise OscError("a message that came before")
        return inner

    def _let_in(self, sender: Sender) -> Guest:
        if sender.guest is None:
            raise HubError("unauthorised", "say /lb/hello and return the cookie first")
        return sender.guest

    def _do_what_is_due(self) -> None:
        for act in self._agenda.due(self._loop.time() + 1e-4):
            act()

    # Calls

    def _begin(self, call: Call, sender: Sender) -> None:
        """Answer at once, or leave it to a lane. Never raises."""
        try:
            self._sort(call, sender)
        except (OscError, HubError) as error:
            self._complain(sender, _code(error), str(error), call.address)
        except Exception:
            log.exception("a fault while sorting an OSC message")
            self._fault(sender)

    def _sort(self, call: Call, sender: Sender) -> None:
        if call.arguments.get("press") == 0.0:
            return  # a button let go
        now_s = self._loop.time()
        match call.pattern:
            case "/lb/hello" | "/lb/hello/reply":
                self._welcome(call, sender, now_s)
            case "/lb/cookie":
                self._admit(call, sender, now_s)
            case "/lb/ping":
                self._answer(sender, compose("/lb/pong", call.arguments.get("number", 0)))
            case "/lb/sessions":
                if not sender.proven:
                    self._let_in(sender)
                for row in listed(self._hub, sender.peer):
                    self._send(write(row), sender.receives_at)
            case "/lb/<session>/subscribe":
                source = self._watcher(call, sender)
                self._teller.subscribed.ask(source, call.names["session"])
                self._teller.plain.drop(source, call.names["session"])
            case "/lb/<session>/watch":
                names = named_figures(str(call.arguments["names"]))
                per_s = cast(float, call.arguments["per_s"])
                self._teller.plain.choose(self._watcher(call, sender), call.names["session"], per_s, names)
            case "/lb/<session>/cues":
                self._teller.cues.ask(self._watcher(call, sender), call.names["session"])
            case "/lb/open":
                guest, name = self._let_in(sender), str(call.arguments["session"])
                self._queue(partial(self._open, call, sender, guest), opening=True)
                self._opening[name] += 1
            case "/lb/close":
                self._let_in(sender)
                self._queue(partial(self._close, call, sender), opening=True)
            case "/lb/<session>/set/<control>" if begins_an_epoch(call.names["control"]):
                self._queue(partial(self._change, call, sender), opening=True)
            case pattern if pattern in SIMPLE:
                session = call.names.get("session", "")
                if sender.peer.trusted:
                    self._stage.steered(session, now_s)
                # What is told right behind an opening is of the session that is being opened.
                self._queue(partial(self._act, call, sender), opening=session in self._opening)

    def _queue(self, work: Callable[[], Any], *, opening: bool) -> None:
        try:
            self._lanes[opening].put_nowait(work)
        except asyncio.QueueFull:
            raise HubError("busy", "too many messages wait") from None

    async def _work(self, lane: "asyncio.Queue[Callable[[], Any]]") -> None:
        while True:
            await (await lane.get())()

    def _welcome(self, call: Call, sender: Sender, now_s: float) -> None:
        port = cast(int | None, call.arguments.get("reply_port"))
        if port is not None:
            lowest, highest = REPLY_PORTS
            if not lowest <= port <= highest or port == self.address[1]:
                raise HubError(
                    "bad_message", f"a reply port of {port}: {lowest} to {highest} of yours is accepted"
                )
            sender.receives_at = sender.address[0], port, *sender.address[2:]
        major = call.arguments["major"]
        if major != MAJOR:
            text = f"you speak protocol {str(major)[:8]}, this server speaks {MAJOR}"
            raise HubError("version", text + ": update the older of the two")
        cookie = self._cookies.bake(sender.source, now_s, reply_port=port)
        welcome = compose("/lb/welcome", MAJOR, MINOR, f"liveband {__version__}", cookie)
        self._answer(sender, welcome, times=3)

    def _admit(self, call: Call, sender: Sender, now_s: float) -> None:
        cookie = str(call.arguments["cookie"])
        port = reply_port_in(cookie) or sender.address[1]
        until_s = self._cookies.good_until_s(cookie, sender.source, now_s)
        if until_s is None:
            raise HubError("unauthorised", "this is not the cookie that was sent to you: say /lb/hello again")
        if sender.peer.trusted and not (self._config.anyone or callers.sent_datagram(port)):
            raise HubError("unauthorised", f"port {port}, which is to be answered at, is not this user's")
        guest = self._guests.admit(sender.source, cookie, until_s, now_s)
        if guest is None:
            raise HubError("busy", "too many peers")
        guest.ours = sender.peer.trusted
        self._addresses[sender.source] = sender.address[0], port, *sender.address[2:]
        self._stage.back(guest)

    def _watcher(self, call: Call, sender: Sender) -> Source:
        """Who is to be told of a session. Raises HubError: it may not."""
        guest = self._let_in(sender)
        self._hub.status(call.names["session"], peer=sender.peer)
        return guest.source

    async def _change(self, call: Call, sender: Sender) -> None:
        session, control = call.names["session"], call.names["control"]
        value = cast(float | int | str, call.arguments["value"])
        await self._complaining(sender, call, self._stage.change(session, control, value, sender.peer))

    async def _act(self, call: Call, sender: Sender) -> None:
        if call.pattern == PANIC:
            self._stage.forget_sound(sender.guest)
        own = self._stage.of(sender.guest)
        await self._complaining(sender, call, self._control.act(call, sender.peer, own))

    async def _close(self, call: Call, sender: Sender) -> None:
        session = str(call.arguments["session"])
        await self._complaining(sender, call, self._hub.close(session, peer=sender.peer, reason="asked to"))

    async def _open(self, call: Call, sender: Sender, guest: Guest) -> None:
        try:
            await self._complaining(sender, call, self._open_anew(call, sender, guest))
        finally:
            self._opening -= Counter([str(call.arguments["session"])])

    async def _open_anew(self, call: Call, sender: Sender, guest: Guest) -> None:
        await self._stage.open(call, guest, sender.peer)
        self._control.forget(str(call.arguments["session"]))

    # What goes out unasked

    async def _every(self, period_s: float, step: Callable[[float], None]) -> None:
        """For ever: a step with the present time. One that fails is logged; the next one comes."""
        while True:
            await asyncio.sleep(period_s)
            try:
                step(self._loop.time())
            except HubError as error:
                log.info("OSC waits for the hub: %s", error)  # no worker is up just now
            except Exception:
                log.exception("a fault in what OSC does by itself")
                self._faults += 1

    def _keep_house(self, now_s: float) -> None:
        """Guests that are silent lose their sessions when the lease is over; those who come back in time do not."""
        if not self._config.anyone and any(guest.ours for guest in self._guests):
            ports = callers.our_datagram_ports()
            self._guests.expel(
                lambda one: one.ours and not {one.source[1], self._addresses[one.source][1]} <= ports, now_s
            )
        for guest in self._guests.forget(now_s):
            self._addresses.pop(guest.source, None)
        alive = set(self._hub.sessions())
        self._teller.keep_house(now_s, alive)
        self._stage.keep_house(now_s, alive)
        self._control.keep_house(alive)

    # Answers

    async def _complaining(self, sender: Sender, call: Call, work: Coroutine[Any, Any, None]) -> None:
        """Tell the sender what was refused; whatever happens, the lane goes on."""
        try:
            await work
        except HubError as error:
            self._complain(sender, error.code, str(error), call.address)
        except Exception:
            log.exception("a fault while answering an OSC message")
            self._fault(sender)

    def _fault(self, sender: Sender) -> None:
        self._faults += 1
        self._complain(sender, "internal", "a fault of the server; its log has more")

    def _complain(self, sender: Sender, code: str, text: str, address: str = "") -> None:
        """An error in words, ten a second of each code; of a stranger's on another machine nothing is said.

        What may be forged is answered with no more than it had itself.
        """
        self.refused += 1
        if sender.guest is None and (self._config.token or not is_of_this_machine(sender.address[0])):
            return
        if not self._complaints.take((sender.source, code), self._loop.time()):
            return
        longest = _LONGEST_ERROR
        if not sender.proven:
            longest = (
                sender.size - len(write(compose("/lb/error", code, ""))) + 3
            )  # its zero is counted already
        elif address and not text.startswith(address):
            text = f"{address}: {text}"
        if code == "unknown_message":
            text += f": {known(address)}"
        elif code == "unknown_session":
            text += f"; open: {', '.join(self._hub.sessions(peer=sender.peer)) or 'none'}"
        if longest > 0:
            words = text.encode()[:longest].decode(errors="ignore")
            self._send(write(compose("/lb/error", code, words)), sender.receives_at)

    def _answer(self, sender: Sender, one: Message, *, times: int = 1) -> None:
        """Send to who sent a packet. A stranger gets one answer, `times` as long as its packet at most."""
        data = write(one)
        if sender.guest is None:
            if sender.answered or (len(data) > times * sender.size and not sender.proven):
                return
            sender.answered = True
        self._send(data, sender.receives_at)

    def _send_to(self, guest: Guest, data: bytes) -> None:
        address = self._addresses.get(guest.source)
        if address is not None:
            self._send(data, address)

    def _send(self, data: bytes, address: tuple[Any, ...]) -> None:
        transport = self._transports.get(":" in address[0])
        if transport is not None and not transport.is_closing():
            self.sent += 1
            transport.sendto(data, address)


def _code(error: OscError | HubError) -> str:
    return error.code if isinstance(error, HubError) else "bad_message"


@asynccontextmanager
async def osc_server(hub: Hub, config: OscConfig) -> AsyncIterator[OscServer]:
    """Serve until the block ends. Raises LiveBandError naming who has the port."""
    loop = asyncio.get_running_loop()
    sockets = await listening(config.host, config.port)
    server = OscServer(hub, config, sockets)
    try:
        for bound in sockets:
            await loop.create_datagram_endpoint(lambda: server, sock=bound)
            log.info("OSC listens", extra=fields(host=bound.getsockname()[0], port=bound.getsockname()[1]))
        yield server
    finally:
        await server.close()
