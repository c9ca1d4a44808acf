# SPDX-License-Identifier: GPL-3.0-or-later
"""Audio as OSC messages: stream number, sequence, position, format and a blob of samples; cut small, kept for resending.

The blob is planar, [channel][sample], little-endian, as everywhere else in the protocol. A sequence counts packets of
a stream and wraps at 32 bits; a position never wraps.
"""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from lbmodels.contract.accompanist import Audio
from lbserver.protocol.osc import MAX_PACKET_BYTES
from lbserver.ring.remote_end import from_bytes, to_bytes
from lbserver.transports.osc.packet import Argument, Message, OscError, write

FORMATS = {"f32": 0, "i16": 1}
SENT_AGAIN = 256
"""Added to the format of a packet that was asked for: how late it is says nothing about the network's jitter."""
AHEAD = 512
"""Added by a sender that wants the stem as soon as it is played, however far ahead of its position."""
TAGS = "iihib"
_LARGEST_SAMPLES = 1 << 16
_NAMES = {number: name for name, number in FORMATS.items()}


class AudioPacket(NamedTuple):
    """Samples [C, T], T >= 1, from `position` on; `sequence` as on the wire, 0 to 2^32 - 1."""

    stream: int
    sequence: int
    position: int
    samples: Audio
    sample_format: int = 0
    again: bool = False
    ahead: bool = False


def encode(address: str, packet: AudioPacket) -> bytes:
    """The datagram of a packet. Samples are rounded and clipped for i16, untouched for f32."""
    blob = to_bytes(packet.samples, _NAMES[packet.sample_format])
    flags = packet.sample_format | (SENT_AGAIN if packet.again else 0) | (AHEAD if packet.ahead else 0)
    values = (packet.stream, signed32(packet.sequence), packet.position, flags, blob)
    return write(Message(address, TAGS, values))


def decode(message: Message, channels: int) -> AudioPacket:
    """The packet in a message. Samples that are not numbers become silence.

    Raises OscError for anything but four whole numbers, as any type, and a blob; a format that is not known; a blob that
    is not whole samples.
    """
    atoms = message.atoms
    if len(atoms) != len(TAGS) or not isinstance(blob := atoms[-1][1], bytes):
        raise OscError(f"audio has the arguments {TAGS}, not {message.tags[:40]}")
    stream, sequence, position, flags = (_whole(value) for _, value in atoms[:-1])
    sample_format = flags & ~(SENT_AGAIN | AHEAD)
    if sample_format not in FORMATS.values():
        raise OscError(f"audio of format {flags} is not accepted: 0 float32, 1 int16")
    sample_bytes = 2 if sample_format == FORMATS["i16"] else 4
    length, rest = divmod(len(blob), sample_bytes * channels)
    if rest or not 1 <= length <= _LARGEST_SAMPLES or not 0 <= position < 1 << 48:
        raise OscError(
            f"audio of {len(blob)} bytes at {position} is not {channels} channels of whole samples"
        )
    samples = from_bytes(blob, channels, _NAMES[sample_format])
    if sample_bytes == 4 and not np.isfinite(samples).all():
        samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    return AudioPacket(
        stream=stream,
        sequence=sequence & 0xFFFFFFFF,
        position=position,
        samples=samples,
        sample_format=sample_format,
        again=bool(flags & SENT_AGAIN),
        ahead=bool(flags & AHEAD),
    )


def _whole(value: Argument) -> int:
    """A number as senders have it: many know no other than float32."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        return int(value)
    raise OscError("stream, sequence, position and format of audio are whole numbers")


class Packetizer:
    """Cuts one stream into datagrams of at most `largest_bytes` and keeps the last ones for those who missed them.

    State: next sequence and position, and at most `kept` packets. Each packet is sent `redundancy` times, and again
    at most `_MOST_AGAIN` times, `_AGAIN_PAUSE_S` apart, however often it is asked for: requests cannot make a storm.
    From the third answer on it is one copy, which keeps the traffic at 50 % loss and redundancy 2 below three times
    the audio.
    """

    _MOST_AGAIN = 8
    _AGAIN_PAUSE_S = 0.008

    def __init__(
        self,
        *,
        address: str,
        stream: int,
        channels: int,
        sample_format: str = "f32",
        redundancy: int = 1,
        largest_bytes: int = MAX_PACKET_BYTES,
        kept: int = 1024,
        sequence: int = 0,
        position: int = 0,
        ahead: bool = False,
    ) -> None:
        self.sequence = sequence
        self.position = position
        self.sent_again = 0
        self.sample_format = FORMATS[sample_format]
        self._address, self.stream, self._channels = address, stream, channels
        self._redundancy, self._kept_packets, self._ahead = redundancy, kept, ahead
        nothing = AudioPacket(0, 0, 0, np.zeros((channels, 0), np.float32))
        self._room = (largest_bytes - len(encode(address, nothing)) - 3) // channels  # bytes of each channel
        self._kept: OrderedDict[int, tuple[AudioPacket, int, float]] = OrderedDict()

    @property
    def most_samples(self) -> int:
        """Samples that fit one packet of the present format."""
        return max(1, self._room // (2 if self.sample_format == FORMATS["i16"] else 4))

    def push(self, audio: Audio) -> list[bytes]:
        """Datagrams for the next samples [C, T], any T; nothing is held back."""
        length = audio.shape[-1]
        parts = -(-length // self.most_samples)
        datagrams = []
        for part in range(parts):
            piece = audio[:, length * part // parts : length * (part + 1) // parts]
            packet = AudioPacket(
                stream=self.stream,
                sequence=self.sequence & 0xFFFFFFFF,
                position=self.position,
                samples=piece,
                sample_format=self.sample_format,
                ahead=self._ahead,
            )
            datagrams += [encode(self._address, packet)] * self._redundancy
            self._kept[packet.sequence] = (packet._replace(samples=piece.copy(), again=True), 0, -1.0)
            self.sequence += 1
            self.position += piece.shape[-1]
        while len(self._kept) > self._kept_packets:
            self._kept.popitem(last=False)
        return datagrams

    def again(self, first: int, last: int, now_s: float) -> list[bytes]:
        """Datagrams for the sequences `first` to `last` (as on the wire, wrapping) that are still kept."""
        count = (last - first & 0xFFFFFFFF) + 1
        datagrams = []
        for sequence in range(first, first + min(count, self._kept_packets)):
            key = sequence & 0xFFFFFFFF
            packet, times, at_s = self._kept.get(key, (None, 0, 0.0))
            if packet is None or times >= self._MOST_AGAIN or now_s - at_s < self._AGAIN_PAUSE_S:
                continue
            self._kept[key] = (packet, times + 1, now_s)
            datagrams += [encode(self._address, packet)] * (self._redundancy if times < 2 else 1)
            self.sent_again += 1
        return datagrams


def signed32(sequence: int) -> int:
    """A sequence as the int32 that OSC has for it."""
    return (sequence + 0x80000000 & 0xFFFFFFFF) - 0x80000000
