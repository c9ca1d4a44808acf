# SPDX-License-Identifier: GPL-3.0-or-later
"""Music2Latent (Pasini, Lattner, Fazekas 2024) through its own package, which the user installs: nothing of it is here.

Package and weights are CC BY-NC 4.0. The package's own loader is not used: it downloads, and unpickles what it finds.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lbmodels.errors import LiveBandModelError
from lbmodels.weights.checkpoints import open_checkpoint, tensors_under
from lbmodels.weights.comparing import fetch

SAMPLE_RATE = 44_100
COLUMN_SAMPLES = 4096
CHANNELS = 64
MARGIN_SAMPLES = 1536
"""Samples that the last column's windows reach beyond it."""


@dataclass(frozen=True, kw_only=True)
class Music2LatentConfig:
    """Nothing is told of it: its sizes are the package's."""

    channels: int = CHANNELS


def _package() -> Any:
    try:
        return importlib.import_module("music2latent.inference")
    except ImportError as error:
        raise LiveBandModelError(
            f"the published model needs the package music2latent (CC BY-NC 4.0): pip install music2latent ({error})"
        ) from None


class Music2Latent(nn.Module):
    """Mono audio to 64 latent channels a column of 4096 samples, and back; decoding draws noise by a seed.

    Raises:
        LiveBandModelError: the package is not installed.
    """

    def __init__(self, config: Music2LatentConfig) -> None:
        super().__init__()
        self.config = config
        self._inference = _package()
        self.gen = self._inference.UNet()

    @torch.no_grad()
    def encode(self, audio: Tensor) -> Tensor:
        """[B, 4096 columns + 1536] at 44.1 kHz -> [B, 64, columns]."""
        rows = [
            self._inference.encode_audio_inference(row[None], self, 60 * SAMPLE_RATE, 1, device=audio.device)
            for row in audio
        ]
        return torch.cat(rows).float()

    @torch.no_grad()
    def decode(self, latents: Tensor, seeds: Tensor) -> Tensor:
        """[B, 64, columns] and a seed [B] for each -> [B, 4096 columns + 1536]."""
        rows = []
        for row, seed in zip(latents, seeds.tolist(), strict=True):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                audio = self._inference.decode_latent_inference(
                    row[None], self, 60 * SAMPLE_RATE, 1, device=latents.device
                )
            rows.append(torch.as_tensor(audio).reshape(-1).float())
        return torch.stack(rows)


def read_codec(path: Path) -> Music2Latent:
    """The autoencoder of music2latent.pt, tensors alone.

    Raises:
        LiveBandModelError: the package is missing, the file is damaged or none of it.
    """
    codec = Music2Latent(Music2LatentConfig())
    checkpoint = open_checkpoint(path, opaque=True)
    root = checkpoint.root
    stored = tensors_under(root.get("gen_state_dict", root) if isinstance(root, dict) else {}, ("",))
    own = codec.gen.state_dict()
    lacking = [name for name in own if name not in stored]
    wrong = [name for name in own if name in stored and tuple(stored[name].shape) != tuple(own[name].shape)]
    if len(lacking) > len(own) // 100 or wrong:
        raise LiveBandModelError(
            f"{path} is no Music2Latent: of {len(own)} tensors {len(lacking)} are missing, {len(wrong)} have other shapes"
        )
    codec.gen.load_state_dict(
        fetch(checkpoint, stored, [name for name in own if name in stored]), strict=False
    )
    return codec.eval().requires_grad_(False)
