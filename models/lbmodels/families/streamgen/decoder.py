# SPDX-License-Identifier: GPL-3.0-or-later
"""StreamMusicGen's language model: what it hears and what it played, fused step by step, and the next step's tokens.

Future visibility fv = t_f in frames. fv <= 0: step s hears input frame s - 1 - |fv|, before it |fv| + 1 learned "nothing
heard yet". fv > 0: fv - 1 columns of padding stand before the output, and step s hears input frame s.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.families.streamgen.beats import BeatProjector
from lbmodels.families.streamgen.trunk import Trunk, TrunkConfig


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Sizes. `chunk`: frames a call, 1 or the prefix-online model's k. `input_dim`: of the codec's embedding.

    `levelled`: in a stream the mix is brought to the level that the published program brings whole clips to.
    """

    trunk: TrunkConfig
    levels: int = 4
    tokens: int = 4115
    input_dim: int = 1024
    future_visibility: int = 0
    chunk: int = 1
    levelled: bool = True

    @property
    def pads(self) -> int:
        """Steps at the start that hear the learned "nothing yet"."""
        return 1 - self.future_visibility if self.future_visibility <= 0 else 0


class Decoder(nn.Module):
    """Tokens [B, Q, S] and what was heard [B, S, input_dim] -> logits [B, Q, S, tokens] of the steps after them."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.trunk.dim
        self.tokens = nn.Embedding(config.levels * config.tokens, dim)
        self.nothing_yet = nn.Parameter(torch.empty(config.pads, config.input_dim)) if config.pads else None
        self.gate = nn.Parameter(torch.empty(dim))
        self.into = nn.Linear(config.input_dim, dim) if config.input_dim != dim else nn.Identity()
        self.norm_in, self.norm_out = nn.LayerNorm(config.input_dim), nn.LayerNorm(dim)
        self.norm_fused = nn.LayerNorm(dim)
        self.trunk = Trunk(config.trunk)
        self.heads = nn.ModuleList(nn.Linear(dim, config.tokens) for _ in range(config.levels))
        self.beats = BeatProjector(config.trunk.condition) if config.trunk.condition else None

    def embed(self, steps: Tensor) -> Tensor:
        """Tokens [B, Q, S] -> [B, S, dim], the sum over levels."""
        offset = self.config.tokens * torch.arange(self.config.levels, device=steps.device)
        return self.tokens(steps + offset.view(1, -1, 1)).sum(1)

    def tentative(self, steps: Tensor) -> Tensor:
        """Positions inside a chunk: what was played alone, [B, S, dim]."""
        return self.norm_out(self.embed(steps))

    def fuse(self, steps: Tensor, heard: Tensor) -> Tensor:
        """Tokens [B, Q, S] with what each step hears [B, S, input_dim] -> [B, S, dim]."""
        return self.norm_fused(self.into(self.norm_in(heard)) + self.gate * self.tentative(steps))

    def line_up(self, heard: Tensor) -> Tensor:
        """Input frames [B, T, input_dim] -> what steps hear from step 0 on, [B, T + 1, input_dim] for fv <= 0."""
        if self.nothing_yet is None:
            return heard
        late = -self.config.future_visibility
        nothing = self.nothing_yet.expand(heard.shape[0], -1, -1)
        return torch.cat([nothing, heard[:, : max(0, heard.shape[1] - late)]], dim=1)

    def logits(self, hidden: Tensor) -> Tensor:
        """[B, S, dim] -> [B, Q, S, tokens]."""
        return torch.stack([head(hidden) for head in self.heads], dim=1)

    def forward(self, steps: Tensor, heard: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.logits(self.trunk(self.fuse(steps, heard), condition))


def sharpen(logits: Tensor, top_k: int, temperature: float) -> Tensor:
    """Probabilities [..., V]: the `top_k` best of the raw logits (0: all), then the temperature."""
    if top_k and top_k < logits.shape[-1]:
        least = logits.topk(top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    return F.softmax(logits / temperature, dim=-1)
