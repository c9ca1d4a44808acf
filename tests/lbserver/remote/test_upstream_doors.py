# SPDX-License-Identifier: GPL-3.0-or-later
"""How another server is found and let in to: addresses, names, keys, and nobody there."""

import asyncio
import time

import pytest

from lbserver.errors import LiveBandError
from lbserver.host.keys import make_keys
from lbserver.hub.hub import Peer
from lbserver.places.link import LinkConfig
from lbserver.places.supervisor import WorkerError
from lbserver.places.upstream import UpstreamPlace

PEER = Peer(kind="local", identity="test", trusted=True)
REQUEST = {
    "type": "open", "session": "a", "rate_hz": 48000, "channels": 2, "block_samples": 512, "mode": "live",
    "stem": "bass",
}  # fmt: skip


def test_nobody_there_is_said_in_time(make_hub):
    async def run():
        async with make_hub() as near:
            place = UpstreamPlace(
                LinkConfig(address="tcp://127.0.0.1:9"),
                on_lost=near.on_lost,
                on_back=near.on_back,
                on_ended=near.on_ended,
                start_timeout_s=0.5,
            )
            begun = time.monotonic()
            with pytest.raises(WorkerError, match=r"no server at tcp://127\.0\.0\.1:9"):
                await place.start()
            assert time.monotonic() - begun < 30.0
            await place.stop()

    asyncio.run(run())


def test_a_name_that_cannot_be_resolved_holds_up_nothing(make_hub, tmp_path):
    """The loop goes on while a name server is asked, and hanging up does not wait for it."""

    async def run():
        public, secret = make_keys(tmp_path, "x")
        async with make_hub() as near:
            place = UpstreamPlace(
                LinkConfig(address="tcp://nowhere.invalid:9462", server_key=public, own_key=secret),
                on_lost=near.on_lost,
                on_back=near.on_back,
                on_ended=near.on_ended,
                start_timeout_s=0.5,
            )
            ticks = 0

            async def tick():
                nonlocal ticks
                while True:
                    await asyncio.sleep(0.01)
                    ticks += 1

            ticking = asyncio.create_task(tick())
            with pytest.raises(WorkerError, match=r"nowhere\.invalid"):
                await place.start()
            begun = time.monotonic()
            await place.stop()
            assert time.monotonic() - begun < 20.0
            assert ticks > 1
            ticking.cancel()

    asyncio.run(run())


@pytest.mark.parametrize(
    "address", ["host:1", "udp://127.0.0.1:1", "tcp://127.0.0.1", "tcp://127.0.0.1:1/x", "tcp://[::1"]
)
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(LiveBandError, match="tcp://host:port"):
        LinkConfig(address=address)


def test_off_this_machine_keys_are_asked_for(tmp_path):
    with pytest.raises(LiveBandError, match="keys are needed"):
        LinkConfig(address="tcp://gpu.example.org:9462")
    public, secret = make_keys(tmp_path, "x")
    assert LinkConfig(address="tcp://gpu.example.org:9462", server_key=public, own_key=secret)
