# SPDX-License-Identifier: GPL-3.0-or-later
"""How well the autoencoder alone gives back a stem it hears: figures per stem beside Opus, and a picture."""

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
from lbmodels.evaluate.metrics import Floats
from lbmodels.evaluate.opus import coded
from lbmodels.isolation import prepare_drawing

OPUS_BITS_PER_S = (8000, 25600)
LATENT_BITS = 16
AUTOENCODER = "autoencoder"


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """Means over the excerpts of one stem class, with 95 % bootstrap intervals over excerpts.

    `coder`: the autoencoder, or Opus at a rate asked. `bits_per_s`: what it took, without any container.
    `convergence`: spectral convergence, 0 is perfect. `log_db`: mean |log magnitude| difference in dB.
    `si_sdr_db`: of the channel mean; low by design, since the codec does not keep absolute phase.
    """

    stem: str
    coder: str
    bits_per_s: float
    excerpts: int
    convergence: float
    convergence_interval: tuple[float, float]
    log_db: float
    log_db_interval: tuple[float, float]
    si_sdr_db: float
    si_sdr_db_interval: tuple[float, float]


def bits_per_s(codec: Codec) -> float:
    """Bits a second of the autoencoder's latents as float16: nothing is quantised further, no entropy coder follows."""
    config = codec.config
    return config.latent * LATENT_BITS * config.sample_rate / config.hop


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
    opus_bits_per_s: Sequence[int] = (),
    on_done: Callable[[], None] = lambda: None,
) -> tuple[list[Reconstruction], tuple[Tensor, Tensor]]:
    """Figures of one stem class for the autoencoder and then for Opus at each rate, all of the same samples.

    Also the first excerpt with the autoencoder's reconstruction [C, T], for the picture.
    """
    coders = (AUTOENCODER, *(f"Opus at {rate / 1000:g} kbit/s" for rate in opus_bits_per_s))
    rows: dict[str, list[tuple[float, ...]]] = {coder: [] for coder in coders}
    shown: tuple[Tensor, Tensor] | None = None
    for excerpt in excerpts:
        _mix, own = read_excerpt(excerpt, read_track(excerpt.track_dir))
        audio = np.ascontiguousarray(own, dtype=np.float32)
        target, decoded = reconstruct(codec, torch.from_numpy(audio).unsqueeze(0))
        rows[AUTOENCODER].append((*_figures(decoded, target), bits_per_s(codec)))
        for coder, rate in zip(coders[1:], opus_bits_per_s, strict=True):
            found = coded(audio, codec.config.sample_rate, rate)
            back = torch.from_numpy(found.audio).unsqueeze(0)[..., : target.shape[-1]]
            rows[coder].append((*_figures(back, target), found.bits_per_s))
        shown = shown or (target[0], decoded[0])
        on_done()
    assert shown is not None
    return [_summary(stem, coder, np.array(table), seed) for coder, table in rows.items()], shown


def _figures(decoded: Tensor, target: Tensor) -> tuple[float, float, float]:
    convergence, log_distance = multi_resolution_stft(decoded, target)
    distance_db = float(log_distance) * 20 / float(np.log(10))
    return float(convergence), distance_db, float(si_sdr_db(decoded.mean(1), target.mean(1)))


def _summary(stem: str, coder: str, table: Floats, seed: int) -> Reconstruction:
    picks = np.random.default_rng(seed).integers(len(table), size=(2000, len(table)))
    low, high = np.percentile(table[picks].mean(1), (2.5, 97.5), axis=0)
    means = table.mean(0)
    intervals = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    return Reconstruction(
        stem=stem,
        coder=coder,
        bits_per_s=float(means[3]),
        excerpts=len(table),
        convergence=float(means[0]),
        convergence_interval=intervals[0],
        log_db=float(means[1]),
        log_db_interval=intervals[1],
        si_sdr_db=float(means[2]),
        si_sdr_db_interval=intervals[2],
    )


def draw(
    pairs: dict[str, tuple[Tensor, Tensor]], sample_rate: int, target: Path, *, seconds: float = 6.0
) -> None:
    """Spectrograms of original and reconstruction side by side, one row a stem."""
    prepare_drawing()
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
