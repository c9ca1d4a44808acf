# SPDX-License-Identifier: GPL-3.0-or-later
"""Which beat of the bar it is: a belief over metres and places in the bar that moves on with every beat."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lbmodels.listening.onsets import STRIDES
from lbmodels.listening.pointer import Pointer
from lbmodels.streaming.state import select

METRES = (4, 3, 2, 7)
"""Beats a bar; the likelier ones first. Together 16 places: a sum over another number is not the same to the bit in batches."""

_PRIOR = (0.78, 0.14, 0.06, 0.02)
_COUNTED_AT = 0.25
"""Where within a beat it is counted: by then all that is to be heard of its beginning has been heard."""

_FIRST_SHARE = 0.27


class BarsState(NamedTuple):
    """`belief` [B, places]; `turn` [B]: phase since beats were counted last; `heard` [B, 2]: of this beat, and as a first."""

    belief: Tensor
    turn: Tensor
    heard: Tensor


class Place(NamedTuple):
    """`beats` [...] since the bar began, `metre` [...] beats a bar, `sure` [...]: probability of both."""

    beats: Tensor
    metre: Tensor
    sure: Tensor


class BarPlace(nn.Module):
    """Logits of one frame and where its beat is, in; `Place` at the end of the frame, out. Nothing is learned."""

    def __init__(self, *, trust: float, forget: float, width_strides: float = 2.0) -> None:
        super().__init__()
        self.width_strides = width_strides
        metre = torch.cat([torch.full((m,), float(m)) for m in METRES])
        place = torch.cat([torch.arange(m) for m in METRES])
        prior = torch.cat([torch.full((m,), p / m) for m, p in zip(METRES, _PRIOR, strict=True)])
        starts = torch.cat([torch.full((m,), sum(METRES[:n])) for n, m in enumerate(METRES)])
        self.forget = forget
        self.register_buffer("before", starts + (place - 1) % metre.long(), persistent=False)
        self.register_buffer("after", starts + (place + 1) % metre.long(), persistent=False)
        self.register_buffer("first", (place == 0).float() * trust, persistent=False)
        self.register_buffer("later", (place != 0).float() * trust, persistent=False)
        self.register_buffer("prior", prior, persistent=False)
        self.register_buffer("metre", metre, persistent=False)
        self.register_buffer("place", place.float(), persistent=False)
        self.register_buffer("back", torch.arange(STRIDES - 1, -1, -1).float(), persistent=False)

    def init_state(self, batch: int) -> BarsState:
        prior = self.get_buffer("prior")
        return BarsState(
            prior.expand(batch, -1).clone(), prior.new_full((batch,), 0.5), prior.new_zeros(batch, 2)
        )

    def step(
        self, beat: Tensor, downbeat: Tensor, pointer: Pointer, state: BarsState, active: Tensor
    ) -> tuple[Place, BarsState]:
        """One frame: logits [B, STRIDES], and the pointer at its end."""
        period = pointer.period.unsqueeze(-1)
        then = pointer.phase.unsqueeze(-1) - self.get_buffer("back") / period
        off = (then - (then + 0.5).floor()) * period
        near = (-0.5 * (off / self.width_strides).square()).exp()
        both = torch.stack([beat.sigmoid(), downbeat.sigmoid()], dim=1)
        heard = state.heard + (both * near.unsqueeze(1)).sum(-1)

        turn = pointer.phase - _COUNTED_AT
        turn = turn - turn.floor()
        counted = (turn < state.turn - 0.5).unsqueeze(-1)
        uncounted = (turn > state.turn + 0.5).unsqueeze(-1)
        share = (heard[:, 1:] + 0.3 * _FIRST_SHARE) / (heard[:, :1] + 0.3)
        share = share.clamp(min=0.02, max=0.98)
        first = (share / _FIRST_SHARE).log() * self.get_buffer("first")
        later = ((1 - share) / (1 - _FIRST_SHARE)).log() * self.get_buffer("later")
        moved = state.belief[:, self.get_buffer("before")] * (1 - self.forget)
        onward = (moved + self.forget * self.get_buffer("prior")) * (first + later).exp()
        onward = onward / onward.sum(-1, keepdim=True)
        kept = torch.where(uncounted, state.belief[:, self.get_buffer("after")], state.belief)
        belief = torch.where(counted, onward, kept)
        # A belief that is no number would stay so for ever.
        belief = torch.where(belief.sum(-1, keepdim=True) > 0.5, belief, self.get_buffer("prior"))
        heard = torch.where(counted, torch.zeros_like(heard), heard)

        best = belief.argmax(-1)
        sure = (belief * torch.nn.functional.one_hot(best, belief.shape[-1])).sum(-1)
        beats = self.get_buffer("place")[best] + turn + _COUNTED_AT
        state = BarsState(
            select(active, belief, state.belief),
            select(active, turn, state.turn),
            select(active, heard, state.heard),
        )
        return Place(beats, self.get_buffer("metre")[best], sure), state
