# SPDX-License-Identifier: GPL-3.0-or-later
"""The Max system's protocol: a client written from its description alone plays a whole conversation, straight and through a bad network.

Packet test, 60 s of context, a lost chunk, a batch that comes while another is played, changes of r and w, two stems, reset.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lbserver.testing import accompanists
from lbserver.testing.network import Network, UdpRelay
from lbserver.testing.rtap_client import FRAME, RATE, RtapClient, Samples, copied, music
from lbserver.testing.waiting import until
from lbserver.transports.rtap import batches

STEMS = ("bass", "piano")
NEAR = 200
"""Samples around a hole in the mix over which the resamplers ring."""


class Conversation:
    """A client, its server, and what may lie between them; both ends are waited for, since a message may be lost."""

    def __init__(self, serve: Callable[..., Any], relay: UdpRelay | None) -> None:
        self.gate, self.asked = threading.Event(), threading.Event()
        self.gate.set()
        self.client, self.relay = RtapClient(), relay
        self.client.package = 2560
        if relay is None:
            self.server = serve(self.client, self._load)
            return
        self.server = serve(self.client, self._load, reply_port=relay.fronts[1])
        relay.to[:] = [self.client.server[1], self.client.port]
        self.client.server = ("127.0.0.1", relay.fronts[0])

    def _load(self) -> Any:
        copy = accompanists.copy()

        def play(*arguments: Any) -> Any:
            if not self.gate.is_set():
                self.asked.set()
                assert self.gate.wait(60)
            return copy.play(*arguments)

        return accompanists.SmallAccompanist(spec=copy.spec, play=play)

    def tell(self, address: str, *values: object, said: Callable[[], bool] | None = None) -> None:
        """A setting, again until it is there: nothing is acknowledged."""
        for _ in range(1 if self.relay is None else 3):
            self.client.send(address, *values)
        self.settle()
        while said is not None and not said():
            self.client.send(address, *values)
            self.settle()

    def settle(self) -> None:
        """Wait until nothing is under way to the server."""
        if self.relay is not None:
            way = self.relay.ways[0]
            until(lambda: way.next_s == float("inf"), "the relay is empty")
        time.sleep(0.05)

    def set(self, ratio: float, ahead: int) -> None:
        self.client.ratio, self.client.ahead = ratio, ahead
        self.tell("/update_r", ratio, said=lambda: self.server.settings.ratio == ratio)
        self.tell("/w", float(ahead), said=lambda: self.server.settings.look_ahead == ahead)

    def step(self, mix: Samples, lost: tuple[int, ...] = ()) -> int:
        """A step sent and answered, in whole or in part."""
        answered = self.server.counts.played
        batch = self.client.step(mix, lost=lost)
        until(lambda: self.server.counts.played > answered, f"batch {batch}")
        self.listen()
        return batch

    def listen(self) -> list[tuple[str, tuple[Any, ...]]]:
        """What has come meanwhile."""
        return self.client.drain(0.05)


def judge(talk: Conversation, mix: Samples, numbers: list[int], *, holes: list[tuple[int, int]]) -> int:
    """Samples of these batches that are not where the mix says, of both stems; what the network lost is told by `holes` in the mix, and
    by batches that did not come whole.
    """
    client, off = talk.client, 0
    shift = (1 + client.anticipation) * FRAME
    wanted = copied(mix, client.anticipation)
    excused = np.zeros(len(mix) + shift, bool)
    for begin, end in holes:
        excused[max(0, begin + shift - NEAR) : end + shift + NEAR] = True
    for stem in STEMS:
        came = [batch for batch, _ in client.written[stem]]
        assert came == sorted(set(came)), "no batch is written twice, none after a later one"
        for batch in set(came) & set(numbers):
            begin, end = client.targets[batch]
            there = slice(begin + int(client.fade * RATE), end)
            assert np.abs(wanted[there]).max() > 0.1
            wrong = np.abs(client.buffers[stem][there] - wanted[there]) > 2e-3
            off += int((wrong & ~excused[there]).sum())
    return off


@pytest.mark.parametrize("through", ["nothing", "a network that loses and shuffles"])
def test_a_whole_conversation(
    serve: Callable[..., Any],
    through: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Audio a few samples off, or a hole where two batches meet, is what users of the published server hear; through 2 % of loss and
    20 ms of jitter there may be holes where datagrams were lost, and nothing may be out of place.
    """
    caplog.set_level("INFO")
    bad = through != "nothing"
    if not bad:  # a busy machine may stand still for longer than the server waits for a chunk
        monkeypatch.setattr(batches, "LEAST_PATIENCE_S", 2.0)
    relay = UdpRelay(Network(delay_ms=10, jitter_ms=20, loss=0.02), seed=4) if bad else None
    try:
        converse(Conversation(serve, relay), caplog)
    finally:
        if relay is not None:
            relay.close()


def converse(talk: Conversation, caplog: pytest.LogCaptureFixture) -> None:
    client, server, bad = talk.client, talk.server, talk.relay is not None
    mix, off, sent = music(66), 0, 0
    probe = np.linspace(-1, 1, 3000, dtype=np.float32)
    echoed: list[tuple[Any, ...]] = []
    while not echoed:
        client.send("/packet_test", 3000, floats=probe)
        echoed = [values for address, values in client.drain() if address == "/packet_test_response"]
    assert echoed[0][0] == 3000
    assert np.array_equal(np.array(echoed[0][1:], np.float32), probe)
    talk.tell("/update_package_size", 5120, said=lambda: server.settings.package == 5120)
    talk.tell("/update_fade", 0.02)
    talk.tell("/predict_instruments", 1, 0, 0, 1, said=lambda: sum(server.settings.flags) == 2)
    talk.tell("/load_model")
    if not bad:
        assert client.until("/ready") == (True,)

    def phase(ratio: float, ahead: int, steps: int, lost: int | None = None) -> None:
        """Steps at one setting, judged from where the one before ends, whose audio goes on until there."""
        nonlocal off, sent
        earlier = max((end for _, end in client.targets.values()), default=0) + FRAME
        talk.set(ratio, ahead)
        mine, holes = [], []
        for number in range(steps):
            first = client.cursor
            mine.append(talk.step(mix, lost=(4,) if number == lost else ()))
            if number == lost:
                holes.append((first + 4 * client.package, first + 5 * client.package))
        sent += steps * -(-int(264_600 * ratio) // client.package)
        late = [batch for batch in mine[1:] if client.targets[batch][0] > max(4 * RATE, earlier)]
        assert len(late) >= 2
        off += judge(talk, mix, late, holes=holes)

    phase(0.25, 1, 16, lost=8)
    assert server.counts.partial >= 1

    # One that comes while another is played: heard, not played, and said.
    talk.gate.clear()
    held = client.step(mix)
    until(talk.asked.is_set, "the model is asked")
    early = client.step(mix)
    until(lambda: server.counts.dropped == 1, "the early batch is dropped")
    talk.gate.set()
    until(lambda: server.counts.played == 17, "the held batch is played")
    if bad:
        talk.listen()
    else:
        assert client.until("/batch_dropped") == (early,)
        while [batch for batch, _ in client.written["piano"]][-1:] != [held]:
            client.receive()

    phase(0.125, 1, 16)
    phase(0.25, 0, 8)
    phase(0.25, 1, 6)
    assert client.cursor == 60 * RATE
    client.drain()
    for stem in STEMS:
        came = {batch for batch, _ in client.written[stem]}
        assert early not in came
        assert bad or came == set(range(1, client.batch + 1)) - {early}
    assert not client.written["drums"]

    # A client that begins anew counts from 1 again, and must not hear its last take.
    talk.tell("/reset", 1)
    client.begin_anew()
    mix = music(15, seed=9)
    phase(0.25, 1, 6)
    assert not client.buffers["bass"][: 2 * 66_150 - 882].any()
    if not bad:
        assert off == 0
        assert server.counts.partial == 1
        return
    # What the server missed: what the network lost, and what came too late on a machine that is busy.
    lacks = [tuple(one.args or ()) for one in caplog.records if "lacks" in one.msg]
    missed = sum(int(missing) for _, missing, _ in lacks)  # type: ignore[call-overload]
    assert talk.relay is not None
    assert all(way.lost > 5 for way in talk.relay.ways)
    assert server.counts.partial > 3
    assert sent > 1000
    assert 0 < off < 2 * missed * (client.package + 2 * NEAR)
