# SPDX-License-Identifier: GPL-3.0-or-later
"""Chunks to batches, batches to positions: which is whole, which waits no longer, where its samples belong. No clock.

A batch is what was played during one step. Chunks may come in any order; those of a batch that is done are late and are left out;
a batch some of whose chunks are lost is used with holes.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from lbserver.errors import LiveBandError
from lbserver.transports.rtap.packets import Floats

RATE_HZ = 44_100
WINDOW_SAMPLES = 6 * RATE_HZ
MOST_CHUNKS = 4096
PATIENCE_GAPS = 5.0
FIRST_GAP_S = 0.05
LEAST_PATIENCE_S = 0.05
"""A burst's gaps are microseconds; a busy machine or a wireless network holds a chunk back for longer than five."""
_REMEMBERED = 64
"""Batch numbers that far back are late; others are those of a client that began anew."""


@dataclass(kw_only=True)
class Batch:
    """Chunks of one step by where they begin in it, in samples; `held` are all of theirs."""

    number: int
    total: int
    first_s: float
    last_s: float
    chunks: dict[int, Floats] = field(default_factory=dict)
    held: int = 0

    @property
    def is_whole(self) -> bool:
        return len(self.chunks) >= self.total

    @property
    def missing(self) -> int:
        return max(0, self.total - len(self.chunks))

    @property
    def samples(self) -> int:
        """Samples from the batch's first to its last that came."""
        return max(start + len(floats) for start, floats in self.chunks.items())

    def put(self, start: int, floats: Floats) -> None:
        """A chunk, once. Raises LiveBandError: with it there are more samples than a batch has."""
        if start in self.chunks:
            return
        if self.held + len(floats) > WINDOW_SAMPLES:
            raise LiveBandError(f"/context: chunks that overlap: a batch has up to {WINDOW_SAMPLES} samples")
        self.chunks[start] = floats
        self.held += len(floats)

    def over(self, samples: Floats) -> Floats:
        """What came written over `samples`, which are as many: what did not come is as it is there."""
        for start, floats in self.chunks.items():
            samples[start : start + len(floats)] = floats
        return samples

    @property
    def deadline_s(self) -> float:
        """When its chunks are waited for no longer: five mean gaps after the last, and at least 50 ms."""
        count = len(self.chunks)
        gap = (self.last_s - self.first_s) / (count - 1) if count > 1 else FIRST_GAP_S
        return self.last_s + max(PATIENCE_GAPS * gap, LEAST_PATIENCE_S)


class Batches:
    """The batch that comes in now, and the numbers of those that are done."""

    def __init__(self) -> None:
        self.current: Batch | None = None
        self.late_chunks = 0
        self._done: deque[int] = deque(maxlen=_REMEMBERED)

    @property
    def deadline_s(self) -> float | None:
        return None if self.current is None else self.current.deadline_s

    def add(self, number: int, start: int, total: int, floats: Floats, now_s: float) -> list[Batch]:
        """A chunk came; the batches that are done by it: one that a newer one overtook, one that is whole.

        Raises LiveBandError: it would make the batch longer than a window.
        """
        done = []
        if number in self._done or (
            self.current is not None and 0 < self.current.number - number < _REMEMBERED
        ):
            self.late_chunks += 1
            return []
        if self.current is not None and number != self.current.number:
            done.append(self._finish(self.current))
        if self.current is None:
            self.current = Batch(number=number, total=total, first_s=now_s, last_s=now_s)
        batch = self.current
        batch.put(start, floats)
        batch.total, batch.last_s = total, now_s
        if batch.is_whole:
            done.append(self._finish(batch))
        return done

    def give_up(self, now_s: float | None = None) -> Batch | None:
        """The batch whose deadline has passed, or at `now_s` None the one that there is: used as it is."""
        batch = self.current
        if batch is None or (now_s is not None and now_s < batch.deadline_s):
            return None
        return self._finish(batch)

    def reset(self) -> None:
        self.current = None
        self._done.clear()

    def _finish(self, batch: Batch) -> Batch:
        self.current = None
        self._done.append(batch.number)
        return batch


class Recording:
    """Mono samples by absolute position, the last `length` of them; what never came is silent."""

    def __init__(self, length: int) -> None:
        self._samples = np.zeros(length, np.float32)
        self.end = 0

    def put(self, start: int, floats: Floats) -> None:
        """Samples from position `start` on; those from before what is kept are left out."""
        end = start + len(floats)
        if end > self.end:
            ahead = min(end - self.end, len(self._samples))
            self._samples[:-ahead] = self._samples[ahead:]
            self._samples[-ahead:] = 0.0
            self.end = end
        first = self.end - len(self._samples)
        if end > first:
            kept = floats[max(0, first - start) :]
            at = max(start, first) - first
            self._samples[at : at + len(kept)] = kept

    def get(self, start: int, end: int) -> Floats:
        """Samples [start, end); silence where there are none."""
        out = np.zeros(max(0, end - start), np.float32)
        first = self.end - len(self._samples)
        low, high = max(start, first), min(end, self.end)
        if low < high:
            out[low - start : high - start] = self._samples[low - first : high - first]
        return out


@dataclass(kw_only=True)
class Cursor:
    """Up to where has been heard, in samples since the first batch: a batch is the step that follows the last one's.

    A number left out is a step that was lost whole, and lets the cursor go on all the same.
    """

    position: int = 0
    number: int | None = None

    def advance(self, batch: Batch, step: int) -> int:
        """Moves to the end of `batch`; returns the position of its first sample.

        A batch longer than a step is what was heard until then: only its last step is new.
        """
        samples = batch.samples
        if self.number is None:
            self.position += max(step, samples)
        else:
            steps = batch.number - self.number
            self.position += step * (steps if 0 < steps <= _REMEMBERED else 1)
        self.number = batch.number
        return self.position - (step if samples <= step else samples)
