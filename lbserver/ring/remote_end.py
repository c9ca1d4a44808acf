# SPDX-License-Identifier: GPL-3.0-or-later
"""A session whose front end is at the other end of a wire: its `audio` messages go into the ring, stems come out.

Two ways to get the stem. Asked for (`reply`), a block is answered with what is to be heard with it, L behind, as a
front end at the ring would have it. Else everything goes out as soon as it is in the ring, and the other side
places it by position: that is how one server plays for another.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from lbmodels.contract.accompanist import Audio
from lbserver.protocol.messages import MessageError
from lbserver.protocol.segment import EVENT_KINDS, cursor, split
from lbserver.ring.ends import HostPort
from lbserver.ring.segment import Segment, fetch

LARGEST_PIECE_BYTES = 1 << 18
"""A stem that has piled up goes out in pieces of at most this."""
_EVENT_NAMES = {number: name for name, number in EVENT_KINDS.items()}
_FULL_SCALE = 32768.0
_MOST_AHEAD = 64  # events of an epoch that has not begun


def to_bytes(audio: Audio, encoding: str) -> bytes:
    """Audio [C, T] as planar little-endian samples, `f32` or `i16`."""
    if encoding == "f32":
        return np.ascontiguousarray(audio, "<f4").tobytes()
    return np.clip(np.round(audio * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2").tobytes()


def from_bytes(data: bytes, channels: int, encoding: str) -> Audio:
    """Audio [C, T] of a message. Raises MessageError when the bytes are no whole number of samples."""
    if encoding not in ("f32", "i16"):
        raise MessageError(f"audio: format {encoding[:16]!r} is not known: f32, i16")
    kind = np.dtype("<f4" if encoding == "f32" else "<i2")
    if len(data) % (channels * kind.itemsize):
        raise MessageError(
            f"audio: {len(data)} bytes are no whole samples of {channels} channels in {encoding}"
        )
    samples = np.frombuffer(data, kind).reshape(channels, -1)
    if encoding == "i16":
        return samples.astype(np.float32) / np.float32(_FULL_SCALE)
    return samples.astype(np.float32, copy=False)


class Stream:
    """One session's audio between messages and its segment. Owns the segment.

    `epoch` is the sender's. `shift` is the sender's position of the ring's first sample: it differs from 0 after the
    band was too slow to take what came, for then the ring began anew.
    """

    def __init__(self, session: str, segment: Segment, latency_samples: int) -> None:
        self.session = session
        self.epoch = -1
        self.shift = 0
        self.offline = False
        self._segment = segment
        self._port = HostPort(segment, latency_samples=latency_samples)
        self._latency_samples = latency_samples
        self._lapsed = False
        self._read = 0  # ring position of the next stem sample that is answered with
        self._sent = 0  # ring position of the next stem sample that is sent unasked
        self._pushes = False
        self._encoding = "f32"
        self._ahead: deque[Mapping[str, Any]] = deque(maxlen=_MOST_AHEAD)

    def close(self) -> None:
        """Unmap. Idempotent."""
        self._segment.close()

    def set_offline(self, offline: bool) -> None:
        """Offline, nothing is dropped."""
        if offline != self.offline:
            self.offline = offline
            self._port.set_offline(offline)

    def room_for(self, message: Mapping[str, Any]) -> bool:
        """Whether the ring can take a block now. Only offline does one wait for it."""
        samples = len(message["data"]) // (4 if message["format"] == "f32" else 2) // message["channels"]
        epoch, taken = split(self._segment.load("mix_read"))
        if message["epoch"] != self.epoch:
            return True
        waiting = self._port.position - (taken if epoch == self._port.epoch else 0)
        return waiting + samples <= self._segment.shape.capacity

    @property
    def answerable(self) -> bool:
        """Whether all of the stem is there that the last block is to be answered with."""
        epoch, written = split(self._segment.load("stem_cursor"))
        needed = self._port.position - self._latency_samples
        return needed <= 0 or (epoch == self._port.epoch and written >= needed)

    def take(self, message: Mapping[str, Any]) -> int:
        """Put an `audio` message, checked, into the ring. Returns the samples that are to be answered.

        Raises MessageError: other channels than the session's, a block longer than the ring, a jump.
        """
        shape = self._segment.shape
        if message["channels"] != shape.mix_channels:
            raise MessageError(f"audio: {message['channels']} channels, the session has {shape.mix_channels}")
        audio = from_bytes(message["data"], message["channels"], message["format"])
        if audio.shape[-1] > shape.capacity:
            raise MessageError(f"audio: {audio.shape[-1]} samples at once, at most {shape.capacity}")
        position = message["position"]
        if message["epoch"] != self.epoch:
            self._begin(message["epoch"], position)
        self._encoding = message["format"]
        self._pushes = not message.get("reply", False)
        if not self._lapsed:
            expected = self._port.position + self.shift
            if position > expected:
                raise MessageError(f"audio: it goes from {expected} to {position}: begin another epoch")
            audio = audio[:, expected - position :]  # what was sent twice
            position = expected
        self._write(audio, position)
        if self._pushes:
            behind = message.get("needed", self._port.position + self.shift - self._latency_samples)
            read = min(max(0, behind - self.shift), self._port.position + shape.capacity)
            self._segment.store("stem_read", cursor(self._port.epoch, read))
        return audio.shape[-1]

    def answer(self, samples: int) -> dict[str, Any]:
        """The `stem` message for the last `samples` taken, missing parts faded away."""
        stem = self._port.read(samples)
        position = self._read + self.shift
        self._read += samples
        return self._message(position, stem)

    def fresh(self) -> dict[str, Any] | None:
        """A `stem` message of what is in the ring and was not sent, if the sender does not ask for answers."""
        if not self._pushes:
            return None
        epoch, written = split(self._segment.load("stem_cursor"))
        if epoch != self._port.epoch or written <= self._sent:
            return None
        shape = self._segment.shape
        start = max(self._sent, min(written, self._port.position + shape.capacity) - shape.capacity)
        longest = LARGEST_PIECE_BYTES // (4 * shape.stem_channels)
        samples = min(written - start, longest)
        stem = np.nan_to_num(fetch(self._segment.stem, start, samples), nan=0.0, posinf=0.0, neginf=0.0)
        self._sent = start + samples
        return self._message(start + self.shift, stem)

    def tell(self, message: Mapping[str, Any]) -> None:
        """Put an `event` message, checked, into the ring; one of another epoch when that epoch begins, if it does."""
        kind = _EVENT_NAMES.get(message["kind"])
        if kind is None or len(message["values"]) != 48:
            raise MessageError("event: kind is not known, or values are not six float64")
        if message["epoch"] != self.epoch:
            self._ahead.append(message)  # it may be of the epoch that begins with the next block
            return
        values = tuple(float(value) for value in np.frombuffer(message["values"], "<f8"))
        self._port.tell(kind, values, flags=message["flags"], position=message["position"] - self.shift)

    def _begin(self, epoch: int, position: int) -> None:
        if position:
            raise MessageError(f"audio: an epoch begins at position 0, not {position}")
        if self._port.position or self._lapsed:
            self._port.begin_epoch()
        self.epoch, self.shift, self._lapsed = epoch, 0, False
        self._rewind()
        ahead = [message for message in self._ahead if message["epoch"] == epoch]
        self._ahead.clear()
        for message in ahead:
            self.tell(message)

    def _write(self, audio: Audio, position: int) -> None:
        epoch, dropped = self._port.epoch, self._port.dropped_samples
        self._port.write(audio)
        self._lapsed = self._port.dropped_samples != dropped
        if self._port.epoch != epoch:  # the band hears again, from here on
            self.shift = position
            self._rewind()

    def _rewind(self) -> None:
        self._read, self._sent = -self._latency_samples, 0

    def _message(self, position: int, stem: Audio) -> dict[str, Any]:
        return {
            "type": "stem",
            "session": self.session,
            "epoch": self.epoch,
            "position": position,
            "channels": stem.shape[0],
            "format": self._encoding,
            "data": to_bytes(stem, self._encoding),
        }
