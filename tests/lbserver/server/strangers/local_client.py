# SPDX-License-Identifier: GPL-3.0-or-later
"""A front end over the local socket and shared memory, written from lbserver/protocol/REFERENCE.md alone.

local_client.py SESSION OUT.npz live|offline

It plays noise in real time, offline as fast as the band takes it, until a line comes on standard input. What happens it
prints, one JSON object a line; in the end it saves mix, stem and what of the stem was there, for each epoch.
"""

import array
import fcntl
import json
import mmap
import os
import select
import socket
import struct
import sys
import time
from pathlib import Path

import msgpack
import numpy as np

RATE, BLOCK = 48000, 480
SEALS = 0x0002 | 0x0004 | 0x0001  # shrink, grow, seal
F_GET_SEALS = 1034


def run_directory():
    if os.environ.get("LIVEBAND_RUN"):
        return Path(os.environ["LIVEBAND_RUN"])
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if Path(runtime).is_absolute() and Path(runtime).is_dir():
        return Path(runtime, "liveband")
    temporary = Path(os.environ.get("TMPDIR", ""))
    return Path(temporary if temporary.is_absolute() else "/tmp", f"liveband-{os.geteuid()}")


class Line:
    """Messages to and from the server."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.bytes, self.descriptors, self.number, self.unasked = b"", [], 0, []

    def ask(self, kind, **fields):
        self.number += 1
        data = msgpack.packb({"type": kind, "id": self.number, **fields})
        self.socket.sendall(struct.pack("<I", len(data)) + data)
        while (message := self.next()).get("id") != self.number:
            self.unasked.append(message)
        if message["type"] == "error":
            raise SystemExit(f"{message['code']}: {message['text']}")
        return message

    def next(self):
        while len(self.bytes) < 4 or len(self.bytes) < 4 + struct.unpack_from("<I", self.bytes)[0]:
            data, extra, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(4))
            if not data:
                raise SystemExit("the server hung up")
            self.bytes += data
            for level, kind, content in extra:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    self.descriptors += array.array("i", content[:4])
        (length,) = struct.unpack_from("<I", self.bytes)
        message, self.bytes = msgpack.unpackb(self.bytes[4 : 4 + length]), self.bytes[4 + length :]
        return message


class Ring:
    """The segment, mapped: words by offset, both rings as [channel][capacity]."""

    MIX_CURSOR, STEM_READ, FLAGS, STEM_CURSOR, MIX_READ, GAIN = 128, 256, 520, 640, 768, 1120

    def __init__(self, descriptor):
        header = os.pread(descriptor, 64, 0)
        magic, endian, major, _, _, total = struct.unpack_from("<IIHHIQ", header)
        _, mix, stem, self.capacity, _, _, mix_at, stem_at = struct.unpack_from("<IHHIIQQQ", header, 24)
        assert (magic, endian, major) == (0x3144424C, 0x01020304, 1)
        assert fcntl.fcntl(descriptor, F_GET_SEALS) & SEALS == SEALS
        assert os.fstat(descriptor).st_size == total
        memory = mmap.mmap(descriptor, total)
        os.close(descriptor)
        self.words = np.frombuffer(memory, np.uint64)
        self.mix = np.frombuffer(memory, np.float32, mix * self.capacity, mix_at).reshape(mix, -1)
        self.stem = np.frombuffer(memory, np.float32, stem * self.capacity, stem_at).reshape(stem, -1)
        self.epoch, self.position, self.lost = 0, 0, False

    def load(self, offset):
        word = int(self.words[offset // 8])
        return word >> 48, word & (1 << 48) - 1

    def store(self, offset, epoch, position):
        self.words[offset // 8] = epoch << 48 | position

    def begin(self):
        self.epoch, self.position, self.lost = self.epoch % 65535 + 1, 0, False
        self.store(self.STEM_READ, self.epoch, 0)
        self.store(self.MIX_CURSOR, self.epoch, 0)

    def fits(self, samples):
        epoch, taken = self.load(self.MIX_READ)
        return self.position + samples - (taken if epoch == self.epoch else 0) <= self.capacity

    def write(self, block):
        """Whether the block was written: after a lost one it begins the next epoch."""
        samples = block.shape[1]
        if not self.fits(samples):
            self.lost = True
            return False
        if self.lost:
            self.begin()
        self.mix[:, np.arange(self.position, self.position + samples) % self.capacity] = block
        self.position += samples
        self.store(self.MIX_CURSOR, self.epoch, self.position)
        return True

    def reaches(self, end):
        epoch, written = self.load(self.STEM_CURSOR)
        return end <= 0 or (epoch == self.epoch and written >= end)

    def read(self, end, samples):
        """The stem before `end`, and whether it was there."""
        there = self.reaches(end)
        at = np.arange(end - samples, end)
        stem = np.where(at >= 0, self.stem[:, at % self.capacity], 0) * self.words[self.GAIN // 8].view(
            np.float64
        )
        self.store(self.STEM_READ, self.epoch, max(0, end))
        return (stem if there else np.zeros_like(stem)), there


def tell(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def told_to_end():
    return bool(select.select([sys.stdin], [], [], 0)[0])


def main(session, out, way):
    line = Line(json.loads((run_directory() / "server.json").read_text())["socket"])
    line.ask("hello", major=1, minor=0, client="a stranger")
    wish = {"rate_hz": RATE, "channels": 2, "block_samples": BLOCK, "mode": "live", "stem": "bass"}
    opened = line.ask("open", session=session, offline=way == "offline", **wish)
    ring, latency = Ring(line.descriptors.pop()), opened["latency_samples"]
    ring.words[ring.FLAGS // 8] = int(way == "offline")
    ring.begin()
    tell("opened", anticipation=opened["anticipation_samples"], latency=latency)
    random, kept = np.random.default_rng(7), {}
    begun, blocks, row, last, still = time.monotonic(), 0, 0, None, 0
    while not told_to_end():
        block = (0.1 * random.standard_normal((2, BLOCK))).astype(np.float32)
        while way == "offline" and not ring.fits(BLOCK):
            time.sleep(0.0005)
        epoch = ring.epoch
        if ring.write(block):
            end = ring.position - latency
            while way == "offline" and not ring.reaches(end):
                time.sleep(0.0005)
            kept.setdefault(ring.epoch, []).append((block, *ring.read(end, BLOCK)))
            row = row + 1 if kept[ring.epoch][-1][2] else 0
        if ring.epoch != epoch:
            tell("epoch", number=ring.epoch)
        if row == 100:
            tell("steady", epoch=ring.epoch)
        still, last = (still + BLOCK if ring.load(ring.MIX_READ) == last else 0), ring.load(ring.MIX_READ)
        if still == 4 * RATE:
            tell("stalled", lost=ring.lost)
        blocks += 1
        if way == "live":
            time.sleep(max(0.0, begun + blocks * BLOCK / RATE - time.monotonic()))
    closed = line.ask("close", session=session)
    arrays = {"timing": np.array([opened["anticipation_samples"], latency])}
    for epoch, parts in kept.items():
        for name, columns in zip(("mix", "stem"), list(zip(*parts, strict=True))[:2], strict=True):
            arrays[f"{name}{epoch}"] = np.concatenate(columns, axis=1)
        arrays[f"there{epoch}"] = np.repeat([there for _, _, there in parts], BLOCK)
    np.savez(out, **arrays)
    tell("closed", reason=closed["reason"], unasked=line.unasked, ours="lbserver" in sys.modules)


if __name__ == "__main__":
    main(*sys.argv[1:])
