# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of the Max system's protocol, for clients of it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lbserver.testing import accompanists
from lbserver.testing.rtap_client import RtapClient
from lbserver.transports.rtap.server import RtapConfig, rtap_server


@pytest.fixture
def serve() -> Iterator[Callable[..., Any]]:
    """Starts a server for a client in a thread of its own, and ends it."""
    ends: list[Callable[[], None]] = []

    def start(client: RtapClient, load: Callable[[], Any] = accompanists.copy, **config: Any) -> Any:
        ready, loop, box = threading.Event(), asyncio.new_event_loop(), {}

        async def run() -> None:
            done = asyncio.Event()
            box["stop"] = lambda: loop.call_soon_threadsafe(done.set)
            async with rtap_server(
                RtapConfig(**{"port": 0, "reply_port": client.port, **config}), load
            ) as server:
                box["server"] = server
                ready.set()
                await done.wait()

        thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
        thread.start()
        assert ready.wait(60)
        client.server = ("127.0.0.1", box["server"].address[1])

        def end() -> None:
            box["stop"]()
            thread.join(60)
            loop.close()
            client.socket.close()

        ends.append(end)
        return box["server"]

    yield start
    for end in ends:
        end()
