# SPDX-License-Identifier: GPL-3.0-or-later
"""The OSC server over real UDP: what a player, a patch and a live-coder get."""

import asyncio
import json
import os
import signal
import time
from typing import Any

import numpy as np
import pytest
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.udp_client import SimpleUDPClient

from lbserver.client.osc import OscClient
from lbserver.errors import LiveBandError
from lbserver.protocol.controls import CONTROLS
from lbserver.protocol.segment import HOST, SERVER
from lbserver.protocol.status import STATUS
from lbserver.transports.osc.server import OscConfig

RATE_HZ = 48000


# Law 1


def wrong_samples(server, heard: np.ndarray, mix: np.ndarray, offset: int) -> int:
    """Samples that are not the mix `offset` earlier, beyond those that the server itself counted as missing and faded, or as
    lost on their way to it.

    On a busy machine a stem may come too late: it is silent then, faded on both sides, and never shifted.
    """
    first = offset + 1000  # the fade in of the beginning is over
    came = ~np.isnan(heard[0])
    came[:first] = False
    at = np.flatnonzero(came)
    assert at.size > 0.5 * (heard.shape[-1] - first)
    wrong = np.count_nonzero(np.any(heard[:, at] != mix[:, at - offset], axis=0))
    port = server.links["guitar"]._port
    lost = server.links["guitar"].buffer.counts.lost  # what was asked for again, and came too late
    return max(0, wrong - port.missing_samples - 1000 * port.gaps - 1000 * lost)


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
def test_law_1_over_udp_the_stem_lies_where_the_figures_say(
    band, opened, play, noise, rate_hz, block, channels, wish
) -> None:
    """What is reported against what is measured, to the sample: one copied frame, A*H and L later."""
    server = band.serve()
    client, stream = opened(server, rate_hz=rate_hz, channels=channels, block_samples=block, **wish)
    mix = noise(rate_hz, channels)
    heard = play(stream, mix, block=block)
    offset = round(stream.anticipation_samples) + stream.latency_samples + 1920
    assert wrong_samples(server, heard, mix, offset) == 0
    client.close()


def test_law_1_at_another_rate_the_impulse_lies_where_the_figures_say(band, opened, play) -> None:
    client, stream = opened(band.serve(), rate_hz=44100, channels=1)
    mix = np.zeros((1, 44100), np.float32)
    mix[:, 20000] = 1.0
    heard = np.nan_to_num(play(stream, mix))
    assert (
        np.argmax(np.abs(heard[0]))
        == 20000 + round(stream.anticipation_samples) + stream.latency_samples + 1764
    )
    client.close()


def test_int16_streams_are_answered_in_int16(band, opened, play, noise) -> None:
    server = band.serve()
    client, stream = opened(server, channels=1, sample_format="i16")
    mix = noise(24000, 1)
    heard = play(stream, mix)
    offset = round(stream.anticipation_samples) + 1920
    assert wrong_samples(server, heard, np.round(mix * 32768) / np.float32(32768), offset) == 0
    client.close()


def test_packets_lost_on_the_way_in_and_out_are_asked_for_again(band, opened, play, noise) -> None:
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


def test_a_worker_that_is_killed_leaves_a_hole_and_nothing_shifts(band, until, opened, play, noise) -> None:
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


def test_a_plain_message_sets_a_control_without_any_handshake(band, until, opened, controls) -> None:
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
def test_every_control_of_the_session_can_be_set(band, until, opened, controls, control: str) -> None:
    server = band.serve()
    client, _ = opened(server)
    info = next(one for one in CONTROLS if one.name == control)
    patch = SimpleUDPClient(*server.address)  # kept: whose a socket is can be seen while it is open
    patch.send_message("/lb/guitar/tempo", 120.0)
    patch.send_message("/lb/guitar/chart", "| [A] C | [B] F |")  # what goes on to a section needs some
    patch.send_message(f"/lb/guitar/set/{control}", info.maximum)
    if info.kind != "trigger":
        until(lambda: controls(band)[control] == info.maximum)
    client.call("/lb/ping", 5)
    client.expect("/lb/pong")
    assert server.refused == 0
    client.close()


def test_tempo_beat_chord_chart_and_key_reach_the_band(band, until, opened, sessions, play, noise) -> None:
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


def test_a_moment_is_kept_and_recalled(band, until, opened, play, noise) -> None:
    server = band.serve()
    client, stream = opened(server)
    play(stream, noise(12000))
    client.call("/lb/<session>/keep", "verse", session="guitar")
    until(lambda: list(band.hub.config.kept.glob("verse*")))
    client.call("/lb/<session>/recall", "verse", session="guitar")
    client.call("/lb/<session>/recall", "no such moment", session="guitar")
    assert client.expect("/lb/error").arguments["code"] == "not_found"
    client.close()


def test_panic_from_the_one_who_plays_and_from_anyone_here(band, opened, play, noise) -> None:
    server = band.serve()
    client, stream = opened(server)
    play(stream, noise(24000))
    client.call("/lb/panic")
    patch = SimpleUDPClient(*server.address)
    patch.send_message("/lb/panic", [])
    heard = play(stream, noise(24000))
    assert not np.isnan(heard).all()
    assert server.refused == server.faults == 0
    client.close()


# Status


def test_status_comes_to_the_player_and_to_whoever_subscribes(band, until, opened, play, noise) -> None:
    server = band.serve()
    client, stream = opened(server)
    play(stream, noise(12000))
    watcher = OscClient(server.address, timeout_s=60)
    watcher.enter()
    watcher.call("/lb/<session>/subscribe", session="guitar")
    known = {info.name for info in STATUS} - {"tempo", "beat", "heard_tempo", "heard_beat"}
    for peer in (client, watcher):
        peer.heard.clear()
        rtf = peer.expect("/lb/<session>/status/<name>", lambda call: call.names["name"] == "rtf")
        assert rtf.names["session"] == "guitar"
        until(lambda peer=peer: peer.receive(0.1) is None or known <= _figures(peer).keys())
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


def test_status_stops_when_the_peer_says_nothing_for_long(band, until, opened, sessions) -> None:
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


def test_a_player_that_vanished_loses_its_session_after_the_lease(band, until, opened, sessions) -> None:
    server = band.serve()
    client, _ = opened(server)
    client.close()

    def age() -> None:
        for guest in server._guests._guests.values():
            guest.heard_s -= 31.0

    band.run(age)
    until(lambda: not sessions(band))
    until(lambda: not server.links)


def test_a_patch_that_was_started_again_takes_its_session_up_at_once(band, opened, play, noise) -> None:
    """It comes from another port, and nobody said goodbye: it must not be told that the name is taken."""
    server = band.serve()
    client, _ = opened(server)
    other = OscClient(server.address, timeout_s=60)
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


def test_a_handshake_by_an_independent_peer_with_nothing_but_words_and_numbers(band, opened) -> None:
    """As a patcher does it: python-osc sends what it was sent."""
    server = band.serve()
    client, _ = opened(server)
    patch = SimpleUDPClient(*server.address)
    inbox = patch._sock
    inbox.settimeout(60)
    patch.send_message("/lb/hello", [1, 0, "a patch"])
    welcome = OscMessage(inbox.recv(4096))
    assert welcome.address == "/lb/welcome"
    patch.send_message("/lb/cookie", [welcome.params[3]])
    patch.send_message("/lb/guitar/subscribe", [])
    seen = {one.address for one in OscBundle(inbox.recv(4096))}
    assert "/lb/guitar/status/state" in seen
    client.close()


# The port


def test_over_ipv6(band, until, opened, controls, play, noise) -> None:
    try:
        server = band.serve(host="::1")
    except LiveBandError:
        pytest.skip("no IPv6 here")
    client, stream = opened(server)
    assert np.nanmax(np.abs(play(stream, noise(12000)))) > 0.1
    patch = SimpleUDPClient("::1", server.address[1])
    patch.send_message("/lb/guitar/set/gain", -4.0)
    until(lambda: controls(band)["gain"] == -4.0)
    client.close()


def test_a_second_server_on_a_port_is_told_who_has_it(band) -> None:
    server = band.serve()
    with pytest.raises(LiveBandError, match=f"{server.address[1]}.*taken"):
        band.call(band._stack.enter_async_context(_second(band, server.address[1])))


def _second(band, port: int) -> Any:
    from lbserver.transports.osc.server import osc_server

    return osc_server(band.hub, OscConfig(port=port))


def test_thirty_openings_leave_nothing_behind(band, descriptors, settles) -> None:
    """Descriptors, maps and tasks of sessions that are over."""
    server = band.serve(opens_per_s=1000.0, opens_burst=1000.0)
    client = OscClient(server.address, timeout_s=60)
    client.enter()

    def cycle() -> None:
        client.open("again", stem="bass", rate_hz=48000, channels=2)
        client.call("/lb/close", "again")
        client.expect("/lb/<session>/closed")

    def count() -> tuple[int, int]:
        maps = sum("memfd" in line for line in open("/proc/self/maps"))  # noqa: SIM115, PTH123
        return descriptors(), maps

    for _ in range(3):
        cycle()
    before = count()
    for _ in range(30):
        cycle()
    settles(count, before)
    client.close()


def test_what_one_session_writes_over_its_figures_costs_the_others_none_of_theirs(
    band, until, opened, noise, play
) -> None:
    """Catches a count that no OSC integer holds, from a ring that its front end may write, ending every push."""
    server = band.serve()
    odd, _ = opened(server, "odd")
    client, stream = opened(server, "good")
    play(stream, noise(4800))

    def spoil() -> None:
        segment = band.hub._entries["odd"].segment
        for field in (*HOST, *SERVER):
            if not field.name.endswith(("cursor", "read", "count")):  # those end a session
                segment.store(field.name, (1 << 64) - 1)  # as a float it is no number

    band.run(spoil)
    for peer in (client, odd):
        peer.heard.clear()
        until(
            lambda peer=peer: (
                peer.receive(0.1) is None or "beat" in _figures(peer) or len(_figures(peer)) > 18
            )
        )
    assert _figures(client)["measured_latency_samples"] <= 48000
    figures = _figures(odd)
    assert figures["measured_latency_samples"] == figures["frames"] == 2**53 - 1
    assert figures["step_ms"] == figures["headroom_ms"] == 0.0
    assert "tempo" not in figures
    unknown = dict.fromkeys(("tempo", "beat", "heard_tempo", "heard_beat"), 0)
    json.dumps(band.run(lambda: band.hub.sessions())["odd"] | unknown, allow_nan=False)
    assert server.faults == 0
    client.close()
    odd.close()


def test_a_call_behind_much_audio_is_heard_within_a_few_rounds_of_the_loop(band, opened, noise) -> None:
    """One datagram was read a round: at load, where a round takes milliseconds, a control came seconds after it was sent, or never."""
    server = band.serve()
    client, stream = opened(server)
    # Few enough that what is answered fits the buffer of a client that reads nothing meanwhile.
    packets = [packet for _ in range(40) for packet in stream._mix.push(noise(128))]

    async def flood() -> int:
        wanted, rounds = server.received + len(packets) + 1, 0
        client.transmit(packets)  # meanwhile the loop reads nothing
        client.call("/lb/ping", 7)
        while server.received < wanted and rounds < 1000:
            await asyncio.sleep(0)
            rounds += 1
        return rounds

    assert band.call(flood()) < 20
    client.expect("/lb/pong", lambda call: call.arguments["number"] == 7)
