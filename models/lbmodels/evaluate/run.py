# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole evaluation: excerpts, generation over a grid of settings, scores, floors, ceilings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lbmodels.data.conditions import frame_conditions
from lbmodels.data.slakh import read_track
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.bootstrap import Score, derangements, summarise
from lbmodels.evaluate.excerpts import Excerpt, Truth, choose_excerpts, read_excerpt, read_truth
from lbmodels.evaluate.features import Features, analyse_many, embed
from lbmodels.evaluate.generation import Accompanist, anticipation_frames, generate
from lbmodels.evaluate.metrics import Audio, silence_share
from lbmodels.evaluate.scores import ERRORS, METRICS, score_stem
from lbmodels.evaluate.tracker import NETWORKS

FLOOR_PAIRINGS = 8


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to evaluate; times in the units of their names, `start_s` is where scoring begins in each excerpt."""

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
    save_audio: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """Result of one stem class at one setting; loudness in LUFS, silence as a share of frames."""

    stem: str
    conditions: str
    anticipation_ms: float
    anticipation_frames: int
    metrics: dict[str, Score]
    loudness_lufs: float
    true_loudness_lufs: float
    silence: float
    true_silence: float
    excerpts: list[dict[str, Any]]


Progress = Callable[[str, int], None]


def work_units(settings: Settings, counts: dict[str, int], frame_s: float) -> int:
    """Steps of the progress bar: generated batches' frames, and analysed stems in the worth of frames."""
    frames = round(settings.seconds / frame_s)
    grid = len(settings.anticipation_ms) * len(settings.conditions)
    total = 0
    for count in counts.values():
        batches = -(-count // settings.batch)
        total += grid * batches * frames + (grid + 1) * count * ANALYSIS_WEIGHT
    return total


ANALYSIS_WEIGHT = 30


def choose(settings: Settings, accompanist: Accompanist) -> dict[str, list[Excerpt]]:
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


def evaluate(
    accompanist: Accompanist,
    settings: Settings,
    chosen: dict[str, list[Excerpt]],
    *,
    pool: ProcessPoolExecutor | None,
    on_progress: Progress = lambda _what, _steps: None,
) -> list[Row]:
    """One row per stem class, A and set of conditions."""
    rows = []
    for stem, excerpts in chosen.items():
        rows += _evaluate_stem(accompanist, settings, stem, excerpts, pool=pool, on_progress=on_progress)
    return rows


def _evaluate_stem(
    accompanist: Accompanist,
    settings: Settings,
    stem: str,
    excerpts: list[Excerpt],
    *,
    pool: ProcessPoolExecutor | None,
    on_progress: Progress,
) -> list[Row]:
    spec = accompanist.spec
    songs = [excerpt.track for excerpt in excerpts]
    pairings = derangements(songs, FLOOR_PAIRINGS, seed=settings.seed)
    grid = [(ms, known) for ms in settings.anticipation_ms for known in settings.conditions]
    truths: list[Truth] = []
    true: list[Features] = []
    heard: dict[tuple[float, str], list[Features]] = {setting: [] for setting in grid}

    def analyse_batch(audios: Sequence[Audio], what: str) -> list[Features]:
        return analyse_many(
            audios,
            spec.sample_rate,
            networks=settings.networks,
            cache=settings.cache,
            start_s=settings.start_s,
            pool=pool,
            on_done=lambda: on_progress(what, ANALYSIS_WEIGHT),
        )

    # Batch by batch, so that memory does not grow with the number of excerpts.
    for first in range(0, len(excerpts), settings.batch):
        batch = excerpts[first : first + settings.batch]
        mixes, stems, told = [], [], []
        for excerpt in batch:
            track = read_track(excerpt.track_dir)
            if track.sample_rate != spec.sample_rate:
                raise LiveBandModelError(
                    f"{excerpt.track_dir} is at {track.sample_rate} Hz; {spec.name} needs {spec.sample_rate} Hz"
                )
            mix, stem_audio = read_excerpt(excerpt, track)
            mixes.append(mix)
            stems.append(stem_audio)
            heard_mix = embed(mix, spec.sample_rate, cache=settings.cache, start_s=settings.start_s)
            truths.append(replace(read_truth(excerpt, track), mix_embeddings=heard_mix))
            frames = mix.shape[1] // spec.hop
            told.append(
                frame_conditions(
                    track, excerpt.first_frame, frames, hop=spec.hop, sample_rate=spec.sample_rate
                )
            )
        true += analyse_batch(stems, f"{stem}: listening to the truth")
        for ms, known in grid:
            played = generate(
                accompanist,
                np.stack(mixes),
                told,
                stem=stem,
                anticipation=anticipation_frames(spec, ms),
                known=known,
                # A row's noise belongs to its excerpt, whatever the batch size.
                seeds=[settings.seed * 100_000 + first + i for i in range(len(batch))],
                on_frame=lambda: on_progress(f"{stem}: playing", 1),
            )
            heard[ms, known] += analyse_batch(list(played), f"{stem}: listening to the model")
            if settings.save_audio is not None:
                _save_audio(settings.save_audio, batch, played, mixes, f"{known}_{ms:g}ms", spec.sample_rate)

    own = _score_all(true, truths, true, stem, settings)
    floor = _mean_over_pairings(true, truths, true, stem, settings, pairings)
    rows = []
    for ms, known in grid:
        features = heard[ms, known]
        score = _score_all(features, truths, true, stem, settings)
        shuffled = _mean_over_pairings(features, truths, true, stem, settings, pairings)
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
                    for i, excerpt in enumerate(excerpts)
                ],
            )
        )
    return rows


Table = np.ndarray[Any, np.dtype[np.float64]]


def _score_all(
    heard: Sequence[Features],
    truths: Sequence[Truth],
    true: Sequence[Features],
    stem: str,
    settings: Settings,
) -> Table:
    """[N, metrics]: each stem against its own excerpt."""
    scores = [
        score_stem(h, truth, t, stem, start_s=settings.start_s)
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
    tables = [_score_all([heard[j] for j in pairing], truths, true, stem, settings) for pairing in pairings]
    return np.mean(tables, axis=0)


def _save_audio(
    folder: Path,
    batch: Sequence[Excerpt],
    played: Audio,
    mixes: Sequence[Audio],
    setting: str,
    sample_rate: int,
) -> None:
    """The stem alone, and blended with its mix, per excerpt."""
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    for excerpt, stem, mix in zip(batch, played, mixes, strict=True):
        name = f"{excerpt.stem_class}_{excerpt.track}_{excerpt.first_frame}_{setting}"
        soundfile.write(folder / f"{name}.flac", np.clip(stem.T, -1, 1), sample_rate)
        soundfile.write(folder / f"{name}_blend.flac", np.clip((stem + mix).T, -1, 1), sample_rate)
