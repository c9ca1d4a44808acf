# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are in time: host positions, model frames, latency and gap, as pure functions.

Position p (host samples since the epoch began) is model sample p*fs_m/fs_h exactly. Everything here is
integer or Fraction arithmetic: there is no float to accumulate. Filter delays of resamplers never shift the
music; they cost time, and are part of the budget S.
"""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from math import ceil, floor

from lbserver.errors import LiveBandError


class Mode(Enum):
    """How anticipation A and latency L are chosen; a change starts a new epoch."""

    LIVE = "live"
    ALIGNED = "aligned"
    BOUNCE = "bounce"
    MANUAL = "manual"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The two clocks of an epoch: host rate, and the model's rate, hop H (model samples) and chunk k (frames)."""

    host_rate_hz: int
    model_rate_hz: int
    hop_samples: int
    chunk_frames: int = 1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise LiveBandError(f"{name} must be at least 1, got {value}")


def model_position(grid: Grid, host_position: int) -> Fraction:
    """The (fractional) model sample that sounds at a host position."""
    return Fraction(host_position * grid.model_rate_hz, grid.host_rate_hz)


def host_position(grid: Grid, model_sample: int) -> Fraction:
    """The (fractional) host position at which a model sample sounds; inverse of `model_position`."""
    return Fraction(model_sample * grid.host_rate_hz, grid.model_rate_hz)


def model_samples_before(grid: Grid, host_samples: int) -> int:
    """How many model samples sound strictly before a host position, i.e. how many cover that much host audio."""
    return ceil(model_position(grid, host_samples))


def host_samples_before(grid: Grid, model_samples: int) -> int:
    """How many host samples sound strictly before a model sample: the first host position not before it."""
    return ceil(host_position(grid, model_samples))


def frame_start(grid: Grid, frame: int) -> int:
    """First host position inside a model frame; the frame ends before the next one's first."""
    return host_samples_before(grid, frame * grid.hop_samples)


def frame_time_s(grid: Grid, frame: int) -> Fraction:
    """Exact start time of a frame in seconds since the epoch began."""
    return Fraction(frame * grid.hop_samples, grid.model_rate_hz)


def output_frames_of_step(grid: Grid, step: int, anticipation_frames: int) -> range:
    """The output frames that a step emits: the last mix frame it heard, plus one, plus A."""
    first = (step + 1) * grid.chunk_frames + anticipation_frames
    return range(first, first + grid.chunk_frames)


def silent_frames(grid: Grid, anticipation_frames: int) -> int:
    """Output frames before the first that a step can emit: nothing has been heard for them yet."""
    return grid.chunk_frames + anticipation_frames


def future_visibility_s(grid: Grid, anticipation_frames: int) -> Fraction:
    """t_f = -A*H/fs_m: newest input time minus start time of the output it conditions (Wu 2025, eq. 1)."""
    return -Fraction(anticipation_frames * grid.hop_samples, grid.model_rate_hz)


def anticipation_samples(grid: Grid, anticipation_frames: int) -> Fraction:
    """A*H on the host's clock."""
    return host_position(grid, anticipation_frames * grid.hop_samples)


def latency_samples(
    grid: Grid, *, budget_samples: Fraction, anticipation_frames: int, block_samples: int
) -> int:
    """L = max(0, S + J - A*H) in host samples, rounded up to whole host blocks; `budget_samples` is S + J."""
    if block_samples < 1:
        raise LiveBandError(f"the host block must be at least 1 sample, got {block_samples}")
    owed = max(Fraction(0), budget_samples - anticipation_samples(grid, anticipation_frames))
    return ceil(owed / block_samples) * block_samples


def delivery_samples(block_samples: int) -> int:
    """How long the last sample of a frame may wait for its block to be handed over; a part of the budget S.

    A host that hands over blocks of n gives the sample at the start of a block only with its end, n - 1 samples
    later. For blocks of any sizes up to n this keeps every frame on time: of two block ends, the first at or after
    (m-A)H and the first beyond mH + L, the second is more than A*H + L - n later.
    """
    return max(0, block_samples - 1)


def smallest_anticipation_frames(grid: Grid, budget_samples: Fraction) -> int:
    """The least A with A*H >= S + J."""
    return max(0, ceil(budget_samples / host_position(grid, grid.hop_samples)))


def anticipation_frames_nearest(
    grid: Grid, anticipation_ms: float, anticipations: range | None = None
) -> int:
    """Frames nearest to a wish in milliseconds (half rounds up), on the steps of `anticipations`, perhaps beyond their ends."""
    frame_ms = Fraction(1000 * grid.hop_samples, grid.model_rate_hz)
    first, step = (0, 1) if anticipations is None else (anticipations.start, anticipations.step)
    return first + step * floor((Fraction(anticipation_ms) / frame_ms - first) / step + Fraction(1, 2))


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The figures of an epoch that are reported, each on its own; only `latency_samples` goes to the host's PDC.

    `recency_gap_*`: G = A*H + (k-1)*H + L, the age of the newest heard sample when the last frame of a chunk starts to
    sound; for k = 1 of every frame. `future_visibility_s` is that of the chunk's first frame (Wu 2025, eq. 1).
    """

    anticipation_frames: int
    anticipation_samples: Fraction
    latency_samples: int
    recency_gap_samples: Fraction
    recency_gap_ms: float
    future_visibility_s: Fraction


def timing(
    grid: Grid,
    mode: Mode,
    *,
    budget_samples: Fraction = Fraction(0),
    block_samples: int = 1,
    anticipation_frames: int | None = None,
    anticipations: range = range(1 + (1 << 20)),
) -> Timing:
    """Choose A and L for a mode. `budget_samples` = S + J on the host's clock; a bounce waits, so its is 0.

    Live chooses A itself, aligned has A = 0, bounce and manual take `anticipation_frames`.
    Raises LiveBandError when A is missing where it must be given, or none of `anticipations`.
    """
    least, most = anticipations[0], anticipations[-1]
    if mode is Mode.LIVE:
        # Beyond what the model was made for, the rest is owed as latency: late, but never untrue.
        steps = ceil(Fraction(smallest_anticipation_frames(grid, budget_samples) - least, anticipations.step))
        chosen = min(least + max(0, steps) * anticipations.step, most)
    elif mode is Mode.ALIGNED:
        chosen = 0
    elif anticipation_frames is None:
        raise LiveBandError(f"mode {mode.value} needs an anticipation in frames")
    else:
        chosen = anticipation_frames
    if chosen not in anticipations:
        steps_of = f" in steps of {anticipations.step}" if anticipations.step > 1 else ""
        raise LiveBandError(
            f"anticipation of {chosen} frames is out of range: {least} to {most} frames{steps_of}"
        )
    budget = Fraction(0) if mode is Mode.BOUNCE else budget_samples
    latency = latency_samples(
        grid, budget_samples=budget, anticipation_frames=chosen, block_samples=block_samples
    )
    return _timing_of(grid, chosen, latency)


def with_latency(grid: Grid, timing: Timing, latency_samples: int) -> Timing:
    """The same anticipation with another latency."""
    return _timing_of(grid, timing.anticipation_frames, latency_samples)


def _timing_of(grid: Grid, anticipation_frames: int, latency: int) -> Timing:
    ahead = anticipation_samples(grid, anticipation_frames)
    # The last frame of a chunk starts to sound k - 1 frames after the first, and was decided with it.
    gap = ahead + latency + host_position(grid, (grid.chunk_frames - 1) * grid.hop_samples)
    return Timing(
        anticipation_frames=anticipation_frames,
        anticipation_samples=ahead,
        latency_samples=latency,
        recency_gap_samples=gap,
        recency_gap_ms=float(gap * 1000 / grid.host_rate_hz),
        future_visibility_s=future_visibility_s(grid, anticipation_frames),
    )
