# SPDX-License-Identifier: GPL-3.0-or-later
"""The window protocol: which part of a window is heard, which is known, which is new. Values and pure functions.

A window is `columns` latent columns that end where what is to be written ends. At cursor c the player has heard all before c and
writes [c + w r T, c + (w + 1) r T): w = -1 what it has just heard, w = 0 what sounds now, w = 1 a step ahead. So the chunk is r T
and the future visibility -w r T.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lbmodels.errors import LiveBandModelError

LOOK_AHEADS = (-1, 0, 1)


@dataclass(frozen=True, kw_only=True)
class Window:
    """Step ratio r in (0, 1] and look-ahead w; the unheard part, (w + 1) r, is at most half a window.

    Raises:
        LiveBandModelError: r or w outside of what is accepted.
    """

    ratio: float = 0.25
    look_ahead: int = 1

    def __post_init__(self) -> None:
        if self.look_ahead not in LOOK_AHEADS:
            raise LiveBandModelError(f"look-ahead w {self.look_ahead!r}: accepted is -1, 0 or 1")
        if not 0 < self.ratio <= 1:
            raise LiveBandModelError(f"step ratio r {self.ratio!r}: accepted is above 0, at most 1")
        if self.unheard > 0.5:
            raise LiveBandModelError(
                f"step ratio r {self.ratio:g} with look-ahead w {self.look_ahead}: (w + 1) r is at most 0.5"
            )

    @property
    def unheard(self) -> float:
        """Part of the window that lies after what has been heard."""
        return (self.look_ahead + 1) * self.ratio

    def new_columns(self, columns: int) -> int:
        """Columns at the end of a window that one step writes, at least one."""
        return max(1, int(columns * self.ratio))

    def heard_columns(self, columns: int) -> int:
        """Columns at the start of a window whose mix is heard."""
        return int(columns * (1 - self.unheard))

    def step_at(self, cursor: int, columns: int, written: int | None = None) -> Step | None:
        """What is to be written when all before column `cursor` has been heard and all before `written` been written.

        A step goes on where the last one ended, whatever r and w were then: a window that now ends earlier has nothing to write
        (None), one that ends later writes all up to its end. What is past for a player that writes ahead is left out, and so
        is what no longer fits the window. `written` None: nothing has been written.
        """
        new = self.new_columns(columns)
        end = cursor + (self.look_ahead + 1) * new
        start = end - new if written is None else written
        start = max(start, end - columns, cursor if self.look_ahead >= 0 else 0)
        return Step(start=start, end=end, heard=cursor, first=end - columns) if start < end else None


class Step(NamedTuple):
    """One window step in absolute columns: [start, end) is written, all before `heard` is heard, the window begins at `first`."""

    start: int
    end: int
    heard: int
    first: int


class Memory(NamedTuple):
    """A stem's own latents: the last columns before `end` [B] int64, of which the last `filled` [B] int64 were written.

    latents [B, C, latent]. A stem never sees another's.
    """

    latents: Tensor
    end: Tensor
    filled: Tensor


def empty_memory(batch: int, columns: int, latent: int, device: torch.device | None = None) -> Memory:
    """Nothing written: a cold start, and what a reset gives."""
    zero = torch.zeros(batch, dtype=torch.int64, device=device)
    return Memory(torch.zeros(batch, columns, latent, device=device), zero, zero.clone())


def shifted(ring: Tensor, by: Tensor) -> Tensor:
    """Columns [B, C, ...] moved by `by` [B] columns towards the beginning; what comes in at the end is zero."""
    columns = ring.shape[1]
    index = torch.arange(columns, device=ring.device) + by[:, None]
    inside = (index >= 0) & (index < columns)
    index = index.clamp(0, columns - 1)
    shape = (*index.shape, *[1] * (ring.dim() - 2))
    moved = torch.take_along_dim(ring, index.view(shape), dim=1)
    return torch.where(inside.view(shape), moved, torch.zeros((), dtype=ring.dtype, device=ring.device))


def recall(memory: Memory, end: Tensor) -> tuple[Tensor, Tensor]:
    """The memory in a window that ends at column `end` [B]: latents [B, C, latent] and which columns are known [B, C]."""
    columns = memory.latents.shape[1]
    by = end - memory.end
    place = torch.arange(columns, device=end.device) + by[:, None]
    known = (place < columns) & (place >= columns - memory.filled[:, None]) & (place >= 0)
    return shifted(memory.latents, by), known


def remember(latents: Tensor, end: Tensor) -> Memory:
    """The memory after a window [B, C, latent] that ends at `end` [B] was filled: all of it is known from now on."""
    return Memory(latents, end.clone(), torch.full_like(end, latents.shape[1]))


def equal_power(samples: int) -> tuple[Tensor, Tensor]:
    """Gains [samples] of what goes and of what comes in a cross-fade: the sum of their squares is one throughout."""
    angle = (torch.arange(samples) + 0.5) / max(1, samples) * (torch.pi / 2)
    return angle.cos(), angle.sin()


def cross_fade(before: Tensor, after: Tensor) -> Tensor:
    """Two stretches [..., T] of the same time as one that begins as the first and ends as the second."""
    goes, comes = equal_power(before.shape[-1])
    return before * goes + after * comes
