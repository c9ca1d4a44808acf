# SPDX-License-Identifier: GPL-3.0-or-later
"""OSC as Max, Pd, SuperCollider, TouchOSC and live-coders send it, over real UDP: what they have is what is taken."""

import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lbserver.client.osc import OscClient
from lbserver.protocol.controls import CONTROLS
from lbserver.protocol.osc import ADDRESSES, KINDS, TAGS
from lbserver.transports.osc.addresses import PARAMETERS, understand
from lbserver.transports.osc.packet import Bundle, Message, OscError, message, parse, timed_messages, write

VALUES = {
    "i": 1, "h": 1, "f": 1.0, "d": 1.0, "s": "1", "S": "1", "c": "1", "b": b"1", "t": 1, "T": True, "F": False,
    "N": None, "I": math.inf,
}  # fmt: skip


class Patch:
    """A patch on this machine that says no hello: one socket, and what comes back to it."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((host, port))
        self.socket.settimeout(60)

    def send(self, address: str, tags: str = "", *values: object) -> None:
        self.socket.send(write(Message(address, tags, values)))

    def error(self) -> tuple[str, str]:
        """The next error: code and text."""
        while True:
            for _, one in timed_messages(parse(self.socket.recv(1 << 16))):
                if one.address == "/lb/error":
                    return one.arguments


@contextmanager
def patch(server, host: str = "127.0.0.1") -> Iterator[Patch]:
    one = Patch(server.address[1], host)
    with one.socket:
        yield one


# Every type of every argument of every address


@pytest.mark.parametrize(
    "address", [one for one in ADDRESSES if one.direction != "out"], ids=lambda a: a.pattern
)
def test_every_type_of_every_argument_is_taken_or_refused_as_the_table_says(address) -> None:
    """A type that the table of the reference names and the server refuses, or the other way round."""
    where = address.pattern.replace("<session>", "a").replace("<control>", "gain")
    parameters = PARAMETERS[address.pattern]
    usual = [next(tag for tag in KINDS[one.kind].taken) for one in parameters]
    for index, parameter in enumerate(parameters):
        for tag in (*TAGS, "t"):
            tags = "".join((*usual[:index], tag, *usual[index + 1 :]))
            one = Message(where, tags, tuple(VALUES[each] for each in tags))
            if tag in KINDS[parameter.kind].taken:
                assert parameter.name in understand(one).arguments
            else:
                with pytest.raises(OscError, match=parameter.name):
                    understand(one)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_a_press_needs_no_value_and_everything_else_names_what_it_takes(control) -> None:
    where = f"/lb/a/set/{control.name}"
    if control.kind != "trigger":
        with pytest.raises(OscError, match="takes a value: "):
            understand(Message(where))
        return
    for tags, value in (
        ("", ()),
        ("I", (math.inf,)),
        ("N", (None,)),
        ("T", (True,)),
        ("s", ("bang",)),
        ("f", (1.0,)),
    ):
        assert understand(Message(where, tags, value)).arguments == {"value": 1.0}
    for tags, value in (("F", (False,)), ("i", (0,)), ("s", ("off",))):
        assert understand(Message(where, tags, value)).arguments == {"value": 0.0}


@pytest.mark.parametrize(
    ("control", "tags", "value", "stands"),
    [
        ("gain", "s", "-6.5", -6.5),
        ("gain", "i", -6, -6.0),
        ("gain", "d", -6.25, -6.25),
        ("gain", "T", True, 1.0),
        ("freeze", "s", "true", 1.0),
        ("freeze", "s", "on", 1.0),
        ("freeze", "S", "1", 1.0),
        ("freeze", "T", True, 1.0),
        ("listen", "s", "Off", 0.0),
        ("listen", "f", 0.0, 0.0),
        ("seed", "f", 7.0, 7.0),
        ("seed", "s", "9", 9.0),
        ("stem", "s", "Drums", 0.0),
        ("stem", "f", 3.0, 3.0),
        ("stem", "s", "2", 2.0),
        ("stem", "[s]", "drums", 0.0),
    ],
)
def test_a_value_is_taken_in_whatever_type_it_comes(
    band, until, opened, controls, control: str, tags: str, value, stands: float
) -> None:
    """Max sends ints for floats, Sonic Pi 'true' as text, TouchOSC T and F, python-osc arrays: each was refused."""
    server = band.serve()
    client, _ = opened(server)
    with patch(server) as plain:
        plain.send(f"/lb/guitar/set/{control}", tags, value)
        until(lambda: controls(band)[control] == stands)
    assert server.refused == 0
    client.close()


def test_lists_of_atoms_are_a_chart_a_key_a_name(band, until, opened, sessions, play, noise) -> None:
    """Pd and Max split a message at its spaces: a chart came as ten arguments and was refused."""
    server = band.serve()
    client, stream = opened(server)
    with patch(server) as plain:
        plain.send("/lb/guitar/tempo", "s", "96")
        plain.send("/lb/guitar/chart", "ssssssss", *["|", "C", "|", "Am", "F", "|", "G", "|"])
        plain.send("/lb/guitar/chart", 129 * "s", *("| C " * 64 + "|").split())
        plain.send("/lb/guitar/key", "ss", "Bb", "major")
        plain.send("/lb/guitar/chord", "s", "Am7")
        plain.send("/lb/guitar/chord")
        plain.send("/lb/guitar/chart")
        play(stream, noise(12000))
        until(lambda: sessions(band)["guitar"]["tempo"] == 96.0)
        plain.send("/lb/guitar/glide", "s", "0")
        plain.send("/lb/guitar/style", "sssss", "upright", "bass", "*2", "|", "Rhodes")
        until(lambda: sessions(band)["guitar"]["style"] == "upright bass *2 | Rhodes")
        assert server.refused == 0
        plain.send("/lb/guitar/style", "ss", "bass", "theremin")
        code, text = plain.error()
        assert (code, "unknown: theremin" in text) == ("bad_message", True)
        plain.send("/lb/guitar/chart", "ss", "|", "nonsense")
        code, text = plain.error()
        assert (code, "/lb/guitar/chart" in text, "nonsense" in text) == ("bad_message", True, True)
    client.close()


def test_names_that_are_numbers_are_names(band, until, sessions, controls) -> None:
    """A patch that numbers its sessions: Pd has no other number than a float, so 1 came as 1.0 and was refused."""
    server = band.serve()
    client = OscClient(server.address, timeout_s=60)
    client.enter()
    for number, tag in ((1, "i"), (2.0, "f")):
        client.send(Message("/lb/open", f"{tag}sfffs", (number, "bass", 48000.0, 2.0, 128.0, "live")))
        stream = client.expect("/lb/<session>/opened").arguments["stream"]
        assert 0 <= stream < 1 << 24  # a float32 holds it
    assert set(sessions(band)) == {"1", "2"}
    client.send(Message("/lb/1/set/gain", "f", (-3.0,)))
    until(lambda: controls(band, "1")["gain"] == -3.0)
    client.send(Message("/lb/1/keep", "i", (3,)))
    until(lambda: (band.hub.config.kept / "3.moment").exists())
    client.close()


def test_one_pattern_sets_every_session_it_matches(band, until, opened, controls) -> None:
    server = band.serve()
    client, _ = opened(server, "guitar")
    client.open("keys", stem="piano", rate_hz=48000, channels=2)
    with patch(server) as plain:
        plain.send("/lb/*/set/{gain,mix}", "f", 0.5)
        for session in ("guitar", "keys"):
            until(
                lambda session=session: (
                    controls(band, session)["gain"] == controls(band, session)["mix"] == 0.5
                )
            )
        plain.send("/lb/[!k]*/set/gai?", "f", -9.0)
        until(lambda: controls(band, "guitar")["gain"] == -9.0)
        assert controls(band, "keys")["gain"] == 0.5
        plain.send("/lb/drums*/set/gain", "f", 0.0)
        assert plain.error()[0] == "unknown_message"
    client.close()


def test_a_bundle_may_name_the_tempo_last_and_what_is_behind_an_opening_waits_for_it(
    band, until, sessions, controls, play, noise
) -> None:
    """Patches send what they know on load in any order: a chart before its tempo was refused, a control too early."""
    server = band.serve()
    client = OscClient(server.address, timeout_s=60)
    client.enter()
    wish = message("/lb/open", "guitar", "bass", 48000, 2, 128, "live")
    told = (
        message("/lb/guitar/beat", 1.0),
        message("/lb/guitar/chart", "| C | F |"),
        message("/lb/guitar/set/gain", -7.0),
        message("/lb/guitar/tempo", 140.0),
    )
    client.socket.send(write(Bundle(1, (wish, *told))))
    client.expect("/lb/<session>/opened")
    until(lambda: controls(band)["gain"] == -7.0)
    client.call("/lb/ping", 5)
    client.expect("/lb/pong")
    assert server.refused == 0
    client.close()


def test_a_chart_and_a_beat_that_come_before_the_tempo_wait_and_say_so(band, until, opened, sessions) -> None:
    """Sonic Pi sends each message by a process of its own: a beat that overtook its tempo was lost, and no bar was ever counted."""
    server = band.serve()
    client, _ = opened(server)
    known = lambda: band.run(lambda: dict(band.hub._entries["guitar"].known))  # noqa: E731
    with patch(server) as plain:
        plain.send("/lb/guitar/chart", "s", "| C | F |")
        assert "waits until /lb/guitar/tempo" in plain.error()[1]
        plain.send("/lb/guitar/beat", "ff", 3.0, 4.0)
        assert "waits a second for /lb/guitar/tempo" in plain.error()[1]
        plain.send("/lb/guitar/tempo", "i", 90)
        until(lambda: known().get("chart") == "| C | F |")
    assert (known()["first_beat_s"], known()["beats_per_bar"]) == (pytest.approx(-2 * 60 / 90), 4)
    client.close()


# What is wrong is said


@pytest.mark.parametrize(
    ("address", "tags", "values", "code", "words"),
    [
        ("/lb/guitar/set/gian", "f", (0.0,), "unknown_control", "variation"),
        ("/lb/guitar/set/gain", "f", (99.0,), "bad_message", "-60 to 24 dB"),
        ("/lb/guitar/set/gain", "s", ("loud",), "bad_message", "-60 to 24 dB"),
        ("/lb/guitar/set/gain", "", (), "bad_message", "-60 to 24 dB"),
        ("/lb/guitar/set/gain", "ff", (1.0, 2.0), "bad_message", "takes value"),
        ("/lb/guitar/set/freeze", "s", ("perhaps",), "bad_message", "on or off"),
        ("/lb/guitar/set/stem", "s", ("kazoo",), "bad_message", "drums, bass, piano, guitar"),
        ("/lb/guitar/set/mode", "s", ("sideways",), "bad_message", "aligned"),
        ("/lb/guitar/sett/gain", "f", (0.0,), "unknown_message", "did you mean /lb/guitar/set/gain?"),
        ("/lb/guitar/tempi", "f", (90.0,), "unknown_message", "did you mean /lb/guitar/tempo?"),
        ("/lb/guitar/beat", "f", (1.0,), "bad_message", "waits a second for /lb/guitar/tempo"),
        ("/lb/guitar/key", "s", ("H!",), "bad_message", "not a key"),
        ("/lb/guitar/recall", "s", ("nothing",), "not_found", "nothing"),
        ("/lb/guitar/subscribe", "", (), "unauthorised", "/lb/hello"),
        ("/lb/jam/set/gain", "f", (0.0,), "unknown_session", "open: guitar"),
        ("/lb/{guitar/set/gain", "f", (0.0,), "bad_message", "does not close it"),
        ("/other/thing", "", (), "unknown_message", "/lb/<session>/ takes set/<control>, tempo"),
    ],
)
def test_a_stranger_on_this_machine_is_told_in_words_what_is_accepted(
    band, opened, address: str, tags: str, values: tuple[object, ...], code: str, words: str
) -> None:
    """Of fifteen mistakes, five gave nothing and three a code without a text."""
    server = band.serve()
    client, _ = opened(server)
    with patch(server) as plain:
        plain.send(address, tags, *values)
        said, text = plain.error()
        assert (said, words in text, address in text) == (code, True, True), text
    client.close()


def test_two_patches_are_told_of_their_own_mistakes(band, opened) -> None:
    """The budget of errors was one for all: a patch that errs in a loop took every other one's words."""
    server = band.serve()
    with patch(server) as loud, patch(server) as quiet:
        for _ in range(200):
            loud.send("/lb/nobody/tempo", "f", 90.0)
        loud.error()
        quiet.send("/lb/nobody/tempo", "f", 90.0)
        assert quiet.error()[0] == "unknown_session"


def test_another_machine_is_never_sent_more_than_it_sent_unless_it_signed(band, monkeypatch) -> None:
    """A forged source elsewhere, guest or not: errors in words must not make the server an amplifier."""
    server = band.serve(host="127.0.0.1", token=b"a token of the test")
    sent: list[bytes] = []
    monkeypatch.setattr(server, "_send", lambda data, _address: sent.append(data))
    source = ("192.0.2.7", 5000)
    mistakes = [
        message("/x"),
        message("/lb/a/tempo", "fast"),
        message("/lb/*/set/*", 1.0),
        message("/lb/cookie", "k" + 24 * "0"),
        Message("/lb/a/audio", "iihib", (1, 0, 0, 0, bytes(64))),
    ]

    def hear(known: bool) -> None:
        if known:
            server._guests.admit(source, "k0", server._loop.time() + 60, server._loop.time())
        for one in mistakes:
            del sent[:]
            data = write(one)
            server.datagram_received(data, source)
            assert sum(map(len, sent)) <= len(data) * known, one.address
        del sent[:]
        server.datagram_received(b"#bundle\0" + bytes(9), source)
        assert sum(map(len, sent)) <= 17

    for known in (False, True):
        band.run(lambda known=known: hear(known))


# Here and there


def test_localhost_is_both_addresses(band, until, opened, controls) -> None:
    """Where a system gives ::1 first for localhost, every patch that says localhost spoke to nobody."""
    server = band.serve()
    if len(server._transports) < 2:
        pytest.skip("no IPv6 here")
    client, _ = opened(server)
    for gain, host in ((-1.0, "127.0.0.1"), (-2.0, "::1")):
        with patch(server, host) as plain:
            plain.send("/lb/guitar/set/gain", "f", gain)
            until(lambda gain=gain: controls(band)["gain"] == gain)
            plain.send("/lb/guitar/tempo", "s", "fast")
            assert plain.error()[0] == "bad_message"
    other = OscClient(("::1", server.address[1]), timeout_s=60)
    other.enter()
    other.open("keys", stem="bass", rate_hz=48000, channels=1)
    other.close()
    client.close()


# Silence


@pytest.mark.parametrize("who", ["the player", "another port"])
def test_a_session_that_is_steered_lives_without_audio(band, until, opened, sessions, who: str) -> None:
    """A band that rests for a solo: after half a minute without audio the session was dropped, controls or not."""
    server = band.serve()
    client, _ = opened(server)
    played = server._stage._played["guitar"]

    def silent(seconds: float) -> None:
        played.guest.heard_s -= seconds
        played.steered_s -= seconds

    band.run(lambda: silent(20.0))
    with patch(server) as plain:  # open until it was heard: whose it is must be seen
        if who == "the player":
            client.send(Message("/lb/guitar/set/gain", "f", (-5.0,)))
        else:
            plain.send("/lb/guitar/set/gain", "f", -5.0)
        until(lambda: band.hub.controls("guitar", peer=played.peer)["gain"] == -5.0)
    band.run(lambda: silent(20.0))
    band.run(lambda: server._keep_house(server._loop.time()))
    assert not played.away
    assert set(sessions(band)) == {"guitar"}
    band.run(lambda: silent(20.0))
    band.run(lambda: server._keep_house(server._loop.time()))
    assert played.away  # nobody has said a thing for half a minute
    client.close()


def test_a_guest_that_plays_on_need_not_say_hello_again(band, until, opened) -> None:
    """The cookie's ten minutes were over in the middle of a set, and the audio of a playing guest was refused."""
    server = band.serve()
    client, _ = opened(server)
    guest = server._stage._played["guitar"].guest
    band.run(lambda: setattr(guest, "until_s", server._loop.time() + 0.5))
    client.call("/lb/ping", 1)
    client.expect("/lb/pong")
    assert band.run(lambda: server._guests.get(guest.source, server._loop.time() + 500.0)) is guest
    client.close()


def test_a_button_let_go_does_nothing(band, until, opened, sessions, play, noise, controls) -> None:
    """TouchOSC sends 1 and then 0: the second one forgot what was heard in between."""
    server = band.serve()
    client, stream = opened(server)
    play(stream, noise(12000))
    acted: list[str] = []
    real = band.hub.set_control

    async def noted(session: str, name: str, value: float, **kwargs: object) -> None:
        acted.append(name)
        await real(session, name, value, **kwargs)

    band.hub.set_control = noted
    try:
        with patch(server) as plain:
            for tags, value in (("f", 0.0), ("F", False), ("s", "off")):
                plain.send("/lb/guitar/set/reset", tags, value)
                plain.send("/lb/panic", tags, value)
            plain.send("/lb/guitar/set/gain", "f", -2.0)
            until(lambda: controls(band)["gain"] == -2.0)
            assert acted == ["gain"]
            plain.send("/lb/panic", "I", math.inf)
            plain.send("/lb/guitar/set/reset")
            plain.send("/lb/guitar/set/reset", "N", None)
            until(lambda: acted == ["gain", "reset", "reset", "reset"])
    finally:
        del band.hub.set_control
    assert server.refused == 0
    client.close()
