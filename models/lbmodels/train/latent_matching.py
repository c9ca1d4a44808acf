# SPDX-License-Identifier: GPL-3.0-or-later
"""Fit the map that gives a trained generator's latents the spread of true ones (`lbmodels.families.liveband.latent_matching`): minutes, no gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import Tensor

from lbmodels.config import build
from lbmodels.errors import LiveBandModelError
from lbmodels.families.liveband.family import GENERATOR
from lbmodels.families.liveband.generator import Generator
from lbmodels.families.liveband.latent_matching import LatentMatching, optimal_map
from lbmodels.train.batches import LatentDataConfig, LatentSource
from lbmodels.weights.modules import fill, load_part, save_weights


@dataclass(frozen=True, kw_only=True)
class LatentMatchingFit:
    """A whole recipe: the generator's file, the data, how many batches of it, and how far a direction may be narrowed and stretched.

    `guidance`: for each stem, as `GeneratorConfig` has it; it goes with the result, since the colours are those of a guided
    player. Empty keeps the file's own. `settling_frames` at the start of a crop are not looked at.
    """

    start_from: str = ""
    guidance: tuple[float, ...] = ()
    data: LatentDataConfig = field(default_factory=LatentDataConfig)
    batches: int = 60
    batch: int = 16
    least: float = 1.0
    most: float = 2.0
    settling_frames: int = 40
    seed: int = 0


@torch.no_grad()
def fit(
    generator: Generator, source: LatentSource, config: LatentMatchingFit, *, quiet: bool
) -> LatentMatching:
    """The map of each stem, from what the generator plays over training songs and what was played there.

    Raises:
        LiveBandModelError: a stem that the songs do not have.
    """
    stems = generator.config.stems
    ours: list[list[Tensor]] = [[] for _ in stems]
    theirs: list[list[Tensor]] = [[] for _ in stems]
    torch.manual_seed(config.seed)
    batches = source.batches("train", config.seed, config.batches)
    for batch in track(batches, "listening", config.batches, disable=quiet):
        seeds, variation = torch.randint(2**31, batch.stem.shape), torch.ones(batch.stem.shape)
        played = generator(batch.heard, batch.known, batch.stem, batch.anticipation, seeds, variation).latents
        for stem, mine, true in zip(batch.stem.tolist(), played, batch.played, strict=True):
            ours[stem].append(mine[config.settling_frames :])
            theirs[stem].append(true[config.settling_frames :])
    matching = LatentMatching(len(stems), generator.config.latent)
    for index, name in enumerate(stems):
        if sum(map(len, ours[index])) < 2:
            raise LiveBandModelError(f"no song has a {name} to take colours from; give more data or batches")
        matrix, offset = optimal_map(
            torch.cat(ours[index]), torch.cat(theirs[index]), least=config.least, most=config.most
        )
        matching.weight[index], matching.bias[index] = matrix, offset
    return matching


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Fit by a recipe's tables into `folder`, which becomes a model; returns the path of the generator with its map.

    Raises:
        LiveBandModelError: no generator was named.
    """
    config = build(LatentMatchingFit, tables)
    if not config.start_from:
        raise LiveBandModelError(
            "name the generator whose stems are to be brought to the statistics of true ones: --set start_from=generator.safetensors"
        )
    was = load_part(GENERATOR, Path(config.start_from))
    plain = replace(was.config, latent_matching=False, guidance=config.guidance or was.config.guidance)
    weights = {name: w for name, w in was.state_dict().items() if not name.startswith("latent_matching.")}
    generator = Generator(plain)
    fill(generator, weights, config.start_from)
    # Ranks of density and brightness are not asked for, and would cost more than all else.
    source = LatentSource(config.data, replace(plain, steered=False), config.batch)
    matched = Generator(replace(plain, latent_matching=True))
    matched.load_state_dict(weights, strict=False)
    matched.latent_matching = fit(generator, source, config, quiet=quiet)
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(folder / "codec.safetensors", source.codec, kind="codec", config=source.codec.config)
    return save_weights(
        folder / "generator.safetensors", matched, kind="liveband-generator", config=matched.config
    )
