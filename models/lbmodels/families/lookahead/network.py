# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own window network: a compact diffusion transformer over latent columns, told what is heard, known and announced.

Blocks whose norms are set by the noise level and the stem, after Peebles and Xie 2023 (arXiv 2212.09748). What is known of the stem
enters as it is, not only as something to paste: so one or two calls continue it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.band import PlayerConfig
from lbmodels.conditioning.host import WIDTH
from lbmodels.errors import LiveBandModelError
from lbmodels.families.lookahead.diffusion import Preconditioning, Schedule

_CODE_FEATURES = 32


@dataclass(frozen=True, kw_only=True)
class LookaheadConfig(PlayerConfig):
    """Sizes. `columns`: latent columns of a window, T = columns / frame_rate seconds.

    `student`: a consistency model, which answers in 1 to 4 calls; otherwise a diffusion model. Noise levels from `sigma_max` down
    to `sigma_min`, spaced by `rho`; `sigma_data` is the deviation of the latents.
    """

    columns: int = 128
    sigma_data: float = 1.0
    sigma_min: float = 0.01
    sigma_max: float = 40.0
    rho: float = 7.0
    student: bool = False

    def preconditioning(self) -> Preconditioning:
        return Preconditioning(sigma_data=self.sigma_data, floor=self.sigma_min if self.student else 0.0)

    def schedule(self) -> Schedule:
        return Schedule(sigma_min=self.sigma_min, sigma_max=self.sigma_max, rho=self.rho)


class Seen(NamedTuple):
    """What a window is filled by, C columns: the mix as far as it is heard, the stem as far as it is known, what is announced.

    mix, source [B, C, latent]; heard, known [B, C] bool; told [B, C, WIDTH] condition features; stem [B] int64. Columns that are
    not heard or not known may hold anything.
    """

    mix: Tensor
    heard: Tensor
    source: Tensor
    known: Tensor
    told: Tensor
    stem: Tensor


def _level(code: Tensor) -> Tensor:
    """Noise codes [B] -> [B, 2 * _CODE_FEATURES] sines and cosines, of periods from 8 codes down."""
    octaves = torch.arange(_CODE_FEATURES, device=code.device) / 4
    angles = code.float()[:, None] * (2 * torch.pi / 8) * 2**octaves
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class WindowBlock(nn.Module):
    """Attention over the whole window, then a gated MLP; both scaled, shifted and gated by an embedding [B, D]."""

    def __init__(self, features: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(features, elementwise_affine=False)
        self.qkv = nn.Linear(features, 3 * features)
        self.out = nn.Linear(features, features)
        self.mlp_norm = nn.LayerNorm(features, elementwise_affine=False)
        hidden = 64 * round(features * 8 / 3 / 64)
        self.gate_and_value = nn.Linear(features, 2 * hidden)
        self.narrow = nn.Linear(hidden, features)
        self.set = nn.Linear(features, 6 * features)
        nn.init.zeros_(self.set.weight)
        nn.init.zeros_(self.set.bias)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        batch, columns, features = x.shape
        scale, shift, gate, wide, lift, open_ = self.set(embedding).unsqueeze(1).chunk(6, dim=-1)
        y = self.qkv(self.attention_norm(x) * (1 + scale) + shift)
        q, k, v = y.view(batch, columns, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, columns, features)
        x = x + gate * self.out(y)
        opened, value = self.gate_and_value(self.mlp_norm(x) * (1 + wide) + lift).chunk(2, dim=-1)
        whole: Tensor = x + open_ * self.narrow(F.silu(opened) * value)
        return whole


class WindowNetwork(nn.Module):
    """Scaled noisy stem latents and what is seen -> what the preconditioning makes the stem of."""

    def __init__(self, config: LookaheadConfig) -> None:
        super().__init__()
        if config.features % (2 * config.heads):
            raise LiveBandModelError(
                f"features {config.features} do not divide among {config.heads} heads of even width"
            )
        self.config = config
        width = config.features
        self.embed = nn.Linear(3 * config.latent + 2 + WIDTH, width)
        self.place = nn.Parameter(0.02 * torch.randn(config.columns, width))
        self.stem = nn.Embedding(len(config.stems), width)
        self.level = nn.Sequential(
            nn.Linear(2 * _CODE_FEATURES, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.blocks = nn.ModuleList(WindowBlock(width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, config.latent)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, code: Tensor, seen: Seen) -> Tensor:
        """X [B, C, latent] with C at most `columns` (shorter windows end where longer ones do), code [B] -> [B, C, latent]."""
        heard, known = seen.heard.unsqueeze(-1), seen.known.unsqueeze(-1)
        parts = [
            x,
            torch.where(known, seen.source, 0.0),
            torch.where(heard, seen.mix, 0.0),
            known.to(x.dtype),
            heard.to(x.dtype),
            seen.told,
        ]
        h = self.embed(torch.cat(parts, dim=-1)) + self.place[-x.shape[1] :]
        embedding = self.level(_level(code)) + self.stem(seen.stem)
        for block in self.blocks:
            h = block(h, embedding)
        y: Tensor = self.out(self.norm(h))
        return y

    def denoise(self, x: Tensor, sigma: Tensor, seen: Seen) -> Tensor:
        """Clean stem latents expected of noisy ones at levels sigma [B]; what is known is itself."""
        pre = self.config.preconditioning()
        clean = pre.denoise(lambda scaled, code: self(scaled, code, seen), x, sigma)
        return torch.where(seen.known.unsqueeze(-1), seen.source, clean)
