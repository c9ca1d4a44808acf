# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of saved state, as they are and under a right checksum: sections that pack again, or a refusal in one line."""

import zlib

from lbserver.errors import LiveBandError
from lbserver.files import saved_state


def _sealed(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "little")


def _with_table(table: bytes, data: bytes = b"") -> bytes:
    head = b"LBCHUNK\n" + bytes([1, 0, 0, 0]) + len(table).to_bytes(4, "little")
    return _sealed(head + table + data)


SEEDS: list[bytes] = [
    saved_state.pack({}),
    saved_state.pack({"session": b"\x80", "controls": bytes(40), "model": bytes(range(256))}),
    saved_state.pack({f"s{index}": bytes(index) for index in range(saved_state.MOST_SECTIONS)}),
    saved_state.pack({"a": b"xyz"})[:-1],
    _with_table(b"\x82\xa8sections\x81\xa1a\x03\xa5newer\x93\x01\x02\x03", b"xyz"),
    _with_table(b"\x81\xa8sections\x81\xa1a\xcf" + b"\xff" * 8),
    _with_table(b"\x81\xa8sections\x82\xa1a\x01\xa1a\x02", b"xyz"),
    _with_table(b"\x91" * 600 + b"\xc0"),
    _with_table(b"\xdc\x04\x00" + b"\x80" * 1024),
    _with_table(b"\x81\xa4name\xd6\xff\x00\x00\x00\x01"),
]


def TARGET(data: bytes) -> None:  # noqa: N802 (the name every fuzz target has)
    for candidate in (data, _sealed(data[:-4])):
        try:
            sections = saved_state.unpack(candidate)
        except LiveBandError as error:
            if "\n" in str(error):
                raise AssertionError("a refusal is one line") from error
            continue
        assert sum(map(len, sections.values())) < len(candidate)
        assert saved_state.unpack(saved_state.pack(sections)) == sections
