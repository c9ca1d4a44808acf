# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the LiveBand generator: a short regression warm start, then the adversarial game on sequences.

The generator's output over a whole sequence comes from one causal parallel pass, never from the true stem,
so what the critic judges is what a stream will play. The game is relativistic (Jolicoeur-Martineau 2018):
each output is paired with the true stem over the same mix, and both gradients are kept small around real
and generated data by penalising how much the critic's answer changes under small noise, which approximates
R1 and R2 without second derivatives (Huang 2024 for the game, Lin 2025, eq. 6 for the approximation).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.codec.autoencoder import from_frames
from lbmodels.config import build
from lbmodels.errors import LiveBandModelError
from lbmodels.liveband.conditions import BEAT_CONDITIONS, HARMONY_CONDITIONS, condition_features
from lbmodels.liveband.critic import Critic, CriticConfig
from lbmodels.liveband.generator import Generator, GeneratorConfig, Heard, Played
from lbmodels.streaming.spectral import SemitoneFrontEnd
from lbmodels.train.audio import load_tracks
from lbmodels.train.latents import Example, read_examples, write_cache
from lbmodels.train.loop import Side, run, side
from lbmodels.train.recipe import LoopConfig
from lbmodels.zoo import load_codec, save_weights


@dataclass(frozen=True, kw_only=True)
class LatentDataConfig:
    """`root`: data set. `codec`: its weights. `cache`: latents, made if missing. Crops in frames.

    Shares: of examples that know nothing of the host, and of the others, that lack beats or harmony.
    """

    root: str = ""
    codec: str = ""
    cache: str = ""
    crop_frames: int = 256
    prepare: bool = True
    blind_share: float = 1 / 3
    no_beat_share: float = 0.2
    no_harmony_share: float = 0.5


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


@dataclass(frozen=True, kw_only=True)
class LiveBandTraining:
    """A whole recipe. The game starts at step `adversarial_from`; `penalty_noise` is in latent units."""

    model: GeneratorConfig = field(default_factory=GeneratorConfig)
    critic: CriticConfig = field(default_factory=CriticConfig)
    data: LatentDataConfig = field(default_factory=LatentDataConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    weights: LossWeights = field(default_factory=LossWeights)
    adversarial_from: int = 1500
    penalty_noise: float = 0.1
    start_from: str = ""


class Batch(NamedTuple):
    """`heard` is what the generator gets, `around` the mix at the time of the stem; `truth` the full conditions."""

    heard: Heard
    around: Heard
    known: Tensor
    truth: dict[str, Tensor]
    stem: Tensor
    anticipation: Tensor
    played: Tensor


def draw_example(example: Example, config: LiveBandTraining, rng: np.random.Generator) -> dict[str, Any]:
    """A random crop with a random anticipation and randomly hidden conditions."""
    data, longest = config.data, config.model.anticipation_max
    a = int(rng.integers(0, 3) if rng.random() < 0.5 else rng.integers(0, longest + 1))
    frames = data.crop_frames
    span = max(1, example.frames - frames - longest - 1)
    for _ in range(4):
        start = int(rng.integers(span))
        out = slice(start + 1 + a, start + 1 + a + frames)
        if example.sounding[out].float().mean() > 0.5:
            break
    truth = {name: value[out].float() for name, value in example.conditions.items()}
    blind = rng.random() < data.blind_share
    hidden: set[str] = set()
    if blind or rng.random() < data.no_beat_share:
        hidden |= set(BEAT_CONDITIONS)
    if blind or rng.random() < data.no_harmony_share:
        hidden |= set(HARMONY_CONDITIONS)
    if rng.random() < 0.3:
        hidden |= {"key"}
    if rng.random() < 0.2:
        hidden |= {"bar_phase"}
    told = {name: torch.full_like(v, torch.nan) if name in hidden else v for name, v in truth.items()}
    return {
        "heard": Heard(*(part[start : start + frames].float() for part in example.heard)),
        "around": Heard(*(part[out].float() for part in example.heard)),
        "known": condition_features(told),
        "truth": truth,
        "stem": torch.tensor(example.stem),
        "anticipation": torch.tensor(a),
        "played": example.played[out].float(),
    }


def collate(rows: list[dict[str, Any]]) -> Batch:
    """Stack drawn examples."""

    def stack(values: list[Any]) -> Any:
        if isinstance(values[0], Heard):
            return Heard(*(torch.stack(parts) for parts in zip(*values, strict=True)))
        if isinstance(values[0], dict):
            return {name: torch.stack([v[name] for v in values]) for name in values[0]}
        return torch.stack(values)

    return Batch(**{name: stack([row[name] for row in rows]) for name in Batch._fields})


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
            from lbmodels.zoo import fill, read_weights

            fill(
                self.generator,
                read_weights(Path(config.start_from), "liveband-generator")[1],
                config.start_from,
            )
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
        self.codec = load_codec(Path(config.data.codec))
        if self.codec.config.latent != config.model.latent:
            raise LiveBandModelError(
                f"codec has {self.codec.config.latent} latent channels, "
                f"the recipe's model.latent is {config.model.latent}: not a pair"
            )
        self.cache = Path(config.data.cache or Path(config.data.root) / "latents")
        if config.data.prepare:
            self._prepare()

    def _prepare(self) -> None:
        from rich.progress import track as progress

        ear = SemitoneFrontEnd(
            sample_rate=self.codec.config.sample_rate,
            hop=self.codec.config.hop,
            semitones=self.config.model.semitones,
        )
        for split in ("train", "validation"):
            tracks = load_tracks(self.config.data.root, split)
            work = write_cache(tracks, self.codec, ear, self.config.model.stems, self.cache / split)
            for _ in progress(work, total=len(tracks), description=f"encoding {split}"):
                pass

    def _examples(self, split: str) -> list[Example]:
        files = sorted((self.cache / split).glob("*.safetensors"))
        shortest = self.config.data.crop_frames + self.config.model.anticipation_max + 1
        examples = [e for path in files for e in read_examples(path) if e.frames >= shortest]
        if not examples:
            raise LiveBandModelError(f"no latents of at least {shortest} frames in {self.cache / split}")
        return examples

    def batches(self, seed: int) -> Iterable[Batch]:
        """About a thousand batches; the cache is read anew after them, so that it may still be growing."""
        examples = self._examples("train")
        return self._draw(examples, np.random.default_rng(seed), 1000)

    def _draw(self, examples: list[Example], rng: np.random.Generator, count: int) -> Iterator[Batch]:
        for _ in range(count):
            chosen = [examples[int(rng.integers(len(examples)))] for _ in range(self.config.loop.batch)]
            yield collate([draw_example(example, self.config, rng) for example in chosen])

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.loop.bf16)

    def _generate(self, batch: Batch, generator: nn.Module) -> Played:
        seed = torch.randint(2**31, batch.stem.shape, device=self.device)
        variation = torch.ones(batch.stem.shape, device=self.device)
        with self._autocast():
            played = generator(batch.heard, batch.known, batch.stem, batch.anticipation, seed, variation)
        return Played(*(part.float() for part in played))

    def step(self, batch: Batch, step: int) -> dict[str, float]:
        config, weights = self.config, self.config.weights
        batch = _to(batch, self.device)
        played = self._generate(batch, self.generator)
        game = step >= config.adversarial_from
        losses = {"regression": F.mse_loss(played.latents, batch.played)} | listening_losses(
            played, batch.truth
        )
        figures: dict[str, float] = {}
        if game:
            figures = self._train_critic(batch, played.latents.detach())
            self.critic.requires_grad_(False)
            with self._autocast():
                with torch.no_grad():
                    real, real_maps = self._judge(batch, batch.played)
                fake, fake_maps = self._judge(batch, played.latents)
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

    def _judge(self, batch: Batch, latents: Tensor) -> tuple[Tensor, list[Tensor]]:
        truth = condition_features(batch.truth)
        judged: tuple[Tensor, list[Tensor]] = self.critic(batch.around, truth, batch.stem, latents)
        return judged

    def _train_critic(self, batch: Batch, fake: Tensor) -> dict[str, float]:
        noise = self.config.penalty_noise
        with self._autocast():
            real_score = self._judge(batch, batch.played)[0].float()
            fake_score = self._judge(batch, fake)[0].float()
            near_real = self._judge(batch, batch.played + noise * torch.randn_like(fake))[0].float()
            near_fake = self._judge(batch, fake + noise * torch.randn_like(fake))[0].float()
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
        rng = np.random.default_rng(99)
        examples = self._examples("validation")
        figures: dict[str, list[float]] = {}
        for batch in self._draw(examples, rng, 4):
            batch = _to(batch, self.device)
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
                    soundfile.write(folder / f"sample_{name}.flac", audio.t().clamp(-1, 1).numpy(), rate)
        return {name: float(np.mean(values)) for name, values in figures.items()}


def _to(batch: Batch, device: torch.device) -> Batch:
    def move(value: Any) -> Any:
        if isinstance(value, Heard):
            return Heard(*(part.to(device) for part in value))
        if isinstance(value, dict):
            return {name: part.to(device) for name, part in value.items()}
        return value.to(device)

    return Batch(*(move(value) for value in batch))


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Train by a recipe's tables into `folder`; returns the averaged weights' path."""
    config = build(LiveBandTraining, tables)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    objective = LiveBandObjective(config, device)
    run(objective, config.loop, folder, quiet=quiet)
    generator = objective.averaged["generator"]
    return save_weights(
        folder / "generator.safetensors", generator, kind="liveband-generator", config=config.model
    )
