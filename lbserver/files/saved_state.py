# SPDX-License-Identifier: GPL-3.0-or-later
"""Session chunks: named sections of bytes in one checked block, for snapshots on disk and a plug-in's saved state.

Layout, little-endian: `LBCHUNK` and a newline; u16 major, u16 minor; u32 length of the table; the table, msgpack
`{"sections": {name: bytes}}` in the order of the data; the sections' bytes; u32 CRC-32 of all before it.
A chunk holds values, never a path, a command or code. Readers take the sections they know and leave the others;
unknown entries of the table and a newer minor version are no error, another major version is.
"""

import struct
import zlib
from collections.abc import Mapping
from typing import Any

import msgpack

from lbserver.errors import LiveBandError

MAJOR, MINOR = 1, 0
MOST_BYTES = 8 * 2**20
"""Of a snapshot: a model's state is about 2 MiB."""
MOST_PLUGIN_BYTES = 2**20
"""Of a plug-in's state, which has no model state in it: hosts keep it in every project, several times."""
MOST_SECTIONS = 64
_MOST_NAME_BYTES = 64
_MOST_TABLE_BYTES = 16 * 2**10
_MAGIC = b"LBCHUNK\n"
_HEAD = struct.Struct("<8sHHI")
_CRC = struct.Struct("<I")


def pack(sections: Mapping[str, bytes], *, limit_bytes: int = MOST_BYTES) -> bytes:
    """The chunk of these sections, in their order.

    Raises LiveBandError: more than 64 sections, a name of more than 64 bytes or none, or more bytes than the limit.
    """
    if len(sections) > MOST_SECTIONS:
        raise LiveBandError(f"{len(sections)} sections do not fit into a chunk: at most {MOST_SECTIONS}")
    for name in sections:
        if not _is_name(name):
            raise LiveBandError(
                f"{name[:80]!r} is no section: 1 to {_MOST_NAME_BYTES} printable ASCII characters"
            )
    table = msgpack.packb({"sections": {name: len(data) for name, data in sections.items()}})
    body = b"".join([_HEAD.pack(_MAGIC, MAJOR, MINOR, len(table)), table, *sections.values()])
    size = len(body) + _CRC.size
    if size > limit_bytes:
        raise LiveBandError(f"a chunk of {size} bytes is too large: at most {limit_bytes}")
    return body + _CRC.pack(zlib.crc32(body))


def unpack(data: bytes, *, limit_bytes: int = MOST_BYTES) -> dict[str, bytes]:
    """The sections of a chunk, all of them or an error: nothing is guessed from a damaged one.

    Raises LiveBandError naming the reason: empty, too large, not a chunk, of another major version, truncated,
    damaged (CRC-32), or a table that lies.
    """
    if not data:
        raise LiveBandError("the saved state is empty")
    if len(data) > limit_bytes:
        raise LiveBandError(f"the saved state has {len(data)} bytes; accepted are up to {limit_bytes}")
    if not data.startswith(_MAGIC[: len(data)]):
        raise LiveBandError("these bytes are no saved state of LiveBand")
    if len(data) < _HEAD.size + _CRC.size:
        raise LiveBandError(f"the saved state is truncated: {len(data)} bytes")
    _magic, major, _minor, table_bytes = _HEAD.unpack_from(data)
    if major != MAJOR:
        raise LiveBandError(f"the saved state has version {major}; this LiveBand reads version {MAJOR}")
    end = len(data) - _CRC.size
    if zlib.crc32(memoryview(data)[:end]) != _CRC.unpack_from(data, end)[0]:
        raise LiveBandError("the saved state is truncated or damaged: its checksum differs")
    start = _HEAD.size + table_bytes
    if table_bytes > _MOST_TABLE_BYTES or start > end:
        raise LiveBandError(f"the saved state's table claims {table_bytes} bytes")
    lengths = _lengths(data[_HEAD.size : start])
    if sum(lengths.values()) != end - start:
        raise LiveBandError(
            f"the saved state's table lists {sum(lengths.values())} bytes, {end - start} are there"
        )
    sections: dict[str, bytes] = {}
    for name, length in lengths.items():
        sections[name] = data[start : start + length]
        start += length
    return sections


def _lengths(packed: bytes) -> dict[str, int]:
    """Section lengths by name, in order."""
    seen: list[list[tuple[Any, Any]]] = []

    def keep(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        seen.append(pairs)
        return dict(pairs)

    try:
        table = msgpack.unpackb(
            packed,
            strict_map_key=True,
            max_str_len=_MOST_NAME_BYTES,
            max_map_len=MOST_SECTIONS,
            max_array_len=MOST_SECTIONS,
            max_bin_len=_MOST_TABLE_BYTES,
            max_ext_len=0,
            object_pairs_hook=keep,
        )
    except (
        ValueError,
        TypeError,
        OverflowError,
        RecursionError,
        msgpack.exceptions.UnpackException,
    ) as error:
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise LiveBandError(f"the saved state's table cannot be read ({reason})") from None
    sections = table.get("sections") if isinstance(table, dict) else None
    if not isinstance(sections, dict) or any(len(dict(pairs)) != len(pairs) for pairs in seen):
        raise LiveBandError("the saved state's table lists no sections, or one twice")
    for name, length in sections.items():
        if not _is_name(name) or type(length) is not int or length < 0:
            raise LiveBandError(
                f"the saved state's table has an entry that makes no sense: {str(name)[:80]!r}"
            )
    return sections


def _is_name(name: object) -> bool:
    return (
        isinstance(name, str) and name.isascii() and name.isprintable() and 0 < len(name) <= _MOST_NAME_BYTES
    )
