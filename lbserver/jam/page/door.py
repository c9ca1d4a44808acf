# SPDX-License-Identifier: GPL-3.0-or-later
"""The page's own little server, on loopback: its files, recordings that are handed over, and one WebSocket a page.

Every address begins with the token, so whatever the page loads bears it and nothing else must be remembered. The
Host must name this machine (DNS rebinding), and what changes anything must come from the page's own origin. HTTP is
parsed by h11, the WebSocket by wsproto. The door proves to the page that it is the one that the address was printed by:
whoever takes the port when it has gone cannot, and hears nothing.
"""

import asyncio
import contextlib
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import h11
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.events import Request as Upgrade
from wsproto.utilities import ProtocolError

from lbserver.errors import LiveBandError
from lbserver.files.plain_json import to_json
from lbserver.transports.http import HttpConfig, is_our_host
from lbserver.transports.loopback import listening

LARGEST_MESSAGE_BYTES = 1 << 20
_LARGEST_HEAD_BYTES = 16384
_READ_BYTES = 1 << 16
_PATIENCE_S = 5.0
_UPLOAD_PATIENCE_S = 30.0
_MOST_CONNECTIONS, _MOST_STRANGERS = 64, 8
_FRAGMENT_BYTES = 16  # what keeping one costs, an empty one as well
_STATIC = Path(__file__).parent / "static"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

log = logging.getLogger(__name__)


class Reply(NamedTuple):
    """One answer."""

    status: int
    kind: str
    body: bytes


class Refusal(Exception):  # noqa: N818 (it is an answer, and no fault)
    """What is asked is not answered; `status` and a text for people say why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Socket:
    """A WebSocket to one page."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        connection: WSConnection,
        *,
        proof: str,
    ) -> None:
        self.proof = proof  # that we know the page's secret: for hello
        self._reader, self._writer, self._connection = reader, writer, connection
        self._parts: list[str | bytes] = []
        self._length = 0
        self._arrived: list[str | bytes] = []

    @property
    def unsent_bytes(self) -> int:
        """What the page has not taken yet."""
        return self._writer.transport.get_write_buffer_size()

    async def receive(self) -> str | bytes | None:
        """The next message; None when the page has gone, or says what nobody understands."""
        try:
            while await self._take_events() and not self._arrived:
                data = await self._reader.read(_READ_BYTES)
                if not data:
                    return None
                self._connection.receive_data(data)
        except (ProtocolError, OSError):
            return None
        return self._arrived.pop(0) if self._arrived else None

    async def send(self, message: str | bytes) -> None:
        """Raises OSError when the page has gone. Waits while the page takes nothing."""
        event = TextMessage(message) if isinstance(message, str) else BytesMessage(message)
        await self._write(event)

    async def close(self, code: int, reason: str) -> None:
        """Hang up, and say why: a code of RFC 6455. Raises OSError when the page has gone."""
        await self._write(CloseConnection(code, reason))

    async def _take_events(self) -> bool:
        for event in self._connection.events():
            match event:
                case TextMessage() | BytesMessage():
                    self._parts.append(event.data if isinstance(event, TextMessage) else bytes(event.data))
                    self._length += len(event.data) + _FRAGMENT_BYTES
                    if self._length > LARGEST_MESSAGE_BYTES:
                        await self._write(CloseConnection(1009, "a message is too long"))
                        return False
                    if event.message_finished:
                        self._arrived.append(_joined(self._parts))
                        self._parts, self._length = [], 0
                case Ping():
                    await self._write(event.response())
                case CloseConnection():
                    await self._write(event.response())
                    return False
        return True

    async def _write(self, event: Event) -> None:
        try:
            self._writer.write(self._connection.send(event))
        except ProtocolError as error:  # it is closed already
            raise ConnectionError(str(error)) from None
        await self._writer.drain()


@dataclass(frozen=True, kw_only=True)
class DoorConfig:
    """Where to listen (port 0: any free one), who is let in, and who sees to what comes in.

    The page gets `token` and `secret` with its address, and sends the first alone: by the second it knows us.
    `take` is given the body of a recording that is handed over, and returns what the page is told.
    """

    token: str
    secret: str
    visit: Callable[[Socket], Awaitable[None]]
    take: Callable[[AsyncIterator[bytes]], Awaitable[Mapping[str, object]]]
    host: str = "127.0.0.1"
    port: int = 0


@asynccontextmanager
async def page_door(config: DoorConfig) -> AsyncIterator[str]:
    """Serve until the block ends; gives the page's address. Raises LiveBandError naming who has the port."""
    files = {path.name: path for path in _STATIC.iterdir() if path.suffix in _KINDS}

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _ours: bool) -> None:
        with contextlib.suppress(h11.ProtocolError):
            await _Caller(reader, writer, config, files).serve()

    async with listening(
        converse,
        config.host,
        config.port,
        users=_MOST_CONNECTIONS,
        strangers=_MOST_STRANGERS,
        what="port",
        option="--page-port",
        limit=LARGEST_MESSAGE_BYTES,
    ) as (host, port):
        yield f"http://{host}:{port}/{config.token}/#{config.secret}"


class _Caller:
    """One connection: one request, and what comes of it."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        config: DoorConfig,
        files: Mapping[str, Path],
    ) -> None:
        self._reader, self._writer, self._config, self._files = reader, writer, config, files
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST_HEAD_BYTES)

    async def serve(self) -> None:
        """Raises OSError, TimeoutError or h11.ProtocolError for callers who do not go on."""
        head_only = False
        try:
            async with asyncio.timeout(_PATIENCE_S):
                request = await self._event()
            if not isinstance(request, h11.Request):
                return
            head_only = request.method == b"HEAD"
            name = self._asked_for(request)
            if name == "socket":
                await self._visit(request)
                return
            reply = await self._handed_over(request) if name == "recording" else self._file(request, name)
        except Refusal as refusal:
            reply = Reply(refusal.status, "text/plain; charset=utf-8", f"{refusal}\n".encode())
        except h11.RemoteProtocolError as error:
            if self._http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
                return
            reply = Reply(error.error_status_hint, "text/plain; charset=utf-8", b"this is no HTTP request\n")
        await self._reply(reply, head_only=head_only)

    def _asked_for(self, request: h11.Request) -> str:
        """The name behind the token. Raises Refusal: another host, no token, from elsewhere."""
        hosts = _values(request, b"host")
        if len(hosts) != 1 or not is_our_host(hosts[0], HttpConfig(host=self._config.host)):
            raise Refusal(421, "ask for this machine by name: http://localhost")
        token, slash, name = request.target.decode("ascii", "replace").partition("?")[0][1:].partition("/")
        if not hmac.compare_digest(token.encode(), self._config.token.encode()) or not slash:
            raise Refusal(403, "this is not the address that liveband jam --browser printed")
        origins = _values(request, b"origin")
        if (origins or name in ("socket", "recording")) and origins != [f"http://{hosts[0]}"]:
            raise Refusal(403, "only the page itself may ask for this")
        return name

    def _file(self, request: h11.Request, name: str) -> Reply:
        path = self._files.get(name or "index.html")
        if path is None:
            raise Refusal(404, "there is no such file")
        if request.method not in (b"GET", b"HEAD"):
            raise Refusal(405, "this is only read: GET or HEAD")
        return Reply(200, _KINDS[path.suffix], path.read_bytes())

    async def _handed_over(self, request: h11.Request) -> Reply:
        if request.method != b"POST":
            raise Refusal(405, "a recording is handed over: POST")
        if self._http.they_are_waiting_for_100_continue:
            self._writer.write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")

        async def pieces() -> AsyncIterator[bytes]:
            while True:
                async with asyncio.timeout(_UPLOAD_PATIENCE_S):
                    event = await self._event()
                if not isinstance(event, h11.Data):
                    return
                yield bytes(event.data)

        try:
            told = await self._config.take(pieces())
        except LiveBandError as error:
            raise Refusal(415, str(error)) from None
        return Reply(200, "application/json", to_json(told).encode())

    async def _visit(self, request: h11.Request) -> None:
        connection = WSConnection(ConnectionType.SERVER)
        try:
            connection.initiate_upgrade_connection(list(request.headers), request.target)
        except ProtocolError:
            raise Refusal(426, "this is for a WebSocket") from None
        if not any(isinstance(event, Upgrade) for event in connection.events()):
            raise Refusal(426, "this is for a WebSocket")
        self._writer.write(connection.send(AcceptConnection()))
        await self._writer.drain()
        nonce = request.target.partition(b"?")[2]
        proof = hmac.new(self._config.secret.encode(), nonce, "sha256").hexdigest()
        socket = Socket(self._reader, self._writer, connection, proof=proof)
        early, _ = self._http.trailing_data
        if early:
            connection.receive_data(early)
        await self._config.visit(socket)

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(_READ_BYTES))
        return event

    async def _reply(self, reply: Reply, *, head_only: bool) -> None:
        headers = [
            ("Content-Type", reply.kind),
            ("Content-Length", str(len(reply.body))),
            ("Connection", "close"),
            *_GUARDS,
        ]
        head = h11.Response(
            status_code=reply.status, headers=headers, reason=HTTPStatus(reply.status).phrase.encode()
        )
        parts = [self._http.send(head)]
        if not head_only:
            parts.append(self._http.send(h11.Data(data=reply.body)))
        parts.append(self._http.send(h11.EndOfMessage()))
        self._writer.write(b"".join(part for part in parts if part))
        await self._writer.drain()


_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_GUARDS = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    (
        "Content-Security-Policy",
        _POLICY,
    ),
)


def _values(request: h11.Request, name: bytes) -> list[str]:
    return [value.decode("ascii", "replace") for key, value in request.headers if key == name]


def _joined(parts: list[str | bytes]) -> str | bytes:
    texts = [part for part in parts if isinstance(part, str)]
    return "".join(texts) if texts else b"".join(part for part in parts if isinstance(part, bytes))
