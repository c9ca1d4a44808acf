# SPDX-License-Identifier: GPL-3.0-or-later
"""Teach two encoders which stem goes with which mix, and which does not: the judge `lbmodels.evaluate.coherence`.

Wrong answers are the other stems of a batch (InfoNCE, as COCOLA) and, of every example, its own stem damaged: late,
faster or slower, transposed. Mixes are sums of powers, which ignores phase; damage is done to the spectrogram.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.config import build
from lbmodels.contract.stems import STEMS_AND_REST
from lbmodels.data.slakh import find_tracks, read_track
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.coherence import (
    BANDS,
    CROP_FRAMES,
    FRAME_HZ,
    KINDS,
    CoherenceConfig,
    CoherenceNetwork,
    band_amplitudes,
    encode,
    of_kind,
    save,
    views,
)
from lbmodels.folders import whole_file
from lbmodels.train.audio import read_crop
from lbmodels.train.loop import Side, run, side
from lbmodels.train.ranks import leads
from lbmodels.train.recipe import LoopConfig

_RATE_HZ = 48000
_MARGIN = 50
_SILENT = 1e-9
Powers = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class CoherenceDataConfig:
    """Where the songs are, and what of each is kept: `seconds` from `start_s` on, of `songs` of them (0: all)."""

    root: str = ""
    cache: str = ""
    start_s: float = 8.0
    seconds: float = 20.0
    songs: int = 0
    drop: float = 0.3


@dataclass(frozen=True, kw_only=True)
class CoherenceTraining:
    """The judge, its data, and the weight of telling a stem from its damaged self."""

    damage_weight: float = 1.0
    model: CoherenceConfig = field(default_factory=CoherenceConfig)
    data: CoherenceDataConfig = field(default_factory=CoherenceDataConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)


@dataclass(frozen=True, kw_only=True)
class Song:
    """Amplitudes of the stems [S, frames, BANDS] (float16, on disk), their classes, frames a beat lasts."""

    name: str
    stems: npt.NDArray[np.float16]
    classes: tuple[str, ...]
    beat_frames: float


class CoherenceBatch(NamedTuple):
    """Powers [B, CROP_FRAMES, BANDS] of mix, its stem and the stem damaged; the kind that is listened to."""

    mix: Tensor
    stem: Tensor
    damaged: Tensor
    kind: str


def load_songs(config: CoherenceDataConfig, split: str, cache: Path) -> list[Song]:
    """Songs of a split with a beat and two stems or more; their spectrograms are made once and kept in `cache`.

    Raises:
        LiveBandModelError: none found.
    """
    songs = []
    for path in find_tracks(Path(config.root), split)[: config.songs or None]:
        track = read_track(path)
        frames = round(min(config.seconds, track.duration_s - config.start_s) * FRAME_HZ)
        if len(track.stems) < 2 or len(track.beats_s) < 8 or frames < CROP_FRAMES + 2 * _MARGIN:
            continue
        kept = cache / split / f"{track.name}-{config.start_s:g}-{config.seconds:g}.npy"
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            start, length = round(config.start_s * _RATE_HZ), round(frames / FRAME_HZ * _RATE_HZ)
            heard = [band_amplitudes(read_crop(s.path, start, length), _RATE_HZ) for s in track.stems]
            with whole_file(kept) as part, part.open("wb") as file:
                np.save(file, np.stack(heard).astype(np.float16))
        songs.append(
            Song(
                name=track.name,
                stems=np.load(kept, mmap_mode="r", allow_pickle=False),
                classes=tuple(s.stem_class for s in track.stems),
                beat_frames=float(np.median(np.diff(track.beats_s)) * FRAME_HZ),
            )
        )
    if not songs:
        raise LiveBandModelError(f"no songs with beats and stems in {config.root!r}, split {split!r}")
    return songs


def crop_at(stem: npt.NDArray[Any], times: npt.NDArray[np.float64], semitones: int = 0) -> Powers:
    """Powers [len(times), BANDS] of amplitudes [frames, BANDS] at fractional frames, moved up by whole bands."""
    times = np.clip(times, 0, len(stem) - 1.001)
    first = int(times[0])
    near = stem[first : int(times[-1]) + 2].astype(np.float32)
    before = times.astype(np.int64) - first
    part = (times - first - before).astype(np.float32)[:, None]
    amplitude = near[before] * (1 - part) + near[np.minimum(before + 1, len(near) - 1)] * part
    moved = np.zeros_like(amplitude)
    moved[:, max(0, semitones) : BANDS + min(0, semitones)] = amplitude[
        :, max(0, -semitones) : BANDS - max(0, semitones)
    ]
    return moved**2


def mix_without(song: Song, chosen: int, times: npt.NDArray[np.float64], semitones: int = 0) -> Powers:
    """The powers of every other stem, added."""
    others = [n for n in range(len(song.stems)) if n != chosen]
    return np.sum([crop_at(song.stems[n], times, semitones) for n in others], axis=0, dtype=np.float32)


def damaged_times(
    times: npt.NDArray[np.float64], song: Song, how: str, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """When the stem is heard instead: most often half a beat off, or 4 to 9 % faster or slower about some moment."""
    sign = 1 if rng.random() < 0.5 else -1
    if how == "late":
        beats = 0.5 if rng.random() < 0.7 else rng.uniform(0.2, 0.8)
        return times + sign * beats * song.beat_frames
    if how == "tempo":
        anchor = times[int(rng.integers(len(times)))]
        return anchor + (times - anchor) * (1 + sign * rng.uniform(0.04, 0.09))
    return times


def example(
    songs: list[Song], classes: tuple[str, ...], kind: str, drop: float, rng: np.random.Generator
) -> tuple[int, Powers, Powers, Powers] | None:
    """(song, mix, stem, damaged stem), or None where the draw has nothing to compare.

    Mix and stem are turned to another key and tempo together, so that nothing of either alone tells damage.
    """
    at = int(rng.integers(len(songs)))
    song = songs[at]
    fitting = [n for n, c in enumerate(song.classes) if c in classes]
    if not fitting:
        return None
    chosen = fitting[int(rng.integers(len(fitting)))]
    rate = rng.uniform(0.9, 1.1)
    reach = CROP_FRAMES * rate * 1.1
    start = rng.uniform(_MARGIN, song.stems.shape[1] - reach - _MARGIN)
    times = start + rate * np.arange(CROP_FRAMES)
    key = int(rng.integers(-3, 4))
    stem = crop_at(song.stems[chosen], times, key)
    mix = np.zeros_like(stem)
    for n in rng.permutation(len(song.stems)):
        if n != chosen and (rng.random() >= drop or not mix.any()):
            mix += crop_at(song.stems[n], times, key) * np.float32(10 ** rng.uniform(-0.5, 0.5))
    if stem.mean() < _SILENT or mix.mean() < _SILENT:
        return None
    ways = ["late", "tempo"]
    if song.classes[chosen] != "drums" and kind != "percussive":
        ways += ["pitch", "pitch"]
    how = ways[int(rng.integers(len(ways)))]
    up = int(rng.choice([-5, -4, -3, -2, -1, 1, 2, 3, 4, 5])) if how == "pitch" else 0
    damaged = crop_at(song.stems[chosen], damaged_times(times, song, how, rng), key + up)
    return (at, mix, stem, damaged) if damaged.mean() >= _SILENT else None


def draw_batches(songs: list[Song], size: int, drop: float, seed: int) -> Iterator[CoherenceBatch]:
    """Endless batches of one kind, of two classes, of different songs."""
    rng = np.random.default_rng(seed)
    size = min(size, len(songs))
    while True:
        kind = KINDS[int(rng.choice(3, p=(0.5, 0.25, 0.25)))]
        classes = tuple(str(c) for c in rng.choice(STEMS_AND_REST, 2, replace=False))
        found: dict[int, tuple[Powers, Powers, Powers]] = {}
        for _ in range(size * 10):
            one = example(songs, classes, kind, drop, rng)
            if one is not None:
                found[one[0]] = one[1:]
            if len(found) == size:
                break
        if len(found) < 2:
            continue
        mix, stem, damaged = (torch.from_numpy(np.stack(part)) for part in zip(*found.values(), strict=True))
        yield CoherenceBatch(mix, stem, damaged, kind)


def contrastive_losses(network: CoherenceNetwork, batch: CoherenceBatch) -> dict[str, Tensor]:
    """InfoNCE of mixes against stems, damaged ones among them, and back; and each stem against its damaged self."""
    count = len(batch.mix)
    seen = of_kind(views(torch.cat([batch.mix, batch.stem, batch.damaged])), batch.kind)
    x = network(seen)
    mix, stem = network.mix(x[:count]), network.stem(x[count:])
    logits = mix @ stem.T * network.sharpness.clamp(max=4.6).exp()
    right = torch.arange(count, device=logits.device)
    true, wrong = logits[right, right], logits[right, right + count]
    return {
        "mix_to_stem": F.cross_entropy(logits, right),
        "stem_to_mix": F.cross_entropy(logits[:, :count].T, right),
        "damage": F.softplus(wrong - true).mean(),
        "true_preferred": (true > wrong).float().mean(),
    }


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Pairs of mix and stem, of class and song, and the cosine of the true stem and of each wrong one, by kind."""

    classes: list[str]
    true: npt.NDArray[np.float64]
    wrong: dict[str, npt.NDArray[np.float64]]
    top1_of_32: npt.NDArray[np.float64]


@torch.no_grad()
def judge(network: CoherenceNetwork, songs: list[Song], crops: int = 2, seed: int = 0) -> Judged:
    """Scores [pairs, kinds] of true and wrong stems: half a beat late, 6 % faster, a semitone up, of other songs."""
    rng = np.random.default_rng(seed)
    parts: list[list[Powers]] = []
    labels: list[tuple[str, str]] = []
    for song in songs:
        for start in np.linspace(_MARGIN, song.stems.shape[1] - 1.1 * CROP_FRAMES - 1, crops):
            times = start + np.arange(CROP_FRAMES)
            for n, stem_class in enumerate(song.classes):
                stem = song.stems[n]
                changed = [
                    crop_at(stem, times),
                    crop_at(stem, times - 0.5 * song.beat_frames),
                    crop_at(stem, start + 1.06 * np.arange(CROP_FRAMES)),
                    crop_at(stem, times, 1),
                ]
                mix = mix_without(song, n, times)
                if min(mix.mean(), *(c.mean() for c in changed)) >= _SILENT:
                    parts.append([mix, *changed])
                    labels.append((song.name, stem_class))
    heard = torch.cat([encode(network, torch.from_numpy(np.stack(one))).unsqueeze(0) for one in parts])
    mixes, stems = heard[:, 0, :, 0], heard[:, 1:, :, 1]
    scores = torch.einsum("nkd,nskd->nsk", mixes, stems).double().numpy()
    table = torch.einsum("nkd,mkd->nmk", mixes, stems[:, 0]).double().numpy()
    names, classes = np.array([n for n, _ in labels]), np.array([c for _, c in labels])
    others = {"other_song": names[:, None] != names, "same_class": classes[:, None] == classes}
    others["same_class"] &= others["other_song"]
    wrong = {"half_beat": scores[:, 1], "tempo_6": scores[:, 2], "semitone": scores[:, 3]}
    for name, allowed in others.items():
        picked = [rng.choice(np.flatnonzero(row)) if row.any() else n for n, row in enumerate(allowed)]
        wrong[name] = table[np.arange(len(picked)), picked]
    top = np.empty((len(labels), len(KINDS)))
    for n in range(len(labels)):
        among = np.flatnonzero(others["other_song"][n])
        among = rng.choice(among, min(31, len(among)), replace=False)
        top[n] = table[n, n] > table[n, among].max(0, initial=-2.0)
    return Judged(classes=[c for _, c in labels], true=scores[:, 0], wrong=wrong, top1_of_32=top)


def shares(judged: Judged) -> dict[str, float]:
    """How often the true stem is preferred to each wrong one, by kind, and of everything by class too."""
    result = {}
    classes = np.array(judged.classes)
    for k, kind in enumerate(KINDS):
        for name, rival in judged.wrong.items():
            better = (judged.true > rival)[:, k]
            result[f"{kind} {name}"] = float(better.mean())
            if k == 0:
                for one in sorted(set(judged.classes)):
                    result[f"{one} {name}"] = float(better[classes == one].mean())
        result[f"{kind} top1_of_32"] = float(judged.top1_of_32[:, k].mean())
    return result


class CoherenceObjective:
    """One side; see `lbmodels.train.loop.Objective`."""

    def __init__(self, config: CoherenceTraining, cache: Path, device: torch.device) -> None:
        self.config, self.device = config, device
        torch.manual_seed(config.loop.seed)
        self.network = CoherenceNetwork(config.model).to(device)
        self.sides: dict[str, Side] = {"network": side(self.network, config.loop, config.loop.learning_rate)}
        self.averaged: dict[str, nn.Module] = {
            "network": copy.deepcopy(self.network).eval().requires_grad_(False)
        }
        self.songs = load_songs(config.data, "train", cache)
        self.judged = load_songs(config.data, "validation", cache)
        self.unjudged = True

    def batches(self, seed: int) -> Iterable[CoherenceBatch]:
        return draw_batches(self.songs, self.config.loop.batch, self.config.data.drop, seed)

    def step(self, batch: CoherenceBatch, step: int) -> dict[str, float]:  # noqa: ARG002 (the loop's signature)
        device = self.device
        batch = CoherenceBatch(
            batch.mix.to(device), batch.stem.to(device), batch.damaged.to(device), batch.kind
        )
        losses = contrastive_losses(self.network, batch)
        total = losses["mix_to_stem"] + 0.5 * losses["stem_to_mix"]
        self.unjudged = True
        gradient = self.sides["network"].descend(total + self.config.damage_weight * losses["damage"])
        return {"gradient": gradient} | {name: float(value.detach()) for name, value in losses.items()}

    def finished(self) -> CoherenceNetwork:
        """The averaged weights, on the CPU."""
        network = CoherenceNetwork(self.config.model)
        network.load_state_dict(self.averaged["network"].state_dict())
        return network.eval().requires_grad_(False)

    def sample(self, folder: Path) -> dict[str, float]:
        network = self.finished()
        figures = shares(judge(network, self.judged))
        save(folder / "coherence.safetensors", network, figures)
        self.unjudged = False
        return figures


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Train by a recipe's tables; returns the weights, with the validation's figures in their metadata."""
    config = build(CoherenceTraining, tables)
    cache = Path(config.data.cache) if config.data.cache else folder / "spectrograms"
    objective = CoherenceObjective(
        config, cache, torch.device("cuda" if torch.cuda.is_available() else "cpu")
    )
    run(objective, config.loop, folder, quiet=quiet)
    if leads() and objective.unjudged:  # stopped before its last step
        objective.sample(folder)
    return folder / "coherence.safetensors"
