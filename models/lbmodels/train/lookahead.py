# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the look-ahead family's teacher: diffusion in-painting of windows whose end is not heard.

Noise levels ln sigma ~ N(-1.2, 1.2) and the loss weight are those of Karras and others 2022; how much of the mix's end is hidden and
how much of the stem is known follow the window protocol for random step ratios and look-aheads.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lbmodels.config import build
from lbmodels.errors import LiveBandModelError
from lbmodels.families.liveband.generator import GeneratorConfig
from lbmodels.families.lookahead.loading import KIND
from lbmodels.families.lookahead.network import LookaheadConfig, Seen, WindowNetwork
from lbmodels.families.lookahead.window import LOOK_AHEADS, Window
from lbmodels.train.batches import Batch, LatentDataConfig, LatentSource, to_device
from lbmodels.train.loop import Side, leads, run, side
from lbmodels.train.pace import settled
from lbmodels.train.recipe import LoopConfig
from lbmodels.weights.manifest import write_manifest
from lbmodels.weights.modules import save_weights


@dataclass(frozen=True, kw_only=True)
class WindowTasks:
    """What a window is asked for in training, drawn for each example.

    `ratios`: step ratios, of which those that a look-ahead allows are drawn. `whole_share`: of windows of which nothing of the stem
    is known, as at a cold start. ln sigma is normal with `log_mean` and `log_deviation`.
    """

    ratios: tuple[float, ...] = (0.0625, 0.125, 0.25, 0.5)
    whole_share: float = 0.15
    log_mean: float = -1.2
    log_deviation: float = 1.2


@dataclass(frozen=True, kw_only=True)
class LookaheadTraining:
    """A whole recipe; the window's length is `model.columns`, whatever the data's crop says."""

    model: LookaheadConfig = field(default_factory=LookaheadConfig)
    data: LatentDataConfig = field(default_factory=LatentDataConfig)
    tasks: WindowTasks = field(default_factory=WindowTasks)
    loop: LoopConfig = field(default_factory=LoopConfig)
    start_from: str = ""


def draw_windows(tasks: WindowTasks, batch: int, columns: int) -> tuple[Tensor, Tensor]:
    """Which columns are heard and which known, [batch, columns] each, of windows drawn at random by torch's generator."""
    column = torch.arange(columns)
    heard, known = [], []
    for _ in range(batch):
        ahead = LOOK_AHEADS[int(torch.randint(len(LOOK_AHEADS), ()))]
        ratios = [ratio for ratio in tasks.ratios if (ahead + 1) * ratio <= 0.5]
        window = Window(ratio=ratios[int(torch.randint(len(ratios), ()))], look_ahead=ahead)
        whole = bool(torch.rand(()) < tasks.whole_share)
        heard.append(column < window.heard_columns(columns))
        known.append(column < (0 if whole else columns - window.new_columns(columns)))
    return torch.stack(heard), torch.stack(known)


def seen_of(batch: Batch, heard: Tensor, known: Tensor) -> Seen:
    """What a network sees of a batch whose stems are the truth."""
    return Seen(batch.around.latents, heard, batch.played, known, batch.known, batch.stem)


def check_tasks(tasks: WindowTasks) -> None:
    """Raises LiveBandModelError: ratios that no window has."""
    if not tasks.ratios or any(not 0 < ratio <= 0.5 for ratio in tasks.ratios):
        raise LiveBandModelError(
            f"tasks.ratios {tasks.ratios}: accepted are step ratios above 0, at most 0.5"
        )
    if min(tasks.ratios) > 0.25:
        raise LiveBandModelError(f"tasks.ratios {tasks.ratios}: look-ahead needs one of at most 0.25")


class WindowSource:
    """Batches of windows of latents from a data set or a pool."""

    def __init__(self, model: LookaheadConfig, data: LatentDataConfig, batch: int) -> None:
        sizes = GeneratorConfig(
            latent=model.latent, semitones=model.semitones, stems=model.stems, anticipation_max=1
        )
        self.source = LatentSource(replace(data, crop_frames=model.columns), sizes, batch)

    def batches(self, split: str, seed: int, count: int) -> Iterable[Batch]:
        return self.source.batches(split, seed, count)


def diffusion_loss(network: WindowNetwork, seen: Seen, clean: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    """Weighted squared error of what is not known, mean over a batch: clean, noise [B, C, latent], sigma [B]."""
    pre = network.config.preconditioning()
    each = sigma[:, None, None]
    answer = network.denoise(clean + each * noise, sigma, seen)
    asked = (~seen.known).unsqueeze(-1).to(clean.dtype)
    error = (answer - clean).square() * asked
    return (pre.weight(each) * error).sum() / (asked.sum() * clean.shape[-1])


class LookaheadObjective:
    """A regression of clean latents; see `lbmodels.train.loop.Objective`."""

    def __init__(self, config: LookaheadTraining, device: torch.device) -> None:
        check_tasks(config.tasks)
        if config.model.student:
            raise LiveBandModelError(
                "model.student: a student is trained from a teacher, by `liveband train consistency`"
            )
        self.config, self.device = config, device
        torch.manual_seed(config.loop.seed)
        self.network = WindowNetwork(config.model)
        if config.start_from:
            from lbmodels.weights.modules import fill, read_weights

            fill(self.network, read_weights(Path(config.start_from), KIND)[1], config.start_from)
            self.network.requires_grad_(True).train()
        self.network.to(device)
        self.sides: dict[str, Side] = {"network": side(self.network, config.loop, config.loop.learning_rate)}
        self.averaged: dict[str, nn.Module] = {
            "network": copy.deepcopy(self.network).eval().requires_grad_(False)
        }
        self.source = WindowSource(config.model, config.data, config.loop.batch)

    def batches(self, seed: int) -> Iterable[Batch]:
        return self.source.batches("train", seed, 64)

    def _loss(self, network: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(network, WindowNetwork)
        tasks, columns = self.config.tasks, self.config.model.columns
        heard, known = draw_windows(tasks, len(batch.stem), columns)
        batch = to_device(batch, self.device)
        seen = seen_of(batch, heard.to(self.device), known.to(self.device))
        noise = torch.randn(batch.played.shape).to(self.device) * self.config.model.sigma_data
        levels = tasks.log_mean + tasks.log_deviation * torch.randn(len(batch.stem))
        enabled = self.config.loop.bf16
        with torch.autocast(self.device.type, torch.bfloat16, enabled=enabled):
            return diffusion_loss(network, seen, batch.played, levels.exp().to(self.device), noise)

    def step(self, batch: Batch, step: int) -> dict[str, float]:
        del step
        loss = self._loss(self.network, batch)
        gradient = self.sides["network"].descend(loss)
        return {"diffusion": float(loss.detach()), "gradient": gradient}

    @torch.no_grad()
    def sample(self, folder: Path) -> dict[str, float]:
        """The loss on validation windows by the averaged weights, the same windows and noise each time."""
        del folder
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(99)
            losses = [
                float(self._loss(self.averaged["network"], batch))
                for batch in self.source.batches("validation", 99, 4)
            ]
        return {"validation_diffusion": float(np.mean(losses))}


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Train by a recipe's tables into `folder`; returns the averaged weights' path, teacher.safetensors."""
    config = build(LookaheadTraining, tables)
    config = replace(config, loop=settled(config.loop, quiet=quiet))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    objective = LookaheadObjective(config, device)
    run(objective, config.loop, folder, quiet=quiet)
    path = folder / "teacher.safetensors"
    if not leads():
        return path
    codec = objective.source.source.codec
    save_weights(folder / "codec.safetensors", codec, kind="codec", config=codec.config)
    save_weights(path, objective.averaged["network"], kind=KIND, config=config.model)
    parts = [part for part in ("codec", "teacher", "student") if (folder / f"{part}.safetensors").is_file()]
    write_manifest(
        folder, "lookahead", parts, recipe="lookahead", description="look-ahead windows by diffusion"
    )
    return path
