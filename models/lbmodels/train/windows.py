# SPDX-License-Identifier: GPL-3.0-or-later
"""What the training programs of window networks share: what a window is asked for, its loss, and the objective around them.

The loss weight is that of Karras and others 2022, and so is ln sigma but for latents of twice the deviation; how much of the mix's end is hidden and
how much of the stem is known follow the window protocol for random step ratios and look-aheads.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lbmodels.errors import LiveBandModelError
from lbmodels.families.liveband.generator import GeneratorConfig
from lbmodels.families.lookahead.loading import KIND
from lbmodels.families.lookahead.network import LookaheadConfig, Seen, WindowNetwork
from lbmodels.families.lookahead.window import LOOK_AHEADS, Window
from lbmodels.train.batches import Batch, LatentDataConfig, LatentSource, to_device
from lbmodels.train.loop import Side, run, side
from lbmodels.train.ranks import leads
from lbmodels.train.recipe import LoopConfig
from lbmodels.weights.manifest import write_manifest
from lbmodels.weights.modules import save_weights


@dataclass(frozen=True, kw_only=True)
class WindowTasks:
    """What a window is asked for in training, drawn for each example.

    `ratios`: step ratios, of which those that a look-ahead allows are drawn. `whole_share`: of windows of which nothing of the stem
    is known, as at a cold start; `cold_share` of these begin as a session does, with nothing heard or told before a random column.
    `past_noise`: the most noise, in deviations of the data, that lies over what is known: who plays on from its own past hears it
    a little wrong. ln sigma is normal with `log_mean` and `log_deviation`.
    """

    ratios: tuple[float, ...] = (0.0625, 0.125, 0.25, 0.5)
    whole_share: float = 0.15
    cold_share: float = 0.0
    past_noise: float = 0.0
    log_mean: float = -0.4
    log_deviation: float = 1.2


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
    mix = torch.cat(batch.around, dim=-1)
    return Seen(mix, heard, batch.played, known, batch.known, batch.stem, (~heard).sum(1))


def begun_cold(seen: Seen, share: float) -> Seen:
    """A share of the windows of which nothing is known as those of a session that has just begun, by torch's generator."""
    rows, columns = seen.heard.shape
    device = seen.heard.device
    start = (torch.rand(rows) * columns).long().to(device)
    cold = (torch.rand(rows) < share).to(device) & ~seen.known.any(1)
    before = cold[:, None] & (torch.arange(columns, device=device) < start[:, None])
    return seen._replace(heard=seen.heard & ~before, told=torch.where(before[..., None], 0.0, seen.told))


def past_as_played(seen: Seen, most: float) -> Seen:
    """What is known under noise of up to `most`, little for most windows, by torch's generator."""
    rows = len(seen.source)
    strength = most * torch.rand(rows, 1, 1).square()
    noise = strength * torch.randn(seen.source.shape)
    return seen._replace(source=seen.source + noise.to(seen.source.device))


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
            latent=model.latent,
            semitones=model.semitones,
            stems=model.stems,
            anticipation_max=1,
            styled=model.styled,
        )
        self.source = LatentSource(replace(data, crop_frames=model.columns), sizes, batch)

    def batches(self, split: str, seed: int, count: int) -> Iterable[Batch]:
        return self.source.batches(split, seed, count)


def as_seen(seen: Seen, clean: Tensor) -> Tensor:
    """The stem [B, C, latent] that noise is laid over: what is known as it is seen, the rest as it is."""
    return torch.where(seen.known.unsqueeze(-1), seen.source, clean)


def diffusion_loss(network: WindowNetwork, seen: Seen, clean: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    """Weighted squared error of what is not known, mean over a batch: clean, noise [B, C, latent], sigma [B]."""
    pre = network.config.preconditioning()
    each = sigma[:, None, None]
    answer = network.denoise(as_seen(seen, clean) + each * noise, sigma, seen)
    asked = (~seen.known).unsqueeze(-1).to(clean.dtype)
    error = (answer - clean).square() * asked
    return (pre.weight(each) * error).sum() / (asked.sum() * clean.shape[-1])


class WindowObjective(ABC):
    """One window network by the losses that a program names; see `lbmodels.train.loop.Objective`.

    `weights`: loss -> its share of what is descended.
    """

    def __init__(
        self,
        network: WindowNetwork,
        weights: Mapping[str, float],
        data: LatentDataConfig,
        tasks: WindowTasks,
        loop: LoopConfig,
        device: torch.device,
    ) -> None:
        self.model, self.weights, self.tasks, self.loop = network.config, weights, tasks, loop
        self.device, self.network = device, network.to(device)
        self.sides: dict[str, Side] = {"network": side(self.network, loop, loop.learning_rate)}
        self.averaged: dict[str, nn.Module] = {
            "network": copy.deepcopy(self.network).eval().requires_grad_(False)
        }
        self.source = WindowSource(self.model, data, loop.batch)

    @abstractmethod
    def losses(self, network: WindowNetwork, seen: Seen, clean: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Every loss of a batch by name: clean and noise [B, C, latent], both at the deviation of the data."""

    def _losses(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        assert isinstance(network, WindowNetwork)
        heard, known = draw_windows(self.tasks, len(batch.stem), self.model.columns)
        batch = to_device(batch, self.device)
        seen = seen_of(batch, heard.to(self.device), known.to(self.device))
        if self.tasks.cold_share:
            seen = begun_cold(seen, self.tasks.cold_share)
        if self.tasks.past_noise:
            seen = past_as_played(seen, self.tasks.past_noise * self.model.sigma_data)
        noise = torch.randn(batch.played.shape).to(self.device) * self.model.sigma_data
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.loop.bf16):
            return self.losses(network, seen, batch.played, noise)

    def batches(self, seed: int) -> Iterable[Batch]:
        return self.source.batches("train", seed, 64)

    def step(self, batch: Batch, step: int) -> dict[str, float]:
        del step
        losses = self._losses(self.network, batch)
        total = torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()
        gradient = self.sides["network"].descend(total)
        return {name: float(loss.detach()) for name, loss in losses.items()} | {"gradient": gradient}

    @torch.no_grad()
    def sample(self, folder: Path) -> dict[str, float]:
        """The losses on validation windows by the averaged weights, the same windows and noise each time."""
        del folder
        found: dict[str, list[float]] = {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(99)
            for batch in self.source.batches("validation", 99, 4):
                for name, loss in self._losses(self.averaged["network"], batch).items():
                    found.setdefault(f"validation_{name}", []).append(float(loss))
        return {name: float(np.mean(values)) for name, values in found.items()}


def train(objective: WindowObjective, part: str, folder: Path, *, quiet: bool) -> Path:
    """Run an objective into `folder`, which becomes a model; returns the averaged weights' path, `part`.safetensors."""
    run(objective, objective.loop, folder, quiet=quiet)
    path = folder / f"{part}.safetensors"
    if not leads():
        return path
    codec = objective.source.source.codec
    save_weights(folder / "codec.safetensors", codec, kind="codec", config=codec.config)
    save_weights(path, objective.averaged["network"], kind=KIND, config=objective.model)
    parts = [name for name in ("codec", "teacher", "student") if (folder / f"{name}.safetensors").is_file()]
    write_manifest(
        folder, "lookahead", parts, recipe="lookahead", description="look-ahead windows by diffusion"
    )
    return path
