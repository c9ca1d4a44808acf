# SPDX-License-Identifier: GPL-3.0-or-later
"""The published U-Net over latents as pictures: rows are latent channels, columns are time.

Karras, Aittala, Aila, Laine 2022 (arXiv 2206.00364), DDPM++ form; sizes and conditioning as in Karchkhadze and Dubnov 2026
(arXiv 2604.07612). Tensor names are those of the published checkpoint. Written from a description of the function.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EPS = 1e-6
_HALF_POWER = 0.5**0.5
"""What a sum of two branches of one variance is multiplied by to keep it."""


@dataclass(frozen=True, kw_only=True)
class SongUNetConfig:
    """Sizes; the defaults are the published ones. `resolution` is both the latent channels and the columns of a window."""

    resolution: int = 64
    in_channels: int = 2
    out_channels: int = 1
    model_channels: int = 256
    channel_mult: tuple[int, ...] = (1, 2, 2, 2)
    num_blocks: int = 4
    attn_resolutions: tuple[int, ...] = (8, 16, 32)
    label_dim: int = 4
    dropout: float = 0.0


class Conv(nn.Module):
    """Convolution that keeps the size, after averaging by two (`down`) or repeating by two (`up`) where asked."""

    resample_filter: Tensor

    def __init__(
        self, inside: int, outside: int, kernel: int, *, up: bool = False, down: bool = False
    ) -> None:
        super().__init__()
        self.up, self.down = up, down
        self.weight = nn.Parameter(torch.empty(outside, inside, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outside))
        nn.init.xavier_uniform_(self.weight)
        if up or down:
            self.register_buffer("resample_filter", torch.full((1, 1, 2, 2), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        if self.up or self.down:
            channels = x.shape[1]
            each = self.resample_filter.to(x.dtype).expand(channels, 1, 2, 2)
            if self.down:
                x = F.conv2d(x, each, stride=2, groups=channels)
            else:
                x = F.conv_transpose2d(x, 4 * each, stride=2, groups=channels)
        return F.conv2d(x, self.weight, self.bias, padding=self.weight.shape[-1] // 2)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(min(32, channels // 4), channels, eps=_EPS)


class Block(nn.Module):
    """Two convolutions told the noise level and the label, then attention over the picture where asked.

    [B, in, H, W], embedding [B, E] -> [B, out, H, W], or half or twice H and W.
    """

    def __init__(
        self,
        inside: int,
        outside: int,
        embedding: int,
        *,
        up: bool = False,
        down: bool = False,
        attention: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.in_channels, self.dropout, self.attention = inside, dropout, attention
        self.norm0 = _norm(inside)
        self.conv0 = Conv(inside, outside, 3, up=up, down=down)
        self.affine = nn.Linear(embedding, outside)
        self.norm1 = _norm(outside)
        self.conv1 = Conv(outside, outside, 3)
        self.skip = (
            Conv(inside, outside, 1, up=up, down=down) if inside != outside or up or down else nn.Identity()
        )
        if attention:
            self.norm2 = _norm(outside)
            self.qkv = Conv(outside, 3 * outside, 1)
            self.proj = Conv(outside, outside, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        y = self.conv0(F.silu(self.norm0(x))) + self.affine(embedding)[:, :, None, None]
        y = F.dropout(F.silu(self.norm1(y)), self.dropout, self.training)
        x = (self.conv1(y) + self.skip(x)) * _HALF_POWER
        return self._attend(x) if self.attention else x

    def _attend(self, x: Tensor) -> Tensor:
        batch, channels = x.shape[:2]
        q, k, v = self.qkv(self.norm2(x)).reshape(batch, channels, 3, -1).unbind(2)
        weights = torch.einsum("ncq,nck->nqk", q.float(), k.float() / channels**0.5).softmax(-1).to(x.dtype)
        seen = torch.einsum("nqk,nck->ncq", weights, v).reshape(x.shape)
        attended: Tensor = (self.proj(seen) + x) * _HALF_POWER
        return attended


def noise_features(code: Tensor, width: int) -> Tensor:
    """[B] noise codes -> [B, width]: sines, then cosines, of `width` / 2 frequencies from 1 down to 1/10000."""
    half = width // 2
    steps = torch.arange(half, dtype=torch.float32, device=code.device) / max(1, half - 1)
    angles = code.float()[:, None] * (1.0 / 10_000) ** steps
    return torch.cat([angles.sin(), angles.cos()], dim=1).to(code.dtype)


class SongUNet(nn.Module):
    """Noisy stem and mix as a picture of two channels -> what the preconditioning makes the stem of."""

    def __init__(self, config: SongUNetConfig) -> None:
        super().__init__()
        self.config = config
        width, embedding = config.model_channels, 4 * config.model_channels
        self.map_label = nn.Linear(config.label_dim, width)
        self.map_layer0 = nn.Linear(width, embedding)
        self.map_layer1 = nn.Linear(embedding, embedding)

        def block(inside: int, outside: int, *, attention: bool = False, **how: bool) -> Block:
            return Block(inside, outside, embedding, attention=attention, dropout=config.dropout, **how)

        self.enc, self.dec = nn.ModuleDict(), nn.ModuleDict()
        channels, kept = config.in_channels, []
        for level, multiple in enumerate(config.channel_mult):
            size = config.resolution >> level
            at = f"{size}x{size}"
            if level == 0:
                self.enc[f"{at}_conv"] = Conv(channels, width, 3)
                channels = width
            else:
                self.enc[f"{at}_down"] = block(channels, channels, down=True)
            kept.append(channels)
            for index in range(config.num_blocks):
                attention = size in config.attn_resolutions
                self.enc[f"{at}_block{index}"] = block(channels, width * multiple, attention=attention)
                channels = width * multiple
                kept.append(channels)
        for level, multiple in reversed(list(enumerate(config.channel_mult))):
            size = config.resolution >> level
            at = f"{size}x{size}"
            if level == len(config.channel_mult) - 1:
                self.dec[f"{at}_in0"] = block(channels, channels, attention=True)
                self.dec[f"{at}_in1"] = block(channels, channels)
            else:
                self.dec[f"{at}_up"] = block(channels, channels, up=True)
            for index in range(config.num_blocks + 1):
                attention = index == config.num_blocks and size in config.attn_resolutions
                self.dec[f"{at}_block{index}"] = block(
                    channels + kept.pop(), width * multiple, attention=attention
                )
                channels = width * multiple
        at = f"{config.resolution}x{config.resolution}"
        self.dec[f"{at}_aux_norm"] = _norm(channels)
        self.dec[f"{at}_aux_conv"] = Conv(channels, config.out_channels, 3)

    def forward(self, x: Tensor, code: Tensor, label: Tensor) -> Tensor:
        """X [B, in_channels, resolution, columns], code [B], label [B, label_dim] -> [B, out_channels, ...].

        `columns` may be any multiple of two to the number of levels less one.
        """
        embedding = noise_features(code, self.config.model_channels)
        embedding = embedding + self.map_label(label * math.sqrt(self.config.label_dim))
        embedding = F.silu(self.map_layer1(F.silu(self.map_layer0(embedding))))
        kept: list[Tensor] = []
        for layer in self.enc.values():
            x = layer(x, embedding) if isinstance(layer, Block) else layer(x)
            kept.append(x)
        for layer in self.dec.values():
            if isinstance(layer, Block):
                if x.shape[1] != layer.in_channels:
                    x = torch.cat([x, kept.pop()], dim=1)
                x = layer(x, embedding)
            else:
                x = layer(F.silu(x)) if isinstance(layer, Conv) else layer(x)
        return x
