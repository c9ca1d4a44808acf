# SPDX-License-Identifier: GPL-3.0-or-later
"""Phase integration: from predicted phase differences to coherent spectra, one column at a time.

Each bin is a unit phasor that follows a first-order recursion, u[t] = normalise(r u[t-1] e^(i w step)
+ sqrt(1 - |r|^2) e[t]). A steady partial has |r| near 1 and turns at its instantaneous frequency; noise and
onsets have small |r| and take fresh phases e, which line up across bins where the attack is sharp.

The bins of one partial follow their own recursions, and small errors of their advances let them drift apart: they then
cancel in the overlap-add, which costs level and turns partials into bands. With `lock` each low bin takes the phase
of itself and its neighbours together, each as loud as it is: the strongest leads (Puckette 1995, phase-locked vocoder).
The step from bin to bin, half a turn under a steady partial, is the one that the attack feature tells.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.codec.features import FeatureMap, Features
from lbmodels.streaming.stacked import across_and_along, size, stacked, times, times_conjugate

_NOISE_COLUMNS = 509
"""Length of the table of noise phases (5 s of columns; prime, so that it locks to no tempo)."""

_LOCK = 0.5
"""Weight of a neighbour beside the bin itself; 0.3 to 1 sound alike."""

_FAINT = 0.01
"""Magnitude added where phases are compared, below what counts as silence: a silent bin keeps its own phase."""


class PhaseIntegrator(nn.Module):
    """Features of F frames -> spectra [B, F, 2, columns, 2, bins], complex numbers as rows (`streaming.stacked`)."""

    def __init__(self, features: FeatureMap, *, lock: bool = False) -> None:
        super().__init__()
        self.map, self.lock = features, lock
        phases = np.random.RandomState(48000).uniform(0, 2 * np.pi, (_NOISE_COLUMNS, features.bins))
        table = torch.polar(torch.ones(phases.shape), torch.tensor(phases, dtype=torch.float32))
        self.register_buffer("noise", stacked(table.unsqueeze(1)).squeeze(1).contiguous(), persistent=False)
        # How many of the steps from the lowest bin up to each lie in each attack band.
        steps = features.get_buffer("attack_pool")[1:].cumsum(0)
        self.register_buffer("steps", nn.functional.pad(steps.t(), (1, 0)), persistent=False)
        self.register_buffer("quarter", torch.tensor([[torch.pi / 2], [0.0]]), persistent=False)
        self.sharpness = nn.Parameter(torch.tensor([0.35, 2.0]))
        self.high_coherence = nn.Parameter(torch.tensor(0.5))

    def _drive(self, features: Features, column: Tensor) -> tuple[Tensor, Tensor]:
        """Recursion factor and fresh phasors [B, n, 2, bins] of n columns numbered `column` [B, n]."""
        low, missing = self.map.low, self.map.bins - self.map.low
        centre = stacked(self.map.get_buffer("centre_advance").unsqueeze(0)).squeeze(0)
        advance = features.advance.mT
        length = size(advance, 1e-4)
        sure = ((length - self.sharpness[0]) * self.sharpness[1]).clamp(0, 0.999)
        high = self.high_coherence.clamp(0, 0.95).to(sure.dtype)
        # Low bins as they are told; the others turn as their centres do, and keep what they keep.
        of_low = times(centre[:, :low], advance * (sure / length))
        factor = F.pad(of_low, (0, missing)) + F.pad(centre[:, low:] * high, (low, 0))
        others = (1 - high.square()).sqrt().expand(missing)
        let_in = F.pad((1 - sure.square()).sqrt(), (0, missing)) + F.pad(others, (low, 0))

        attack = features.attack.mT
        sharp = size(attack, 1e-4).clamp(max=1)
        real, imag = attack.split(1, dim=-2)
        slope = torch.atan2(imag, real) @ self.get_buffer("steps")
        weight = sharp[..., self.map.get_buffer("attack_index")]
        noise = self.get_buffer("noise")[column % _NOISE_COLUMNS]
        fresh = noise + weight * ((slope + self.get_buffer("quarter")).sin() - noise)
        return factor, fresh * (let_in / size(fresh, 1e-4))

    def integrate(self, features: Features, column: Tensor, phasor: Tensor) -> tuple[Tensor, Tensor]:
        """Features with axes [B, n, ...], columns numbered `column` [B, n], last phasor [B, 2, bins].

        Returns spectra [B, 2, n, 2, bins] and the phasor of the last column.
        """
        factor, fresh = self._drive(features, column)
        loud = self.map.magnitude(features.level)
        phasors, phasor = [], phasor.unsqueeze(1)
        across, along = across_and_along(factor)
        parts = (part.split(1, dim=1) for part in (across, along, fresh))
        for t, (same, other, new) in enumerate(zip(*parts, strict=True)):
            phasor = same * phasor + other * phasor.flip(-2) + new
            phasor = phasor / size(phasor, 1e-4)
            if self.lock:
                phasor = self._locked(
                    phasor, loud[:, t : t + 1].unsqueeze(-2), features.attack[:, t : t + 1].mT
                )
            phasors.append(phasor)
        spectra = (torch.cat(phasors, dim=1) * loud.unsqueeze(-2)).unsqueeze(1)
        return spectra * self.map.sides(features.pan).unsqueeze(-2), phasor.squeeze(1)

    def _locked(self, phasor: Tensor, loud: Tensor, attack: Tensor) -> Tensor:
        """Phasors [B, 1, 2, bins] and magnitudes of a column -> phasors whose low bins follow their loudest neighbour."""
        low = self.map.low
        step = attack * (_LOCK / size(attack, 1.0))
        step = step[..., self.map.get_buffer("attack_index")[1:low]]
        heard = phasor[..., :low] * (loud[..., :low] + _FAINT)
        above, below = times(step, heard[..., :-1]), times_conjugate(heard[..., 1:], step)
        drawn = heard + F.pad(above, (1, 0)) + F.pad(below, (0, 1))
        drawn = drawn / size(drawn, 1e-4)
        return torch.cat([drawn, phasor[..., low:]], dim=-1)
