# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores of one stem as pure functions of numpy arrays.

Times are seconds from the start of the excerpt. Every score is read from `start_s` on, so that one stretch of
audio is judged by all of them; 5 s is the convention of mir_eval's `trim_beats`, and leaves a cold start out.
"""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Audio = npt.NDArray[np.float32]

BEAT_WINDOW_S = 0.07
ONSET_WINDOW_S = 0.05
SILENCE_DB = -60.0
LEVEL_HOP_S = 0.04

CHROMA_RATE_HZ = 16000
CHROMA_WINDOW_SAMPLES = 8192  # 0.51 s: the shortest whose interpolated peaks part semitones down to E1
CHROMA_HOP_SAMPLES = 800
CHROMA_LOW_HZ, CHROMA_HIGH_HZ = 38.0, 2100.0
ONSET_RATE_HZ = 16000
ONSET_HOP_SAMPLES = 160


def beat_f1(truth_s: Floats, estimate_s: Floats, *, start_s: float = 5.0) -> float:
    """F measure of two beat sequences in a 70 ms window (mir_eval.beat.f_measure), 0 where either is empty."""
    import mir_eval

    truth_s, estimate_s = truth_s[truth_s >= start_s], estimate_s[estimate_s >= start_s]
    if not len(truth_s) or not len(estimate_s):
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(mir_eval.beat.f_measure(truth_s, estimate_s, f_measure_threshold=BEAT_WINDOW_S))


def onset_scores(truth_s: Floats, estimate_s: Floats, *, start_s: float = 5.0) -> tuple[float, float, float]:
    """Precision, recall and F of onsets in a 50 ms window, each matched at most once; NaN without a true onset."""
    import mir_eval

    truth_s, estimate_s = truth_s[truth_s >= start_s], estimate_s[estimate_s >= start_s]
    if not len(truth_s):
        return float("nan"), float("nan"), float("nan")
    if not len(estimate_s):
        return 0.0, 0.0, 0.0
    f, precision, recall = mir_eval.onset.f_measure(truth_s, estimate_s, window=ONSET_WINDOW_S)
    return float(precision), float(recall), float(f)


def mono(audio: Audio) -> Audio:
    """Mean of the channels of [C, T]; [T] passes."""
    return audio if audio.ndim == 1 else audio.mean(axis=0, dtype=np.float32)


def _frames(x: Audio, window: int, hop: int) -> Audio:
    """Centred frames [F, window] of `x` [T]; frame f is centred at sample f * hop."""
    padded = np.pad(x, (window // 2, window // 2 + 1))
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]


def chroma(x: Audio) -> Floats:
    """Energy per pitch class [F, 12] (C = 0) of mono audio at `CHROMA_RATE_HZ`, one row per 50 ms.

    Only spectral peaks count, at their interpolated frequency: bins of a window this short are wider than a
    semitone of a bass guitar, its peaks are not.
    """
    window = CHROMA_WINDOW_SAMPLES
    frames = _frames(x, window, CHROMA_HOP_SAMPLES)
    shape = np.hanning(window + 1)[:-1].astype(np.float32)
    result = np.zeros((len(frames), 12))
    low = int(CHROMA_LOW_HZ * window / CHROMA_RATE_HZ)
    high = int(CHROMA_HIGH_HZ * window / CHROMA_RATE_HZ) + 1
    for first in range(0, len(frames), 256):
        power = np.abs(np.fft.rfft(frames[first : first + 256] * shape, axis=1))[:, low - 1 : high + 1]
        log = np.log(power + 1e-9)
        left, centre, right = log[:, :-2], log[:, 1:-1], log[:, 2:]
        loudest = centre.max(axis=1, keepdims=True)
        peak = (centre > left) & (centre >= right) & (centre > loudest - 5.0)
        row, column = np.nonzero(peak)
        a, b, c = left[row, column], centre[row, column], right[row, column]
        offset = 0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-9)
        pitch = 69 + 12 * np.log2((column + low + offset) * CHROMA_RATE_HZ / window / 440.0)
        nearest = np.round(pitch)
        # A peak between two keys says little; one on a key counts in full.
        weight = np.exp(b) * np.cos(np.pi * (pitch - nearest)) ** 2
        np.add.at(result, (row + first, nearest.astype(int) % 12), weight)
    return result


def levels_db(audio: Audio, sample_rate: int) -> Floats:
    """RMS level in dBFS of each 40 ms of [C, T] or [T]; the loudest channel counts."""
    audio = np.atleast_2d(audio)
    size = round(LEVEL_HOP_S * sample_rate)
    count = audio.shape[1] // size
    power = np.square(audio[:, : count * size].reshape(len(audio), count, size), dtype=np.float64).mean(
        axis=2
    )
    return 10 * np.log10(power.max(axis=0) + 1e-12)


def silence_share(level_db: Floats, *, start_s: float = 5.0) -> float:
    """Share of 40 ms frames from `start_s` on that lie below -60 dBFS."""
    kept = level_db[round(start_s / LEVEL_HOP_S) :]
    return float(np.mean(kept < SILENCE_DB)) if len(kept) else 1.0


def rest_placement(true_level_db: Floats, level_db: Floats, *, start_s: float = 5.0) -> float:
    """Correlation of when a stem is silent with when the true one is (Matthews 1975): 0 for chance, and where either never or always is."""
    first, count = round(start_s / LEVEL_HOP_S), min(len(true_level_db), len(level_db))
    a, b = (level[first:count] < SILENCE_DB for level in (true_level_db, level_db))
    if a.all() or b.all() or not a.any() or not b.any():
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def loudness_lufs(audio: Audio, sample_rate: int, *, start_s: float = 5.0) -> float:
    """Integrated loudness (ITU-R BS.1770) of [C, T] from `start_s` on; -70 for silence or under 0.4 s."""
    import pyloudnorm

    kept = np.atleast_2d(audio)[:, round(start_s * sample_rate) :].T.astype(np.float64)
    if len(kept) < 0.4 * sample_rate:
        return -70.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = float(pyloudnorm.Meter(sample_rate).integrated_loudness(kept))
    return max(value, -70.0) if np.isfinite(value) else -70.0


def onsets_s(x: Audio) -> Floats:
    """Onset times of mono audio at `ONSET_RATE_HZ`: peaks of the log-spectral flux over their neighbourhood."""
    window = 1024
    frames = _frames(x, window, ONSET_HOP_SAMPLES)
    shape = np.hanning(window + 1)[:-1].astype(np.float32)
    log = np.log1p(100 * np.abs(np.fft.rfft(frames * shape, axis=1))).astype(np.float32)
    # Two hops back: a rise takes a window's length to build up.
    flux = np.zeros(len(log))
    flux[2:] = np.maximum(log[2:] - log[:-2], 0).mean(axis=1)
    if len(flux) < 20 or flux.max() < 0.05:
        return np.zeros(0)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(flux, (10, 10), mode="edge"), 21)
    near = np.lib.stride_tricks.sliding_window_view(np.pad(flux, (3, 3), mode="edge"), 7)
    threshold = np.median(around, axis=1) + 0.1 * np.percentile(flux, 99) + 0.02
    found = np.nonzero((flux >= near.max(axis=1)) & (flux > threshold))[0]
    if len(found):
        found = found[np.concatenate(([True], np.diff(found) > 3))]
    return found.astype(np.float64) * (ONSET_HOP_SAMPLES / ONSET_RATE_HZ)


def rises_ms(x: Audio, sample_rate: int, onsets_s: Floats) -> Floats:
    """How long each onset takes from 10 to 90 % of its peak energy, in ms; NaN where the energy rises less than fourfold.

    Energy of mono `x` [T] per ms, smoothed over 5 ms, from 40 ms before to 80 ms after the onset that was found.
    """
    size = sample_rate // 1000
    count = len(x) // size
    energy = np.square(x[: count * size].astype(np.float64)).reshape(count, size).mean(1)
    energy = np.convolve(energy, np.hanning(7)[1:-1] / np.hanning(7).sum(), mode="same")
    rises = np.full(len(onsets_s), np.nan)
    for i, onset in enumerate(onsets_s):
        first = max(0, round(1000 * onset) - 40)
        near = energy[first : first + 120]
        if len(near) < 120:
            continue
        peak = int(near.argmax())
        floor = near[: peak + 1].min()
        if near[peak] < 4 * floor + 1e-9:
            continue
        level = (near[: peak + 1] - floor) / (near[peak] - floor)
        begin = int(np.nonzero(level <= 0.1)[0][-1])
        rises[i] = _crossing(level, begin, 0.9) - _crossing(level, begin, 0.1)
    return rises


def _crossing(level: Floats, begin: int, height: float) -> float:
    """Where a curve first reaches a height after `begin`, between samples."""
    after = begin + 1 + int(np.argmax(level[begin + 1 :] >= height))
    low, high = level[after - 1], level[after]
    return float(after - (high - height) / max(high - low, 1e-12))


def per_beat(frames: Floats, hop_s: float, beats_s: Floats) -> Floats:
    """Mean of frame features [F, D] between beats: [N - 1, D]; a beat too short for a frame takes the nearest."""
    edges = np.clip(np.round(beats_s / hop_s).astype(int), 0, max(len(frames) - 1, 0))
    sums = np.concatenate((np.zeros((1, frames.shape[1])), np.cumsum(frames, axis=0)))
    ends = np.maximum(edges[1:], edges[:-1] + 1)
    return (sums[ends] - sums[edges[:-1]]) / (ends - edges[:-1])[:, None]


def sounding(level_db: Floats, beats_s: Floats) -> npt.NDArray[np.bool_]:
    """Whether anything sounds between each beat and the next: [N - 1]."""
    loud = (level_db > SILENCE_DB).astype(np.float64)[:, None]
    return per_beat(loud, LEVEL_HOP_S, beats_s)[:, 0] > 0.25


def chord_agreement(
    stem_chroma: Floats,
    beats_s: Floats,
    beat_chords: Floats,
    scored: npt.NDArray[np.bool_],
    *,
    start_s: float = 5.0,
) -> float:
    """Mean correlation of a stem's chroma with the chord's tones, over beats; NaN where no beat can be scored.

    Less their means: of the forms tried (plain cosine, share of energy on chord tones, roots of either) this parts
    the true stem from another song's best, and silence scores what chance does.

    Args:
        stem_chroma: [F, 12] of `chroma`.
        beats_s: N true beats.
        beat_chords: [N - 1, 12] 0/1 tones of the chord between beats; NaN unknown, all 0 no chord.
        scored: [N - 1] beats to judge: those in which the true stem sounds. A stem that is silent there scores 0.
        start_s: beats before it are not judged.
    """
    if len(beats_s) < 2:
        return float("nan")
    found = per_beat(stem_chroma, CHROMA_HOP_SAMPLES / CHROMA_RATE_HZ, beats_s)
    keep = scored & (beats_s[:-1] >= start_s) & (np.nan_to_num(beat_chords).sum(axis=1) > 0)
    return float(_correlation(found[keep], beat_chords[keep]).mean()) if keep.any() else float("nan")


# How well each tone fits a key, from its tonic up: Krumhansl and Kessler 1982.
MAJOR_PROFILE = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR_PROFILE = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


def key_agreement(
    stem_chroma: Floats,
    beats_s: Floats,
    beat_keys: Floats,
    scored: npt.NDArray[np.bool_],
    *,
    start_s: float = 5.0,
) -> float:
    """Correlation of what the stem plays in a key with that key's profile; NaN where no beat can be scored.

    Every beat counts alike, whatever its loudness; stretches of several keys count by their beats. `beat_keys`
    [N - 1] is 0-11 major by tonic, 12-23 minor, NaN unknown; the rest is as in `chord_agreement`.
    """
    if len(beats_s) < 2:
        return float("nan")
    found = per_beat(stem_chroma, CHROMA_HOP_SAMPLES / CHROMA_RATE_HZ, beats_s)
    found = found / np.maximum(found.sum(axis=1, keepdims=True), 1e-9)
    keep = scored & (beats_s[:-1] >= start_s) & np.isfinite(beat_keys)
    total = 0.0
    for key in np.unique(beat_keys[keep]).astype(int):
        here = keep & (beat_keys == key)
        profile = np.roll(MAJOR_PROFILE if key < 12 else MINOR_PROFILE, key % 12)
        total += float(_correlation(found[here].mean(axis=0)[None], profile[None])[0]) * here.sum()
    return total / keep.sum() if keep.any() else float("nan")


def chroma_agreement(
    stem_chroma: Floats, mix_chroma: Floats, beats_s: Floats, scored: npt.NDArray[np.bool_], *, start_s: float
) -> float:
    """Mean correlation of two chromas over beats; NaN without beats."""
    if len(beats_s) < 2:
        return float("nan")
    hop_s = CHROMA_HOP_SAMPLES / CHROMA_RATE_HZ
    a, b = per_beat(stem_chroma, hop_s, beats_s), per_beat(mix_chroma, hop_s, beats_s)
    keep = scored & (beats_s[:-1] >= start_s)
    return float(_correlation(a[keep], b[keep]).mean()) if keep.any() else float("nan")


def _correlation(a: Floats, b: Floats) -> Floats:
    """Cosine of rows [N, D] less their means: 0 for chance, for a flat row and for silence."""
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.where(size > 1e-9, (a * b).sum(axis=1) / np.maximum(size, 1e-9), 0.0)
