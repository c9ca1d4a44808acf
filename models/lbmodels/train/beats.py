# SPDX-License-Identifier: GPL-3.0-or-later
"""Mixes without one of their players, with their beats, for whoever learns to hear where the beat is.

Band powers of each player are kept on disk. Powers of independent sources add, so that a mix of any of them at any
gain, its tempo, its room and its noise are a few operations on small arrays, and no crop is ever drawn twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lbmodels.contract.stems import STEMS_AND_REST
from lbmodels.data.slakh import Track
from lbmodels.errors import LiveBandModelError
from lbmodels.folders import whole_file
from lbmodels.listening.onsets import STRIDES, BandFrontEnd
from lbmodels.train.audio import load_tracks, read_crop

Floats = npt.NDArray[np.float32]

_BLOCK_FRAMES = 50  # fits a core's cache
_SMALLEST = 1e-8


@dataclass(frozen=True, kw_only=True)
class BeatDataConfig:
    """`root`: data set, or several separated by commas. `cache`: band powers, made if missing, "" for `root`/bands.

    `crop_frames`: length of a crop. `slowest`, `fastest`: songs are played at tempi changed by a factor in between.
    """

    root: str = ""
    cache: str = ""
    crop_frames: int = 500
    slowest: float = 0.8
    fastest: float = 1.25
    clean_share: float = 0.25


@dataclass(frozen=True)
class Song:
    """Band powers of the players as log10, [STEMS_AND_REST, strides, bands] float16, and beats in strides."""

    name: str
    powers: npt.NDArray[np.float16]
    beats: npt.NDArray[np.float64]
    beat_in_bar: npt.NDArray[np.int64]


class BeatBatch(NamedTuple):
    """`powers` [B, F, STRIDES, bands]. Targets of strides [B, F * STRIDES]; `period` [B, F] in strides, NaN where unknown.

    `judged` [B, F * STRIDES]: whether beats are known there.
    """

    powers: Tensor
    beat: Tensor
    downbeat: Tensor
    judged: Tensor
    period: Tensor


def stem_powers(front: BandFrontEnd, audio: Floats) -> Floats:
    """Audio [C, T] -> band powers [strides, bands], whole frames only."""
    hop = front.stft.hop
    frames = audio.shape[1] // hop
    x = torch.from_numpy(np.ascontiguousarray(audio[:, : frames * hop])).unsqueeze(0)
    state, active, parts = front.init_state(1), torch.ones(1, dtype=torch.bool), []
    with torch.no_grad():
        for block in x.split(_BLOCK_FRAMES * hop, dim=-1):
            powers, state = front.step(block, state, active)
            parts.append(powers[0])
    result: Floats = torch.cat(parts).numpy()
    return result


def _song_powers(track: Track, front: BandFrontEnd) -> npt.NDArray[np.float16]:
    hop = front.stft.hop
    samples = int(track.duration_s * track.sample_rate) // hop * hop
    table = np.zeros(
        (len(STEMS_AND_REST), samples // hop * STRIDES, front.get_buffer("bank").shape[1]), np.float32
    )
    for number, player in enumerate(STEMS_AND_REST):
        stems = track.stems_of(player)
        if stems:
            audio = sum(
                (read_crop(stem.path, 0, samples) for stem in stems), np.zeros((2, samples), np.float32)
            )
            table[number] = stem_powers(front, audio)
    return np.log10(table + _SMALLEST).astype(np.float16)


def write_bands(config: BeatDataConfig, split: str, front: BandFrontEnd) -> Iterator[Song]:
    """Songs of a split with their band powers, which are made where they are missing.

    Raises:
        LiveBandModelError: no track in the split.
    """
    strides_hz = STRIDES * front.sample_rate / front.stft.hop
    roots = [part.strip() for part in config.root.split(",")]
    for number, root in enumerate(roots):
        if len(roots) > 1 and not (Path(root) / split).is_dir():
            continue
        folder = (Path(config.cache) / str(number) if config.cache else Path(root) / "bands") / split
        folder.mkdir(parents=True, exist_ok=True)
        for track in load_tracks(root, split):
            path = folder / f"{track.name}.npy"
            if not path.is_file():
                with whole_file(path) as part, part.open("wb") as file:
                    np.save(file, _song_powers(track, front))
            powers = np.load(path, mmap_mode="r", allow_pickle=False)
            if len(track.beats_s) >= 8:
                yield Song(track.name, powers, track.beats_s * strides_hz, track.beat_in_bar)


def linear(powers: npt.NDArray[np.float16]) -> Floats:
    """Kept powers as they were."""
    result: Floats = np.exp(powers.astype(np.float32) * np.float32(np.log(10))) - np.float32(_SMALLEST)
    return np.maximum(result, 0)


def draw_mix(powers: Floats, rng: np.random.Generator, clean_share: float) -> Floats:
    """Players [STEMS_AND_REST, strides, bands] -> what a microphone might have heard of some of them, [strides, bands].

    One player is left out always, drums most often: a band hears itself without the one who is to play.
    """
    sounding = [n for n in range(len(STEMS_AND_REST)) if powers[n].max() > 1e-6]
    missing = int(rng.choice(len(STEMS_AND_REST), p=(0.4, 0.25, 0.1, 0.1, 0.15)))
    heard = [n for n in sounding if n != missing and rng.random() > 0.15] or sounding
    mix: Floats = np.zeros_like(powers[0])
    for n in heard:
        mix += powers[n] * np.float32(10 ** (np.clip(rng.normal(0, 4), -9, 9) / 10))
    level = float(mix.mean()) + 1e-9
    bands = np.linspace(-1, 1, mix.shape[1])
    if rng.random() > clean_share:
        if rng.random() < 0.35:  # a room: each stride leaves a tail
            from scipy.signal import lfilter

            keep = 10 ** (-6 / (100 * rng.uniform(0.15, 1.5)))
            tail = lfilter([1 - keep], [1, -keep], mix, axis=0).astype(np.float32)
            wet = np.float32(rng.beta(1.2, 2.5))
            mix = (1 - wet) * mix + wet * tail
        tilt_db = rng.normal(0, 4) * bands + np.interp(bands, np.linspace(-1, 1, 6), rng.normal(0, 3, 6))
        if rng.random() < 0.25:
            low, high = (-1 if rng.random() < 0.5 else rng.uniform(-1, -0.6)), rng.uniform(0.2, 1)
            tilt_db = tilt_db - 40 * np.clip((low - bands) * 5, 0, 1) - 40 * np.clip((bands - high) * 5, 0, 1)
        mix = mix * (10 ** (tilt_db / 10)).astype(np.float32)
        if rng.random() < 0.5:
            colour = 10 ** ((rng.normal(0, 6) * bands + rng.uniform(-55, -18)) / 10)
            grain = rng.gamma(4.0, 0.25, size=mix.shape).astype(np.float32)
            mix = mix + grain * (level * colour).astype(np.float32)
        if rng.random() < 0.08:
            start = int(rng.integers(len(mix)))
            mix[start : start + int(rng.integers(20, 400))] = 0.0
    return mix * np.float32(10 ** (rng.uniform(-16, 6) / 10))


def draw_crop(
    song: Song, config: BeatDataConfig, rng: np.random.Generator
) -> tuple[Floats, npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """A mix [strides, bands] from a random place at a random tempo, and its beats in strides with their places in the bar."""
    strides = config.crop_frames * STRIDES
    rate = float(np.exp(rng.uniform(np.log(config.slowest), np.log(config.fastest))))
    needed = int(np.ceil(strides * rate)) + 2
    start = int(rng.integers(max(1, song.powers.shape[1] - needed)))
    mix = draw_mix(linear(song.powers[:, start : start + needed]), rng, config.clean_share)
    mix = np.pad(mix, ((0, max(0, needed - len(mix))), (0, 0)))
    at = np.arange(strides) * rate
    whole, rest = at.astype(np.int64), (at % 1).astype(np.float32)[:, None]
    mix = mix[whole] * (1 - rest) + mix[whole + 1] * rest
    return mix, (song.beats - start) / rate, song.beat_in_bar


def targets(
    beats: npt.NDArray[np.float64], beat_in_bar: npt.NDArray[np.int64], strides: int, delay: int
) -> dict[str, Floats]:
    """What the network should say, `delay` strides after the fact: see `BeatBatch`."""
    beat, downbeat = np.zeros(strides + 4, np.float32), np.zeros(strides + 4, np.float32)
    places = np.round(beats).astype(np.int64) + delay
    for number, place in zip(beat_in_bar.tolist(), places.tolist(), strict=True):
        for off, height in ((-1, 0.5), (1, 0.5), (0, 1.0)):
            if 0 <= place + off < strides:
                beat[place + off] = max(beat[place + off], height)
                if number == 1:
                    downbeat[place + off] = max(downbeat[place + off], height)
    lengths = np.diff(beats)
    at = np.arange(strides) - delay
    index = np.searchsorted(beats, at, side="right") - 1
    known = (index >= 0) & (index < len(lengths))
    judged = (at >= beats[0] - 0.4 * lengths[0]) & (at < beats[-1] + 0.4 * lengths[-1])
    period = np.where(known, lengths[np.clip(index, 0, len(lengths) - 1)], np.nan)
    return {
        "beat": beat[:strides],
        "downbeat": downbeat[:strides],
        "judged": judged.astype(np.float32),
        "period": period[STRIDES - 1 :: STRIDES].astype(np.float32),
    }


class BeatSource:
    """Songs of a data set and the batches drawn from them."""

    def __init__(self, config: BeatDataConfig, front: BandFrontEnd, batch: int, delay: int) -> None:
        self.config, self.front, self.batch, self.delay = config, front, batch, delay

    def songs(self, split: str) -> list[Song]:
        """Raises:
        LiveBandModelError: none with beats.
        """
        from rich.progress import track as progress

        songs = list(progress(write_bands(self.config, split, self.front), description=f"bands of {split}"))
        if not songs:
            raise LiveBandModelError(f"no song of {self.config.root!r}, split {split!r}, tells its beats")
        return songs

    def batches(self, songs: list[Song], seed: int, count: int) -> Iterator[BeatBatch]:
        """`count` batches, the same for the same seed and songs."""
        rng = np.random.default_rng(seed)
        for _ in range(count):
            rows: list[tuple[Floats, dict[str, Floats]]] = []
            while len(rows) < self.batch:
                mix, beats, numbers = draw_crop(songs[int(rng.integers(len(songs)))], self.config, rng)
                told = targets(beats, numbers, len(mix), self.delay)
                if told["judged"].mean() > 0.3:
                    rows.append((mix, told))
            powers = torch.from_numpy(np.stack([mix for mix, _ in rows]))
            told_of = {
                name: torch.from_numpy(np.stack([told[name] for _, told in rows])) for name in rows[0][1]
            }
            yield BeatBatch(powers.unflatten(1, (-1, STRIDES)), **told_of)
