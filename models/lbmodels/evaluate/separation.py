# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the scores part right from wrong: the true stem, another song's, and the true stem damaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lbmodels.data.slakh import read_track
from lbmodels.evaluate.bootstrap import derangements
from lbmodels.evaluate.excerpts import Excerpt, Truth, read_excerpt, read_truth
from lbmodels.evaluate.features import Features, analyse, embed
from lbmodels.evaluate.metrics import Audio, Floats
from lbmodels.evaluate.scores import METRICS, score_stem

FASTER = 1.06


@dataclass(frozen=True, kw_only=True)
class Separation:
    """Mean of one metric in each case for one stem class."""

    stem: str
    metric: str
    cases: dict[str, float]
    excerpts: int


def damages(audio: Audio, sample_rate: int, beat_s: float) -> dict[str, Audio]:
    """The true stem [2, T] half a beat and a whole beat late, 6 % faster at the same pitch, a semitone up, 12 dB down."""
    from pedalboard import time_stretch

    late = round(0.5 * beat_s * sample_rate)
    samples = audio.shape[1]
    return {
        "half a beat late": np.pad(audio, ((0, 0), (late, 0)))[:, :samples],
        "a beat late": np.pad(audio, ((0, 0), (2 * late, 0)))[:, :samples],
        "12 dB down": audio * np.float32(10 ** (-12 / 20)),
        "6 % faster": _fit(
            time_stretch(audio, sample_rate, stretch_factor=FASTER, high_quality=False), samples
        ),
        "semitone up": _fit(
            time_stretch(audio, sample_rate, pitch_shift_in_semitones=1.0, high_quality=False), samples
        ),
    }


def separation(
    excerpts: Sequence[Excerpt],
    *,
    networks: int,
    cache: Path | None,
    start_s: float,
    seed: int,
    on_done: Callable[[], None] = lambda: None,
) -> list[Separation]:
    """Scores of every case over excerpts of one stem class."""
    truths: list[Truth] = []
    true: list[Features] = []
    cases: dict[str, list[dict[str, float]]] = {}
    for excerpt in excerpts:
        track = read_track(excerpt.track_dir)
        truth = read_truth(excerpt, track)
        mix, audio = read_excerpt(excerpt, track)
        rate = track.sample_rate
        truth = replace(truth, mix_embeddings=embed(mix, rate, cache=cache, start_s=start_s))
        features = analyse(audio, rate, networks=networks, cache=cache, start_s=start_s)
        cases.setdefault("true", []).append(
            score_stem(features, truth, features, excerpt.stem_class, start_s=start_s)
        )
        for name, damaged in damages(audio, rate, float(np.median(np.diff(truth.beats_s)))).items():
            heard = analyse(damaged, rate, networks=networks, cache=cache, start_s=start_s)
            cases.setdefault(name, []).append(
                score_stem(heard, truth, features, excerpt.stem_class, start_s=start_s)
            )
        truths.append(truth)
        true.append(features)
        on_done()
    stem = excerpts[0].stem_class
    for pairing in derangements([excerpt.track for excerpt in excerpts], 4, seed=seed):
        for i, j in enumerate(pairing):
            cases.setdefault("random", []).append(
                score_stem(true[j], truths[i], true[i], stem, start_s=start_s)
            )
    return [
        Separation(
            stem=stem,
            metric=metric,
            cases={name: _mean(np.array([row[metric] for row in rows])) for name, rows in cases.items()},
            excerpts=len(excerpts),
        )
        for metric in METRICS
    ]


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _fit(audio: Audio, samples: int) -> Audio:
    """Exactly `samples` of [C, T]; what a faster stem lacks at the end is its own beginning again."""
    repeats = -(-samples // audio.shape[1])
    return np.tile(audio, (1, repeats))[:, :samples]
