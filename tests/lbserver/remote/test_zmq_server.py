# SPDX-License-Identifier: GPL-3.0-or-later
"""The ZeroMQ transport, asked by a plain DEALER: what a client in another language would see."""

import asyncio
import itertools
import struct

import numpy as np
import pytest

from lbserver.engine.budget import Budget
from lbserver.errors import LiveBandError
from lbserver.protocol import MINOR
from lbserver.protocol.wire import pack
from lbserver.testing.waiting import until_async as until
from lbserver.transports.zeromq import ZeroMqConfig, zeromq_server


@pytest.mark.parametrize("rate_hz", [44100, 48000, 96000])
@pytest.mark.parametrize("block", [64, 441, 1024, 4096])
def test_offset_is_what_opened_says(serving, noise, offset_of, rate_hz, block):
    """Law 1: the copy comes back A*H + one chunk later in its own positions, and the answer lies L behind."""

    async def run():
        async with serving() as (_, _, connect):
            client = await connect()
            opened = await client.open("a", rate_hz=rate_hz, block_samples=block, anticipation_ms=40.0)
            mix = noise(2, rate_hz // block // 2 * block)
            first, stem = await client.play("a", mix, block)
            assert first == -opened["latency_samples"]
            chunk = 1920 * rate_hz // 48000
            measured = offset_of(mix[0], stem[0])
            assert measured == opened["latency_samples"] + opened["anticipation_samples"] + chunk
            if rate_hz == 48000:  # what was copied is the mix itself, bit for bit
                begun = measured + 512
                assert np.array_equal(stem[:, begun:], mix[:, 512 : 512 + stem.shape[-1] - begun])

    asyncio.run(run())


@pytest.mark.parametrize(
    "wish",
    [
        {"mode": "live"},
        {"mode": "aligned"},
        {"mode": "bounce", "anticipation_ms": 40.0},
        *({"mode": "manual", "anticipation_ms": 40.0 * frames} for frames in (0, 1, 3, 12)),
    ],
    ids=lambda wish: "-".join(str(value) for value in wish.values()),
)
@pytest.mark.parametrize(("rate_hz", "block"), [(88200, 480), (48000, 128), (44100, 512)])
def test_offset_in_every_mode(serving, noise, offset_of, wish, rate_hz, block):
    """Law 1 again: however A and L were chosen, they are what was said."""

    async def run():
        async with serving() as (_, _, connect):
            client = await connect()
            opened = await client.open("a", rate_hz=rate_hz, block_samples=block, **wish)
            said = opened["latency_samples"] + opened["anticipation_samples"] + 1920 * rate_hz // 48000
            blocks = int(said + rate_hz // 4) // block + 1
            mix = noise(2, blocks * block)
            _, stem = await client.play("a", mix, block)
            assert offset_of(mix[0], stem[0]) == said

    asyncio.run(run())


def test_live_answers_come_at_once_and_what_is_pushed_is_placed_by_position(serving, noise):
    """A live block is answered now with what is there; without `reply` the stem comes when it is there."""

    async def run():
        async with serving() as (_, _, connect):
            client = await connect()
            await client.open("a", anticipation_ms=40.0)
            mix = noise(2, 512)
            _, stem = await client.play("a", mix, 512, offline=False)
            assert stem.shape == (2, 512)
            got = {}
            mix = noise(2, 48000, seed=6)
            for start in range(0, 48000, 480):
                data = np.ascontiguousarray(mix[:, start : start + 480]).tobytes()
                await client.socket.send(
                    pack({"type": "audio", "session": "a", "epoch": 2, "position": start, "channels": 2,
                          "format": "f32", "data": data})
                )  # fmt: skip
                await asyncio.sleep(0.005)
            while sum(part.shape[-1] for part in got.values()) < 2 * 1920 + 40001:
                message = await client.receive()
                assert (message["type"], message["epoch"]) == ("stem", 2)
                got[message["position"]] = np.frombuffer(message["data"], np.float32).reshape(2, -1)
            ends = sorted(got)
            assert ends[0] == 0
            for before, after in itertools.pairwise(ends):
                assert before + got[before].shape[-1] == after
            stem = np.concatenate([got[start] for start in ends], axis=1)
            heard = stem[:, 2 * 1920 :]
            assert heard.shape[-1] > 40000
            assert np.array_equal(heard, mix[:, : heard.shape[-1]])

    asyncio.run(run())


def test_a_newer_minor_is_welcome_and_what_is_not_known_is_counted(serving):
    """Fields and whole messages of a later version cost nothing but a count or a refusal in words."""

    async def run():
        async with serving() as (hub, _, connect):
            client = await connect(greet=False)
            before = hub.unknown_fields
            answer = await client.hello(minor=MINOR + 3, colour="blue", more=[1, {"deep": None}])
            assert answer["type"] == "welcome"
            opened = await client.open("a", mood="wild")
            assert opened["type"] == "opened"
            assert hub.unknown_fields == before + 3
            assert (await client.ask("sing", song="x"))["code"] in ("bad_message", "unknown_message")

    asyncio.run(run())


def test_who_vanishes_is_forgotten_and_found_again_by_its_token(serving, noise):
    """A connection that dies costs the session only its time: the same token takes it up."""

    async def run():
        async with serving(silent_s=0.4) as (hub, server, connect):
            first = await connect(greet=False)
            await first.hello(token="0123456789abcdef")
            await first.open("a")
            first.close()
            await until(lambda: server.clients == 0)
            assert set(hub.sessions()) == {"a"}
            stranger = await connect(greet=False)
            await stranger.hello(token="another")
            assert (await stranger.open("a"))["code"] in ("unauthorised", "busy")
            second = await connect(greet=False)
            await second.hello(token="0123456789abcdef")
            assert (await second.open("a"))["type"] == "opened"
            _, stem = await second.play("a", noise(2, 4096), 512)
            assert stem.shape == (2, 4096)

    asyncio.run(run())


def test_one_token_has_one_connection(serving):
    """The newer one wins: what is left of the older is a connection that is dead and does not know it."""

    async def run():
        async with serving() as (_, server, connect):
            first, second = await connect(greet=False), await connect(greet=False)
            await first.hello(token="t")
            await first.open("a")
            await second.hello(token="t")
            assert server.clients == 1
            assert (await second.open("a"))["type"] == "opened"

    asyncio.run(run())


def test_int16_is_answered_with_int16(serving, noise, offset_of):
    async def run():
        async with serving() as (_, _, connect):
            client = await connect()
            await client.open("a", block_samples=9600)
            mix = np.round(noise(2, 9600) * 32768).astype("<i2")
            audio = {
                "epoch": 1,
                "position": 0,
                "channels": 2,
                "format": "i16",
                "offline": True,
                "reply": True,
            }
            stems = []
            for position in range(0, 38400, 9600):
                data = mix.tobytes() if not position else bytes(mix.nbytes)
                answer = await client.ask(
                    "audio", session="a", **audio | {"position": position, "data": data}
                )
                assert answer["format"] == "i16"
                stems.append(np.frombuffer(answer["data"], "<i2").reshape(2, -1))
            stem = np.concatenate(stems, axis=1)
            start = offset_of(mix[0].astype(float), stem[0].astype(float))
            assert np.array_equal(stem[:, start : start + 9000], mix[:, :9000])

    asyncio.run(run())


def test_controls_knowledge_and_kept_moments(serving, here):
    async def run():
        place = here()
        async with serving(place) as (_, _, connect):
            client = await connect()
            await client.open("a")
            assert (await client.ask("set", session="a", control="gain", value=-6.0))["type"] == "done"
            assert (await client.ask("set", session="a", control="gain", value=99.0))["type"] == "error"
            assert (await client.ask("know", session="a", bpm=120.0, first_beat_s=0.5))["type"] == "done"
            assert place.known["a"] == {"bpm": 120.0, "first_beat_s": 0.5}
            assert (await client.ask("keep", session="a", name="here"))["type"] == "kept"
            assert (await client.ask("recall", session="a", name="here"))["type"] == "recalled"
            assert (await client.ask("recall", session="a", name="never"))["code"] == "not_found"
            beat = struct.pack("<6d", 90.0, 4.0, 4.0, 4.0, 4.0, float("nan"))
            event = {"session": "a", "epoch": 1, "kind": 1, "flags": 1, "position": 0, "values": beat}
            await client.play("a", np.zeros((2, 512), np.float32), 512, offline=False)
            await client.socket.send(pack({"type": "event", **event}))
            await client.play("a", np.zeros((2, 9600), np.float32), 480, start=512, offline=False)
            assert place.player.sessions["a"].told.transport.bpm == 90.0
            description = await client.ask("describe")
            assert description["model"] == "test:copy"
            assert description["compute_ms"] == pytest.approx(20.0)
            closed = await client.ask("close", session="a")
            assert closed["type"] == "closed"

    asyncio.run(run())


def test_a_taken_port_is_said(make_hub, here):
    async def run():
        async with make_hub(here()) as hub, zeromq_server(hub, ZeroMqConfig(port=0)) as server:
            with pytest.raises(LiveBandError, match=str(server.address[1])):
                async with zeromq_server(hub, ZeroMqConfig(port=server.address[1])):
                    pass

    asyncio.run(run())


def test_a_band_slower_than_the_client_loses_audio_but_no_place(serving, here, noise):
    """The band stalls for longer than the ring lasts: what comes after lies where it belongs."""

    async def run():
        place = here(budget=Budget(compute_s=0.005, margin_s=0.005))
        async with serving(place) as (_, _, connect):
            client = await connect()
            await client.open("a", block_samples=4800)
            listen, place.player.listen = place.player.listen, lambda now_s: []
            mix = noise(2, 48000 * 7)
            position = 0
            stems = {}

            async def push(samples):
                nonlocal position
                for start in range(position, position + samples, 4800):
                    data = np.ascontiguousarray(mix[:, start : start + 4800]).tobytes()
                    message = {"session": "a", "epoch": 1, "position": start, "channels": 2, "format": "f32"}
                    await client.socket.send(pack({"type": "audio", **message, "data": data}))
                    await asyncio.sleep(0.004)
                position += samples

            await push(48000 * 3)
            place.player.listen = listen
            await push(48000 * 4)
            while max(stems, default=0) < 48000 * 6:
                message = await client.receive()
                stems[message["position"]] = np.frombuffer(message["data"], np.float32).reshape(2, -1)
            again = [start for start in sorted(stems) if start >= 48000 * 3 + 4800]
            assert again
            exact = 0
            for start in again:
                samples = stems[start].shape[-1]
                exact += np.array_equal(stems[start], mix[:, start - 1920 : start - 1920 + samples])
            assert exact >= len(again) - 1  # but for the fade in

    asyncio.run(run())
