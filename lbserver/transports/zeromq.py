# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions for clients at a distance: a ZeroMQ ROUTER that speaks the messages of `protocol.messages`.

It listens on this machine only, to this user's programs, unless it has keys: then a client must know the server's
public key and be on its list. Until a client has said hello the server keeps nothing of it.
"""

import asyncio
import logging
import mmap
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from zmq.auth.asyncio import AsyncioAuthenticator

from lbserver.errors import LiveBandError
from lbserver.host import callers
from lbserver.host.keys import AllowList, KeyPair, is_loopback, read_pair
from lbserver.host.logs import fields, shown
from lbserver.host.zmq_sending import outcome
from lbserver.hub.admission import USER
from lbserver.hub.hub import Hub, HubError, Peer
from lbserver.hub.requests import answer, greet
from lbserver.protocol import limits
from lbserver.protocol.errors import ERRORS
from lbserver.protocol.messages import MAX_MESSAGE_BYTES, MessageError, check
from lbserver.protocol.osc import ZMQ_PORT
from lbserver.protocol.wire import WireError, pack, unpack
from lbserver.ring.remote_end import Stream
from lbserver.ring.segment import Segment

_BUSY_POLL_S = 0.002
_IDLE_POLL_S = 0.02
_BUSY_FOR_S = 1.0
_GUARD_S = 0.1  # at a gigabyte a second, a hundred megabytes
_MOST_CLIENTS = limits.ZMQ_CLIENTS
_MOST_WAITING = limits.ZMQ_WAITING  # requests of one client, or blocks of one offline session, that wait
_BAND_GONE_S = limits.ZMQ_BAND_GONE_S  # an offline session whose band gives nothing for so long ends

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ZeroMqConfig:
    """Where to listen and whom to let in. Port 0 is any that is free.

    `secret_key` is the server's own pair (0600), `allowed_keys` a folder of the clients' public keys: both are
    needed to listen anywhere but on this machine. A client that says nothing for `silent_s` is gone. When
    this process grows by `most_growth_bytes`, every connection is closed and the socket opened anew: ZeroMQ itself
    sets no limit to a message whose parts never end.
    """

    host: str = "127.0.0.1"
    port: int = ZMQ_PORT
    secret_key: Path | None = None
    allowed_keys: Path | None = None
    silent_s: float = limits.ZMQ_SILENT_S
    most_growth_bytes: int = 256 << 20

    def __post_init__(self) -> None:
        if (self.secret_key is None) != (self.allowed_keys is None):
            raise LiveBandError(
                "keys come together: the server's secret key and the folder of allowed clients"
            )
        if self.secret_key is None and not is_loopback(self.host):
            raise LiveBandError(
                f"listening on {self.host} needs keys: make them with `liveband keys`, then give the server's secret "
                "key and a folder with the public keys of its clients"
            )


@dataclass
class _Client:
    """Who has said hello."""

    routing: bytes
    peer: Peer
    seen_s: float
    waiting: "asyncio.Queue[dict[str, Any]]" = field(default_factory=lambda: asyncio.Queue(_MOST_WAITING))
    streams: dict[str, "_Served"] = field(default_factory=dict)
    task: "asyncio.Task[None] | None" = None


@dataclass
class _Served:
    """A session of a client; offline its blocks wait in `blocks` for the band."""

    stream: Stream
    blocks: "asyncio.Queue[dict[str, Any]]" = field(default_factory=lambda: asyncio.Queue(_MOST_WAITING))
    task: "asyncio.Task[None] | None" = None


class ZeroMqServer:
    """A listening ROUTER; see `zeromq_server`. The counts rise while it lives."""

    def __init__(self, hub: Hub, config: ZeroMqConfig) -> None:
        self.address: tuple[str, int] = (config.host, config.port)
        self.refused = self.dropped = self.restarts = 0
        self._hub, self._config = hub, config
        self._clients: dict[bytes, _Client] = {}
        self._heard_s = 0.0
        self._context = zmq.asyncio.Context()
        self._authenticator: AsyncioAuthenticator | None = None
        try:
            self._keys = self._authenticate()
            self._socket = self._listen()
        except BaseException:
            self._stop_context()
            raise
        self._receiver = asyncio.create_task(self._receive())
        self._tasks = [asyncio.create_task(work()) for work in (self._push, self._reap, self._guard)]

    async def close(self) -> None:
        """Leave every session to its lease and stop listening."""
        tasks = (*self._tasks, self._receiver)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for client in list(self._clients.values()):
            self._forget(client)
        self._socket.close(linger=0)
        self._stop_context()

    @property
    def clients(self) -> int:
        """Clients that have said hello and are here."""
        return len(self._clients)

    # The socket

    def _listen(self) -> zmq.asyncio.Socket:
        config = self._config
        socket = self._context.socket(zmq.ROUTER)
        try:
            options: dict[int, int | bytes] = {
                zmq.LINGER: 0,
                zmq.SNDHWM: limits.ZMQ_HIGH_WATER_MARK,
                zmq.RCVHWM: limits.ZMQ_HIGH_WATER_MARK,
                zmq.MAXMSGSIZE: MAX_MESSAGE_BYTES,
                zmq.HANDSHAKE_IVL: limits.ZMQ_HANDSHAKE_MS,
                zmq.HEARTBEAT_IVL: limits.ZMQ_HEARTBEAT_MS,
                zmq.HEARTBEAT_TIMEOUT: limits.ZMQ_HEARTBEAT_TIMEOUT_MS,
                zmq.HEARTBEAT_TTL: limits.ZMQ_HEARTBEAT_TIMEOUT_MS,
                zmq.ROUTER_HANDOVER: 0,
                zmq.ROUTER_MANDATORY: 1,  # a client that is gone is an error, not silence
                zmq.IPV6: int(":" in config.host),
                # With somebody to ask, who speaks an older protocol is refused: those know no authentication, and what
                # a web page makes a browser send can be taken for them.
                zmq.ZAP_DOMAIN: b"liveband",
                zmq.ZAP_ENFORCE_DOMAIN: 1,
            }
            for option, value in options.items():
                socket.setsockopt(option, value)
            if self._keys is not None:
                socket.setsockopt(zmq.CURVE_SECRETKEY, self._keys.secret)
                socket.setsockopt(zmq.CURVE_PUBLICKEY, self._keys.public)
                socket.setsockopt(zmq.CURVE_SERVER, 1)
            host = f"[{config.host}]" if ":" in config.host else config.host
            socket.bind(f"tcp://{host}:{self.address[1] or '*'}")
        except zmq.ZMQError as error:
            socket.close(linger=0)
            raise LiveBandError(
                f"ZeroMQ cannot listen on {config.host}:{config.port}: {error.strerror}; is another server there?"
            ) from None
        except BaseException:
            socket.close(linger=0)
            raise
        bound = socket.getsockopt(zmq.LAST_ENDPOINT)
        assert isinstance(bound, bytes)
        self.address = (config.host, int(bound.rstrip(b"\0").rpartition(b":")[2]))
        return socket

    def _authenticate(self) -> KeyPair | None:
        """Our pair, and somebody who asks the list for each client; None if there are no keys: then all may come in,
        and say hello.
        """
        config = self._config
        keys = None if config.secret_key is None else read_pair(config.secret_key)
        allowed = None if config.allowed_keys is None else AllowList(config.allowed_keys)
        self._authenticator = AsyncioAuthenticator(self._context)
        self._authenticator.start()
        if allowed is not None:
            self._authenticator.configure_curve_callback("liveband", allowed)
        return keys

    async def _guard(self) -> None:
        """Open the socket anew when memory runs away: a part of a message that has a next is kept without limit."""
        least = _own_bytes()
        while True:
            await asyncio.sleep(_GUARD_S)
            now = _own_bytes()
            least = min(least, now)
            if now - least <= self._config.most_growth_bytes:
                continue
            _log.error("memory grew by %d MiB: every ZeroMQ connection is closed", (now - least) >> 20)
            self.restarts += 1
            self._receiver.cancel()
            await asyncio.gather(self._receiver, return_exceptions=True)
            for client in list(self._clients.values()):
                self._forget(client)
            self._socket.close(linger=0)
            await asyncio.sleep(_GUARD_S)  # what was held is let go by a thread of ZeroMQ
            self._socket = await self._listen_again()
            self._receiver = asyncio.create_task(self._receive())
            least = _own_bytes()  # if it was not us who grew, closing again would not help

    async def _listen_again(self) -> zmq.asyncio.Socket:
        while True:
            try:
                return self._listen()
            except LiveBandError as error:
                _log.error("%s", error)
                await asyncio.sleep(1.0)

    def _stop_context(self) -> None:
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.term()

    def _send(self, routing: bytes, message: Mapping[str, Any]) -> None:
        """Send now or never: a client that does not read shall hold up nobody."""
        try:
            data = pack(message)
        except WireError as error:
            _log.warning("a message of type %s was not sent: %s", message.get("type"), error)
            return
        failed = outcome(self._socket.send_multipart([routing, data], flags=zmq.NOBLOCK))
        if failed is not None and failed.errno == zmq.EHOSTUNREACH:
            if client := self._clients.get(routing):
                self._forget(client)
        elif failed is not None:
            self.dropped += 1

    def _refuse(self, routing: bytes, code: str, text: str, request: Any = None) -> None:
        self.refused += 1
        refusal: dict[str, Any] = {"type": "error", "code": code, "text": shown(text, 400)}
        self._send(routing, _with_id(request, refusal) if isinstance(request, Mapping) else refusal)

    # What comes in

    async def _receive(self) -> None:
        while True:
            frames = await self._socket.recv_multipart(copy=False)
            try:
                await self._take(frames)
            except Exception:  # noqa: BLE001 (one client's message may not end the service of all)
                _log.exception("a message was not handled")

    async def _take(self, frames: list[zmq.Frame]) -> None:
        routing = frames[0].bytes
        if len(frames) != 2:
            self.refused += 1
            return
        given: Any = None
        try:
            given = unpack(frames[1].buffer)
            if isinstance(given, dict) and given.get("type") == "hello":
                await self._greet(routing, given, frames[1])
                return
            message, unknown = check(given, "in")
        except (WireError, MessageError, HubError) as error:
            self._refuse(routing, getattr(error, "code", "bad_message"), str(error), given)
            return
        self._hub.unknown_fields += unknown
        client = self._clients.get(routing)
        if client is not None:
            client.seen_s = time.monotonic()
        kind = message["type"]
        if client is None:
            self._refuse(routing, "unauthorised", "say hello first", message)
        elif kind in ("audio", "event"):
            self._stream(client, message)
        elif kind == "ping":
            self._send(routing, _with_id(message, {"type": "pong"}))
        else:
            try:
                client.waiting.put_nowait(message)
            except asyncio.QueueFull:
                self._refuse(routing, "busy", "too many requests wait: take the answers first", message)

    async def _greet(self, routing: bytes, given: dict[str, Any], frame: zmq.Frame) -> None:
        """Raises HubError for another major version, or another user's program where there are no keys."""
        welcome = greet(self._hub, given)
        message, _ = check(given, "in")
        if routing not in self._clients:
            # ZeroMQ tells no port of a caller's, but by which descriptor its message came.
            if self._keys is None and not await asyncio.to_thread(
                callers.made_descriptor, frame.get(zmq.SRCFD)
            ):
                raise HubError("unauthorised", "another user's program: this server has no keys to let it in")
            if len(self._clients) >= _MOST_CLIENTS:
                self._refuse(routing, "busy", f"{_MOST_CLIENTS} clients are here already", message)
                return
            key = ""
            with suppress(zmq.ZMQError):
                key = str(frame.get("User-Id"))
            # Who comes back is known by its key and its token, never by where it calls from.
            token = message.get("token") or routing.hex()
            owner = USER if self._keys is None else f"key {key}"
            peer = Peer(kind="zmq", identity=f"{key}/{token}", owner=owner, host=owner)
            for other in [other for other in self._clients.values() if other.peer == peer]:
                self._forget(other)  # the same client, through a connection that is dead
            client = _Client(routing, peer, time.monotonic())
            client.task = asyncio.create_task(self._serve(client))
            self._clients[routing] = client
            self._hub.subscribe(peer, lambda notice: self._notify(client, notice))
            _log.info("client %s came over ZeroMQ", message["client"])
        self._send(routing, _with_id(message, welcome))

    def _stream(self, client: _Client, message: dict[str, Any]) -> None:
        served = client.streams.get(message["session"])
        if served is None:
            self._refuse(client.routing, "unknown_session", "no such session, or not yours", message)
            return
        self._heard_s = time.monotonic()
        try:
            if message["type"] == "event":
                served.stream.tell(message)
                return
            served.stream.set_offline(message.get("offline", served.stream.offline))
            if served.stream.offline or served.task is not None:
                self._queue(client, served, message)
                return
            samples = served.stream.take(message)
            if message.get("reply"):
                self._send(client.routing, _with_id(message, served.stream.answer(samples)))
        except MessageError as error:
            self._refuse(client.routing, "bad_message", str(error), message)

    def _queue(self, client: _Client, served: _Served, message: dict[str, Any]) -> None:
        try:
            served.blocks.put_nowait(message)
        except asyncio.QueueFull:
            self._refuse(client.routing, "busy", "too many blocks wait: take the stem first", message)
            return
        if served.task is None:
            served.task = asyncio.create_task(self._play_offline(client, served))

    async def _play_offline(self, client: _Client, served: _Served) -> None:
        """Blocks one after the other, each when the ring has room, each answered when the stem is there."""
        stream = served.stream
        while True:
            message = await served.blocks.get()
            try:
                await _until(lambda: stream.room_for(message))  # noqa: B023 (awaited before the next message)
                samples = stream.take(message)
                if message.get("reply"):
                    await _until(lambda: stream.answerable)
                    self._send(client.routing, _with_id(message, stream.answer(samples)))
            except MessageError as error:
                self._refuse(client.routing, "bad_message", str(error), message)
            except TimeoutError:
                text = f"the band has not answered for {_BAND_GONE_S:g} s"
                self._refuse(client.routing, "overloaded", text, message)
            except Exception:  # noqa: BLE001 (one session's fault is its own)
                served.task = None  # this very task, which ends here
                self._fail(client, message["session"])
                return

    # Requests

    async def _serve(self, client: _Client) -> None:
        """A client's requests, in their order."""
        while True:
            message = await client.waiting.get()
            try:
                reply, descriptor = await answer(self._hub, client.peer, message)
                if descriptor is not None:
                    self._opened(client, message, reply, descriptor)
                elif reply["type"] == "closed":
                    self._drop(client, message["session"])
                self.refused += reply["type"] == "error"
                self._send(client.routing, reply)
            except Exception:  # noqa: BLE001 (the client is told; the log has it all)
                _log.exception("a request was not handled")
                self._refuse(client.routing, "internal", "a fault of the server; its log has more", message)

    def _opened(
        self, client: _Client, request: Mapping[str, Any], reply: dict[str, Any], descriptor: int
    ) -> None:
        """A new segment: the mapping keeps its memory, so the descriptor can go."""
        session = reply["session"]
        self._drop(client, session)
        try:
            stream = Stream(session, Segment(descriptor), reply["latency_samples"])
        finally:
            os.close(descriptor)
        stream.set_offline(request.get("offline", False))
        client.streams[session] = _Served(stream)

    def _notify(self, client: _Client, notice: Mapping[str, Any]) -> None:
        if notice.get("type") == "closed":
            session = str(notice.get("session"))
            if (served := client.streams.get(session)) is not None:
                with suppress(Exception):  # it ends anyhow
                    self._flush(client, served)
            self._drop(client, session)
        self._send(client.routing, notice)

    # What goes out unasked, and who goes

    async def _push(self) -> None:
        while True:
            busy = time.monotonic() - self._heard_s < _BUSY_FOR_S
            await asyncio.sleep(_BUSY_POLL_S if busy else _IDLE_POLL_S)
            for client in list(self._clients.values()):
                for session, served in list(client.streams.items()):
                    try:
                        self._flush(client, served)
                    except Exception:  # noqa: BLE001 (one session's fault is its own)
                        self._fail(client, session)

    def _flush(self, client: _Client, served: _Served) -> None:
        """Send what the band has played since."""
        while (stem := served.stream.fresh()) is not None:
            self._send(client.routing, stem)

    async def _reap(self) -> None:
        look_s = self._config.silent_s / 8
        while True:
            begun_s = time.monotonic()
            await asyncio.sleep(look_s)
            still_s = time.monotonic() - begun_s - look_s
            if still_s > look_s:  # this process stood still: it could hear nobody
                for client in self._clients.values():
                    client.seen_s += still_s
            gone = time.monotonic() - self._config.silent_s
            for client in [client for client in self._clients.values() if client.seen_s < gone]:
                self._forget(client)

    def _fail(self, client: _Client, session: str) -> None:
        """End a stream that cannot go on, and its session; every other goes on."""
        _log.exception("a stream failed", extra=fields(session=session))
        self._refuse(client.routing, "internal", f"session {session}: {ERRORS['internal']}")
        self._drop(client, session)
        with suppress(asyncio.QueueFull):
            client.waiting.put_nowait({"type": "close", "session": session})

    def _forget(self, client: _Client) -> None:
        """The client vanished: the hub keeps its sessions for as long as their lease lasts."""
        if self._clients.pop(client.routing, None) is None:
            return
        if client.task is not None:
            client.task.cancel()
        for session in list(client.streams):
            self._drop(client, session)
        self._hub.detach(client.peer)

    def _drop(self, client: _Client, session: str) -> None:
        served = client.streams.pop(session, None)
        if served is not None:
            if served.task is not None:
                served.task.cancel()
            served.stream.close()


@asynccontextmanager
async def zeromq_server(hub: Hub, config: ZeroMqConfig) -> AsyncIterator[ZeroMqServer]:
    """Serve clients over ZeroMQ while the context lasts.

    Raises LiveBandError: the port is taken, keys are missing, unreadable or open to others.
    """
    server = ZeroMqServer(hub, config)
    try:
        yield server
    finally:
        await server.close()


def _own_bytes() -> int:
    """Memory of this process that it shares with nobody; 0 where the system does not tell."""
    try:
        _, resident, shared, *_ = Path("/proc/self/statm").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * mmap.PAGESIZE


async def _until(ready: Callable[[], bool]) -> None:
    """Look until it is so, ever less often. Raises TimeoutError after _BAND_GONE_S."""
    deadline, pause_s = time.monotonic() + _BAND_GONE_S, 0.0002
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(pause_s)
        pause_s = min(0.002, pause_s * 1.5)


def _with_id(request: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    number = request.get("id")
    return {**answer, "id": number} if isinstance(number, int) else answer
