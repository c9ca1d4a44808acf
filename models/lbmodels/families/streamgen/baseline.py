# SPDX-License-Identifier: GPL-3.0-or-later
"""The offline ceiling: StemGen (Parker 2024) as StreamMusicGen's authors rebuilt it, a masked model that sees everything.

Tokens: 0 nothing, 1 masked, code + 2. The rows of one level overlap the next one's by two, as published: what stands for
"masked" in level q is the last row but one of level q - 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lbmodels.families.streamgen.trunk import Trunk, TrunkConfig

MASKED = 1
FIRST_CODE = 2


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """Sizes; `half`: width of each of the two halves of an embedding, what is heard and what is played."""

    trunk: TrunkConfig
    levels: int = 4
    codes: int = 4096
    half: int = 512
    input_dim: int = 1024
    instruments: int = 18


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Of the decoding, level after level: passes, and the noise in the choice of what to keep, annealed to 0."""

    passes: tuple[int, ...] = (128, 64, 32, 32)
    noise: tuple[float, ...] = (8.0, 8.0, 4.0, 4.0)
    guidance: float = 2.0


class Baseline(nn.Module):
    """Tokens [B, Q, T], heard [B, T, input_dim], instruments [B] -> logits [B, Q, T, codes]."""

    def __init__(self, config: BaselineConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(FIRST_CODE + config.levels * config.codes, config.half)
        self.instruments = nn.Embedding(config.instruments, config.half)
        self.into = nn.Linear(config.input_dim, config.half)
        self.trunk = Trunk(config.trunk, causal=False)
        self.heads = nn.ModuleList(nn.Linear(config.trunk.dim, config.codes) for _ in range(config.levels))

    def forward(self, tokens: Tensor, heard: Tensor, instruments: Tensor) -> Tensor:
        offset = self.config.codes * torch.arange(self.config.levels, device=tokens.device)
        who = self.instruments(instruments).unsqueeze(1)
        played = self.tokens(tokens + offset.view(1, -1, 1)).sum(1) + who
        hidden = self.trunk(torch.cat([self.into(heard) + who, played], dim=-1))
        return torch.stack([head(hidden) for head in self.heads], dim=1)

    @torch.no_grad()
    def decode(
        self, heard: Tensor, instruments: Tensor, schedule: Schedule, generator: torch.Generator
    ) -> Tensor:
        """Codes [B, Q, T] for what is heard: each pass keeps the surest (confidence log p + Gumbel noise)."""
        batch, frames = heard.shape[:2]
        tokens = torch.full((batch, self.config.levels, frames), MASKED)
        for q in range(self.config.levels):
            passes = schedule.passes[q]
            for step in range(passes):
                masked = tokens[:, q] == MASKED
                log_p = self._guided(tokens, heard, instruments, schedule.guidance)[:, q].log_softmax(-1)
                gumbel = -torch.empty(log_p.shape).exponential_(generator=generator).log()
                chosen = (log_p + gumbel).argmax(-1)
                sure = log_p.gather(-1, chosen.unsqueeze(-1)).squeeze(-1)
                heat = schedule.noise[q] * (1 - (step + 1) / passes)
                sure = sure - heat * torch.empty(sure.shape).exponential_(generator=generator).log()
                tokens[:, q] = torch.where(masked, chosen + FIRST_CODE, tokens[:, q])
                left = math.floor(frames * math.cos(math.pi / 2 * (step + 1) / passes))
                if left:  # what was kept before is never masked again
                    again = sure.masked_fill(~masked, torch.inf).argsort(-1)[:, :left]
                    tokens[:, q] = tokens[:, q].scatter(-1, again, MASKED)
        return tokens - FIRST_CODE

    def _guided(self, tokens: Tensor, heard: Tensor, instruments: Tensor, scale: float) -> Tensor:
        logits: Tensor = self(tokens, heard, instruments)
        if scale == 1:
            return logits
        null: Tensor = self(tokens, torch.zeros_like(heard), instruments)
        return null + scale * (logits - null)
