# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a long stream decays: scores of its last third beside those of its first, after the first 5 s."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lbmodels.evaluate.excerpts import Truth
from lbmodels.evaluate.features import Features
from lbmodels.evaluate.metrics import CHROMA_HOP_SAMPLES, CHROMA_RATE_HZ, LEVEL_HOP_S, Floats
from lbmodels.evaluate.run import Heard, score_all
from lbmodels.evaluate.scores import METRICS
from lbmodels.evaluate.tracker import FPS

JUDGED = ("beat_f1", "downbeat_f1", "chord", "key", "onset_f1")
DRAWS = 2000


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Means of one metric in both thirds, last / first with its 95 % interval over songs, and the truth's own ratio.

    The truth drifts too: songs have endings and quiet parts. `relative` is the model's ratio over the truth's.
    """

    stem: str
    conditions: str
    anticipation_ms: float
    metric: str
    first: float
    last: float
    ratio: float
    interval: tuple[float, float]
    true_ratio: float
    relative: float
    relative_interval: tuple[float, float]
    excerpts: int
    songs: int


def thirds(seconds: float, skip_s: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """First and last third of what follows the first `skip_s`, in seconds."""
    third = (seconds - skip_s) / 3
    return (skip_s, skip_s + third), (seconds - third, seconds)


def drift(heard: Heard, stem: str, *, seconds: float, skip_s: float, seed: int) -> list[Drift]:
    """One entry for every setting and metric of `JUDGED` that applies."""
    spans = thirds(seconds, skip_s)
    truths = [[cut_truth(truth, *span) for truth in heard.truths] for span in spans]
    true = [[cut(features, *span) for features in heard.true] for span in spans]
    own = [score_all(t, truth, t, stem, 0.0) for t, truth in zip(true, truths, strict=True)]
    result = []
    for (known, ms), features in heard.played.items():
        scores = [
            score_all([cut(f, *span) for f in features], truths[k], true[k], stem, 0.0)
            for k, span in enumerate(spans)
        ]
        for name in JUDGED:
            m = METRICS.index(name)
            table = np.stack([scores[0][:, m], scores[1][:, m], own[0][:, m], own[1][:, m]], axis=1)
            good = [bool(np.isfinite(row).all()) for row in table]
            if any(good):
                songs = [song for song, is_good in zip(heard.songs, good, strict=True) if is_good]
                result.append(_summary(stem, known, ms, name, songs, table[good], seed))
    return result


def cut(features: Features, start_s: float, end_s: float) -> Features:
    """What was heard from `start_s` to `end_s`, times counted from `start_s`; loudness and embeddings stay whole."""

    def rows(frames: Floats, hop_s: float) -> Floats:
        return frames[round(start_s / hop_s) : round(end_s / hop_s)]

    return replace(
        features,
        beats_s=_within(features.beats_s, start_s, end_s),
        downbeats_s=_within(features.downbeats_s, start_s, end_s),
        onsets_s=_within(features.onsets_s, start_s, end_s),
        pulse=rows(features.pulse, 1 / FPS),
        chroma=rows(features.chroma, CHROMA_HOP_SAMPLES / CHROMA_RATE_HZ),
        level_db=rows(features.level_db, LEVEL_HOP_S),
    )


def cut_truth(truth: Truth, start_s: float, end_s: float) -> Truth:
    """The truth from `start_s` to `end_s`, times counted from `start_s`."""
    kept = np.flatnonzero((truth.beats_s >= start_s) & (truth.beats_s < end_s))
    between = kept[:-1]
    return replace(
        truth,
        beats_s=truth.beats_s[kept] - start_s,
        downbeats_s=_within(truth.downbeats_s, start_s, end_s),
        beat_chords=truth.beat_chords[between],
        beat_keys=truth.beat_keys[between],
    )


def _within(times_s: Floats, start_s: float, end_s: float) -> Floats:
    return times_s[(times_s >= start_s) & (times_s < end_s)] - start_s


def _summary(
    stem: str, known: str, ms: float, metric: str, songs: list[str], table: Floats, seed: int
) -> Drift:
    """`table` [N, 4]: first and last of the model, first and last of the truth."""
    names = sorted(set(songs))
    sums = np.zeros((len(names), 4))
    np.add.at(sums, [names.index(song) for song in songs], table)
    picks = np.random.default_rng(seed).integers(len(names), size=(DRAWS, len(names)))
    drawn = sums[picks].sum(axis=1)
    first, last, _, _ = table.mean(axis=0)
    (ratio, true_ratio), draws = _ratios(sums.sum(axis=0)), _ratios(drawn.T)
    return Drift(
        stem=stem,
        conditions=known,
        anticipation_ms=ms,
        metric=metric,
        first=float(first),
        last=float(last),
        ratio=float(ratio),
        interval=_interval(draws[0]),
        true_ratio=float(true_ratio),
        relative=float(ratio / true_ratio),
        relative_interval=_interval(draws[0] / draws[1]),
        excerpts=len(songs),
        songs=len(names),
    )


def _ratios(sums: Floats) -> tuple[Floats, Floats]:
    """Ratio of last to first of the model and of the truth; NaN where the first is nothing."""
    first, last, true_first, true_last = sums
    with np.errstate(all="ignore"):
        return (
            np.where(first > 1e-6, last / first, np.nan),
            np.where(true_first > 1e-6, true_last / true_first, np.nan),
        )


def _interval(draws: Floats) -> tuple[float, float]:
    good = draws[np.isfinite(draws)]
    if not len(good):
        return float("nan"), float("nan")
    low, high = np.percentile(good, [2.5, 97.5])
    return float(low), float(high)
