# SPDX-License-Identifier: GPL-3.0-or-later
"""The ZeroMQ transport, asked by a plain DEALER: what a client in another language would see."""

import asyncio
import contextlib
import itertools
import socket as sockets
import struct
import time

import numpy as np
import pytest
import zmq
import zmq.asyncio

from lbserver.engine.budget import Budget
from lbserver.errors import LiveBandError
from lbserver.protocol import MAJOR, MINOR
from lbserver.transports.keys import make_keys, read_pair, read_public
from lbserver.transports.zeromq import ZeroMqConfig, zeromq_server
from lbserver.wire import pack, unpack


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

    async def raw(self, data, timeout_s=2.0):
        await self.socket.send(data)
        return await self.receive(timeout_s)

    async def receive(self, timeout_s=2.0):
        return unpack(await asyncio.wait_for(self.socket.recv(), timeout_s))

    async def ask(self, kind, **parts):
        number = next(self.ids)
        await self.socket.send(pack({"type": kind, "id": number, **parts}))
        while (message := await self.receive(5.0)).get("id") != number:
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
            stem = await self.receive(10.0)
            assert stem["type"] == "stem", stem
            first = stem["position"] if first is None else first
            replies.append(np.frombuffer(stem["data"], np.float32).reshape(stem["channels"], -1))
        return first, np.concatenate(replies, axis=1)

    def close(self):
        self.context.destroy(linger=0)


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
            with contextlib.suppress(TimeoutError):
                while True:
                    message = await client.receive(0.3)
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


def test_another_major_version_is_refused_with_a_text(serving):
    async def run():
        async with serving() as (_, _, connect):
            client = await connect(greet=False)
            begun = time.monotonic()
            answer = await client.hello(major=MAJOR + 1)
            assert time.monotonic() - begun < 1.0
            assert (answer["type"], answer["code"]) == ("error", "version")
            assert str(MAJOR) in answer["text"]
            # One that has other fields as well.
            answer = await client.raw(pack({"type": "hello", "major": MAJOR + 7, "name": 5}))
            assert answer["code"] == "version"
            assert (await client.hello())["type"] == "welcome"

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


def test_nothing_is_done_for_who_has_not_said_hello(serving):
    async def run():
        async with serving() as (hub, server, connect):
            client = await connect(greet=False)
            assert (await client.open("a"))["code"] == "unauthorised"
            assert not hub.sessions()
            assert server.clients == 0

    asyncio.run(run())


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", b"\x91" * 5000, b"\xdd\xff\xff\xff\xff", b"\x80", pack({"type": 5}), pack({"type": "open"}),
     b"x" * 5000],
)  # fmt: skip
def test_a_damaged_message_is_refused_in_words_and_the_next_is_served(serving, data):
    async def run():
        async with serving() as (_, _, connect):
            client = await connect()
            answer = await client.raw(data)
            assert (answer["type"], answer["code"]) == ("error", "bad_message")
            assert (await client.ask("ping"))["type"] == "pong"

    asyncio.run(run())


def test_sessions_of_others_cannot_be_touched(serving, noise):
    async def run():
        async with serving() as (_, _, connect):
            mine, other = await connect(), await connect()
            await mine.open("a")
            for kind, parts in {
                "set": {"control": "gain", "value": 0.0},
                "know": {"bpm": 100.0},
                "status": {},
                "close": {},
                "configure": {"rate_hz": 48000, "channels": 2, "block_samples": 64, "mode": "live"},
                "keep": {"name": "x"},
            }.items():
                assert (await other.ask(kind, session="a", **parts))["code"] == "unknown_session"
            assert (await other.open("a"))["code"] == "busy"
            audio = {"epoch": 1, "position": 0, "channels": 2, "format": "f32", "data": bytes(4096)}
            assert (await other.ask("audio", session="a", **audio))["code"] == "unknown_session"
            assert (await other.ask("sessions"))["sessions"] == {}
            assert (await mine.ask("status", session="a"))["status"]["state"] == "listening"

    asyncio.run(run())


def test_a_flood_of_sessions_ends_in_refusals(serving):
    async def run():
        async with serving() as (hub, _, connect):
            client = await connect()
            answers = [await client.open(f"s{n}") for n in range(12)]
            assert [answer["type"] for answer in answers] == ["opened"] * 8 + ["error"] * 4
            assert {answer["code"] for answer in answers[8:]} == {"busy"}
            assert len(hub.sessions()) == 8

    asyncio.run(run())


def test_who_vanishes_is_forgotten_and_found_again_by_its_token(serving, noise):
    """A connection that dies costs the session only its time: the same token takes it up."""

    async def run():
        async with serving(silent_s=0.4) as (hub, server, connect):
            first = await connect(greet=False)
            await first.hello(token="0123456789abcdef")
            await first.open("a")
            first.close()
            for _ in range(100):
                if server.clients == 0:
                    break
                await asyncio.sleep(0.02)
            assert server.clients == 0
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


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": 1},
        {"format": "f64"},
        {"data": bytes(4095)},
        {"position": 4096},
        {"data": bytes(1 << 19)},
        {"position": -1},
    ],
)
def test_audio_that_cannot_be_is_refused_and_what_follows_is_played(serving, noise, wrong):
    async def run():
        async with serving() as (_, _, connect):
            client = await connect()
            await client.open("a", rate_hz=8000)
            audio = {
                "epoch": 1,
                "position": 0,
                "channels": 2,
                "format": "f32",
                "data": bytes(4096),
                "reply": True,
            }
            answer = await client.ask("audio", session="a", **(audio | wrong))
            assert answer["code"] == "bad_message"
            _, stem = await client.play("a", noise(2, 2048), 512, epoch=2)
            assert stem.shape == (2, 2048)

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


def test_garbage_on_the_port_leaves_a_client_served(serving, noise):
    """Three hundred connections that talk nonsense or nothing: whoever is in goes on, whoever knocks comes in."""

    async def run():
        async with serving() as (_, server, connect):
            client = await connect()
            await client.open("a")
            rng = np.random.default_rng(3)
            junk = []
            try:
                for number in range(300):
                    raw = sockets.create_connection(server.address, timeout=1.0)
                    raw.setblocking(False)
                    junk.append(raw)
                    with contextlib.suppress(OSError):
                        match number % 4:
                            case 0:
                                raw.send(rng.bytes(200))
                            case 1:
                                raw.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                            case 2:
                                raw.send(b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL" + bytes(48) + rng.bytes(64))
                    if number % 50 == 0:
                        assert (await client.ask("ping"))["type"] == "pong"
                _, stem = await client.play("a", noise(2, 8192), 512)
                assert stem.shape == (2, 8192)
                late = await connect()
                assert (await late.open("b"))["type"] == "opened"
            finally:
                for raw in junk:
                    raw.close()
            assert server.clients == 2

    asyncio.run(run())


def test_a_message_without_end_takes_a_connection_not_the_memory(serving, noise):
    """Parts of a message are kept until the last has come, and ZeroMQ has no limit for that: one raw connection
    made the server grow by 400 MB in a second."""

    def attack(address, sent):
        with contextlib.suppress(OSError), sockets.create_connection(address, timeout=5.0) as raw:
            greeting = b"\xff" + bytes(7) + b"\x01\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)
            ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
            raw.sendall(greeting)
            raw.recv(64)
            raw.sendall(b"\x04" + bytes([len(ready)]) + ready)
            part = b"\x03" + struct.pack(">Q", 1 << 20) + bytes(1 << 20)
            for _ in range(600):
                raw.sendall(part)
                sent.append(1)

    async def run():
        async with serving(most_growth_bytes=64 << 20) as (_, server, connect):
            client = await connect(greet=False)
            await client.hello(token="mine")
            await client.open("a")
            sent = []
            await asyncio.to_thread(attack, server.address, sent)
            for _ in range(100):
                if server.restarts:
                    break
                await asyncio.sleep(0.05)
            assert server.restarts == 1
            assert len(sent) < 500
            again = await connect(greet=False)
            assert (await again.hello(token="mine"))["type"] == "welcome"
            assert (await again.open("a"))["type"] == "opened"
            _, stem = await again.play("a", noise(2, 4096), 512)
            assert stem.shape == (2, 4096)

    asyncio.run(run())


def test_off_this_machine_only_with_keys(tmp_path):
    with pytest.raises(LiveBandError, match="needs keys"):
        ZeroMqConfig(host="0.0.0.0")
    with pytest.raises(LiveBandError, match="come together"):
        ZeroMqConfig(secret_key=tmp_path / "x.key_secret")


def test_with_keys_only_who_is_on_the_list_comes_in(serving, tmp_path):
    """And the list can grow while the server runs."""
    allowed = tmp_path / "clients"
    allowed.mkdir()
    public, secret = make_keys(tmp_path, "server")
    friend_public, friend = make_keys(tmp_path / "friend", "friend")
    stranger_public, stranger = make_keys(tmp_path / "stranger", "stranger")
    (allowed / "friend.key").write_bytes(friend_public.read_bytes())

    def as_client(path, server=None):
        pair = read_pair(path)
        return {
            "curve_serverkey": server or read_public(public),
            "curve_publickey": pair.public,
            "curve_secretkey": pair.secret,
        }

    async def run():
        async with serving(secret_key=secret, allowed_keys=allowed) as (_, server, connect):
            client = await connect(**as_client(friend))
            assert (await client.open("a"))["type"] == "opened"
            for options in (
                {},
                as_client(stranger),
                as_client(friend, server=read_pair(stranger).public),
            ):
                outsider = await connect(greet=False, **options)
                with pytest.raises(TimeoutError):
                    await outsider.raw(
                        pack({"type": "hello", "major": MAJOR, "minor": 0, "client": "x"}), 0.5
                    )
            assert server.clients == 1
            (allowed / "stranger.key").write_bytes(stranger_public.read_bytes())
            newcomer = await connect(**as_client(stranger))
            assert (await newcomer.open("a"))["code"] in ("busy", "unauthorised")

    asyncio.run(run())


def test_a_taken_port_is_said(make_hub, here):
    async def run():
        async with make_hub(here()) as hub, zeromq_server(hub, ZeroMqConfig(port=0)) as server:
            with pytest.raises(LiveBandError, match=str(server.address[1])):
                async with zeromq_server(hub, ZeroMqConfig(port=server.address[1])):
                    pass

    asyncio.run(run())


def test_keys_are_private_and_never_overwritten(tmp_path):
    public, secret = make_keys(tmp_path / "keys", "me")
    assert secret.stat().st_mode & 0o777 == 0o600
    assert read_pair(secret).public == read_public(public)
    with pytest.raises(LiveBandError, match="already"):
        make_keys(tmp_path / "keys", "me")
    secret.chmod(0o644)
    with pytest.raises(LiveBandError, match="chmod 600"):
        read_pair(secret)
    with pytest.raises(LiveBandError, match="no name"):
        make_keys(tmp_path, "../evil")
    path = tmp_path / "empty.key"
    path.write_text("curve\n")
    with pytest.raises(LiveBandError, match="no public-key"):
        read_public(path)


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
            with contextlib.suppress(TimeoutError):
                while True:
                    message = await client.receive(0.3)
                    stems[message["position"]] = np.frombuffer(message["data"], np.float32).reshape(2, -1)
            again = [start for start in sorted(stems) if start >= 48000 * 3 + 4800]
            assert again
            exact = 0
            for start in again:
                samples = stems[start].shape[-1]
                exact += np.array_equal(stems[start], mix[:, start - 1920 : start - 1920 + samples])
            assert exact >= len(again) - 1  # but for the fade in

    asyncio.run(run())
