# SPDX-License-Identifier: GPL-3.0-or-later
"""Teach the generator's tempogram to hear the beat, before anything else is trained.

A two-layer readout of the resonators predicts beat phase and tempo at output time from the mix alone. It
learns in minutes what the whole generator does not find in an hour; `liveband` starts from its weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lbmodels.config import build
from lbmodels.families.liveband.generator import Generator, Played
from lbmodels.train.batches import Batch, LatentSource, to_device
from lbmodels.train.liveband import LiveBandTraining, listening_losses
from lbmodels.train.loop import Side, run, side
from lbmodels.train.ranks import leads
from lbmodels.weights.modules import save_weights

_SETTLING_FRAMES = 60
"""Frames at the start of a crop that are not judged: nobody knows a tempo from the first beat."""


class TempogramReader(nn.Module):
    """The generator's ear for the beat, with a head of its own."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator
        self.head = nn.Linear(generator.config.features, 3)

    def forward(self, batch: Batch) -> Tensor:
        """[B, F, 3]: sine and cosine of the beat phase, log2(BPM / 120), at output time."""
        both = torch.cat(batch.heard, dim=-1)
        felt = self.generator.feel_tempogram(self.generator.tempogram(both), batch.anticipation.unsqueeze(1))
        told: Tensor = self.head(felt)
        return told


class TempogramObjective:
    """One side; see `lbmodels.train.loop.Objective`."""

    def __init__(self, config: LiveBandTraining, device: torch.device) -> None:
        self.config, self.device = config, device
        torch.manual_seed(config.loop.seed)
        generator = Generator(config.model)
        for module in (generator.listen, generator.know, generator.chance, generator.stem, generator.ahead,
                       generator.trunk, generator.play, generator.tell):  # fmt: skip
            module.requires_grad_(False)
        nn.init.normal_(generator.tempogram.onset.weight, std=0.15)
        self.reader = TempogramReader(generator).to(device)
        self.sides: dict[str, Side] = {"reader": side(self.reader, config.loop, config.loop.learning_rate)}
        self.averaged: dict[str, nn.Module] = {}
        self.source = LatentSource(config.data, config.model, config.loop.batch)

    def batches(self, seed: int) -> Iterable[Batch]:
        return self.source.batches("train", seed, 1000)

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        told = self.reader(batch)
        late = {name: value[:, _SETTLING_FRAMES:] for name, value in batch.truth.items()}
        told = told[:, _SETTLING_FRAMES:]
        nothing = torch.zeros(*told.shape[:2], 12, device=told.device)
        losses = listening_losses(Played(told, told[..., :2], told[..., 2], nothing), late)
        return {name: losses[name] for name in ("beat", "tempo")}

    def step(self, batch: Batch, step: int) -> dict[str, float]:  # noqa: ARG002 (the loop's signature)
        losses = self._losses(to_device(batch, self.device))
        gradient = self.sides["reader"].descend(losses["beat"] + 0.5 * losses["tempo"])
        return {"gradient": gradient} | {name: float(value.detach()) for name, value in losses.items()}

    @torch.no_grad()
    def sample(self, folder: Path) -> dict[str, float]:  # noqa: ARG002 (nothing to hear yet)
        found = [self._losses(to_device(b, self.device)) for b in self.source.batches("validation", 99, 4)]
        return {
            f"validation_{name}": float(torch.stack([f[name] for f in found]).mean()) for name in found[0]
        }


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Train by a recipe's tables; returns the weights of a generator that has only learned to hear the beat."""
    config = build(LiveBandTraining, tables)
    config = replace(config, data=replace(config.data, blind_share=1.0))
    objective = TempogramObjective(config, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    run(objective, config.loop, folder, quiet=quiet)
    path = folder / "generator.safetensors"
    if not leads():
        return path
    return save_weights(path, objective.reader.generator, kind="liveband-generator", config=config.model)
