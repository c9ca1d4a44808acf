# SPDX-License-Identifier: GPL-3.0-or-later
"""The client for asyncio, and clients of a server at a distance, which stands in the same process here."""

import asyncio
import contextlib
import threading
import time

import numpy as np
import pytest

from lbserver.client import AsyncClient, Client, ClientError, lines
from lbserver.engine.budget import Budget
from lbserver.errors import LiveBandError
from lbserver.transports.local import LocalConfig, local_server
from lbserver.transports.zeromq import ZeroMqConfig, zeromq_server


@pytest.fixture
def far(make_hub, here):
    """`async with far() as (hub, address)`."""

    @contextlib.asynccontextmanager
    async def make(port=0):
        place = here(Budget(compute_s=0.005, margin_s=0.005))
        async with make_hub(place) as hub, zeromq_server(hub, ZeroMqConfig(port=port)) as server:
            yield hub, f"tcp://127.0.0.1:{server.address[1]}"

    return make


@pytest.fixture
def far_thread(far):
    """The address of a server that runs in a thread of its own; for the blocking client."""
    loop = asyncio.new_event_loop()
    stop, address, ready = asyncio.Event(), [], threading.Event()

    async def serve():
        async with far() as (_, where):
            address.append(where)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(60)
    yield address[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(60)
    loop.close()


def test_asyncio_over_the_local_socket(make_hub, here, noise, tmp_path):
    """Two sessions at once in one loop, each with its own stem, aligned."""

    async def run():
        folder = tmp_path / "run"
        folder.mkdir(mode=0o700)
        async with (
            make_hub(here()) as hub,
            local_server(hub, LocalConfig(path=folder / "lb.sock")),
            AsyncClient(run=folder) as client,
            await client.open(stem="bass", rate_hz=48000, offline=True) as bass,
            await client.open(stem="drums", rate_hz=48000, offline=True) as drums,
        ):
            await bass.know(bpm=110, first_beat_s=0.0)
            mixes = noise(2, 48000), noise(2, 48000, seed=9)
            stems = await asyncio.gather(bass.play(mixes[0]), drums.play(mixes[1]))
            for session, mix, stem in zip((bass, drums), mixes, stems, strict=True):
                late = round(session.anticipation_ms * 48) + 1920
                assert np.array_equal(stem[:, late:], mix[:, :-late])
            assert set(await client.sessions()) == {bass.name, drums.name}
            with pytest.raises(ClientError, match="use play"):
                bass.exchange(np.zeros((2, 10)))
            await bass.keep("x")
            await bass.recall("x")
            assert (await bass.status())["tempo"] == 110.0

    asyncio.run(run())


@pytest.mark.parametrize("mode", ["live", "aligned"])
def test_live_at_a_distance_lies_where_it_says(far, noise, offset_of, mode):
    """Law 1 for the client over ZeroMQ: exchange never waits, and what comes lies L + A*H + a chunk behind."""

    async def run():
        async with far() as (_, address), AsyncClient(address) as client:
            assert client.welcome["model"] == "test:copy"
            session = await client.open(stem="bass", rate_hz=48000, block_samples=480, mode=mode)
            mix, heard, begun = noise(2, 96000), [], time.monotonic()
            for at in range(0, 72000, 480):
                heard.append(session.exchange(mix[:, at : at + 480]))
                await asyncio.sleep(max(0.0, begun + at / 48000 - time.monotonic()))
            out = np.concatenate(heard, axis=1)
            expected = session.latency_samples + 48 * session.anticipation_ms + 1920
            assert offset_of(mix[0], out[0]) == expected
            status = await session.status()
            assert status["latency_samples"] == session.latency_samples
            if mode == "aligned":
                assert session.latency_samples > 480  # a wire takes time, and it is not kept quiet

    asyncio.run(run())


def test_a_script_at_a_distance(far_thread, noise):
    """The same ten lines with an address."""
    mix = noise(2, 48000 * 2)
    with Client(far_thread) as client, client.open(stem="bass", rate_hz=48000, offline=True) as session:
        session.know(bpm=120, first_beat_s=0.0)
        stem = session.play(mix)
        late = round(session.anticipation_ms * 48) + 1920
        assert np.array_equal(stem[:, late:], mix[:, :-late])
        assert np.array_equal(session.play(mix), stem)
        session.set("gain", -6.0)
        session.keep("there")
        session.recall("there")
        assert list(client.sessions()) == [session.name]
        with pytest.raises(ClientError, match="drums, bass"):
            client.open(stem="kazoo", rate_hz=48000)


def test_the_far_server_goes_and_comes_back(far, noise):
    async def run():
        async with contextlib.AsyncExitStack() as stack:
            async with far() as (_, address):
                client = await stack.enter_async_context(AsyncClient(address))
                session = await client.open(stem="bass", rate_hz=48000, block_samples=480)
                mix = noise(2, 48000)

                async def play(seconds):
                    heard = []
                    for at in range(0, round(48000 * seconds), 480):
                        heard.append(session.exchange(mix[:, at % 47520 : at % 47520 + 480]))
                        await asyncio.sleep(0.01)
                    return np.concatenate(heard, axis=1)

                while not (await play(0.2)).any():
                    pass
            while session.state != "recovering":
                await play(0.1)
            assert not (await play(0.6))[:, -9600:].any()
            async with far(port=int(address.rpartition(":")[2])):
                while not (await play(0.2)).any():
                    pass
                assert session.state in ("playing", "listening", "late")
                await client.close()

    asyncio.run(run())


def test_an_address_that_does_not_answer_or_is_none():
    with pytest.raises(LiveBandError, match="tcp://host:port"):
        Client("gpu:9462")
    with pytest.raises(LiveBandError, match="keys are needed"):
        Client("tcp://192.0.2.1:9462")
    with pytest.raises(ClientError, match="this machine"):
        Client("tcp://127.0.0.1:9", start=True)


def test_nobody_at_the_address():
    async def run():
        line = lines.DistantLine(
            lines.LinkConfig(address="tcp://127.0.0.1:9"), on_message=lambda message: None, timeout_s=0.5
        )
        with pytest.raises(ClientError, match="no server at"):
            await line.connect()

    asyncio.run(run())
