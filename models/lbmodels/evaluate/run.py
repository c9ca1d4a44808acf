# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole evaluation: excerpts, a grid of settings, scores, floors, ceilings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.baselines import Oracle
from lbmodels.evaluate.bootstrap import Score, derangements, summarise
from lbmodels.evaluate.excerpts import Excerpt, Truth, choose_excerpts
from lbmodels.evaluate.extras import SETS
from lbmodels.evaluate.features import Features, Pool
from lbmodels.evaluate.generation import anticipation_frames
from lbmodels.evaluate.hearing import (
    ANALYSIS_WEIGHT,
    Batch,
    Listening,
    Player,
    Progress,
    hear_all,
    hear_truths,
)
from lbmodels.evaluate.manner import distances
from lbmodels.evaluate.metrics import Floats, silence_share
from lbmodels.evaluate.scores import ERRORS, METRICS, score_stem
from lbmodels.evaluate.tracker import NETWORKS

MOST_PAIRINGS = 8
ENOUGH_PAIRS = 800  # over this the floor's own noise is far below an interval's width


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to evaluate; times in the units of their names, `start_s` is where scoring begins in each excerpt.

    `kept` is the folder of what was heard so far, with which a killed run goes on; None keeps nothing.
    """

    data: Path
    split: str
    stems: tuple[str, ...]
    anticipation_ms: tuple[float, ...]
    conditions: tuple[str, ...]
    excerpts: int
    seconds: float
    seed: int
    batch: int = 16
    networks: int = NETWORKS
    start_s: float = 5.0
    cache: Path | None = None
    kept: Path | None = None
    save_audio: Path | None = None
    model: str | None = None
    runtime: str = "auto"
    device: str = "auto"

    @property
    def grid(self) -> list[tuple[str, float]]:
        """Every (conditions, A in ms)."""
        return [(known, ms) for ms in self.anticipation_ms for known in self.conditions]

    @property
    def listening(self) -> Listening:
        return Listening(
            networks=self.networks,
            start_s=self.start_s,
            cache=self.cache,
            kept=self.kept,
            save_audio=self.save_audio,
            runtime=self.runtime,
            device=self.device,
        )


@dataclass(frozen=True, kw_only=True)
class SetScore:
    """A distance between all stems judged and all true ones; `halves`: between two halves of the truth."""

    score: float
    halves: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """Result of one stem class at one setting; loudness in LUFS, silence as a share of frames."""

    stem: str
    conditions: str
    anticipation_ms: float
    anticipation_frames: int
    metrics: dict[str, Score]
    sets: dict[str, SetScore]
    loudness_lufs: float
    true_loudness_lufs: float
    silence: float
    true_silence: float
    excerpts: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Heard:
    """Everything heard of one stem class: per excerpt its truth, its true stem, and what was played at a setting."""

    excerpts: list[Excerpt]
    truths: list[Truth]
    true: list[Features]
    played: dict[tuple[str, float], list[Features]]

    @property
    def songs(self) -> list[str]:
        return [excerpt.track for excerpt in self.excerpts]


def work_units(settings: Settings, counts: dict[str, int], frame_s: float) -> int:
    """Steps of the progress bar: generated batches' frames, and analysed stems in the worth of frames."""
    frames = round(settings.seconds / frame_s)
    grid = len(settings.grid)
    total = 0
    for count in counts.values():
        batches = -(-count // settings.batch)
        total += grid * batches * frames + (grid + 1) * count * ANALYSIS_WEIGHT
    return total


def choose(settings: Settings, accompanist: Player) -> dict[str, list[Excerpt]]:
    """Excerpts per stem class.

    Raises:
        LiveBandModelError: a stem the model does not play, an A it does not accept, or data without such stems.
    """
    spec = accompanist.spec
    for stem in settings.stems:
        if stem not in spec.stems:
            raise LiveBandModelError(f"{spec.name} does not play {stem!r}; it plays {', '.join(spec.stems)}")
    for ms in settings.anticipation_ms:
        anticipation_frames(spec, ms)
    return {
        stem: choose_excerpts(
            settings.data,
            settings.split,
            stem,
            settings.excerpts,
            seconds=settings.seconds,
            seed=settings.seed,
            hop=spec.hop,
            sample_rate=spec.sample_rate,
        )
        for stem in settings.stems
    }


def hear(
    accompanist: Player,
    settings: Settings,
    excerpts: list[Excerpt],
    *,
    pool: Pool | None,
    on_progress: Progress,
) -> Heard:
    """Play excerpts of one stem class at every setting and listen to all of it."""
    truths, true = hear_truths(
        accompanist.spec, excerpts, settings.listening, pool=pool, on_progress=on_progress
    )
    if isinstance(accompanist, Oracle):
        # Not one of the floor's own pairings.
        foreign = derangements([excerpt.track for excerpt in excerpts], 1, seed=settings.seed + 1)[0]
        order = foreign if accompanist.kind == "random" else range(len(true))
        played = {setting: [true[i] for i in order] for setting in settings.grid}
        return Heard(excerpts=excerpts, truths=truths, true=true, played=played)
    batches = [
        Batch(
            excerpts=tuple(excerpts[first : first + settings.batch]),
            # An excerpt's noise is its own, whatever the batch size.
            seeds=tuple(
                settings.seed * 100_000 + i for i in range(first, min(first + settings.batch, len(excerpts)))
            ),
            conditions=known,
            anticipation_ms=ms,
        )
        for known, ms in settings.grid
        for first in range(0, len(excerpts), settings.batch)
    ]
    played = hear_all(
        accompanist,
        batches,
        settings.listening,
        model=(settings.model, settings.runtime, settings.device),
        pool=pool,
        on_progress=on_progress,
    )
    return Heard(excerpts=excerpts, truths=truths, true=true, played=played)


def rows_of(heard: Heard, stem: str, settings: Settings, spec: Any) -> list[Row]:
    """One row for every setting."""
    songs, true = heard.songs, heard.true
    count = int(np.clip(-(-ENOUGH_PAIRS // len(songs)), 1, MOST_PAIRINGS))
    pairings = derangements(songs, count, seed=settings.seed)
    own = score_all(true, heard.truths, true, stem, settings.start_s)
    floor = _mean_over_pairings(true, heard.truths, true, stem, settings, pairings)
    rows = []
    for known, ms in settings.grid:
        features = heard.played[known, ms]
        score = score_all(features, heard.truths, true, stem, settings.start_s)
        shuffled = _mean_over_pairings(features, heard.truths, true, stem, settings, pairings)
        silences = [silence_share(f.level_db, start_s=settings.start_s) for f in features]
        rows.append(
            Row(
                stem=stem,
                conditions=known,
                anticipation_ms=ms,
                anticipation_frames=anticipation_frames(spec, ms),
                metrics={
                    name: summarise(
                        songs,
                        score[:, k],
                        floor[:, k],
                        shuffled[:, k],
                        own[:, k],
                        less_is_better=name in ERRORS,
                        seed=settings.seed,
                    )
                    for k, name in enumerate(METRICS)
                },
                sets=set_scores([f.embeddings for f in features], [f.embeddings for f in true])
                | {
                    name: SetScore(score=score, halves=halves)
                    for name, (score, halves) in distances(
                        list(zip(features, heard.truths, strict=True)),
                        list(zip(true, heard.truths, strict=True)),
                        settings.start_s,
                    ).items()
                },
                loudness_lufs=float(np.median([f.loudness_lufs for f in features])),
                true_loudness_lufs=float(np.median([f.loudness_lufs for f in true])),
                silence=float(np.mean(silences)),
                true_silence=float(
                    np.mean([silence_share(f.level_db, start_s=settings.start_s) for f in true])
                ),
                excerpts=[
                    {
                        "track": excerpt.track,
                        "start_s": excerpt.start_s,
                        "silence": silences[i],
                        "loudness_lufs": features[i].loudness_lufs,
                        **{
                            name: {
                                "score": float(score[i, k]),
                                "floor": float(floor[i, k]),
                                "shuffled": float(shuffled[i, k]),
                                "ceiling": float(own[i, k]),
                            }
                            for k, name in enumerate(METRICS)
                        },
                    }
                    for i, excerpt in enumerate(heard.excerpts)
                ],
            )
        )
    return rows


Table = np.ndarray[Any, np.dtype[np.float64]]


def score_all(
    heard: Sequence[Features], truths: Sequence[Truth], true: Sequence[Features], stem: str, start_s: float
) -> Table:
    """[N, metrics]: each stem against its own excerpt."""
    scores = [
        score_stem(h, truth, t, stem, start_s=start_s)
        for h, truth, t in zip(heard, truths, true, strict=True)
    ]
    return np.array([[row[name] for name in METRICS] for row in scores])


def _mean_over_pairings(
    heard: Sequence[Features],
    truths: Sequence[Truth],
    true: Sequence[Features],
    stem: str,
    settings: Settings,
    pairings: np.ndarray[Any, np.dtype[np.int64]],
) -> Table:
    """[N, metrics]: stems of other songs against each excerpt, averaged over the pairings."""
    tables = [
        score_all([heard[j] for j in pairing], truths, true, stem, settings.start_s) for pairing in pairings
    ]
    return np.mean(tables, axis=0)


def set_scores(
    heard: Sequence[Mapping[str, Floats]], true: Sequence[Mapping[str, Floats]]
) -> dict[str, SetScore]:
    """Every metric of `extras.SETS` whose embedding was heard, each half of the truth against the other half of what was heard.

    Halves on both sides: a distance of samples depends on how many there are, and the truth's own halves are so many.

    Args:
        heard, true: by name of embedding, the vectors of each excerpt.
    """
    result = {}
    for name, metric in SETS.items():
        if any(metric.embedding not in embeddings for embeddings in (*heard, *true)):
            continue
        ours, theirs = ([embeddings[metric.embedding] for embeddings in all_of] for all_of in (heard, true))
        result[name] = SetScore(
            score=(metric.score(theirs[::2], ours[1::2]) + metric.score(theirs[1::2], ours[::2])) / 2,
            halves=metric.score(theirs[::2], theirs[1::2]),
        )
    return result
