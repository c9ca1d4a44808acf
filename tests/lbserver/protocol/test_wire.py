# SPDX-License-Identifier: GPL-3.0-or-later
import math
import tracemalloc

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbserver.protocol.messages import MAX_MESSAGE_BYTES, MessageError, check
from lbserver.protocol.wire import MAX_ARRAY, MAX_DEPTH, MAX_MAP, Framer, WireError, frame, pack, unpack

_OPEN = {
    "type": "open", "id": 3, "session": "a", "rate_hz": 48000, "channels": 2, "block_samples": 256,
    "mode": "live", "stem": "bass",
}  # fmt: skip

_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=9), _values, max_size=6))
@settings(max_examples=200, deadline=None)
def test_what_is_packed_comes_back(message):
    """A limit set too low, or text turned into bytes, would show."""
    assert unpack(pack(message)) == message


def nested(depth):
    return b"\x91" * depth + b"\xc0"


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(b"\xdd\x00\xa0\x00\x00" + b"\x80" * 10_000_000, id="10 MB of empty maps"),
        pytest.param(b"\xdd\x00\x0f\xff\x00" + b"\x80" * 0xFFF00, id="1 MB of empty maps"),
        pytest.param((b"\xdc\x04\x00" + b"\x80" * 1024) * 100, id="many arrays of empty maps"),
        pytest.param(b"\x91" + b"\xdc\x04\x00" * 1000, id="a thousand nested arrays of a thousand"),
        pytest.param(nested(100_000), id="100000 deep"),
        pytest.param(nested(600), id="600 deep"),
        pytest.param(nested(MAX_DEPTH + 1), id="one too deep"),
        pytest.param(b"\x81\xa1a" * 100 + b"\xc0", id="nested maps"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="array32 that lies"),
        pytest.param(b"\xdf\xff\xff\xff\xff", id="map32 that lies"),
        pytest.param(b"\xdb\xff\xff\xff\xff", id="str32 that lies"),
        pytest.param(b"\xc6\xff\xff\xff\xff", id="bin32 that lies"),
        pytest.param(b"\xc9\xff\xff\xff\xff\x05", id="ext32 that lies"),
        pytest.param(b"\xc7\x00\x05", id="an extension"),
        pytest.param(b"\xd6\xff\x00\x00\x00\x01", id="a timestamp"),
        pytest.param(b"\x81\xa1a\x91\xd6\xff\x00\x00\x00\x01", id="a timestamp inside"),
        pytest.param(b"\x81\x01\x02", id="a number as a key"),
        pytest.param(b"\xa2\xff\xfe", id="text that is no UTF-8"),
        pytest.param(b"\xc1", id="the byte that is never used"),
        pytest.param(b"\xc0\xc0", id="two values"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xdc" + (MAX_ARRAY + 1).to_bytes(2, "big") + b"\xc0" * (MAX_ARRAY + 1), id="a long array"),
        pytest.param(b"\xde" + (MAX_MAP + 1).to_bytes(2, "big") + b"\xa1a\xc0" * (MAX_MAP + 1), id="a long map"),
    ],
)  # fmt: skip
def test_bombs_are_refused_cheaply(bomb):
    """10 MB of empty maps became 720 MB in a decoder without limits; deep nesting overflowed a stack."""
    tracemalloc.start()
    try:
        with pytest.raises(WireError) as caught:
            unpack(bomb)
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("message", [{"a": object()}, {"a": 2**64}, {"a": b"x" * MAX_MESSAGE_BYTES}])
def test_what_cannot_be_sent_is_said_when_it_is_packed(message):
    with pytest.raises(WireError):
        pack(message)


def test_as_deep_as_allowed():
    assert unpack(nested(MAX_DEPTH)) is not None


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 2**63, -1])
def test_numbers_that_no_message_may_hold_pass_the_wire_and_fail_the_table(number):
    """The wire carries NaN (a tempo that is not known), so the table must refuse it where it is no answer."""
    with pytest.raises(MessageError):
        check(unpack(pack({**_OPEN, "rate_hz": number})), "in")


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.integers(0, 300), max_size=3), max_size=8), st.randoms()
)
@settings(max_examples=100, deadline=None)
def test_frames_cut_anywhere_are_the_same_messages(messages, rng):
    stream = b"".join(frame(message) for message in messages)
    framer, got = Framer(), []
    while stream:
        cut = rng.randint(1, len(stream))
        got += framer.feed(stream[:cut])
        stream = stream[cut:]
    assert got == messages
    assert framer.pending_bytes == 0


def test_a_long_frame_is_refused_by_its_length_alone():
    """Not after a gigabyte has been waited for."""
    framer = Framer()
    with pytest.raises(WireError, match="claims 1048577 bytes"):
        list(framer.feed((MAX_MESSAGE_BYTES + 1).to_bytes(4, "little")))


def test_messages_before_the_damaged_one_are_heard():
    messages = Framer().feed(frame(_OPEN) + b"\x01\x00\x00\x00\xc1")
    assert next(messages) == _OPEN
    with pytest.raises(WireError):
        next(messages)


def test_a_stream_of_empty_frames_costs_no_memory():
    framer = Framer()
    tracemalloc.start()
    try:
        for _ in range(3):
            for message in framer.feed(b"\x01\x00\x00\x00\x80" * 20_000):
                assert message == {}
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_plain_messagepack_of_any_other_library_is_understood():
    """Clients in other languages use the formats they like: float32, long integers, text as str32."""
    data = (
        b"\x82" + b"\xdb\x00\x00\x00\x01a" + b"\xca\x3f\x80\x00\x00" + b"\xa1b" + b"\xd3" + bytes(7) + b"\x05"
    )
    assert unpack(data) == {"a": 1.0, "b": 5}
    assert msgpack.unpackb(pack({"a": 1})) == {"a": 1}
