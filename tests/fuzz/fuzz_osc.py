# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of one datagram: whatever they are, they are an OSC packet that can be written again, or refused in one line."""

import math
import struct
from contextlib import suppress

import numpy as np

from lbserver.protocol.controls import CONTROLS
from lbserver.transports.osc.addresses import known, reached, understand
from lbserver.transports.osc.audio import decode
from lbserver.transports.osc.packet import (
    Bundle,
    Message,
    OscError,
    Packet,
    message,
    parse,
    timed_messages,
    write,
)

_REACHABLE = {
    f"/lb/{session}/{what}"
    for session in ("a", "b.1")
    for what in (
        *(f"set/{control.name}" for control in CONTROLS),
        *(
            "tempo",
            "beat",
            "beats_per_bar",
            "chord",
            "chart",
            "key",
            "style",
            "glide",
            "classes",
            "injection",
        ),
        *("keep", "recall"),
        *("set/mode", "set/anticipation", "subscribe", "cues", "watch"),
    )
}
_BUNDLE = b"#bundle\0" + bytes(7) + b"\1"


def _nested(depth: int) -> bytes:
    data = b"/a\0\0,\0\0\0"
    for _ in range(depth):
        data = _BUNDLE + struct.pack(">i", len(data)) + data
    return data


SEEDS: list[bytes] = [
    write(message("/lb/hello", 1, 0, "fuzz")),
    write(message("/lb/cookie", "k" + 24 * "0")),
    write(message("/lb/open", "a", "bass", 48000, 2, 128, "live")),
    write(message("/lb/a/set/variation", 0.5)),
    write(message("/lb/a/chart", "| C | Am F | G |")),
    write(Message("/lb/a/chart", "[sSc]f", ("|", "Am", "C", 4.0))),
    write(Message("/lb/{a,b*}/set/[!g-v]?*", "s", ("on",))),
    write(Message("/lb/*/set/" + 20 * "*a", "I", (math.inf,))),
    write(Message("/lb/a/audio", "iihib", (1, 2, 2**40, 1, bytes(64)))),
    write(Message("/all", "ifsbhdtTFNI", (1, 2.0, "s", b"b", 3, 4.0, 5, True, False, None, math.inf))),
    write(Bundle(1, (message("/a", 1), Bundle(2**63, (message("/b", "x"), message("/c", b"abc")))))),
    _BUNDLE + b"\xff\xff\xff\xfc",
    b"/lb/\xff\xfe\0\0,s\0\0\xff\xfe\0\0",
    _nested(4),
    _nested(500),
    b"/b\0\0,b\0\0\x7f\xff\xff\xff",
]


def TARGET(data: bytes) -> None:  # noqa: N802 (the name every fuzz target has)
    try:
        packet = parse(data)
    except OscError as error:
        if "\n" in str(error):
            raise AssertionError("a refusal is one line") from error
        return
    timed = timed_messages(packet)
    assert len(timed) <= 64
    for _, one in timed:
        for direction in ("in", "out"):
            with suppress(OscError, KeyError):
                understand(one, direction)
        with suppress(OscError):
            assert set(reached(one.address, ("a", "b.1"))) <= _REACHABLE
        known(one.address)
        with suppress(OscError):
            samples = decode(one, 2).samples
            assert samples.shape[0] == 2
            assert np.isfinite(samples).all()
    again = parse(write(packet))
    assert again == packet or _holds_nan(packet)


def _holds_nan(packet: Packet) -> bool:
    return any(value != value for _, one in timed_messages(packet) for value in one.arguments)
