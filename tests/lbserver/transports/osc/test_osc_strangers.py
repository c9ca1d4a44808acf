# SPDX-License-Identifier: GPL-3.0-or-later
"""The OSC server over real UDP: what a stranger, an attacker and one without the token get."""

import contextlib
import random
import socket
import struct
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest

from lbserver.client.osc import OscClient
from lbserver.errors import LiveBandError
from lbserver.hub.hub import HubError
from lbserver.transports.osc.addresses import compose
from lbserver.transports.osc.doorway import sign
from lbserver.transports.osc.packet import Bundle, Message, message, parse, timed_messages, write
from lbserver.transports.osc.server import OscConfig

TOKEN = b"a token of the test"


# Strangers and attackers


class Stranger:
    """A bare socket that counts its bytes."""

    def __init__(self, server) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(server.address)
        self.sent = self.received = 0

    def send(self, data: bytes) -> None:
        self.sent += len(data)
        self.socket.send(data)

    def answers(self, timeout_s: float = 0.3, *, least: int = 0) -> list[Message]:
        """What comes until for a while nothing does; `least` of them are waited for."""
        answers: list[Message] = []
        while True:
            self.socket.settimeout(60 if len(answers) < least else timeout_s)
            try:
                data = self.socket.recv(1 << 16)
            except TimeoutError:
                return answers
            self.received += len(data)
            answers += [one for _, one in timed_messages(parse(data))]


@pytest.mark.parametrize(
    "one",
    [
        message("/lb/open", "mine", "bass", 48000, 2, 128, "live"),
        message("/lb/close", "guitar"),
        message("/lb/guitar/subscribe"),
        Message("/lb/guitar/audio", "iihib", (1, 0, 0, 0, bytes(512))),
        message("/lb/guitar/resend", 1, 0, 1000),
        message("/lb/cookie", "k" + 24 * "0"),
    ],
    ids=lambda one: one.address,
)
def test_a_stranger_opens_nothing_and_is_told_why(band, opened, sessions, one: Message) -> None:
    server = band.serve()
    client, _ = opened(server)
    stranger = Stranger(server)
    stranger.send(write(one))
    (answer,) = stranger.answers(least=1)
    assert answer.address == "/lb/error"
    assert answer.arguments[0] == "unauthorised"
    assert "hello" in answer.arguments[1]
    assert set(sessions(band)) == {"guitar"}
    assert server.guests == 1
    client.close()


def test_a_forged_source_is_never_sent_more_than_three_times_what_was_sent(band) -> None:
    """Every request of the table, and bundles full of hellos, in the name of a victim elsewhere."""
    server = band.serve(token=TOKEN)
    stranger = Stranger(server)
    hello = sign(message("/lb/hello", 1, 0, ""), TOKEN, 1, "")
    every = [
        hello,
        message("/lb/hello", 1, 0, ""),
        message("/lb/hello", 2, 0, "x"),
        message("/lb/ping", 1),
        message("/lb/panic"),
        message("/lb/guitar/set/gain", 0.0),
        message("/no/such/address"),
        Message("/x"),
    ]
    for one in every:
        stranger.send(write(one))
    stranger.send(write(Bundle(1, (hello,) * 60)))
    stranger.send(b"#bundle\0" + bytes(7) + b"\1" + b"\xff\xff\xff\xfc")
    answers = stranger.answers(0.5, least=1)
    assert any(answer.address == "/lb/welcome" for answer in answers)
    assert stranger.received <= 3 * stranger.sent
    assert server.guests == 0
    for one in every[1:]:
        single = Stranger(server)
        single.send(write(one))
        single.answers(0.2)
        assert single.received <= single.sent, one.address


def test_packets_in_a_victims_name_bring_it_at_most_three_times_their_bytes(band, sessions) -> None:
    """A real forgery: datagrams with another address as their source, as a reflector is abused."""
    server = band.serve(token=TOKEN)
    client = OscClient(server.address, token=TOKEN, timeout_s=60)
    client.enter()
    stream = client.open("guitar", stem="bass", rate_hz=48000, channels=2)
    try:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    except PermissionError:
        pytest.skip("forging a source needs CAP_NET_RAW")
    victim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    victim.bind(("127.0.0.9", 0))
    victim.settimeout(60)
    sent = 0
    for one in (
        sign(message("/lb/hello", 1, 0, ""), TOKEN, 1, ""),
        message("/lb/cookie", "k" + 24 * "0"),
        message("/lb/open", "stolen", "bass", 48000, 2, 128, "live"),
        message("/lb/guitar/subscribe"),
        message("/lb/guitar/resend", stream._mix.stream, 0, 1000),
        message("/lb/ping", 1),
        message("/nonsense"),
    ):
        for _ in range(10):
            data = write(one)
            sent += len(data)
            ports = struct.pack(">HH", victim.getsockname()[1], server.address[1])
            udp = ports + struct.pack(">HH", 8 + len(data), 0) + data
            addresses = socket.inet_aton("127.0.0.9") + socket.inet_aton("127.0.0.1")
            header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + addresses
            raw.sendto(header + udp, ("127.0.0.1", 0))
    received = 0
    with contextlib.suppress(TimeoutError):
        while True:
            received += len(victim.recv(1 << 16))
            victim.settimeout(0.5)
    assert 0 < received <= 3 * sent  # it was reached, so the forgery works
    assert set(sessions(band)) == {"guitar"}
    assert server.guests == 1
    for one in (raw, victim, client):
        one.close()


def test_ten_thousand_bad_packets_and_the_server_still_plays(band, until, opened, sessions) -> None:
    server = band.serve()
    client, _ = opened(server)
    stranger = Stranger(server)
    rng, begun_s = random.Random(6), time.monotonic()
    seeds = [
        write(message("/lb/guitar/set/gain", 0.5)),
        write(message("/lb/open", "a", "bass", 48000, 2, 128, "live")),
        write(Bundle(1, (message("/lb/hello", 1, 0, "x"), message("/lb/guitar/beat", 1.0, 4.0)))),
        write(Message("/lb/guitar/audio", "iihib", (1, 0, 0, 0, bytes(64)))),
        b"#bundle\0" + bytes(7) + b"\1" + b"\xff\xff\xff\xfc",
    ]
    for number in range(10_000):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(0, 5)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        (stranger if number % 2 else client).socket.send(bytes(data))
        if number % 100 == 0:
            time.sleep(0.01)
    codes = Counter(one.arguments[0] for one in stranger.answers(0.5, least=1) if one.address == "/lb/error")
    most = 10 * (time.monotonic() - begun_s) + 10
    assert codes
    assert max(codes.values()) <= most  # ten a second of each cause

    def answered() -> bool:  # a datagram may be lost: both sockets were flooded
        client.call("/lb/ping", 77)
        return any(call.arguments.get("number") == 77 for call, _ in client.receive(0.2))

    until(answered)
    assert server.faults == 0
    assert "guitar" in sessions(band)
    client.close()


def test_a_fault_of_ours_is_told_and_the_server_lives(band, opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in a handler that takes the whole transport with it (oscpy, scsynth)."""
    server = band.serve()
    client, _ = opened(server)

    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    for where, what in ((server._control, "_set"), (server._stage, "hear"), (server, "_watcher")):
        monkeypatch.setattr(where, what, fail)
    client.call("/lb/<session>/set/<control>", 1.0, session="guitar", control="gain")
    client.call("/lb/<session>/resend", 1, 0, 0, session="guitar")
    client.call("/lb/<session>/subscribe", session="guitar")
    for _ in range(3):
        with pytest.raises(LiveBandError, match="internal"):
            client.expect("/lb/pong")
    client.call("/lb/ping", 4)
    client.expect("/lb/pong")
    assert server.faults == 3
    client.close()


def test_a_hub_that_cannot_answer_for_a_while_ends_nothing(
    band, opened, until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a worker is restarted the hub refuses to tell: status must come again by itself after that."""
    server = band.serve()
    client, _ = opened(server)

    refused: list[int] = []

    def refuse(*_: object, **__: object) -> None:
        refused.append(1)
        raise HubError("crashed", "no worker is ready")

    with monkeypatch.context() as patch:
        for what in ("sessions", "status"):
            patch.setattr(band.hub, what, refuse)
        until(lambda: len(refused) > 20)  # ten times a second, and once to keep house
    client.receive(0.1)
    client.heard.clear()
    client.expect("/lb/<session>/status/<name>")
    assert set(server.links) == {"guitar"}
    assert server.faults == 0
    client.close()


def test_packets_of_an_opening_that_is_over_are_not_heard(band, opened, play, noise) -> None:
    """Open anew: whatever of the old stream is still on its way must fall silent."""
    server = band.serve()
    client, old = opened(server)
    play(old, noise(6000))
    new = client.open("guitar", stem="bass", rate_hz=44100, channels=1, mode="aligned")
    assert new.latency_samples > 0
    assert set(server.links) == {"guitar"}
    old.send(noise(6000))
    heard = play(new, np.zeros((1, 44100), np.float32))
    assert np.nanmax(np.abs(heard)) == 0.0
    assert server.links["guitar"].buffer.counts.received == new._mix.sequence
    client.close()


def test_nobody_else_feeds_a_session(band, opened) -> None:
    server = band.serve()
    client, stream = opened(server)
    other = OscClient(server.address, timeout_s=60)
    other.enter()
    other.send(Message("/lb/guitar/audio", "iihib", (stream._mix.stream, 0, 0, 0, bytes(512))))
    with pytest.raises(LiveBandError, match="unknown_session"):
        other.expect("/lb/pong")
    assert server.links["guitar"].buffer.counts.received == 0
    client.close()
    other.close()


def test_sessions_are_opened_at_a_bounded_rate_and_number(band) -> None:
    server = band.serve(opens_per_s=0.001, opens_burst=9)
    client = OscClient(server.address, timeout_s=60)
    client.enter()
    for number in range(8):
        client.open(f"s{number}", stem="bass", rate_hz=48000, channels=1)
    with pytest.raises(LiveBandError, match="busy"):
        client.open("s8", stem="bass", rate_hz=48000, channels=1)
    with pytest.raises(LiveBandError, match="too fast"):
        client.open("s9", stem="bass", rate_hz=48000, channels=1)
    client.close()


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"rate_hz": 1000}, "rate_hz"),
        ({"channels": 0}, "channels"),
        ({"stem": "kazoo"}, "kazoo"),
        ({"mode": "sideways"}, "mode"),
        ({"mode": "bounce"}, "local socket"),
        ({"session": "no/slash"}, "session name"),
    ],
)
def test_a_wrong_wish_is_refused_with_what_is_accepted(band, wish: dict[str, Any], words: str) -> None:
    server = band.serve()
    client = OscClient(server.address, timeout_s=60)
    client.enter()
    values = {"session": "guitar", "stem": "bass", "rate_hz": 48000, "channels": 2}
    with pytest.raises(LiveBandError, match=words):
        client.open(**(values | wish))
    client.close()


def test_another_major_version_is_told_so(band) -> None:
    client = OscClient(band.serve().address, timeout_s=60)
    client.call("/lb/hello", 9, 0, "a client of the future, " * 5)
    with pytest.raises(LiveBandError, match=r"version: .*you speak protocol 9"):
        client.expect("/lb/welcome")
    client.close()


# Tokens


def test_listening_elsewhere_needs_a_token() -> None:
    for host in ("0.0.0.0", "192.168.1.2", "::"):
        with pytest.raises(LiveBandError, match="token"):
            OscConfig(host=host)
        OscConfig(host=host, token=TOKEN)
    with pytest.raises(LiveBandError, match="short"):
        OscConfig(host="0.0.0.0", token=b"short")
    with pytest.raises(LiveBandError, match="redundancy"):
        OscConfig(redundancy=9)
    with pytest.raises(LiveBandError, match="patience"):
        OscConfig(patience_ms=0.0)


def test_with_a_token_all_is_signed_and_nothing_else_gets_an_answer(
    band, until, controls, play, noise
) -> None:
    server = band.serve(token=TOKEN)
    stranger = Stranger(server)
    for one in (
        message("/lb/hello", 1, 0, "x"),
        message("/lb/ping", 1),
        message("/lb/panic"),
        sign(message("/lb/hello", 1, 0, "x"), b"another token......", 1, ""),
        sign(message("/lb/ping", 1), TOKEN, 1, ""),
    ):
        stranger.send(write(one))
    stranger.send(b"rubbish!")
    assert stranger.answers() == []
    client = OscClient(server.address, token=TOKEN, timeout_s=60)
    client.enter()
    stream = client.open("guitar", stem="bass", rate_hz=48000, channels=2)
    heard = play(stream, noise(24000))
    assert np.nanmax(np.abs(heard)) > 0.1
    client.call("/lb/<session>/set/<control>", -9.0, session="guitar", control="gain")
    until(lambda: controls(band)["gain"] == -9.0)
    client.close()


def test_a_signed_message_works_once_and_from_its_sender_only(band, until, controls) -> None:
    server = band.serve(token=TOKEN)
    client = OscClient(server.address, token=TOKEN, timeout_s=60)
    client.enter()
    client.open("guitar", stem="bass", rate_hz=48000, channels=2)
    louder = write(
        client._signed(compose("/lb/<session>/set/<control>", -20.0, session="guitar", control="gain"))
    )
    client.socket.send(louder)
    until(lambda: controls(band)["gain"] == -20.0)
    client.call("/lb/<session>/set/<control>", 0.0, session="guitar", control="gain")
    until(lambda: controls(band)["gain"] == 0.0)
    client.socket.send(louder)  # again
    stranger = Stranger(server)
    stranger.send(louder)  # from elsewhere
    with pytest.raises(LiveBandError, match="came before"):
        client.expect("/lb/pong")
    assert controls(band)["gain"] == 0.0
    assert stranger.answers() == []
    client.close()
