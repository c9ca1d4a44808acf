# SPDX-License-Identifier: GPL-3.0-or-later
"""A front end over signed OSC, written from lbserver/protocol/REFERENCE.md alone.

osc_client.py PORT SESSION OUT.npz TOKEN_FILE

It plays noise in real time and takes the stem by position until a line comes on standard input. What happens it prints;
in the end it saves mix and stem.
"""

import hashlib
import hmac
import json
import select
import socket
import struct
import sys
import time
from pathlib import Path

import numpy as np

RATE, BLOCK = 48000, 120  # of two channels: 960 bytes, with all around them less than 1200


def padded(data):
    return data + bytes(-len(data) % 4)


def text(value):
    return padded(value.encode() + b"\0")


def blob(data):
    return struct.pack(">i", len(data)) + padded(data)


WRITE = {
    "i": lambda value: struct.pack(">i", value),
    "h": lambda value: struct.pack(">q", value),
    "f": lambda value: struct.pack(">f", value),
    "s": text,
    "b": blob,
}


def message(address, tags, values):
    return (
        text(address)
        + text("," + tags)
        + b"".join(WRITE[tag](value) for tag, value in zip(tags, values, strict=True))
    )


def messages(data):
    """(address, values) of every message in a packet."""
    if data.startswith(b"#bundle\0"):
        at = 16
        while at < len(data):
            (size,) = struct.unpack_from(">i", data, at)
            yield from messages(data[at + 4 : at + 4 + size])
            at += 4 + size
        return
    at, parts = 0, []

    def string():
        nonlocal at
        end = data.index(b"\0", at)
        value, at = data[at:end].decode(), end + 4 - end % 4
        return value

    address, tags = string(), string()[1:]
    for tag in tags:
        if tag == "s":
            parts.append(string())
        elif tag == "b":
            (size,) = struct.unpack_from(">i", data, at)
            parts.append(data[at + 4 : at + 4 + size])
            at += 4 + size + -size % 4
        else:
            form = {"i": ">i", "h": ">q", "f": ">f", "d": ">d"}[tag]
            parts.append(struct.unpack_from(form, data, at)[0])
            at += struct.calcsize(form)
    yield address, parts


class Line:
    """A socket that signs what it sends."""

    def __init__(self, port, token):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.token, self.cookie, self.counter = token, "", time.time_ns() // 1000
        self.waiting = []

    def send(self, address, tags, *values):
        self.counter += 1
        counter = struct.pack(">Q", self.counter)
        cookie = b"" if address in ("/lb/hello", "/lb/cookie") else self.cookie.encode()
        signed = bytes([len(cookie)]) + cookie + counter + message(address, tags, values)
        signature = counter + hmac.new(self.token, signed, hashlib.sha256).digest()
        packet = message(address, tags + "b", (*values, signature))
        assert len(packet) <= 1200
        self.socket.send(packet)

    def next(self, patience_s):
        """The next (address, values), None if none came in time."""
        if not self.waiting and select.select([self.socket], [], [], max(0.0, patience_s))[0]:
            self.waiting += messages(self.socket.recv(65536))
        return self.waiting.pop(0) if self.waiting else None

    def ask(self, wanted, address, tags, *values):
        """Send, and wait for an answer; again every second, for a datagram may be lost."""
        for _ in range(20):
            self.send(address, tags, *values)
            end = time.monotonic() + 1.0
            while time.monotonic() < end:
                got, values_got = self.next(end - time.monotonic()) or ("", [])
                if got == wanted:
                    return values_got
                if got == "/lb/error":
                    raise SystemExit(": ".join(values_got))
        raise SystemExit(f"no {wanted}")


def tell(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def main(port, session, out, token_file):
    line = Line(int(port), Path(token_file).read_bytes().strip())
    line.cookie = line.ask("/lb/welcome", "/lb/hello", "iis", 1, 0, "a stranger")[3]
    line.send("/lb/cookie", "s", line.cookie)
    line.ask("/lb/pong", "/lb/ping", "i", 1)
    wish = (session, "bass", RATE, 2, BLOCK, "live")
    latency, anticipation, _, stream = line.ask(f"/lb/{session}/opened", "/lb/open", "ssiiis", *wish)
    tell("opened", anticipation=anticipation, latency=latency)
    random, mix, stems, states = np.random.default_rng(7), [], {}, set()
    begun, came = time.monotonic(), 0

    def listen(until):
        nonlocal came
        while (got := line.next(until - time.monotonic())) is not None:
            address, values = got
            if address == f"/lb/{session}/stem" and values[0] == stream and values[3] % 256 == 0:
                stems[values[2]] = np.frombuffer(values[4], "<f4").reshape(2, -1)
                came += 1
            elif address == f"/lb/{session}/status/state":
                states.add(values[0])
            elif address == "/lb/error":
                raise SystemExit(": ".join(values))

    while not select.select([sys.stdin], [], [], 0)[0]:
        block = (0.1 * random.standard_normal((2, BLOCK))).astype("<f4")
        line.send(f"/lb/{session}/audio", "iihib", stream, len(mix), len(mix) * BLOCK, 0, block.tobytes())
        mix.append(block)
        before = came
        listen(begun + len(mix) * BLOCK / RATE)
        if before < 400 <= came:
            tell("steady", epoch=1)
    listen(time.monotonic() + 0.5)
    (reason,) = line.ask(f"/lb/{session}/closed", "/lb/close", "s", session)
    mix = np.concatenate(mix, axis=1)
    heard, there = np.zeros_like(mix), np.zeros(mix.shape[1], bool)
    for at, stem in stems.items():
        heard[:, at : at + stem.shape[1]], there[at : at + stem.shape[1]] = stem, True
    np.savez(out, timing=np.array([anticipation, latency]), mix1=mix, stem1=heard, there1=there)
    tell("closed", reason=reason, states=sorted(states), ours="lbserver" in sys.modules)


if __name__ == "__main__":
    main(*sys.argv[1:])
