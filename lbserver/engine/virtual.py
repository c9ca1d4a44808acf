# SPDX-License-Identifier: GPL-3.0-or-later
"""Front ends and workers on a virtual clock: the live engine, exactly, without waiting.

Time moves from event to event: a front end's callback, a worker's look at its rings, a step's end. What a step costs
is a number. The same inputs give the same audio and the same figures, at thousands of blocks a second.
"""

import heapq
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import ceil

import numpy as np

from lbmodels.contract.accompanist import Accompanist, Audio
from lbserver.engine.live import LiveSession, Setup
from lbserver.engine.player import Batch, Player
from lbserver.ring.ends import HostPort, WorkerPort
from lbserver.ring.segment import Segment, Shape, capacity_for, create

POLL_S = 0.001
"""How often a worker looks at its rings."""


@dataclass(kw_only=True)
class VirtualHost:
    """A front end with an endless input: `source(position, samples)` is its mix [C, samples].

    `blocks` are the sizes it hands over, repeated; `heard` collects what it got back, if `keep`.
    """

    setup: Setup
    rate_hz: int
    channels: int
    source: Callable[[int, int], Audio]
    blocks: Sequence[int]
    start_s: float = 0.0
    keep: bool = True
    heard: list[Audio] = field(default_factory=list)
    calls: int = 0
    samples: int = 0

    def __post_init__(self) -> None:
        gap = self.setup.timing.recency_gap_samples
        ahead = ceil(2 * gap) + self.rate_hz + self.setup.block_samples
        shape = Shape(
            rate_hz=self.rate_hz,
            mix_channels=self.channels,
            stem_channels=min(2, self.channels),
            capacity=capacity_for(self.rate_hz, self.setup.block_samples, ahead),
        )
        descriptor = create(shape)
        self.segment = Segment(descriptor)
        self.worker_segment = Segment(descriptor)
        os.close(descriptor)
        self.port = HostPort(self.segment, latency_samples=self.setup.timing.latency_samples)

    def call(self) -> float:
        """One callback; returns the time until the next."""
        size = self.blocks[self.calls % len(self.blocks)]
        stem = self.port.exchange(self.source(self.samples, size))
        if self.keep:
            self.heard.append(stem)
        self.calls += 1
        self.samples += size
        return self.blocks[self.calls % len(self.blocks)] / self.rate_hz

    @property
    def audio(self) -> Audio:
        """All that was heard, [C, T]."""
        return np.concatenate(self.heard, axis=-1)

    def close(self) -> None:
        self.segment.close()
        self.worker_segment.close()


@dataclass(kw_only=True)
class VirtualRender(VirtualHost):
    """A front end that renders: it waits for the stem of each block, and hands over the next at once."""

    awaited: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.port.set_offline(True)

    def call(self) -> float:
        """One look; returns the time until the next."""
        if self.awaited and self.port.ready(self.awaited) < self.awaited:
            return POLL_S
        if self.awaited:
            stem = self.port.read(self.awaited)
            if self.keep:
                self.heard.append(stem)
            self.samples += self.awaited
            self.calls += 1
        self.awaited = self.blocks[self.calls % len(self.blocks)]
        self.port.write(self.source(self.samples, self.awaited))
        return 0.0


class VirtualWorker:
    """A worker whose steps take `cost_s(rows, time)` seconds of virtual time."""

    def __init__(
        self, accompanist: Accompanist, cost_s: Callable[[int, float], float], *, alone: bool = False
    ) -> None:
        self.player = Player(accompanist, alone=alone)
        self.cost_s = cost_s
        self.busy_s = 0.0
        self.steps = 0
        self.stopped_until_s = 0.0

    def serve(self, host: VirtualHost, **options: bytes | None) -> LiveSession:
        """Take a front end's session."""
        return self.player.open(host.setup, WorkerPort(host.worker_segment), **options)  # type: ignore[arg-type]


def run(
    hosts: Iterable[VirtualHost],
    workers: Iterable[VirtualWorker],
    *,
    until_s: float,
    at: Iterable[tuple[float, Callable[[], None]]] = (),
) -> None:
    """Let everything happen up to a time. `at` are actions at given times: faults, mostly.

    Ties are broken by order of arrival, so a run is a function of its arguments. A front end's callback at a time
    is the end of its block: the first comes one block after its start.
    """
    order = count()
    events: list[tuple[float, int, Callable[[float], None]]] = []

    def later(time_s: float, action: Callable[[float], None]) -> None:
        heapq.heappush(events, (time_s, next(order), action))

    def callback(host: VirtualHost) -> Callable[[float], None]:
        def act(now_s: float) -> None:
            later(now_s + host.call(), act)

        return act

    def look(worker: VirtualWorker) -> Callable[[float], None]:
        def act(now_s: float) -> None:
            if now_s < worker.stopped_until_s:
                later(worker.stopped_until_s, act)
                return
            worker.player.listen(now_s)
            batch = worker.player.begin(now_s)
            if batch is None:
                later(now_s + POLL_S, act)
                return
            cost_s = worker.cost_s(int(batch.active.sum()), now_s)
            worker.busy_s += cost_s
            worker.steps += 1
            later(now_s + cost_s, lambda done_s: end(done_s, batch))

        def end(now_s: float, batch: Batch) -> None:
            if now_s < worker.stopped_until_s:
                later(worker.stopped_until_s, lambda done_s: end(done_s, batch))
                return
            worker.player.listen(now_s)
            worker.player.finish(batch, worker.player.compute(batch), now_s)
            act(now_s)

        return act

    for host in hosts:
        later(host.start_s + host.blocks[0] / host.rate_hz, callback(host))
    for worker in workers:
        later(0.0, look(worker))
    for time_s, action in at:
        later(time_s, lambda _now_s, action=action: action())  # type: ignore[misc]
    while events and events[0][0] <= until_s:
        now_s, _, act = heapq.heappop(events)
        act(now_s)
