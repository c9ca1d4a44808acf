# SPDX-License-Identifier: GPL-3.0-or-later
"""Train live music: the flow of `lbmodels.train.cam`, of whole mixes that hear themselves, steered by wishes that are often not told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from lbmodels.config import build
from lbmodels.families.cam.family import CAM
from lbmodels.families.codec_lm.continuation import Past
from lbmodels.families.livemusic.family import LIVEMUSIC
from lbmodels.families.livemusic.network import LiveMusic, LiveMusicConfig
from lbmodels.train.batches import Batch
from lbmodels.train.cam import FlowObjective, LossWeights, Tasks
from lbmodels.train.continuation import ContinuationTraining, draw_past, train
from lbmodels.train.mixes import MixSource
from lbmodels.train.pace import settled
from lbmodels.train.ranks import leads
from lbmodels.weights.manifest import write_manifest


@dataclass(frozen=True, kw_only=True)
class LiveMusicTraining(ContinuationTraining):
    """A whole recipe. `start_from` may also be weights of the accompanist `cam`."""

    model: LiveMusicConfig = field(default_factory=LiveMusicConfig)
    tasks: Tasks = field(default_factory=Tasks)
    weights: LossWeights = field(default_factory=LossWeights)


class LiveMusicObjective(FlowObjective):
    """Its past is what it played, which may lack what it hears."""

    network: LiveMusic
    source_type = MixSource
    starts_from = CAM

    def __init__(self, config: LiveMusicTraining, folder: Path, device: torch.device) -> None:
        self.config, self.draws = config, config.tasks.draws
        super().__init__(
            config, config.model.hearing, config.tasks, asdict(config.weights), LIVEMUSIC, folder, device
        )

    def build(self, folder: Path) -> LiveMusic:
        del folder
        return LiveMusic(self.config.model)

    def past(self, batch: Batch) -> Past:
        return draw_past(batch.truth["own"], self.tasks)


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Train by a recipe's tables into `folder`, which becomes a model; returns the averaged weights' path, livemusic.safetensors."""
    config = build(LiveMusicTraining, tables)
    config = replace(config, loop=settled(config.loop, quiet=quiet))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    path = train(LiveMusicObjective(config, folder, device), config.model, folder, quiet=quiet)
    if leads():
        parts = "codec", "livemusic"
        write_manifest(
            folder, "livemusic", parts, recipe="livemusic", description="an endless stream of a whole band"
        )
    return path
