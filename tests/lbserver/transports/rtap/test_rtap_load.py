# SPDX-License-Identifier: GPL-3.0-or-later
"""What many chunks, resets without end and a step that lasts cost the server that speaks the Max system's protocol."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from lbserver.testing import accompanists
from lbserver.testing.rtap_client import RtapClient, Samples, music
from lbserver.transports.rtap.batches import Recording
from lbserver.transports.rtap.server import RtapConfig, rtap_server


def test_many_chunks_are_one_write(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each chunk moved the whole recording: a batch of thousands stopped all that the server does."""
    client, mix, put, puts = RtapClient(ratio=0.0625), music(4), Recording.put, []

    def counted(self: Recording, start: int, floats: Samples) -> None:
        puts.append(threading.current_thread())
        put(self, start, floats)

    server = serve(client)
    client.send("/update_r", client.ratio)
    client.package = 256
    monkeypatch.setattr(Recording, "put", counted)
    client.step(mix)
    client.until("/server_predicted")
    assert server.counts.partial == 0
    assert len(puts) < 5


def test_a_request_behind_much_audio_is_heard_within_a_few_rounds_of_the_loop() -> None:
    """One datagram was read a round: at load the answer came as many rounds late as there were chunks before it."""
    answers, mix = [], music(4)

    async def run() -> int:
        rounds = 0
        async with rtap_server(RtapConfig(port=0), accompanists.copy) as server:
            client = RtapClient()
            client.server = ("127.0.0.1", server.address[1])
            server._send = answers.append
            for _ in range(100):
                client.send("/packet_test", 1, floats=mix[:1])
            while len(answers) < 100 and rounds < 1000:
                await asyncio.sleep(0)
                rounds += 1
            client.socket.close()
        return rounds

    assert asyncio.run(run()) < 20


def test_resets_without_end_leave_no_work(serve: Callable[..., Any]) -> None:
    """Each one was a job for the thread that plays: they piled up behind a prediction."""
    gate, entered = threading.Event(), threading.Event()
    client, mix = RtapClient(), music(4)
    server = serve(client, lambda: held(gate, entered))
    client.step(mix)
    assert entered.wait(60)
    for _ in range(50):
        client.send("/reset", 1)
    client.send("/packet_test", 1, floats=mix[:1])
    client.until("/packet_test_response")
    assert server._worker._work_queue.qsize() == 0
    gate.set()


def test_the_end_waits_for_no_prediction() -> None:
    """Ctrl-C waited until a whole step was played, of which nobody was to hear anything."""
    gate, entered, mix, steps = threading.Event(), threading.Event(), music(4), []

    async def run() -> None:
        async with rtap_server(RtapConfig(port=0), lambda: held(gate, entered, steps)) as server:
            client = RtapClient()
            client.server = ("127.0.0.1", server.address[1])
            client.step(mix)
            assert await asyncio.to_thread(entered.wait, 60)
        gate.set()
        await asyncio.to_thread(server._worker.shutdown)
        client.socket.close()

    asyncio.run(run())
    assert len(steps) == 1


def held(gate: threading.Event, entered: threading.Event, steps: list[int] | None = None) -> Any:
    """An accompanist whose first chunk waits at a gate; the chunks that it plays are counted."""
    plain = accompanists.copy()

    def play(*arguments: Any) -> Any:
        entered.set()
        assert gate.wait(60)
        if steps is not None:
            steps.append(1)
        return plain.play(*arguments)

    return accompanists.SmallAccompanist(spec=plain.spec, play=play)
