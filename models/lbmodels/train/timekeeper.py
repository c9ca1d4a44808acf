# SPDX-License-Identifier: GPL-3.0-or-later
"""Teach the timekeeper's network to hear beats in mixes that lack a player, and count how well it keeps time.

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
from lbmodels.listening.onsets import STRIDES
from lbmodels.listening.timekeeper import Timekeeper, TimekeeperConfig
from lbmodels.train.beats import BeatBatch, BeatDataConfig, BeatSource, Song, linear
from lbmodels.train.loop import Side, run, side
from lbmodels.train.recipe import LoopConfig
from lbmodels.weights.modules import save_weights

_SETTLING_FRAMES = 25
_TEMPO_SPREAD = 0.03
_WINDOW_S = 0.07


@dataclass(frozen=True, kw_only=True)
class TimekeeperTraining:
    """Weights of the losses beside the beats' own, songs a figure of the validation is taken from, and the rest."""

    downbeat_weight: float = 0.5
    tempo_weight: float = 0.05
    validation_songs: int = 12
    validation_frames: int = 1000
    model: TimekeeperConfig = field(default_factory=TimekeeperConfig)
    data: BeatDataConfig = field(default_factory=BeatDataConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)


def listening_losses(heard: Tensor, batch: BeatBatch, model: TimekeeperConfig) -> dict[str, Tensor]:
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
    timekeeper: Timekeeper, heard: Tensor, labels: list[tuple[Song, str]], anticipations: Iterable[int]
) -> list[Followed]:
    """Follow the network's answers [N, F, D] and compare what is told with the truth, from 5 s on."""
    frame_s = STRIDES / timekeeper.config.stride_hz
    kept = timekeeper.follow(heard)
    found = []
    for anticipation in anticipations:
        nothing = torch.full(kept.shape[:-1], torch.nan)
        names = ("beat_phase", "bar_phase", "tempo")
        told = timekeeper.tell(
            kept, dict.fromkeys(names, nothing), torch.full_like(nothing, float(anticipation))
        )
        first = 1 + anticipation
        for n, (song, missing) in enumerate(labels):
            phase, bar = told["beat_phase"][n].numpy(), told["bar_phase"][n].numpy()
            truth = song.beats / timekeeper.config.stride_hz
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


class TimekeeperObjective:
    """One side; see `lbmodels.train.loop.Objective`."""

    def __init__(self, config: TimekeeperTraining, device: torch.device) -> None:
        self.config, self.device = config, device
        torch.manual_seed(config.loop.seed)
        self.timekeeper = Timekeeper(config.model).to(device)
        self.network = self.timekeeper.network
        self.sides: dict[str, Side] = {"network": side(self.network, config.loop, config.loop.learning_rate)}
        self.averaged: dict[str, nn.Module] = {
            "network": copy.deepcopy(self.network).eval().requires_grad_(False)
        }
        front = Timekeeper(config.model).front
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

    def finished(self) -> Timekeeper:
        """A timekeeper with the averaged weights, on the CPU."""
        timekeeper = Timekeeper(self.config.model)
        timekeeper.network.load_state_dict(self.averaged["network"].state_dict())
        return timekeeper.eval().requires_grad_(False)

    @torch.no_grad()
    def sample(self, folder: Path) -> dict[str, float]:
        timekeeper = self.finished()
        heard = torch.cat([timekeeper.network(part) for part in self.mixes.split(8)])
        save_weights(
            folder / "timekeeper.safetensors", timekeeper, kind="timekeeper", config=timekeeper.config
        )
        return averages(judge(timekeeper, heard, self.labels, (0, 25)))


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Train by a recipe's tables; returns the weights, which a model's folder holds as timekeeper.safetensors."""
    config = build(TimekeeperTraining, tables)
    objective = TimekeeperObjective(config, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    run(objective, config.loop, folder, quiet=quiet)
    timekeeper = objective.finished()
    return save_weights(
        folder / "timekeeper.safetensors", timekeeper, kind="timekeeper", config=timekeeper.config
    )
