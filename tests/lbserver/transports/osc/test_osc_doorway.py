# SPDX-License-Identifier: GPL-3.0-or-later
"""Cookies, signatures, time tags and addresses: the parts that need no socket."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbserver.protocol.osc import ADDRESSES
from lbserver.transports.osc.addresses import compose, understand
from lbserver.transports.osc.doorway import Bucket, Cookies, Guests, ReplayWindow, sign, unsigned
from lbserver.transports.osc.packet import IMMEDIATELY, Message, OscError, message
from lbserver.transports.osc.schedule import MOST_WAITING, Agenda, delay_s, time_tag

TOKEN = b"correct horse battery"
COOKIE = "k0123456789"
SOURCE = ("10.0.0.1", 5000)


# Signatures


def test_a_signed_message_is_taken_as_it_was() -> None:
    one = message("/lb/a/set/mix", 0.25, "x", 7)
    assert unsigned(sign(one, TOKEN, 42, COOKIE), TOKEN, COOKIE) == (one, 42)


def test_whatever_is_changed_in_a_signed_message_is_seen() -> None:
    one = sign(message("/lb/a/set/mix", 0.25), TOKEN, 42, COOKIE)
    blob = one.arguments[-1]
    assert isinstance(blob, bytes)
    changed = [
        Message("/lb/b/set/mix", one.tags, one.arguments),
        Message(one.address, one.tags, (0.5, blob)),
        Message(one.address, "db", one.arguments),
        *(
            Message(one.address, one.tags, (0.25, blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]))
            for at in range(len(blob))
        ),
        Message(one.address, one.tags, (0.25, blob[:-1])),
        Message(one.address, "f", (0.25,)),
        Message(one.address, "b", (blob,)),
    ]
    for other in changed:
        with pytest.raises(OscError):
            unsigned(other, TOKEN, COOKIE)
    for token, cookie in ((b"another token......", COOKIE), (TOKEN, "k0"), (TOKEN, "")):
        with pytest.raises(OscError):
            unsigned(one, token, cookie)


@given(st.lists(st.integers(0, 3000), max_size=200))
def test_each_counter_is_good_once(counters: list[int]) -> None:
    """The window against a plain set: nothing passes twice, nothing older than the window passes at all."""
    window, seen, highest = ReplayWindow(), set(), -1
    for counter in counters:
        fresh = counter not in seen and counter > highest - 1024
        assert window.fresh(counter) == fresh
        seen.add(counter)
        highest = max(highest, counter)


def test_a_counter_may_leap_far() -> None:
    window = ReplayWindow()
    assert window.fresh(2**64 - 1)
    assert not window.fresh(2**64 - 1)
    assert not window.fresh(5)


# Cookies and guests


def test_a_cookie_is_good_for_its_source_and_for_ten_to_twenty_minutes() -> None:
    cookies = Cookies()
    cookie = cookies.bake(SOURCE, 1000.0)
    assert cookies.good_until_s(cookie, SOURCE, 1000.0) == 1800.0
    assert cookies.good_until_s(cookie, SOURCE, 1799.0) == 1800.0
    assert cookies.good_until_s(cookie, SOURCE, 1801.0) is None
    assert cookies.good_until_s(cookie, ("10.0.0.1", 5001), 1000.0) is None
    assert cookies.good_until_s(cookie, ("10.0.0.2", 5000), 1000.0) is None
    assert Cookies().good_until_s(cookie, SOURCE, 1000.0) is None
    assert cookies.good_until_s("", SOURCE, 1000.0) is None


def test_a_full_house_makes_room_only_by_the_silent() -> None:
    guests = Guests(most=3)
    for port in (1, 2, 3):
        assert guests.admit(("h", port), COOKIE, 600.0, float(port)) is not None
    assert guests.admit(("h", 4), COOKIE, 600.0, 10.0) is None
    assert guests.admit(("h", 2), COOKIE, 600.0, 30.0) is not None  # an old guest is welcome
    assert guests.admit(("h", 4), COOKIE, 600.0, 32.0) is not None  # the first was silent for 31 s
    assert [guest.source for guest in guests.forget(32.0)] == [("h", 1)]
    assert guests.get(("h", 4), 599.0) is not None
    assert guests.get(("h", 4), 600.0) is None


def test_a_guest_that_says_nothing_for_thirty_seconds_gets_no_streams() -> None:
    guests = Guests()
    guest = guests.admit(SOURCE, COOKIE, 600.0, 100.0)
    assert guest is not None
    assert guests.attentive(guest, 130.0)
    assert not guests.attentive(guest, 130.1)
    guest.heard_s = 590.0
    assert not guests.attentive(guest, 600.0)


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(burst=10, per_s=5)
    assert sum(bucket.take(0.0) for _ in range(100)) == 10
    assert sum(bucket.take(1.0 + index / 1000) for index in range(1000)) in (9, 10)


# Time tags


def test_time_tags_are_delays_and_the_far_future_is_refused() -> None:
    wall_s = 1_700_000_000.0
    assert delay_s(IMMEDIATELY, wall_s) == 0.0
    assert delay_s(0, wall_s) == 0.0
    assert delay_s(time_tag(wall_s - 3600), wall_s) == 0.0
    assert delay_s(time_tag(wall_s + 0.2), wall_s) == pytest.approx(0.2, abs=1e-6)
    assert delay_s(time_tag(wall_s + 10), wall_s) == pytest.approx(10.0, abs=1e-6)
    for ahead_s in (10.01, 3600, 1e9):
        with pytest.raises(OscError):
            delay_s(time_tag(wall_s + ahead_s), wall_s)
    with pytest.raises(OscError):
        delay_s(2**64 - 1, wall_s)


def test_the_agenda_keeps_time_and_order_and_is_bounded() -> None:
    agenda, done = Agenda(), []
    for due_s, name in ((2.0, "c"), (1.0, "a"), (1.0, "b"), (3.0, "d")):
        agenda.add(due_s, lambda name=name: done.append(name))
    assert agenda.next_s == 1.0
    for act in agenda.due(2.0):
        act()
    assert done == ["a", "b", "c"]
    assert len(agenda) == 1
    for _ in range(MOST_WAITING - 1):
        agenda.add(5.0, lambda: None)
    with pytest.raises(OscError):
        agenda.add(5.0, lambda: None)


# Addresses


EXAMPLES = {"i": 7, "h": 2**40, "f": 0.5, "s": "x", "l": "x y", "b": b"abc", "v": 0.25, "I": 1.0}


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda address: address.pattern)
def test_every_address_of_the_table_is_written_and_understood(address) -> None:
    names = {name: f"{name}.1" for name in ("session", "control", "name") if f"<{name}>" in address.pattern}
    words = [word.split(":") for word in address.arguments.split()]
    values = tuple(EXAMPLES[kind] for kind, _ in words)
    one = compose(address.pattern, *values, **names)
    call = understand(one, "out" if address.direction == "out" else "in")
    assert call.pattern == address.pattern
    assert call.names == names
    assert call.arguments == {name.removesuffix("?"): EXAMPLES[kind] for kind, name in words}


@pytest.mark.parametrize(
    ("tags", "value", "expected"),
    [
        ("f", 0.5, 0.5),
        ("d", 0.5, 0.5),
        ("i", 1, 1),
        ("h", 1, 1),
        ("T", True, 1),
        ("F", False, 0),
        ("s", "on", "on"),
        ("S", "0.5", "0.5"),
        ("[f]", 0.5, 0.5),
    ],
)
def test_a_value_may_come_as_any_kind_of_number_or_text(tags: str, value, expected) -> None:
    """Max sends ints for floats, TouchOSC booleans as T and F, Tidal everything as float."""
    assert understand(Message("/lb/a/set/mix", tags, (value,))).arguments == {"value": expected}


@pytest.mark.parametrize(
    ("tags", "value"),
    [
        ("f", math.nan),
        ("f", math.inf),
        ("N", None),
        ("I", math.inf),
        ("b", b"x"),
        ("s", "a\x07b"),
        ("s", "x" * 5000),
    ],
)
def test_values_that_are_none_are_refused(tags: str, value) -> None:
    with pytest.raises(OscError):
        understand(Message("/lb/a/set/mix", tags, (value,)))


@pytest.mark.parametrize(
    "one",
    [
        message("/lb/open"),
        message("/lb/open", "a", "bass", 48000, 2, 128, "live", 40.0, "tiny", 1),
        message("/lb/open", True, "bass", 48000, 2, 128, "live"),
        message("/lb/open", "a", "bass", 48000.5, 2, 128, "live"),
        message("/lb/open", "a", "bass", "48_000", 2, 128, "live"),
        message("/lb/panic", 1, 1),
        message("/lb/panic", "softly"),
        message("/lb/a/tempo", "fast"),
        message("/lb/a/tempo", "\u0661\u0662\u0660"),
        message("/lb/a/tempo", "1e999"),
        message("/lb/cookie", None),
        message("/lb/a/chart", "|", b"C"),
        message("/lb/a/set/gain"),
    ],
    ids=lambda one: one.address,
)
def test_wrong_arguments_are_refused_by_name(one: Message) -> None:
    with pytest.raises(OscError, match=one.address):
        understand(one)


@pytest.mark.parametrize(
    "address", ["/", "/lb", "/lb/", "/lb/a", "/lb/a/set", "/lb/a/set/x/y", "/lb/welcome", "/lb/*/set/mix/"]
)
def test_addresses_that_are_not_in_the_table_are_none(address: str) -> None:
    with pytest.raises(KeyError):
        understand(Message(address))
