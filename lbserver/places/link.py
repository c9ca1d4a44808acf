# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to a server at a distance that is kept up: hello, requests and their answers, pings, and again.

Nothing here blocks the event loop: names are resolved and connections made by ZeroMQ's own thread, and a context
that will not end (a name server that hangs) is left to end by itself.
"""

import asyncio
import itertools
import logging
import random
import secrets
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from lbserver.errors import LiveBandError
from lbserver.host.keys import is_loopback, read_pair, read_public
from lbserver.host.logs import shown
from lbserver.host.zmq_sending import outcome
from lbserver.protocol import MAJOR, MINOR, limits
from lbserver.protocol.messages import MAX_MESSAGE_BYTES, MessageError, check
from lbserver.protocol.wire import WireError, pack, unpack

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_JITTER = 0.2
_PING_S = 0.25
_PINGS_KEPT = 64
_FIRST_PINGS = 8
SILENT_S = 1.2
"""No answer for so long, not even to a ping: it is lost, unless `silent_s` says otherwise."""
_PONG_S = 0.4
_ANSWER_S = 10.0
_REFUSED: Mapping[int, str] = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "it does not let our key in: is our public key in its folder of allowed clients?",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "it does not speak as we do: are there keys on one side only?",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "it breaks off: are its key and ours the right ones?",
}

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class LinkConfig:
    """Where the server is, `tcp://host:port`. Off this machine both keys are needed: the server's public one and a
    secret file of ours.
    """

    address: str
    server_key: Path | None = None
    own_key: Path | None = None
    program: str = "liveband"

    def __post_init__(self) -> None:
        host = _host_of(self.address)
        if (self.server_key is None) != (self.own_key is None):
            raise LiveBandError("keys come together: the server's public key and a secret key of ours")
        if self.server_key is None and not is_loopback(host):
            raise LiveBandError(
                f"{self.address} is not on this machine, so keys are needed: make a pair with `liveband keys`, give "
                "its public half to the server, and name the server's public key here"
            )


class LinkError(LiveBandError):
    """The server refused, or is not there. `code` is one of the error table."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class RoundTrip:
    """Of the last pings, in seconds."""

    median_s: float
    longest_s: float


class Link:
    """One client's connection to one server. `up` tells whether it is there, `reason` why not.

    Comes back with the same token, so the server knows its sessions again.
    """

    def __init__(
        self,
        config: LinkConfig,
        *,
        on_message: Callable[[dict[str, Any]], None],
        on_up: Callable[[], None],
        on_down: Callable[[str], None],
        silent_s: Callable[[], float] = lambda: SILENT_S,
        seed: int | None = None,
    ) -> None:
        """`silent_s`: how long it may be silent now. Raises LiveBandError for keys that cannot be read."""
        self.config = config
        self.up = False
        self.reason = "not connected yet"
        self.welcome: dict[str, Any] = {}
        self.fatal: LinkError | None = None
        self._on_message, self._on_up, self._on_down = on_message, on_up, on_down
        self._silent_s = silent_s
        self._server_key = read_public(config.server_key) if config.server_key else None
        self._own = read_pair(config.own_key) if config.own_key else None
        self._token = secrets.token_hex(16)
        self._random = random.Random(seed)  # jitter: no secret
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pings: deque[float] = deque(maxlen=_PINGS_KEPT)
        self._heard_s = 0.0
        self._socket: zmq.asyncio.Socket | None = None
        self._monitor: zmq.asyncio.Socket | None = None
        self._running: tuple[asyncio.Task[None], ...] = ()
        self._context = zmq.asyncio.Context()
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    @property
    def round_trip(self) -> RoundTrip | None:
        """None before the first ping was answered."""
        if not self._pings:
            return None
        return RoundTrip(median_s=statistics.median(self._pings), longest_s=max(self._pings))

    async def start(self, *, timeout_s: float) -> None:
        """Connect, and wait until a few pings are answered.

        Raises LinkError: the server is not there in time, or refuses us. It is tried on after that, until `close`.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._keep_up())
        deadline = time.monotonic() + timeout_s
        while not self.up:
            if self.fatal is not None:
                raise self.fatal
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise LinkError("unauthorised", f"no server at {self.config.address}: {self.reason}")
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left_s)

    async def request(self, message: Mapping[str, Any], *, timeout_s: float = _ANSWER_S) -> dict[str, Any]:
        """Send a request and wait for its answer. Raises LinkError: refused, no answer, or the link broke."""
        number = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            if not self.send({**message, "id": number}):
                raise LinkError("internal", f"{self.config.address} takes no more messages")
            result = await asyncio.wait_for(answer, timeout_s)
        except TimeoutError:
            raise LinkError(
                "internal", f"{self.config.address} has not answered for {timeout_s:g} s"
            ) from None
        finally:
            self._answers.pop(number, None)
        if result["type"] == "error":
            raise LinkError(result["code"], result["text"])
        return result

    def send(self, message: Mapping[str, Any]) -> bool:
        """Send at once. False, and nothing sent, when the link is down or takes no more for now."""
        if self._socket is None:
            return False
        return outcome(self._socket.send(pack(message), flags=zmq.NOBLOCK)) is None

    async def close(self) -> None:
        """Hang up. Quick in every state."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._hang_up("closed")
        # Ending a context waits for its thread, which may be waiting for a name server.
        threading.Thread(target=self._context.term, name="zmq-term", daemon=True).start()

    # Keeping it up

    async def _keep_up(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._connect()
                pause_s = _FIRST_PAUSE_S
                await self._stay()
            except LinkError as error:
                self._down(str(error), error if error.code in ("version", "unauthorised") else None)
            except (zmq.ZMQError, WireError, MessageError) as error:
                self._down(shown(error, 200), None)
            await asyncio.sleep(pause_s * (1.0 + self._random.uniform(-_JITTER, _JITTER)))
            pause_s = min(_LONGEST_PAUSE_S, 2.0 * pause_s)

    async def _connect(self) -> None:
        """A new socket, hello, a few pings. Raises LinkError."""
        self._socket, self._monitor = socket, monitor = self._dial()
        self._running = (asyncio.create_task(self._read(socket)), asyncio.create_task(self._watch(monitor)))
        hello = {
            "type": "hello",
            "major": MAJOR,
            "minor": MINOR,
            "client": self.config.program,
            "token": self._token,
        }
        self.welcome = await self._either(self.request(hello, timeout_s=limits.ZMQ_HANDSHAKE_MS / 1000.0))
        if self.welcome["type"] != "welcome" or self.welcome["major"] != MAJOR:
            raise LinkError("version", f"{self.config.address} does not speak protocol {MAJOR}.{MINOR}")
        self._pings.clear()
        for _ in range(_FIRST_PINGS):
            await self._either(self._ping(_ANSWER_S))
        self.up, self.reason, self.fatal = True, "", None
        _log.info("connected to %s", self.config.address)
        self._changed.set()
        self._on_up()

    async def _stay(self) -> None:
        """Ping until nothing comes back. Raises LinkError."""
        missed = 0
        while True:
            await asyncio.sleep(_PING_S)
            try:
                await self._either(self._ping(_PONG_S))
                missed = 0
            except LinkError:
                if any(task.done() for task in self._running):
                    raise
                missed += 1  # a single one, when this process itself stood still
                if missed > 1 and time.monotonic() - self._heard_s > self._silent_s():
                    raise LinkError("internal", f"{self.config.address} is silent") from None

    async def _ping(self, timeout_s: float) -> None:
        begun = time.perf_counter()
        await self.request({"type": "ping"}, timeout_s=timeout_s)
        self._pings.append(time.perf_counter() - begun)

    async def _either(self, work: Coroutine[Any, Any, _T]) -> _T:
        """The result of some work, unless the connection's own tasks say first why it cannot be."""
        task = asyncio.create_task(work)
        try:
            await asyncio.wait({task, *self._running}, return_when=asyncio.FIRST_COMPLETED)
            for running in self._running:
                if running.done() and not task.done():
                    running.result()
            return await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _dial(self) -> tuple[zmq.asyncio.Socket, zmq.asyncio.Socket]:
        """A new socket that is being connected, and the one that tells how that goes."""
        socket = self._context.socket(zmq.DEALER)
        options: dict[int, Any] = {
            zmq.LINGER: 0,
            zmq.SNDHWM: limits.ZMQ_HIGH_WATER_MARK,
            zmq.RCVHWM: 1000,  # a hiccup here must not make the server drop what others wait for
            zmq.MAXMSGSIZE: MAX_MESSAGE_BYTES,
            zmq.HANDSHAKE_IVL: limits.ZMQ_HANDSHAKE_MS,
            zmq.HEARTBEAT_IVL: limits.ZMQ_HEARTBEAT_MS,
            zmq.HEARTBEAT_TIMEOUT: limits.ZMQ_HEARTBEAT_TIMEOUT_MS,
            zmq.RECONNECT_IVL: -1,  # a new socket each time: what waited in the old one is stale
            zmq.IPV6: int("[" in self.config.address),
        }
        if self._server_key is not None and self._own is not None:
            options |= {
                zmq.CURVE_SERVERKEY: self._server_key,
                zmq.CURVE_PUBLICKEY: self._own.public,
                zmq.CURVE_SECRETKEY: self._own.secret,
            }
        for option, value in options.items():
            socket.setsockopt(option, value)
        monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED | _events(_REFUSED))
        socket.connect(self.config.address)
        return socket, monitor

    async def _read(self, socket: zmq.asyncio.Socket) -> None:
        while True:
            data = await socket.recv()
            try:
                message, _ = check(unpack(data), "out")
            except (WireError, MessageError) as error:
                _log.warning("%s sent what cannot be read: %s", self.config.address, error)
                continue
            self._heard_s = time.monotonic()
            answer = self._answers.get(message.get("id", 0))
            if answer is None:
                try:
                    self._on_message(message)
                except Exception:  # noqa: BLE001 (one session's message must not take the link from all others)
                    _log.exception("a message of %s was not handled", self.config.address)
            elif not answer.done():
                answer.set_result(message)

    async def _watch(self, monitor: zmq.asyncio.Socket) -> None:
        """Why there is no connection, as far as ZeroMQ knows. Raises LinkError."""
        event = parse_monitor_message(await monitor.recv_multipart())["event"]
        text = _REFUSED.get(event, "nobody listens there" if event == zmq.EVENT_CLOSED else "it hung up")
        code = "unauthorised" if event in _REFUSED else "internal"
        raise LinkError(code, f"{self.config.address}: {text}")

    def _down(self, reason: str, fatal: LinkError | None) -> None:
        was_up = self.up
        if reason != self.reason:
            _log.warning("%s", reason)
        self.fatal = fatal
        self._hang_up(reason)
        self._changed.set()
        if was_up:
            self._on_down(reason)

    def _hang_up(self, reason: str) -> None:
        self.up, self.reason = False, reason
        for task in self._running:
            task.cancel()
        socket, self._socket = self._socket, None
        monitor, self._monitor = self._monitor, None
        if socket is not None and monitor is not None:
            socket.disable_monitor()
            monitor.close(linger=0)
            socket.close(linger=0)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(LinkError("internal", reason))


def _host_of(address: str) -> str:
    try:
        parts = urlsplit(address)
        if parts.scheme == "tcp" and parts.hostname and parts.port and not parts.path:
            return parts.hostname
    except ValueError:
        pass  # what urlsplit makes of it would not help
    raise LiveBandError(f"{shown(address)!r} is no address of a server: tcp://host:port")


def _events(table: Mapping[int, str]) -> int:
    mask = 0
    for event in table:
        mask |= event
    return mask
