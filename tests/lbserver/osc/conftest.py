# SPDX-License-Identifier: GPL-3.0-or-later
"""A real hub with a real worker process behind a real socket; the tests are its peers."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from lbserver.engine.hub import Hub, HubConfig, Peer
from lbserver.engine.supervisor import WorkerPlace
from lbserver.transports.osc.server import OscConfig, OscServer, osc_server


class Band:
    """A hub that plays `test:copy` on its own loop in its own thread, with as many OSC servers as are asked for."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.hub = self.call(self._start(folder))
        self._stack = AsyncExitStack()

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def run(self, function: Callable[[], Any]) -> Any:
        async def work() -> Any:
            return function()

        return self.call(work())

    def serve(self, **config: Any) -> OscServer:
        return self.call(self._stack.enter_async_context(osc_server(self.hub, OscConfig(port=0, **config))))

    def hang_up(self) -> None:
        self.call(self._stack.aclose())
        self._stack = AsyncExitStack()

    def close(self) -> None:
        self.hang_up()
        self.call(self.hub.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def _start(self, folder: Path) -> Hub:
        (folder / "moments").mkdir()
        hub = Hub(HubConfig(moments=folder / "moments", kept=folder / "kept", lease_s=2.0))
        place = WorkerPlace(
            number=0,
            model="test:copy",
            moments=folder / "moments",
            alone=False,
            on_lost=hub.on_lost,
            on_back=hub.on_back,
            on_ended=hub.on_ended,
        )
        await hub.start([place])
        return hub


@pytest.fixture(scope="module")
def whole_band(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Band]:
    band = Band(tmp_path_factory.mktemp("osc"))
    yield band
    band.close()


@pytest.fixture
def band(whole_band: Band) -> Iterator[Band]:
    """The module's band, without servers and sessions when the test is over."""
    yield whole_band
    whole_band.hang_up()

    async def close_all() -> None:
        for name in list(whole_band.hub.sessions()):
            await whole_band.hub.close(name, peer=Peer(kind="osc", identity="test", trusted=True))

    whole_band.call(close_all())
