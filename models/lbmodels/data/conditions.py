# SPDX-License-Identifier: GPL-3.0-or-later
"""A track's truth sampled at model frames, in the form in which a host states it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lbmodels.data.errors import DataError
from lbmodels.data.slakh import ChordSpan, Track

Array = npt.NDArray[np.float32]


def _beat_conditions(times: npt.NDArray[np.float64], track: Track) -> tuple[Array, Array, Array]:
    """Beat phase, bar phase and tempo in BPM at `times` [F]; NaN before the first and after the last beat's length."""
    n = len(times)
    unknown = np.full(n, np.nan, np.float32)
    beats = track.beats_s
    if len(beats) < 2:
        return unknown, unknown.copy(), unknown.copy()
    # The last beat is taken to last as long as the one before it.
    edges = np.append(beats, 2 * beats[-1] - beats[-2])
    index = np.searchsorted(edges, times + 1e-9, side="right") - 1
    known = (index >= 0) & (index < len(beats))
    safe = np.clip(index, 0, len(beats) - 1)
    lengths = np.diff(edges)[safe]
    phase = np.clip((times - edges[safe]) / lengths, 0.0, 1.0 - 1e-6)
    in_bar = track.beat_in_bar[safe] - 1
    bar_length = _beats_per_bar(track)[safe]
    bar_phase = np.clip((in_bar + phase) / bar_length, 0.0, 1.0 - 1e-6)
    tempo = 60.0 / lengths
    result = [np.where(known, values, np.nan).astype(np.float32) for values in (phase, bar_phase, tempo)]
    # Rounding to float32 must not reach 1.
    below_one = np.nextafter(np.float32(1), np.float32(0))
    return np.minimum(result[0], below_one), np.minimum(result[1], below_one), result[2]


def _beats_per_bar(track: Track) -> npt.NDArray[np.float64]:
    """Length in beats of the bar that each beat belongs to; an unfinished last bar counts like the fullest bar."""
    numbers = track.beat_in_bar
    starts = np.flatnonzero(numbers == 1)
    lengths = np.full(len(numbers), float(numbers.max()))
    for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True):
        last = end == len(numbers)
        lengths[start:end] = float(max(numbers[start:end].max(), numbers.max() if last else 1))
    return lengths


def _chord_conditions(times: npt.NDArray[np.float64], spans: tuple[ChordSpan, ...]) -> tuple[Array, Array]:
    """Pitch classes [F, 12] and bass [F] at `times`; NaN where no span covers the time, or no bass sounds."""
    chroma = np.full((len(times), 12), np.nan, np.float32)
    bass = np.full(len(times), np.nan, np.float32)
    if not spans:
        return chroma, bass
    starts = np.array([s.start_s for s in spans])
    ends = np.array([s.end_s for s in spans])
    table = np.stack([s.pitch_classes for s in spans])
    basses = np.array([s.bass if s.bass >= 0 else np.nan for s in spans], np.float32)
    index = np.searchsorted(starts, times + 1e-9, side="right") - 1
    safe = np.clip(index, 0, len(spans) - 1)
    known = (index >= 0) & (times < ends[safe] - 1e-9)
    chroma[known] = table[safe[known]]
    bass[known] = basses[safe[known]]
    return chroma, bass


def _key_conditions(times: npt.NDArray[np.float64], track: Track) -> Array:
    """Key number [F] at `times`, NaN where none is known."""
    keys = track.keys or (() if track.key is None else ((0.0, track.key),))
    if not keys:
        return np.full(len(times), np.nan, np.float32)
    index = np.searchsorted([start for start, _ in keys], times + 1e-9, side="right") - 1
    values = np.array([value for _, value in keys], np.float32)[np.clip(index, 0, None)]
    return np.where(index >= 0, values, np.float32(np.nan)).astype(np.float32)


def frame_conditions(
    track: Track, first_frame: int, n_frames: int, *, hop: int, sample_rate: int
) -> dict[str, npt.NDArray[np.float32]]:
    """Truth at the start of frames [first_frame, first_frame + n_frames), frame m starting at m * hop / sample_rate s.

    Returns:
        beat_phase [F] and bar_phase [F] in [0, 1), tempo [F] in BPM, chord [F, 12] 0/1 (all 0 = no chord),
        chord_bass [F] 0..11, key [F] 0..23; NaN where the truth is unknown.

    Raises:
        DataError: hop, sample_rate or n_frames is not positive.
    """
    if hop < 1 or sample_rate < 1 or n_frames < 1:
        raise DataError(
            f"hop, sample_rate and n_frames must be 1 or more, got {hop}, {sample_rate}, {n_frames}"
        )
    times = (first_frame + np.arange(n_frames, dtype=np.float64)) * hop / sample_rate
    beat_phase, bar_phase, tempo = _beat_conditions(times, track)
    chroma, bass = _chord_conditions(times, track.chords)
    key = _key_conditions(times, track)
    return {
        "beat_phase": beat_phase, "bar_phase": bar_phase, "tempo": tempo, "chord": chroma, "chord_bass": bass, "key": key,
    }  # fmt: skip
