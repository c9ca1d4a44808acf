# SPDX-License-Identifier: GPL-3.0-or-later
"""Playing and listening, batch by batch, in one process or several; what was heard is kept, so a killed run goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from lbmodels.contract.accompanist import Streaming
from lbmodels.contract.spec import Spec
from lbmodels.data.conditions import frame_conditions
from lbmodels.data.slakh import read_track
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.baselines import Oracle
from lbmodels.evaluate.excerpts import Excerpt, Truth, read_excerpt, read_truth
from lbmodels.evaluate.features import Features, Pool, analyse, embed, keep, recall
from lbmodels.evaluate.generation import anticipation_frames, generate
from lbmodels.evaluate.metrics import Audio
from lbmodels.evaluate.players import open_player

ANALYSIS_WEIGHT = 30
Player = Streaming | Oracle
Progress = Callable[[str, int], None]


@dataclass(frozen=True, kw_only=True)
class Listening:
    """How to listen, and where to keep what was heard (None: nowhere); times in s.

    `cache` holds what the data set's stems sound like, for every run; `kept` what was played, for this one.
    """

    networks: int
    start_s: float
    cache: Path | None
    kept: Path | None
    save_audio: Path | None = None
    runtime: str = "auto"
    device: str = "auto"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Excerpts to be played at one setting, with a seed for each."""

    excerpts: tuple[Excerpt, ...]
    seeds: tuple[int, ...]
    conditions: str
    anticipation_ms: float

    @property
    def stem(self) -> str:
        return self.excerpts[0].stem_class


def hear_truth(excerpt: Excerpt, spec: Spec, listening: Listening) -> tuple[Truth, Features]:
    """What is true of an excerpt, and what its true stem sounds like."""
    track = read_track(excerpt.track_dir)
    if track.sample_rate != spec.sample_rate:
        raise LiveBandModelError(
            f"{excerpt.track_dir} is at {track.sample_rate} Hz; {spec.name} needs {spec.sample_rate} Hz"
        )
    mix, stem = read_excerpt(excerpt, track)
    heard_mix = embed(mix, spec.sample_rate, cache=listening.cache, start_s=listening.start_s)
    features = analyse(
        stem,
        spec.sample_rate,
        networks=listening.networks,
        cache=listening.cache,
        start_s=listening.start_s,
    )
    return replace(read_truth(excerpt, track), mix_embeddings=heard_mix), features


def hear_batch(
    accompanist: Streaming,
    batch: Batch,
    listening: Listening,
    *,
    on_progress: Progress = lambda _what, _steps: None,
) -> list[Features]:
    """Play a batch and listen to it."""
    spec = accompanist.spec
    mixes, told = [], []
    for excerpt in batch.excerpts:
        track = read_track(excerpt.track_dir)
        mixes.append(read_excerpt(excerpt, track)[0])
        frames = mixes[-1].shape[1] // spec.hop
        told.append(
            frame_conditions(track, excerpt.first_frame, frames, hop=spec.hop, sample_rate=spec.sample_rate)
        )
    played = generate(
        accompanist,
        np.stack(mixes),
        told,
        stem=batch.stem,
        anticipation=anticipation_frames(spec, batch.anticipation_ms),
        known=batch.conditions,
        seeds=batch.seeds,
        on_frame=lambda: on_progress(f"{batch.stem}: playing", 1),
    )
    if listening.save_audio is not None:
        setting = f"{batch.conditions}_{batch.anticipation_ms:g}ms"
        _save_audio(listening.save_audio, batch.excerpts, played, mixes, setting, spec.sample_rate)
    heard = []
    for excerpt, seed, audio in zip(batch.excerpts, batch.seeds, played, strict=True):
        features = analyse(
            audio, spec.sample_rate, networks=listening.networks, cache=None, start_s=listening.start_s
        )
        if listening.kept is not None:
            keep(listening.kept, question(spec, batch, excerpt, seed, listening), features)
        heard.append(features)
        on_progress(f"{batch.stem}: listening to the model", ANALYSIS_WEIGHT)
    return heard


def question(spec: Spec, batch: Batch, excerpt: Excerpt, seed: int, listening: Listening) -> str:
    """Everything that decides what is heard: a kept answer to another question must not be taken."""
    data = (excerpt.track_dir / "metadata.yaml").stat()
    return repr((
        spec.name, spec.weights_id, spec.recipe, batch.conditions, anticipation_frames(spec, batch.anticipation_ms),
        excerpt.stem_class, str(excerpt.track_dir.resolve()), data.st_mtime_ns, excerpt.first_frame,
        excerpt.duration_s, seed, listening.networks, listening.start_s, listening.runtime,
        *([] if listening.device in ("auto", "cpu") else [listening.device]),
    ))  # fmt: skip


def hear_all(
    accompanist: Streaming,
    batches: Sequence[Batch],
    listening: Listening,
    *,
    model: tuple[str | None, str, str],
    pool: Pool | None,
    on_progress: Progress,
) -> dict[tuple[str, float], list[Features]]:
    """(conditions, A in ms) -> features of every excerpt in the batches' order; only what is not kept is played.

    `model` is name, runtime and device, with which the pool's processes open the player for themselves.
    """
    answers: dict[tuple[int, int], Features] = {}
    missing: list[tuple[int, list[int], Batch]] = []
    for b, batch in enumerate(batches):
        left = []
        for i, (excerpt, seed) in enumerate(zip(batch.excerpts, batch.seeds, strict=True)):
            known = None
            if listening.kept is not None and listening.save_audio is None:
                known = recall(listening.kept, question(accompanist.spec, batch, excerpt, seed, listening))
            if known is None:
                left.append(i)
            else:
                answers[b, i] = known
        frames = round(batch.excerpts[0].duration_s * accompanist.spec.sample_rate / accompanist.spec.hop)
        found = len(batch.excerpts) - len(left)
        on_progress(f"{batch.stem}: heard before", found * ANALYSIS_WEIGHT + (0 if left else frames))
        if left:
            rest = replace(
                batch,
                excerpts=tuple(batch.excerpts[i] for i in left),
                seeds=tuple(batch.seeds[i] for i in left),
            )
            missing.append((b, left, rest))
    if pool is None:
        for b, left, rest in missing:
            heard = hear_batch(accompanist, rest, listening, on_progress=on_progress)
            answers |= {(b, i): features for i, features in zip(left, heard, strict=True)}
    else:
        play = partial(_work, *model, listening)
        for number, heard in pool.over(play, [rest for _, _, rest in missing]):
            b, left, _ = missing[number]
            answers |= {(b, i): features for i, features in zip(left, heard, strict=True)}
            frames = round(
                batches[b].excerpts[0].duration_s * accompanist.spec.sample_rate / accompanist.spec.hop
            )
            on_progress(f"{batches[b].stem}: {len(missing)} batches", frames + len(left) * ANALYSIS_WEIGHT)
    result: dict[tuple[str, float], list[Features]] = {}
    for b, batch in enumerate(batches):
        answered = [answers[b, i] for i in range(len(batch.excerpts))]
        result.setdefault((batch.conditions, batch.anticipation_ms), []).extend(answered)
    return result


def hear_truths(
    spec: Spec,
    excerpts: Sequence[Excerpt],
    listening: Listening,
    *,
    pool: Pool | None,
    on_progress: Progress,
) -> tuple[list[Truth], list[Features]]:
    """`hear_truth` of each."""
    found: dict[int, tuple[Truth, Features]] = {}
    what = f"{excerpts[0].stem_class}: listening to the truth"
    if pool is None:
        for i, excerpt in enumerate(excerpts):
            found[i] = hear_truth(excerpt, spec, listening)
            on_progress(what, ANALYSIS_WEIGHT)
    else:
        for i, heard in pool.over(partial(hear_truth, spec=spec, listening=listening), excerpts):
            found[i] = heard
            on_progress(what, ANALYSIS_WEIGHT)
    return [found[i][0] for i in range(len(excerpts))], [found[i][1] for i in range(len(excerpts))]


def _work(model: str | None, runtime: str, device: str, listening: Listening, batch: Batch) -> list[Features]:
    """In a process of the pool."""
    import torch

    torch.set_num_threads(1)
    return hear_batch(open_player(model, runtime, device), batch, listening)


def _save_audio(
    folder: Path,
    excerpts: Sequence[Excerpt],
    played: Audio,
    mixes: Sequence[Audio],
    setting: str,
    sample_rate: int,
) -> None:
    """The stem alone, and blended with its mix, per excerpt."""
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    for excerpt, stem, mix in zip(excerpts, played, mixes, strict=True):
        name = f"{excerpt.stem_class}_{excerpt.track}_{excerpt.first_frame}_{setting}"
        soundfile.write(os.fsencode(folder / f"{name}.flac"), np.clip(stem.T, -1, 1), sample_rate)
        soundfile.write(
            os.fsencode(folder / f"{name}_blend.flac"), np.clip((stem + mix).T, -1, 1), sample_rate
        )
