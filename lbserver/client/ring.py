# SPDX-License-Identifier: GPL-3.0-or-later
"""A session's audio as its user handles it: arrays in, arrays out; what the server does cannot hold it up.

Audio calls belong to one thread; the segment may be exchanged for a new one under them by another.
"""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lbmodels.contract.accompanist import Audio
from lbserver.client.errors import ClientError
from lbserver.errors import LiveBandError
from lbserver.ring.ends import HostPort
from lbserver.ring.segment import Segment
from lbserver.session.states import STATES

_LOOK_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What the server said when the session was opened; all in host samples or ms. See the timeline of the design."""

    mode: str
    latency_samples: int
    anticipation_samples: float
    anticipation_frames: int
    recency_gap_ms: float


def promise_of(message: Mapping[str, Any]) -> Promise:
    """Of a checked `opened` or `configured` message."""
    return Promise(
        mode=message["mode"],
        latency_samples=message["latency_samples"],
        anticipation_samples=message["anticipation_samples"],
        anticipation_frames=message["anticipation_frames"],
        recency_gap_ms=message["recency_gap_ms"],
    )


class Ring:
    """Owns the mapping of the session's segment. `lost` says why there is no server, empty if there is."""

    def __init__(self, descriptor: int, promise: Promise, *, block_samples: int, offline: bool) -> None:
        """Takes the descriptor. Raises LiveBandError for a segment that is none."""
        self.block_samples, self.offline = block_samples, offline
        self.promise = promise
        self.lost = ""
        self.closed = ""
        self._lock = threading.Lock()
        self._segment, self._port = self._attach(descriptor, promise)
        shape = self._segment.shape
        self.rate_hz, self.channels, self.stem_channels = (
            shape.rate_hz,
            shape.mix_channels,
            shape.stem_channels,
        )

    def swap(self, descriptor: int, promise: Promise) -> None:
        """Go on with another segment, from its position 0. Takes the descriptor. Raises LiveBandError."""
        segment, port = self._attach(descriptor, promise)
        with self._lock:
            old, self._segment, self._port = self._segment, segment, port
            self.promise, self.lost = promise, ""
            shape = segment.shape
            self.rate_hz, self.channels, self.stem_channels = (
                shape.rate_hz,
                shape.mix_channels,
                shape.stem_channels,
            )
            old.close()

    def close(self, reason: str) -> None:
        """Let the memory go; from now on there is silence. Idempotent."""
        with self._lock:
            self.closed = self.closed or reason or "closed"
            self._segment.close()

    @property
    def state(self) -> str:
        """As the status table has it, or `lost`: no server, it is being looked for."""
        with self._lock:
            if self.closed:
                return "closed"
            if self.lost:
                return "lost"
            number = self._segment.load("state")
        return STATES[number].value if number < len(STATES) else "opening"

    @property
    def position(self) -> int:
        """Samples written since the epoch began."""
        return self._port.position

    @property
    def missing_samples(self) -> int:
        """Stem samples that were not there when they were needed, since the segment is ours."""
        return self._port.missing_samples

    def exchange(self, block: ArrayLike, *, timeout_s: float) -> Audio:
        """Give the next mix samples [C, T], get the stem [S, T] that is to be heard with them, L behind.

        Live it never waits: what is not there fades to silence. Offline it waits until it is there.
        """
        mix = self._checked(block)
        pieces = [
            self._exchange(mix[:, start : start + self.block_samples], timeout_s)
            for start in range(0, mix.shape[-1], self.block_samples)
        ]
        return np.concatenate(pieces, axis=-1) if pieces else np.zeros((self.stem_channels, 0), np.float32)

    def follow(self, block: Audio, *, behind_samples: int) -> tuple[int, Audio]:
        """Give the next mix samples [C, T] of a live session, get what of the stem is there by now and was not given yet.

        It may lie ahead of the mix, by up to the anticipation; all that lies `behind_samples` behind is given, missing
        parts faded away. Returns where it begins, counted from the block's first sample, and the stem [S, n].
        """
        nothing = np.zeros((self.stem_channels, 0), np.float32)
        with self._lock:
            if self.closed:
                return 0, nothing
            port, dropped = self._port, self._port.dropped_samples
            port.write(block)
            if port.dropped_samples != dropped:
                return 0, nothing
            begin = port.read_position
            owed = port.position - behind_samples - begin
            stem = port.read(max(0, owed, port.ready(self._segment.shape.capacity)))
            return begin - (port.position - block.shape[-1]), stem

    def play(self, mix: ArrayLike, *, timeout_s: float) -> Audio:
        """A whole mix [C, T] from position 0; returns the stem [S, T], sample t of it for sample t of the mix."""
        if not self.offline:
            raise ClientError(
                "unsupported", "play is for sessions opened with offline=True; live ones exchange"
            )
        mix = self._checked(mix)
        latency = self.promise.latency_samples
        with self._lock:
            if not self.closed and self._port.position:
                self._port.begin_epoch()
        padded = np.concatenate((mix, np.zeros((mix.shape[0], latency), np.float32)), axis=-1)
        return self.exchange(padded, timeout_s=timeout_s)[:, latency:]

    def begin_epoch(self) -> None:
        """Position 0 again; nothing of before will be heard."""
        with self._lock:
            if not self.closed:
                self._port.begin_epoch()

    def tell(self, kind: str, values: tuple[float, ...], *, flags: int = 0) -> None:
        """An event for the next sample written, as `protocol.segment` has it."""
        with self._lock:
            if not self.closed:
                self._port.tell(kind, values, flags=flags)

    def _exchange(self, block: Audio, timeout_s: float) -> Audio:
        samples = block.shape[-1]
        with self._lock:
            if self.closed:
                if self.offline:
                    raise ClientError("crashed", f"the session is closed: {self.closed}")
                return np.zeros((self.stem_channels, samples), np.float32)
            self._port.write(block)
            if not self.offline:
                return self._port.read(samples)
        return self._wait(samples, timeout_s)

    def _wait(self, samples: int, timeout_s: float) -> Audio:
        deadline = time.monotonic() + timeout_s
        while True:
            with self._lock:
                port, reason = self._port, self.closed or self.lost
                if reason:
                    raise ClientError("crashed", f"the session broke off: {reason}")
                if port.dropped_samples:
                    raise ClientError("overloaded", "the band did not take what it was given")
                before = port.position
                try:
                    return port.wait(samples, timeout_s=min(_LOOK_S, timeout_s))
                except ClientError:
                    raise
                except LiveBandError as error:
                    if time.monotonic() > deadline:
                        raise ClientError("crashed", str(error)) from None
                assert port.position == before

    def _attach(self, descriptor: int, promise: Promise) -> tuple[Segment, HostPort]:
        try:
            segment = Segment(descriptor)
        finally:
            os.close(descriptor)
        port = HostPort(segment, latency_samples=promise.latency_samples)
        port.set_offline(self.offline)
        return segment, port

    def _checked(self, block: ArrayLike) -> Audio:
        mix = np.asarray(block, np.float32)
        if mix.ndim == 1:
            mix = mix[None]
        if mix.ndim != 2 or mix.shape[0] != self.channels:
            raise ClientError(
                "bad_message",
                f"audio of shape {mix.shape} does not fit: [{self.channels}, samples] is expected"
                + (
                    " (did you mean to transpose it?)"
                    if mix.ndim == 2 and mix.shape[1] == self.channels
                    else ""
                ),
            )
        return mix
