# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ends of a segment: the front end that plays and listens, and the worker that hears and answers.

Each end keeps its own cursors and believes the other's only after checking them: whatever stands in the segment,
no access leaves it.
"""

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lbmodels.contract.accompanist import Audio
from lbserver.audio.fades import Concealer
from lbserver.errors import LiveBandError
from lbserver.protocol import segment as layout
from lbserver.protocol.controls import BY_NAME
from lbserver.protocol.segment import cursor, epoch_after, split
from lbserver.ring.segment import Segment, fetch, place

_EVENT = struct.Struct(layout.EVENT_STRUCT)
_MOST = np.float32(2.0)  # +6 dBFS


class Event(NamedTuple):
    """Something the host tells, from a position on. `values`: see protocol.segment.EVENT_VALUES."""

    epoch: int
    kind: int
    flags: int
    position: int
    values: tuple[float, ...]


class HostPort:
    """The front end's end: write the mix, read the stem for the same moment. Never waits unless told to.

    `position` counts samples written in this epoch. Not for two threads at once.
    """

    def __init__(self, segment: Segment, *, latency_samples: int = 0) -> None:
        self.segment = segment
        self.latency_samples = latency_samples
        self.epoch = 0
        self.position = 0
        self.dropped_samples = 0
        self._events = 0
        self._beats = 0
        self._missing_samples = 0
        self._gaps = 0
        self._concealer = Concealer(rate_hz=segment.shape.rate_hz, channels=segment.shape.stem_channels)
        self._gain = self._wanted_gain = 1.0
        self._gain_left = 0  # samples until the gain is the wanted one
        self._lapsed = False
        self._smoothing = max(1, round(segment.shape.rate_hz * BY_NAME["gain"].smoothing_ms / 1000))
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Position 0 again; nothing of before will be heard."""
        self.epoch = epoch_after(self.epoch)
        self.position = 0
        self._read = -self.latency_samples
        # After a lapse the music is taken up in its middle.
        self._concealer.reset(fade_in=True, hold=self._lapsed)
        self._lapsed = False
        self.segment.store("stem_read", cursor(self.epoch, 0))
        self.segment.store("mix_cursor", cursor(self.epoch, 0))

    def set_offline(self, offline: bool) -> None:
        """Offline, the worker drops nothing and the front end waits."""
        flags = self.segment.load("host_flags") & ~layout.HOST_FLAGS["offline"]
        self.segment.store("host_flags", flags | (layout.HOST_FLAGS["offline"] if offline else 0))

    def tell(
        self, kind: str, values: tuple[float, ...], *, flags: int = 0, position: int | None = None
    ) -> None:
        """Add an event that holds from `position` (default: the next sample written) on."""
        padded = (*values, *[float("nan")] * (6 - len(values)))
        at = self.position if position is None else position
        slot = self.segment.events[self._events % layout.EVENT_CAPACITY]
        slot[:] = np.frombuffer(
            _EVENT.pack(self.epoch, layout.EVENT_KINDS[kind], flags, at, *padded), np.uint8
        )
        self._events += 1
        self.segment.store("event_count", self._events)

    def write(self, block: Audio) -> None:
        """The next mix samples [C, T], any T up to the capacity.

        When the worker has not read for longer than the ring lasts, nothing is written and what follows begins a
        new epoch once it reads again: late audio is worth nothing, and a gap must not shift what comes after.
        """
        length = block.shape[-1]
        shape = self.segment.shape
        if length > shape.capacity:
            raise LiveBandError(f"a block of {length} samples is too long: at most {shape.capacity}")
        self._beats += 1
        self.segment.store("host_heartbeat", self._beats)
        epoch, taken = split(self.segment.load("mix_read"))
        if epoch != self.epoch:
            taken = 0
        if self.position + length - taken > shape.capacity:
            self.dropped_samples += length
            self._lapsed = True
            return
        if self._lapsed:
            self.begin_epoch()
        place(self.segment.mix, self.position, block)
        self.position += length
        self.segment.store("mix_cursor", cursor(self.epoch, self.position))

    def read(self, samples: int) -> Audio:
        """The stem [C, samples] that belongs to the last `samples` written, L behind; missing parts faded away."""
        ready = self.ready(samples)
        return self._take(samples, ready)

    def wait(self, samples: int, *, timeout_s: float) -> Audio:
        """As `read`, waiting until all of it is there. For offline use.

        Raises LiveBandError when nothing has come for `timeout_s`.
        """
        best, deadline = -1, 0.0
        pause_s = 0.00005
        while (ready := self.ready(samples)) < samples:
            now = time.monotonic()
            progress = self.segment.load("stem_cursor")
            if progress != best:
                best, deadline, pause_s = progress, now + timeout_s, 0.00005
            if now > deadline:
                raise LiveBandError(f"the band has not answered for {timeout_s:g} s: is the server alive?")
            time.sleep(pause_s)
            pause_s = min(0.001, pause_s * 1.5)
        return self._take(samples, ready)

    def exchange(self, block: Audio) -> Audio:
        """Write a block [C, T] and read the stem for it, [C, T]: what an audio callback does."""
        self.write(block)
        return self.read(block.shape[-1])

    @property
    def missing_samples(self) -> int:
        """Stem samples that were not there when they were needed."""
        return self._missing_samples

    @property
    def gaps(self) -> int:
        """Times the stem broke off."""
        return self._gaps

    @property
    def read_position(self) -> int:
        """Of the next stem sample that is read; below 0 while L has not passed."""
        return self._read

    def ready(self, samples: int) -> int:
        """How many of the next `samples` of the stem are there."""
        epoch, written = split(self.segment.load("stem_cursor"))
        if epoch != self.epoch:
            return max(0, min(samples, -self._read))
        # A writer that claims more than the ring holds is not believed.
        return max(
            0, min(samples, min(written, max(0, self._read) + self.segment.shape.capacity) - self._read)
        )

    def _take(self, samples: int, ready: int) -> Audio:
        start = self._read
        silent = max(0, min(ready, -start))
        there = np.zeros((self.segment.shape.stem_channels, ready), np.float32)
        if ready > silent:
            there[:, silent:] = fetch(self.segment.stem, start + silent, ready - silent)
        _bound(there)
        begun = split(self.segment.load("stem_cursor"))[0] == self.epoch
        pieces = [self._concealer.present(there)]
        if ready < samples:
            if begun and not self._concealer.missing:
                self._gaps += 1
                self.segment.store("gaps", self._gaps)
            if begun:
                self._missing_samples += samples - ready
                self.segment.store("missing_samples", self._missing_samples)
            pieces.append(self._concealer.absent(samples - ready))
        self._read = start + samples
        self.segment.store("stem_read", cursor(self.epoch, max(0, self._read)))
        self.segment.store("lag_samples", max(0, self.position - self._read))
        return self._level(np.concatenate(pieces, axis=-1))

    def _level(self, stem: Audio) -> Audio:
        """Gain, approached in steps too small to click, however short the blocks; unity leaves every bit."""
        wanted = self.segment.load_float("gain")
        wanted = min(max(wanted, 0.0), 16.0) if np.isfinite(wanted) else 1.0
        if wanted != self._wanted_gain:
            self._wanted_gain, self._gain_left = wanted, self._smoothing
        if not self._gain_left:
            return stem if self._gain == 1.0 else _bound(stem * np.float32(self._gain))
        length = stem.shape[-1]
        reach = min(length, self._gain_left)
        step = (wanted - self._gain) / self._gain_left
        ramp = np.full(length, wanted, np.float32)
        ramp[:reach] = self._gain + step * np.arange(1, reach + 1)
        self._gain_left -= reach
        self._gain = self._gain + step * reach if self._gain_left else wanted
        return _bound(stem * ramp)


def _bound(audio: Audio) -> Audio:
    """Changes audio in place where no ear could bear it: not a number to silence, beyond +6 dBFS to that."""
    if audio.size and not (np.abs(audio).max() <= _MOST):  # false for NaN too
        np.nan_to_num(audio, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        np.clip(audio, -_MOST, _MOST, out=audio)
    return audio


@dataclass(frozen=True, kw_only=True)
class Heard:
    """New mix audio [C, T] from `position` on. `fresh` says that an epoch begins."""

    epoch: int
    position: int
    audio: Audio
    fresh: bool = False


class CorruptSegmentError(LiveBandError):
    """The front end wrote what cannot be: the session ends."""


class WorkerPort:
    """The worker's end: take the mix and events, put the stem. Never waits."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.epoch = 0
        self.position = 0
        self._written = 0
        self._events = 0
        self._beats = 0

    def resume(self, *, mix_position: int) -> None:
        """Take up the front end's epoch in its middle: the mix is heard from a position on that is still in the ring."""
        self.epoch, _ = split(self.segment.load("mix_cursor"))
        self.position = mix_position
        self._events = min(self.segment.load("event_read"), self.segment.load("event_count"))

    def write_from(self, position: int) -> None:
        """The next stem samples put lie at `position`."""
        self._written = position

    def listen(self) -> Heard | None:
        """Mix audio that came since, None if there is nothing.

        Raises CorruptSegmentError for cursors that go backwards or beyond what the ring can hold.
        """
        epoch, written = split(self.segment.load("mix_cursor"))
        fresh = epoch != self.epoch
        if epoch == 0 or (not fresh and written == self.position):
            return None
        start = 0 if fresh else self.position
        capacity = self.segment.shape.capacity
        if not 0 <= written - start <= capacity:
            raise CorruptSegmentError(
                f"the mix cursor went from {start} to {written}: more than the ring holds"
            )
        audio = fetch(self.segment.mix, start, written - start)
        self.epoch, self.position = epoch, written
        if fresh:
            self._written = 0
            self.segment.store("stem_cursor", cursor(epoch, 0))
        self.segment.store("mix_read", cursor(epoch, written))
        return Heard(epoch=epoch, position=start, audio=audio, fresh=fresh)

    def events(self) -> Iterator[Event]:
        """Events that came since; the oldest are gone if more came than the ring holds."""
        count = self.segment.load("event_count")
        if count < self._events:
            raise CorruptSegmentError("the event count went backwards")
        for index in range(max(self._events, count - layout.EVENT_CAPACITY), count):
            epoch, kind, flags, position, *values = _EVENT.unpack(
                self.segment.events[index % layout.EVENT_CAPACITY].tobytes()
            )
            yield Event(epoch, kind, flags, position, tuple(values))
        self._events = count
        self.segment.store("event_read", count)

    def put(self, audio: Audio) -> None:
        """The next stem samples [C, T] of this epoch."""
        length = audio.shape[-1]
        capacity = self.segment.shape.capacity
        kept = audio[:, max(0, length - capacity) :]
        place(self.segment.stem, self._written + length - kept.shape[-1], kept)
        self._written += length
        self.segment.store("stem_cursor", cursor(self.epoch, self._written))

    @property
    def written(self) -> int:
        """Stem samples put in this epoch."""
        return self._written

    @property
    def room(self) -> int:
        """Stem samples that can be put before unread ones are overwritten."""
        return self.segment.shape.capacity - (self._written - self.read_position)

    @property
    def read_position(self) -> int:
        """Host position up to which the stem was asked for, in this epoch; never beyond what was written + a ring."""
        epoch, read = split(self.segment.load("stem_read"))
        return read if epoch == self.epoch else 0

    @property
    def offline(self) -> bool:
        return bool(self.segment.load("host_flags") & layout.HOST_FLAGS["offline"])

    def beat(self) -> None:
        """Show that the worker lives."""
        self._beats += 1
        self.segment.store("server_heartbeat", self._beats)
