# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of one message: whatever they are, they are a message that can be sent again, or refused in one line."""

from collections.abc import Mapping
from typing import Any

from lbserver.protocol.messages import MESSAGES, MessageError, check
from lbserver.protocol.wire import WireError, pack, unpack

_EXAMPLE: Mapping[str, Any] = {
    "int": 48000, "float": 120.5, "str": "bass", "bytes": bytes(64), "bool": True, "map": {"state": "playing"},
    "value": 0.5,
}  # fmt: skip


def _example(index: int) -> dict[str, Any]:
    message = MESSAGES[index]
    fields = {part.name: _EXAMPLE[part.kind] for part in message.parts}
    return {"type": message.name, "id": 7, **fields}


SEEDS: list[bytes] = [
    *(pack(_example(index)) for index in range(len(MESSAGES))),
    b"\x80",
    b"\x81\xa4type\xc0",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\x91" * 600 + b"\xc0",
    b"\xdc\x04\x00" + b"\x80" * 1024,
    b"\x81\xa4type\xd6\xff\x00\x00\x00\x01",
    b"\x81\xa4type\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
    b"\x81\x01\x02",
]


def TARGET(data: bytes) -> None:  # noqa: N802 (the name every fuzz target has)
    try:
        value = unpack(data)
    except WireError as error:
        if "\n" in str(error):
            raise AssertionError("a refusal is one line") from error
        return
    for direction in ("in", "out"):
        try:
            clean, unknown = check(value, direction)
        except MessageError:
            continue
        assert unknown >= 0
        assert check(unpack(pack(clean)), direction) == (clean, 0) or _holds_nan(clean)


def _holds_nan(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_nan(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_holds_nan(inner) for inner in value)
    return isinstance(value, float) and value != value
