# SPDX-License-Identifier: GPL-3.0-or-later
"""A hub whose band plays in the same loop, so that servers and their clients can be looked at side by side."""

import asyncio
import contextlib
import itertools
import time
from pathlib import Path

import numpy as np
import pytest
import zmq
import zmq.asyncio

from lbserver.engine import memory_file
from lbserver.engine.budget import Budget
from lbserver.engine.live import Setup
from lbserver.engine.player import Player
from lbserver.engine.worker import merged, timing_from_wire, write_moment
from lbserver.errors import LiveBandError
from lbserver.hub.hub import Hub, HubConfig
from lbserver.places.supervisor import Ready, WorkerError
from lbserver.protocol import MAJOR, MINOR
from lbserver.protocol.wire import pack, unpack
from lbserver.ring.ends import WorkerPort
from lbserver.ring.segment import Segment
from lbserver.testing import accompanists
from lbserver.transports.zeromq import ZeroMqConfig, zeromq_server

_BUDGET = Budget(compute_s=0.02, margin_s=0.01)


class HerePlace:
    """A place to play in this process: the real player on the real clock, without a process around it."""

    number = 0
    restarts, pid = 0, None
    reason = ""
    up = False
    pid = None

    def __init__(self, accompanist, *, budget=_BUDGET, on_ended=None):
        self.accompanist, self.budget = accompanist, budget
        self.player = Player(accompanist, alone=True)
        self.segments = {}
        self.known = {}
        self.messages = []
        self.on_ended = on_ended
        self._task = None

    @property
    def ready(self):
        return Ready(spec=self.accompanist.spec, budget=self.budget, step_s={1: 0.001}, runtime="here")

    async def start(self):
        self.up = True
        self._task = asyncio.create_task(self._play())
        return self.ready

    async def stop(self):
        self.up = False
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for name in list(self.segments):
            self._close(name)

    async def request(self, message, descriptor=None):
        self.messages.append(message)
        name = message["session"]
        try:
            match message["type"]:
                case "open" | "replace":
                    segment = Segment(descriptor)
                    setup = Setup(
                        session=name,
                        timing=timing_from_wire(message["timing"]),
                        block_samples=message["block_samples"],
                        seed=message["seed"],
                        controls=tuple(message["controls"]),
                    )
                    if message["type"] == "replace":
                        self.player.replace(setup, WorkerPort(segment))
                        self.segments.pop(name).close()
                    else:
                        session = self.player.open(setup, WorkerPort(segment))
                        if message.get("known"):
                            session.know(message["known"])
                        if message.get("resume"):
                            session.resume()
                    self.segments[name] = segment
                    self.known[name] = message.get("known") or {}
                case "close":
                    self._close(name)
                case "set":
                    self.player.sessions[name].set_control(message["control"], message["value"])
                case "know":
                    self.player.sessions[name].know(message["known"])
                    self.known[name] = merged(self.known[name], message["known"])
                case "keep":
                    spec = self.accompanist.spec
                    kept = memory_file.Moment(
                        model=spec.weights_id, memory=self.player.snapshot(name), controls={}, known={}
                    )
                    write_moment(Path(message["path"]), memory_file.pack(kept))
                case "recall":
                    spec = self.accompanist.spec
                    kept = memory_file.unpack(Path(message["path"]).read_bytes(), spec.weights_id)
                    self.player.restore(name, kept.memory)
        except LiveBandError as error:
            raise WorkerError(str(error)) from None
        return {"type": "done"}

    def _close(self, name):
        if name in self.segments:
            self.player.close(name)
            self.segments.pop(name).close()

    async def _play(self):
        while True:
            for name, code, reason in self.player.listen(time.monotonic()):
                self._close(name)
                self.on_ended(name, code, reason)
            batch = self.player.begin(time.monotonic())
            if batch is None:
                await asyncio.sleep(0.001)
                continue
            self.player.finish(batch, self.player.compute(batch), time.monotonic())
            await asyncio.sleep(0)


class Plain:
    """A client that knows only the messages."""

    def __init__(self, port, **options):
        self.context = zmq.asyncio.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        for name, value in options.items():
            setattr(self.socket, name, value)
        self.socket.connect(f"tcp://127.0.0.1:{port}")
        self.ids = itertools.count(1)
        self.unasked = []

    async def raw(self, data, timeout_s=60.0):
        await self.socket.send(data)
        return await self.receive(timeout_s)

    async def receive(self, timeout_s=60.0):
        return unpack(await asyncio.wait_for(self.socket.recv(), timeout_s))

    async def ask(self, kind, **parts):
        number = next(self.ids)
        await self.socket.send(pack({"type": kind, "id": number, **parts}))
        while (message := await self.receive()).get("id") != number:
            self.unasked.append(message)
        return message

    async def hello(self, **more):
        return await self.ask("hello", **{"major": MAJOR, "minor": MINOR, "client": "plain", **more})

    async def open(self, session, **more):
        return await self.ask(
            "open",
            **{
                "session": session, "rate_hz": 48000, "channels": 2, "block_samples": 512, "mode": "manual",
                "anticipation_ms": 0.0, "stem": "bass", **more,
            },
        )  # fmt: skip

    async def play(self, session, mix, block, *, epoch=1, start=0, offline=True, window=8, **more):
        """Stream a mix [C, T] in blocks, each answered; returns (position of the first sample, stem)."""
        replies, sent, position = [], 0, start
        first = None
        while len(replies) < -(-mix.shape[-1] // block):
            while sent - len(replies) < window and position - start < mix.shape[-1]:
                data = mix[:, position - start : position - start + block]
                message = {
                    "type": "audio", "id": next(self.ids), "session": session, "epoch": epoch,
                    "position": position, "channels": len(data), "format": "f32",
                    "data": np.ascontiguousarray(data).tobytes(), "reply": True, "offline": offline, **more,
                }  # fmt: skip
                await self.socket.send(pack(message))
                position += data.shape[-1]
                sent += 1
            stem = await self.receive()
            assert stem["type"] == "stem", stem
            first = stem["position"] if first is None else first
            replies.append(np.frombuffer(stem["data"], np.float32).reshape(stem["channels"], -1))
        return first, np.concatenate(replies, axis=1)

    def close(self):
        self.context.destroy(linger=0)


@pytest.fixture
def make_hub(tmp_path):
    """`async with make_hub(place) as hub`, with folders of its own."""
    count = iter(range(100))

    @contextlib.asynccontextmanager
    async def make(*places, **config):
        folder = tmp_path / f"hub-{next(count)}"
        (folder / "moments").mkdir(parents=True)
        hub = Hub(HubConfig(moments=folder / "moments", kept=folder / "kept", **config))
        for place in places:
            if isinstance(place, HerePlace):
                place.on_ended = hub.on_ended
        await hub.start(list(places))
        try:
            yield hub
        finally:
            await hub.stop()

    return make


@pytest.fixture
def here():
    """`here(hop=..., ...)`: a place that copies what it hears."""
    return lambda budget=_BUDGET, **spec: HerePlace(accompanists.copy(**spec), budget=budget)


@pytest.fixture
def noise():
    """`noise(channels, samples)`: seeded, far from repeating itself, so that an offset can be found in it; no peak so high
    that a limiter has a say in it, so what is copied is it bit for bit.
    """

    def make(channels, samples, seed=5):
        rng = np.random.default_rng(seed)
        return (0.1 * rng.standard_normal((channels, samples))).astype(np.float32)

    return make


@pytest.fixture
def offset_of():
    """`offset_of(mix, out)`: by how many samples `out` [T] is `mix` [T] later, and the largest difference there."""

    def find(mix, out):
        size = 1 << (len(mix) + len(out)).bit_length()
        spectrum = np.fft.rfft(out, size) * np.conj(np.fft.rfft(mix, size))
        offset = int(np.argmax(np.fft.irfft(spectrum, size)))
        offset = offset if offset < size // 2 else offset - size
        return offset

    return find


@pytest.fixture
def serving(make_hub, here):
    """`async with serving() as (hub, server, connect)`; `connect()` makes a client that has said hello."""

    @contextlib.asynccontextmanager
    async def make(place=None, hub_config=None, **config):
        async with (
            make_hub(place or here(), **(hub_config or {})) as hub,
            zeromq_server(hub, ZeroMqConfig(port=0, **config)) as server,
        ):
            clients = []

            async def connect(greet=True, **options):
                clients.append(client := Plain(server.address[1], **options))
                if greet:
                    assert (await client.hello())["type"] == "welcome"
                return client

            try:
                yield hub, server, connect
            finally:
                for client in clients:
                    client.close()

    return make
