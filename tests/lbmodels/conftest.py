# SPDX-License-Identifier: GPL-3.0-or-later
"""Toy models of every kind, small enough to stream hundreds of frames in a blink."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lbmodels.band import Band
from lbmodels.codec.autoencoder import Codec, CodecConfig
from lbmodels.families.liveband.generator import Generator, GeneratorConfig
from lbmodels.weights.modules import save_weights

TOY_CODEC = CodecConfig(
    hop=480, window=480, step=120, low_bins=48, high_bands=16, latent=8, features=24, depth=2, kernel=3
)
TOY_GENERATOR = GeneratorConfig(
    latent=8, semitones=12, features=32, heads=2, depth=2, window=8, noise=4, style=4, anticipation_max=25
)


def settle(codec: Codec) -> Codec:
    """Latent statistics away from where they start, as after training."""
    codec.encoder.latent_norm.running_mean.normal_(0, 0.1)
    codec.encoder.latent_norm.running_var.uniform_(0.5, 2.0)
    return codec.eval().requires_grad_(False)


@pytest.fixture
def toy_codec() -> Codec:
    torch.manual_seed(3)
    return settle(Codec(TOY_CODEC))


@pytest.fixture
def toy_accompanist(toy_codec: Codec) -> Band:
    """Random weights, attention window of 8 frames; the read-out is scaled so that all inputs are heard."""
    torch.manual_seed(4)
    generator = Generator(TOY_GENERATOR)
    for block in generator.trunk.blocks:
        block.attention.out.weight.data.normal_(0, 0.2)
        block.attention.slot_values.data.normal_(0, 0.5)
    return Band("toy", toy_codec, generator.eval().requires_grad_(False))


@pytest.fixture
def toy_weights(tmp_path: Path, toy_accompanist: Band) -> Path:
    """A folder that holds the toy accompanist's weights."""
    folder = tmp_path / "toy"
    folder.mkdir()
    save_weights(folder / "codec.safetensors", toy_accompanist.codec, kind="codec", config=TOY_CODEC)
    save_weights(
        folder / "generator.safetensors",
        toy_accompanist.generator,
        kind="liveband-generator",
        config=TOY_GENERATOR,
    )
    return folder


@pytest.fixture
def told() -> Callable[..., dict[str, Tensor]]:
    """Conditions [B, F, width] of a song at 110 BPM whose host knows everything; values may be replaced."""

    def conditions(batch: int, frames: int, **replaced: float) -> dict[str, Tensor]:
        beats = torch.arange(frames) * 0.04 * 110 / 60
        rows = torch.arange(batch).unsqueeze(1)
        values = {
            "stem": (rows % 4).float().expand(batch, frames),
            "anticipation": torch.full((batch, frames), 1.0),
            "variation": torch.full((batch, frames), 1.0),
            "beat_phase": (beats % 1).expand(batch, -1),
            "bar_phase": (beats / 4 % 1).expand(batch, -1),
            "tempo": torch.full((batch, frames), 110.0),
            "chord": torch.tensor([1.0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0]).expand(batch, frames, 12),
            "chord_bass": torch.full((batch, frames), 4.0),
            "key": torch.full((batch, frames), 21.0),
        }
        for name, value in replaced.items():
            values[name] = torch.full_like(values[name], value)
        return {name: value.reshape(batch, frames, -1) for name, value in values.items()}

    return conditions
