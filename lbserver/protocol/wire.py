# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages as bytes: MessagePack with every limit set, and frames of known length for the local socket.

What is in a message is checked by `protocol.messages.check`; here only that decoding costs little, whatever
came: no more memory than a few times the bytes, no depth, no extension types.
"""

import os
import socket
from array import array
from collections.abc import Iterator, Mapping
from typing import Any

import msgpack

from lbserver.errors import LiveBandError
from lbserver.protocol import limits
from lbserver.protocol.messages import MAX_MESSAGE_BYTES

PREFIX_BYTES = 4
"""A frame is the length of its message as a little-endian uint32, then the message."""
MAX_TEXT_BYTES = limits.TEXT_BYTES
MAX_ARRAY = limits.ARRAY_ITEMS
MAX_MAP = limits.MAP_ITEMS
MAX_CONTAINERS = MAX_MAP + 64
"""Maps and arrays in one message: a byte can stand for an empty map, which is 64 bytes once decoded."""
MAX_DEPTH = limits.DEPTH


class WireError(LiveBandError):
    """Bytes that are no message of ours, or a message that cannot be sent; the text says why."""


def pack(message: Mapping[str, Any]) -> bytes:
    """A message as MessagePack.

    Raises WireError when it holds what MessagePack has no type for or is longer than MAX_MESSAGE_BYTES.
    """
    try:
        data = msgpack.packb(message, use_bin_type=True)
    except (TypeError, ValueError, OverflowError, msgpack.PackException) as error:
        raise WireError(f"this message cannot be sent: {error}") from None
    assert data is not None
    if len(data) > MAX_MESSAGE_BYTES:
        raise WireError(f"a message of {len(data)} bytes is too long: at most {MAX_MESSAGE_BYTES}")
    return data


def unpack(data: bytes | bytearray | memoryview) -> Any:
    """The one value that the bytes hold.

    Raises WireError, and nothing else, for bytes that are too many, damaged, nested deeper than MAX_DEPTH, or
    hold extension types, keys that are no text, or more than a message of ours can.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise WireError(f"a message of {len(data)} bytes is too long: at most {MAX_MESSAGE_BYTES}")
    containers = 0

    def count(container: Any) -> Any:
        nonlocal containers
        containers += 1
        if containers > MAX_CONTAINERS:
            raise WireError(f"a message of more than {MAX_CONTAINERS} maps and arrays")
        return container

    try:
        value = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            object_hook=count,
            list_hook=count,
            ext_hook=_no_extension,
            max_str_len=MAX_TEXT_BYTES,
            max_bin_len=MAX_MESSAGE_BYTES,
            max_array_len=MAX_ARRAY,
            max_map_len=MAX_MAP,
            max_ext_len=0,
        )
    except WireError:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        reason = str(error) or type(error).__name__
        raise WireError(f"these bytes are no message: {reason[:120]}") from None
    _check_depth(value)
    return value


def frame(message: Mapping[str, Any]) -> bytes:
    """A message with its length before it, as the local socket carries it. Raises WireError as `pack`."""
    data = pack(message)
    return len(data).to_bytes(PREFIX_BYTES, "little") + data


class Framer:
    """Cuts a stream of frames into messages. Holds what of the last frame has come, never more than one frame.

    Once it has raised, the stream is out of step and must be closed.
    """

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """Messages that are whole now; take them all before the next call.

        Raises WireError, while it is iterated, for a length above MAX_MESSAGE_BYTES, before any of the message
        has come, and for a message that `unpack` refuses.
        """
        self._pending += data
        start = 0
        try:
            while len(self._pending) - start >= PREFIX_BYTES:
                length = int.from_bytes(self._pending[start : start + PREFIX_BYTES], "little")
                if length > MAX_MESSAGE_BYTES:
                    raise WireError(
                        f"a frame claims {length} bytes: at most {MAX_MESSAGE_BYTES}. Is it our protocol?"
                    )
                end = start + PREFIX_BYTES + length
                if len(self._pending) < end:
                    break
                body = bytes(self._pending[start + PREFIX_BYTES : end])
                start = end
                yield unpack(body)
        finally:
            del self._pending[:start]

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that is not whole."""
        return len(self._pending)


def receive(
    connection: socket.socket, most_bytes: int, most_descriptors: int
) -> tuple[bytes, list[int], bool]:
    """(bytes, descriptors, whether descriptors were lost for want of room) that came over a local socket.

    No child of ours inherits the descriptors: `socket.recv_fds` drops the flag that sees to it. Raises OSError.
    """
    numbers = array("i")
    data, ancillary, flags, _address = connection.recvmsg(
        most_bytes,
        socket.CMSG_LEN(most_descriptors * numbers.itemsize),
        getattr(socket, "MSG_CMSG_CLOEXEC", 0),
    )
    for level, kind, packed in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(packed[: len(packed) - len(packed) % numbers.itemsize])
    for number in numbers:
        os.set_inheritable(number, False)
    return data, list(numbers), bool(flags & socket.MSG_CTRUNC)


def _no_extension(code: int, _data: bytes) -> Any:
    raise WireError(f"a message holds an extension type ({code}): there is none in our messages")


_NESTING = (dict, list, msgpack.Timestamp)


def _check_depth(value: Any) -> None:
    """Level by level, so that no stack grows. Raises WireError."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(below for below in item.values() if isinstance(below, _NESTING))
            elif isinstance(item, list):
                inner.extend(below for below in item if isinstance(below, _NESTING))
            elif isinstance(item, msgpack.Timestamp):
                _no_extension(-1, b"")  # decoded before any hook is asked
        level = inner
        if not level:
            return
    raise WireError(f"a message nested deeper than {MAX_DEPTH}")
