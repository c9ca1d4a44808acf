# SPDX-License-Identifier: GPL-3.0-or-later
"""Listening on loopback for this user's programs: other users of this machine, strangers, have a few places of their
own, so that they cannot keep the user out.
"""

import asyncio
import contextlib
import errno
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

from lbserver.errors import LiveBandError
from lbserver.host import callers
from lbserver.host.listeners import who_listens

_NOT_KNOWN_YET = 256

Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bool], Awaitable[None]]
"""See to one connection until it ends; given whether it is the user's. OSError and TimeoutError end it quietly."""


@asynccontextmanager
async def listening(
    converse: Converse,
    host: str,
    port: int,
    *,
    users: int,
    strangers: int,
    what: str,
    option: str,
    limit: int,
) -> AsyncIterator[tuple[str, int]]:
    """Accept connections until the block ends; gives the address as bound. Port 0 is any free one.

    There are so many places for the user's connections and so many for strangers'; who finds none is hung up on.
    Raises LiveBandError naming who has the port, which is called `what`, and the option that chooses another.
    """
    most = {"user": users, "stranger": strangers, "not known yet": _NOT_KNOWN_YET}
    taken: Counter[str] = Counter()
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @contextlib.contextmanager
    def place(kind: str) -> Iterator[None]:
        if taken[kind] >= most[kind]:
            raise ConnectionError("no place is free")
        taken[kind] += 1
        try:
            yield
        finally:
            taken[kind] -= 1

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections[task] = writer
        try:
            with place("not known yet"):
                line = writer.get_extra_info("socket")
                ours = await asyncio.to_thread(callers.made_connection, line)
            with place("user" if ours or not callers.are_known() else "stranger"):
                await converse(reader, writer, ours)
        except (OSError, TimeoutError):
            pass
        finally:
            del connections[task]
            writer.close()

    try:
        server = await asyncio.start_server(serve, host, port, limit=limit)
    except OSError as error:
        raise LiveBandError(_cannot_listen(f"{what} {port} of {host}", port, option, error)) from None
    address = server.sockets[0].getsockname()
    try:
        yield address[0], address[1]
    finally:
        server.close()
        for writer in connections.values():
            writer.transport.abort()
        await asyncio.gather(*connections, return_exceptions=True)


def _cannot_listen(where: str, port: int, option: str, error: OSError) -> str:
    with contextlib.suppress(OSError):
        owner = who_listens(port, "tcp")
        if error.errno == errno.EADDRINUSE:
            return f"{where} is taken by {owner}; choose another with {option}, 0 for any"
    return f"cannot listen on {where}: {error.strerror or error}"
