# SPDX-License-Identifier: GPL-3.0-or-later
"""Teach the beat tracker's network to hear beats in mixes that lack a player, and count how well it keeps time.

Trained is the network alone; the beliefs behind it are fixed and only used where it is judged.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.config import build
from lbmodels.contract.stems import STEMS_AND_REST
from lbmodels.listening.beat_tracker import BeatTracker, BeatTrackerConfig
from lbmodels.listening.onsets import STRIDES
from lbmodels.train.beats import BeatBatch, BeatDataConfig, BeatSource, Song, linear
from lbmodels.train.loop import Side, run, side
from lbmodels.train.ranks import leads
from lbmodels.train.recipe import LoopConfig
from lbmodels.weights.modules import save_weights

_SETTLING_FRAMES = 25
_TEMPO_SPREAD = 0.03
_WINDOW_S = 0.07


@dataclass(frozen=True, kw_only=True)
class BeatTrackerTraining:
    """Weights of the losses beside the beats' own, songs a figure of the validation is taken from, and the rest."""

    downbeat_weight: float = 0.5
    tempo_weight: float = 0.05
    validation_songs: int = 12
    validation_frames: int = 1000
    model: BeatTrackerConfig = field(default_factory=BeatTrackerConfig)
    data: BeatDataConfig = field(default_factory=BeatDataConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)


def listening_losses(heard: Tensor, batch: BeatBatch, model: BeatTrackerConfig) -> dict[str, Tensor]:
    """Cross entropies of beats, first beats and tempi, where they are known. `heard`: the network's answers."""
    from lbmodels.listening.network import BeatNetwork

    beat, downbeat, tempo = BeatNetwork.split(heard[:, _SETTLING_FRAMES:])
    start = _SETTLING_FRAMES * STRIDES
    judged = batch.judged[:, start:]

    def cross(logits: Tensor, target: Tensor) -> Tensor:
        loss = F.binary_cross_entropy_with_logits(logits.flatten(1), target[:, start:], reduction="none")
        return (loss * judged).sum() / judged.sum().clamp(min=1)

    period = batch.period[:, _SETTLING_FRAMES:]
    known = ~period.isnan()
    lengths = model.shortest_strides + torch.arange(model.tempi, device=heard.device)
    off = torch.log(lengths / torch.where(known, period, 50.0).unsqueeze(-1)) / _TEMPO_SPREAD
    target = torch.softmax(-0.5 * off.square(), dim=-1)
    entropy = -(target * tempo.log_softmax(-1)).sum(-1)
    return {
        "beat": cross(beat, batch.beat),
        "downbeat": cross(downbeat, batch.downbeat),
        "tempo": (entropy * known).sum() / known.sum().clamp(min=1),
    }


def told_times(
    phase: npt.NDArray[np.floating[Any]], first_frame: int, frame_s: float
) -> npt.NDArray[np.float64]:
    """When phases told of consecutive frames [F], NaN where nothing is told, pass a whole number; seconds."""
    onward = np.diff(phase)
    passed = np.flatnonzero(onward < -0.5)  # NaN compares false
    part = (1 - phase[passed]) / (onward[passed] + 1)
    result: npt.NDArray[np.float64] = (first_frame + passed + part) * frame_s
    return result[np.diff(result, prepend=-1.0) > 0.1]


def beat_f1(truth_s: npt.NDArray[np.float64], found_s: npt.NDArray[np.float64]) -> float:
    """F measure in a window of 70 ms, each beat matched at most once."""
    if not len(truth_s) or not len(found_s):
        return 0.0
    hits, next_free = 0, 0
    for time in truth_s.tolist():
        while next_free < len(found_s) and found_s[next_free] < time - _WINDOW_S:
            next_free += 1
        if next_free < len(found_s) and found_s[next_free] <= time + _WINDOW_S:
            hits += 1
            next_free += 1
    return 2 * hits / (len(truth_s) + len(found_s))


@dataclass(frozen=True, kw_only=True)
class Followed:
    """How one mix was followed: who was missing, F of the beats at an anticipation, shares of the time that beat and bar were told."""

    song: str
    missing: str
    anticipation: int
    beat_f1: float
    beat_share: float
    bar_share: float
    bar_right: float


def missing_mixes(songs: list[Song], frames: int) -> tuple[Tensor, list[tuple[Song, str]]]:
    """Each song without each of its players that are to be played: powers [N, frames, STRIDES, bands]."""
    rows, labels = [], []
    for song in songs:
        powers = linear(song.powers[:, : frames * STRIDES])
        powers = np.pad(powers, ((0, 0), (0, frames * STRIDES - powers.shape[1]), (0, 0)))
        for n, player in enumerate(STEMS_AND_REST[:4]):
            rest = powers.sum(0) - powers[n]
            if rest.max() > 1e-6 and powers[n].max() > 1e-6:
                rows.append(torch.from_numpy(rest))
                labels.append((song, player))
    return torch.stack(rows).unflatten(1, (-1, STRIDES)), labels


@torch.no_grad()
def judge(
    beat_tracker: BeatTracker, heard: Tensor, labels: list[tuple[Song, str]], anticipations: Iterable[int]
) -> list[Followed]:
    """Follow the network's answers [N, F, D] and compare what is told with the truth, from 5 s on."""
    frame_s = STRIDES / beat_tracker.config.stride_hz
    kept = beat_tracker.follow(heard)
    found = []
    for anticipation in anticipations:
        nothing = torch.full(kept.shape[:-1], torch.nan)
        names = ("beat_phase", "bar_phase", "tempo")
        told = beat_tracker.tell(
            kept, dict.fromkeys(names, nothing), torch.full_like(nothing, float(anticipation))
        )
        first = 1 + anticipation
        for n, (song, missing) in enumerate(labels):
            phase, bar = told["beat_phase"][n].numpy(), told["bar_phase"][n].numpy()
            truth = song.beats / beat_tracker.config.stride_hz
            first_beats = truth[song.beat_in_bar == 1]
            end = min(truth[-1], (first + len(phase)) * frame_s)
            late = [t[(t >= 5.0) & (t < end)] for t in (truth, told_times(phase, first, frame_s))]
            bars = [t[(t >= 5.0) & (t < end)] for t in (first_beats, told_times(bar, first, frame_s))]
            judged = slice(int(5 / frame_s), int(end / frame_s))
            found.append(
                Followed(
                    song=song.name,
                    missing=missing,
                    anticipation=anticipation,
                    beat_f1=beat_f1(*late),
                    beat_share=float(np.isfinite(phase[judged]).mean()),
                    bar_share=float(np.isfinite(bar[judged]).mean()),
                    bar_right=beat_f1(*bars),
                )
            )
    return found


def averages(found: list[Followed]) -> dict[str, float]:
    """Means by who was missing and by anticipation."""
    result = {}
    for player in STEMS_AND_REST[:4]:
        for anticipation in sorted({f.anticipation for f in found}):
            these = [f for f in found if f.missing == player and f.anticipation == anticipation]
            if these:
                result[f"f1_no_{player}_A{anticipation}"] = float(np.mean([f.beat_f1 for f in these]))
    result["downbeat_f1"] = float(np.mean([f.bar_right for f in found]))
    result["told"] = float(np.mean([f.beat_share for f in found]))
    result["bar_told"] = float(np.mean([f.bar_share for f in found]))
    return result


class BeatTrackerObjective:
    """One side; see `lbmodels.train.loop.Objective`."""

    def __init__(self, config: BeatTrackerTraining, device: torch.device) -> None:
        self.config, self.device = config, device
        torch.manual_seed(config.loop.seed)
        self.beat_tracker = BeatTracker(config.model).to(device)
        self.network = self.beat_tracker.network
        self.sides: dict[str, Side] = {"network": side(self.network, config.loop, config.loop.learning_rate)}
        self.averaged: dict[str, nn.Module] = {
            "network": copy.deepcopy(self.network).eval().requires_grad_(False)
        }
        front = BeatTracker(config.model).front
        self.source = BeatSource(config.data, front, config.loop.batch, config.model.delay_strides)
        self.songs = self.source.songs("train")
        mixes, self.labels = missing_mixes(
            self.source.songs("validation")[: config.validation_songs], config.validation_frames
        )
        self.mixes = mixes

    def batches(self, seed: int) -> Iterable[BeatBatch]:
        return self.source.batches(self.songs, seed, 1000)

    def step(self, batch: BeatBatch, step: int) -> dict[str, float]:  # noqa: ARG002 (the loop's signature)
        batch = BeatBatch(*(part.to(self.device) for part in batch))
        losses = listening_losses(self.network(batch.powers), batch, self.config.model)
        total = (
            losses["beat"]
            + self.config.downbeat_weight * losses["downbeat"]
            + self.config.tempo_weight * losses["tempo"]
        )
        gradient = self.sides["network"].descend(total)
        return {"gradient": gradient} | {name: float(value.detach()) for name, value in losses.items()}

    def finished(self) -> BeatTracker:
        """A beat tracker with the averaged weights, on the CPU."""
        beat_tracker = BeatTracker(self.config.model)
        beat_tracker.network.load_state_dict(self.averaged["network"].state_dict())
        return beat_tracker.eval().requires_grad_(False)

    @torch.no_grad()
    def sample(self, folder: Path) -> dict[str, float]:
        beat_tracker = self.finished()
        heard = torch.cat([beat_tracker.network(part) for part in self.mixes.split(8)])
        save_weights(
            folder / "beat_tracker.safetensors", beat_tracker, kind="beat_tracker", config=beat_tracker.config
        )
        return averages(judge(beat_tracker, heard, self.labels, (0, 25)))


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Train by a recipe's tables; returns the weights, which a model's folder holds as beat_tracker.safetensors."""
    config = build(BeatTrackerTraining, tables)
    objective = BeatTrackerObjective(config, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    run(objective, config.loop, folder, quiet=quiet)
    path = folder / "beat_tracker.safetensors"
    if not leads():
        return path
    beat_tracker = objective.finished()
    return save_weights(path, beat_tracker, kind="beat_tracker", config=beat_tracker.config)
