# SPDX-License-Identifier: GPL-3.0-or-later
"""Train a codec language model after StreamMusicGen (Wu and others 2025): cross-entropy of the next frame's tokens.

See `lbmodels.train.continuation` for its drafts. Its own past is also made worse by leaving out its finer levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lbmodels.codec.rvq import ResidualQuantiser, RvqConfig
from lbmodels.config import build
from lbmodels.errors import LiveBandModelError
from lbmodels.families.codec_lm.continuation import Continuation, Drafts, Past
from lbmodels.families.codec_lm.family import LM, RVQ
from lbmodels.families.codec_lm.network import CodecLm, LmConfig
from lbmodels.train.batches import Batch
from lbmodels.train.continuation import (
    ContinuationObjective,
    ContinuationTraining,
    ListeningWeights,
    PastTasks,
    draw_past,
    train,
)
from lbmodels.train.pace import settled
from lbmodels.train.ranks import leads
from lbmodels.train.rvq import fit
from lbmodels.weights.manifest import write_manifest
from lbmodels.weights.modules import load_part, save_weights


@dataclass(frozen=True, kw_only=True)
class Tasks(PastTasks):
    """`coarse_share`: of sequences whose past has its first levels alone. `depth_share`: of positions whose tokens are learned from
    in a step.
    """

    coarse_share: float = 0.3
    depth_share: float = 0.5


@dataclass(frozen=True, kw_only=True)
class LossWeights(ListeningWeights):
    """One weight per loss of the same name."""

    tokens: float = 1.0
    drafts: float = 1.0


@dataclass(frozen=True, kw_only=True)
class StreamgenTraining(ContinuationTraining):
    """A whole recipe. `rvq`: code books of `liveband train rvq`; for none they are fitted to what is played in `fit_batches`
    batches.
    """

    model: LmConfig = field(default_factory=LmConfig)
    tasks: Tasks = field(default_factory=Tasks)
    weights: LossWeights = field(default_factory=LossWeights)
    rvq: str = ""
    fit_batches: int = 30


class Targets(NamedTuple):
    """Tokens [..., levels], and the sum of the codes before each level [..., levels, latent]."""

    tokens: Tensor
    said: Tensor


def targets(quantiser: ResidualQuantiser, latents: Tensor, levels: int) -> Targets:
    """What is to be drawn where `latents` [..., latent] were played."""
    tokens, rests = quantiser.split(latents, levels)
    return Targets(tokens, latents.unsqueeze(-2) - rests)


def coarse(quantiser: ResidualQuantiser, tokens: Tensor, share: float) -> Tensor:
    """Latents [B, F, latent] of tokens [B, F, levels], in a share of the rows of their first levels alone."""
    rows, _, levels = tokens.shape
    device = tokens.device
    kept = torch.where(
        torch.rand(rows, device=device) < share, torch.randint(1, levels + 1, (rows,), device=device), levels
    )
    return torch.stack(
        [
            (level < kept).view(-1, 1, 1) * quantiser.codes[level][tokens[..., level]]
            for level in range(levels)
        ]
    ).sum(0)


class StreamgenObjective(ContinuationObjective):
    """Cross-entropy of tokens."""

    network: CodecLm

    def __init__(self, config: StreamgenTraining, folder: Path, device: torch.device) -> None:
        self.config, self.mine = config, config.tasks
        super().__init__(
            config, config.model.hearing, config.tasks, asdict(config.weights), LM, folder, device
        )
        self.rvq.to(device)

    def build(self, folder: Path) -> CodecLm:
        self.rvq = self._code_books(folder)
        return CodecLm(self.config.model)

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

    def calibrate(self, rounds: int = 80) -> None:
        """Begin where a straight line would: what is expected by least squares, then how far each level may trust that, and how sure
        it may be of it, by descent.
        """
        depth = self.network.depth
        h, y = self.expected(depth.expect, 6)
        with torch.no_grad():
            depth.surety.fill_(-float((y - depth.expect(h)).square().mean().log()))
        aims = targets(self.rvq, y, self.config.model.levels)
        optimizer = torch.optim.Adam([depth.trust, depth.surety], lr=0.05)
        for _ in range(rounds):
            optimizer.zero_grad()
            self._cross_entropy(self.network, h, aims, 500 / len(h)).sum().backward()
            optimizer.step()
        self.network.zero_grad()

    def past(self, batch: Batch) -> Past:
        tokens = self.rvq.encode(batch.played, self.config.model.levels)
        return draw_past(coarse(self.rvq, tokens, self.mine.coarse_share), self.tasks)

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

    def drawn_losses(
        self, network: Continuation, batch: Batch, h: Tensor, drafts: Drafts, drafted: Tensor, *, whole: bool
    ) -> dict[str, Tensor]:
        assert isinstance(network, CodecLm)
        share = 1.0 if whole else self.mine.depth_share
        aims = targets(self.rvq, batch.played, self.config.model.levels)
        each = self._cross_entropy(network, h, aims, share)
        losses = {"tokens": each.mean(), "level_1": each[0].detach(), "level_2": each[1].detach()}
        place = drafts.positions()
        if len(place):
            ahead = Targets(*(part[:, place] for part in aims))
            losses["drafts"] = self._cross_entropy(network, drafted, ahead, share).mean()
        return losses


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Train by a recipe's tables into `folder`, which becomes a model; returns the averaged weights' path, lm.safetensors."""
    config = build(StreamgenTraining, tables)
    config = replace(config, loop=settled(config.loop, quiet=quiet))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    objective = StreamgenObjective(config, folder, device)
    path = train(objective, config.model, folder, quiet=quiet)
    if leads():
        save_weights(folder / "rvq.safetensors", objective.rvq, kind=RVQ.kind, config=objective.rvq.config)
        write_manifest(
            folder,
            "codec_lm",
            ("codec", "rvq", "lm"),
            recipe="streamgen",
            description="a codec language model that plays with a live mix",
        )
    return path
