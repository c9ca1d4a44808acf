# SPDX-License-Identifier: GPL-3.0-or-later
"""A real hub with a real worker process behind a real socket; the tests are its peers."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lbserver.client.osc import OscClient, OscStream
from lbserver.hub.hub import Hub, HubConfig, Peer
from lbserver.places.supervisor import WorkerPlace
from lbserver.testing import waiting
from lbserver.transports.osc.server import OscConfig, OscServer, osc_server

ME = Peer(kind="osc", identity="test", trusted=True)


class Band:
    """A hub that plays `test:copy` on its own loop in its own thread, with as many OSC servers as are asked for."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.hub = self.call(self._start(folder))
        self._stack = AsyncExitStack()

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

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
        self.thread.join(60)
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
            await whole_band.hub.close(name, peer=ME)

    whole_band.call(close_all())


@pytest.fixture
def until() -> Callable[..., Any]:
    """`until(good)`: what `good` gives as soon as it is true; a generous limit."""

    return waiting.until


@pytest.fixture
def opened() -> Callable[..., tuple[OscClient, OscStream]]:
    """`opened(server, ...)`: a client that is in, and the stream of its session."""

    def make(server: OscServer, session: str = "guitar", **wish: Any) -> tuple[OscClient, OscStream]:
        client = OscClient(server.address, timeout_s=60)
        client.enter()
        values = {"stem": "bass", "rate_hz": 48000, "channels": 2}
        return client, client.open(session, **(values | wish))

    return make


@pytest.fixture
def controls() -> Callable[..., dict[str, float]]:
    """`controls(band)`: what the session's controls stand at."""

    def ask(band: Band, session: str = "guitar") -> dict[str, float]:
        return band.run(lambda: band.hub.controls(session, peer=ME))

    return ask


@pytest.fixture
def sessions() -> Callable[[Band], dict[str, dict[str, Any]]]:
    """`sessions(band)`: what the hub says of every session."""

    def ask(band: Band) -> dict[str, dict[str, Any]]:
        return band.run(lambda: band.hub.sessions())

    return ask


@pytest.fixture
def play() -> Callable[..., np.ndarray]:
    """`play(stream, mix)`: send in real time, and place by position what comes back, until for a while nothing does; NaN
    where nothing came."""

    def exchange(stream: OscStream, mix: np.ndarray, *, block: int = 128, looks: int = 100) -> np.ndarray:
        heard = np.full((stream.stem_channels, mix.shape[-1]), np.nan, np.float32)
        begun_s, start = time.monotonic(), stream.position
        rate_hz = stream.buffer._rate_hz

        def listen(timeout_s: float) -> bool:
            pieces = stream.receive(timeout_s)
            for piece in pieces:
                if piece.audio is not None and piece.position + piece.samples > start:
                    at = piece.position - start
                    heard[:, max(0, at) : max(0, at + piece.samples)] = piece.audio[:, max(0, -at) :]
            return bool(pieces)

        for at in range(0, mix.shape[-1], block):
            stream.send(mix[:, at : at + block])
            listen(0.0)
            while time.monotonic() < begun_s + (at + block) / rate_hz:
                listen(0.002)
        in_vain = 0
        while stream.buffer.position < stream.position and in_vain < looks:
            in_vain = 0 if listen(0.01) else in_vain + 1
        return heard

    return exchange


@pytest.fixture
def noise() -> Callable[..., np.ndarray]:
    """`noise(samples)`: seeded, the same every time."""

    def make(samples: int, channels: int = 2) -> np.ndarray:
        return (0.1 * np.random.default_rng(11).standard_normal((channels, samples))).astype(np.float32)

    return make
