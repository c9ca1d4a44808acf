# SPDX-License-Identifier: GPL-3.0-or-later
"""F31: a server elsewhere that vanishes without a word, and a name server that never answers: noticed, and never waited for."""

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from lbserver.engine.budget import Budget
from lbserver.hub.hub import HubError, Peer
from lbserver.places.link import LinkConfig, LinkError
from lbserver.places.upstream import UpstreamPlace
from lbserver.ring.ends import HostPort
from lbserver.ring.segment import Segment
from lbserver.testing.servers import PLAYING
from lbserver.testing.waiting import until_async as until
from lbserver.transports.zeromq import ZeroMqConfig, zeromq_server

PEER = Peer(kind="local", identity="test", trusted=True)
REQUEST = {
    "type": "open", "session": "a", "rate_hz": 48000, "channels": 2, "block_samples": 480, "mode": "aligned",
    "stem": "bass",
}  # fmt: skip


class Wire:
    """A cable between two servers: TCP connections through it. Cut, they stay open and nothing passes any more."""

    def __init__(self, port):
        self.far_port, self.port = port, 0
        self.whole = asyncio.Event()
        self.whole.set()
        self._tasks = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        await self.whole.wait()
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.far_port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, far_writer))
                group.create_task(self._pass_on(far_reader, writer))
        except* OSError:
            pass
        finally:
            writer.close()
            far_writer.close()

    async def _pass_on(self, reader, writer):
        while data := await reader.read(1 << 16):
            await self.whole.wait()
            writer.write(data)
            await writer.drain()
        writer.close()


def test_a_half_open_connection_is_noticed_on_both_sides_and_the_session_returns(make_hub, here):
    """Catches a silence that no broken connection tells of: a stem that stays away without a reason, and requests,
    or sessions at the far end, that wait for who is gone."""

    async def run():
        place = here(Budget(compute_s=0.005, margin_s=0.005))
        async with contextlib.AsyncExitStack() as stack:
            far = await stack.enter_async_context(make_hub(place, lease_s=1.0))
            server = await stack.enter_async_context(zeromq_server(far, ZeroMqConfig(port=0, silent_s=2.0)))
            cable = await stack.enter_async_context(Wire(server.address[1]))
            near = await stack.enter_async_context(make_hub())
            upstream = UpstreamPlace(
                LinkConfig(address=f"tcp://127.0.0.1:{cable.port}"),
                on_lost=near.on_lost,
                on_back=near.on_back,
                on_ended=near.on_ended,
            )
            await near.start([upstream])
            opened = await near.open(REQUEST, peer=PEER)
            segment = Segment(opened.descriptor)
            os.close(opened.descriptor)
            port = HostPort(segment, latency_samples=opened.timing.latency_samples)

            async def play(good):
                deadline = time.monotonic() + 90
                while not good(port.exchange(np.full((2, 480), 0.25, np.float32))):
                    assert time.monotonic() < deadline, near.status("a", peer=PEER)
                    await asyncio.sleep(0.01)

            await play(lambda stem: stem.any())
            cable.whole.clear()
            # A request of just then, that will never be answered, ends with the link at the latest.
            with contextlib.suppress(HubError):
                await asyncio.wait_for(near.set_control("a", "variation", 0.5, peer=PEER), 60.0)
            await play(lambda stem: near.status("a", peer=PEER)["state"] == "recovering" and not stem.any())
            assert "127.0.0.1" in near.status("a", peer=PEER)["reason"]
            # Nobody here waits for what is not there, and there the session ends.
            await asyncio.wait_for(near.set_control("a", "gain", -3.0, peer=PEER), 60.0)
            with pytest.raises(HubError, match=r"127\.0\.0\.1"):
                await asyncio.wait_for(near.open({**REQUEST, "session": "b"}, peer=PEER), 60.0)
            await until(lambda: not far.sessions())
            cable.whole.set()
            await play(lambda stem: near.status("a", peer=PEER)["state"] in PLAYING and stem.any())
            assert near.status("a", peer=PEER)["reason"] == ""
            segment.close()

    asyncio.run(run())


def test_a_render_outlasts_a_far_server_that_stands_still(make_hub, here, noise):
    """Of one that answered nothing for a second, as on a busy machine, the connection was given up and the file ended in its middle."""
    place, address, ready, stop = here(), [], threading.Event(), threading.Event()
    steps, compute = itertools.count(), place.player.compute

    def compute_slowly(batch):
        if next(steps) == 20:
            time.sleep(2.5)
        return compute(batch)

    async def serve():
        async with make_hub(place) as far, zeromq_server(far, ZeroMqConfig(port=0)) as server:
            address.append(f"tcp://127.0.0.1:{server.address[1]}")
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.05)

    async def render():
        async with make_hub() as near:
            ways = {"on_lost": near.on_lost, "on_back": near.on_back, "on_ended": near.on_ended}
            await near.start([UpstreamPlace(LinkConfig(address=address[0]), **ways)])
            wish = {**REQUEST, "mode": "bounce", "anticipation_ms": 40.0}
            opened = await near.open(wish, peer=PEER)
            with contextlib.closing(Segment(opened.descriptor)) as segment:
                os.close(opened.descriptor)
                port = HostPort(segment, latency_samples=opened.timing.latency_samples)
                port.set_offline(True)
                mix, heard = noise(2, 96000), []
                for at in range(0, 96000, 480):
                    port.write(mix[:, at : at + 480])
                    heard.append(await asyncio.to_thread(port.wait, 480, timeout_s=60.0))
                late = opened.timing.latency_samples + 2 * 1920
                assert np.array_equal(np.concatenate(heard, axis=1)[:, late:], mix[:, :-late])

    place.player.compute = compute_slowly
    far = threading.Thread(target=lambda: asyncio.run(serve()))
    far.start()
    try:
        assert ready.wait(60)
        asyncio.run(render())
        assert next(steps) > 20
    finally:
        stop.set()
        far.join(60)


def test_a_far_server_that_cannot_say_at_once_what_it_plays_is_asked_again(make_hub, here):
    """Catches a connection that is back, and sessions that wait for ever because one question went wrong."""

    async def run():
        async with (
            make_hub(here(Budget(compute_s=0.005, margin_s=0.005))) as far,
            zeromq_server(far, ZeroMqConfig(port=0)) as server,
            Wire(server.address[1]) as cable,
            make_hub() as near,
        ):
            upstream = UpstreamPlace(
                LinkConfig(address=f"tcp://127.0.0.1:{cable.port}"),
                on_lost=near.on_lost,
                on_back=near.on_back,
                on_ended=near.on_ended,
            )
            await near.start([upstream])
            os.close((await near.open(REQUEST, peer=PEER)).descriptor)
            describe, asked = upstream._describe, []

            async def busy():
                asked.append(1)
                if len(asked) <= 3:
                    raise LinkError("crashed", "no worker is ready")
                await describe()

            upstream._describe = busy
            cable.whole.clear()
            await until(lambda: near.status("a", peer=PEER)["state"] == "recovering")
            cable.whole.set()
            await until(lambda: near.status("a", peer=PEER)["state"] == "listening")
            assert len(asked) == 4

    asyncio.run(run())


def test_a_far_server_that_vanished_holds_up_no_end(make_hub, here):
    """Catches a server that cannot be stopped because it says goodbye to who is gone."""

    async def run():
        place = here(Budget(compute_s=0.005, margin_s=0.005))
        async with (
            make_hub(place) as far,
            zeromq_server(far, ZeroMqConfig(port=0)) as server,
            Wire(server.address[1]) as cable,
            make_hub() as near,
        ):
            upstream = UpstreamPlace(
                LinkConfig(address=f"tcp://127.0.0.1:{cable.port}"),
                on_lost=near.on_lost,
                on_back=near.on_back,
                on_ended=near.on_ended,
            )
            await near.start([upstream])
            os.close((await near.open(REQUEST, peer=PEER)).descriptor)
            cable.whole.clear()
            await asyncio.wait_for(near.stop(), 60.0)

    asyncio.run(run())


NO_ANSWER = """
import asyncio, fcntl, json, socket, struct, sys
from pathlib import Path
from lbserver.places.supervisor import WorkerError
from lbserver.host.keys import make_keys
from lbserver.places.link import LinkConfig, LinkError
from lbserver.places.upstream import UpstreamPlace

control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(control, 0x8914, struct.pack("16sh22x", b"lo", 0x41))  # SIOCSIFFLAGS: up, running
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.1", 53))

async def run():
    public, secret = make_keys(Path(sys.argv[1]), "x")
    place = UpstreamPlace(
        LinkConfig(address="tcp://far.example.org:9462", server_key=public, own_key=secret),
        on_lost=print, on_back=print, on_ended=print, start_timeout_s=1.0,
    )
    try:
        await place.start()
    except WorkerError as error:
        text = str(error)
    await place.stop()
    silent.setblocking(False)
    asked = silent.recv(512)
    return {"text": text, "asked": asked.hex()}

print(json.dumps(asyncio.run(run())), flush=True)
"""


def test_a_name_server_that_never_answers_is_not_waited_for(tmp_path: Path) -> None:
    """Catches a look-up on the loop that everything else runs on: five seconds of silence for every session here.

    In a network of its own whose name server takes questions and answers none: who waits for it waits for longer than
    this test does.
    """
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:5\n")
    inside = 'mount --bind "$1" /etc/resolv.conf && exec "$2" -c "$3" "$4"'
    words = [
        "sh",
        "-c",
        inside,
        "sh",
        str(tmp_path / "resolv.conf"),
        sys.executable,
        NO_ANSWER,
        str(tmp_path),
    ]
    try:
        alone = subprocess.run(["unshare", "-rnm", "true"], check=False, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if alone.returncode:
        pytest.skip("no networks of one's own here")
    done = subprocess.run(
        ["unshare", "-rnm", *words], capture_output=True, text=True, timeout=60, check=False
    )
    if "mount:" in done.stderr:
        pytest.skip("no mounts of one's own here")
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert "far.example.org" in told["text"]
    assert b"example".hex() in told["asked"]  # it was asked for, and is asked still
