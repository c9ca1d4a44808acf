# SPDX-License-Identifier: GPL-3.0-or-later
"""What the training of every continuation shares: pasts that are worse than the truth, drafts ahead of the mix, and the objective.

Each sequence is learned from twice in one pass. Its positions that hear the mix are one frame a step; from some of them drafts
leave, chunks that are drawn ahead of the mix (StreamMusicGen's variable prefix, several of them in one sequence, each of which sees its
own prefix alone). So one model learns every anticipation, which the data draws, and every chunk of `tasks.chunks`.

Its own past is the true one in training: it is made worse on purpose by noise and by silence about it.
"""

from __future__ import annotations

import contextlib
import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.errors import LiveBandModelError
from lbmodels.families.codec_lm.continuation import Continuation, Drafts, Past
from lbmodels.families.liveband.family import GENERATOR
from lbmodels.families.liveband.generator import GeneratorConfig, Played
from lbmodels.train.batches import Batch, LatentDataConfig, LatentSource, to_device
from lbmodels.train.liveband import listening_losses
from lbmodels.train.loop import Side, run, side
from lbmodels.train.ranks import leads
from lbmodels.train.recipe import LoopConfig
from lbmodels.weights.modules import read_weights, save_weights
from lbmodels.weights.part import Part


@dataclass(frozen=True, kw_only=True)
class PastTasks:
    """What a sequence is asked for.

    `chunks`: lengths of drafts, of which a step draws one; 1 is what every position does anyway. `draft_positions`: about how many
    positions of drafts a sequence has. `deaf_share`: of sequences that hear nothing of their own past; of the others half
    begin with a first chunk of nothing, as a session does. `noise`: the largest spread of the noise that is laid over the past.
    """

    chunks: tuple[int, ...] = (5, 25)
    draft_positions: int = 40
    deaf_share: float = 0.1
    noise: float = 1.0


@dataclass(frozen=True, kw_only=True)
class ListeningWeights:
    """Weights of the listening losses of the same name."""

    beat: float = 0.2
    tempo: float = 0.05
    chord: float = 0.25


@dataclass(frozen=True, kw_only=True)
class ContinuationTraining:
    """What every recipe of a continuation has. `start_from`: weights of the same kind, or of a generator of LiveBand, whose ears
    and trunk are taken.
    """

    data: LatentDataConfig = field(default_factory=LatentDataConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    start_from: str = ""


def draw_past(played: Tensor, tasks: PastTasks) -> Past:
    """What each position of a batch is told that it played before [B, F, ...]; played [B, F, ...] is what it is to play."""
    rows, frames, _ = played.shape
    device = played.device
    noise = tasks.noise * torch.rand(rows, 1, device=device).square()
    worse = played + noise.unsqueeze(-1) * torch.randn_like(played)
    chances = torch.rand(rows, 1, device=device)
    first = torch.tensor([1, *tasks.chunks], device=device)[
        torch.randint(len(tasks.chunks) + 1, (rows, 1), device=device)
    ]
    first = torch.where(torch.rand(rows, 1, device=device) < 0.5, first, 1)
    nothing = torch.where(chances < tasks.deaf_share, frames, first)
    there = (torch.arange(frames, device=device) >= nothing).float()
    before = F.pad(worse, (0, 0, 1, 0))[:, :-1]
    return Past(before, noise.expand(rows, frames), there)


def draw_drafts(tasks: PastTasks, frames: int) -> Drafts:
    """Drafts of one length at random places, by torch's generator."""
    chunk = tasks.chunks[int(torch.randint(len(tasks.chunks), ()))] if tasks.chunks else 1
    if chunk <= 1 or frames <= chunk:
        return Drafts((), 1)
    count = max(1, tasks.draft_positions // (chunk - 1))
    starts = torch.randperm(frames - chunk + 1)[:count].sort().values
    return Drafts(starts.tolist(), chunk)


def check_tasks(tasks: PastTasks, crop_frames: int) -> None:
    """Raises LiveBandModelError: chunks that no crop holds, or shares that are none."""
    if any(not 1 <= chunk < crop_frames for chunk in tasks.chunks):
        raise LiveBandModelError(
            f"tasks.chunks {tasks.chunks}: accepted are 1 to {crop_frames - 1} frames, fewer than data.crop_frames"
        )
    for name in vars(tasks):
        if name.endswith("_share") and not 0 <= getattr(tasks, name) <= 1:
            raise LiveBandModelError(f"tasks.{name} is 0 to 1, got {getattr(tasks, name):g}")


class ContinuationObjective(ABC):
    """A loss on what is drawn, and the listening losses; see `lbmodels.train.loop.Objective`.

    name: of the network's part. weights: one per loss of the same name; those without are only shown. Subclasses make `network`
    in `build`, and say in `drawn_losses` what it is to learn of the frames that it draws. `starts_from`: a part beside a generator and its
    own whose weights `start_from` may be.
    """

    network: Continuation
    source_type: type[LatentSource] = LatentSource
    starts_from: Part[Any] | None = None

    def __init__(
        self,
        config: ContinuationTraining,
        hearing: GeneratorConfig,
        tasks: PastTasks,
        weights: Mapping[str, float],
        part: Part[Any],
        folder: Path,
        device: torch.device,
    ) -> None:
        check_tasks(tasks, config.data.crop_frames)
        self.data, self.loop, self.tasks, self.weights = config.data, config.loop, tasks, weights
        self.part, self.device = part, device
        torch.manual_seed(config.loop.seed)
        self.source = self.source_type(config.data, hearing, config.loop.batch)
        self.network = self.build(folder)
        begun = bool(config.start_from) and self._start(Path(config.start_from))
        if not begun and not (folder / "checkpoint.pt").exists():
            self.calibrate()
        self.network.to(device)
        self.sides: dict[str, Side] = {part.name: side(self.network, config.loop, config.loop.learning_rate)}
        averaged = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.averaged: dict[str, nn.Module] = {part.name: averaged}

    @abstractmethod
    def build(self, folder: Path) -> Continuation:
        """A new network; `folder` is the run's."""

    @abstractmethod
    def calibrate(self) -> None:
        """Make a new network's beginning better than chance."""

    def played(self, batch: Batch) -> Tensor:
        """The frames that are to be played, [B, F, played]."""
        return batch.played

    def past(self, batch: Batch) -> Past:
        """What each position is told that it played."""
        return draw_past(self.played(batch), self.tasks)

    def known(self, batch: Batch) -> Tensor:
        """What is told of them, [B, F, told]."""
        return batch.known

    @abstractmethod
    def drawn_losses(
        self, network: Continuation, batch: Batch, h: Tensor, drafts: Drafts, drafted: Tensor, *, whole: bool
    ) -> dict[str, Tensor]:
        """What is known is h [B, F, knows] at a batch's positions, drafted [B, D, knows] at those of drafts; `whole`: of all positions, for validation."""

    def _start(self, path: Path) -> bool:
        """Fill what the weights have: of a generator its ears and its trunk. Whether there is more than those."""
        tensors = self._startable(path)
        mine = self.network.state_dict()
        fitting = {n: t.float() for n, t in tensors.items() if n in mine and mine[n].shape == t.shape}
        if not fitting:
            raise LiveBandModelError(f"{path} has other sizes than the recipe: nothing to start from")
        self.network.load_state_dict(fitting, strict=False)
        return any(not name.startswith("hearing.") for name in fitting)

    def _startable(self, path: Path) -> dict[str, Tensor]:
        """The tensors of weights, by the network's names. Raises LiveBandModelError: of a kind that it cannot start from."""
        with contextlib.suppress(LiveBandModelError):
            return {f"hearing.{n}": t for n, t in read_weights(path, GENERATOR.kind)[1].items()}
        if self.starts_from is not None:
            with contextlib.suppress(LiveBandModelError):
                return dict(read_weights(path, self.starts_from.kind)[1])
        return dict(read_weights(path, self.part.kind)[1])

    @torch.no_grad()
    def expected(self, expect: nn.Linear, count: int) -> tuple[Tensor, Tensor]:
        """Fill `expect` with the straight line from what is known to what is played, by least squares over some batches.

        Returns what is known [N, knows] and what was played [N, latent] there.
        """
        known, played = [], []
        for batch in self.source.batches("train", 1, count):
            h, _ = self.network(
                batch.heard,
                self.known(batch),
                self.past(batch),
                batch.stem,
                batch.anticipation,
                Drafts((), 1),
            )
            known.append(h.flatten(0, 1))
            played.append(self.played(batch).flatten(0, 1))
        h, y = torch.cat(known), torch.cat(played)
        x = F.pad(h, (0, 1), value=1.0).double()
        ridge = 1e-2 * len(x) * torch.eye(x.shape[1], dtype=torch.float64)
        line = torch.linalg.solve(x.mT @ x + ridge, x.mT @ y.double()).float()
        expect.weight.copy_(line[:-1].mT)
        expect.bias.copy_(line[-1])
        return h, y

    def batches(self, seed: int) -> Iterable[Batch]:
        """Some hundred batches; what there is to draw from is read anew after them, so that it may still be growing."""
        return self.source.batches("train", seed, 300)

    def _losses(self, network: nn.Module, batch: Batch, drafts: Drafts, *, whole: bool) -> dict[str, Tensor]:
        assert isinstance(network, Continuation)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.loop.bf16):
            past, known = self.past(batch), self.known(batch)
            h, drafted = network(batch.heard, known, past, batch.stem, batch.anticipation, drafts)
            losses = self.drawn_losses(network, batch, h, drafts, drafted, whole=whole)
            told = network.hearing.tell(h[..., : network.hearing.config.features]).float()
        played = Played(batch.played, told[..., :2], told[..., 2], told[..., 3:])
        return losses | listening_losses(played, batch.truth)

    def step(self, batch: Batch, step: int) -> dict[str, float]:
        del step
        drafts = draw_drafts(self.tasks, self.data.crop_frames)
        losses = self._losses(self.network, to_device(batch, self.device), drafts, whole=False)
        weighed = [self.weights.get(name, 0.0) * value for name, value in losses.items()]
        gradient = self.sides[self.part.name].descend(torch.stack(weighed).sum())
        return {name: float(value.detach()) for name, value in losses.items()} | {"gradient": gradient}

    @torch.no_grad()
    def sample(self, folder: Path) -> dict[str, float]:
        """Losses on validation data by the averaged weights, the same crops, pasts and drafts each time, of each chunk."""
        del folder
        figures: dict[str, list[float]] = {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(99)
            for number, batch in enumerate(self.source.batches("validation", 99, 4)):
                chunks = self.tasks.chunks
                tasks = replace(self.tasks, chunks=chunks and chunks[number % len(chunks) :][:1])
                drafts = draw_drafts(tasks, self.data.crop_frames)
                losses = self._losses(
                    self.averaged[self.part.name], to_device(batch, self.device), drafts, whole=True
                )
                for name, value in losses.items():
                    name = f"{name}_of_{drafts.chunk}" if name == "drafts" else name
                    figures.setdefault(f"validation_{name}", []).append(float(value))
        return {name: float(np.mean(values)) for name, values in figures.items()}


def train(objective: ContinuationObjective, config: Any, folder: Path, *, quiet: bool) -> Path:
    """Run an objective into `folder`, with the codec beside it; returns the averaged weights' path."""
    part = objective.part
    run(objective, objective.loop, folder, quiet=quiet)
    path = folder / f"{part.name}.safetensors"
    if leads():
        codec = objective.source.codec
        save_weights(folder / "codec.safetensors", codec, kind="codec", config=codec.config)
        save_weights(path, objective.averaged[part.name], kind=part.kind, config=config)
    return path
