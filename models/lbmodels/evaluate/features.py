# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything the scores need to know of one stem's audio, kept on disk by the audio's hash."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from lbmodels.archives import check_stored
from lbmodels.evaluate import metrics
from lbmodels.evaluate.metrics import Audio, Floats
from lbmodels.evaluate.tracker import check, track_beats

VERSION = 1  # raise it when a feature changes meaning: old cache files are then not found


@dataclass(frozen=True, kw_only=True)
class Features:
    """Tracked beats and onsets in seconds, chroma [F, 12] per 50 ms, level [F] per 40 ms, loudness from 5 s on."""

    beats_s: Floats
    onsets_s: Floats
    chroma: Floats
    level_db: Floats
    loudness_lufs: float


def default_cache() -> Path:
    """Where features are kept: `liveband/evaluate` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "liveband" / "evaluate"


def analyse(
    audio: Audio, sample_rate: int, *, networks: int, cache: Path | None = None, start_s: float = 5.0
) -> Features:
    """Features of [C, T], from `cache` where the same audio was analysed before."""
    key = hashlib.sha256(
        f"{VERSION} {sample_rate} {networks} {start_s} {audio.shape}".encode()
        + np.ascontiguousarray(audio, dtype=np.float32).tobytes()
    ).hexdigest()
    path = cache / key[:2] / f"{key}.npz" if cache is not None else None
    if path is not None and path.exists():
        try:
            check_stored(path)
            with np.load(path, allow_pickle=False) as saved:
                return Features(
                    loudness_lufs=float(saved["loudness_lufs"]),
                    **{name: saved[name] for name in ("beats_s", "onsets_s", "chroma", "level_db")},
                )
        except (OSError, ValueError, KeyError, EOFError, MemoryError):  # a lying shape asks for terabytes
            path.unlink(missing_ok=True)
    import soxr

    x = soxr.resample(metrics.mono(audio), sample_rate, metrics.CHROMA_RATE_HZ)
    found = Features(
        beats_s=track_beats(audio, sample_rate, networks=networks),
        onsets_s=metrics.onsets_s(x),
        chroma=metrics.chroma(x),
        level_db=metrics.levels_db(audio, sample_rate),
        loudness_lufs=metrics.loudness_lufs(audio, sample_rate, start_s=start_s),
    )
    if path is not None:
        _save(found, path)
    return found


def analyse_many(
    audios: Sequence[Audio],
    sample_rate: int,
    *,
    networks: int,
    cache: Path | None,
    start_s: float,
    pool: ProcessPoolExecutor | None,
    on_done: Callable[[], None] = lambda: None,
) -> list[Features]:
    """`analyse` of each, in the pool's processes or, without one, here."""
    if pool is None:
        result = []
        for audio in audios:
            result.append(analyse(audio, sample_rate, networks=networks, cache=cache, start_s=start_s))
            on_done()
        return result
    jobs = {
        pool.submit(analyse, audio, sample_rate, networks=networks, cache=cache, start_s=start_s): i
        for i, audio in enumerate(audios)
    }
    found: dict[int, Features] = {}
    for job in as_completed(jobs):
        found[jobs[job]] = job.result()
        on_done()
    return [found[i] for i in range(len(audios))]


def open_pool(jobs: int) -> ProcessPoolExecutor | None:
    """Processes for `analyse_many`; None for one job. Spawned, since torch's threads do not survive a fork."""
    check()
    # Read by the processes when they load numpy: each is one job and wants one thread.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    return None if jobs <= 1 else ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))


def _save(found: Features, path: Path) -> None:
    """Write beside the final name, then rename: a killed run leaves no half file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
            np.savez(
                part,
                beats_s=found.beats_s,
                onsets_s=found.onsets_s,
                chroma=found.chroma,
                level_db=found.level_db,
                loudness_lufs=np.asarray(found.loudness_lufs),
            )
        Path(part.name).replace(path)
    except OSError:
        # A cache that cannot be written costs time, not the result.
        return
