# SPDX-License-Identifier: GPL-3.0-or-later
"""Front ends and workers on the virtual clock, set up for a measurement; tests stand on the same stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lbmodels.contract.accompanist import Accompanist, Audio
from lbmodels.contract.spec import Spec
from lbserver.engine.budget import Budget, Wish, epoch_timing
from lbserver.engine.lane import grid_of
from lbserver.engine.live import LiveSession, Setup
from lbserver.engine.virtual import VirtualHost, VirtualWorker
from lbserver.ring import timeline
from lbserver.ring.timeline import Mode

Source = Callable[[int, int], Audio]
"""(position, samples) -> mix [C, samples]."""

RATES_HZ = (44100, 48000, 88200, 96000)
RANDOM_BLOCKS: tuple[int, ...] = tuple(map(int, np.random.default_rng(17).integers(1, 2000, 97)))
BLOCKS: dict[str, tuple[int, ...]] = {
    **{str(size): (size,) for size in (1, 64, 128, 441, 480, 512, 1024, 4096)},
    "random": RANDOM_BLOCKS,
}
"""What a host may hand over, by name."""
ANTICIPATIONS = (0, 1, 3, 12)
MODES: tuple[tuple[Mode, int | None], ...] = (
    (Mode.LIVE, None),
    (Mode.ALIGNED, None),
    *((mode, frames) for mode in (Mode.BOUNCE, Mode.MANUAL) for frames in ANTICIPATIONS),
)
"""Every mode, with each anticipation in frames where it is the user's to choose."""

_PERIOD = 1 << 17


def silence(channels: int = 2) -> Source:
    return lambda _position, samples: np.zeros((channels, samples), np.float32)


def noise(seed: int, *, channels: int = 2, level: float = 0.1) -> Source:
    """Endless seeded noise that repeats after 131,072 samples."""
    period = level * np.random.default_rng(seed).standard_normal((channels, _PERIOD)).astype(np.float32)
    return _periodic(period.astype(np.float32))


def tone(hz: float, rate_hz: int, *, channels: int = 2, level: float = 0.5) -> Source:
    """A sine with whole periods in the loop, as near to `hz` as that allows."""
    cycles = round(hz * _PERIOD / rate_hz)
    period = level * np.sin(2 * np.pi * cycles * np.arange(_PERIOD) / _PERIOD)
    return _periodic(np.repeat(period[None], channels, axis=0).astype(np.float32))


def impulses(every: int, first: int, *, channels: int = 2, level: float = 0.5) -> Source:
    """One sample of `level` at `first` and each `every` samples after it."""

    def source(position: int, samples: int) -> Audio:
        out = np.zeros((channels, samples), np.float32)
        at = max(first, first + -(-(position - first) // every) * every)
        out[:, at - position :: every] = level
        return out

    return source


def marks(rate_hz: int) -> Source:
    """A slow ramp in one channel and its step number in the other: any sample tells the position it belongs to.

    For rates where nothing is resampled. Channel 0 is position modulo 4096, channel 1 position // 4096, both
    scaled by 2^-24 and so exact in float32.
    """
    del rate_hz

    def source(position: int, samples: int) -> Audio:
        at = np.arange(position, position + samples)
        return (np.stack([at % 4096 + 1, at // 4096 + 1]) * 2.0**-24).astype(np.float32)

    return source


def positions_of(audio: Audio) -> np.ndarray:
    """Positions that samples of `marks` tell [T]; -1 where it is silent."""
    low = np.round(audio[0].astype(np.float64) * 2**24).astype(np.int64)
    high = np.round(audio[1].astype(np.float64) * 2**24).astype(np.int64)
    return np.where((low > 0) & (high > 0), (high - 1) * 4096 + low - 1, -1)


def _periodic(period: Audio) -> Source:
    def source(position: int, samples: int) -> Audio:
        return np.take(period, np.arange(position, position + samples), axis=1, mode="wrap")

    return source


@dataclass(frozen=True, kw_only=True)
class Seat:
    """Where a front end sits: what it asks for. `blocks` are the sizes it hands over, in turn."""

    rate_hz: int = 48000
    blocks: tuple[int, ...] = (512,)
    mode: Mode = Mode.LIVE
    anticipation_frames: int | None = None
    channels: int = 2
    seed: int = 0
    start_s: float = 0.0


def front_end(
    name: str, seat: Seat, spec: Spec, budget: Budget, source: Source, *, keep: bool = True
) -> VirtualHost:
    """A front end whose A and L were chosen as a server would."""
    wish = Wish(
        rate_hz=seat.rate_hz,
        block_samples=max(seat.blocks),
        mode=seat.mode,
        anticipation_ms=(
            None if seat.anticipation_frames is None else seat.anticipation_frames * spec.frame_ms
        ),
    )
    setup = Setup(
        session=name,
        timing=epoch_timing(spec, wish, budget),
        block_samples=wish.block_samples,
        seed=seat.seed,
    )
    return VirtualHost(
        setup=setup,
        rate_hz=seat.rate_hz,
        channels=seat.channels,
        source=source,
        blocks=seat.blocks,
        start_s=seat.start_s,
        keep=keep,
    )


def play_offline(host: VirtualHost, worker: VirtualWorker, *, blocks: int) -> None:
    """The front end waits for each block, as a bounce does; no clock runs."""
    host.port.set_offline(True)
    for _ in range(blocks):
        size = host.blocks[host.calls % len(host.blocks)]
        host.port.write(host.source(host.samples, size))
        worker.player.listen(0.0)
        while (batch := worker.player.begin(0.0)) is not None:
            worker.player.finish(batch, worker.player.compute(batch), 0.0)
        heard = host.port.wait(size, timeout_s=0.0)
        if host.keep:
            host.heard.append(heard)
        host.calls += 1
        host.samples += size


def reported_samples(host: VirtualHost) -> tuple[float, int]:
    """(A*H, L) in host samples as the segment's header tells them."""
    segment = host.segment
    return segment.load_float("anticipation_samples"), segment.load("latency_samples")


def hop_samples(accompanist: Accompanist, rate_hz: int) -> float:
    """One chunk on the host's clock: what a copying accompanist is behind by its nature."""
    spec = accompanist.spec
    return float(timeline.host_position(grid_of(spec, rate_hz), spec.hop * spec.chunk_frames))


def measured_offsets(heard: Audio, written: Sequence[int], every: int) -> list[int]:
    """How far behind each impulse at `written` its echo is in heard [C, T]: the largest sample before the next one."""
    level = np.abs(heard).max(axis=0)
    return [int(np.argmax(level[at : at + every])) for at in written if level[at : at + every].any()]


def drop(session: LiveSession) -> float:
    """Share of frames that were not heard on time."""
    frames = session.frames + session.skipped_frames
    return (session.late_frames + session.skipped_frames) / frames if frames else 0.0
