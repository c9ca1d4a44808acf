# SPDX-License-Identifier: GPL-3.0-or-later
"""The data set fixture with the splits that training wants, and toy recipes over it."""

from pathlib import Path
from typing import Any

import pytest

LOOP = {
    "steps": 4, "batch": 2, "warmup_steps": 2, "sample_every": 4, "threads": 1, "bf16": False, "ema": 0.9,
}  # fmt: skip


@pytest.fixture
def songs(tmp_path: Path, repository: Path) -> Path:
    """One song to train on, another to validate."""
    root = tmp_path / "songs"
    root.mkdir()
    for name, source in (("train", "train"), ("validation", "test")):
        (root / name).symlink_to(repository / "tests/fixtures/slakh_tiny" / source)
    return root


@pytest.fixture
def codec_tables(songs: Path) -> dict[str, Any]:
    return {
        "synthesis_from": 1,
        "synthesis_every": 1,
        "synthesis_frames": 24,
        "synthesis_batch": 2,
        "adversarial_from": 2,
        "adversarial_channels": 2,
        "model": {
            "hop": 480, "window": 480, "step": 120, "low_bins": 48, "high_bands": 16,
            "latent": 8, "features": 24, "depth": 1, "kernel": 3,
        },
        "data": {"root": str(songs), "crop_frames": 30, "pool_crops": 3, "renewals": 0},
        "loop": dict(LOOP),
    }  # fmt: skip


@pytest.fixture
def band_tables(songs: Path, tmp_path: Path) -> dict[str, Any]:
    from lbmodels.codec.autoencoder import Codec, CodecConfig
    from lbmodels.weights.modules import save_weights

    sizes = CodecConfig(low_bins=48, high_bands=16, latent=8, features=16, depth=1)
    weights = save_weights(tmp_path / "codec.safetensors", Codec(sizes), kind="codec", config=sizes)
    return {
        "adversarial_from": 2,
        "model": {
            "latent": 8, "semitones": 12, "features": 32, "heads": 2, "depth": 1, "window": 16,
            "noise": 4, "style": 4,
        },
        "critic": {"features": 16, "dilations": [1, 2]},
        "data": {
            "root": str(songs), "codec": str(weights), "cache": str(tmp_path / "latents"), "crop_frames": 24,
        },
        "loop": dict(LOOP),
    }  # fmt: skip
