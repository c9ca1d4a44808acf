# SPDX-License-Identifier: GPL-3.0-or-later
"""What the space hears: 64 mel bands of power, 25 frames a second, over ten seconds, at no particular level, described by
how loud, how lively and how regularly struck each band is.
"""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import soxr
from numpy.typing import NDArray

from lbmodels.errors import LiveBandModelError

Floats = NDArray[np.float32]
SAMPLE_RATE = 48_000
HOP = 1920
WINDOW = 4096
BANDS = 64
FRAMES = 256
GROUPS, PULSES = 8, 24
DESCRIPTION = 4 * BANDS + GROUPS * PULSES
LOWEST_HZ, HIGHEST_HZ = 40.0, 16_000.0
_BLOCK = 256
# Relative to an excerpt's mean: what lies 50 dB below it is not told from silence.
_FLOOR = 1e-5
_SILENT_POWER = 1e-12


@cache
def _filters() -> Floats:
    """Triangles [BANDS, bins] of equal width in mel (O'Shaughnessy 1987)."""
    low, high = 2595 * np.log10(1 + np.array([LOWEST_HZ, HIGHEST_HZ]) / 700)
    corners = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    hz = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    up = (hz - corners[:-2, None]) / np.diff(corners)[:-1, None]
    down = (corners[2:, None] - hz) / np.diff(corners)[1:, None]
    return np.maximum(0, np.minimum(up, down)).astype(np.float32)


def bands(audio: NDArray[np.floating], sample_rate: int) -> Floats:
    """Samples [N] or [N, channels] -> power [frames, BANDS], one frame for every begun 40 ms."""
    mono = np.asarray(audio, np.float32)
    mono = mono.mean(1) if mono.ndim == 2 else mono
    if sample_rate != SAMPLE_RATE:
        mono = soxr.resample(mono, sample_rate, SAMPLE_RATE)
    count = -(-len(mono) // HOP)
    padded = np.zeros((max(count, 1) - 1) * HOP + WINDOW, np.float32)
    padded[WINDOW // 2 - HOP // 2 :][: len(mono)] = mono[: len(padded) - (WINDOW // 2 - HOP // 2)]
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:count]
    hann = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    parts = [
        np.square(np.abs(np.fft.rfft(frames[n : n + _BLOCK] * hann))) @ _filters().T
        for n in range(0, count, _BLOCK)
    ]
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros((0, BANDS), np.float32)


def heard(power: NDArray[np.floating]) -> Floats:
    """Power [..., frames, BANDS] -> log power relative to each excerpt's mean, within [-5, about 3]."""
    mean = power.mean((-1, -2), keepdims=True)
    return np.log10(power / np.maximum(mean, 1e-20) + _FLOOR).astype(np.float32)


@cache
def _beats() -> Floats:
    """Means [PULSES, bins] over modulation frequencies, equally wide on a logarithmic scale from 0.3 to 12 Hz."""
    hz = np.fft.rfftfreq(FRAMES - 1, HOP / SAMPLE_RATE)
    edges = np.geomspace(0.3, 12.0, PULSES + 1)
    rows = []
    for low, high in itertools.pairwise(edges):
        inside = (hz >= low) & (hz < high)
        row = inside if inside.any() else np.abs(hz - (low + high) / 2) == np.abs(hz - (low + high) / 2).min()
        rows.append(row / row.sum())
    return np.array(rows, np.float32)


def describe(seen: Floats) -> Floats:
    """Excerpts [..., FRAMES, BANDS] of `heard` -> [..., DESCRIPTION]: of each band mean, deviation, mean rise and what it
    seldom exceeds; of each eighth of the bands how strongly it pulses at which rate.
    """
    rises = np.maximum(np.diff(seen, axis=-2), 0)
    each = [seen.mean(-2), seen.std(-2), rises.mean(-2), np.quantile(seen, 0.95, axis=-2)]
    groups = rises.reshape(*rises.shape[:-1], GROUPS, BANDS // GROUPS).sum(-1)
    groups = groups - groups.mean(-2, keepdims=True)
    spectrum = np.abs(np.fft.rfft(groups, axis=-2))
    pulses = np.moveaxis(spectrum, -2, -1) @ _beats().T
    pulses = np.log10(pulses / np.maximum(pulses.mean(-1, keepdims=True), 1e-9) + 1e-2)
    return np.concatenate([*each, pulses.reshape(*pulses.shape[:-2], -1)], axis=-1).astype(np.float32)


def excerpts(power: Floats) -> Floats:
    """Power [frames, BANDS] of any length -> excerpts [n, FRAMES, BANDS]: side by side, the last one flush with the end.

    What is shorter than an excerpt is repeated until it fills one.
    """
    if not len(power):
        return np.zeros((0, FRAMES, BANDS), np.float32)
    if len(power) < FRAMES:
        power = np.tile(power, (-(-FRAMES // len(power)), 1))[:FRAMES]
    starts = list(range(0, len(power) - FRAMES + 1, FRAMES))
    if len(power) - FRAMES > starts[-1]:
        starts.append(len(power) - FRAMES)
    return np.stack([power[s : s + FRAMES] for s in starts])


def sounding(audio: NDArray[np.floating], sample_rate: int) -> Floats:
    """The excerpts of a recording that sound, [n, FRAMES, BANDS], n at least 1.

    Raises:
        LiveBandModelError: no samples, samples that are not finite, or silence throughout.
    """
    if not len(audio) or not bool(np.isfinite(audio).all()):
        raise LiveBandModelError("audio prompt: it holds no samples, or some that are not finite")
    found = excerpts(bands(audio, sample_rate))
    found = found[found.mean((1, 2)) > _SILENT_POWER]
    if not len(found):
        raise LiveBandModelError("audio prompt: it is silent throughout")
    return found


def onsets_per_s(power: NDArray[np.floating]) -> float:
    """How busy: how often summed rises of the log bands peak above their own mean plus deviation, a second."""
    rises = np.maximum(np.diff(heard(power), axis=0), 0).sum(1)
    inner = rises[1:-1]
    peaks = (inner > rises[:-2]) & (inner >= rises[2:]) & (inner > rises.mean() + 0.5 * rises.std())
    return float(peaks.sum() * SAMPLE_RATE / HOP / max(len(rises), 1))


def centroid_band(power: NDArray[np.floating]) -> float:
    """How bright: the mean band by log power above the floor, 0 to BANDS - 1."""
    weight = (heard(power) + 5).mean(0)
    return float((weight * np.arange(BANDS)).sum() / max(float(weight.sum()), 1e-9))
