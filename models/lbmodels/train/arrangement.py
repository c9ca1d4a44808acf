# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the arrangement: the class of level of each frame that comes next, by cross-entropy.

See `lbmodels.train.continuation`. Its past is the true one as it stands: what it draws later is of the same few classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lbmodels.config import build
from lbmodels.families.cam.arrangement import Arrangement, ArrangementConfig, classes_of
from lbmodels.families.cam.family import ARRANGEMENT
from lbmodels.families.codec_lm.continuation import Continuation, Drafts
from lbmodels.train.batches import Batch
from lbmodels.train.continuation import ContinuationObjective, ContinuationTraining, PastTasks, train
from lbmodels.train.pace import settled


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """One weight per loss of the same name."""

    level: float = 1.0
    drafts: float = 1.0
    beat: float = 0.2
    tempo: float = 0.05
    chord: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ArrangementTraining(ContinuationTraining):
    """A whole recipe."""

    model: ArrangementConfig = field(default_factory=ArrangementConfig)
    tasks: PastTasks = field(default_factory=lambda: PastTasks(noise=0.0))
    weights: LossWeights = field(default_factory=LossWeights)


class ArrangementObjective(ContinuationObjective):
    """Cross-entropy of classes of level, in nats."""

    network: Arrangement

    def __init__(self, config: ArrangementTraining, folder: Path, device: torch.device) -> None:
        self.config = config
        super().__init__(
            config, config.model.hearing, config.tasks, asdict(config.weights), ARRANGEMENT, folder, device
        )

    def build(self, folder: Path) -> Arrangement:
        del folder
        return Arrangement(self.config.model)

    def calibrate(self) -> None:
        """Chance is a fair beginning here."""

    def played(self, batch: Batch) -> Tensor:
        return classes_of(batch.level)

    def drawn_losses(
        self, network: Continuation, batch: Batch, h: Tensor, drafts: Drafts, drafted: Tensor, *, whole: bool
    ) -> dict[str, Tensor]:
        del whole
        assert isinstance(network, Arrangement)
        aims = self.played(batch)
        rests = aims[..., 0].mean()
        logits = network.choose(h)
        losses = {
            "level": F.cross_entropy(logits.flatten(0, 1).float(), aims.flatten(0, 1)),
            "rests_off": logits.detach().softmax(-1)[..., 0].mean() - rests,
        }
        place = drafts.positions()
        if len(place):
            ahead = network.choose(drafted).flatten(0, 1).float()
            losses["drafts"] = F.cross_entropy(ahead, aims[:, place].flatten(0, 1))
        return losses


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Train by a recipe's tables into `folder`; returns the averaged weights' path, arrangement.safetensors."""
    config = build(ArrangementTraining, tables)
    config = replace(config, loop=settled(config.loop, quiet=quiet))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return train(ArrangementObjective(config, folder, device), config.model, folder, quiet=quiet)
