# SPDX-License-Identifier: GPL-3.0-or-later
"""Fit code books to the latents of an autoencoder (`lbmodels.codec.rvq`): k-means on what is left over, minutes, no gradient.

Levels are fitted one after the other, each on what those before it left: any number of first levels is as good as
if it were all, which is what dropping levels in training is for where code books learn by gradient.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from lbmodels.codec.autoencoder import Codec, from_frames, to_frames
from lbmodels.codec.losses import multi_resolution_stft
from lbmodels.codec.rvq import ResidualQuantiser, RvqConfig, nearest
from lbmodels.config import build
from lbmodels.errors import LiveBandModelError
from lbmodels.families.parts import CODEC
from lbmodels.train.audio import AudioDataConfig, load_tracks, random_crop
from lbmodels.weights.modules import load_part, save_weights


@dataclass(frozen=True, kw_only=True)
class RvqData(AudioDataConfig):
    """Where the songs are; `codec` names the autoencoder's weights."""

    codec: str = ""
    crop_frames: int = 24


@dataclass(frozen=True, kw_only=True)
class RvqFit:
    """A whole recipe: how many crops are encoded, of how many of the validation split the figures are, rounds of k-means."""

    model: RvqConfig = field(default_factory=RvqConfig)
    data: RvqData = field(default_factory=RvqData)
    crops: int = 2500
    validation_crops: int = 24
    rounds: int = 12
    threads: int = 1
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Level:
    """What the first `levels` levels keep of validation audio; `levels` 0 is the latents themselves.

    `missed`: part of the latents' variance that is lost. `dead`: part of the last level's codes that no validation frame
    named; `dead_in_training` likewise of the frames it was fitted to. `used_bits`: entropy of its tokens.
    """

    levels: int
    bits_per_s: float
    missed: float
    dead: float
    dead_in_training: float
    used_bits: float
    convergence: float
    log_db: float


@torch.no_grad()
def k_means(points: Tensor, count: int, *, rounds: int, random: torch.Generator) -> Tensor:
    """Codes [count, D] of points [N, D]; a code that names nothing moves to one of the worst described points.

    Raises:
        LiveBandModelError: fewer points than codes.
    """
    if len(points) < count:
        raise LiveBandModelError(f"{len(points)} frames are too few for {count} codes; give more crops")
    codes = points[torch.randperm(len(points), generator=random)[:count]].clone()
    for _ in range(rounds):
        named = nearest(points, codes)
        sizes = torch.bincount(named, minlength=count)
        sums = torch.zeros_like(codes).index_add_(0, named, points)
        codes = sums / sizes.clamp(min=1).unsqueeze(1)
        dead = (sizes == 0).nonzero()[:, 0]
        if len(dead):
            missed = (points - codes[named]).square().sum(1)
            codes[dead] = points[missed.topk(len(dead)).indices]
    return codes


@torch.no_grad()
def fit(latents: Tensor, config: RvqConfig, *, rounds: int, seed: int, quiet: bool) -> ResidualQuantiser:
    """Code books of latents [N, latent]."""
    quantiser, random = ResidualQuantiser(config), torch.Generator().manual_seed(seed)
    rest = latents
    for level in track(range(config.levels), "levels", disable=quiet):
        quantiser.codes[level] = k_means(rest, config.codes, rounds=rounds, random=random)
        rest = rest - quantiser.codes[level][nearest(rest, quantiser.codes[level])]
    return quantiser


@torch.no_grad()
def _audio(split: str, count: int, config: RvqFit, codec: Codec, *, quiet: bool) -> tuple[Tensor, Tensor]:
    """Random crops [N, F, 2, hop] of a split and their latents [N, F, latent]; of training no audio is kept."""
    tracks, rng = load_tracks(config.data.root, split), np.random.default_rng(config.seed)
    hop = codec.config.hop
    frames, latents = [], []
    for _ in track(range(count), f"listening to {split}", disable=quiet):
        crop = random_crop(tracks, config.data, config.data.crop_frames * hop, rng)
        audio = to_frames(torch.from_numpy(crop).unsqueeze(0), hop)
        latents.append(codec.encoder(audio))
        frames += [audio] if split != config.data.split else []
    return torch.cat(frames) if frames else torch.zeros(0), torch.cat(latents)


@torch.no_grad()
def levels(
    quantiser: ResidualQuantiser, codec: Codec, trained: Tensor, audio: Tensor, latents: Tensor
) -> list[Level]:
    """Figures for 0 to all levels over validation audio [N, F, 2, hop] and its latents."""
    tokens, fitted = quantiser.encode(latents), quantiser.encode(trained)
    codes, late, rate = quantiser.config.codes, codec.delay_samples, codec.config.sample_rate
    wanted = from_frames(audio)[..., : audio.shape[1] * codec.config.hop - late]
    spread = (latents - latents.flatten(0, -2).mean(0)).square().mean()
    found = []
    for count in range(quantiser.config.levels + 1):
        kept = quantiser.decode(tokens[..., :count]) if count else latents
        decoded = torch.cat([from_frames(codec.decoder(part))[..., late:] for part in kept.split(4)])
        pairs = [multi_resolution_stft(d, w) for d, w in zip(decoded.split(1), wanted.split(1), strict=True)]
        sizes = [
            torch.bincount(one[..., count - 1].flatten(), minlength=codes) if count else torch.ones(codes)
            for one in (tokens, fitted)
        ]
        shares = sizes[0] / sizes[0].sum()
        found.append(
            Level(
                levels=count,
                bits_per_s=quantiser.bits_per_s(count, rate / codec.config.hop),
                missed=float((kept - latents).square().mean() / spread),
                dead=float((sizes[0] == 0).float().mean()),
                dead_in_training=float((sizes[1] == 0).float().mean()),
                used_bits=float(-(shares * shares.clamp(min=1e-12).log2()).sum()) if count else 0.0,
                convergence=float(np.mean([float(c) for c, _ in pairs])),
                log_db=float(np.mean([float(d) for _, d in pairs])) * 20 / float(np.log(10)),
            )
        )
    return found


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Fit by a recipe's tables into `folder`: rvq.safetensors, and rvq.json with figures; returns the path of the first.

    Raises:
        LiveBandModelError: latents of another width than the code books', or too few frames.
    """
    config = build(RvqFit, tables)
    torch.set_num_threads(config.threads)
    codec = load_part(CODEC, Path(config.data.codec))
    if codec.config.latent != config.model.latent:
        raise LiveBandModelError(
            f"the autoencoder's latents have {codec.config.latent} numbers, the recipe's code books {config.model.latent}"
        )
    _none, trained = _audio(config.data.split, config.crops, config, codec, quiet=quiet)
    flat = trained.flatten(0, 1)
    quantiser = fit(flat, config.model, rounds=config.rounds, seed=config.seed, quiet=quiet)
    audio, latents = _audio("validation", config.validation_crops, config, codec, quiet=quiet)
    figures = levels(quantiser, codec, flat, audio, latents)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rvq.json").write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")
    if not quiet:
        for f in figures:
            print(
                f"{f.levels:2d} levels  {f.bits_per_s / 1000:.2f} kbit/s  missed {f.missed:.3f}  dead {f.dead_in_training:.1%}"
                f"  convergence {f.convergence:.3f}  log {f.log_db:.2f} dB"
            )
    return save_weights(folder / "rvq.safetensors", quantiser, kind="rvq", config=config.model)
