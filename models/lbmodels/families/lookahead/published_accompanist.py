# SPDX-License-Identifier: GPL-3.0-or-later
"""The published look-ahead system by the contract: columns of 4096 samples at 44.1 kHz mono, each window encoded anew.

Corrected where the published server is off, unless `as_published`: audio lies where it belongs, and not 41 to 48 ms later; stretches
meet in a cross-fade of equal power; each stem has its own latent memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from lbmodels.conditioning.table import columns as told_by_frame
from lbmodels.contract.spec import Spec
from lbmodels.families.lookahead import published
from lbmodels.families.lookahead.published import COLUMN_SAMPLES, FADE_SAMPLES, SAMPLE_RATE, STEMS, Tier
from lbmodels.families.lookahead.song_unet import SongUNet
from lbmodels.families.lookahead.window import (
    Memory,
    Window,
    cross_fade,
    empty_memory,
    recall,
    remember,
)
from lbmodels.streaming.noise import gaussian
from lbmodels.streaming.state import map_tensors, select

MARGIN_SAMPLES = 1536
"""Samples that the last column's windows reach beyond it."""
_MOST_DRAWS = 64


class Autoencoder(Protocol):
    """What the system needs of Music2Latent."""

    def encode(self, audio: Tensor) -> Tensor:
        """[B, 4096 columns + 1536] -> [B, channels, columns]."""
        ...

    def decode(self, latents: Tensor, seeds: Tensor) -> Tensor:
        """[B, channels, columns] and a seed [B] for each -> [B, 4096 columns + 1536]."""
        ...


class PublishedState(NamedTuple):
    """What one batch of sessions remembers: columns heard [B], the mix of the last window [B, T], the stem's latents, and how the
    last stretch went on [B, fade].
    """

    seed: Tensor
    cursor: Tensor
    mix: Tensor
    memory: Memory
    tail: Tensor


class PublishedAccompanist(nn.Module):
    """Mix columns [n k, (n + 1) k) in, stem columns [(n + 1) k + A, (n + 2) k + A) out, as `LookaheadAccompanist`."""

    def __init__(
        self,
        name: str,
        network: SongUNet,
        codec: Autoencoder,
        tier: Tier,
        *,
        window: Window | None = None,
        as_published: bool = False,
        weights_id: str = "",
    ) -> None:
        super().__init__()
        self.network, self.codec, self.tier, self.as_published = network, codec, tier, as_published
        self.columns = network.config.resolution
        self.window = window or Window(ratio=0.25 if tier is published.TEACHER else 0.125, look_ahead=1)
        self.new = self.window.new_columns(self.columns)
        self.late = (
            published.first_sample(self.columns, self.new + 1, as_published=True)
            - published.first_sample(self.columns, self.new + 1, as_published=False)
            if as_published
            else 0
        )
        self.spec = Spec(
            name=name,
            sample_rate=SAMPLE_RATE,
            channels=1,
            hop=COLUMN_SAMPLES,
            chunk_frames=self.new,
            anticipation_frames=(0, max(0, self.columns // 2 - self.new)),
            stems=STEMS[: network.config.label_dim],
            controls=(),
            conditions=(),
            context_frames=self.columns,
            parameters=sum(p.numel() for p in self.parameters()),
            recipe="lookahead-published",
            weights_id=weights_id,
        )

    def init_state(self, seeds: Sequence[int]) -> PublishedState:
        """A fresh state, one row a seed: nothing heard, nothing played."""
        rows = len(seeds)
        return PublishedState(
            torch.tensor(list(seeds), dtype=torch.int64),
            torch.zeros(rows, dtype=torch.int64),
            torch.zeros(rows, self.columns * COLUMN_SAMPLES),
            empty_memory(rows, self.columns, self.columns),
            torch.zeros(rows, FADE_SAMPLES),
        )

    def heard_beat(self, state: PublishedState) -> Tensor:
        """It has no ear for the beat: -1, unknown, of each frame [B, k, 4]."""
        return torch.full((len(state.seed), self.new, 4), -1.0)

    @torch.no_grad()
    def step(
        self, mix: Tensor, conditions: Mapping[str, Tensor], state: PublishedState, active: Tensor
    ) -> tuple[Tensor, PublishedState]:
        """Mix [B, 1, k hop] -> stem [B, 1, k hop]; of the conditions it takes stem and anticipation."""
        told = told_by_frame(conditions)
        ahead = told["anticipation"][:, 0].round().to(torch.int64)
        cursor = state.cursor + self.new
        end = cursor + ahead + self.new
        heard = torch.cat([state.mix, mix[:, 0]], dim=1)[:, self.new * COLUMN_SAMPLES :]
        source, known = recall(state.memory, end)
        rows = [
            self._window(
                heard[row],
                int(ahead[row]) + self.new,
                int(told["stem"][row, 0]),
                source[row],
                known[row],
                state.seed[row],
                end[row],
            )
            for row in range(len(mix))
        ]
        filled = torch.stack(rows)
        audio = self.codec.decode(filled[:, -self.new - 1 :].transpose(1, 2), (state.seed + end) % 2**31)
        begin, length = COLUMN_SAMPLES - self.late, self.new * COLUMN_SAMPLES
        played = audio[:, begin : begin + length].clone()
        played[:, :FADE_SAMPLES] = cross_fade(state.tail, played[:, :FADE_SAMPLES])
        tail = audio[:, begin + length : begin + length + FADE_SAMPLES]
        after = PublishedState(state.seed, cursor, heard, remember(filled, end), tail)
        stem = select(active, played.unsqueeze(1), torch.zeros_like(mix))
        return stem, map_tensors(lambda fresh, old: select(active, fresh, old), after, state)

    def _window(
        self, heard: Tensor, unheard: int, stem: int, source: Tensor, known: Tensor, seed: Tensor, end: Tensor
    ) -> Tensor:
        """Latents [columns, channels] of one row's window, of whose mix the last `unheard` columns are not heard."""
        audio = torch.cat([heard[unheard * COLUMN_SAMPLES :], heard.new_zeros(unheard * COLUMN_SAMPLES)])
        audio = torch.cat([audio, audio.new_zeros(MARGIN_SAMPLES)])
        mix = self.codec.encode(audio[None]).unsqueeze(1)
        mix[..., self.columns - unheard :] = 0.0
        places = end - self.columns + torch.arange(self.columns)
        count = 0

        def draw() -> Tensor:
            nonlocal count
            noise = gaussian(seed.expand(self.columns), places * _MOST_DRAWS + count, self.columns)
            count += 1
            return noise.t()[None, None]

        if not bool(known.any()):  # a cold start, as the published server's: what came before is silence
            source = self.codec.encode(torch.zeros_like(audio)[None])[0].t()
            known = torch.arange(self.columns) < self.columns - self.new
        filled = published.fill(
            self.network,
            self.tier,
            mix=mix,
            source=source.t()[None, None],
            known=known[None, None, None, :].expand_as(mix),
            label=published.label_of((stem,), self.network.config.label_dim),
            draw=draw,
        )
        return filled[0, 0].t()
