# SPDX-License-Identifier: GPL-3.0-or-later
"""Single OSC messages with thousands of floats, one a datagram, big-endian: read into arrays and written from them."""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lbserver.errors import LiveBandError

Floats = NDArray[np.float32]

MOST_BYTES = 65_507
"""A UDP datagram's content."""
MOST_ADDRESS = 64


@dataclass(frozen=True, kw_only=True)
class Received:
    """A message: `leading` are its arguments before the run of floats at its end, which are `floats`."""

    address: str
    leading: tuple[float, ...]
    floats: Floats

    @property
    def numbers(self) -> tuple[float, ...]:
        """All arguments."""
        return (*self.leading, *self.floats.tolist())


def read(data: bytes) -> Received:
    """The message in a datagram: arguments of types i, f, d, T and F.

    Raises LiveBandError for whatever is none: cut off, a bundle, other types.
    """
    address, at = _text(data, 0)
    if not address.startswith("/") or len(address) > MOST_ADDRESS:
        raise LiveBandError(f"no address of up to {MOST_ADDRESS} characters at the beginning")
    tags, at = _text(data, at) if at < len(data) else (",", at)
    if not tags.startswith(","):
        raise LiveBandError(f"{address}: the type tags do not begin with a comma")
    kinds = tags[1:]
    run = len(kinds) - len(kinds.rstrip("f"))
    leading: list[float] = []
    for kind in kinds[: len(kinds) - run]:
        if kind in "TF":
            leading.append(float(kind == "T"))
            continue
        layout = {"i": ">i", "f": ">f", "d": ">d"}.get(kind)
        if layout is None:
            raise LiveBandError(f"{address}: type tag {kind!r} is not accepted: i f d T F")
        size = struct.calcsize(layout)
        if len(data) - at < size:
            raise LiveBandError(f"{address}: cut off")
        leading.append(struct.unpack_from(layout, data, at)[0])
        at += size
    if len(data) - at != 4 * run:
        raise LiveBandError(f"{address}: {len(data) - at} bytes where {run} floats should be")
    floats = np.frombuffer(data, ">f4", run, at).astype(np.float32)
    return Received(address=address, leading=tuple(leading), floats=floats)


def write(address: str, *integers: int, floats: Floats | None = None) -> bytes:
    """A message of integers, then floats."""
    run = np.zeros(0, np.float32) if floats is None else floats
    tags = "," + "i" * len(integers) + "f" * len(run)
    return (
        _padded(address)
        + _padded(tags)
        + struct.pack(f">{len(integers)}i", *integers)
        + run.astype(">f4").tobytes()
    )


def write_true(address: str) -> bytes:
    """A message whose one argument is true, which has no bytes."""
    return _padded(address) + _padded(",T")


def _padded(text: str) -> bytes:
    data = text.encode("ascii") + b"\0"
    return data + bytes(-len(data) % 4)


def _text(data: bytes, start: int) -> tuple[str, int]:
    stop = data.find(b"\0", start)
    after = start + ((stop - start) // 4 + 1) * 4
    if stop < 0 or after > len(data):
        raise LiveBandError("no OSC message: a text is not terminated and padded")
    try:
        return data[start:stop].decode("ascii"), after
    except UnicodeDecodeError:
        raise LiveBandError("no OSC message: a text is not ASCII") from None
