# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the LiveBand generator: a short regression warm start, then the adversarial game on sequences.

The generator's output over a whole sequence comes from one causal parallel pass, never from the true stem,
so what the critic judges is what a stream will play. The game is relativistic (Jolicoeur-Martineau 2018):
each output is paired with the true stem over the same mix, and both gradients are kept small around real
and generated data by penalising how much the critic's answer changes under small noise, which approximates
R1 and R2 without second derivatives (Huang 2024 for the game, Lin 2025, eq. 6 for the approximation).

A steered model (`model.steered`) is told, at random, how busy and bright the true stem is; the critic is told the same.
A reader that learns from true stems what they are tells whether it was done.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.codec.autoencoder import from_frames
from lbmodels.conditioning.host import condition_features
from lbmodels.conditioning.silent import may_lack
from lbmodels.conditioning.steering import Steer, steering_features
from lbmodels.config import build
from lbmodels.families.liveband.critic import Critic, CriticConfig
from lbmodels.families.liveband.generator import Generator, GeneratorConfig, Played
from lbmodels.train.batches import Batch, LatentDataConfig, LatentSource, to_device
from lbmodels.train.loop import Side, run, side
from lbmodels.train.pace import settled
from lbmodels.train.ranks import leads
from lbmodels.train.recipe import LoopConfig
from lbmodels.train.steering import SteeringReader
from lbmodels.weights.modules import save_weights


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """One weight per loss of the same name; `regression_after` replaces `regression` once the game is on."""

    regression: float = 1.0
    regression_after: float = 0.15
    adversarial: float = 0.4
    matching: float = 0.1
    beat: float = 0.4
    tempo: float = 0.1
    chord: float = 0.5
    penalty: float = 1.0
    steering: float = 1.0


@dataclass(frozen=True, kw_only=True)
class LiveBandTraining:
    """A whole recipe. The game starts at step `adversarial_from`; `penalty_noise` is in latent units.

    `steering_hidden`: share of examples that are not told how busy, and of those not told how bright.
    """

    model: GeneratorConfig = field(default_factory=GeneratorConfig)
    critic: CriticConfig = field(default_factory=CriticConfig)
    data: LatentDataConfig = field(default_factory=LatentDataConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    weights: LossWeights = field(default_factory=LossWeights)
    steering_hidden: float = 0.5
    adversarial_from: int = 1500
    penalty_noise: float = 0.1
    start_from: str = ""


class Told(NamedTuple):
    """What a batch's players are told: ranks [B, F, 2], density and brightness (NaN where hidden), and as `Steer`."""

    ranks: Tensor
    steer: Steer | None


def tell(batch: Batch, hidden_share: float) -> Told:
    """What each player is told about its stem."""
    ranks = torch.stack([batch.density, batch.brightness], dim=-1)
    hidden = torch.rand(len(ranks), 1, 2) < hidden_share
    ranks = torch.where(hidden, torch.nan, ranks)
    return Told(
        ranks,
        steering_features(
            {"variation": ranks[..., 0], "density": ranks[..., 0], "brightness": ranks[..., 1]}
        ),
    )


def listening_losses(played: Played, truth: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """How well the trunk knows beat, tempo and chord at output time, where the truth does."""

    def mean(value: Tensor, known: Tensor) -> Tensor:
        return (torch.where(known, value, 0.0)).sum() / known.sum().clamp(min=1)

    angle = 2 * torch.pi * truth["beat_phase"]
    beat = torch.stack([angle.sin(), angle.cos()], dim=-1)
    tempo = torch.log2(truth["tempo"] / 120)
    chord = truth["chord"]
    return {
        "beat": mean((played.beat - beat.nan_to_num()).square().sum(-1), ~angle.isnan()),
        "tempo": mean((played.tempo - tempo.nan_to_num()).square(), ~tempo.isnan()),
        "chord": mean(
            F.binary_cross_entropy_with_logits(played.chord, chord.nan_to_num(), reduction="none"),
            ~chord.isnan(),
        ),
    }


class LiveBandObjective:
    """Both sides of the game; see `lbmodels.train.loop.Objective`."""

    def __init__(self, config: LiveBandTraining, device: torch.device) -> None:
        self.config, self.device = config, device
        torch.manual_seed(config.loop.seed)
        self.generator = Generator(config.model).to(device)
        if config.start_from:
            from lbmodels.weights.modules import fill, read_weights

            begun = read_weights(Path(config.start_from), "liveband-generator")[1]
            lacking, mine = may_lack(self.generator, begun), self.generator.state_dict()
            fill(self.generator, {**begun, **{name: mine[name] for name in lacking}}, config.start_from)
            self.generator.requires_grad_(True).train()
        self.critic = Critic(config.critic, config.model).to(device)
        loop = config.loop
        self.sides: dict[str, Side] = {
            "generator": side(self.generator, loop, loop.learning_rate),
            "critic": side(self.critic, loop, loop.discriminator_learning_rate),
        }
        self.averaged: dict[str, nn.Module] = {
            "generator": copy.deepcopy(self.generator).eval().requires_grad_(False)
        }
        if config.model.steered:
            self.reader = SteeringReader(config.model.latent, len(config.model.stems)).to(device)
            self.sides["reader"] = side(self.reader, loop, 5 * loop.learning_rate)
        self.source = LatentSource(config.data, config.model, config.loop.batch)
        self.codec = self.source.codec

    def batches(self, seed: int) -> Iterable[Batch]:
        """About a thousand batches; the cache is read anew after them, so that it may still be growing."""
        return self.source.batches("train", seed, 1000)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.loop.bf16)

    def _told(self, batch: Batch) -> Told:
        """On the objective's device."""
        if self.config.model.steered:
            told = tell(batch, self.config.steering_hidden)
        else:
            told = Told(torch.full((*batch.played.shape[:2], 2), torch.nan), None)
        steer = None if told.steer is None else Steer(*(part.to(self.device) for part in told.steer))
        return Told(told.ranks.to(self.device), steer)

    def _generate(self, batch: Batch, generator: nn.Module, steer: Steer | None = None) -> Played:
        seed = torch.randint(2**31, batch.stem.shape, device=self.device)
        variation = torch.ones(batch.stem.shape, device=self.device)
        with self._autocast():
            played = generator(
                batch.heard, batch.known, batch.stem, batch.anticipation, seed, variation, steer
            )
        return Played(*(part.float() for part in played))

    def step(self, batch: Batch, step: int) -> dict[str, float]:
        config, weights = self.config, self.config.weights
        told = self._told(batch)
        batch = to_device(batch, self.device)
        played = self._generate(batch, self.generator, told.steer)
        game = step >= config.adversarial_from
        losses = {"regression": F.mse_loss(played.latents, batch.played)}
        losses |= listening_losses(played, batch.truth)
        figures: dict[str, float] = {}
        if config.model.steered:
            steering, figures = self._train_reader(batch, told, played.latents)
            losses |= steering
        if game:
            figures |= self._train_critic(batch, played.latents.detach(), told.steer)
            self.critic.requires_grad_(False)
            with self._autocast():
                with torch.no_grad():
                    real, real_maps = self._judge(batch, batch.played, told.steer)
                fake, fake_maps = self._judge(batch, played.latents, told.steer)
            losses["adversarial"] = F.softplus(real.float() - fake.float()).mean()
            losses["matching"] = torch.stack(
                [
                    F.l1_loss(f.float(), r.float()) / r.float().abs().mean()
                    for f, r in zip(fake_maps, real_maps, strict=True)
                ]
            ).mean()
            self.critic.requires_grad_(True)
        scale = {name: getattr(weights, name) for name in losses}
        if game:
            scale["regression"] = weights.regression_after
        total = torch.stack([scale[name] * value for name, value in losses.items()]).sum()
        figures["generator_gradient"] = self.sides["generator"].descend(total)
        return figures | {name: float(value.detach()) for name, value in losses.items()}

    def _train_reader(
        self, batch: Batch, told: Told, latents: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Teach the reader on the true stems, and hear from it how far the played ones are from what was told."""

        def error(read: Tensor, ranks: Tensor) -> Tensor:
            known = ~ranks.isnan()
            return torch.where(known, (read - ranks.nan_to_num()).square(), 0.0).sum() / known.sum().clamp(
                min=1
            )

        true = torch.stack([batch.density, batch.brightness], dim=-1)
        reading = error(self.reader(batch.played, batch.stem), true)
        self.sides["reader"].descend(reading)
        self.reader.requires_grad_(False)
        steering = error(self.reader(latents, batch.stem), told.ranks)
        self.reader.requires_grad_(True)
        return {"steering": steering}, {"reading": float(reading.detach())}

    def _judge(self, batch: Batch, latents: Tensor, steer: Steer | None) -> tuple[Tensor, list[Tensor]]:
        truth = condition_features(batch.truth)
        judged: tuple[Tensor, list[Tensor]] = self.critic(
            batch.around, truth, batch.stem, latents, None if steer is None else steer.ranks
        )
        return judged

    def _train_critic(self, batch: Batch, fake: Tensor, steer: Steer | None) -> dict[str, float]:
        noise = self.config.penalty_noise
        with self._autocast():
            real_score = self._judge(batch, batch.played, steer)[0].float()
            fake_score = self._judge(batch, fake, steer)[0].float()
            near_real = self._judge(batch, batch.played + noise * torch.randn_like(fake), steer)[0].float()
            near_fake = self._judge(batch, fake + noise * torch.randn_like(fake), steer)[0].float()
        loss = F.softplus(fake_score - real_score).mean()
        penalty = (
            (near_real - real_score).square().mean() + (near_fake - fake_score).square().mean()
        ) / noise**2
        self.sides["critic"].descend(loss + self.config.weights.penalty * penalty)
        right = (real_score.mean(1) > fake_score.mean(1)).float().mean()
        return {
            "critic": float(loss.detach()),
            "penalty": float(penalty.detach()),
            "critic_right": float(right),
        }

    @torch.no_grad()
    def sample(self, folder: Path) -> dict[str, float]:
        """Losses on validation data with the averaged weights; writes one take of each stem as audio."""
        generator = self.averaged["generator"]
        figures: dict[str, list[float]] = {}
        for batch in self.source.batches("validation", 99, 4):
            batch = to_device(batch, self.device)
            played = self._generate(batch, generator)
            losses = {"regression": F.mse_loss(played.latents, batch.played)} | listening_losses(
                played, batch.truth
            )
            for name, value in losses.items():
                figures.setdefault(f"validation_{name}", []).append(float(value))
            spread = played.latents.std(1).mean() / batch.played.std(1).mean()
            figures.setdefault("validation_spread", []).append(float(spread))
            for index, name in enumerate(self.config.model.stems):
                rows = (batch.stem == index).nonzero()
                if len(rows):
                    latents = torch.stack([batch.played[rows[0, 0]], played.latents[rows[0, 0]]])
                    audio = from_frames(self.codec.decoder(latents.cpu())).transpose(0, 1).flatten(1)
                    rate = self.codec.config.sample_rate
                    soundfile.write(
                        os.fsencode(folder / f"sample_{name}.flac"), audio.t().clamp(-1, 1).numpy(), rate
                    )
        return {name: float(np.mean(values)) for name, values in figures.items()}


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Train by a recipe's tables into `folder`, which becomes a model; returns the averaged weights' path."""
    config = build(LiveBandTraining, tables)
    config = replace(config, loop=settled(config.loop, quiet=quiet))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    objective = LiveBandObjective(config, device)
    run(objective, config.loop, folder, quiet=quiet)
    if not leads():
        return folder / "generator.safetensors"
    heard = objective.source.heard(folder)
    if not quiet:
        print(heard)
    generator = objective.averaged["generator"]
    save_weights(folder / "codec.safetensors", objective.codec, kind="codec", config=objective.codec.config)
    return save_weights(
        folder / "generator.safetensors", generator, kind="liveband-generator", config=config.model
    )
