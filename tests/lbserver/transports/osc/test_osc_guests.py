# SPDX-License-Identifier: GPL-3.0-or-later
"""OSC for who did not open the session, and for who sends and receives at two ports, as Max and TouchOSC do."""

import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from lbserver.music.passing import Bars, Events
from lbserver.transports.osc.packet import Message, message, parse, timed_messages, write
from lbserver.transports.osc.telling import Teller


class Patch:
    """One socket that sends and one that receives."""

    def __init__(self, server) -> None:
        self.out, self.inlet = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self.out.connect(server.address)
        self.inlet.bind(("127.0.0.1", 0))
        self.port = self.inlet.getsockname()[1]
        self.waiting: list[Message] = []

    def say(self, address: str, *arguments) -> None:
        self.out.send(write(message(address, *arguments)))

    def hear(self, address: str) -> Message:
        """The next message to an address, at the port that receives."""
        self.inlet.settimeout(60.0)
        while True:
            while self.waiting:
                if (one := self.waiting.pop(0)).address == address:
                    return one
            self.waiting += [one for _, one in timed_messages(parse(self.inlet.recv(1 << 16)))]

    def enter(self) -> None:
        self.say("/lb/hello/reply", self.port, 1, 0, "a", "patch")
        self.say("/lb/cookie", self.hear("/lb/welcome").arguments[3])
        self.say("/lb/ping", 5)
        assert self.hear("/lb/pong").arguments == (5,)

    def close(self) -> None:
        self.out.close()
        self.inlet.close()


@pytest.fixture
def server(band):
    return band.serve()


@pytest.fixture
def patch(server) -> Iterator[Patch]:
    one = Patch(server)
    yield one
    one.close()


def nothing_at(some: socket.socket) -> bool:
    some.settimeout(0.2)
    try:
        some.recv(1 << 16)
    except TimeoutError:
        return True
    return False


def test_two_ports_from_hello_to_status(server, opened, patch: Patch) -> None:
    """A patch whose answers must come to another port could do nothing but shout: no cookie, no status, no errors."""
    client, _ = opened(server)
    patch.enter()
    patch.say("/lb/sessions")
    assert patch.hear("/lb/session").arguments[:3] == (1, 1, "guitar")
    patch.say("/lb/last/subscribe")
    assert patch.hear("/lb/guitar/status/latency_samples").arguments == (0,)
    patch.say("/lb/last/set/gain", "loud")
    code, text = patch.hear("/lb/error").arguments
    assert code == "bad_message"
    assert "/lb/guitar/set/gain" in text
    assert nothing_at(patch.out)
    client.close()


@pytest.mark.parametrize("port", [0, 80, 70000, -1, None])
def test_a_reply_port_that_cannot_be_is_refused_in_words(server, patch: Patch, port: int | None) -> None:
    """System ports, no ports, and the server's own, which would answer itself for ever."""
    patch.say("/lb/hello/reply", server.address[1] if port is None else port, 1, 0, "patch")
    patch.out.settimeout(60.0)
    ((_, one),) = timed_messages(parse(patch.out.recv(1 << 16)))
    assert one.address == "/lb/error"
    assert "1024 to 65535" in one.arguments[1]
    assert server.sent == 1


def test_a_cookie_is_good_for_the_port_it_was_read_at(server, patch: Patch) -> None:
    """Nobody has what he is not able to read sent to a third program: the port is part of the cookie."""
    victim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    victim.bind(("127.0.0.1", 0))
    patch.say("/lb/hello/reply", patch.port, 1, 0, "patch")
    cookie = patch.hear("/lb/welcome").arguments[3]
    head, _, _ = cookie.partition("p")
    for forged in (head, f"{head}p{victim.getsockname()[1]}", f"{cookie}0", f"{head}p"):
        patch.say("/lb/cookie", forged)
    patch.say("/lb/ping", 1)
    assert nothing_at(victim)
    assert server.guests == 0
    patch.say("/lb/cookie", cookie)
    patch.say("/lb/ping", 2)
    assert patch.hear("/lb/pong").arguments == (2,)
    assert server.guests == 1
    victim.close()


def test_the_last_session_needs_no_name(server, band, opened, controls, until, patch: Patch) -> None:
    """`jam-4711` cannot be typed on a stage; whose session is really called `last` keeps it."""
    patch.say("/lb/sessions")
    patch.out.settimeout(60.0)
    ((_, none),) = timed_messages(parse(patch.out.recv(1 << 16)))
    assert none.arguments == (0, 0, "", "", "")
    first, _ = opened(server, "jam-1")
    second, _ = opened(server, "jam-2")
    patch.say("/lb/last/set/gain", -6.0)
    until(lambda: controls(band, "jam-2")["gain"] == -6.0)
    assert controls(band, "jam-1")["gain"] == 0.0
    third, _ = opened(server, "last")
    fourth, _ = opened(server, "jam-4")
    patch.say("/lb/last/set/gain", -3.0)
    until(lambda: controls(band, "last")["gain"] == -3.0)
    assert controls(band, "jam-4")["gain"] == 0.0
    for client in (first, second, third, fourth):
        client.close()


def test_bars_are_counted_in_order_and_none_twice() -> None:
    """A beat that steps back a little, as told positions do, is not a new one; bars of one beat are bars all the same."""
    bars = Bars()
    seen = [
        began
        for beat in (
            float("nan"),
            3.2,
            3.1,
            3.9,
            4.3,
            4.99,
            1.01,
            1.5,
            1.49,
            2.0,
            float("nan"),
            2.4,
            3.0,
            4.0,
            1.0,
        )
        for began in bars.passed(beat)
    ]
    assert seen == [
        ("bar", 1), ("beat", 3), ("beat", 4), ("bar", 2), ("beat", 1), ("beat", 2), ("beat", 3), ("beat", 4), ("bar", 3), ("beat", 1)
    ]  # fmt: skip
    ones = Bars()
    assert [name for beat in (1.0, 1.6, 1.02, 1.9, 1.2) for name, _ in ones.passed(beat)] == ["bar", "beat"] * 2 + [
        "bar", "beat"
    ]  # fmt: skip


def test_a_beat_that_is_none_is_no_list_of_beats() -> None:
    """A front end may write anything in its segment: a beat of 1e15 filled the memory of the server of everybody."""
    bars = Bars()
    assert bars.passed(1e15) == bars.passed(float("inf")) == bars.passed(-1e15) == []
    assert bars.passed(4.0) == [("bar", 1), ("beat", 4)]


def test_what_cannot_be_told_of_one_session_keeps_nothing_from_the_others(caplog) -> None:
    """A text with a NUL ended the round of cues and plain status for everybody."""
    sent: list[bytes] = []
    guests = SimpleNamespace(get=lambda *_: SimpleNamespace(peer=None), attentive=lambda *_: True)
    figures = {"bad": {"section": "A\0"}, "good": {"section": "B"}}
    hub = SimpleNamespace(status=lambda name, peer: figures[name])
    teller = Teller(hub, guests, SimpleNamespace(), lambda _guest, data: sent.append(data))
    for name in ("bad", "good"):
        teller.plain.choose(("127.0.0.1", 1), name, 1.0, ["section"])
    teller.plain.asked = {("127.0.0.1", 1): ["bad", "good"]}  # in this order
    for now_s in (0.0, 5.0):
        teller.events(now_s)
    assert sent == [write(message("/lb/good/status/section", "B"))] * 2
    assert (teller.faults, len(caplog.records)) == (1, 1)


def test_cues_come_as_the_bars_of_what_is_played(server, opened, play, noise, patch: Patch) -> None:
    """Code that follows the band hears each beat once, in order, as a plain message: no bundles, no figures between."""
    client, stream = opened(server)
    patch.enter()
    patch.say("/lb/guitar/cues")
    patch.say("/lb/guitar/tempo", 120.0)
    patch.say("/lb/guitar/beat", 1.0, 3)
    play(stream, noise(5 * 48000))
    heard = [patch.hear("/lb/guitar/cue/beat").arguments[0] for _ in range(6)]
    first = heard[0]
    assert heard == [(first - 1 + step) % 3 + 1 for step in range(6)]
    assert {one.address for one in patch.waiting} <= {"/lb/guitar/cue/beat", "/lb/guitar/cue/bar"}
    client.close()


def test_events_are_what_changes_and_the_heard_beat_counts_where_nobody_tells_one() -> None:
    """Catches a chord that is told again and again, a tempo that chatters, and bars that need a host."""
    still = {
        "beat": float("nan"),
        "heard_beat": 1.2,
        "chord": "",
        "section": "",
        "heard_chord": "",
        "heard_tempo": 120.0,
    }
    events = Events()
    assert events.passed(still) == [("bar", 1), ("beat", 1), ("heard_tempo", 120.0), ("heard_beat", 1)]
    assert events.passed(still | {"heard_tempo": 120.3}) == []
    moved = still | {
        "heard_beat": 2.1,
        "heard_tempo": 121.0,
        "heard_chord": "Am",
        "chord": "F",
        "section": "B",
    }
    assert events.passed(moved) == [
        ("beat", 2), ("section", "B"), ("chord", "F"), ("heard_chord", "Am"), ("heard_tempo", 121.0), ("heard_beat", 2)
    ]  # fmt: skip
    assert events.passed(moved | {"chord": ""}) == [("chord", "")]


def test_plain_status_has_the_figures_that_were_asked_for_and_ends_when_told_to(
    band, server, opened, patch: Patch
) -> None:
    """Patchers that cannot take bundles apart, or drown in two hundred figures a second, had no status at all."""
    client, _ = opened(server)
    patch.enter()
    patch.say("/lb/last/watch", 40.0, "state", "position")
    plain: set[str] = set()
    for _ in range(6):
        patch.inlet.settimeout(60.0)
        data = patch.inlet.recv(1 << 16)
        assert data.startswith(b"/lb/guitar/status/")  # no bundle
        plain.add(parse(data).address.rpartition("/")[2])  # type: ignore[union-attr]
    assert plain == {"state", "position"}
    patch.say("/lb/last/watch", 5.0, "temop")
    assert "did you mean tempo?" in patch.hear("/lb/error").arguments[1]
    patch.say("/lb/last/watch", 5000.0)
    assert "0 to 50 is accepted" in patch.hear("/lb/error").arguments[1]
    patch.say("/lb/last/watch", 0.0)
    patch.say("/lb/ping", 77)
    assert patch.hear("/lb/pong").arguments == (77,)
    patch.waiting.clear()
    assert nothing_at(patch.inlet)
    client.close()


def test_open_needs_a_name_alone_and_mode_and_anticipation_can_be_set(
    band, server, sessions, until, patch: Patch
) -> None:
    """Catches an open that wants six arguments from a patch that sends no audio, and a knob that says to open anew."""
    patch.enter()
    patch.say("/lb/open", "mine")
    first = patch.hear("/lb/mine/opened").arguments
    assert sessions(band)["mine"]["mode"] == "live"
    patch.say("/lb/mine/set/gain", -6.0)
    patch.say("/lb/mine/set/anticipation", 200.0)
    second = patch.hear("/lb/mine/opened").arguments
    assert second[3] != first[3]  # a stream of its own
    assert sessions(band)["mine"]["mode"] == "manual"
    assert second[1] == 9600.0
    patch.say("/lb/mine/set/mode", "aligned")
    patch.hear("/lb/mine/opened")
    assert sessions(band)["mine"]["mode"] == "aligned"
    patch.say("/lb/mine/set/mode", "bounce")
    assert patch.hear("/lb/error").arguments[0] == "unsupported"
    patch.say("/lb/mine/set/anticipation", 1e9)
    assert "out of range" in patch.hear("/lb/error").arguments[1]


def test_gestures_say_what_they_lack_and_tell_the_beat(
    band, server, opened, controls, sessions, until, patch: Patch
) -> None:
    """Catches a count-in that waits for ever, a section that does not come, and taps that nobody hears."""
    client, _ = opened(server)
    patch.enter()
    patch.say("/lb/guitar/set/count_in")
    assert "needs a tempo" in patch.hear("/lb/error").arguments[1]
    patch.say("/lb/guitar/set/next_section")
    assert "no next section" in patch.hear("/lb/error").arguments[1]
    patch.say("/lb/guitar/set/tacet", "on")
    until(lambda: controls(band)["tacet"] == 1.0)
    patch.say("/lb/guitar/beats_per_bar", 3)
    entry = band.hub._entries["guitar"]

    def tapped() -> float | None:
        patch.say("/lb/guitar/set/tap")
        time.sleep(0.25)
        return entry.known.get("bpm")

    assert 20 < until(tapped) < 400
    patch.say("/lb/guitar/set/count_in")
    until(lambda: controls(band)["tacet"] == 0.0)
    assert entry.known["beats_per_bar"] == 3
    patch.say("/lb/guitar/chart", "| [A] C | [B] F |")
    patch.say("/lb/guitar/set/next_section")
    patch.say("/lb/ping", 3)
    assert patch.hear("/lb/pong").arguments == (3,)
    assert not [one for one in patch.waiting if one.address == "/lb/error"]
    client.close()
