# SPDX-License-Identifier: GPL-3.0-or-later
"""Reconstruction distances, one cited function each."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

STFT_SIZES = (512, 1024, 2048, 4096)


def magnitudes(audio: Tensor, size: int) -> Tensor:
    """STFT magnitude of audio [B, C, T] at window `size`, quarter hop: [B * C, bins, columns]."""
    window = torch.hann_window(size, device=audio.device)
    spectra: Tensor = torch.stft(
        audio.flatten(0, 1).float(), size, size // 4, window=window, center=False, return_complex=True
    )
    return (spectra.real.square() + spectra.imag.square() + 1e-9).sqrt()


def multi_resolution_stft(estimate: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Spectral convergence and mean |log magnitude difference| over four sizes (Yamamoto 2020, eq. 4 to 6).

    Audio [B, C, T]; the logarithm is natural, with a floor at 1e-2 of STFT magnitude.
    """
    convergence = estimate.new_zeros(())
    log_distance = estimate.new_zeros(())
    for size in STFT_SIZES:
        a, b = magnitudes(estimate, size), magnitudes(target, size)
        convergence = convergence + (a - b).norm() / b.norm().clamp(min=1e-3)
        log_distance = log_distance + F.l1_loss((a + 1e-2).log(), (b + 1e-2).log())
    return convergence / len(STFT_SIZES), log_distance / len(STFT_SIZES)


def si_sdr_db(estimate: Tensor, target: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB over the last axis (Le Roux 2019, eq. 3)."""
    scale = (estimate * target).sum(-1, keepdim=True) / target.square().sum(-1, keepdim=True).clamp(min=1e-9)
    signal = scale * target
    noise = (estimate - signal).square().sum(-1).clamp(min=1e-9)
    return 10 * torch.log10(signal.square().sum(-1).clamp(min=1e-9) / noise)
