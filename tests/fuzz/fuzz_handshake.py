# SPDX-License-Identifier: GPL-3.0-or-later
"""A byte stream on the local socket: cut anywhere it gives the same messages, or the same refusal."""

from typing import Any

from lbserver.protocol import MAJOR, MINOR
from lbserver.protocol.messages import MessageError, check
from lbserver.protocol.wire import Framer, WireError, frame

_HELLO = frame({"type": "hello", "id": 1, "major": MAJOR, "minor": MINOR, "client": "fuzz"})
_OPEN = frame(
    {
        "type": "open", "id": 2, "session": "a", "rate_hz": 48000, "channels": 2, "block_samples": 256,
        "mode": "live", "stem": "bass",
    }
)  # fmt: skip

SEEDS: list[bytes] = [
    _HELLO,
    _HELLO + _OPEN,
    _HELLO[:7],
    frame({"type": "hello", "major": MAJOR + 1, "minor": 0, "client": "newer"}),
    frame({"type": "hello", "major": MAJOR, "minor": MINOR + 9, "client": "newer", "more": [1, {"a": None}]}),
    b"\xff\xff\xff\xff" + bytes(16),
    b"\x00\x00\x10\x00" + bytes(16),
    b"\x00\x00\x00\x00" * 8,
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
]


def TARGET(data: bytes) -> None:  # noqa: N802 (the name every fuzz target has)
    whole = _outcome([data])
    third = len(data) // 3 + 1
    pieces = [data[start : start + third] for start in range(0, len(data), third)]
    assert _outcome(pieces) == whole


def _outcome(pieces: list[bytes]) -> list[Any]:
    """What comes out: messages as text (NaN equals itself there), then the refusal if there is one."""
    framer = Framer()
    told: list[Any] = []
    try:
        for piece in pieces:
            for message in framer.feed(piece):
                told.append(repr(message))
                try:
                    check(message, "in")
                except MessageError as error:
                    told.append(str(error))
    except WireError as error:
        told.append(str(error))
    else:
        assert framer.pending_bytes <= sum(map(len, pieces))
    return told
