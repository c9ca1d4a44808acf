# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the arrangement: the class of level of each frame that comes next, by cross-entropy.

See `lbmodels.train.continuation`. Its past is the true one as it stands: what it draws later is of the same few classes. In some of the
sequences the player stops for a while, and the part with him: no song shows that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lbmodels.band import Heard
from lbmodels.config import build
from lbmodels.families.cam.arrangement import Arrangement, ArrangementConfig, classes_of
from lbmodels.families.cam.family import ARRANGEMENT
from lbmodels.families.codec_lm.continuation import Continuation, Drafts
from lbmodels.streaming.spectral import SemitoneFrontEnd
from lbmodels.train.batches import Batch
from lbmodels.train.continuation import (
    ContinuationObjective,
    ContinuationTraining,
    ListeningWeights,
    PastTasks,
    train,
)
from lbmodels.train.pace import settled

_SETTLED_FRAMES = 32
"""After so many frames of silence what is heard of it stays as it is."""


@dataclass(frozen=True, kw_only=True)
class Tasks(PastTasks):
    """`stop_share`: of sequences in which the player stops for at least `stop_s`; the part rests from `stop_beats` beats after that on,
    until he plays again.
    """

    noise: float = 0.0
    stop_share: float = 0.2
    stop_s: float = 3.0
    stop_beats: float = 1.25


def with_stops(batch: Batch, tasks: Tasks, silence: Heard, frame_rate: float) -> Batch:
    """A batch in some of whose rows the player stops; silence: what is heard of it, [1, ...]."""
    rows, frames = batch.level.shape
    shortest = round(tasks.stop_s * frame_rate)
    heard, level = Heard(*(part.clone() for part in batch.heard)), batch.level.clone()
    for row in range(rows):
        if float(torch.rand(())) >= tasks.stop_share or frames <= shortest:
            continue
        start = int(torch.randint(frames - shortest, ()))
        end = start + int(torch.randint(shortest, frames - start + 1, ()))
        bpm = float(batch.truth["tempo"][row, start].nan_to_num(120.0))
        rests = start + round(tasks.stop_beats * 60 / bpm * frame_rate)
        for part, quiet in zip(heard, silence, strict=True):
            part[row, start:end] = quiet
        level[row, rests:end] = -torch.inf
    return batch._replace(heard=heard, level=level)


@dataclass(frozen=True, kw_only=True)
class LossWeights(ListeningWeights):
    """One weight per loss of the same name."""

    level: float = 1.0
    drafts: float = 1.0
    chord: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ArrangementTraining(ContinuationTraining):
    """A whole recipe."""

    model: ArrangementConfig = field(default_factory=ArrangementConfig)
    tasks: Tasks = field(default_factory=Tasks)
    weights: LossWeights = field(default_factory=LossWeights)


class ArrangementObjective(ContinuationObjective):
    """Cross-entropy of classes of level, in nats."""

    network: Arrangement

    def __init__(self, config: ArrangementTraining, folder: Path, device: torch.device) -> None:
        self.config = config
        super().__init__(
            config, config.model.hearing, config.tasks, asdict(config.weights), ARRANGEMENT, folder, device
        )
        sizes = self.source.codec.config
        nothing = torch.zeros(1, _SETTLED_FRAMES, 2, sizes.hop)
        ear = SemitoneFrontEnd(
            sample_rate=sizes.sample_rate, hop=sizes.hop, semitones=config.model.hearing.semitones
        )
        with torch.no_grad():
            self.silence = Heard(self.source.codec.encoder(nothing)[0, -1:], ear(nothing)[0, -1:])

    def build(self, folder: Path) -> Arrangement:
        del folder
        return Arrangement(self.config.model)

    def calibrate(self) -> None:
        """Chance is a fair beginning here."""

    def batches(self, seed: int) -> Iterable[Batch]:
        rate = self.config.model.hearing.frame_rate
        for batch in super().batches(seed):
            yield with_stops(batch, self.config.tasks, self.silence, rate)

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
