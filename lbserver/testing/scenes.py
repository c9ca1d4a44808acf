# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on the virtual clock, each with the figures that tell how well it was borne.

Every scene is a function of its arguments: two runs give the same figures and the same bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Audio
from lbserver.engine.budget import Budget
from lbserver.engine.live import LiveSession
from lbserver.engine.virtual import VirtualWorker, run
from lbserver.protocol.segment import LADDER
from lbserver.ring.timeline import Mode
from lbserver.testing import accompanists, stage

RATE_HZ = 48000
FRAME_S = 0.04
_FADES = round(0.016 * RATE_HZ)  # 10 ms out, 5 ms in, 1 ms to spare


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What came of `marks` through a copying accompanist, per sample [T] after the first frame that could sound.

    `right` is what belongs there, `silent` is nothing, the rest is `fading`, or, when it goes on for longer than
    two fades can, `stale`: audio of another place.
    """

    right: NDArray[np.bool_]
    silent: NDArray[np.bool_]
    stale_samples: int

    def wet_share(self, block: int, first: int = 0, last: int | None = None) -> float:
        """Share of blocks that are right for the better half."""
        right = self.right[first:last]
        blocks = right[: right.size // block * block].reshape(-1, block)
        return float((blocks.mean(axis=1) >= 0.5).mean()) if blocks.size else 0.0


def judged(heard: Audio, mix: Audio, shift: int) -> Heard:
    """Compare what was heard [C, T] with the mix [C, T] that must sound `shift` samples later."""
    expected = mix[:, : max(0, heard.shape[-1] - shift)]
    late = heard[:, shift:]
    right = (late == expected).all(axis=0)
    silent = (late == 0).all(axis=0)
    wrong = ~(right | silent)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wrong, [False]]).astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    return Heard(right=right, silent=silent, stale_samples=int(np.maximum(0, lengths - _FADES).sum()))


@dataclass
class Watch:
    """Looks at sessions while time goes on."""

    sessions: list[LiveSession]
    every_s: float = 0.01
    queue_age_ms: float = 0.0
    waiting: int = 0
    rungs: set[str] = field(default_factory=set)
    states: list[str] = field(default_factory=list)

    def look(self, now_s: float) -> None:
        for session in self.sessions:
            self.queue_age_ms = max(self.queue_age_ms, 1000 * session.queue_age_s(now_s))
            self.waiting = max(self.waiting, session.lane.waiting)
            self.rungs.add(LADDER[session.port.segment.load("ladder")])
            state = session.state.value
            if not self.states or self.states[-1] != state:
                self.states.append(state)

    def times(self, until_s: float) -> list[tuple[float, Callable[[], None]]]:
        count = int(until_s / self.every_s)
        return [
            (at * self.every_s, lambda now_s=at * self.every_s: self.look(now_s))  # type: ignore[misc]
            for at in range(1, count)
        ]


@dataclass(frozen=True, kw_only=True)
class Overload:
    """Figures of `overload`. `recovery_frames` counts from the end of the load to audio that stays."""

    wet_share: float
    played_share: float
    late_frames: int
    skipped_frames: int
    queue_age_ms: float
    waiting: int
    stale_samples: int
    recovery_frames: float
    wet_after: float
    rungs: tuple[str, ...]
    states: tuple[str, ...]
    digest: str


def overload(
    cost: float, anticipation_frames: int, *, seconds: float, calm_s: float = 2.0, block: int = 512
) -> Overload:
    """A model whose step takes `cost` frame periods for `seconds`, on a machine measured at 0.8; then 0.5 again."""
    copy = accompanists.copy()
    budget = Budget(compute_s=0.8 * FRAME_S + 0.001, margin_s=0.002)
    source = stage.marks(RATE_HZ)
    seat = stage.Seat(blocks=(block,), mode=Mode.MANUAL, anticipation_frames=anticipation_frames)
    host = stage.front_end("a", seat, copy.spec, budget, source)
    begin_s, end_s = calm_s, calm_s + seconds
    worker = VirtualWorker(copy, lambda _rows, now_s: FRAME_S * (cost if begin_s <= now_s < end_s else 0.5))
    session = worker.serve(host)
    until_s = end_s + calm_s
    watch = Watch([session])
    run([host], [worker], until_s=until_s, at=watch.times(until_s))
    shift = int(sum(stage.reported_samples(host)) + stage.hop_samples(copy, RATE_HZ))
    heard = host.audio
    figures = judged(heard, source(0, heard.shape[-1]), shift)
    loaded = slice(max(0, round(begin_s * RATE_HZ) - shift), round(end_s * RATE_HZ) - shift)
    after = figures.right[loaded.stop :]
    broken = np.flatnonzero(~after)
    recovery = (broken[-1] + 1) / RATE_HZ / FRAME_S if broken.size else 0.0
    frames = session.frames + session.skipped_frames
    result = Overload(
        wet_share=figures.wet_share(block, loaded.start, loaded.stop),
        played_share=session.frames / frames,
        late_frames=session.late_frames,
        skipped_frames=session.skipped_frames,
        queue_age_ms=watch.queue_age_ms,
        waiting=watch.waiting,
        stale_samples=figures.stale_samples,
        recovery_frames=float(recovery),
        wet_after=float(after[-RATE_HZ // 2 :].mean()),
        rungs=tuple(rung for rung in LADDER if rung in watch.rungs),
        states=tuple(watch.states),
        digest=hashlib.sha256(heard.tobytes()).hexdigest()[:16],
    )
    host.close()
    return result


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Figures of `stopped_worker`. `silent_after_ms`: from the last right sample to silence; `back_after_ms`: from
    the worker's return to right audio.
    """

    silent_after_ms: float
    back_after_ms: float
    stale_samples: int
    largest_step: float
    clean_step: float
    epochs: int
    dropped_samples: int
    queue_age_ms: float
    waiting: int
    wet_after: float
    digest: str


def stopped_worker(
    stop_s: float, *, at_s: float = 1.503, block: int = 256, mode: Mode = Mode.LIVE, hz: float = 220.0
) -> Stop:
    """A worker that stands still for `stop_s` and goes on (SIGSTOP, a suspended machine); a tone tells of steps."""
    copy = accompanists.copy()
    budget = Budget(compute_s=0.01, margin_s=0.002)
    source = stage.tone(hz, RATE_HZ)
    seat = stage.Seat(blocks=(block,), mode=mode)
    host = stage.front_end("a", seat, copy.spec, budget, source)
    worker = VirtualWorker(copy, lambda _rows, _now_s: 0.008)
    session = worker.serve(host)
    until_s = at_s + stop_s + 1.0
    epochs: list[tuple[int, int, int]] = []  # host samples so far, epoch, position of its port

    def watched(position: int, samples: int) -> Audio:
        epochs.append((position, host.port.epoch, host.port.position))
        return source(position, samples)

    host.source = watched
    watch = Watch([session])

    def stop() -> None:
        worker.stopped_until_s = at_s + stop_s

    looks = [(at, look) for at, look in watch.times(until_s) if at > at_s + stop_s + 0.25]
    run([host], [worker], until_s=until_s, at=[(at_s, stop), *looks])
    heard = host.audio
    shift = int(sum(stage.reported_samples(host)) + stage.hop_samples(copy, RATE_HZ))
    right = (heard[:, shift:] == source(0, heard.shape[-1] - shift)).all(axis=0) & (heard[0, shift:] != 0)
    sounding = np.abs(heard).max(axis=0) > 0
    stopped, back = round(at_s * RATE_HZ), round((at_s + stop_s) * RATE_HZ)
    # Between a lapse and its end nothing is written; what is heard after is placed by the new epoch's positions.
    after = np.flatnonzero(right[max(0, back - shift) :]) + max(back, shift)
    last_right = np.flatnonzero(right[: max(1, back - shift)])
    last = int(last_right[-1]) + shift if last_right.size else 0
    quiet = np.flatnonzero(~sounding[last:back])
    run_lengths = judged(heard, source(0, heard.shape[-1]), shift).stale_samples
    steps = np.abs(np.diff(heard[0]))
    result = Stop(
        silent_after_ms=1000 * float(quiet[0]) / RATE_HZ if quiet.size else 0.0,
        back_after_ms=1000 * float(after[0] - back) / RATE_HZ if after.size else float("inf"),
        stale_samples=run_lengths,
        largest_step=float(steps.max()),
        clean_step=float(np.abs(np.diff(source(0, RATE_HZ)[0])).max()),
        epochs=host.port.epoch,
        dropped_samples=host.port.dropped_samples,
        queue_age_ms=watch.queue_age_ms,
        waiting=watch.waiting,
        wet_after=float(right[-RATE_HZ // 4 :].mean()),
        digest=hashlib.sha256(heard.tobytes()).hexdigest()[:16],
    )
    del stopped
    host.close()
    return result


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Figures of `slow_neighbour`, of the sessions beside the slow one; `broken_samples` is the worst of them."""

    others: int
    broken_samples: int
    late_frames: int
    slow_late_frames: int
    digests: tuple[str, ...]


def slow_neighbour(
    stall_s: float, *, sessions: int = 8, workers: int = 2, until_s: float = 6.0, apart: bool = True
) -> Neighbours:
    """One session's step takes `stall_s`, once, at 2 s. With `apart` it has a worker of its own, as a suspect has.

    The step's cost without the stall is 4 ms and 1 ms a row.
    """
    copy = accompanists.copy()
    budget = Budget(compute_s=0.014, margin_s=0.004)
    source = stage.marks(RATE_HZ)
    hosts = [
        stage.front_end(f"s{n}", stage.Seat(blocks=(256,), start_s=n * 0.0037), copy.spec, budget, source)
        for n in range(sessions)
    ]
    stalled = [False]

    def cost(rows: int, now_s: float) -> float:
        return 0.004 + 0.001 * rows + 0.0 * now_s

    def stalling(rows: int, now_s: float) -> float:
        if now_s >= 2.0 and not stalled[0]:
            stalled[0] = True
            return stall_s
        return cost(rows, now_s)

    pool = [VirtualWorker(copy, stalling), *(VirtualWorker(copy, cost) for _ in range(workers - 1))]
    seats = [
        0 if n == 0 else (1 + n % (workers - 1) if apart and workers > 1 else n % workers)
        for n in range(sessions)
    ]
    live = [pool[seat].serve(host) for host, seat in zip(hosts, seats, strict=True)]
    run(hosts, pool, until_s=until_s)
    broken, digests = [], []
    for host in hosts:
        shift = int(sum(stage.reported_samples(host)) + stage.hop_samples(copy, RATE_HZ))
        heard = host.audio
        broken.append(int((~judged(heard, source(0, heard.shape[-1]), shift).right).sum()))
        digests.append(hashlib.sha256(heard.tobytes()).hexdigest()[:16])
    beside = [n for n in range(1, sessions) if seats[n] != 0 or not apart]
    result = Neighbours(
        others=len(beside),
        broken_samples=max(broken[n] for n in beside),
        late_frames=sum(live[n].late_frames + live[n].skipped_frames for n in beside),
        slow_late_frames=live[0].late_frames + live[0].skipped_frames,
        digests=tuple(digests[n] for n in beside),
    )
    for host in hosts:
        host.close()
    return result
