# SPDX-License-Identifier: GPL-3.0-or-later
"""Teach the chord tracker which tones a chord has and which is the lowest, from the mix without the player."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.config import build
from lbmodels.families.liveband.generator import GeneratorConfig
from lbmodels.listening.chord_tracker import ChordTracker, ChordTrackerConfig
from lbmodels.train.batches import Batch, LatentDataConfig, LatentSource, to_device
from lbmodels.train.loop import Side, run, side
from lbmodels.train.ranks import leads
from lbmodels.train.recipe import LoopConfig
from lbmodels.weights.modules import save_weights

_SETTLING_FRAMES = 50
"""Frames at the start of a crop that are not judged."""


@dataclass(frozen=True, kw_only=True)
class ChordTrackerTraining:
    """A whole recipe. Mixes are transposed by up to `transpose` semitones either way; their level moves by `gain`."""

    model: ChordTrackerConfig = field(default_factory=ChordTrackerConfig)
    data: LatentDataConfig = field(default_factory=LatentDataConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    transpose: int = 6
    gain: float = 0.15


def shifted(semitones: Tensor, by: Tensor) -> Tensor:
    """Energies [B, F, S], each row moved up by its number of semitones [B]; silence comes in at the edge."""
    size = semitones.shape[-1]
    source = torch.arange(size, device=semitones.device) - by.unsqueeze(-1)
    moved = semitones.gather(-1, source.clamp(0, size - 1).unsqueeze(1).expand_as(semitones))
    inside = ((source >= 0) & (source < size)).unsqueeze(1)
    return torch.where(inside, moved, semitones.amin(-1, keepdim=True))


def truth_of(batch: Batch, by: Tensor) -> tuple[Tensor, Tensor]:
    """Tones [B, F, 12] and lowest tone [B, F] of the chords, moved up by semitones [B]; NaN where none is known."""
    chord, lowest = batch.truth["chord"], batch.truth["chord_bass"]
    source = (torch.arange(12, device=chord.device) - by.unsqueeze(-1)) % 12
    chord = chord.gather(-1, source.unsqueeze(1).expand_as(chord))
    known = (chord.sum(-1) > 0) & ~lowest.isnan()
    return torch.where(known.unsqueeze(-1), chord, torch.nan), torch.where(
        known, (lowest + by.unsqueeze(-1)) % 12, torch.nan
    )


class ChordTrackerObjective:
    """One side; see `lbmodels.train.loop.Objective`."""

    def __init__(self, config: ChordTrackerTraining, device: torch.device) -> None:
        self.config, self.device = config, device
        torch.manual_seed(config.loop.seed)
        self.tracker = ChordTracker(config.model).to(device)
        self.sides: dict[str, Side] = {"tracker": side(self.tracker, config.loop, config.loop.learning_rate)}
        self.averaged: dict[str, nn.Module] = {
            "tracker": copy.deepcopy(self.tracker).eval().requires_grad_(False)
        }
        # It tells the chord that sounds next, up to three frames ahead, whatever the player's anticipation.
        told = GeneratorConfig(semitones=config.model.semitones, anticipation_max=2)
        self.source = LatentSource(config.data, told, config.loop.batch)

    def batches(self, seed: int) -> Iterable[Batch]:
        return self.source.batches("train", seed, 1000)

    def _losses(self, tracker: ChordTracker, batch: Batch, by: Tensor, gain: Tensor) -> dict[str, Tensor]:
        heard = (shifted(batch.heard.semitones, by) + gain.view(-1, 1, 1)).clamp(min=0)
        logits = tracker.hear(heard)[:, _SETTLING_FRAMES:]
        tones, lowest = (value[:, _SETTLING_FRAMES:] for value in truth_of(batch, by))
        known = ~lowest.isnan()
        return {
            "tones": F.binary_cross_entropy_with_logits(logits[..., :12][known], tones[known]),
            "lowest": F.cross_entropy(logits[..., 12:][known], lowest[known].long()),
        }

    def step(self, batch: Batch, step: int) -> dict[str, float]:  # noqa: ARG002 (the loop's signature)
        batch = to_device(batch, self.device)
        rows, config = len(batch.stem), self.config
        by = torch.randint(-config.transpose, config.transpose + 1, (rows,), device=self.device)
        gain = config.gain * (2 * torch.rand(rows, device=self.device) - 1)
        losses = self._losses(self.tracker, batch, by, gain)
        gradient = self.sides["tracker"].descend(losses["tones"] + 0.3 * losses["lowest"])
        return {"gradient": gradient} | {name: float(value.detach()) for name, value in losses.items()}

    @torch.no_grad()
    def sample(self, folder: Path) -> dict[str, float]:  # noqa: ARG002 (nothing to hear)
        """How it hears validation songs: losses, how often it tells a chord, and how often that is right."""
        tracker = self.averaged["tracker"]
        assert isinstance(tracker, ChordTracker)
        found: dict[str, list[float]] = {}
        for batch in self.source.batches("validation", 99, 6):
            batch = to_device(batch, self.device)
            none = torch.zeros(len(batch.stem), device=self.device)
            figures = {
                name: float(value) for name, value in self._losses(tracker, batch, none.long(), none).items()
            }
            y = tracker(batch.heard.semitones)[:, _SETTLING_FRAMES:]
            tones, lowest = (value[:, _SETTLING_FRAMES:] for value in truth_of(batch, none.long()))
            told = (y[..., 14] > 0.5) & ~lowest.isnan()
            figures["told"] = float(told.sum() / (~lowest.isnan()).sum())
            figures["right_lowest"] = float((y[..., 12] == lowest)[told].float().mean())
            overlap = (y[..., :12] * tones).sum(-1) / torch.maximum(y[..., :12], tones).sum(-1)
            figures["right_tones"] = float(overlap[told].mean())
            for name, value in figures.items():
                found.setdefault(f"validation_{name}", []).append(value)
        return {name: sum(values) / len(values) for name, values in found.items()}


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Train by a recipe's tables; returns the averaged weights' path."""
    config = build(ChordTrackerTraining, tables)
    objective = ChordTrackerObjective(config, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    run(objective, config.loop, folder, quiet=quiet)
    path = folder / "chord_tracker.safetensors"
    if not leads():
        return path
    return save_weights(path, objective.averaged["tracker"], kind="chord_tracker", config=config.model)
