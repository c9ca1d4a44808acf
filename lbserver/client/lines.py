# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to a server, for asyncio: the local socket, or the relay to one at a distance. Both hand out segments."""

import asyncio
import itertools
import logging
import os
import shutil
import socket
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from lbserver.client.connection import check_owner
from lbserver.client.errors import ClientError, RefusedError, ServerGoneError, no_server
from lbserver.errors import LiveBandError
from lbserver.host.rundir import SOCKET, check_directory, run_path
from lbserver.hub.hub import Hub, HubConfig, Peer
from lbserver.hub.requests import answer
from lbserver.places.link import LinkConfig
from lbserver.places.supervisor import WorkerError
from lbserver.places.upstream import UpstreamPlace
from lbserver.protocol import MAJOR, MINOR
from lbserver.protocol.messages import MessageError, check
from lbserver.protocol.wire import Framer, WireError, frame, receive

_READ_BYTES = 1 << 16
_MOST_DESCRIPTORS = 8
_ANSWER_S = 30.0
_OPEN_S = 180.0  # a model that a session names may have to be loaded first, and its steps measured
_HELLO_S = 5.0

_log = logging.getLogger(__name__)


class Told(NamedTuple):
    """An answer, and the descriptor that came with it (the caller's to close)."""

    message: dict[str, Any]
    descriptor: int | None


class Line(Protocol):
    """A connection to a server. Calls `on_message` for what comes unasked, `on_down(reason)` when it breaks for good."""

    async def connect(self) -> dict[str, Any]:
        """The server's welcome. Raises ClientError."""
        ...

    async def ask(self, message: Mapping[str, Any]) -> Told:
        """The answer to a request. Raises ClientError: refused, or the line broke."""
        ...

    async def close(self) -> None:
        """Hang up; `on_down` is not called."""
        ...


class LocalLine:
    """The local socket; see `protocol.messages`."""

    def __init__(
        self,
        run: Path | None,
        program: str,
        *,
        on_message: Callable[[dict[str, Any]], None],
        on_down: Callable[[str], None],
    ) -> None:
        self._run, self._program = run, program
        self._on_message, self._on_down = on_message, on_down
        self._socket: socket.socket | None = None
        self._framer = Framer()
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Told]] = {}
        self._descriptors: deque[int] = deque()
        self._sending = asyncio.Lock()

    async def connect(self) -> dict[str, Any]:
        """Raises ClientError: no server, not this user's, or of another version."""
        folder = run_path() if self._run is None else self._run
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            check_directory(folder)
            await asyncio.get_running_loop().sock_connect(connection, os.fspath(folder / SOCKET))
            check_owner(connection)
        except OSError as error:
            connection.close()
            raise no_server(f"{folder / SOCKET}: {error.strerror or error}") from None
        except LiveBandError as error:
            connection.close()
            raise ClientError("unauthorised", str(error)) from None
        self._socket, self._framer = connection, Framer()
        asyncio.get_running_loop().add_reader(connection, self._readable)
        hello = {"type": "hello", "major": MAJOR, "minor": MINOR, "client": self._program}
        try:
            welcome = (await self._ask(hello, _HELLO_S)).message
        except ClientError:
            self._hang_up("")
            raise
        if welcome["type"] != "welcome" or welcome["major"] != MAJOR:
            self._hang_up("")
            raise ClientError(
                "version", f"the server does not speak protocol {MAJOR}: update the older of the two"
            )
        return welcome

    async def ask(self, message: Mapping[str, Any]) -> Told:
        return await self._ask(message, _OPEN_S if message["type"] == "open" else _ANSWER_S)

    async def close(self) -> None:
        self._hang_up("closed")

    async def _ask(self, message: Mapping[str, Any], timeout_s: float) -> Told:
        if self._socket is None:
            raise no_server()
        number = next(self._ids)
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Told] = loop.create_future()
        self._answers[number] = reply
        try:
            data = frame({**message, "id": number})
            async with self._sending:
                await loop.sock_sendall(self._socket, data)
            told = await asyncio.wait_for(reply, timeout_s)
        except TimeoutError:
            raise ClientError("internal", f"the server has not answered for {timeout_s:g} s") from None
        except WireError as error:
            raise ClientError("bad_message", str(error)) from None
        except OSError as error:
            raise no_server(str(error.strerror)) from None
        finally:
            self._answers.pop(number, None)
        if told.message["type"] == "error":
            raise RefusedError(told.message["code"], told.message["text"])
        return told

    def _readable(self) -> None:
        if self._socket is None:
            return
        try:
            data, descriptors, lost = receive(self._socket, _READ_BYTES, _MOST_DESCRIPTORS)
        except BlockingIOError:
            return
        except OSError as error:
            self._break(f"the connection broke: {error.strerror}")
            return
        self._descriptors.extend(descriptors)
        if lost:
            self._break("no descriptors are left for a segment")
            return
        if not data:
            self._break("the server is gone")
            return
        try:
            for message in self._framer.feed(data):
                self._take(message)
        except (WireError, MessageError) as error:
            self._break(f"the server sent what cannot be read: {error}")

    def _take(self, given: Any) -> None:
        message, _ = check(given, "out")
        descriptor = None
        # A descriptor comes with the first byte of its message, so both queues are in the same order.
        if message["type"] in ("opened", "configured") and self._descriptors:
            descriptor = self._descriptors.popleft()
        reply = self._answers.get(message.get("id", 0))
        if reply is not None and not reply.done():
            reply.set_result(Told(message, descriptor))
            return
        if descriptor is not None:
            os.close(descriptor)
        if message["type"] == "error" and "id" not in message and len(self._answers) == 1:
            # Before hello is taken an error need not say what it answers.
            (waiting,) = self._answers.values()
            if not waiting.done():
                waiting.set_result(Told(message, None))
                return
        self._on_message(message)

    def _break(self, reason: str) -> None:
        self._hang_up(reason)
        self._on_down(reason)

    def _hang_up(self, reason: str) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            asyncio.get_running_loop().remove_reader(connection)
            connection.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())
        for reply in self._answers.values():
            if not reply.done():
                reply.set_exception(ServerGoneError(reason or "hung up"))


class DistantLine:
    """A server at a distance: a hub of our own lets it play, so the segment is here and nothing waits on the network.

    It never goes down for good: the hub's sessions fade and come back by themselves.
    """

    def __init__(
        self, config: LinkConfig, *, on_message: Callable[[dict[str, Any]], None], timeout_s: float = 10.0
    ) -> None:
        self._config, self._on_message, self._timeout_s = config, on_message, timeout_s
        self._peer = Peer(kind="local", identity="this program", trusted=True)
        self._folder: Path | None = None
        self._hub: Hub | None = None

    async def connect(self) -> dict[str, Any]:
        """Raises ClientError: nobody there in time, or we are not let in."""
        self._folder = Path(tempfile.mkdtemp(prefix="liveband-"))
        hub = Hub(HubConfig(moments=self._folder, kept=self._folder / "kept"))
        place = UpstreamPlace(
            self._config,
            on_lost=hub.on_lost,
            on_back=hub.on_back,
            on_ended=hub.on_ended,
            start_timeout_s=self._timeout_s,
        )
        try:
            await hub.start([place])
        except WorkerError as error:
            await place.stop()
            await self.close()
            raise ClientError("crashed", str(error)) from None
        hub.subscribe(self._peer, self._on_message)
        self._hub = hub
        name = hub.ready.spec.name
        return {
            "type": "welcome",
            "server": self._config.address,
            "model": name,
            "major": MAJOR,
            "minor": MINOR,
        }

    async def ask(self, message: Mapping[str, Any]) -> Told:
        if self._hub is None:
            raise ServerGoneError("hung up")
        reply, descriptor = await answer(self._hub, self._peer, dict(message))
        if reply["type"] == "error":
            raise RefusedError(reply["code"], reply["text"])
        return Told(reply, descriptor)

    async def close(self) -> None:
        hub, self._hub = self._hub, None
        if hub is not None:
            with suppress(LiveBandError):
                await hub.stop()
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
