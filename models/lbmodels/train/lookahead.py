# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the look-ahead family's teacher: diffusion in-painting of windows whose end is not heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lbmodels.config import build
from lbmodels.errors import LiveBandModelError
from lbmodels.families.liveband.family import GENERATOR
from lbmodels.families.lookahead.loading import KIND
from lbmodels.families.lookahead.network import LookaheadConfig, Seen, WindowNetwork
from lbmodels.train.batches import LatentDataConfig
from lbmodels.train.pace import settled
from lbmodels.train.recipe import LoopConfig
from lbmodels.train.windows import WindowObjective, WindowTasks, check_tasks, diffusion_loss, train
from lbmodels.weights.modules import read_weights


@dataclass(frozen=True, kw_only=True)
class LookaheadTraining:
    """A whole recipe; the window's length is `model.columns`, whatever the data's crop says."""

    model: LookaheadConfig = field(default_factory=LookaheadConfig)
    data: LatentDataConfig = field(default_factory=LatentDataConfig)
    tasks: WindowTasks = field(default_factory=WindowTasks)
    loop: LoopConfig = field(default_factory=LoopConfig)
    start_from: str = ""


def start(network: WindowNetwork, path: Path) -> None:
    """Fill what the weights have: all of a window network's, or of a LiveBand generator its ears and its trunk.

    Raises:
        LiveBandModelError: neither, or of other sizes.
    """
    try:
        tensors = {f"hearing.{n}": t for n, t in read_weights(path, GENERATOR.kind)[1].items()}
    except LiveBandModelError:
        tensors = dict(read_weights(path, KIND)[1])
    mine = network.state_dict()
    fitting = {n: t.float() for n, t in tensors.items() if n in mine and mine[n].shape == t.shape}
    if not fitting:
        raise LiveBandModelError(f"{path} has other sizes than the recipe: nothing to start from")
    network.load_state_dict(fitting, strict=False)


class LookaheadObjective(WindowObjective):
    """A regression of clean latents."""

    def __init__(self, config: LookaheadTraining, device: torch.device) -> None:
        check_tasks(config.tasks)
        if config.model.student:
            raise LiveBandModelError(
                "model.student: a student is trained from a teacher, by `liveband train consistency`"
            )
        torch.manual_seed(config.loop.seed)
        network = WindowNetwork(config.model)
        if config.start_from:
            start(network, Path(config.start_from))
        super().__init__(network, {"diffusion": 1.0}, config.data, config.tasks, config.loop, device)

    def losses(self, network: WindowNetwork, seen: Seen, clean: Tensor, noise: Tensor) -> dict[str, Tensor]:
        levels = self.tasks.log_mean + self.tasks.log_deviation * torch.randn(len(clean))
        return {"diffusion": diffusion_loss(network, seen, clean, levels.exp().to(self.device), noise)}


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Train by a recipe's tables into `folder`; returns the averaged weights' path, teacher.safetensors."""
    config = build(LookaheadTraining, tables)
    config = replace(config, loop=settled(config.loop, quiet=quiet))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return train(LookaheadObjective(config, device), "teacher", folder, quiet=quiet)
