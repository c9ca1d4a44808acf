# SPDX-License-Identifier: GPL-3.0-or-later
"""The bar pointer's beat: a belief over every tempo and every place within a beat, moved on and corrected each frame.

A hidden Markov model after Whiteley, Cemgil and Godsill 2006 in the efficient state space of Krebs, Boeck and Widmer
2015: a tempo whose beat lasts n strides has n places, one stride is one place, and the tempo may change where a beat
begins. Forward algorithm only, so that it is causal, as in Heydari, Cwitkowitz and Duan 2021 (BeatNet). Four strides
are taken at once, which makes a frame one gather, two small products and a few operations on one array.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lbmodels.listening.onsets import STRIDES
from lbmodels.streaming.state import select


class PointerState(NamedTuple):
    """`belief` [B, tempi, longest]: probabilities of places; what lies beyond a beat's length is 0."""

    belief: Tensor


class Pointer(NamedTuple):
    """What the belief says at the end of a frame.

    `phase` [...] in beats, 0 to 1, `period` [...] in strides, `sure` [...]: the probability that gathers there.
    """

    phase: Tensor
    period: Tensor
    sure: Tensor


class BeatPointer(nn.Module):
    """Beat and tempo logits of one frame in, `Pointer` out. All numbers are fixed, nothing is learned.

    `usual`: a logit that speaks neither for a beat nor against it. `doubt`: how much one stride may speak against it.
    """

    def __init__(
        self,
        *,
        shortest: int,
        tempi: int,
        width_strides: float,
        trust: float,
        usual: float,
        doubt: float,
        tempo_change: float,
        forget: float,
    ) -> None:
        super().__init__()
        longest = -(-(shortest + tempi - 1) // STRIDES) * STRIDES
        self.tempi, self.longest, self.forget = tempi, longest, forget
        self.usual, self.doubt = usual, doubt
        period = shortest + torch.arange(tempi, dtype=torch.float64)
        place = torch.arange(longest, dtype=torch.float64)
        valid = place < period.unsqueeze(1)
        # Where a state stood at each of the frame's strides, and how much of a beat that place is.
        back = torch.arange(STRIDES - 1, -1, -1, dtype=torch.float64).view(-1, 1, 1)
        then = (place - back).remainder(period.unsqueeze(1))
        distance = torch.minimum(then, period.unsqueeze(1) - then)
        on_beat = torch.exp(-0.5 * (distance / width_strides) ** 2)
        evidence = on_beat * trust * valid
        self._keep("evidence", evidence.flatten(1))
        self._keep("valid", valid.double())
        self._keep("fresh", valid.double() / valid.sum())
        log = period.log()
        change = torch.exp(-tempo_change * (log.unsqueeze(0) - log.unsqueeze(1)).abs())
        self._keep("change", change / change.sum(1, keepdim=True))
        near = torch.exp(-0.5 * ((log.unsqueeze(0) - log.unsqueeze(1)) / 0.03) ** 2)
        self._keep("near", near)
        self._keep("around", (near > 0.05).double())
        ends = torch.arange(tempi) * longest + period.long() - STRIDES + torch.arange(STRIDES).unsqueeze(1)
        self.register_buffer("ends", ends, persistent=False)
        angle = 2 * torch.pi * place / period.unsqueeze(1)
        self._keep("cosine", angle.cos() * valid)
        self._keep("sine", angle.sin() * valid)
        self._keep("log_period", log)

    def _keep(self, name: str, values: Tensor) -> None:
        self.register_buffer(name, values.float().contiguous(), persistent=False)

    def init_state(self, batch: int) -> PointerState:
        return PointerState(self.get_buffer("fresh").expand(batch, -1, -1).clone())

    def step(
        self, beat: Tensor, tempo: Tensor, state: PointerState, active: Tensor
    ) -> tuple[Pointer, PointerState]:
        """One frame: logits [B, STRIDES] of beats and log likelihoods [B, tempi] of tempi."""
        belief = state.belief
        ending = belief.flatten(1)[:, self.get_buffer("ends")]  # [B, STRIDES, tempi]
        begun = (ending @ self.get_buffer("change")).transpose(1, 2)
        moved = torch.cat([begun, belief[:, :, :-STRIDES]], dim=-1) * self.get_buffer("valid")
        # A beat that is not heard speaks against a place only so much: players rest, time goes on.
        heard = (beat - self.usual).clamp(min=-self.doubt, max=6.0)
        likely = (heard @ self.get_buffer("evidence")).unflatten(1, (self.tempi, self.longest))
        weighed = moved * (likely + tempo.unsqueeze(-1)).exp()
        total = weighed.sum(-1).sum(-1).view(-1, 1, 1)
        # What cannot be, or is no number, begins anew.
        normal = torch.where(total > 1e-30, weighed / total, self.get_buffer("fresh"))
        new = normal * (1 - self.forget) + self.get_buffer("fresh") * self.forget
        return self._read(new), PointerState(select(active, new, belief))

    def _read(self, belief: Tensor) -> Pointer:
        """The circular mean of the places around the likeliest tempo."""
        by_tempo = belief.sum(-1)
        best = (by_tempo @ self.get_buffer("near")).argmax(-1)
        around = self.get_buffer("around")[best]  # [B, tempi]
        mass = by_tempo * around
        log_period = (mass * self.get_buffer("log_period")).sum(-1) / mass.sum(-1)
        x = ((belief * self.get_buffer("cosine")).sum(-1) * around).sum(-1)
        y = ((belief * self.get_buffer("sine")).sum(-1) * around).sum(-1)
        together = torch.stack([x, y], dim=-1)
        turns = torch.view_as_complex(together).angle() / (2 * torch.pi)
        sure = (together.square().sum(-1) + 1e-12).sqrt()
        return Pointer(turns - turns.floor(), log_period.exp(), sure)
