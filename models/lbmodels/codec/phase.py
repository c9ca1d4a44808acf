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
from torch import Tensor, nn

from lbmodels.codec.features import FeatureMap, Features

_NOISE_COLUMNS = 509
"""Length of the table of noise phases (5 s of columns; prime, so that it locks to no tempo)."""

_LOCK = 0.5
"""Weight of a neighbour beside the bin itself; 0.3 to 1 sound alike."""

_FAINT = 0.01
"""Magnitude added where phases are compared, below what counts as silence: a silent bin keeps its own phase."""


class PhaseIntegrator(nn.Module):
    """Features of F frames -> complex spectra [B, F, 2, columns, bins]."""

    def __init__(self, features: FeatureMap, *, lock: bool = False) -> None:
        super().__init__()
        self.map, self.lock = features, lock
        phases = np.random.RandomState(48000).uniform(0, 2 * np.pi, (_NOISE_COLUMNS, features.bins))
        table = torch.polar(torch.ones(phases.shape), torch.tensor(phases, dtype=torch.float32))
        self.register_buffer("noise", table, persistent=False)
        self.sharpness = nn.Parameter(torch.tensor([0.35, 2.0]))
        self.high_coherence = nn.Parameter(torch.tensor(0.5))

    def _drive(self, features: Features, column: Tensor) -> tuple[Tensor, Tensor]:
        """Recursion factor and fresh phasors [B, n, bins] of n columns numbered `column` [B, n]."""
        advance = torch.view_as_complex(features.advance.contiguous())
        size = advance.abs().clamp(min=1e-4)
        sure = ((size - self.sharpness[0]) * self.sharpness[1]).clamp(0, 0.999)
        high = self.high_coherence.clamp(0, 0.95).to(sure.dtype)
        missing = self.map.bins - self.map.low
        keep = torch.cat([sure, high.expand(*sure.shape[:-1], missing)], dim=-1)
        turn = torch.cat(
            [advance / size, torch.ones_like(advance[..., :1]).expand(*sure.shape[:-1], missing)], -1
        )
        centre = self.map.get_buffer("centre_advance")

        attack = torch.view_as_complex(features.attack.contiguous())
        index = self.map.get_buffer("attack_index")[1:]
        sharp = attack.abs().clamp(1e-4, 1)
        slope = attack.angle()[..., index].cumsum(-1)
        slope = torch.nn.functional.pad(slope, (1, 0))
        weight = sharp[..., self.map.get_buffer("attack_index")]
        noise = self.get_buffer("noise")[column % _NOISE_COLUMNS]
        fresh = torch.polar(weight, slope) + (1 - weight) * noise
        fresh = fresh / fresh.abs().clamp(min=1e-4)
        return keep * turn * centre, (1 - keep.square()).sqrt() * fresh

    def integrate(self, features: Features, column: Tensor, phasor: Tensor) -> tuple[Tensor, Tensor]:
        """Features with axes [B, n, ...], columns numbered `column` [B, n], last phasor [B, bins].

        Returns spectra [B, 2, n, bins] and the phasor of the last column.
        """
        factor, fresh = self._drive(features, column)
        size = self.map.magnitude(features.level)
        phasors = []
        for t in range(column.shape[1]):
            phasor = factor[:, t] * phasor + fresh[:, t]
            phasor = phasor / phasor.abs().clamp(min=1e-4)
            if self.lock:
                phasor = self._locked(phasor, size[:, t], features.attack[:, t])
            phasors.append(phasor)
        spectra = torch.stack(phasors, dim=1) * size
        return spectra.unsqueeze(1) * self.map.sides(features.pan), phasor

    def _locked(self, phasor: Tensor, size: Tensor, attack: Tensor) -> Tensor:
        """Phasors and magnitudes [B, bins] of a column -> phasors whose low bins follow their loudest neighbour."""
        low = self.map.low
        step = torch.view_as_complex(attack.contiguous())
        step = step * (_LOCK / step.abs().clamp(min=1))
        step = step[..., self.map.get_buffer("attack_index")[1:low]]
        heard = phasor[:, :low] * (size[:, :low] + _FAINT)
        above, below = heard[:, :-1] * step, heard[:, 1:] * step.conj()
        drawn = torch.cat([heard[:, :1] + below[:, :1],
                           heard[:, 1:-1] + above[:, :-1] + below[:, 1:],
                           heard[:, -1:] + above[:, -1:]], dim=1)  # fmt: skip
        drawn = drawn / drawn.abs().clamp(min=1e-4)
        return torch.cat([drawn, phasor[:, low:]], dim=1)
