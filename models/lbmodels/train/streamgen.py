# SPDX-License-Identifier: GPL-3.0-or-later
"""Train a codec language model after StreamMusicGen (Wu and others 2025): cross-entropy of the next frame's tokens.

Each sequence is learned from twice in one pass. Its positions that hear the mix are one frame a step; from some of them drafts
leave, chunks that are drawn ahead of the mix (the paper's variable prefix, several of them in one sequence, each of which sees its
own prefix alone). So one model learns every anticipation, which the data draws, and every chunk of `tasks.chunks`.

Its own past is the true one in training: it is made worse on purpose by noise, by leaving out its finer levels and by silence about it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.codec.rvq import ResidualQuantiser, RvqConfig
from lbmodels.config import build
from lbmodels.errors import LiveBandModelError
from lbmodels.families.codec_lm.family import LM, RVQ
from lbmodels.families.codec_lm.network import CodecLm, Drafts, LmConfig, Past
from lbmodels.families.liveband.family import GENERATOR
from lbmodels.families.liveband.generator import Played
from lbmodels.train.batches import Batch, LatentDataConfig, LatentSource, to_device
from lbmodels.train.liveband import listening_losses
from lbmodels.train.loop import Side, run, side
from lbmodels.train.pace import settled
from lbmodels.train.ranks import leads
from lbmodels.train.recipe import LoopConfig
from lbmodels.train.rvq import fit
from lbmodels.weights.manifest import write_manifest
from lbmodels.weights.modules import load_part, read_weights, save_weights


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """What a sequence is asked for.

    `chunks`: lengths of drafts, of which a step draws one; 1 is what every position does anyway. `draft_positions`: about how many
    positions of drafts a sequence has. `deaf_share`: of sequences that hear nothing of their own past; of the others half
    begin with a first chunk of nothing, as a session does. `noise`: most that is laid over the past, in units of the latents'
    spread. `coarse_share`: of sequences whose past has its first levels alone. `depth_share`: of positions whose tokens are
    learned from in a step.
    """

    chunks: tuple[int, ...] = (5, 25)
    draft_positions: int = 40
    deaf_share: float = 0.1
    noise: float = 1.0
    coarse_share: float = 0.3
    depth_share: float = 0.5


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """One weight per loss of the same name."""

    tokens: float = 1.0
    drafts: float = 1.0
    beat: float = 0.2
    tempo: float = 0.05
    chord: float = 0.25


@dataclass(frozen=True, kw_only=True)
class StreamgenTraining:
    """A whole recipe. `rvq`: code books of `liveband train rvq`; for none they are fitted to what is played in `fit_batches`
    batches. `start_from`: weights of a codec language model, or of a generator of LiveBand, whose ears and trunk are taken.
    """

    model: LmConfig = field(default_factory=LmConfig)
    data: LatentDataConfig = field(default_factory=LatentDataConfig)
    tasks: Tasks = field(default_factory=Tasks)
    loop: LoopConfig = field(default_factory=LoopConfig)
    weights: LossWeights = field(default_factory=LossWeights)
    rvq: str = ""
    fit_batches: int = 30
    start_from: str = ""


class Targets(NamedTuple):
    """Tokens [..., levels], and the sum of the codes before each level [..., levels, latent]."""

    tokens: Tensor
    said: Tensor


def targets(quantiser: ResidualQuantiser, latents: Tensor, levels: int) -> Targets:
    """What is to be drawn where `latents` [..., latent] were played."""
    tokens, rests = quantiser.split(latents, levels)
    return Targets(tokens, latents.unsqueeze(-2) - rests)


def draw_past(batch: Batch, quantiser: ResidualQuantiser, tokens: Tensor, tasks: Tasks) -> Past:
    """What each position of a batch is told that it played before [B, F, ...]; tokens [B, F, levels] are those it is to play."""
    rows, frames, levels = tokens.shape
    device = tokens.device
    kept = torch.where(
        torch.rand(rows, device=device) < tasks.coarse_share,
        torch.randint(1, levels + 1, (rows,), device=device),
        levels,
    )
    latents = torch.zeros_like(batch.played)
    for level in range(levels):
        latents = latents + (level < kept).view(-1, 1, 1) * quantiser.codes[level][tokens[..., level]]
    noise = tasks.noise * torch.rand(rows, 1, device=device).square()
    latents = latents + noise.unsqueeze(-1) * batch.played.std() * torch.randn_like(latents)
    chances = torch.rand(rows, 1, device=device)
    first = torch.tensor([1, *tasks.chunks], device=device)[
        torch.randint(len(tasks.chunks) + 1, (rows, 1), device=device)
    ]
    first = torch.where(torch.rand(rows, 1, device=device) < 0.5, first, 1)
    nothing = torch.where(chances < tasks.deaf_share, frames, first)
    there = (torch.arange(frames, device=device) >= nothing).float()
    before = F.pad(latents, (0, 0, 1, 0))[:, :-1]
    return Past(before, noise.expand(rows, frames), there)


def draw_drafts(tasks: Tasks, frames: int) -> Drafts:
    """Drafts of one length at random places, by torch's generator."""
    chunk = tasks.chunks[int(torch.randint(len(tasks.chunks), ()))] if tasks.chunks else 1
    if chunk <= 1 or frames <= chunk:
        return Drafts((), 1)
    count = max(1, tasks.draft_positions // (chunk - 1))
    starts = torch.randperm(frames - chunk + 1)[:count].sort().values
    return Drafts(starts.tolist(), chunk)


def check_tasks(tasks: Tasks, crop_frames: int) -> None:
    """Raises LiveBandModelError: chunks that no crop holds, or shares that are none."""
    if any(not 1 <= chunk < crop_frames for chunk in tasks.chunks):
        raise LiveBandModelError(
            f"tasks.chunks {tasks.chunks}: accepted are 1 to {crop_frames - 1} frames, fewer than data.crop_frames"
        )
    for name in ("deaf_share", "coarse_share", "depth_share"):
        if not 0 <= getattr(tasks, name) <= 1:
            raise LiveBandModelError(f"tasks.{name} is 0 to 1, got {getattr(tasks, name):g}")


class StreamgenObjective:
    """Cross-entropy of tokens; see `lbmodels.train.loop.Objective`."""

    def __init__(self, config: StreamgenTraining, folder: Path, device: torch.device) -> None:
        check_tasks(config.tasks, config.data.crop_frames)
        self.config, self.device = config, device
        torch.manual_seed(config.loop.seed)
        self.source = LatentSource(config.data, config.model.hearing, config.loop.batch)
        self.rvq = self._code_books(folder)
        self.lm = CodecLm(config.model)
        begun = bool(config.start_from) and self._start(Path(config.start_from))
        if not begun and not (folder / "checkpoint.pt").exists():
            self._calibrate()
        self.rvq.to(device)
        self.lm.to(device)
        self.sides: dict[str, Side] = {"lm": side(self.lm, config.loop, config.loop.learning_rate)}
        self.averaged: dict[str, nn.Module] = {"lm": copy.deepcopy(self.lm).eval().requires_grad_(False)}

    def _code_books(self, folder: Path) -> ResidualQuantiser:
        """Those of the recipe, or fitted to what is played; kept in the folder, so that a run goes on with its own."""
        model, kept = self.config.model, folder / "rvq.safetensors"
        path = Path(self.config.rvq) if self.config.rvq else kept
        if path.is_file():
            return load_part(RVQ, path)
        if self.config.rvq:
            raise LiveBandModelError(f"code books not found: {path}")
        batches = self.source.batches("train", self.config.loop.seed, self.config.fit_batches)
        latents = torch.cat([batch.played.flatten(0, 1) for batch in batches])
        config = RvqConfig(latent=model.hearing.latent, levels=model.levels, codes=model.codes)
        books = fit(latents, config, rounds=12, seed=self.config.loop.seed, quiet=True)
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(kept, books, kind=RVQ.kind, config=config)
        return books.requires_grad_(False)

    def _start(self, path: Path) -> bool:
        """Fill what the weights have: of a generator its ears and its trunk. Whether its tokens are begun, too."""
        try:
            tensors = {f"hearing.{n}": t for n, t in read_weights(path, GENERATOR.kind)[1].items()}
        except LiveBandModelError:
            tensors = dict(read_weights(path, LM.kind)[1])
        mine = self.lm.state_dict()
        fitting = {n: t.float() for n, t in tensors.items() if n in mine and mine[n].shape == t.shape}
        if not fitting:
            raise LiveBandModelError(f"{path} has other sizes than the recipe: nothing to start from")
        self.lm.load_state_dict(fitting, strict=False)
        return "depth.surety" in fitting

    def _calibrate(self, count: int = 6, rounds: int = 80) -> None:
        """Begin where a straight line would: what is expected by least squares over some batches, then how far each level may trust
        that, and how sure it may be of it, by descent.
        """
        config, depth, none = self.config, self.lm.depth, Drafts((), 1)
        known, played = [], []
        with torch.no_grad():
            for batch in self.source.batches("train", 1, count):
                tokens = self.rvq.encode(batch.played, config.model.levels)
                past = draw_past(batch, self.rvq, tokens, config.tasks)
                h, _ = self.lm(batch.heard, batch.known, past, batch.stem, batch.anticipation, none)
                known.append(h.flatten(0, 1))
                played.append(batch.played.flatten(0, 1))
            h, y = torch.cat(known), torch.cat(played)
            x = F.pad(h, (0, 1), value=1.0).double()
            ridge = 1e-2 * len(x) * torch.eye(x.shape[1], dtype=torch.float64)
            line = torch.linalg.solve(x.mT @ x + ridge, x.mT @ y.double()).float()
            depth.expect.weight.copy_(line[:-1].mT)
            depth.expect.bias.copy_(line[-1])
            depth.surety.fill_(-float((y - depth.expect(h)).square().mean().log()))
        aims = targets(self.rvq, y, config.model.levels)
        optimizer = torch.optim.Adam([depth.trust, depth.surety], lr=0.05)
        for _ in range(rounds):
            optimizer.zero_grad()
            self._cross_entropy(self.lm, h, aims, 500 / len(h)).sum().backward()
            optimizer.step()
        self.lm.zero_grad()

    def batches(self, seed: int) -> Iterable[Batch]:
        """Some hundred batches; what there is to draw from is read anew after them, so that it may still be growing."""
        return self.source.batches("train", seed, 300)

    def _cross_entropy(self, lm: CodecLm, h: Tensor, aims: Targets, share: float) -> Tensor:
        """Of each level [levels], mean over a share of positions; h [B, N, features]."""
        levels = self.config.model.levels
        h, tokens, said = h.flatten(0, -2), aims.tokens.flatten(0, -2), aims.said.flatten(0, -3)
        if share < 1:
            chosen = torch.rand(len(h), device=h.device) < share
            h, tokens, said = h[chosen], tokens[chosen], said[chosen]
        return torch.stack(
            [
                F.cross_entropy(
                    lm.depth.logits(h, said[:, level], level, self.rvq.codes[level]).float(), tokens[:, level]
                )
                for level in range(levels)
            ]
        )

    def _losses(self, lm: nn.Module, batch: Batch, drafts: Drafts, share: float) -> dict[str, Tensor]:
        assert isinstance(lm, CodecLm)
        aims = targets(self.rvq, batch.played, self.config.model.levels)
        past = draw_past(batch, self.rvq, aims.tokens, self.config.tasks)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.loop.bf16):
            h, drafted = lm(batch.heard, batch.known, past, batch.stem, batch.anticipation, drafts)
            each = self._cross_entropy(lm, h, aims, share)
            losses = {"tokens": each.mean(), "level_1": each[0].detach(), "level_2": each[1].detach()}
            place = drafts.positions()
            if len(place):
                ahead = Targets(*(part[:, place] for part in aims))
                losses["drafts"] = self._cross_entropy(lm, drafted, ahead, share).mean()
            told = lm.hearing.tell(h[..., : self.config.model.hearing.features]).float()
        played = Played(batch.played, told[..., :2], told[..., 2], told[..., 3:])
        return losses | listening_losses(played, batch.truth)

    def step(self, batch: Batch, step: int) -> dict[str, float]:
        del step
        drafts = draw_drafts(self.config.tasks, self.config.data.crop_frames)
        losses = self._losses(self.lm, to_device(batch, self.device), drafts, self.config.tasks.depth_share)
        weights = self.config.weights
        weighed = {name: getattr(weights, name, 0.0) for name in losses}
        total = torch.stack([weighed[name] * value for name, value in losses.items()]).sum()
        gradient = self.sides["lm"].descend(total)
        return {name: float(value.detach()) for name, value in losses.items()} | {"gradient": gradient}

    @torch.no_grad()
    def sample(self, folder: Path) -> dict[str, float]:
        """Losses on validation data by the averaged weights, the same crops, pasts and drafts each time, of each chunk."""
        del folder
        figures: dict[str, list[float]] = {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(99)
            for number, batch in enumerate(self.source.batches("validation", 99, 4)):
                chunks = self.config.tasks.chunks
                tasks = replace(self.config.tasks, chunks=chunks and chunks[number % len(chunks) :][:1])
                drafts = draw_drafts(tasks, self.config.data.crop_frames)
                losses = self._losses(self.averaged["lm"], to_device(batch, self.device), drafts, 1.0)
                for name, value in losses.items():
                    name = f"{name}_of_{drafts.chunk}" if name == "drafts" else name
                    figures.setdefault(f"validation_{name}", []).append(float(value))
        return {name: float(np.mean(values)) for name, values in figures.items()}


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Train by a recipe's tables into `folder`, which becomes a model; returns the averaged weights' path, lm.safetensors."""
    config = build(StreamgenTraining, tables)
    config = replace(config, loop=settled(config.loop, quiet=quiet))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    objective = StreamgenObjective(config, folder, device)
    run(objective, config.loop, folder, quiet=quiet)
    path = folder / "lm.safetensors"
    if not leads():
        return path
    codec = objective.source.codec
    save_weights(folder / "codec.safetensors", codec, kind="codec", config=codec.config)
    save_weights(folder / "rvq.safetensors", objective.rvq, kind=RVQ.kind, config=objective.rvq.config)
    save_weights(path, objective.averaged["lm"], kind=LM.kind, config=config.model)
    write_manifest(
        folder,
        "codec_lm",
        ("codec", "rvq", "lm"),
        recipe="streamgen",
        description="a codec language model that plays with a live mix",
    )
    return path
