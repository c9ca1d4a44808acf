# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that lets another one play: front end, local hub, relay, ZeroMQ, remote hub and band, on one loop."""

import asyncio
import contextlib
import os
import time

import numpy as np
import pytest

from lbserver.engine.budget import Budget
from lbserver.errors import LiveBandError
from lbserver.host.keys import make_keys
from lbserver.hub.hub import Peer
from lbserver.places.link import LinkConfig
from lbserver.places.supervisor import WorkerError
from lbserver.places.upstream import UpstreamPlace
from lbserver.protocol.controls import INDEX
from lbserver.ring.ends import HostPort
from lbserver.ring.segment import Segment
from lbserver.testing.servers import PLAYING
from lbserver.testing.waiting import PATIENCE_S
from lbserver.testing.waiting import until_async as until
from lbserver.transports.zeromq import ZeroMqConfig, zeromq_server

PEER = Peer(kind="local", identity="test", trusted=True)
REQUEST = {
    "type": "open", "session": "a", "rate_hz": 48000, "channels": 2, "block_samples": 512, "mode": "live",
    "stem": "bass",
}  # fmt: skip


@pytest.fixture
def two_servers(make_hub, here):
    """`async with two_servers() as (near hub, far place, switch)`: `switch` can turn the far server off and on."""

    @contextlib.asynccontextmanager
    async def make(place=None, **link):
        place = place or here(Budget(compute_s=0.005, margin_s=0.005))
        async with make_hub(place) as far, contextlib.AsyncExitStack() as stack:
            switch = Switch(far)
            await switch.on()
            stack.push_async_callback(switch.off)
            near_hub = make_hub()
            near = await stack.enter_async_context(near_hub)
            upstream = UpstreamPlace(
                LinkConfig(address=f"tcp://127.0.0.1:{switch.port}", **link),
                on_lost=near.on_lost,
                on_back=near.on_back,
                on_ended=near.on_ended,
            )
            await near.start([upstream])
            yield near, place, switch

    return make


class Switch:
    def __init__(self, hub):
        self.hub, self.port, self._context = hub, 0, None

    async def on(self):
        self._context = zeromq_server(self.hub, ZeroMqConfig(port=self.port))
        server = await self._context.__aenter__()
        self.port = server.address[1]

    async def off(self):
        context, self._context = self._context, None
        if context is not None:
            await context.__aexit__(None, None, None)


class FrontEnd:
    """What a plug-in does: one block after the other, on time, never waiting."""

    def __init__(self, opened, mix, block):
        self.segment = Segment(opened.descriptor)
        os.close(opened.descriptor)
        self.port = HostPort(self.segment, latency_samples=opened.timing.latency_samples)
        self.mix, self.block, self.at = mix, block, 0
        self.out = []
        self.rate_hz = self.segment.shape.rate_hz

    async def play(self, seconds, *, speed=1.0):
        begun, first = time.monotonic(), self.at
        while self.at - first < seconds * self.rate_hz:
            at = self.at % (self.mix.shape[-1] - self.block)
            self.out.append(self.port.exchange(self.mix[:, at : at + self.block]))
            self.at += self.block
            due = begun + (self.at - first) / self.rate_hz / speed
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def play_until(self, holds):
        """A tenth of a second at a time; what was told is not heard of before the block that it goes with."""
        deadline_s = time.monotonic() + PATIENCE_S
        await self.play(0.1)
        while not holds():
            assert time.monotonic() < deadline_s
            await self.play(0.1)

    @property
    def heard(self):
        return np.concatenate(self.out, axis=1)


@pytest.mark.parametrize("mode", ["live", "aligned", "manual"])
@pytest.mark.parametrize(("rate_hz", "block"), [(48000, 512), (44100, 441), (96000, 128)])
def test_offset_through_two_servers_is_what_the_near_one_reports(
    two_servers, noise, offset_of, mode, rate_hz, block
):
    """Law 1 with a network between: L and A come from the far model and budget, and the way there and back."""

    async def run():
        async with two_servers() as (near, _, _):
            request = {
                **REQUEST,
                "rate_hz": rate_hz,
                "block_samples": block,
                "mode": mode,
                "anticipation_ms": 120.0,
            }
            opened = await near.open(request, peer=PEER)
            timing = opened.timing
            if mode == "live":
                assert timing.latency_samples == 0
                assert timing.anticipation_frames >= 1
            front = FrontEnd(opened, noise(2, 3 * rate_hz), block)
            await front.play(1.2)
            expected = timing.latency_samples + float(timing.anticipation_samples) + 1920 * rate_hz / 48000
            assert offset_of(front.mix[0], front.heard[0]) == expected
            status = near.status("a", peer=PEER)
            assert status["latency_samples"] == timing.latency_samples
            front.segment.close()

    asyncio.run(run())


def test_what_is_played_far_away_comes_back_bit_for_bit(two_servers, noise):
    async def run():
        async with two_servers() as (near, _, _):
            opened = await near.open({**REQUEST, "mode": "aligned"}, peer=PEER)
            front = FrontEnd(opened, noise(2, 48000 * 70), 512)
            late = opened.timing.latency_samples + 1920

            def same():
                return (front.heard[:, late:] == front.mix[:, : front.at - late]).all(axis=0)

            await front.play(1.0)
            if front.port.missing_samples == 0:
                assert same()[512:].all()
            await front.play_until(lambda: same()[-24000:].mean() > 0.5)
            front.segment.close()

    asyncio.run(run())


def test_the_far_server_goes_and_returns(two_servers, noise, offset_of):
    """The stem fades, the reason is told, the front end never waits; then it lies where it lay before."""

    async def run():
        async with two_servers() as (near, _, switch):
            opened = await near.open({**REQUEST, "mode": "aligned"}, peer=PEER)
            front = FrontEnd(opened, noise(2, 48000 * 40), 512)
            await front.play(0.7)
            await switch.off()
            # While it is gone: silent soon, and stated.
            await front.play_until(lambda: near.status("a", peer=PEER)["state"] == "recovering")
            await front.play(0.6)
            assert "127.0.0.1" in near.status("a", peer=PEER)["reason"]
            assert not front.heard[:, -1920:].any()
            await switch.on()
            back_at = front.at
            await front.play_until(
                lambda: (
                    near.status("a", peer=PEER)["state"] in (*PLAYING, "listening") and front.out[-1].any()
                )
            )
            await front.play(0.8)
            assert near.status("a", peer=PEER)["reason"] == ""
            heard = front.heard
            again = back_at + int(np.flatnonzero(np.abs(heard[0, back_at:]) > 0.01)[0]) + 4096
            expected = opened.timing.latency_samples + 1920
            stretch = heard[0, again : again + 9600]
            assert stretch.shape[-1] == 9600
            assert offset_of(front.mix[0, again - 4800 :][:9600], stretch) == expected - 4800
            front.segment.close()

    asyncio.run(run())


def test_a_break_of_the_connection_makes_no_step(two_servers):
    """A tone through a loss: nowhere does it jump more than the tone itself moves."""

    async def run():
        async with two_servers() as (near, _, switch):
            opened = await near.open({**REQUEST, "mode": "aligned"}, peer=PEER)
            time_s = np.arange(48000 * 20) / 48000
            tone = np.repeat(0.5 * np.sin(2 * np.pi * 220 * time_s)[None], 2, axis=0).astype(np.float32)
            front = FrontEnd(opened, tone, 256)
            await front.play(0.5)
            await switch.off()
            await front.play(0.4)
            await switch.on()
            await front.play_until(lambda: np.abs(front.heard[0][-9600:]).max() > 0.4)
            steps = np.abs(np.diff(front.heard[0]))
            assert steps.max() < 3.0 * np.abs(np.diff(tone[0])).max()
            front.segment.close()

    asyncio.run(run())


def test_offline_through_another_server_loses_nothing(two_servers, noise):
    """Faster than real time, the front end waiting: the far band gives every sample."""

    async def run():
        async with two_servers() as (near, _, _):
            request = {**REQUEST, "mode": "bounce", "anticipation_ms": 40.0, "block_samples": 1024}
            opened = await near.open(request, peer=PEER)
            front = FrontEnd(opened, noise(2, 48000 * 4), 1024)
            front.port.set_offline(True)

            def bounce():
                return np.concatenate(
                    [
                        (
                            front.port.write(front.mix[:, at : at + 1024]),
                            front.port.wait(1024, timeout_s=60.0),
                        )[1]
                        for at in range(0, 48000 * 4 - 1024, 1024)
                    ],
                    axis=1,
                )

            out = await asyncio.to_thread(bounce)
            late = opened.timing.latency_samples + 2 * 1920
            assert np.array_equal(out[:, late + 512 :], front.mix[:, 512 : out.shape[-1] - late])
            assert front.port.dropped_samples == 0
            front.segment.close()

    asyncio.run(run())


def test_a_bounce_fails_loudly_when_the_far_server_goes(two_servers, noise):
    """Never silence inside: the session ends and says why."""

    async def run():
        async with two_servers() as (near, _, switch):
            notices = []
            near.subscribe(PEER, notices.append)
            opened = await near.open({**REQUEST, "mode": "bounce", "anticipation_ms": 40.0}, peer=PEER)
            front = FrontEnd(opened, noise(2, 48000), 512)
            front.port.set_offline(True)
            for at in range(0, 9600, 512):
                front.port.write(front.mix[:, at : at + 512])
                await asyncio.to_thread(front.port.wait, 512, timeout_s=60.0)
            await switch.off()
            await until(lambda: any(notice["type"] == "closed" for notice in notices))
            assert any(notice["type"] == "error" and notice["code"] == "crashed" for notice in notices)

            def go_on():
                for at in range(9600, 48000 - 512, 512):
                    front.port.write(front.mix[:, at : at + 512])
                    front.port.wait(512, timeout_s=0.3)

            with pytest.raises(LiveBandError, match="has not answered"):
                go_on()
            front.segment.close()

    asyncio.run(run())


def test_a_new_epoch_here_is_a_new_epoch_there(two_servers, noise, offset_of):
    """No sound of the old epoch is heard in the new one, and the offset is the same."""

    async def run():
        async with two_servers() as (near, _, _):
            opened = await near.open({**REQUEST, "mode": "aligned"}, peer=PEER)
            expected = opened.timing.latency_samples + 1920
            front = FrontEnd(opened, noise(2, 96000), 512)
            await front.play(0.4)
            front.port.begin_epoch()
            front.mix, front.at, front.out = noise(2, 96000, seed=77), 0, []
            await front.play(0.8)
            assert offset_of(front.mix[0], front.heard[0]) == expected
            assert not front.heard[:, : expected - 64].any()
            front.segment.close()

    asyncio.run(run())


def test_controls_knowledge_events_and_moments_reach_the_far_band(two_servers, noise):
    async def run():
        async with two_servers() as (near, place, _):
            opened = await near.open(REQUEST, peer=PEER)
            front = FrontEnd(opened, noise(2, 96000), 512)
            await front.play(0.2)
            await near.know({"session": "a", "bpm": 90.0, "first_beat_s": 1.5}, peer=PEER)
            await near.set_control("a", "freeze", 1, peer=PEER)
            await near.set_control("a", "gain", -6.0, peer=PEER)
            front.port.tell("chord", (0b10010001.__float__(), 0.0, 0.0))
            await front.play(0.4)
            (name,) = place.player.sessions
            far = place.player.sessions[name]
            assert place.known[name] == {"bpm": 90.0, "first_beat_s": 1.5}
            assert far.controls["freeze"] == 1.0
            assert far.controls["gain"] == 0.0  # heard here, so applied here
            assert front.segment.load_float("gain") == pytest.approx(0.501, abs=1e-3)
            await front.play_until(lambda: far.told.chord is not None)
            await near.keep("a", "now", peer=PEER)
            await near.recall("a", "now", peer=PEER)
            assert [m["type"] for m in place.messages if m["type"] in ("keep", "recall")] == [
                "keep",
                "recall",
            ]
            await near.close("a", peer=PEER)
            await until(lambda: not place.player.sessions)
            front.segment.close()

    asyncio.run(run())


def test_a_far_stem_that_is_turned_up_here_stays_below_the_ceiling(two_servers, noise):
    """It left at twelve decibels too much: there it was limited for no gain, here for none at all."""

    async def run():
        async with two_servers() as (near, _, _):
            request = {**REQUEST, "mode": "bounce", "anticipation_ms": 40.0, "block_samples": 1024}
            opened = await near.open(request, peer=PEER)
            await near.set_control("a", "gain", 12.0, peer=PEER)
            front = FrontEnd(opened, 2 * noise(2, 48000 * 2), 1024)
            front.port.set_offline(True)

            def bounce():
                parts = []
                for at in range(0, 48000 * 2 - 1024, 1024):
                    front.port.write(front.mix[:, at : at + 1024])
                    parts.append(front.port.wait(1024, timeout_s=60.0))
                return np.concatenate(parts, axis=1)

            out = await asyncio.to_thread(bounce)
            assert 0.5 < np.abs(out[:, 9600:]).max() < 10 ** (-1 / 20)
            front.segment.close()

    asyncio.run(run())


def test_on_a_stage_here_the_far_band_rests_when_the_player_stops(two_servers, noise):
    """It played on for ever: there the session is in no mode `live`, and `auto` rests in no other."""

    async def run():
        async with two_servers() as (near, place, _):
            front = FrontEnd(await near.open(REQUEST, peer=PEER), noise(2, 96000), 512)
            (name,) = place.player.sessions

            def rests():
                return place.player.sessions[name].conditions()[0]["rests"]

            assert rests() == 1.0
            await near.set_control("a", "when_silent", "play_on", peer=PEER)
            assert rests() == 0.0
            await near.set_control("a", "when_silent", "auto", peer=PEER)
            assert rests() == 1.0
            await near.set_control("a", "listen", 0, peer=PEER)  # it hears nothing, for nobody stopped
            assert (rests(), place.player.sessions[name].controls["listen"]) == (0.0, 0.0)
            await near.set_control("a", "listen", 1, peer=PEER)
            front.port.tell("control", (float(INDEX["when_silent"]), 2.0))
            front.port.tell("control", (float(INDEX["brightness"]), 0.25))
            await front.play(0.3)
            await until(lambda: place.player.sessions[name].controls["brightness"] == 0.25)
            assert rests() == 0.0
            front.port.tell("control", (float(INDEX["when_silent"]), 0.0))
            await front.play(0.2)
            await until(lambda: rests() == 1.0)
            for mode, expected in (("bounce", 0.0), ("live", 1.0), ("aligned", 0.0)):
                os.close((await near.configure({**REQUEST, "mode": mode}, peer=PEER)).descriptor)
                assert rests() == expected
            front.segment.close()

    asyncio.run(run())


def test_what_was_told_is_told_again_after_a_loss_in_the_new_time(two_servers, noise):
    """The far epoch begins later than ours: a beat must not move by that."""

    async def run():
        async with two_servers() as (near, place, switch):
            opened = await near.open({**REQUEST, "mode": "aligned"}, peer=PEER)
            front = FrontEnd(opened, noise(2, 48000 * 30), 512)
            await near.know({"session": "a", "bpm": 120.0, "first_beat_s": 0.25}, peer=PEER)
            await front.play(0.3)
            await switch.off()
            await front.play_until(lambda: near.status("a", peer=PEER)["state"] == "recovering")
            await front.play(0.3)
            await switch.on()

            def told_again():
                (told,) = [place.known[name] for name in place.player.sessions] or [{}]
                return told if told.get("first_beat_s", 0.25) != 0.25 else {}

            await front.play_until(told_again)
            told = told_again()
            shift_s = 0.25 - told["first_beat_s"]
            assert shift_s > 0.3
            frames = shift_s * 48000 / 1920
            assert frames == pytest.approx(round(frames), abs=1e-6)
            front.segment.close()

    asyncio.run(run())


def test_events_told_before_the_first_block_reach_the_first_frame(two_servers, noise):
    """A host tells its transport, then begins to play: the far epoch begins with the block, not with the event."""

    async def run():
        async with two_servers() as (near, place, _):
            opened = await near.open(REQUEST, peer=PEER)
            front = FrontEnd(opened, noise(2, 96000), 512)
            front.port.tell("transport", (87.0, 0.0, 0.0, 3.0, 4.0), flags=1)
            (name,) = place.player.sessions
            await front.play_until(lambda: place.player.sessions[name].told.transport.bpm == 87.0)
            front.port.begin_epoch()
            front.port.tell("transport", (99.0, 0.0, 0.0, 3.0, 4.0), flags=1)
            front.at = 0
            await front.play_until(lambda: place.player.sessions[name].told.transport.bpm == 99.0)
            front.segment.close()

    asyncio.run(run())


def test_a_server_that_returns_with_another_model_ends_the_sessions(two_servers, make_hub, here):
    """A and L were promised for frames of another length."""

    async def run():
        async with two_servers() as (near, _, switch):
            notices = []
            near.subscribe(PEER, notices.append)
            opened = await near.open(REQUEST, peer=PEER)
            os.close(opened.descriptor)
            await switch.off()
            async with make_hub(here(hop=960)) as other:
                switch.hub = other
                await switch.on()
                await until(lambda: any(notice["type"] == "closed" for notice in notices))
                assert "another model" in notices[-1]["reason"]
                again = await near.open({**REQUEST, "session": "b"}, peer=PEER)
                assert again.spec.hop == 960
                os.close(again.descriptor)
                await near.close("b", peer=PEER)

    asyncio.run(run())


def test_with_keys_on_both_sides_and_a_reason_without(make_hub, here, tmp_path, noise):
    async def run():
        allowed = tmp_path / "clients"
        allowed.mkdir()
        server_public, server_secret = make_keys(tmp_path, "server")
        own_public, own_secret = make_keys(tmp_path, "own")
        async with (
            make_hub(here()) as far,
            zeromq_server(
                far, ZeroMqConfig(port=0, secret_key=server_secret, allowed_keys=allowed)
            ) as server,
            make_hub() as near,
        ):
            config = LinkConfig(
                address=f"tcp://127.0.0.1:{server.address[1]}", server_key=server_public, own_key=own_secret
            )
            callbacks = {"on_lost": near.on_lost, "on_back": near.on_back, "on_ended": near.on_ended}
            refused = UpstreamPlace(config, **callbacks, start_timeout_s=3.0)
            with pytest.raises(WorkerError, match="allowed clients"):
                await refused.start()
            await refused.stop()
            (allowed / "own.key").write_bytes(own_public.read_bytes())
            await near.start([UpstreamPlace(config, **callbacks)])
            opened = await near.open({**REQUEST, "mode": "aligned"}, peer=PEER)
            front = FrontEnd(opened, noise(2, 48000), 512)
            await front.play_until(lambda: front.heard.any())
            front.segment.close()

    asyncio.run(run())
