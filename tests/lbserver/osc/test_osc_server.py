# SPDX-License-Identifier: GPL-3.0-or-later
"""The OSC server over real UDP: what a patch, a live-coder, a stranger and an attacker get."""

import contextlib
import os
import random
import signal
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.udp_client import SimpleUDPClient

from lbserver.engine.hub import HubError, Peer
from lbserver.errors import LiveBandError
from lbserver.protocol.controls import CONTROLS
from lbserver.protocol.status import STATUS
from lbserver.transports.osc.addresses import compose
from lbserver.transports.osc.client import OscClient, OscStream
from lbserver.transports.osc.doorway import sign
from lbserver.transports.osc.packet import Bundle, Message, message, parse, timed_messages, write
from lbserver.transports.osc.schedule import time_tag
from lbserver.transports.osc.server import OscConfig

RATE_HZ = 48000
ME = Peer(kind="osc", identity="test", trusted=True)
TOKEN = b"a token of the test"


def until(good: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """What `good` gives as soon as it is true; a generous limit."""
    deadline_s = time.monotonic() + timeout_s
    while not (value := good()):
        assert time.monotonic() < deadline_s, "it never came"
        time.sleep(0.01)
    return value


def opened(server, session: str = "guitar", **wish: Any) -> tuple[OscClient, OscStream]:
    client = OscClient(server.address)
    client.enter()
    values = {"stem": "bass", "rate_hz": RATE_HZ, "channels": 2}
    return client, client.open(session, **(values | wish))


def controls(band, session: str = "guitar") -> dict[str, float]:
    return band.run(lambda: band.hub.controls(session, peer=ME))


def sessions(band) -> dict[str, dict[str, Any]]:
    return band.run(lambda: band.hub.sessions())


def play(stream: OscStream, mix: np.ndarray, *, block: int = 128, rest_s: float = 1.0) -> np.ndarray:
    """Send in real time, and place by position what comes back; NaN where nothing came."""
    heard = np.full((stream.stem_channels, mix.shape[-1]), np.nan, np.float32)
    begun_s, start = time.monotonic(), stream.position
    rate_hz = stream.buffer._rate_hz

    def listen(timeout_s: float) -> None:
        for piece in stream.receive(timeout_s):
            if piece.audio is not None and piece.position + piece.samples > start:
                at = piece.position - start
                heard[:, max(0, at) : max(0, at + piece.samples)] = piece.audio[:, max(0, -at) :]

    for at in range(0, mix.shape[-1], block):
        stream.send(mix[:, at : at + block])
        listen(0.0)
        while time.monotonic() < begun_s + (at + block) / rate_hz:
            listen(0.002)
    end_s = time.monotonic() + rest_s
    while stream.buffer.position < stream.position and time.monotonic() < end_s:
        listen(0.01)
    return heard


def noise(samples: int, channels: int = 2) -> np.ndarray:
    return (0.1 * np.random.default_rng(11).standard_normal((channels, samples))).astype(np.float32)


# Law 1


def wrong_samples(server, heard: np.ndarray, mix: np.ndarray, offset: int) -> int:
    """Samples that are not the mix `offset` earlier, beyond those that the server itself counted as missing and faded.

    On a busy machine a stem may come too late: it is silent then, faded on both sides, and never shifted.
    """
    first = offset + 1000  # the fade in of the beginning is over
    came = ~np.isnan(heard[0])
    came[:first] = False
    at = np.flatnonzero(came)
    assert at.size > 0.5 * (heard.shape[-1] - first)
    wrong = np.count_nonzero(np.any(heard[:, at] != mix[:, at - offset], axis=0))
    port = server.links["guitar"]._port
    return max(0, wrong - port.missing_samples - 1000 * port.gaps)


@pytest.mark.parametrize(
    ("rate_hz", "block", "channels", "wish"),
    [
        (48000, 128, 2, {"mode": "live"}),
        (48000, 441, 1, {"mode": "live"}),
        (48000, 128, 2, {"mode": "aligned"}),
        (48000, 64, 2, {"mode": "manual", "anticipation_ms": 120.0}),
        (48000, 1024, 2, {"mode": "live", "redundancy": 2}),
    ],
)
def test_law_1_over_udp_the_stem_lies_where_the_figures_say(band, rate_hz, block, channels, wish) -> None:
    """What is reported against what is measured, to the sample: one copied frame, A*H and L later."""
    server = band.serve()
    client, stream = opened(server, rate_hz=rate_hz, channels=channels, block_samples=block, **wish)
    mix = noise(rate_hz, channels)
    heard = play(stream, mix, block=block)
    offset = round(stream.anticipation_samples) + stream.latency_samples + 1920
    assert wrong_samples(server, heard, mix, offset) == 0
    client.close()


def test_law_1_at_another_rate_the_impulse_lies_where_the_figures_say(band) -> None:
    client, stream = opened(band.serve(), rate_hz=44100, channels=1)
    mix = np.zeros((1, 44100), np.float32)
    mix[:, 20000] = 1.0
    heard = np.nan_to_num(play(stream, mix))
    assert (
        np.argmax(np.abs(heard[0]))
        == 20000 + round(stream.anticipation_samples) + stream.latency_samples + 1764
    )
    client.close()


def test_int16_streams_are_answered_in_int16(band) -> None:
    server = band.serve()
    client, stream = opened(server, channels=1, sample_format="i16")
    mix = noise(24000, 1)
    heard = play(stream, mix)
    offset = round(stream.anticipation_samples) + 1920
    assert wrong_samples(server, heard, np.round(mix * 32768) / np.float32(32768), offset) == 0
    client.close()


def test_packets_lost_on_the_way_in_and_out_are_asked_for_again(band) -> None:
    """Every tenth packet is dropped on both ways: what comes back is whole and in its place."""
    server = band.serve()
    client, stream = opened(server)
    real_send, real_receive, count = client.socket.send, client.socket.recv, [0, 0]

    class Lossy:
        def send(self, data: bytes) -> int:
            count[0] += 1
            return len(data) if count[0] % 10 == 5 and b"/audio" in data[:32] else real_send(data)

        def recv(self, size: int) -> bytes:
            while True:
                data = real_receive(size)
                count[1] += 1
                if count[1] % 10 != 5 or b"/stem" not in data[:32]:
                    return data

        def __getattr__(self, name: str) -> Any:
            return getattr(real_socket, name)

    real_socket = client.socket
    client.socket = Lossy()  # type: ignore[assignment]
    mix = noise(RATE_HZ)
    heard = play(stream, mix)
    offset = round(stream.anticipation_samples) + 1920
    assert wrong_samples(server, heard, mix, offset) == 0
    assert stream.buffer.counts.recovered > 10
    real_socket.close()


def test_a_worker_that_is_killed_leaves_a_hole_and_nothing_shifts(band) -> None:
    """The stream over OSC outlives it: silence, then the stem again at its place, bit for bit."""
    server = band.serve()
    client, stream = opened(server)
    place = band.hub.places[0]
    restarts = place.restarts
    first = play(stream, noise(RATE_HZ // 2))
    os.kill(place.pid, signal.SIGKILL)
    until(lambda: place.restarts > restarts and place.up)
    play(stream, noise(RATE_HZ))  # it finds its way back
    start = stream.position
    mix = noise(RATE_HZ)
    heard = play(stream, mix)
    offset = round(stream.anticipation_samples) + stream.latency_samples + 1920
    right = np.all(heard[:, offset:] == mix[:, :-offset], axis=0)
    assert np.mean(right) > 0.5
    assert start == RATE_HZ * 3 // 2
    assert not np.isnan(first).all()
    assert server.links["guitar"]._port.epoch == 1
    client.close()


# A live-coder on this machine


def test_a_plain_message_sets_a_control_without_any_handshake(band) -> None:
    """What a live-coder types: python-osc, one message, no ceremony."""
    server = band.serve()
    client, _ = opened(server)
    before = server.guests
    patch = SimpleUDPClient(*server.address)
    patch.send_message("/lb/guitar/set/gain", -6.0)
    until(lambda: controls(band)["gain"] == -6.0)
    patch.send_message("/lb/guitar/set/stem", "drums")
    until(lambda: controls(band)["stem"] == 0.0)
    patch.send_message("/lb/guitar/set/freeze", True)
    until(lambda: controls(band)["freeze"] == 1.0)
    assert server.guests == before  # nothing is kept of a stranger
    client.close()


@pytest.mark.parametrize("control", [one.name for one in CONTROLS if one.acts in ("port", "session")])
def test_every_control_of_the_session_can_be_set(band, control: str) -> None:
    server = band.serve()
    client, _ = opened(server)
    info = next(one for one in CONTROLS if one.name == control)
    SimpleUDPClient(*server.address).send_message(f"/lb/guitar/set/{control}", info.maximum)
    if info.kind != "trigger":
        until(lambda: controls(band)[control] == info.maximum)
    client.call("/lb/ping", 5)
    client.expect("/lb/pong")
    assert server.refused == 0
    client.close()


def test_tempo_beat_chord_chart_and_key_reach_the_band(band) -> None:
    server = band.serve()
    client, stream = opened(server)
    patch = SimpleUDPClient(*server.address)
    bundle = OscBundleBuilder(IMMEDIATELY)
    for address, values in (
        ("/lb/guitar/tempo", (96.0,)),
        ("/lb/guitar/beat", (1.0, 3)),
        ("/lb/guitar/chart", ("| C | Am F | G |",)),
        ("/lb/guitar/chord", ("Am7",)),
        ("/lb/guitar/key", ("Am",)),
    ):
        builder = OscMessageBuilder(address)
        for value in values:
            builder.add_arg(value)
        bundle.add_content(builder.build())
    patch.send(bundle.build())
    play(stream, noise(24000))
    status = until(lambda: (now := sessions(band)["guitar"])["tempo"] == 96.0 and now)
    assert 1.0 <= status["beat"] < 4.0
    assert server.refused == 0
    client.close()


def test_a_moment_is_kept_and_recalled(band) -> None:
    server = band.serve()
    client, stream = opened(server)
    play(stream, noise(12000))
    client.call("/lb/<session>/keep", "verse", session="guitar")
    until(lambda: list(band.hub.config.kept.glob("verse*")))
    client.call("/lb/<session>/recall", "verse", session="guitar")
    client.call("/lb/<session>/recall", "no such moment", session="guitar")
    assert client.expect("/lb/error").arguments["code"] == "not_found"
    client.close()


def test_panic_from_the_one_who_plays_and_from_anyone_here(band) -> None:
    server = band.serve()
    client, stream = opened(server)
    play(stream, noise(24000))
    client.call("/lb/panic")
    SimpleUDPClient(*server.address).send_message("/lb/panic", [])
    heard = play(stream, noise(24000))
    assert not np.isnan(heard).all()
    assert server.refused == server.faults == 0
    client.close()


def test_time_tagged_bundles_wait_for_their_time_and_late_ones_are_done_at_once(band) -> None:
    """Tidal sends 0.2 s early: whoever ignores the tag plays early."""
    server = band.serve()
    client, _ = opened(server)
    sent_s = time.time()
    done: dict[float, float] = {}
    for ahead_s, gain in ((0.8, -8.0), (0.3, -3.0), (-5.0, -1.0)):
        client.socket.send(write(Bundle(time_tag(sent_s + ahead_s), (message("/lb/guitar/set/gain", gain),))))
    while len(done) < 3 and time.time() < sent_s + 20:
        done.setdefault(controls(band)["gain"], time.time() - sent_s)
        done.pop(0.0, None)
    assert list(done) == [-1.0, -3.0, -8.0]
    assert done[-3.0] >= 0.29
    assert done[-8.0] >= 0.79
    client.socket.send(write(Bundle(time_tag(sent_s + 60), (message("/lb/guitar/set/gain", 0.0),))))
    assert "10 s" in str(client.expect("/lb/error").arguments["text"])
    client.close()


# Status


def test_status_comes_to_the_player_and_to_whoever_subscribes(band) -> None:
    server = band.serve()
    client, stream = opened(server)
    play(stream, noise(12000))
    watcher = OscClient(server.address)
    watcher.enter()
    watcher.call("/lb/<session>/subscribe", session="guitar")
    for peer in (client, watcher):
        peer.heard.clear()
        rtf = peer.expect("/lb/<session>/status/<name>", lambda call: call.names["name"] == "rtf")
        assert rtf.names["session"] == "guitar"
        until(lambda peer=peer: peer.receive(0.1) is None or len(_figures(peer)) >= len(STATUS) - 2)
        figures = _figures(peer)
        assert figures["latency_samples"] == stream.latency_samples
        assert figures["anticipation_samples"] == stream.anticipation_samples
        assert isinstance(figures["state"], str)
        assert "tempo" not in figures  # unknown, so not a number: left out
        assert set(figures) <= {info.name for info in STATUS}
    client.close()
    watcher.close()


def _figures(peer: OscClient) -> dict[str, Any]:
    return {
        call.names["name"]: call.arguments["value"]
        for call, _ in peer.heard
        if call.pattern == "/lb/<session>/status/<name>"
    }


def test_status_stops_when_the_peer_says_nothing_for_long(band) -> None:
    """A stream to someone who went away, or never was: it must dry up."""
    server = band.serve()
    client, _ = opened(server)
    client.expect("/lb/<session>/status/<name>")

    def age() -> None:
        for guest in server._guests._guests.values():
            guest.heard_s -= 31.0

    band.run(age)
    time.sleep(0.3)
    client.receive(0.1)
    while client.receive(0.0):
        pass
    sent = server.sent
    time.sleep(0.5)
    assert server.sent == sent
    client.stay()
    client.expect("/lb/<session>/status/<name>")
    until(lambda: "guitar" in sessions(band))
    client.close()


def test_a_player_that_vanished_loses_its_session_after_the_lease(band) -> None:
    server = band.serve()
    client, _ = opened(server)
    client.close()

    def age() -> None:
        for guest in server._guests._guests.values():
            guest.heard_s -= 31.0

    band.run(age)
    until(lambda: not sessions(band))
    until(lambda: not server.links)


def test_a_patch_that_was_started_again_takes_its_session_up_at_once(band) -> None:
    """It comes from another port, and nobody said goodbye: it must not be told that the name is taken."""
    server = band.serve()
    client, _ = opened(server)
    other = OscClient(server.address)
    other.enter()
    with pytest.raises(LiveBandError, match="busy"):  # somebody plays there
        other.open("guitar", stem="bass", rate_hz=48000, channels=2)
    client.close()

    def age() -> None:
        server._stage._played["guitar"].guest.heard_s -= 3.0

    band.run(age)
    stream = other.open("guitar", stem="bass", rate_hz=48000, channels=2)
    assert np.nanmax(np.abs(play(stream, noise(12000)))) > 0.1
    other.close()


def test_a_handshake_by_an_independent_peer_with_nothing_but_words_and_numbers(band) -> None:
    """As a patcher does it: python-osc sends what it was sent."""
    server = band.serve()
    client, _ = opened(server)
    patch = SimpleUDPClient(*server.address)
    inbox = patch._sock
    inbox.settimeout(5)
    patch.send_message("/lb/hello", [1, 0, "a patch"])
    welcome = OscMessage(inbox.recv(4096))
    assert welcome.address == "/lb/welcome"
    patch.send_message("/lb/cookie", [welcome.params[3]])
    patch.send_message("/lb/guitar/subscribe", [])
    seen = {one.address for one in OscBundle(inbox.recv(4096))}
    assert "/lb/guitar/status/state" in seen
    client.close()


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

    def answers(self, timeout_s: float = 0.3) -> list[Message]:
        self.socket.settimeout(timeout_s)
        answers = []
        while True:
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
def test_a_stranger_opens_nothing_and_gets_nothing_longer_than_it_sent(band, one: Message) -> None:
    server = band.serve()
    client, _ = opened(server)
    stranger = Stranger(server)
    stranger.send(write(one))
    for answer in stranger.answers():
        assert answer.address == "/lb/error"
        assert answer.arguments[0] in ("unauthorised", "unknown_session")
    assert stranger.received <= stranger.sent
    assert set(sessions(band)) == {"guitar"}
    assert server.guests == 1
    client.close()


def test_a_forged_source_is_never_sent_more_than_three_times_what_was_sent(band) -> None:
    """Every request of the table, and bundles full of hellos, in the name of a victim."""
    server = band.serve()
    stranger = Stranger(server)
    hello = message("/lb/hello", 1, 0, "")
    every = [
        hello,
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
    answers = stranger.answers(0.5)
    assert any(answer.address == "/lb/welcome" for answer in answers)
    assert stranger.received <= 3 * stranger.sent
    assert server.guests == 0
    for one in every[1:]:
        single = Stranger(server)
        single.send(write(one))
        single.answers(0.2)
        assert single.received <= single.sent, one.address


def test_packets_in_a_victims_name_bring_it_at_most_three_times_their_bytes(band) -> None:
    """A real forgery: datagrams with another address as their source, as a reflector is abused."""
    server = band.serve()
    client, stream = opened(server)
    try:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    except PermissionError:
        pytest.skip("forging a source needs CAP_NET_RAW")
    victim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    victim.bind(("127.0.0.9", 0))
    victim.settimeout(0.5)
    sent = 0
    for one in (
        message("/lb/hello", 1, 0, ""),
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
    assert 0 < received <= 3 * sent  # it was reached, so the forgery works
    assert set(sessions(band)) == {"guitar"}
    assert server.guests == 1
    for one in (raw, victim, client):
        one.close()


def test_ten_thousand_bad_packets_and_the_server_still_plays(band) -> None:
    server = band.serve()
    client, _ = opened(server)
    stranger = Stranger(server)
    rng = random.Random(6)
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
    errors = len([one for one in stranger.answers(0.5) if one.address == "/lb/error"])
    assert errors <= 200  # ten a second of each cause

    def answered() -> bool:  # a datagram may be lost: both sockets were flooded
        client.call("/lb/ping", 77)
        return any(call.arguments.get("number") == 77 for call, _ in client.receive(0.2))

    until(answered)
    assert server.faults == 0
    assert "guitar" in sessions(band)
    client.close()


def test_a_fault_of_ours_is_told_and_the_server_lives(band, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in a handler that takes the whole transport with it (oscpy, scsynth)."""
    server = band.serve()
    client, _ = opened(server)

    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    for where, what in ((server._control, "_set"), (server._stage, "hear"), (server, "_subscribe")):
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


def test_a_hub_that_cannot_answer_for_a_while_ends_nothing(band, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a worker is restarted the hub refuses to tell: status must come again by itself after that."""
    server = band.serve()
    client, _ = opened(server)

    def refuse(*_: object, **__: object) -> None:
        raise HubError("crashed", "no worker is ready")

    with monkeypatch.context() as patch:
        for what in ("sessions", "status"):
            patch.setattr(band.hub, what, refuse)
        time.sleep(1.3)
    client.receive(0.1)
    client.heard.clear()
    client.expect("/lb/<session>/status/<name>")
    assert set(server.links) == {"guitar"}
    assert server.faults == 0
    client.close()


def test_packets_of_an_opening_that_is_over_are_not_heard(band) -> None:
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


def test_nobody_else_feeds_a_session(band) -> None:
    server = band.serve()
    client, stream = opened(server)
    other = OscClient(server.address)
    other.enter()
    other.send(Message("/lb/guitar/audio", "iihib", (stream._mix.stream, 0, 0, 0, bytes(512))))
    with pytest.raises(LiveBandError, match="unknown_session"):
        other.expect("/lb/pong")
    assert server.links["guitar"].buffer.counts.received == 0
    client.close()
    other.close()


def test_sessions_are_opened_at_a_bounded_rate_and_number(band) -> None:
    server = band.serve(opens_per_s=0.001, opens_burst=9)
    client = OscClient(server.address)
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
    client = OscClient(server.address)
    client.enter()
    values = {"session": "guitar", "stem": "bass", "rate_hz": 48000, "channels": 2}
    with pytest.raises(LiveBandError, match=words):
        client.open(**(values | wish))
    client.close()


def test_another_major_version_is_told_so(band) -> None:
    client = OscClient(band.serve().address)
    client.call("/lb/hello", 9, 0, "a client of the future, " * 5)
    with pytest.raises(LiveBandError, match="version: you speak protocol 9"):
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
    with pytest.raises(LiveBandError, match="token"):
        OscConfig(trust_loopback=False)
    with pytest.raises(LiveBandError, match="redundancy"):
        OscConfig(redundancy=9)
    with pytest.raises(LiveBandError, match="patience"):
        OscConfig(patience_ms=0.0)


def test_with_a_token_all_is_signed_and_nothing_else_gets_an_answer(band) -> None:
    server = band.serve(token=TOKEN, trust_loopback=False)
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
    client = OscClient(server.address, token=TOKEN)
    client.enter()
    stream = client.open("guitar", stem="bass", rate_hz=48000, channels=2)
    heard = play(stream, noise(24000))
    assert np.nanmax(np.abs(heard)) > 0.1
    client.call("/lb/<session>/set/<control>", -9.0, session="guitar", control="gain")
    until(lambda: controls(band)["gain"] == -9.0)
    client.close()


def test_a_signed_message_works_once_and_from_its_sender_only(band) -> None:
    server = band.serve(token=TOKEN, trust_loopback=False)
    client = OscClient(server.address, token=TOKEN)
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


# The port


def test_over_ipv6(band) -> None:
    try:
        server = band.serve(host="::1")
    except LiveBandError:
        pytest.skip("no IPv6 here")
    client, stream = opened(server)
    assert np.nanmax(np.abs(play(stream, noise(12000)))) > 0.1
    SimpleUDPClient("::1", server.address[1]).send_message("/lb/guitar/set/gain", -4.0)
    until(lambda: controls(band)["gain"] == -4.0)
    client.close()


def test_a_second_server_on_a_port_is_told_who_has_it(band) -> None:
    server = band.serve()
    with pytest.raises(LiveBandError, match=f"{server.address[1]}.*taken"):
        band.call(band._stack.enter_async_context(_second(band, server.address[1])))


def _second(band, port: int) -> Any:
    from lbserver.transports.osc.server import osc_server

    return osc_server(band.hub, OscConfig(port=port))


def test_thirty_openings_leave_nothing_behind(band) -> None:
    """Descriptors, maps and tasks of sessions that are over."""
    server = band.serve(opens_per_s=1000.0, opens_burst=1000.0)
    client = OscClient(server.address)
    client.enter()

    def cycle() -> None:
        client.open("again", stem="bass", rate_hz=48000, channels=2)
        client.call("/lb/close", "again")
        client.expect("/lb/<session>/closed")

    def count() -> tuple[int, int]:
        maps = sum("memfd" in line for line in open("/proc/self/maps"))  # noqa: SIM115, PTH123
        return len(os.listdir("/proc/self/fd")), maps  # noqa: PTH208

    for _ in range(3):
        cycle()
    before = count()
    for _ in range(30):
        cycle()
    assert count() == before
    client.close()
