# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything the scores need to know of one stem's audio, kept on disk by the audio's hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from lbmodels.evaluate import metrics
from lbmodels.evaluate.extras import EMBEDDINGS, Embedding
from lbmodels.evaluate.loudness import LOUDNESS_LUFS, normalised
from lbmodels.evaluate.metrics import Audio, Floats
from lbmodels.evaluate.tracker import check, track
from lbmodels.folders import cache_folder, whole_file
from lbmodels.tasks.outcome import TaskLostError
from lbmodels.tasks.running import run
from lbmodels.weights.archives import check_stored

VERSION = 2  # raise it when a feature changes meaning: old cache files are then not found


@dataclass(frozen=True, kw_only=True)
class Features:
    """What was heard in one stem.

    Attributes:
        beats_s, downbeats_s, onsets_s: tracked, in seconds.
        pulse: [F] how sure the beat tracker's network is of a beat, per 10 ms.
        chroma: [F, 12] per 50 ms.
        level_db: [F] per 40 ms.
        loudness_lufs: from the scored start on.
        embeddings: by name, what the embeddings of `extras` make of it.
    """

    beats_s: Floats
    downbeats_s: Floats
    pulse: Floats
    onsets_s: Floats
    chroma: Floats
    level_db: Floats
    loudness_lufs: float
    embeddings: dict[str, Floats] = field(default_factory=dict)


ARRAYS = ("beats_s", "downbeats_s", "pulse", "onsets_s", "chroma", "level_db")


def default_cache() -> Path:
    """Where features are kept: `evaluate` in our cache folder."""
    return cache_folder() / "evaluate"


def narrowed(audio: Audio, sample_rate: int) -> Audio:
    """[C, T] as onsets and chroma are taken from it: mono at `metrics.CHROMA_RATE_HZ`."""
    import soxr

    mono: Audio = soxr.resample(metrics.mono(audio), sample_rate, metrics.CHROMA_RATE_HZ)
    return mono


def analyse(
    audio: Audio, sample_rate: int, *, networks: int, cache: Path | None = None, start_s: float = 5.0
) -> Features:
    """Features of [C, T], from `cache` where the same audio was analysed before."""
    samples = np.ascontiguousarray(audio, dtype=np.float32)
    told = f"{VERSION} {sample_rate} {networks} {start_s} {audio.shape}"

    def listen() -> dict[str, Floats]:
        x = narrowed(audio, sample_rate)
        heard = track(audio, sample_rate, networks=networks)
        return {
            "beats_s": heard.beats_s,
            "downbeats_s": heard.downbeats_s,
            "pulse": heard.pulse.astype(np.float32),
            "onsets_s": metrics.onsets_s(x),
            "chroma": metrics.chroma(x).astype(np.float32),
            "level_db": metrics.levels_db(audio, sample_rate).astype(np.float32),
            "loudness_lufs": np.asarray(metrics.loudness_lufs(audio, sample_rate, start_s=start_s)),
        }

    found = _kept(cache, told.encode() + samples.tobytes(), (*ARRAYS, "loudness_lufs"), listen)
    return Features(
        loudness_lufs=float(found["loudness_lufs"]),
        embeddings=embed(samples, sample_rate, cache=cache, start_s=start_s),
        **{name: found[name].astype(np.float64) for name in ARRAYS},
    )


def recall(folder: Path, asked: str) -> Features | None:
    """What `keep` was given for the same question; None if nothing, or if the file is damaged."""
    path = _kept_as(folder, asked)
    names = (*ARRAYS, "loudness_lufs", *(f"embedding {name}" for name in EMBEDDINGS))
    found = _load(path, names)
    if found is None:
        return None
    return Features(
        loudness_lufs=float(found["loudness_lufs"]),
        embeddings={name: found[f"embedding {name}"] for name in EMBEDDINGS},
        **{name: found[name].astype(np.float64) for name in ARRAYS},
    )


def keep(folder: Path, asked: str, heard: Features) -> None:
    """Put features where `recall` finds them."""
    arrays: dict[str, Any] = {
        name: np.asarray(getattr(heard, name), np.float32) for name in ("pulse", "chroma", "level_db")
    }
    arrays |= {name: getattr(heard, name) for name in ("beats_s", "downbeats_s", "onsets_s")}
    arrays |= {f"embedding {name}": value for name, value in heard.embeddings.items()}
    _save({**arrays, "loudness_lufs": np.asarray(heard.loudness_lufs)}, _kept_as(folder, asked))


def _kept_as(folder: Path, asked: str) -> Path:
    versions = [f"{name} {embedding.version}" for name, embedding in EMBEDDINGS.items()]
    key = hashlib.sha256("\n".join([str(VERSION), asked, *versions]).encode()).hexdigest()
    return folder / f"{key[:32]}.npz"


def embed(audio: Audio, sample_rate: int, *, cache: Path | None, start_s: float) -> dict[str, Floats]:
    """Every embedding of `extras.EMBEDDINGS` of [C, T] from `start_s` on, at the loudness they all hear."""
    result = {}
    for name, embedding in EMBEDDINGS.items():
        scored = np.ascontiguousarray(audio[:, round(start_s * sample_rate) :], dtype=np.float32)
        told = f"{name} {embedding.version} {LOUDNESS_LUFS} {sample_rate} {scored.shape}"

        def make(embedding: Embedding = embedding, scored: Audio = scored) -> dict[str, Floats]:
            return {"embedding": embedding.embed(normalised(scored, sample_rate), sample_rate)}

        result[name] = _kept(cache, told.encode() + scored.tobytes(), ("embedding",), make)["embedding"]
    return result


def _kept(
    cache: Path | None, asked: bytes, names: Sequence[str], make: Callable[[], dict[str, Floats]]
) -> dict[str, Floats]:
    """The arrays `names` that `make` gives, from `cache` where the same was asked before."""
    if cache is None:
        return make()
    key = hashlib.sha256(asked).hexdigest()
    path = cache / key[:2] / f"{key}.npz"
    found = _load(path, names)
    if found is None:
        found = make()
        _save(found, path)
    return found


def _load(path: Path, names: Sequence[str]) -> dict[str, Floats] | None:
    if not path.exists():
        return None
    try:
        check_stored(path)
        with np.load(path, allow_pickle=False) as saved:
            return {name: saved[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, MemoryError):  # a lying shape asks for terabytes
        path.unlink(missing_ok=True)
        return None


class Pool:
    """Processes of this machine that play and listen, or those of a Ray cluster, whose machines see all folders under the same
    names.
    """

    def __init__(self, jobs: int, cluster: str | None) -> None:
        self._cluster = cluster
        # Spawned, since torch's threads do not survive a fork.
        self._processes = None if cluster else ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))

    def over(self, work: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """(number of the task, `work` of it), as they end. Raises what `work` does, TaskLostError for a machine that was lost too often."""
        if self._processes is not None:
            jobs = {self._processes.submit(work, task): number for number, task in enumerate(tasks)}
            yield from ((jobs[job], job.result()) for job in as_completed(jobs))
            return
        with closing(run(work, tasks, cluster=self._cluster)) as results:
            for number, result in results:
                if isinstance(result, TaskLostError):
                    raise result
                yield number, result

    def close(self) -> None:
        """Stop what runs. Idempotent."""
        if self._processes is not None:
            self._processes.shutdown(cancel_futures=True)


def open_pool(jobs: int, cluster: str | None = None) -> Pool | None:
    """What plays and listens beside this process; None for one job."""
    check()
    # Read by the processes when they load numpy: each is one job and wants one thread.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    return None if jobs <= 1 and cluster is None else Pool(jobs, cluster)


def _save(found: dict[str, Floats], path: Path) -> None:
    """Write beside the final name, then rename: a killed run leaves no half file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part, part.open("wb") as file:
            arrays: dict[str, Any] = dict(found)
            np.savez(file, **arrays)
    except OSError:
        # A cache that cannot be written costs time, not the result.
        return
