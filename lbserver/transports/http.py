# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP on loopback, read only: `/metrics` for Prometheus, `/healthz`, and everything else the OSCQuery description, whose
tools may listen to values over a WebSocket.

Requests are parsed by h11, which is strict. Only this user's programs are answered; where there is a token, those that
show it (`Authorization: Bearer ...`). A page of the web cannot read any of it through the browser of
somebody here: the Host header must name this machine (DNS rebinding), and nothing is offered across origins.
Strangers, other users of this machine, have a few connections of their own, and each ends with its first refusal:
they cannot keep the user out.
"""

import asyncio
import hmac
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

import h11

from lbserver import __version__
from lbserver.host.logs import fields
from lbserver.protocol.osc import HTTP_PORT
from lbserver.transports import metrics
from lbserver.transports.loopback import listening
from lbserver.transports.metrics import ServerFigures, Sessions

_LARGEST_REQUEST_BYTES = 8192
_MOST_CONNECTIONS, _MOST_STRANGERS = 32, 8
_REFUSALS = frozenset({401, 403, 421})
_PATIENCE_S = 5.0
_SWITCHING = 101
_UNWELL = frozenset({"recovering", "quarantined", "faded", "bypassed", "late"})
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?", re.ASCII)

log = logging.getLogger(__name__)


class Described(NamedTuple):
    """What OSCQuery answers: an HTTP status, and a JSON value (None: no content)."""

    status: int
    content: Any


Describe = Callable[[str, str, Sessions], Described]
"""(path, query string, sessions) -> the OSCQuery answer."""


Listen = Callable[[h11.Request, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Be a WebSocket, whose request was let in, until either side ends it."""


class Watched(Protocol):
    """The part of the hub that is looked at."""

    def sessions(self) -> Mapping[str, Mapping[str, float | int | str]]:
        """Figures of every session by name."""
        ...


@dataclass(frozen=True, kw_only=True)
class HttpConfig:
    """Where to listen; port 0 is any free one. `names` are further names that the Host header may have.

    With a `token` whoever shows it is answered, and nobody else; without one this user's programs.
    `server` gives the server's figures, `fault` the reason why the server cannot play at all (empty if it can).
    """

    host: str = "127.0.0.1"
    port: int = HTTP_PORT
    names: tuple[str, ...] = ()
    token: bytes = b""
    describe: Describe | None = None
    listen: Listen | None = None
    server: Callable[[], ServerFigures] | None = None
    fault: Callable[[], str] = lambda: ""
    patience_s: float = _PATIENCE_S


class Reply(NamedTuple):
    """One answer."""

    status: int
    kind: str
    body: bytes


class HttpServer:
    """A listening server; `address` is (host, port) as bound."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address


@asynccontextmanager
async def http_server(hub: Watched, config: HttpConfig) -> AsyncIterator[HttpServer]:
    """Serve until the block ends. Raises LiveBandError naming who has the port."""
    begun = time.monotonic()

    def figures() -> ServerFigures:
        if config.server is not None:
            return config.server()
        return ServerFigures(version=__version__, uptime_s=time.monotonic() - begun)

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ours: bool) -> None:
        let_in = ours or bool(config.token)
        await _converse(
            reader, writer, lambda request: _answer(request, hub, config, figures, ours=let_in), config
        )

    async with listening(
        converse,
        config.host,
        config.port,
        users=_MOST_CONNECTIONS,
        strangers=_MOST_STRANGERS,
        what="HTTP port",
        option="--http-port",
        limit=_LARGEST_REQUEST_BYTES,
    ) as (host, port):
        log.info("HTTP listens", extra=fields(url=f"http://{host}:{port}/"))
        yield HttpServer((host, port))


def health(sessions: Sessions, fault: str) -> tuple[int, dict[str, Any]]:
    """Status code and answer of /healthz: 503 when the server cannot play; sessions that struggle are named."""
    troubled = {
        name: str(status.get("reason") or status["state"])
        for name, status in sessions.items()
        if status.get("state") in _UNWELL
    }
    state = "failed" if fault else "degraded" if troubled else "ok"
    answer: dict[str, Any] = {"status": state, "sessions": len(sessions), "troubled": troubled}
    if fault:
        answer["reason"] = fault
    return (503 if fault else 200), answer


def is_our_host(header: str, config: HttpConfig) -> bool:
    """Whether a Host header names this machine as its user would: not a stranger's name that points here."""
    named = _HOST.fullmatch(header)
    ours = {"localhost", "127.0.0.1", "::1", config.host.lower(), *map(str.lower, config.names)}
    return named is not None and named[1].strip("[]").lower() in ours


async def _converse(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    answer: Callable[[h11.Request], Reply],
    config: HttpConfig,
) -> None:
    """Requests of one connection, one after the other, until one is refused. Raises TimeoutError when the client is slow."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST_REQUEST_BYTES)
    while True:
        async with asyncio.timeout(config.patience_s):
            reply, head_only = None, False
            try:
                request = await _next_request(connection, reader)
                if request is None:
                    return
                head_only = request.method == b"HEAD"
                reply = answer(request)
                if reply.status == _SWITCHING and config.listen is not None:
                    break
            except h11.RemoteProtocolError as error:
                if connection.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
                    return
                reply = _text(error.error_status_hint, "this is no HTTP request that is understood here")
            except Exception:
                log.exception("a fault while answering an HTTP request")
                reply = _text(500, "a fault of the server; its log has more")
            headers = [
                ("Content-Type", reply.kind),
                ("Content-Length", str(len(reply.body))),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
            ]
            if reply.status in _REFUSALS:
                headers.append(("Connection", "close"))
            if reply.status == 405:
                headers.append(("Allow", "GET, HEAD"))
            if reply.status == 401:
                headers.append(("WWW-Authenticate", "Bearer"))
            event = h11.Response(status_code=reply.status, headers=headers)
            parts = [connection.send(event)]
            if not head_only:
                parts.append(connection.send(h11.Data(data=reply.body)))
            parts.append(connection.send(h11.EndOfMessage()))
            writer.write(b"".join(part for part in parts if part))
            await writer.drain()
            if connection.our_state is h11.MUST_CLOSE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()
    if config.listen is not None:
        await config.listen(request, reader, writer)


async def _next_request(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    """The next request, read to its end; None when the client has gone. A body is an error: nothing here takes one."""
    request = None
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_LARGEST_REQUEST_BYTES))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.EndOfMessage):
            return request
        elif isinstance(event, h11.Data):
            raise h11.RemoteProtocolError("a body", error_status_hint=413)
        else:
            return None


def _answer(
    request: h11.Request,
    hub: Watched,
    config: HttpConfig,
    figures: Callable[[], ServerFigures],
    *,
    ours: bool,
) -> Reply:
    hosts = [value for name, value in request.headers if name == b"host"]
    if len(hosts) != 1 or not is_our_host(hosts[0].decode("ascii", "replace"), config):
        return _text(421, f"ask for this machine by name: http://localhost:{config.port or ''}".rstrip(":"))
    if config.token and not _shows(request, config.token):
        return _text(401, "show the token: Authorization: Bearer TOKEN")
    if not ours:
        return _text(
            403, "another user's program: this server is not yours, or wants a token; see SECURITY.md"
        )
    if request.method not in (b"GET", b"HEAD"):
        return _text(405, "this server is only looked at: GET or HEAD")
    try:
        target = urlsplit(request.target.decode("ascii"))
        path = unquote(target.path, errors="strict")
    except ValueError:
        return _text(400, "this address cannot be read")
    if path == "/metrics":
        page = metrics.exposition(hub.sessions(), figures())
        return Reply(200, metrics.CONTENT_TYPE, page)
    if path == "/healthz":
        status, answer = health(hub.sessions(), config.fault())
        return _json(status, answer)
    if config.listen is not None and _upgrades(request):
        return Reply(_SWITCHING, "", b"") if _is_ours(request) else _text(403, "a page of the web")
    if config.describe is not None:
        described = config.describe(path, target.query, hub.sessions())
        return _json(described.status, described.content)
    return _text(404, "there are /metrics and /healthz")


def _upgrades(request: h11.Request) -> bool:
    return any(name == b"upgrade" and value.lower() == b"websocket" for name, value in request.headers)


def _is_ours(request: h11.Request) -> bool:
    """Whether no page from elsewhere asks, another port of this machine included: browsers let any page open a WebSocket,
    and say of whom it is.
    """
    origins, hosts = (
        [value for name, value in request.headers if name == which] for which in (b"origin", b"host")
    )
    return all(origin.lower() == b"http://" + hosts[0].lower() for origin in origins)


def _shows(request: h11.Request, token: bytes) -> bool:
    shown = [value for name, value in request.headers if name == b"authorization"]
    return len(shown) == 1 and hmac.compare_digest(shown[0], b"Bearer " + token)


def _text(status: int, text: str) -> Reply:
    return Reply(status, "text/plain; charset=utf-8", f"{text}\n".encode())


def _json(status: int, content: Any) -> Reply:
    body = b"" if content is None else json.dumps(content, allow_nan=False).encode()
    return Reply(status, "application/json", body)
