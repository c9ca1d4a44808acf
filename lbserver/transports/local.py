# SPDX-License-Identifier: GPL-3.0-or-later
"""The local transport: a Unix socket in the run directory, over which a session's segment is handed to its front end.

Only this user gets in: the directory is 0700 and the peer's uid is asked of the kernel. A connection is a peer; when
it breaks, the front end is gone and its sessions end.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lbserver import wire
from lbserver.engine.hub import Hub, HubError, Peer
from lbserver.logs import fields
from lbserver.transports.dialogue import answer, greet

log = logging.getLogger(__name__)

_HELLO_S = 5.0  # a peer that says nothing for so long is let go
_CONNECTIONS = 128
_READ_BYTES = 1 << 16
_CREDENTIALS = struct.Struct("iII")  # pid, uid, gid


@dataclass(frozen=True, kw_only=True)
class LocalConfig:
    """Where to listen."""

    path: Path


class LocalServer:
    """The listening socket and its connections."""

    def __init__(self, hub: Hub, config: LocalConfig) -> None:
        self.config = config
        self._hub = hub
        self._numbers = itertools.count(1)
        self._connections: set[asyncio.Task[None]] = set()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    @property
    def address(self) -> Path:
        return self.config.path

    def listen(self) -> None:
        """Begin to listen. The run directory is ours alone, so a socket that lies there is nobody's."""
        self.config.path.unlink(missing_ok=True)
        self._socket.bind(os.fspath(self.config.path))
        self.config.path.chmod(0o600)
        self._socket.listen(_CONNECTIONS)
        self._socket.setblocking(False)

    async def accept(self) -> None:
        """Take connections until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._socket)
            except OSError as error:  # out of descriptors: those who are here go on
                log.warning("no connection can be taken: %s", error.strerror)
                await asyncio.sleep(0.1)
                continue
            connection.setblocking(False)
            if len(self._connections) >= _CONNECTIONS or not _is_us(connection):
                connection.close()
                continue
            task = asyncio.create_task(self._serve(connection))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    def close(self) -> None:
        """Hang up on everyone."""
        for task in list(self._connections):
            task.cancel()
        self._socket.close()
        self.config.path.unlink(missing_ok=True)

    async def _serve(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        peer = Peer(kind="local", identity=f"connection {number}", trusted=True)
        outbox: asyncio.Queue[tuple[dict[str, Any], int | None]] = asyncio.Queue(256)
        writer = asyncio.create_task(_write(connection, outbox))
        self._hub.subscribe(peer, lambda message: _offer(outbox, message))
        framer = wire.Framer()
        greeted = False
        try:
            while True:
                read = loop.sock_recv(connection, _READ_BYTES)
                data = await (read if greeted else asyncio.wait_for(read, _HELLO_S))
                if not data:
                    break
                for message in framer.feed(data):
                    if not greeted:
                        reply = greet(self._hub, message)
                        if isinstance(message.get("id"), int):
                            reply["id"] = message["id"]
                        await outbox.put((reply, None))
                        greeted = True
                        continue
                    await outbox.put(await answer(self._hub, peer, message))
        except (wire.WireError, HubError) as error:
            code = getattr(error, "code", "bad_message")
            log.warning("a local peer is let go: %s", error, extra=fields(peer=number))
            await outbox.put(({"type": "error", "code": code, "text": str(error)}, None))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(outbox.join(), 1.0)
        except (OSError, TimeoutError):
            pass
        finally:
            self._hub.detach(peer)
            writer.cancel()
            while not outbox.empty():
                _, descriptor = outbox.get_nowait()
                if descriptor is not None:
                    os.close(descriptor)
            connection.close()


@asynccontextmanager
async def local_server(hub: Hub, config: LocalConfig) -> AsyncIterator[LocalServer]:
    """Serve the local socket for the duration of the context."""
    server = LocalServer(hub, config)
    server.listen()
    accepting = asyncio.create_task(server.accept())
    try:
        yield server
    finally:
        accepting.cancel()
        server.close()


async def _write(
    connection: socket.socket, outbox: "asyncio.Queue[tuple[dict[str, Any], int | None]]"
) -> None:
    """Send what is in the outbox, in order; a descriptor goes with the first byte of its message."""
    loop = asyncio.get_running_loop()
    while True:
        message, descriptor = await outbox.get()
        try:
            data = wire.frame(message)
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


def _offer(outbox: "asyncio.Queue[tuple[dict[str, Any], int | None]]", message: dict[str, Any]) -> None:
    """A peer that does not read what it is told loses it, not the server's memory."""
    with contextlib.suppress(asyncio.QueueFull):
        outbox.put_nowait((message, None))


def _is_us(connection: socket.socket) -> bool:
    """Whether the peer is this user (or root), as the kernel knows it."""
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return False
    _, uid, _ = _CREDENTIALS.unpack(raw)
    if uid in (0, os.geteuid()):
        return True
    log.warning("uid %d was refused", uid)
    return False
