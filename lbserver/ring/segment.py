# SPDX-License-Identifier: GPL-3.0-or-later
"""A session's shared memory: made without a name, and checked to the byte before anything of it is believed."""

import mmap
import struct
from dataclasses import dataclass

import numpy as np

from lbmodels.contract.accompanist import Audio
from lbserver.errors import LiveBandError, refused
from lbserver.host import shared_memory
from lbserver.protocol import MAJOR, MINOR
from lbserver.protocol import segment as layout
from lbserver.ring.atomics import load_acquire, store_release

_DOUBLE = struct.Struct("<d")
_WORD = struct.Struct("<Q")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a segment holds, copied once out of its header; never read again."""

    rate_hz: int
    mix_channels: int
    stem_channels: int
    capacity: int

    def __post_init__(self) -> None:
        checks = (
            (layout.MIN_RATE_HZ <= self.rate_hz <= layout.MAX_RATE_HZ, f"a rate of {self.rate_hz} Hz"),
            (1 <= self.mix_channels <= layout.MAX_CHANNELS, f"{self.mix_channels} mix channels"),
            (1 <= self.stem_channels <= layout.MAX_CHANNELS, f"{self.stem_channels} stem channels"),
            (
                2 <= self.capacity <= layout.MAX_CAPACITY and not self.capacity & (self.capacity - 1),
                f"a capacity of {self.capacity} samples",
            ),
        )
        for good, what in checks:
            if not good:
                raise LiveBandError(f"a segment with {what} is not possible")

    @property
    def mix_offset(self) -> int:
        return layout.HEADER_BYTES + layout.EVENT_CAPACITY * layout.EVENT_BYTES

    @property
    def stem_offset(self) -> int:
        return self.mix_offset + 4 * self.mix_channels * self.capacity

    @property
    def total_bytes(self) -> int:
        return self.stem_offset + 4 * self.stem_channels * self.capacity


def capacity_for(rate_hz: int, block_samples: int, ahead_samples: int = 0) -> int:
    """Samples a ring holds: two seconds, four blocks, or what is written ahead, as a power of two and no more than may be."""
    least = max(2 * rate_hz, 4 * block_samples, ahead_samples)
    return min(layout.MAX_CAPACITY, 1 << (least - 1).bit_length())


def create(shape: Shape) -> int:
    """A new segment's descriptor: close-on-exec, of fixed size from here on, zeroed but for its header.

    Raises LiveBandError when the machine has no descriptor or memory left for it.
    """
    header = bytearray(layout.HEADER_BYTES)
    values = {
        "magic": layout.MAGIC,
        "endian": layout.ENDIAN,
        "major": MAJOR,
        "minor": MINOR,
        "header_bytes": layout.HEADER_BYTES,
        "total_bytes": shape.total_bytes,
        "rate_hz": shape.rate_hz,
        "mix_channels": shape.mix_channels,
        "stem_channels": shape.stem_channels,
        "capacity": shape.capacity,
        "event_capacity": layout.EVENT_CAPACITY,
        "events_offset": layout.HEADER_BYTES,
        "mix_offset": shape.mix_offset,
        "stem_offset": shape.stem_offset,
    }
    for field in layout.STATIC:
        struct.pack_into("<" + field.code, header, field.offset, values[field.name])
    for name in ("gain", "mix"):
        _DOUBLE.pack_into(header, layout.OFFSETS[name], 1.0)
    try:
        return shared_memory.create(shape.total_bytes, bytes(header))
    except OSError as error:
        raise refused("no shared memory for a session", error) from None


def read_shape(descriptor: int) -> Shape:
    """The checked shape of a segment that a peer handed over.

    Raises LiveBandError: no memory as this system shares it (`lbserver.host.shared_memory`), another size than it says,
    a foreign or impossible header; MachineError where it cannot be mapped.
    """
    size, header = shared_memory.look(descriptor, layout.HEADER_BYTES)
    if len(header) < layout.HEADER_BYTES:
        raise LiveBandError(f"the segment is shorter than its header: {size} bytes")
    values = {
        field.name: struct.unpack_from("<" + field.code, header, field.offset)[0] for field in layout.STATIC
    }
    if values["magic"] != layout.MAGIC or values["endian"] != layout.ENDIAN:
        raise LiveBandError("the segment does not begin as ours do, or is of another byte order")
    if values["major"] != MAJOR:
        raise LiveBandError(f"the segment is of protocol {values['major']}, this program speaks {MAJOR}")
    shape = Shape(
        rate_hz=values["rate_hz"],
        mix_channels=values["mix_channels"],
        stem_channels=values["stem_channels"],
        capacity=values["capacity"],
    )
    expected = {
        "header_bytes": layout.HEADER_BYTES,
        "total_bytes": shape.total_bytes,
        "event_capacity": layout.EVENT_CAPACITY,
        "events_offset": layout.HEADER_BYTES,
        "mix_offset": shape.mix_offset,
        "stem_offset": shape.stem_offset,
    }
    for name, value in expected.items():
        if values[name] != value:
            raise LiveBandError(f"the segment's {name} is {values[name]}, not {value}")
    if not shared_memory.holds(size, shape.total_bytes):
        raise LiveBandError(f"the segment has {size} bytes, not {shape.total_bytes}")
    return shape


class Segment:
    """A mapped segment: words by name, and both audio rings as arrays [C, capacity].

    Owns the mapping, not the descriptor. After `close` nothing of it may be touched.
    """

    def __init__(self, descriptor: int) -> None:
        """Raises LiveBandError for a segment that `read_shape` refuses or that cannot be mapped."""
        self.shape = shape = read_shape(descriptor)
        try:
            self._map = mmap.mmap(descriptor, shape.total_bytes)
        except ValueError:
            raise LiveBandError("this descriptor is no segment: it is smaller than it says") from None
        except OSError as error:
            raise refused("the segment cannot be mapped", error) from None
        memory = np.frombuffer(self._map, np.uint8)
        self._base = int(memory.ctypes.data)
        self._addresses = {name: self._base + offset for name, offset in layout.OFFSETS.items()}
        self.events = memory[layout.HEADER_BYTES : shape.mix_offset].reshape(-1, layout.EVENT_BYTES)
        self.mix: Audio = (
            memory[shape.mix_offset : shape.stem_offset].view(np.float32).reshape(shape.mix_channels, -1)
        )
        self.stem: Audio = memory[shape.stem_offset :].view(np.float32).reshape(shape.stem_channels, -1)

    def load(self, name: str) -> int:
        """A field, as the word it is."""
        return int(load_acquire(self._addresses[name]))

    def store(self, name: str, value: int) -> None:
        store_release(self._addresses[name], value)

    def load_float(self, name: str) -> float:
        return float(_DOUBLE.unpack(_WORD.pack(self.load(name)))[0])

    def store_float(self, name: str, value: float) -> None:
        self.store(name, _WORD.unpack(_DOUBLE.pack(value))[0])

    def close(self) -> None:
        """Unmap. Idempotent."""
        if self._addresses:
            self._addresses = {}
            del self.events, self.mix, self.stem
            self._map.close()


def place(ring: Audio, position: int, audio: Audio) -> None:
    """Write audio [C, T], T <= capacity, so that its first sample lies at `position`."""
    capacity, length = ring.shape[-1], audio.shape[-1]
    start = position & (capacity - 1)
    first = min(length, capacity - start)
    ring[:, start : start + first] = audio[:, :first]
    ring[:, : length - first] = audio[:, first:]


def fetch(ring: Audio, position: int, samples: int) -> Audio:
    """A copy [C, samples] of what lies at `position`, samples <= capacity."""
    capacity = ring.shape[-1]
    start = position & (capacity - 1)
    first = min(samples, capacity - start)
    return np.concatenate((ring[:, start : start + first], ring[:, : samples - first]), axis=-1)
