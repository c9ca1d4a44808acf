# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the causal autoencoder: feature regression, multi-resolution STFT, then adversarial."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.codec import discriminator as adversarial
from lbmodels.codec.autoencoder import Codec, CodecConfig, Encoder, from_frames, to_frames
from lbmodels.codec.discriminator import StftDiscriminator
from lbmodels.codec.features import FeatureMap, Features
from lbmodels.codec.losses import multi_resolution_stft, si_sdr_db
from lbmodels.config import build
from lbmodels.errors import LiveBandModelError
from lbmodels.families.parts import CODEC
from lbmodels.train.audio import AudioDataConfig, crop_batches, load_tracks, random_crop
from lbmodels.train.loop import Side, run, side
from lbmodels.train.pace import settled, write_heard
from lbmodels.train.ranks import leads
from lbmodels.train.recipe import LoopConfig
from lbmodels.weights.modules import load_part, save_weights


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """One weight per loss of the same name."""

    level: float = 10.0
    linear: float = 0.0
    bands: float = 0.0
    advance: float = 2.0
    turn: float = 0.0
    attack: float = 1.0
    pan: float = 1.0
    convergence: float = 1.0
    log_stft: float = 1.0
    adversarial: float = 0.3
    matching: float = 1.0


@dataclass(frozen=True, kw_only=True)
class CodecTraining:
    """A whole recipe.

    From step `synthesis_from` on, in every `synthesis_every`th step, `synthesis_frames` frames of `synthesis_batch` crops are turned into audio
    and compared as audio; from `adversarial_from` on a discriminator hears them too. `start_from` names the
    weights of an earlier stage; `train_encoder = false` keeps their latents as they are.
    """

    model: CodecConfig = field(default_factory=CodecConfig)
    data: AudioDataConfig = field(default_factory=AudioDataConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    weights: LossWeights = field(default_factory=LossWeights)
    synthesis_from: int = 2000
    synthesis_every: int = 3
    synthesis_frames: int = 10
    synthesis_batch: int = 6
    adversarial_from: int = 3000
    adversarial_channels: int = 16
    latent_noise: float = 0.1
    start_from: str = ""
    train_encoder: bool = True


Crop = tuple[Tensor, Features]


def feature_losses(estimate: Features, target: Features, sizes: FeatureMap) -> dict[str, Tensor]:
    """Distances of features [B, F, columns, ...].

    `level`: L1 of log magnitudes, which is content with their median. `linear`: spectral convergence of each crop's
    magnitudes, which is not. `bands`: log10 of each crop's power in 32 bands and in all of them (a fifth of the weight), so
    that what is uncertain is not softer.
    `advance` and `turn`: circular regression of the phase advance, by log magnitude over the batch, and by magnitude in
    each crop, where strong partials count for most.
    """
    low = target.advance.shape[-2]
    loud = target.level[..., :low].clamp(min=0).square().unsqueeze(-1)
    total = loud.sum().clamp(min=1e-6) * 2
    off = (estimate.advance - target.advance).square()
    ours, true = sizes.linear(estimate.level), sizes.linear(target.level)
    strong = true[..., :low].unsqueeze(-1)
    crop = tuple(range(1, true.dim()))
    missed = (ours - true).square().sum(crop) / (true.square().sum(crop) + 1.0)
    powers = [sizes.band_power(m).flatten(1, 2).mean(1) for m in (ours, true)]
    powers = [torch.cat([p, p.sum(1, keepdim=True).expand(-1, 8)], 1) for p in powers]
    band, banded = (torch.log10(p + 0.01) for p in powers)
    return {
        "level": F.l1_loss(estimate.level, target.level),
        "linear": (missed + 1e-6).sqrt().mean(),
        "bands": F.l1_loss(band, banded),
        "advance": (loud * off).sum() / total,
        "turn": ((strong * off).flatten(1).sum(1) / (2 * strong.flatten(1).sum(1) + 1.0)).mean(),
        "attack": (estimate.attack - target.attack).square().mean(),
        "pan": F.l1_loss(estimate.pan, target.pan),
    }


@torch.no_grad()
def grow(codec: Codec, earlier: Codec) -> None:
    """Start where an earlier codec of the same map stands: what fits is taken, what is new begins as near to it as it can.

    Where the earlier one read or wrote a frame's columns by one matrix and this one has a stack by column, that matrix is
    factored (truncated singular values), and the blocks of the new stack begin small.

    Raises:
        LiveBandModelError: nothing fits.
    """
    own, given = codec.state_dict(), dict(earlier.state_dict())
    columns, width, sizes = codec.config.columns, codec.encoder.map.width, codec.config
    if sizes.encoder_columns and not earlier.config.encoder_columns:
        by_column = given.pop("encoder.embed.weight").unflatten(1, (columns, width)).transpose(0, 1)
        left, right = _factors(by_column.flatten(0, 1), sizes.encoder_columns)
        joined = left.unflatten(0, (columns, -1)).transpose(0, 1).flatten(1)
        given |= {"encoder.embed.weight": right, "encoder.join.weight": joined}
        given |= {"encoder.join.bias": given.pop("encoder.embed.bias")}
        own["encoder.embed.bias"].zero_()
    if sizes.decoder_columns and not earlier.config.decoder_columns:
        by_column = given.pop("decoder.head.weight").unflatten(0, (columns, width)).transpose(1, 2)
        left, right = _factors(by_column.flatten(0, 1), sizes.decoder_columns)
        given |= {
            "decoder.spread.weight": left.unflatten(0, (columns, -1)).transpose(1, 2).flatten(0, 1),
            "decoder.head.weight": right.t(),
            "decoder.head.bias": given["decoder.head.bias"].view(columns, width).mean(0),
        }
        own["decoder.spread.bias"].zero_()
    fitting = {n: t for n, t in given.items() if n in own and own[n].shape == t.shape}
    if not any(t.dim() > 1 for t in fitting.values()):
        raise LiveBandModelError("no weights of start_from fit the sizes of this recipe")
    codec.load_state_dict(own | fitting)
    for stack in (codec.encoder.columns, codec.decoder.columns):
        for name, parameter in stack.named_parameters() if stack is not None else ():
            if name.endswith("scale"):
                parameter.mul_(0.2)


def _factors(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """[M, N] as [M, rank] x [rank, N], as near as that rank can be."""
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    root = s[:rank].sqrt()
    return u[:, :rank] * root, root.unsqueeze(1) * v[:rank]


class CodecObjective:
    """Both sides of the game; see `lbmodels.train.loop.Objective`."""

    def __init__(self, config: CodecTraining, device: torch.device) -> None:
        self.config, self.device = config, device
        torch.manual_seed(config.loop.seed)
        self.codec = Codec(config.model).to(device)
        if config.start_from:
            grow(self.codec, load_part(CODEC, Path(config.start_from)))
        self.codec.requires_grad_(True).train()
        if not config.train_encoder:
            self.codec.encoder.requires_grad_(False).eval()
        self.critic = StftDiscriminator(config.adversarial_channels).to(device)
        loop = config.loop
        self.sides: dict[str, Side] = {
            "codec": side(self.codec, loop, loop.learning_rate),
            "critic": side(self.critic, loop, loop.discriminator_learning_rate),
        }
        self.averaged: dict[str, nn.Module] = {
            "codec": copy.deepcopy(self.codec).eval().requires_grad_(False)
        }
        self.tracks = load_tracks(config.data.root, config.data.split)
        self.random = np.random.default_rng(config.loop.seed)

    def batches(self, seed: int) -> Iterable[list[Crop]]:
        """Audio crops with their features, both in float16, worked out by the reading thread."""
        loop, encoder = self.config.loop, self.averaged["codec"].encoder
        assert isinstance(encoder, Encoder)

        @torch.no_grad()
        def prepare(audio: Tensor) -> Crop:
            features = encoder.features(to_frames(audio.unsqueeze(0), self.config.model.hop))
            return audio.half(), Features(*(part[0].half() for part in features))

        return crop_batches(
            self.tracks, self.config.data, prepare, batch=loop.batch, hop=self.config.model.hop, seed=seed
        )

    def step(self, batch: list[Crop], step: int) -> dict[str, float]:
        config, weights = self.config, self.config.weights
        audio = torch.stack([crop[0] for crop in batch]).float()
        parts = zip(*(crop[1] for crop in batch), strict=True)
        target = Features(*(torch.stack(part).to(self.device).float() for part in parts))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=config.loop.bf16):
            latents = self.codec.encoder.encode_features(target)
            noisy = latents + config.latent_noise * torch.randn_like(latents)
            estimate = Features(*(part.float() for part in self.codec.decoder.features(noisy)))
        losses = feature_losses(estimate, target, self.codec.decoder.map)
        if step >= config.synthesis_from and step % config.synthesis_every == 0:
            heard, wanted = self._listen(audio, estimate)
            losses["convergence"], losses["log_stft"] = multi_resolution_stft(heard, wanted)
            if step >= config.adversarial_from:
                losses |= self._play(heard, wanted)
        total = torch.stack(
            [getattr(weights, name) * value for name, value in losses.items() if name != "critic"]
        )
        self.sides["codec"].descend(total.sum())
        return {name: float(value.detach()) for name, value in losses.items()}

    def _listen(self, audio: Tensor, estimate: Features) -> tuple[Tensor, Tensor]:
        """A random part of some crops as audio: decoded and original, aligned, [b, 2, T]."""
        config = self.config
        hop, late = config.model.hop, self.codec.delay_samples
        start = int(self.random.integers(max(1, estimate.level.shape[1] - config.synthesis_frames)))
        rows, frames = slice(config.synthesis_batch), slice(start, start + config.synthesis_frames)
        decoded = from_frames(
            self.codec.decoder.synthesise(Features(*(part[rows, frames] for part in estimate)))
        )
        wanted = audio[rows, :, start * hop : start * hop + decoded.shape[-1]].to(self.device)
        return decoded[..., 2 * late :], wanted[..., late:-late]

    def _play(self, heard: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        """One round of the game on the left channel, the right, or their mean."""
        mixdown = torch.tensor(
            [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)][int(self.random.integers(3))], device=self.device
        )
        fake, real = (torch.einsum("bct,c->bt", a, mixdown) for a in (heard, wanted))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.loop.bf16):
            critic_loss = adversarial.discriminator_loss(self.critic(real), self.critic(fake.detach()))
        self.sides["critic"].descend(critic_loss)
        self.critic.requires_grad_(False)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.loop.bf16):
            with torch.no_grad():
                real_maps = self.critic(real)
            fake_maps = self.critic(fake)
            losses = {
                "adversarial": adversarial.generator_loss(fake_maps),
                "matching": adversarial.feature_matching(real_maps, fake_maps),
                "critic": critic_loss.detach(),
            }
        self.critic.requires_grad_(True)
        return losses

    @torch.no_grad()
    def sample(self, folder: Path) -> dict[str, float]:
        """Decode a fixed batch with the averaged weights; writes target and output side by side in time."""
        config = self.config
        rng = np.random.default_rng(1234)
        length = config.data.crop_frames * config.model.hop
        crops = [random_crop(self.tracks, config.data, length, rng) for _ in range(8)]
        audio = torch.from_numpy(np.stack(crops)).to(self.device)
        codec = self.averaged["codec"]
        assert isinstance(codec, Codec)
        decoded = from_frames(codec(to_frames(audio, config.model.hop)))[..., codec.delay_samples :]
        wanted = audio[..., : decoded.shape[-1]]
        convergence, log_distance = multi_resolution_stft(decoded, wanted)
        pairs = torch.cat([wanted, decoded], dim=-1).transpose(0, 1).flatten(1)
        soundfile.write(
            os.fsencode(folder / "sample.flac"),
            pairs.t().clamp(-1, 1).cpu().numpy(),
            config.model.sample_rate,
        )
        return {
            "sample_convergence": float(convergence),
            "sample_log_stft": float(log_distance),
            "sample_si_sdr_db": float(si_sdr_db(decoded.mean(1), wanted.mean(1)).median()),
        }


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Train by a recipe's tables into `folder`; returns the averaged weights' path."""
    config = build(CodecTraining, tables)
    config = replace(config, loop=settled(config.loop, quiet=quiet))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    objective = CodecObjective(config, device)
    run(objective, config.loop, folder, quiet=quiet)
    weights = folder / "codec.safetensors"
    if not leads():
        return weights
    save_weights(weights, objective.averaged["codec"], kind="codec", config=config.model)
    crop_s = config.data.crop_frames * config.model.hop / config.model.sample_rate
    heard = write_heard(
        folder,
        batch_s=config.loop.batch * int(os.environ.get("WORLD_SIZE", "1")) * crop_s,
        songs=len(objective.tracks),
        song_s=sum(track.duration_s for track in objective.tracks),
    )
    if not quiet:
        print(heard)
    return weights
