# SPDX-License-Identifier: GPL-3.0-or-later
"""OSC 1.0 packets, read strictly and written exactly: bytes to values and back.

Every size is checked before it is used, nesting and counts are bounded, and time grows with the length of the
packet alone. Known parsers hang, recurse or overrun where this one refuses: an element size of -4, 500 nested
bundles, text that is not text, a blob that believes its own count.
"""

import re
import struct
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from lbserver.errors import LiveBandError
from lbserver.protocol import limits

MAX_DEPTH = limits.OSC_DEPTH
MAX_ELEMENTS = limits.OSC_ELEMENTS
MAX_ARGUMENTS = limits.OSC_ARGUMENTS
MAX_ADDRESS = limits.OSC_ADDRESS_CHARACTERS
MAX_BLOB_BYTES = 1 << 16
IMMEDIATELY = 1
"""The time tag that means now."""

Argument: TypeAlias = int | float | str | bytes | bool | None

_BUNDLE = b"#bundle\0"
_FIXED = {"i": struct.Struct(">i"), "h": struct.Struct(">q"), "f": struct.Struct(">f"),
          "d": struct.Struct(">d"), "t": struct.Struct(">Q")}  # fmt: skip
_VALUES: dict[str, Argument] = {"T": True, "F": False, "N": None, "I": float("inf")}
_TEXTS = "sS"
_CHARACTER = struct.Struct(">i")
_BRACKETS = "[]"
_SIZE = struct.Struct(">i")
_PRINTABLE = re.compile(rb"[\x21-\x7e]+")
_TAG = struct.Struct(">Q")


class OscError(LiveBandError):
    """Bytes that are no OSC packet, or values that cannot be one; the text says why."""


@dataclass(frozen=True, slots=True)
class Message:
    """An address, its type tags (without the comma) and one value per tag.

    i and h are int, f and d float, s and S str, c one character, b bytes, t the 64 bits of a time tag; T, F, N and I
    have no bytes and are True, False, None and infinity. Brackets around an array stand among the tags and have no
    value.
    """

    address: str
    tags: str = ""
    arguments: tuple[Argument, ...] = ()

    @property
    def atoms(self) -> tuple[tuple[str, Argument], ...]:
        """Every argument with its tag, as if there were no arrays."""
        return tuple(zip((tag for tag in self.tags if tag not in _BRACKETS), self.arguments, strict=True))


@dataclass(frozen=True, slots=True)
class Bundle:
    """Elements that hold from a moment on: `time_tag` is 32.32 fixed-point seconds since 1900, 1 is now."""

    time_tag: int
    elements: tuple["Message | Bundle", ...]


Packet: TypeAlias = Message | Bundle


def message(address: str, *arguments: Argument) -> Message:
    """A message with the tags that suit its values: int as i, or h beyond 32 bits, float as f."""
    return Message(address, "".join(_tag_of(value) for value in arguments), arguments)


def parse(data: bytes) -> Packet:
    """The packet in a datagram. Raises OscError, and nothing else, for whatever is not one."""
    return _element(data, 0, len(data), 0, [0])


def write(packet: Packet) -> bytes:
    """The bytes of a packet, such that `parse` gives the packet back. Raises OscError for what it would refuse."""
    return _write(packet, 0, [0])


def timed_messages(packet: Packet, time_tag: int = IMMEDIATELY) -> list[tuple[int, Message]]:
    """Every message with its time tag, in order; a bundle inside another holds no earlier than the outer one."""
    if isinstance(packet, Message):
        return [(time_tag, packet)]
    later = max(time_tag, packet.time_tag)
    return [timed for element in packet.elements for timed in timed_messages(element, later)]


def _element(data: bytes, start: int, end: int, depth: int, count: list[int]) -> Packet:
    """One element of `data[start:end]`; `count` is how many the packet had so far."""
    count[0] += 1
    if count[0] > MAX_ELEMENTS:
        raise OscError(f"more than {MAX_ELEMENTS} messages in one packet")
    size = end - start
    if size % 4 or size < 4:
        raise OscError(f"a packet or element of {size} bytes: sizes are multiples of 4, at least 4")
    if data[start] == 0x2F:  # '/'
        return _message(data, start, end)
    if data[start : min(start + 8, end)] != _BUNDLE:
        raise OscError("neither an address nor #bundle at the beginning")
    if depth >= MAX_DEPTH:
        raise OscError(f"bundles nested deeper than {MAX_DEPTH}")
    if size < 16:
        raise OscError("a bundle without its time tag")
    (time_tag,) = _TAG.unpack_from(data, start + 8)
    at = start + 16
    elements = []
    while at < end:
        if end - at < 4:
            raise OscError("a bundle ends inside an element's size")
        (length,) = _SIZE.unpack_from(data, at)
        at += 4
        if not 4 <= length <= end - at:
            raise OscError(f"an element of {length} bytes where {end - at} are left")
        elements.append(_element(data, at, at + length, depth + 1, count))
        at += length
    return Bundle(time_tag, tuple(elements))


def _message(data: bytes, start: int, end: int) -> Message:
    raw, at = _string(data, start, min(end, start + MAX_ADDRESS + 4), "address")
    address = _address(raw)
    if at == end:
        return Message(address)  # very old senders leave the tags of an empty message out
    raw, at = _string(data, at, end, "type tags")
    if not raw.startswith(b","):
        raise OscError(f"{address}: the type tags do not begin with a comma")
    if len(raw) > MAX_ARGUMENTS + 1:
        raise OscError(f"{address}: more than {MAX_ARGUMENTS} arguments")
    tags = raw[1:].decode("latin-1")
    _check_brackets(tags, address)
    arguments: list[Argument] = []
    for tag in tags:
        if tag in _BRACKETS:
            continue
        if (fixed := _FIXED.get(tag)) is not None:
            if end - at < fixed.size:
                raise OscError(f"{address}: an argument of type {tag} is cut off")
            arguments.append(fixed.unpack_from(data, at)[0])
            at += fixed.size
        elif tag in _TEXTS:
            raw, at = _string(data, at, end, "text")
            try:
                arguments.append(raw.decode("utf-8"))
            except UnicodeDecodeError:
                raise OscError(f"{address}: a text is not UTF-8") from None
        elif tag == "c":
            arguments.append(_character(data, at, end, address))
            at += _CHARACTER.size
        elif tag == "b":
            blob, at = _blob(data, at, end, address)
            arguments.append(blob)
        elif tag in _VALUES:
            arguments.append(_VALUES[tag])
        else:
            raise OscError(f"{address}: type tag {tag!r} is not accepted: i f s b h d t S c T F N I [ ]")
    if at != end:
        raise OscError(f"{address}: {end - at} bytes after the last argument")
    return Message(address, tags, tuple(arguments))


def _check_brackets(tags: str, address: str) -> None:
    depth = 0
    for tag in tags:
        depth += {"[": 1, "]": -1}.get(tag, 0)
        if not 0 <= depth <= MAX_DEPTH:
            break
    if depth:
        raise OscError(f"{address}: arrays must be closed, and nested no deeper than {MAX_DEPTH}")


def _character(data: bytes, at: int, end: int, address: str) -> str:
    code = _CHARACTER.unpack_from(data, at)[0] if end - at >= _CHARACTER.size else 0
    if not 0x20 <= code <= 0x7E:
        raise OscError(f"{address}: an argument of type c is no printable ASCII character")
    return chr(code)


def _string(data: bytes, start: int, end: int, what: str) -> tuple[bytes, int]:
    """A NUL-terminated, NUL-padded string and the offset behind its padding; `start` and padding are 4-aligned."""
    stop = data.find(b"\0", start, end)
    if stop < 0:
        raise OscError(f"{what}: not terminated, or longer than accepted")
    after = start + ((stop - start) // 4 + 1) * 4
    if after > end or data.count(b"\0", stop, after) != after - stop:
        raise OscError(f"{what}: not padded with zeros to a multiple of 4")
    return data[start:stop], after


def _blob(data: bytes, at: int, end: int, address: str) -> tuple[bytes, int]:
    if end - at < 4:
        raise OscError(f"{address}: a blob without its size")
    (size,) = _SIZE.unpack_from(data, at)
    at += 4
    if not 0 <= size <= min(MAX_BLOB_BYTES, end - at):
        raise OscError(
            f"{address}: a blob of {size} bytes where {end - at} are left, {MAX_BLOB_BYTES} at most"
        )
    after = at + (size + 3) // 4 * 4
    if after > end or data.count(b"\0", at + size, after) != after - at - size:
        raise OscError(f"{address}: a blob not padded with zeros to a multiple of 4")
    return data[at : at + size], after


def _address(raw: bytes) -> str:
    if not raw.startswith(b"/") or len(raw) > MAX_ADDRESS:
        raise OscError(f"an address begins with / and has at most {MAX_ADDRESS} characters")
    if _PRINTABLE.fullmatch(raw) is None:
        raise OscError("an address has printable ASCII characters and no spaces")
    return raw.decode("ascii")


def _tag_of(value: Argument) -> str:
    if value is None or isinstance(value, bool):
        return {None: "N", True: "T", False: "F"}[value]
    if isinstance(value, int):
        return "i" if -(1 << 31) <= value < 1 << 31 else "h"
    return "f" if isinstance(value, float) else "s" if isinstance(value, str) else "b"


def _write(packet: Packet, depth: int, count: list[int]) -> bytes:
    count[0] += 1
    if count[0] > MAX_ELEMENTS:
        raise OscError(f"more than {MAX_ELEMENTS} messages in one packet")
    if isinstance(packet, Message):
        return _write_message(packet)
    if depth >= MAX_DEPTH:
        raise OscError(f"bundles nested deeper than {MAX_DEPTH}")
    if not 0 <= packet.time_tag < 1 << 64:
        raise OscError(f"a time tag has 64 bits, got {packet.time_tag}")
    parts = [_BUNDLE, _TAG.pack(packet.time_tag)]
    for element in packet.elements:
        data = _write(element, depth + 1, count)
        parts += (_SIZE.pack(len(data)), data)
    return b"".join(parts)


def _write_message(packet: Message) -> bytes:
    valued = len(packet.tags) - sum(map(packet.tags.count, _BRACKETS))
    if valued != len(packet.arguments):
        raise OscError(f"{packet.address}: {valued} tags for {len(packet.arguments)} arguments")
    if len(packet.tags) > MAX_ARGUMENTS:
        raise OscError(f"{packet.address}: more than {MAX_ARGUMENTS} arguments")
    _check_brackets(packet.tags, packet.address)
    try:
        parts = [
            _padded(packet.address.encode("ascii") + b"\0"),
            _padded(b"," + packet.tags.encode("ascii") + b"\0"),
        ]
        _address(packet.address.encode("ascii"))
        for tag, value in packet.atoms:
            parts.append(_write_argument(tag, value, packet.address))
    except (struct.error, OverflowError, UnicodeError) as error:
        raise OscError(f"{packet.address!a}: {error}") from None
    return b"".join(parts)


def _write_argument(tag: str, value: Argument, address: str) -> bytes:
    if (fixed := _FIXED.get(tag)) is not None and isinstance(value, int | float):
        return fixed.pack(value)
    if tag in _TEXTS and isinstance(value, str) and "\0" not in value:
        return _padded(value.encode("utf-8") + b"\0")
    if tag == "c" and isinstance(value, str) and len(value) == 1 and " " <= value <= "~":
        return _CHARACTER.pack(ord(value))
    if tag == "b" and isinstance(value, bytes) and len(value) <= MAX_BLOB_BYTES:
        return _SIZE.pack(len(value)) + _padded(value)
    if tag in _VALUES and value == _VALUES[tag]:
        return b""
    raise OscError(f"{address}: {str(value)[:40]!r} is no value of type {tag!r}")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def bundles(messages: list[Message], *, largest_bytes: int) -> list[bytes]:
    """Messages as bundles that hold now, none longer than `largest_bytes` unless a message alone is."""
    packets: list[bytes] = []
    waiting = [(_write_message(one)) for one in messages]
    while waiting:
        total, fit = 16, 0
        for data in islice(waiting, MAX_ELEMENTS - 1):
            total += 4 + len(data)
            if fit and total > largest_bytes:
                break
            fit += 1
        head = b"".join(_SIZE.pack(len(data)) + data for data in waiting[:fit])
        packets.append(_BUNDLE + _TAG.pack(IMMEDIATELY) + head)
        waiting = waiting[fit:]
    return packets
