# SPDX-License-Identifier: GPL-3.0-or-later
"""Hears which chord sounds when no host tells: a small network's ear for tones, and a belief over chords that lasts.

The network answers frame by frame with how likely each pitch class belongs to the chord, and which is the lowest. A
hidden Markov model over chords (Sheh and Ellis 2003; Cho and Bello 2014 on how long chords last) makes of it one chord
that holds until another is heard; while none is likely enough nothing is told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.listening.chords import QUALITIES
from lbmodels.listening.network import DilatedBlock, DilatedState
from lbmodels.streaming.state import select

_SHARES = (0.42, 0.19, 0.11, 0.09, 0.08, 0.02, 0.02, 0.02, 0.01, 0.02, 0.01, 0.01)


@dataclass(frozen=True, kw_only=True)
class ChordTrackerConfig:
    """Sizes; `trust` weighs one frame's evidence, chords last `lasts_s`; told above `on`, until the belief sinks below `off`."""

    semitones: int = 66
    features: int = 80
    kernel: int = 3
    depth: int = 5
    frame_rate: float = 25.0
    trust: float = 0.35
    lasts_s: float = 3.0
    on: float = 0.6
    off: float = 0.35


class ChordTrackerState(NamedTuple):
    """`before` [B, semitones]: the last frame; `belief` [B, 12 * qualities]; `told` [B]: 1 or 0."""

    before: Tensor
    blocks: tuple[DilatedState, ...]
    belief: Tensor
    told: Tensor


class ChordTracker(nn.Module):
    """Semitone energies [B, F, semitones] -> [B, F, 15]: tones of the chord, its lowest, how sure (0..1), told (1 or 0)."""

    def __init__(self, config: ChordTrackerConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Linear(2 * config.semitones, config.features)
        self.blocks = nn.ModuleList(
            DilatedBlock(config.features, config.kernel, 2**n) for n in range(config.depth)
        )
        self.norm = nn.RMSNorm(config.features, eps=1e-5)
        self.head = nn.Linear(config.features, 24)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        tones = torch.zeros(len(QUALITIES), 12)
        for row, quality in zip(tones, QUALITIES, strict=True):
            row[list(quality)] = 1.0
        chords = torch.cat([tones.roll(lowest, dims=1) for lowest in range(12)])
        lowest = torch.arange(12).repeat_interleave(len(QUALITIES))
        shares = torch.tensor(_SHARES) / sum(_SHARES) / 12
        self.register_buffer("chords", chords, persistent=False)
        self.register_buffer("tones_of", chords.t().contiguous(), persistent=False)
        self.register_buffer("lowest", F.one_hot(lowest, 12).float(), persistent=False)
        self.register_buffer("lowest_of", F.one_hot(lowest, 12).float().t().contiguous(), persistent=False)
        self.register_buffer("prior", shares.repeat(12), persistent=False)
        self.holds = math.exp(-1 / (config.lasts_s * config.frame_rate))

    def _features(self, x: Tensor, before: Tensor) -> Tensor:
        # What counts is which tones stand out, not how loud the band is.
        level = x - x.mean(-1, keepdim=True)
        features: Tensor = self.embed(torch.cat([4 * level, 4 * (x - before)], dim=-1))
        return features

    def hear(self, x: Tensor) -> Tensor:
        """Logits [B, F, 24] of tones of the chord (12) and of its lowest tone (12), in parallel."""
        h = self._features(x, F.pad(x, (0, 0, 1, 0))[:, :-1])
        for block in self.blocks:
            h = block(h)
        logits: Tensor = self.head(self.norm(h))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        heard = self.hear(x)
        belief, told = self._start(x.shape[0])
        active = torch.ones(x.shape[0], dtype=torch.bool, device=x.device)
        outputs = []
        for n in range(x.shape[1]):
            y, belief, told = self._believe(heard[:, n], belief, told, active)
            outputs.append(y)
        return torch.stack(outputs, dim=1)

    def _start(self, batch: int) -> tuple[Tensor, Tensor]:
        prior = self.get_buffer("prior")
        return prior.expand(batch, -1).clone(), prior.new_zeros(batch)

    def init_state(self, batch: int) -> ChordTrackerState:
        blocks = tuple(block.init_state(batch) for block in self._typed())
        belief, told = self._start(batch)
        return ChordTrackerState(belief.new_zeros(batch, self.config.semitones), blocks, belief, told)

    def step(self, x: Tensor, state: ChordTrackerState, active: Tensor) -> tuple[Tensor, ChordTrackerState]:
        """One frame [B, semitones] -> [B, 15]."""
        h = self._features(x, state.before)
        blocks = []
        for block, past in zip(self._typed(), state.blocks, strict=True):
            h, new = block.step(h, past, active)
            blocks.append(new)
        y, belief, told = self._believe(self.head(self.norm(h)), state.belief, state.told, active)
        return y, ChordTrackerState(select(active, x, state.before), tuple(blocks), belief, told)

    def _believe(
        self, heard: Tensor, belief: Tensor, told: Tensor, active: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        c, prior = self.config, self.get_buffer("prior")
        expected = self.holds * belief + (1 - self.holds) * prior
        # Log likelihoods but for what all chords have in common.
        tones, lowest = heard[..., :12], heard[..., 12:]
        evidence = tones @ self.get_buffer("tones_of") + lowest @ self.get_buffer("lowest_of")
        after = torch.softmax(expected.log() + c.trust * evidence, dim=-1)
        # A belief that is no number would stay so for ever.
        after = torch.where(after.sum(-1, keepdim=True) > 0.5, after, prior)
        best = after.argmax(-1)
        by_lowest = after @ self.get_buffer("lowest")
        chord = self.get_buffer("chords")[best]
        lowest_tone = self.get_buffer("lowest")[best]
        sure = (by_lowest * lowest_tone).sum(-1)
        now = (sure > c.on + told * (c.off - c.on)).float()
        index = (lowest_tone * torch.arange(12, device=heard.device)).sum(-1)
        y = torch.cat([chord, torch.stack([index, sure, now], dim=-1)], dim=-1)
        return y, select(active, after, belief), select(active, now, told)

    def tell(self, y: Tensor, conditions: Mapping[str, Tensor], anticipation: Tensor) -> dict[str, Tensor]:
        """Conditions of the frame to be played, with the chord filled in where the host tells neither it nor its bass.

        Args:
            y: the output of `step`, or of `forward`, [..., 15].
            conditions: the host's, `chord` [..., 12] and `chord_bass` [...] among them, NaN where unknown.
            anticipation: A in frames, [...]. The further ahead, the likelier another chord sounds by then.
        """
        chord, lowest, sure, now = y[..., :12], y[..., 12], y[..., 13], y[..., 14]
        still = sure * torch.exp(anticipation * math.log(self.holds))
        own = (now > 0.5) & (still > self.config.off)
        own = own & conditions["chord"][..., 0].isnan() & conditions["chord_bass"].isnan()
        return {
            **conditions,
            "chord": torch.where(own.unsqueeze(-1), chord, conditions["chord"]),
            "chord_bass": torch.where(own, lowest, conditions["chord_bass"]),
        }

    def _typed(self) -> list[DilatedBlock]:
        return [block for block in self.blocks if isinstance(block, DilatedBlock)]
