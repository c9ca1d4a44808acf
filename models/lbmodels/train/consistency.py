# SPDX-License-Identifier: GPL-3.0-or-later
"""Distil a look-ahead teacher into a consistency student, which fills a window in 1 to 4 calls (Song and others 2023).

The student's answer at a noise level must be that of its own slow average at the next lower level of the teacher's path; a share of
the plain diffusion loss keeps it on the data.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lbmodels.config import build
from lbmodels.errors import LiveBandModelError
from lbmodels.families.lookahead.diffusion import heun_step
from lbmodels.families.lookahead.loading import KIND, load_network
from lbmodels.families.lookahead.network import WindowNetwork
from lbmodels.train.batches import Batch, LatentDataConfig, to_device
from lbmodels.train.lookahead import (
    WindowSource,
    WindowTasks,
    check_tasks,
    diffusion_loss,
    draw_windows,
    seen_of,
)
from lbmodels.train.loop import Side, leads, run, side
from lbmodels.train.pace import settled
from lbmodels.train.recipe import LoopConfig
from lbmodels.weights.manifest import write_manifest
from lbmodels.weights.modules import save_weights


@dataclass(frozen=True, kw_only=True)
class ConsistencyTraining:
    """A whole recipe. `teacher`: its weights, whose sizes the student has.

    `levels`: noise levels of the path, two or more. `teacher_steps`: levels that the teacher goes down at a time, drawn from 1 to so
    many. `diffusion`: weight of the diffusion loss beside the consistency loss.
    """

    teacher: str = ""
    levels: int = 18
    teacher_steps: int = 4
    diffusion: float = 0.5
    data: LatentDataConfig = field(default_factory=LatentDataConfig)
    tasks: WindowTasks = field(default_factory=WindowTasks)
    loop: LoopConfig = field(default_factory=LoopConfig)


class ConsistencyObjective:
    """A student that agrees with its own average along the teacher's path; see `lbmodels.train.loop.Objective`."""

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
        self.config, self.device = config, device
        torch.manual_seed(config.loop.seed)
        self.teacher = teacher.to(device)
        self.model = replace(teacher.config, student=True)
        self.student = WindowNetwork(self.model)
        self.student.load_state_dict(teacher.state_dict())
        self.student.to(device)
        self.sides: dict[str, Side] = {"network": side(self.student, config.loop, config.loop.learning_rate)}
        self.averaged: dict[str, nn.Module] = {
            "network": copy.deepcopy(self.student).eval().requires_grad_(False)
        }
        self.sigmas = torch.tensor(self.model.schedule().levels(config.levels))
        self.source = WindowSource(self.model, config.data, config.loop.batch)

    def batches(self, seed: int) -> Iterable[Batch]:
        return self.source.batches("train", seed, 64)

    def _losses(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Consistency and diffusion loss of a batch."""
        assert isinstance(network, WindowNetwork)
        average = self.averaged["network"]
        assert isinstance(average, WindowNetwork)
        rows = len(batch.stem)
        heard, known = draw_windows(self.config.tasks, rows, self.model.columns)
        batch = to_device(batch, self.device)
        seen = seen_of(batch, heard.to(self.device), known.to(self.device))
        clean = batch.played
        noise = torch.randn(clean.shape).to(self.device) * self.model.sigma_data
        steps = int(torch.randint(1, self.config.teacher_steps + 1, ()))
        # One start for the batch: the steps of the path are then the same for all rows.
        start = int(torch.randint(self.config.levels - steps, ()))
        sigmas = [float(sigma) for sigma in self.sigmas[start : start + steps + 1]]
        high, low = (torch.full((rows,), sigmas[i], device=self.device) for i in (0, -1))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.loop.bf16):
            with torch.no_grad():
                x = clean + sigmas[0] * noise
                for a, b in itertools.pairwise(sigmas):
                    x = heun_step(x, lambda y, sigma: self.teacher.denoise(y, sigma, seen), a, b)
                wanted = average.denoise(x, low, seen)
            answer = network.denoise(clean + sigmas[0] * noise, high, seen)
            asked = (~seen.known).unsqueeze(-1).to(clean.dtype)
            consistent = ((answer - wanted).square() * asked).sum() / (asked.sum() * clean.shape[-1])
            diffused = diffusion_loss(network, seen, clean, high, noise)
        return consistent, diffused

    def step(self, batch: Batch, step: int) -> dict[str, float]:
        del step
        consistent, diffused = self._losses(self.student, batch)
        gradient = self.sides["network"].descend(consistent + self.config.diffusion * diffused)
        return {
            "consistency": float(consistent.detach()),
            "diffusion": float(diffused.detach()),
            "gradient": gradient,
        }

    @torch.no_grad()
    def sample(self, folder: Path) -> dict[str, float]:
        """Both losses on validation windows by the averaged weights, the same windows and noise each time."""
        del folder
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(99)
            losses = [
                [float(loss) for loss in self._losses(self.averaged["network"], batch)]
                for batch in self.source.batches("validation", 99, 4)
            ]
        consistent, diffused = np.mean(losses, axis=0)
        return {"validation_consistency": float(consistent), "validation_diffusion": float(diffused)}


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Distil by a recipe's tables into `folder`; returns the averaged weights' path, student.safetensors."""
    config = build(ConsistencyTraining, tables)
    config = replace(config, loop=settled(config.loop, quiet=quiet))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    objective = ConsistencyObjective(config, device)
    run(objective, config.loop, folder, quiet=quiet)
    path = folder / "student.safetensors"
    if not leads():
        return path
    codec = objective.source.source.codec
    save_weights(folder / "codec.safetensors", codec, kind="codec", config=codec.config)
    save_weights(path, objective.averaged["network"], kind=KIND, config=objective.model)
    parts = [part for part in ("codec", "teacher", "student") if (folder / f"{part}.safetensors").is_file()]
    write_manifest(
        folder, "lookahead", parts, recipe="lookahead", description="look-ahead windows by diffusion"
    )
    return path
