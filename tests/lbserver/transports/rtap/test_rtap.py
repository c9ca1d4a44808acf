# SPDX-License-Identifier: GPL-3.0-or-later
"""The Max system's protocol over UDP, case by case: a client written from its description alone."""

import random
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lbmodels.contract.spec import Control
from lbserver.testing import accompanists
from lbserver.testing.grids import long_or_short
from lbserver.testing.rtap_client import FRAME, RATE, WINDOW, RtapClient, Samples, copied, music


def check(client: RtapClient, mix: Samples, stem: str, begin: int, end: int) -> None:
    wanted = copied(mix, client.anticipation)[begin:end]
    found = client.buffers[stem][begin:end]
    assert np.abs(wanted).max() > 0.1
    assert np.abs(found - wanted).max() < 2e-3


@pytest.mark.parametrize(("ratio", "ahead"), [(0.0625, 1), (0.25, -1)])
def test_every_window_is_placed_to_the_sample(serve: Callable[..., Any], ratio: float, ahead: int) -> None:
    client, mix = RtapClient(ratio=ratio, ahead=ahead), music(14)
    serve(client)
    client.send("/update_r", ratio)
    client.send("/w", float(ahead))
    client.play(mix, int(12 / 6 / ratio))
    begin = client.targets[1][1] + 4 * RATE
    check(client, mix, "bass", begin, client.targets[client.batch][1])


def test_a_lost_chunk_leaves_a_hole_and_no_silence(serve: Callable[..., Any]) -> None:
    """The watchdog: a batch that waits for a chunk that never comes stops the music."""
    client, mix = RtapClient(), music(16)
    server = serve(client)
    client.play(mix, 3)
    client.step(mix, lost=(4,))
    client.until("/server_predicted")
    client.play(mix, 3)
    assert server.counts.partial == 1
    hole = slice(3 * 66150 + 4 * 5120, 3 * 66150 + 5 * 5120)
    holed = mix.copy()
    holed[hole] = 0.0
    begin, end = 5 * RATE, client.targets[client.batch][1]
    found, wanted = client.buffers["bass"][begin:end], copied(holed, client.anticipation)[begin:end]
    near = np.zeros(len(wanted), bool)  # the resampler rings at the hole's edges
    for edge in (hole.start, hole.stop):
        at = edge + (1 + client.anticipation) * FRAME - begin
        near[max(0, at - 200) : at + 200] = True
    assert np.abs(found - wanted)[~near].max() < 2e-3


def test_a_batch_that_comes_too_early_is_dropped_and_said(serve: Callable[..., Any]) -> None:
    """Its mix is heard all the same: the next answer knows of it, and lies where it belongs."""
    gate, slow = threading.Event(), accompanists.copy()
    gate.set()

    def load() -> Any:
        play = slow.play

        def waiting(*arguments: Any) -> Any:
            assert gate.wait(60)
            return play(*arguments)

        return accompanists.SmallAccompanist(spec=slow.spec, play=waiting)

    client, mix = RtapClient(), music(20)
    server = serve(client, load)
    client.play(mix, 2)
    gate.clear()
    held = client.step(mix)
    early = client.step(mix)
    assert client.until("/batch_dropped") == (early,)
    gate.set()
    client.until("/server_predicted")
    client.play(mix, 3)
    assert [batch for batch, _ in client.written["bass"]] == [1, 2, held, 5, 6, 7]
    assert server.counts.dropped == 1
    check(client, mix, "bass", client.targets[5][0] + 882, client.targets[7][1])


def test_a_model_that_is_late_does_with_less(serve: Callable[..., Any]) -> None:
    """A quality that the machine cannot afford drops every second batch for as long as it is kept."""
    quality = Control(name="quality", unit="", minimum=0, maximum=3, default=2, description="")
    client, mix, plain = RtapClient(ratio=0.0625), music(6), accompanists.copy(controls=(quality,))
    asked: list[float] = []

    def load() -> Any:
        def play(spec: Any, heard: Any, conditions: Any, state: Any) -> Any:
            asked.append(float(conditions["quality"][0, 0, 0]))
            time.sleep(0.1 if asked[-1] == 2 else 0.0)
            return plain.play(spec, heard, conditions, state)

        return accompanists.SmallAccompanist(spec=plain.spec, play=play)

    server = serve(client, load)
    client.send("/update_r", 0.0625)
    client.play(mix, 4)
    assert asked[0] == 2
    assert asked[-1] < 2
    assert server.tier in ("draft", "fast")


def test_a_batch_lost_whole_moves_nothing(serve: Callable[..., Any]) -> None:
    client, mix = RtapClient(), music(16)
    serve(client)
    client.play(mix, 3)
    client.chunks(mix)
    client.play(mix, 4)
    begin, end = client.targets[client.batch]
    check(client, mix, "bass", begin, end)


def test_nonsense_changes_nothing(serve: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    """Bytes of strangers, impossible settings: said in the log, and the music goes on."""
    client, mix = RtapClient(), music(12)
    serve(client)
    client.play(mix, 2)
    rng = random.Random(2)
    for data in (b"", b"x", b"/context\0\0\0\0", b"#bundle\0" + bytes(8), rng.randbytes(900)):
        client.socket.sendto(data, client.server)
    for address, value in (("/update_r", 2.0), ("/update_r", float("nan")), ("/w", 3.0), ("/update_fade", -1.0),
                           ("/update_package_size", 9), ("/nothing", 1)):  # fmt: skip
        client.send(address, value)
    client.send("/context", 3, -5, 1, floats=np.zeros(10, np.float32))
    client.send("/context", 3, 0, 1 << 30, floats=np.zeros(10, np.float32))
    client.send("/context", 3, 0, 1)
    for number in (3e9, -3e9):  # no answer could bear it
        client.socket.sendto(
            b"/context\0\0\0\0,diif\0\0\0" + struct.pack(">diif", number, 0, 1, 0.5), client.server
        )
    client.send("/update_r", 0.5)  # with w = 1 it is more than a window holds: r stays as it is
    client.play(mix, 2)
    check(client, mix, "bass", 4 * RATE, client.targets[4][1])
    assert not [record for record in caplog.records if record.exc_info or record.name == "asyncio"]


def test_ten_settings_without_a_gap(serve: Callable[..., Any]) -> None:
    """Ratios and look-aheads changed ten times: no gap, no repeat within a setting; the step at which r changes is the step
    from which positions go on by the new r, at both ends. LIVEBAND_GRIDS=whole: a live minute."""
    client, mix = RtapClient(ratio=0.0625), music(70)
    serve(client)
    client.send("/update_r", 0.0625)
    begun, waits, setting_s = time.monotonic(), long_or_short(1, 0), long_or_short(6, 3)
    settings, judged = [(0.0625, 1), (0.125, 1), (0.125, 0), (0.25, 1), (0.0625, 0)] * 2, 0
    for ratio, ahead in settings:
        client.ratio, client.ahead = ratio, ahead
        client.send("/update_r", ratio)
        client.send("/w", float(ahead))
        first, earlier = client.cursor, client.targets[client.batch][1] + FRAME if client.batch else 0
        while client.cursor < first + setting_s * RATE:
            due = (client.cursor + int(WINDOW * ratio)) / RATE
            time.sleep(waits * max(0.0, begun + due - time.monotonic()))
            client.step(mix)
            client.until("/server_predicted")
        begin, end = client.targets[client.batch]
        if first > 4 * RATE and begin >= earlier:  # until there the setting before goes on
            check(client, mix, "bass", begin, end)
            judged += 1
    assert judged >= 6
    assert [batch for batch, _ in client.written["bass"]] == list(range(1, client.batch + 1))
