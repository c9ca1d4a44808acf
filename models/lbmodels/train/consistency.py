# SPDX-License-Identifier: GPL-3.0-or-later
"""Distil a look-ahead teacher into a consistency student, which fills a window in 1 to 4 calls (Song and others 2023).

The student's answer at a noise level must be that of its own slow average at the next lower level of the teacher's path; a share of
the plain diffusion loss keeps it on the data.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lbmodels.config import build
from lbmodels.errors import LiveBandModelError
from lbmodels.families.lookahead.diffusion import heun_step
from lbmodels.families.lookahead.loading import load_network
from lbmodels.families.lookahead.network import Seen, WindowNetwork
from lbmodels.train.batches import LatentDataConfig
from lbmodels.train.pace import settled
from lbmodels.train.recipe import LoopConfig
from lbmodels.train.windows import WindowObjective, WindowTasks, as_seen, check_tasks, diffusion_loss, train


@dataclass(frozen=True, kw_only=True)
class ConsistencyTraining:
    """A whole recipe. `teacher`: its weights, whose sizes the student has.

    `levels`: noise levels of the path, two or more. `teacher_steps`: levels that the teacher goes down at a time, drawn from 1 to so
    many. `guidance`: how far it is led to what the host tells. `diffusion`: weight of the diffusion loss beside the consistency loss.
    """

    teacher: str = ""
    levels: int = 18
    teacher_steps: int = 4
    guidance: float = 0.0
    diffusion: float = 0.5
    data: LatentDataConfig = field(default_factory=LatentDataConfig)
    tasks: WindowTasks = field(default_factory=WindowTasks)
    loop: LoopConfig = field(default_factory=LoopConfig)


class ConsistencyObjective(WindowObjective):
    """A student that agrees with its own average along the teacher's path."""

    def __init__(self, config: ConsistencyTraining, device: torch.device) -> None:
        """Raises LiveBandModelError: no teacher, a student as teacher, or levels of which there is no path."""
        check_tasks(config.tasks)
        if not config.teacher:
            raise LiveBandModelError(
                "teacher: name its weights, as --set teacher=runs/lookahead/teacher.safetensors"
            )
        if config.levels < 2 or not 1 <= config.teacher_steps < config.levels:
            raise LiveBandModelError(
                f"levels {config.levels}, teacher_steps {config.teacher_steps}: accepted are 2 levels or more and 1 step up to "
                "one less"
            )
        teacher = load_network(Path(config.teacher))
        if teacher.config.student:
            raise LiveBandModelError(f"{config.teacher} is a student already; give its teacher")
        self.config = config
        torch.manual_seed(config.loop.seed)
        self.teacher = teacher.to(device)
        student = WindowNetwork(replace(teacher.config, student=True))
        student.load_state_dict(teacher.state_dict())
        weights = {"consistency": 1.0, "diffusion": config.diffusion}
        super().__init__(student, weights, config.data, config.tasks, config.loop, device)
        self.sigmas = torch.tensor(self.model.schedule().levels(config.levels))

    def losses(self, network: WindowNetwork, seen: Seen, clean: Tensor, noise: Tensor) -> dict[str, Tensor]:
        average = self.averaged["network"]
        assert isinstance(average, WindowNetwork)
        steps = int(torch.randint(1, self.config.teacher_steps + 1, ()))
        # One start for the batch: the steps of the path are then the same for all rows.
        start = int(torch.randint(self.config.levels - steps, ()))
        sigmas = [float(sigma) for sigma in self.sigmas[start : start + steps + 1]]
        high, low = (torch.full((len(clean),), sigmas[i], device=self.device) for i in (0, -1))
        begun = as_seen(seen, clean) + sigmas[0] * noise
        with torch.no_grad():
            x, denoise = begun, self.teacher.guided(seen, self.config.guidance)
            for a, b in itertools.pairwise(sigmas):
                x = heun_step(x, denoise, a, b)
            wanted = average.denoise(x, low, seen)
        answer = network.denoise(begun, high, seen)
        asked = (~seen.known).unsqueeze(-1).to(clean.dtype)
        consistent = ((answer - wanted).square() * asked).sum() / (asked.sum() * clean.shape[-1])
        return {
            "consistency": consistent,
            "diffusion": diffusion_loss(network, seen, clean, high, noise),
        }


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Distil by a recipe's tables into `folder`; returns the averaged weights' path, student.safetensors."""
    config = build(ConsistencyTraining, tables)
    config = replace(config, loop=settled(config.loop, quiet=quiet))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return train(ConsistencyObjective(config, device), "student", folder, quiet=quiet)
