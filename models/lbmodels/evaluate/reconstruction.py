# SPDX-License-Identifier: GPL-3.0-or-later
"""How well the autoencoder alone gives back a stem it hears: figures per stem, and a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lbmodels.codec.autoencoder import Codec, from_frames, to_frames
from lbmodels.codec.losses import multi_resolution_stft, si_sdr_db
from lbmodels.data.slakh import read_track
from lbmodels.evaluate.excerpts import Excerpt, read_excerpt


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """Means over the excerpts of one stem class, with 95 % bootstrap intervals over excerpts.

    `convergence`: spectral convergence, 0 is perfect. `log_db`: mean |log magnitude| difference in dB.
    `si_sdr_db`: of the channel mean; low by design, since the codec does not keep absolute phase.
    """

    stem: str
    excerpts: int
    convergence: float
    convergence_interval: tuple[float, float]
    log_db: float
    log_db_interval: tuple[float, float]
    si_sdr_db: float
    si_sdr_db_interval: tuple[float, float]


@torch.inference_mode()
def reconstruct(codec: Codec, audio: Tensor) -> tuple[Tensor, Tensor]:
    """Audio [B, C, T] and what comes back of it, aligned by the declared delay, both [B, C, T']."""
    decoded = from_frames(codec(to_frames(audio, codec.config.hop)))[..., codec.delay_samples :]
    return audio[..., : decoded.shape[-1]], decoded


def measure(
    codec: Codec,
    stem: str,
    excerpts: Sequence[Excerpt],
    *,
    seed: int,
    on_done: Callable[[], None] = lambda: None,
) -> tuple[Reconstruction, tuple[Tensor, Tensor]]:
    """Figures of one stem class, and the first excerpt with its reconstruction [C, T] for the picture."""
    rows = []
    shown: tuple[Tensor, Tensor] | None = None
    for excerpt in excerpts:
        _mix, own = read_excerpt(excerpt, read_track(excerpt.track_dir))
        target, decoded = reconstruct(codec, torch.from_numpy(np.ascontiguousarray(own)).unsqueeze(0))
        convergence, log_distance = multi_resolution_stft(decoded, target)
        distance_db = float(log_distance) * 20 / float(np.log(10))
        rows.append((float(convergence), distance_db, float(si_sdr_db(decoded.mean(1), target.mean(1)))))
        shown = shown or (target[0], decoded[0])
        on_done()
    assert shown is not None
    table = np.array(rows)
    picks = np.random.default_rng(seed).integers(len(table), size=(2000, len(table)))
    low, high = np.percentile(table[picks].mean(1), (2.5, 97.5), axis=0)
    means = table.mean(0)
    intervals = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    figures = Reconstruction(
        stem=stem,
        excerpts=len(rows),
        convergence=float(means[0]),
        convergence_interval=intervals[0],
        log_db=float(means[1]),
        log_db_interval=intervals[1],
        si_sdr_db=float(means[2]),
        si_sdr_db_interval=intervals[2],
    )
    return figures, shown


def draw(
    pairs: dict[str, tuple[Tensor, Tensor]], sample_rate: int, target: Path, *, seconds: float = 6.0
) -> None:
    """Spectrograms of original and reconstruction side by side, one row a stem."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(pairs), 2, figsize=(13, 2.6 * len(pairs)), squeeze=False, sharex=True)
    for row, (stem, pair) in zip(axes, pairs.items(), strict=True):
        for axis, audio, name in zip(row, pair, ("original", "autoencoder"), strict=True):
            mono = audio.mean(0)[: int(seconds * sample_rate)]
            axis.specgram(
                mono.numpy() + 1e-9,
                NFFT=2048,
                noverlap=1536,
                Fs=sample_rate,
                vmin=-140,
                vmax=-40,
                cmap="magma",
            )
            axis.set_ylim(0, 12000)
            axis.set_title(f"{stem}, {name}", fontsize=10)
        row[0].set_ylabel("Hz")
    for axis in axes[-1]:
        axis.set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(target, dpi=90)
    plt.close(figure)
