# SPDX-License-Identifier: GPL-3.0-or-later
"""What a listener for beats hears: power in bands, a hundred times a second.

A model frame holds `STRIDES` strides of 10 ms at 48 kHz and a hop of 1920. The windows end with their stride, so that
nothing is heard early.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lbmodels.streaming.spectral import FrontState, StftFrontEnd

STRIDES = 4
"""Strides a frame."""

_FLOOR = 1e-7
_SCALE = 1 / 3


class BandFrontEnd(nn.Module):
    """Mean power of the channels' mean in bands of equal width on the mel scale: [B, F, C, hop] -> [B, F, STRIDES, bands]."""

    def __init__(
        self,
        *,
        sample_rate: int,
        hop: int,
        bands: int,
        window_strides: int = 4,
        low_hz: float = 30.0,
        high_hz: float = 12000.0,
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        window = window_strides * hop // STRIDES
        self.stft = StftFrontEnd(hop=hop, window=window, step=hop // STRIDES)
        hz = torch.fft.rfftfreq(window, 1 / sample_rate)
        edges = torch.linspace(_mel(low_hz), _mel(min(high_hz, 0.45 * sample_rate)), bands + 2)
        at = 2595 * torch.log10(1 + hz / 700)
        # Where bands are narrower than bins, each band still has its nearest bins.
        half = (edges[1] - edges[0]).clamp(min=float(at[1] - at[0]))
        bank = (1 - (at - edges[1:-1].unsqueeze(1)).abs() / half).clamp(min=0)
        bank = bank / (bank.sum(1, keepdim=True) * window)
        heard = int(bank.any(0).nonzero().max()) + 1
        self.register_buffer("bank", bank[:, :heard].t().contiguous(), persistent=False)

    def _powers(self, spectra: Tensor) -> Tensor:
        """[..., 1, columns, bins] -> [..., columns, bands]."""
        bank = self.get_buffer("bank")
        power = spectra[..., : bank.shape[0]].abs().square()
        return (power @ bank).squeeze(-3)

    def forward(self, x: Tensor) -> Tensor:
        return self._powers(self.stft(x.mean(2, keepdim=True)))

    def init_state(self, batch: int) -> FrontState:
        return self.stft.init_state(batch, 1)

    def step(
        self, x: Tensor, state: FrontState, active: Tensor, spectra: Tensor | None = None
    ) -> tuple[Tensor, FrontState]:
        """One frame [B, C, hop]; `spectra` of the channels' mean [B, columns, 2, bins] (`streaming.stacked`), if somebody
        has them already.
        """
        mono = x.mean(1, keepdim=True)
        if spectra is None:
            heard, state = self.stft.step(mono, state, active)
            return self._powers(heard), state
        bank = self.get_buffer("bank")
        # Real and imaginary parts each have their share of the power.
        power = spectra[..., : bank.shape[0]].square().flatten(-2) @ bank.repeat(2, 1)
        return power, self.stft.onward(mono, state, active)


def _mel(hz: float) -> float:
    return float(2595 * torch.log10(torch.tensor(1 + hz / 700)))


def loudness(powers: Tensor) -> Tensor:
    """Powers [...] on a logarithmic scale: silence is 0, full scale about 3."""
    return (torch.log10(powers + _FLOOR) + 7) * _SCALE
