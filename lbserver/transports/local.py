# SPDX-License-Identifier: GPL-3.0-or-later
"""The local transport: a Unix socket in the run directory, over which a session's segment is handed to its front end.

Only this user gets in: the directory is 0700 and the peer's uid is asked of the kernel. A connection is a peer; when
it breaks, the front end is gone and its sessions end. Who plays nothing gives way when there are too many.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lbserver.host.callers import user_of
from lbserver.host.logs import fields
from lbserver.hub.hub import Hub, HubError, Peer
from lbserver.hub.requests import answer, greet
from lbserver.protocol import limits, wire
from lbserver.protocol.errors import ERRORS

log = logging.getLogger(__name__)

_Outbox = asyncio.Queue[tuple[dict[str, Any], int | None]]

_HELLO_S = limits.HELLO_S  # a peer that has not said hello by then is let go
_CONNECTIONS = limits.LOCAL_CONNECTIONS
_BACKLOG = 1024  # beyond it a front end that does not block is told "try again", which few do
_OUTBOX = limits.LOCAL_UNREAD  # answers that wait for a peer to read; it is not listened to before it does
_READ_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class LocalConfig:
    """Where to listen."""

    path: Path


@dataclass
class _Line:
    """A connection, its peer, and when it last said something."""

    connection: socket.socket
    peer: Peer
    heard_s: float


class LocalServer:
    """The listening socket and its connections."""

    def __init__(self, hub: Hub, config: LocalConfig) -> None:
        self.config = config
        self._hub = hub
        self._numbers = itertools.count(1)
        self._connections: dict[asyncio.Task[None], _Line] = {}
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._identity: tuple[int, int] | None = None

    @property
    def address(self) -> Path:
        return self.config.path

    @property
    def is_found(self) -> bool:
        """Whether who connects to the path comes to us: the socket there may have been removed, and be another's."""
        return self._identity is not None and _identity(self.config.path) == self._identity

    async def listen(self) -> None:
        """Begin to listen, or anew; those who are connected stay. The run directory is ours: a socket there is nobody's.

        Raises OSError.
        """
        await self._stop_listening()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.config.path.unlink(missing_ok=True)
            listening.bind(os.fspath(self.config.path))
            self.config.path.chmod(0o600)
            listening.listen(_BACKLOG)
            listening.setblocking(False)
        except OSError:
            listening.close()
            raise
        self._socket, self._identity = listening, _identity(self.config.path)
        self._accepting = asyncio.create_task(self._accept(listening))

    async def close(self) -> None:
        """Hang up on everyone."""
        for task in list(self._connections):
            task.cancel()
        await self._stop_listening()

    async def _stop_listening(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait({self._accepting})
        if self.is_found:  # while ours is open no other has its identity
            self.config.path.unlink(missing_ok=True)
        if self._socket is not None:
            self._socket.close()
        self._accepting = self._socket = self._identity = None

    async def _accept(self, listening: socket.socket) -> None:
        """Take connections until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError as error:  # out of descriptors: those who are here go on
                log.warning("no connection can be taken: %s", error.strerror)
                await asyncio.sleep(0.1)
                continue
            connection.setblocking(False)
            if not _is_us(connection):
                connection.close()
                continue
            if len(self._connections) >= _CONNECTIONS and not self._make_room():
                log.warning("a connection is refused: there are %d already", _CONNECTIONS)
                _say(connection, f"there are {_CONNECTIONS} connections already, and all play")
                connection.close()
                continue
            number = next(self._numbers)
            peer = Peer(kind="local", identity=f"connection {number}", trusted=True)
            line = _Line(connection, peer, loop.time())
            task = asyncio.create_task(self._serve(number, line))
            self._connections[task] = line
            task.add_done_callback(lambda task: self._connections.pop(task, None))

    def _make_room(self) -> bool:
        """Hang up on who has been silent longest of those who play nothing; False if all play."""
        idle = [task for task, line in self._connections.items() if not self._hub.serves(line.peer)]
        if not idle:
            return False
        longest = min(idle, key=lambda task: self._connections[task].heard_s)
        line = self._connections.pop(longest)
        log.warning("a local peer is let go: others want its place", extra=fields(peer=line.peer.identity))
        _say(line.connection, f"one of {_CONNECTIONS} connections, silent longest of those that play nothing")
        longest.cancel()
        return True

    async def _serve(self, number: int, line: _Line) -> None:
        connection, peer = line.connection, line.peer
        outbox: _Outbox = asyncio.Queue(_OUTBOX)
        writer = asyncio.create_task(_write(connection, outbox))
        self._hub.subscribe(peer, lambda message: _offer(outbox, message))
        try:
            await self._talk(line, outbox)
        except (wire.WireError, HubError) as error:
            code = getattr(error, "code", "bad_message")
            log.warning("a local peer is let go: %s", error, extra=fields(peer=number))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await outbox.put(({"type": "error", "code": code, "text": str(error)}, None))
                    await outbox.join()
        except TimeoutError:
            log.warning("a local peer is let go: it did not say hello", extra=fields(peer=number))
        except OSError:
            pass
        finally:
            self._hub.detach(peer)
            writer.cancel()
            while not outbox.empty():
                _, descriptor = outbox.get_nowait()
                if descriptor is not None:
                    os.close(descriptor)
            connection.close()

    async def _talk(self, line: _Line, outbox: "_Outbox") -> None:
        """Answer until the peer hangs up. Raises OSError, TimeoutError, WireError, HubError."""
        framer = wire.Framer()
        async with asyncio.timeout(_HELLO_S) as patience:
            async for message in _messages(line.connection, framer):
                line.heard_s = asyncio.get_running_loop().time()
                if patience.when() is not None:
                    patience.reschedule(None)
                    reply = greet(self._hub, message)
                    if isinstance(message.get("id"), int):
                        reply["id"] = message["id"]
                    await outbox.put((reply, None))
                    continue
                reply, descriptor = await answer(self._hub, line.peer, message)
                try:
                    await outbox.put((reply, descriptor))
                except BaseException:
                    if descriptor is not None:
                        os.close(descriptor)
                    raise


@asynccontextmanager
async def local_server(hub: Hub, config: LocalConfig) -> AsyncIterator[LocalServer]:
    """Serve the local socket for the duration of the context."""
    server = LocalServer(hub, config)
    try:
        await server.listen()
        yield server
    finally:
        await server.close()


async def _messages(connection: socket.socket, framer: wire.Framer) -> AsyncIterator[Any]:
    """What a peer says. A descriptor it sends along is never taken: the kernel drops it."""
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(connection, _READ_BYTES):
        for message in framer.feed(data):
            yield message


async def _write(connection: socket.socket, outbox: "_Outbox") -> None:
    """Send what is in the outbox, in order; a descriptor goes with the first byte of its message."""
    loop = asyncio.get_running_loop()
    while True:
        message, descriptor = await outbox.get()
        try:
            data = _framed(message)
            sent = 0
            while descriptor is not None and not sent:
                try:
                    sent = socket.send_fds(connection, [data], [descriptor])
                except BlockingIOError:
                    await asyncio.sleep(0.005)
            await loop.sock_sendall(connection, data[sent:])
        except OSError:
            pass  # the reader sees that the peer is gone
        finally:
            if descriptor is not None:
                os.close(descriptor)
            outbox.task_done()


def _framed(message: dict[str, Any]) -> bytes:
    """An answer as bytes; one that cannot be sent is an error of ours, not the end of the line."""
    try:
        return wire.frame(message)
    except wire.WireError as error:
        log.error("an answer cannot be sent: %s", error, extra=fields(answer=message.get("type")))
        fault = {"type": "error", "code": "internal", "text": ERRORS["internal"]}
        return wire.frame(fault | ({"id": message["id"]} if "id" in message else {}))


def _say(connection: socket.socket, text: str) -> None:
    """Say why a connection ends, if it can be said at once."""
    with contextlib.suppress(OSError):
        connection.send(wire.frame({"type": "error", "code": "busy", "text": text}))


def _offer(outbox: "_Outbox", message: dict[str, Any]) -> None:
    """A peer that does not read what it is told loses it, not the server's memory."""
    with contextlib.suppress(asyncio.QueueFull):
        outbox.put_nowait((message, None))


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of what lies there."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_us(connection: socket.socket) -> bool:
    """Whether the peer is this user (or root), as the kernel knows it."""
    try:
        uid = user_of(connection)
    except OSError:
        return False
    if uid in (0, os.geteuid()):
        return True
    log.warning("uid %d was refused", uid)
    return False
