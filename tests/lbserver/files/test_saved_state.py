# SPDX-License-Identifier: GPL-3.0-or-later
"""Saved state: what goes in comes out to the bit, and whatever else comes in is refused in one line."""

import random
import struct
import tracemalloc
import zlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbserver.errors import LiveBandError
from lbserver.files import saved_state

SAMPLE = {"session": b"\x81\xa4seed\x07", "empty": b"", "model": bytes(range(256)) * 3}


def sealed(body: bytes) -> bytes:
    """Bytes under a checksum that is right: what someone who knows the format would send."""
    return body + struct.pack("<I", zlib.crc32(body))


def with_table(table: object, data: bytes = b"", length: int | None = None, version: int = 1) -> bytes:
    packed = table if isinstance(table, bytes) else msgpack.packb(table)
    head = struct.pack("<8sHHI", b"LBCHUNK\n", version, 0, len(packed) if length is None else length)
    return sealed(head + packed + data)


def refusal(data: bytes, limit_bytes: int = saved_state.MOST_BYTES) -> str:
    with pytest.raises(LiveBandError) as refused:
        saved_state.unpack(data, limit_bytes=limit_bytes)
    line = str(refused.value)
    assert "\n" not in line
    assert len(line) < 300
    return line


section_names = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64)


@given(st.dictionaries(section_names, st.binary(max_size=300), max_size=64))
def test_what_goes_in_comes_out_in_order(sections: dict[str, bytes]) -> None:
    packed = saved_state.pack(sections)
    assert list(saved_state.unpack(packed).items()) == list(sections.items())
    assert saved_state.pack(sections) == packed


def test_the_layout_is_as_documented() -> None:
    """A file kept today is read by every later version: change these bytes and old moments are lost."""
    packed = saved_state.pack({"a": b"xyz"})
    table = b"\x81\xa8sections\x81\xa1a\x03"
    body = b"LBCHUNK\n" + bytes([1, 0, 0, 0]) + len(table).to_bytes(4, "little") + table + b"xyz"
    assert packed == body + zlib.crc32(body).to_bytes(4, "little")


def test_a_newer_minor_version_with_more_in_it_is_read() -> None:
    table = {"sections": {"a": 2, "from the future": 3}, "made by": 7, "notes": [1, 2]}
    data = bytearray(with_table(table, b"xyabc"))
    data[10] = 9
    newer = sealed(bytes(data[:-4]))
    assert saved_state.unpack(newer) == {"a": b"xy", "from the future": b"abc"}


def test_empty_is_refused() -> None:
    assert "empty" in refusal(b"")


def test_each_cut_is_refused() -> None:
    data = saved_state.pack(SAMPLE)
    for length in range(1, len(data)):
        assert "truncated" in refusal(data[:length])
    refusal(data + b"\0")


def test_each_flipped_bit_is_refused() -> None:
    data = saved_state.pack(SAMPLE)
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << (bit % 8)
        refusal(bytes(damaged))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_random_megabyte_is_refused(seed: int) -> None:
    noise = random.Random(seed).randbytes(2**20)
    assert "no saved state" in refusal(noise)
    assert "version" in refusal(b"LBCHUNK\n" + noise)
    refusal(sealed(struct.pack("<8sHHI", b"LBCHUNK\n", 1, 0, 4096) + noise))


@given(st.data())
def test_a_forged_chunk_is_refused_or_whole(data: st.DataObject) -> None:
    """Damage under a right checksum: only our error, or sections that add up."""
    body = bytearray(saved_state.pack(SAMPLE)[:-4])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, 60))] = data.draw(st.integers(0, 255))
    try:
        found = saved_state.unpack(sealed(bytes(body)))
    except LiveBandError:
        return
    assert sum(map(len, found.values())) == sum(map(len, SAMPLE.values()))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"LBCH", "truncated"),
        (b"RIFF" + bytes(100), "no saved state"),
        (with_table({"sections": {}}, version=2), "version 2; this LiveBand reads version 1"),
        (with_table({"sections": {}}, length=2**32 - 1), "claims 4294967295 bytes"),
        (with_table(b"\xc0" * 16385), "claims 16385 bytes"),
        (with_table({"sections": {"a": 4}}, b"123"), "lists 4 bytes, 3 are there"),
        (with_table({"sections": {"a": 2**63}}, b"123"), "lists 9223372036854775808 bytes"),
        (with_table({"sections": {"a": -1, "b": 4}}, b"123"), "makes no sense: 'a'"),
        (with_table({"sections": {"a": 3.0}}, b"123"), "makes no sense"),
        (with_table({"sections": {"a": True}}, b"1"), "makes no sense"),
        (with_table({"sections": {"": 0}}), "makes no sense"),
        (with_table({"sections": {b"a": 0}}), "makes no sense"),
        (with_table({"sections": {"a\n": 0}}), "makes no sense"),
        (with_table({"sections": ["a"]}), "lists no sections"),
        (with_table([]), "lists no sections"),
        (with_table(7), "lists no sections"),
        (with_table(b"\x81\xa8sections\x82\xa1a\x01\xa1a\x02", b"123"), "one twice"),
        (with_table({"sections": {str(i): 0 for i in range(65)}}), "cannot be read"),
        (with_table({"sections": {"n" * 65: 0}}), "cannot be read"),
        (with_table({"sections": {}, 7: 0}), "cannot be read"),
        (with_table(b""), "cannot be read"),
        (with_table(b"\x91" * 10_000), "cannot be read"),
        (with_table(b"\x81" * 10_000), "cannot be read"),
        (with_table(b"\xdd\xff\xff\xff\xff"), "cannot be read"),
        (with_table(b"\xdf\xff\xff\xff\xff"), "cannot be read"),
        (with_table(b"\xc1"), "cannot be read"),
        (with_table(b"\xd6\xff\0\0\0\0"), "cannot be read"),
        (with_table(b"\xa1\xff"), "cannot be read"),
        (with_table(b"\x81\x80\x80"), "cannot be read"),
    ],
)
def test_tables_that_lie(data: bytes, reason: str) -> None:
    assert reason in refusal(data)


def test_sizes_are_limited_both_ways() -> None:
    plugin = saved_state.MOST_PLUGIN_BYTES
    fits = saved_state.pack({"a": bytes(plugin - 200)}, limit_bytes=plugin)
    assert len(fits) <= plugin
    assert "1048576" in refusal(bytes(plugin + 1), plugin)
    for sections, limit in (
        ({"a": bytes(plugin)}, plugin),
        ({"a": bytes(saved_state.MOST_BYTES)}, saved_state.MOST_BYTES),
    ):
        with pytest.raises(LiveBandError, match="too large"):
            saved_state.pack(sections, limit_bytes=limit)


@pytest.mark.parametrize(
    "sections", [{str(i): b"" for i in range(65)}, {"": b""}, {"x" * 65: b""}, {"a\0": b""}]
)
def test_what_cannot_be_read_is_not_written(sections: dict[str, bytes]) -> None:
    with pytest.raises(LiveBandError):
        saved_state.pack(sections)


def test_a_bomb_of_empty_maps_stays_small() -> None:
    """Measured without limits: 10 MB of empty maps became 720 MB of dictionaries."""
    data = with_table(b"\xdc\xff\xff" + b"\x80" * 65535, bytes(7_000_000))
    tracemalloc.start()
    refusal(data)
    refusal(with_table(b"\x9f" + b"\x80" * 15 + b"\x80" * 16000))
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
