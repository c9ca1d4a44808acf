# SPDX-License-Identifier: GPL-3.0-or-later
"""From a front end's wishes and the machine's measured budget to an epoch's fixed A and L."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from lbmodels.contract.spec import Spec
from lbserver.engine.lane import grid_of, resampling_samples
from lbserver.errors import LiveBandError
from lbserver.ring import timeline
from lbserver.ring.segment import capacity_for
from lbserver.ring.timeline import Mode, Timing


@dataclass(frozen=True, kw_only=True)
class Budget:
    """S (p99.9 from the last sample of a frame to its output in the ring, resampling apart) and J, in seconds."""

    compute_s: float
    margin_s: float


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a front end asks for. `latency_samples` is for mode bounce: L as in the mode that was saved."""

    rate_hz: int
    block_samples: int
    mode: Mode
    anticipation_ms: float | None = None
    latency_samples: int | None = None


def epoch_timing(spec: Spec, wish: Wish, budget: Budget) -> Timing:
    """A and L of an epoch (design: L = max(0, S + J - A*H), rounded up to whole blocks).

    S here is all that passes between a sample's position and its effect in the ring: the wait for its block, both
    resamplers, and the compute that was measured. A bounce waits for the compute, so that part is not in its S.
    Raises LiveBandError for an anticipation that the accompanist was not made for.
    """
    grid = grid_of(spec, wish.rate_hz)
    waits = timeline.delivery_samples(wish.block_samples) + resampling_samples(spec, wish.rate_hz)
    compute = 0 if wish.mode is Mode.BOUNCE else ceil((budget.compute_s + budget.margin_s) * wish.rate_hz)
    frames = None
    mode = wish.mode
    if mode in (Mode.MANUAL, Mode.BOUNCE):
        frames = spec.usual_anticipation
        if wish.anticipation_ms is not None:
            frames = timeline.anticipation_frames_nearest(grid, wish.anticipation_ms, spec.anticipations)
        mode = Mode.MANUAL
    timing = timeline.timing(
        grid,
        mode,
        budget_samples=Fraction(waits + compute),
        block_samples=wish.block_samples,
        anticipation_frames=frames,
        anticipations=spec.anticipations,
    )
    if wish.mode is Mode.BOUNCE and wish.latency_samples is not None:
        if wish.latency_samples < timing.latency_samples:
            raise LiveBandError(
                f"a latency of {wish.latency_samples} samples is too short for blocks of {wish.block_samples}: "
                f"{timing.latency_samples} or more"
            )
        timing = timeline.with_latency(grid, timing, wish.latency_samples)
    _check_room(spec, wish, timing)
    return timing


def ring_capacity(spec: Spec, wish: Wish, timing: Timing) -> int:
    """Samples that an epoch's rings hold: more than usual where chunks are long."""
    return capacity_for(wish.rate_hz, wish.block_samples, _written_ahead(spec, wish, timing))


def _written_ahead(spec: Spec, wish: Wish, timing: Timing) -> int:
    """Samples that lie in a ring at most: what was written and is not asked for yet, or heard and not taken."""
    step = Fraction(spec.hop * spec.chunk_frames * wish.rate_hz, spec.sample_rate)
    return ceil(timing.anticipation_samples + timing.latency_samples + 2 * step + wish.block_samples)


def _check_room(spec: Spec, wish: Wish, timing: Timing) -> None:
    """The stem ring must hold what was written ahead and is not asked for yet."""
    capacity = ring_capacity(spec, wish, timing)
    if _written_ahead(spec, wish, timing) > capacity:
        raise LiveBandError(
            f"a latency of {timing.latency_samples} samples with an anticipation of "
            f"{float(timing.anticipation_samples):g} is too long: the ring holds {capacity} samples"
        )
