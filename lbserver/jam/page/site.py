# SPDX-License-Identifier: GPL-3.0-or-later
"""The page, put together: its door with a token of its own, a folder for recordings, and a visit for each page that opens."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lbserver.jam.page import PORT
from lbserver.jam.page.door import DoorConfig, Socket, page_door
from lbserver.jam.page.recordings import Recordings, own_folder
from lbserver.jam.page.visit import PageConfig, Visit

_TOKEN_BYTES = 24
_SECRET_BYTES = 24
_MOST_VISITS = 8
_TRY_AGAIN_LATER = 1013  # of the WebSocket protocol's registry


@asynccontextmanager
async def site(config: PageConfig, *, port: int = PORT) -> AsyncIterator[str]:
    """Serve the page until the block ends; gives its address, which bears the token, and a secret that the page keeps. Raises LiveBandError: no such port."""
    visits: set[Visit] = set()
    with own_folder() as folder:
        recordings = Recordings(folder)

        async def visit(socket: Socket) -> None:
            if len(visits) >= _MOST_VISITS:
                await socket.close(_TRY_AGAIN_LATER, f"{_MOST_VISITS} pages are open already: close one")
                return
            visitor = Visit(socket, recordings, config)
            visits.add(visitor)
            try:
                await visitor.run()
            finally:
                visits.discard(visitor)

        door = DoorConfig(
            token=secrets.token_urlsafe(_TOKEN_BYTES),
            secret=secrets.token_urlsafe(_SECRET_BYTES),
            visit=visit,
            take=recordings.take,
            port=port,
        )
        async with page_door(door) as address:
            yield address
