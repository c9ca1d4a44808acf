# SPDX-License-Identifier: GPL-3.0-or-later
"""Random audio crops of a rendered data set, for the autoencoder."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile
import torch
from torch import Tensor

from lbmodels.contract.stems import STEMS
from lbmodels.data.slakh import Track, find_tracks, read_track
from lbmodels.errors import LiveBandModelError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class AudioDataConfig:
    """Where the data is, how long a crop is (model frames), and how often a crop is a single stem."""

    root: str = ""
    split: str = "train"
    crop_frames: int = 48
    stem_share: float = 0.65
    pool_crops: int = 1500
    renewals: int = 2
    target_classes: tuple[str, ...] = STEMS


def load_tracks(root: str, split: str) -> list[Track]:
    """All tracks of a split.

    Raises:
        LiveBandModelError: none found.
    """
    tracks = [read_track(path) for path in find_tracks(Path(root), split)]
    if not tracks:
        raise LiveBandModelError(
            f"no tracks in {root!r}, split {split!r}; make some with 'liveband data render'"
        )
    return tracks


def read_crop(path: Path, start: int, length: int) -> np.ndarray:
    """Stereo float32 [2, length] from sample `start`, zero-padded past the end of the file."""
    with soundfile.SoundFile(os.fsencode(path)) as file:
        file.seek(min(start, file.frames))
        audio = file.read(length, dtype="float32", always_2d=True)
    audio = np.pad(audio, ((0, length - len(audio)), (0, 0)))
    return np.ascontiguousarray(audio.T if audio.shape[1] == 2 else np.repeat(audio.T[:1], 2, axis=0))


def random_crop(
    tracks: list[Track], config: AudioDataConfig, length: int, rng: np.random.Generator
) -> np.ndarray:
    """One stem, or a random submix of a track; random gain; up to 8 draws to find one that sounds."""
    audio = np.zeros((2, length), np.float32)
    for _ in range(8):
        track = tracks[rng.integers(len(tracks))]
        start = int(rng.integers(max(1, int(track.duration_s * 48000) - length)))
        if rng.random() < config.stem_share:
            stems = [s for s in track.stems if s.stem_class in config.target_classes]
            chosen = [stems[rng.integers(len(stems))]] if stems else []
        else:
            count = int(rng.integers(1, len(track.stems) + 1))
            chosen = [track.stems[i] for i in rng.permutation(len(track.stems))[:count]]
        audio = sum(
            (read_crop(stem.path, start, length) for stem in chosen), np.zeros((2, length), np.float32)
        )
        if np.abs(audio).max() > 1e-3:
            break
    gain = 10 ** (rng.uniform(-9, 6) / 20)
    audio = audio * np.float32(min(gain, 0.99 / max(1e-3, float(np.abs(audio).max()))))
    return audio[::-1].copy() if rng.random() < 0.5 else audio


def crop_batches(
    tracks: list[Track],
    config: AudioDataConfig,
    prepare: Callable[[Tensor], T],
    *,
    batch: int,
    hop: int,
    seed: int,
) -> Iterator[list[T]]:
    """Endless batches from a pool of crops that a thread fills and then keeps renewing.

    Reading and preparing a crop costs more than a training step on it, so crops are used several times:
    for each batch drawn, `renewals` crops of the pool are replaced. `prepare` maps audio
    [2, crop_frames * hop] to whatever the objective wants of a crop.
    """
    rng, picks = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    pool: list[T] = []
    wanted = threading.Semaphore(config.pool_crops)
    grown = threading.Condition()
    stopped = threading.Event()
    failure: list[Exception] = []

    def work() -> None:
        try:
            while not stopped.is_set():
                if not wanted.acquire(timeout=0.5):
                    continue
                item = prepare(torch.from_numpy(random_crop(tracks, config, config.crop_frames * hop, rng)))
                with grown:
                    if len(pool) < config.pool_crops:
                        pool.append(item)
                    else:
                        pool[int(rng.integers(len(pool)))] = item
                    grown.notify()
        except Exception as error:  # noqa: BLE001 (raised again where batches are drawn)
            with grown:
                failure.append(error)
                grown.notify()

    threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            with grown:
                grown.wait_for(lambda: failure or len(pool) >= min(batch, config.pool_crops))
                if failure:
                    raise failure[0]
                chosen = [pool[i] for i in picks.integers(len(pool), size=batch)]
            if config.renewals:
                wanted.release(config.renewals)
            yield chosen
    finally:
        stopped.set()
