# SPDX-License-Identifier: GPL-3.0-or-later
"""The parser in front of everything: what it refuses has hung, crashed or overrun other servers."""

import contextlib
import itertools
import math
import struct
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from lbserver.transports.osc.packet import (
    IMMEDIATELY,
    Bundle,
    Message,
    OscError,
    bundles,
    message,
    parse,
    timed_messages,
    write,
)

BUNDLE = b"#bundle\0" + bytes(7) + b"\1"


def sized(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


def nested(depth: int) -> bytes:
    data = b"/a\0\0,\0\0\0"
    for _ in range(depth):
        data = BUNDLE + sized(data)
    return data


HOSTILE = {
    "element of -4 bytes: python-osc 1.10.2 loops for ever": BUNDLE + b"\xff\xff\xff\xfc",
    "bad UTF-8: an uncaught UnicodeDecodeError": b"/lb/\xff\xfe\0\0,s\0\0\xff\xfe\0\0",
    "bad UTF-8 in an argument": b"/lb\0,s\0\0\xc3\x28\0\0",
    "500 nested bundles: RecursionError": nested(500),
    "5 nested bundles": nested(5),
    "a blob's own count trusted (csound)": b"/b\0\0,b\0\0\x7f\xff\xff\xff",
    "a blob of a negative count": b"/b\0\0,b\0\0\xff\xff\xff\xff",
    "a blob one byte longer than is left": b"/b\0\0,b\0\0\0\0\0\5abcd",
    "a blob padded with more than zeros": b"/b\0\0,b\0\0\0\0\0\3abcd",
    "nothing": b"",
    "three bytes": b"/a\0",
    "size no multiple of 4": b"/a\0\0,\0\0\0\0",
    "an element larger than its parent": BUNDLE + struct.pack(">i", 12) + b"/a\0\0,\0\0\0",
    "an element of 0 bytes": BUNDLE + bytes(4),
    "an element of 6 bytes": BUNDLE + struct.pack(">i", 6) + b"/a\0\0,\0\0\0",
    "bundle cut inside a size": BUNDLE + b"\0\0",
    "bundle without time tag": b"#bundle\0",
    "65 messages": BUNDLE + 65 * sized(b"/a\0\0,\0\0\0"),
    "thousands of empty bundles": BUNDLE + 3000 * sized(BUNDLE),
    "address of 132 characters": b"/" + b"a" * 131 + bytes(4) + b",\0\0\0",
    "address never terminated": b"/" + b"a" * 63,
    "address with a space": b"/a b\0\0\0\0,\0\0\0",
    "no slash": b"lb\0\0,\0\0\0",
    "tags without a comma": b"/a\0\0i\0\0\0\0\0\0\1",
    "tags never terminated": b"/a\0\0,iii",
    "unknown tag": b"/a\0\0,r\0\0\0\0\0\0",
    "an array never closed": b"/a\0\0,[i\0\0\0\0\1",
    "an array never opened": b"/a\0\0,i][\0\0\0\0\0\0\0\1",
    "arrays nested deeper than 4": b"/a\0\0,[[[[[]]]]]\0",
    "a character that is none": b"/a\0\0,c\0\0\0\0\0\7",
    "an int cut off": b"/a\0\0,ii\0\0\0\0\1",
    "a double cut off": b"/a\0\0,d\0\0\0\0\0\1",
    "a string never terminated": b"/a\0\0,s\0\0abcd",
    "a string padded with more than zeros": b"/a\0\0,s\0\0a\0\0b",
    "bytes behind the last argument": b"/a\0\0,i\0\0\0\0\0\1\0\0\0\1",
    "60000 arguments of no bytes": b"/a\0\0," + b"T" * 60003 + bytes(4),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_packets_are_refused_at_once(name: str) -> None:
    """Each of these hung, crashed or overran a published OSC server, or is one step beside such a case."""
    begin = time.process_time()
    with pytest.raises(OscError):
        parse(HOSTILE[name])
    assert time.process_time() - begin < 5.0


def test_four_nested_bundles_are_the_most() -> None:
    packet = parse(nested(4))
    assert [one.address for _, one in timed_messages(packet)] == ["/a"]
    assert write(packet) == nested(4)


def floats(width: int) -> st.SearchStrategy[float]:
    return st.floats(width=width, allow_nan=False)


ADDRESSES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=127).map("/{}".format)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
VALUES = {
    "i": st.integers(-(2**31), 2**31 - 1),
    "h": st.integers(-(2**63), 2**63 - 1),
    "f": floats(32),
    "d": floats(64),
    "t": st.integers(0, 2**64 - 1),
    "s": TEXT,
    "b": st.binary(max_size=70),
    "T": st.just(True),
    "F": st.just(False),
    "N": st.none(),
    "I": st.just(math.inf),
    "S": TEXT,
    "c": st.characters(min_codepoint=0x20, max_codepoint=0x7E),
}


@st.composite
def messages(draw: st.DrawFn) -> Message:
    tags = draw(st.text("".join(VALUES), max_size=9))
    start, end = sorted((draw(st.integers(0, len(tags))), draw(st.integers(0, len(tags)))))
    array = draw(st.booleans())
    shown = f"{tags[:start]}[{tags[start:end]}]{tags[end:]}" if array else tags
    return Message(draw(ADDRESSES), shown, tuple(draw(VALUES[tag]) for tag in tags))


def bundle_of(depth: int) -> st.SearchStrategy[Bundle]:
    inner = messages() if depth == 1 else st.one_of(messages(), bundle_of(depth - 1))
    return st.builds(Bundle, st.integers(0, 2**64 - 1), st.lists(inner, max_size=3).map(tuple))


PACKETS = st.one_of(messages(), bundle_of(4))


@given(PACKETS)
def test_what_is_written_is_read_back(packet: Message | Bundle) -> None:
    assert parse(write(packet)) == packet


@given(st.binary(max_size=200))
def test_any_bytes_are_a_packet_or_refused(data: bytes) -> None:
    """Nothing but OscError ever comes out, and what is accepted is written back to the same bytes."""
    try:
        packet = parse(data)
    except OscError:
        return
    if not _has_nan(packet):
        assert parse(write(packet)) == packet


@given(PACKETS, st.randoms(use_true_random=False))
def test_damaged_packets_are_a_packet_or_refused(packet: Message | Bundle, random) -> None:
    data = bytearray(write(packet))
    for _ in range(random.randint(1, 4)):
        data[random.randrange(len(data))] = random.choice([0, 1, 4, 0x2C, 0x2F, 0x7F, 0xFC, 0xFF])
    if random.random() < 0.3:
        del data[random.randrange(len(data)) :]
    with contextlib.suppress(OscError):
        parse(bytes(data))


def _has_nan(packet: Message | Bundle) -> bool:
    return any(
        isinstance(value, float) and math.isnan(value)
        for _, one in timed_messages(packet)
        for value in one.arguments
    )


def test_python_osc_reads_what_we_write_and_we_read_what_it_writes() -> None:
    """An independent implementation agrees on every tag we accept."""
    ours = Message("/lb/a/set/mix", "ifsbhdTFN", (-7, 0.25, "drei ♭", b"abc", 2**40, 0.1, True, False, None))
    theirs = OscMessage(write(ours))
    assert theirs.address == ours.address
    assert theirs.params == list(ours.arguments)
    builder = OscMessageBuilder("/lb/a/set/mix")
    for tag, value in zip(ours.tags, ours.arguments, strict=True):
        builder.add_arg(value, tag)
    assert parse(builder.build().dgram) == ours


def test_python_osc_bundles_keep_their_time_tags() -> None:
    builder = OscBundleBuilder(1_700_000_000.5)
    builder.add_content(OscMessageBuilder("/a").build())
    data = builder.build().dgram
    assert OscBundle(data).timestamp == pytest.approx(1_700_000_000.5)
    ((tag, one),) = timed_messages(parse(data))
    assert one == Message("/a")
    assert tag == round((1_700_000_000.5 + 2_208_988_800) * 2**32)


def test_a_bundle_inside_another_is_never_earlier() -> None:
    packet = Bundle(500, (message("/a"), Bundle(400, (message("/b"),)), Bundle(600, (message("/c"),))))
    assert [(tag, one.address) for tag, one in timed_messages(packet)] == [
        (500, "/a"),
        (500, "/b"),
        (600, "/c"),
    ]
    assert timed_messages(message("/a")) == [(IMMEDIATELY, message("/a"))]


@pytest.mark.parametrize(
    "bad",
    [
        Message("/a", "i", (2**31,)),
        Message("/a", "i", ("x",)),
        Message("/a", "ii", (1,)),
        Message("/a", "r", (1,)),
        Message("/a", "f", (1e300,)),
        Message("/a", "s", ("a\0b",)),
        Message("/a", "s", ("\ud800",)),
        Message("a"),
        Message("/é"),
        Message("/" + "a" * 128),
        Message("/a", "T" * 513, (True,) * 513),
        Message("/a", "b", (bytes(65537),)),
        Bundle(-1, ()),
        Bundle(1, (message("/a"),) * 64),
        Bundle(1, (Bundle(1, (Bundle(1, (Bundle(1, (Bundle(1, ()),)),)),)),)),
    ],
)
def test_the_writer_refuses_what_the_parser_would(bad: Message | Bundle) -> None:
    with pytest.raises(OscError):
        write(bad)


@pytest.mark.parametrize("largest", [40, 1200])
def test_many_messages_are_packed_into_few_bundles(largest: int) -> None:
    many = [message(f"/lb/a/status/{index}", index) for index in range(150)]
    packets = bundles(many, largest_bytes=largest)
    assert list(itertools.chain(*([one for _, one in timed_messages(parse(p))] for p in packets))) == many
    assert all(len(packet) <= max(largest, 64) for packet in packets)
    assert largest < 100 or len(packets) < 10


def test_numpy_noise_never_hangs() -> None:
    """20000 packets that begin as bundles or messages do, the rest noise."""
    rng = np.random.default_rng(1)
    heads = [b"", BUNDLE, b"/lb\0,", b"/lb\0,bsi\0\0\0\0", BUNDLE + b"\0\0\0\x0c/lb\0,"]
    begin = time.process_time()
    for index in range(20000):
        noise = rng.integers(0, 256, int(rng.integers(0, 12)) * 4, np.uint8).tobytes()
        with contextlib.suppress(OscError):
            parse(heads[index % len(heads)] + noise)
    assert time.process_time() - begin < 120
