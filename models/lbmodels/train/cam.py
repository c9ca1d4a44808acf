# SPDX-License-Identifier: GPL-3.0-or-later
"""Train continuous autoregression (Pasini, Nistal, Lattner and Fazekas 2024): the velocity of a rectified flow of the next frame's latents.

See `lbmodels.train.continuation`: its own past is the true one under noise of random strength, which is what keeps errors from piling up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lbmodels.config import build
from lbmodels.errors import LiveBandModelError
from lbmodels.families.cam.arrangement import classes_of
from lbmodels.families.cam.family import ARRANGEMENT, CAM
from lbmodels.families.cam.network import Cam, CamConfig, FlowContinuation
from lbmodels.families.codec_lm.continuation import Continuation, Drafts
from lbmodels.train.batches import Batch
from lbmodels.train.continuation import (
    ContinuationObjective,
    ContinuationTraining,
    ListeningWeights,
    PastTasks,
    train,
)
from lbmodels.train.pace import settled
from lbmodels.train.ranks import leads
from lbmodels.weights.manifest import write_manifest
from lbmodels.weights.modules import load_part, save_weights


@dataclass(frozen=True, kw_only=True)
class Tasks(PastTasks):
    """`draws`: points on the way from noise to latents that a position is learned from in a step."""

    draws: int = 2


@dataclass(frozen=True, kw_only=True)
class LossWeights(ListeningWeights):
    """One weight per loss of the same name."""

    flow: float = 1.0
    drafts: float = 1.0


@dataclass(frozen=True, kw_only=True)
class CamTraining(ContinuationTraining):
    """A whole recipe. `arrangement`: weights of `liveband train arrangement`, which choose the levels that it learns to play at."""

    model: CamConfig = field(default_factory=CamConfig)
    tasks: Tasks = field(default_factory=Tasks)
    weights: LossWeights = field(default_factory=LossWeights)
    arrangement: str = ""


class FlowObjective(ContinuationObjective):
    """Square error of velocities, of which a step takes so many `draws`."""

    network: FlowContinuation
    draws: int

    @torch.no_grad()
    def calibrate(self) -> None:
        """Begin with the normal distribution around a straight line's guess."""
        flow = self.network.flow
        h, y = self.expected(flow.expect, 6)
        flow.log_spread.copy_((y - flow.expect(h)).std(0).clamp(min=1e-3).log())

    def drawn_losses(
        self, network: Continuation, batch: Batch, h: Tensor, drafts: Drafts, drafted: Tensor, *, whole: bool
    ) -> dict[str, Tensor]:
        assert isinstance(network, FlowContinuation)
        flow, draws = network.flow, self.draws * (4 if whole else 1)
        losses = {"flow": flow.loss(h, batch.played, draws)}
        place = drafts.positions()
        if len(place):
            losses["drafts"] = flow.loss(drafted, batch.played[:, place], draws)
        return losses


class CamObjective(FlowObjective):
    """It is told the levels that it is to play at."""

    network: Cam

    def __init__(self, config: CamTraining, folder: Path, device: torch.device) -> None:
        self.config, self.draws = config, config.tasks.draws
        super().__init__(
            config, config.model.hearing, config.tasks, asdict(config.weights), CAM, folder, device
        )

    def build(self, folder: Path) -> Cam:
        del folder
        return Cam(self.config.model)

    def known(self, batch: Batch) -> Tensor:
        return torch.cat([batch.known, classes_of(batch.level)], dim=-1)


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Train by a recipe's tables into `folder`, which becomes a model; returns the averaged weights' path, cam.safetensors."""
    config = build(CamTraining, tables)
    if not config.arrangement:
        raise LiveBandModelError("arrangement: missing; accepted are weights of `liveband train arrangement`")
    arrangement = load_part(ARRANGEMENT, Path(config.arrangement))
    config = replace(config, loop=settled(config.loop, quiet=quiet))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    path = train(CamObjective(config, folder, device), config.model, folder, quiet=quiet)
    if leads():
        kept = folder / f"{ARRANGEMENT.name}.safetensors"
        save_weights(kept, arrangement, kind=ARRANGEMENT.kind, config=arrangement.config)
        parts = "codec", "arrangement", "cam"
        write_manifest(folder, "cam", parts, recipe="cam", description="draws what it plays with a live mix")
    return path
