# SPDX-License-Identifier: GPL-3.0-or-later
"""One session's audio between datagrams and its ring: mix packets into place, stem packets back for the same positions.

The mix goes into the ring as soon as it is in order. The stem of a position goes out as soon as it is in the ring and its
position has been heard, or without the latter if the sender asks for it ahead; if it is not there `target_s` after the moment at which the position usually comes, it is given
up and faded over. So neither jitter nor a packet sent again costs the band its headroom: it is the deadline that stays
put, not the packets. No clock in here: the time is given with every call.
"""

import os

import numpy as np

from lbserver.hub.hub import Opened
from lbserver.protocol.segment import cursor, split
from lbserver.ring.ends import HostPort
from lbserver.ring.segment import Segment
from lbserver.transports.osc.addresses import compose
from lbserver.transports.osc.audio import AudioPacket, Packetizer, signed32
from lbserver.transports.osc.packet import bundles
from lbserver.transports.osc.stream import JitterBuffer, JitterConfig, Piece

_LONGEST_S = 0.5
"""The band is not made to play through a longer hole: it begins anew behind it."""


class AudioLink:
    """The front end's end of a session's ring, played by packets. Owns the segment.

    Positions are the sender's. State: the buffer, how far mix was written and stem was read, and the port, whose own
    positions begin anew after a hole.
    """

    def __init__(
        self, opened: Opened, *, stream: int, redundancy: int = 1, jitter: JitterConfig | None = None
    ) -> None:
        """Takes `opened.descriptor` over. Raises LiveBandError."""
        try:
            self._segment = Segment(opened.descriptor)
        finally:
            os.close(opened.descriptor)
        shape = self._segment.shape
        self.session, self.stream = opened.session, stream
        self._latency_samples = opened.timing.latency_samples
        self._port = HostPort(self._segment, latency_samples=self._latency_samples)
        self.buffer = JitterBuffer(rate_hz=shape.rate_hz, config=jitter)
        self._stem = Packetizer(
            address=f"/lb/{opened.session}/stem",
            stream=stream,
            channels=shape.stem_channels,
            redundancy=redundancy,
        )
        self._written = 0  # mix given to the band, in the sender's positions
        self._read = 0  # stem given out, in the sender's positions
        self._ring_read = -self._latency_samples  # the same in the ring's
        self._asked = -self._latency_samples  # stem whose deadline is over
        self._ahead = False
        self.last_s = float("-inf")

    @property
    def channels(self) -> int:
        """Of the mix."""
        return self._segment.shape.mix_channels

    @property
    def position(self) -> int:
        """The sender's position up to which the band has heard."""
        return self.buffer.position

    @property
    def waits(self) -> bool:
        """Whether stem is owed or wanted ahead, or mix is missing."""
        return self._ahead or self._read < self.buffer.position or self.buffer.waiting > 0

    def close(self) -> None:
        """Unmap. Idempotent."""
        self._segment.close()

    def push(self, packet: AudioPacket, now_s: float) -> list[bytes]:
        """A mix packet of this stream that came now; returns datagrams to send."""
        self.last_s = now_s
        self._stem.sample_format, self._ahead = packet.sample_format, packet.ahead
        self.buffer.push(packet, now_s)
        return self.pump(now_s)

    def resend(self, first: int, last: int, now_s: float) -> list[bytes]:
        """Stem packets that did not arrive."""
        return self._stem.again(first, last, now_s)

    def pump(self, now_s: float) -> list[bytes]:
        """What is to be sent now: stem packets, and requests for mix packets."""
        for piece in self.buffer.take(now_s):
            self._write(piece)
        datagrams = self._read_stem(now_s)
        requests = [
            compose(
                "/lb/<session>/resend", self.stream, signed32(first), signed32(last), session=self.session
            )
            for first, last in self.buffer.requests(now_s)
        ]
        return datagrams + bundles(requests, largest_bytes=1200)

    def forget(self) -> None:
        """Panic: what is in the ring will not be heard."""
        self._begin_anew(self.buffer.position)

    def _write(self, piece: Piece) -> None:
        shape = self._segment.shape
        hole = piece.audio is None and piece.samples > _LONGEST_S * shape.rate_hz
        if hole or piece.position != self._written:
            self._begin_anew(piece.position + (piece.samples if hole else 0))
        if hole:
            return
        audio = (
            np.zeros((shape.mix_channels, piece.samples), np.float32) if piece.audio is None else piece.audio
        )
        epoch, dropped = self._port.epoch, self._port.dropped_samples
        self._port.write(audio)
        self._written = piece.position + piece.samples
        if self._port.epoch != epoch:
            self._skip_to(piece.position)  # the band hears again, from here on
        elif self._port.dropped_samples != dropped:
            self._skip_to(self._written)  # it hears nothing: there is no stem for this

    def _read_stem(self, now_s: float) -> list[bytes]:
        rate_hz = self._segment.shape.rate_hz
        late = int((now_s - self.buffer.due_s(self._read)) * rate_hz) if self.buffer.paced else 0
        owed = self._written - self._read
        epoch, written = split(self._segment.load("stem_cursor"))
        there = written if epoch == self._port.epoch else 0
        landed = max(0, there - self._ring_read)
        ready = landed if self._ahead else min(owed, landed)
        samples = max(ready, min(owed, late))
        datagrams: list[bytes] = []
        if samples > 0:
            stem = self._port.read(samples)
            self._read += samples
            self._ring_read += samples
            datagrams = self._stem.push(stem)
        # The band plans by when its stem is asked for: that is the deadline, not the moment it was there.
        self._asked = min(self._ring_read, max(self._asked, self._ring_read - samples + late))
        self._segment.store("stem_read", cursor(self._port.epoch, max(0, self._asked)))
        return datagrams

    def _begin_anew(self, position: int) -> None:
        self._port.begin_epoch()
        self._written = position
        self._skip_to(position)

    def _skip_to(self, position: int) -> None:
        """The next stem sample belongs to `position`; the ring begins there."""
        self._read = position
        self._ring_read = self._asked = -self._latency_samples
        self._stem.position = position
