# SPDX-License-Identifier: GPL-3.0-or-later
"""A segment from a hostile peer: refused in one line, or safe to use whatever is written into it meanwhile.

First byte even: the bytes that follow replace the header of a sealed segment, its size told by the second byte.
First byte odd: they are a program, in which the peer writes words and events between the acts of both ports.
"""

import fcntl
import os
import struct

import numpy as np

from lbserver.errors import LiveBandError
from lbserver.protocol import MAJOR, MINOR
from lbserver.protocol import segment as layout
from lbserver.ring.ends import CorruptSegmentError, HostPort, WorkerPort
from lbserver.ring.segment import Segment, Shape, create, read_shape

_SHAPE = Shape(rate_hz=48000, mix_channels=2, stem_channels=2, capacity=256)
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_NAMES = [field.name for field in (*layout.HOST, *layout.SERVER)]
_STORE, _EVENT, _WRITE, _READ, _LISTEN, _EVENTS, _PUT, _EPOCH, _TELL = range(9)


def _header(shape: Shape) -> bytes:
    values = {
        "magic": layout.MAGIC, "endian": layout.ENDIAN, "major": MAJOR, "minor": MINOR,
        "header_bytes": layout.HEADER_BYTES, "total_bytes": shape.total_bytes, "rate_hz": shape.rate_hz,
        "mix_channels": shape.mix_channels, "stem_channels": shape.stem_channels, "capacity": shape.capacity,
        "event_capacity": layout.EVENT_CAPACITY, "events_offset": layout.HEADER_BYTES,
        "mix_offset": shape.mix_offset, "stem_offset": shape.stem_offset,
    }  # fmt: skip
    return b"".join(struct.pack("<" + field.code, values[field.name]) for field in layout.STATIC)


def _store(name: str, value: int) -> bytes:
    return bytes([_STORE, _NAMES.index(name)]) + (value & (2**64 - 1)).to_bytes(8, "little")


_PLAY = bytes([_WRITE, 64, _LISTEN, _PUT, 64, _READ, 64, _TELL, 2, _EVENTS])

SEEDS: list[bytes] = [
    b"\x00\x00" + _header(_SHAPE),
    b"\x00\x01" + _header(_SHAPE),
    b"\x00\x00" + _header(Shape(rate_hz=8000, mix_channels=64, stem_channels=1, capacity=1 << 20)),
    b"\x00\x02" + _header(_SHAPE),
    b"\x01" + _PLAY * 6,
    b"\x01" + _PLAY + bytes([_EPOCH]) + _PLAY,
    b"\x01" + _PLAY + _store("mix_cursor", layout.cursor(1, 2**48 - 1)) + _PLAY,
    b"\x01" + _PLAY + _store("mix_read", layout.cursor(1, 2**47)) + _PLAY * 3,
    b"\x01" + _PLAY + _store("stem_cursor", 2**64 - 1) + _PLAY * 2,
    b"\x01" + _PLAY + _store("stem_read", layout.cursor(1, 2**31)) + _PLAY,
    b"\x01" + _PLAY + _store("event_count", 2**64 - 1) + _PLAY,
    b"\x01" + _PLAY + _store("gain", 0x7FF8 << 48) + _PLAY + _store("gain", 0x7FEF << 48) + _PLAY,
    b"\x01" + _PLAY + bytes([_EVENT, 3]) + b"\xff" * 8 + _PLAY,
]


def TARGET(data: bytes) -> None:  # noqa: N802 (the name every fuzz target has)
    if len(data) < 2:
        return
    if data[0] & 1:
        _run(data[1:])
    else:
        _attach(data[1], data[2:])


def _attach(kind: int, header: bytes) -> None:
    size = (_SHAPE.total_bytes, layout.HEADER_BYTES, len(header), 1 << 22)[kind % 4]
    descriptor = os.memfd_create("fuzz", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        os.pwrite(descriptor, header[: min(size, 4 * layout.HEADER_BYTES)], 0)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
        size = os.fstat(descriptor).st_size
        try:
            shape = read_shape(descriptor)
        except LiveBandError as error:
            if "\n" in str(error):
                raise AssertionError("a refusal is one line") from error
            return
        assert shape.total_bytes == size
        segment = Segment(descriptor)
        segment.mix[:, -1] = segment.stem[:, -1] = 1.0
        segment.close()
    finally:
        os.close(descriptor)


def _run(program: bytes) -> None:
    descriptor = create(_SHAPE)
    host, worker = HostPort(Segment(descriptor), latency_samples=10), WorkerPort(Segment(descriptor))
    os.close(descriptor)
    try:
        _play(program[:4096], host, worker)
    finally:
        host.segment.close()
        worker.segment.close()


def _play(program: bytes, host: HostPort, worker: WorkerPort) -> None:
    at = 0

    def operand(count: int) -> int:
        nonlocal at
        value = int.from_bytes(program[at : at + count], "little")
        at += count
        return value

    while at < len(program):
        act = operand(1) % 9
        if act == _STORE:
            host.segment.store(_NAMES[operand(1) % len(_NAMES)], operand(8))
        elif act == _EVENT:
            slot = host.segment.events[operand(1)]
            slot[:8] = np.frombuffer(operand(8).to_bytes(8, "little"), np.uint8)
        elif act == _WRITE:
            host.write(np.full((2, operand(1)), 0.5, np.float32))
        elif act == _READ:
            samples = operand(1)
            heard = host.read(samples)
            assert heard.shape == (2, samples)
            assert np.abs(heard).max(initial=0.0) <= 2.0, "what is heard is finite and bounded"
        elif act == _EPOCH:
            host.begin_epoch()
        elif act == _TELL:
            host.tell("control", (float(operand(1)), 0.5))
        else:
            try:
                _work(act, worker, operand)
            except CorruptSegmentError:
                return  # the session ends


def _work(act: int, worker: WorkerPort, operand: object) -> None:
    if act == _LISTEN:
        heard = worker.listen()
        assert heard is None or heard.audio.shape[1] <= _SHAPE.capacity
    elif act == _EVENTS:
        assert len(list(worker.events())) <= layout.EVENT_CAPACITY
    else:
        worker.put(np.full((2, operand(1)), 0.25, np.float32))  # type: ignore[operator]
        assert isinstance(worker.room, int)
