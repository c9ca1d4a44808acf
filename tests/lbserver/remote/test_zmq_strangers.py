# SPDX-License-Identifier: GPL-3.0-or-later
"""The ZeroMQ transport before strangers: refusals, garbage, floods, keys, and other people's sessions."""

import asyncio
import contextlib
import socket as sockets
import struct
import time

import numpy as np
import pytest

from lbserver.errors import LiveBandError
from lbserver.host.keys import make_keys, read_pair, read_public
from lbserver.protocol import MAJOR
from lbserver.protocol.wire import pack
from lbserver.testing.waiting import until_async as until
from lbserver.transports.zeromq import ZeroMqConfig


def test_another_major_version_is_refused_with_a_text(serving):
    async def run():
        async with serving() as (_, _, connect):
            client = await connect(greet=False)
            begun = time.monotonic()
            answer = await client.hello(major=MAJOR + 1)
            assert time.monotonic() - begun < 20.0
            assert (answer["type"], answer["code"]) == ("error", "version")
            assert str(MAJOR) in answer["text"]
            # One that has other fields as well.
            answer = await client.raw(pack({"type": "hello", "major": MAJOR + 7, "name": 5}))
            assert answer["code"] == "version"
            assert (await client.hello())["type"] == "welcome"

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
                    raw = sockets.create_connection(server.address, timeout=60.0)
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
        with contextlib.suppress(OSError), sockets.create_connection(address, timeout=60.0) as raw:
            greeting = b"\xff" + bytes(7) + b"\x01\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)
            ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
            raw.sendall(greeting)
            raw.recv(64, sockets.MSG_WAITALL)
            raw.sendall(b"\x04" + bytes([len(ready)]) + ready)
            raw.recv(64)  # the server is ready as well; whoever does not wait for it is let go
            part = b"\x03" + struct.pack(">Q", 1 << 20) + bytes(1 << 20)
            for _ in range(600):
                raw.sendall(part)
                sent.append(1)
                time.sleep(0.005)  # so that who looks at the memory gets a look in

    async def run():
        async with serving(most_growth_bytes=64 << 20) as (_, server, connect):
            client = await connect(greet=False)
            await client.hello(token="mine")
            await client.open("a")
            sent = []
            await asyncio.to_thread(attack, server.address, sent)
            await until(lambda: server.restarts)
            assert server.restarts == 1
            assert len(sent) < 500
            again = await connect(greet=False)
            assert (await again.hello(token="mine"))["type"] == "welcome"
            assert (await again.open("a"))["type"] == "opened"
            _, stem = await again.play("a", noise(2, 4096), 512)
            assert stem.shape == (2, 4096)

    asyncio.run(run())


def older(*messages: bytes) -> bytes:
    """Messages as ZMTP 1.0 has them, before there were versions: no greeting, a length, a byte of flags, the data."""
    return b"".join(bytes([len(data) + 1, 0]) + data for data in messages)


def posted(messages: bytes) -> bytes:
    """A form of a web page that a browser sends across sites, which reads as frames of ZMTP 1.0 that end in `messages`."""
    for padding in range(256):
        page = (
            b"POST /" + b"B" * padding + b" HTTP/1.1\r\nHost: 127.0.0.1:9462\r\nContent-Type: text/plain\r\n"
        )
        head = page + b"Content-Length: 400\r\n\r\n"
        at, more = 0, 1
        while at < len(head) - 1:
            more, at = head[at + 1] & 1, at + 1 + head[at]
        if not more and at >= len(head):
            return head + b"B" * (at - len(head)) + messages
    raise AssertionError("no such form")


@pytest.mark.parametrize("form", [False, True], ids=["bare", "a web page's form"])
def test_who_speaks_an_older_protocol_is_refused(serving, form):
    """Without keys a page of the web opened sessions and overwrote kept moments: its bytes passed for old frames."""
    hello = pack({"type": "hello", "major": 1, "minor": 0, "client": "page"})
    wish = {"rate_hz": 48000, "channels": 1, "block_samples": 64, "mode": "live", "stem": "bass"}
    frames = older(hello, pack({"type": "open", "session": "web", **wish}))
    data = posted(frames) if form else b"\1\0" + frames

    async def run():
        async with serving() as (hub, server, connect):
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write(data)
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(60):
                    while await reader.read(4096):  # what the server has to say before it hangs up
                        pass
            writer.close()
            client = await connect()
            assert (await client.ask("ping"))["type"] == "pong"
            assert server.clients == 1
            assert hub.sessions() == {}

    asyncio.run(run())


@pytest.mark.parametrize("version", [1, 2])
def test_a_greeting_of_an_older_version_gets_no_further(serving, version):
    async def run():
        async with serving() as (_, server, _):
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write(b"\xff" + bytes(7) + b"\1\x7f" + bytes([version - 1]) + b"\5" + b"\0\0" * 8)
            async with asyncio.timeout(60):
                with contextlib.suppress(ConnectionError):
                    while await reader.read(4096):
                        pass
            writer.close()
            assert server.clients == 0

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


def test_with_keys_a_listener_learns_nothing_and_can_repeat_nothing(serving, tmp_path, noise):
    """What is sent in the open can be read, and sent again: a session of that name, a moment overwritten."""
    allowed = tmp_path / "clients"
    public, secret = make_keys(tmp_path, "server")
    friend_public, friend = make_keys(tmp_path / "friend", "friend")
    allowed.mkdir()
    (allowed / "friend.key").write_bytes(friend_public.read_bytes())
    pair = read_pair(friend)
    keys = {
        "curve_serverkey": read_public(public),
        "curve_publickey": pair.public,
        "curve_secretkey": pair.secret,
    }
    mix = noise(2, 4096)

    async def run():
        async with serving(secret_key=secret, allowed_keys=allowed) as (hub, server, connect):
            heard = {"up": b"", "down": b""}

            async def tap(reader, writer):
                to_server = await asyncio.open_connection(*server.address)

                async def pass_on(name, source, sink):
                    while data := await source.read(1 << 16):
                        heard[name] += data
                        sink.write(data)

                with contextlib.suppress(ConnectionError):
                    await asyncio.gather(
                        pass_on("up", reader, to_server[1]), pass_on("down", to_server[0], writer)
                    )

            listener = await asyncio.start_server(tap, "127.0.0.1", 0)
            port = listener.sockets[0].getsockname()[1]
            client = type(await connect(greet=False, **keys))(port, **keys)
            assert (await client.hello())["type"] == "welcome"
            await client.open("a song of mine")  # refused: no such names
            assert (await client.open("song"))["type"] == "opened"
            await client.play("song", mix, 512)
            assert len(heard["up"]) > mix.nbytes
            for secret_text in (b"hello", b"song", b"opened", b"welcome", mix[0, :64].tobytes()):
                assert secret_text not in heard["up"] + heard["down"]
            await client.ask("close", session="song")
            client.close()
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write(heard["up"])
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(60):
                    while await reader.read(1 << 16):
                        pass  # until it is hung up on
            writer.close()
            assert hub.sessions() == {}
            listener.close()

    asyncio.run(run())


def test_who_connects_and_never_shakes_hands_is_hung_up_on(serving):
    """Half-open connections held a descriptor each for as long as they liked; the hub never heard of them."""

    async def run():
        async with serving() as (_, server, connect):
            silent = [await asyncio.open_connection(*server.address) for _ in range(20)]
            for _, writer in silent[10:]:
                writer.write(b"\xff" + bytes(8) + b"\x7f\x03")  # the beginning of a greeting
            async with asyncio.timeout(60):
                for reader, writer in silent:
                    with contextlib.suppress(ConnectionError):
                        while await reader.read(64):
                            pass
                    writer.close()
            assert server.clients == 0
            assert (await (await connect()).ask("ping"))["type"] == "pong"

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
