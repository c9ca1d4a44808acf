# SPDX-License-Identifier: GPL-3.0-or-later
"""How well the autoencoder alone gives back a stem it hears: figures per stem beside Opus."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lbmodels.codec.autoencoder import Codec, from_frames, to_frames
from lbmodels.codec.losses import multi_resolution_stft, si_sdr_db
from lbmodels.codec.rvq import ResidualQuantiser
from lbmodels.evaluate.metrics import Floats
from lbmodels.evaluate.opus import coded
from lbmodels.evaluate.sounds import Sound

OPUS_BITS_PER_S = (8000, 25600)
LATENT_BITS = 16
ORIGINAL = "original"

Change = Callable[[Tensor], Tensor]
"""Latents [B, F, K] to those that are decoded."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One excerpt to look at and listen to: audio [C, T] by name, "original" and then the autoencoders'."""

    stem: str
    sound: Sound
    audio: dict[str, Tensor]


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


def noisy(share: float, seed: int) -> Change:
    """Adds noise in parts of each latent's standard deviation over the audio."""

    def change(latents: Tensor) -> Tensor:
        spread = latents.flatten(0, 1).std(0)
        random = torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed))
        return latents + share * spread * random

    return change


def tokenised(tokens: ResidualQuantiser, levels: int) -> Change:
    """Latents as the first `levels` levels of their tokens give them back."""
    return lambda latents: tokens.decode(tokens.encode(latents, levels))


@torch.inference_mode()
def reconstruct(codec: Codec, audio: Tensor, change: Change | None = None) -> tuple[Tensor, Tensor]:
    """Audio [B, C, T] and what comes back of it after a change of its latents, aligned by the declared delay, both [B, C, T']."""
    latents = codec.encoder(to_frames(audio, codec.config.hop))
    decoded = from_frames(codec.decoder(latents if change is None else change(latents)))
    decoded = decoded[..., codec.delay_samples :]
    return audio[..., : decoded.shape[-1]], decoded


def measure(
    codecs: Mapping[str, Codec],
    stem: str,
    sounds: Sequence[Sound],
    *,
    seed: int,
    opus_bits_per_s: Sequence[int] = (),
    pictures: int = 2,
    on_done: Callable[[], None] = lambda: None,
) -> tuple[list[Reconstruction], list[Shown]]:
    """Figures of one stem class for each autoencoder by name and then for Opus at each rate, all of the same samples.

    Also the first `pictures` excerpts as they were and as each autoencoder gives them back.
    """
    rates = {f"Opus at {rate / 1000:g} kbit/s": rate for rate in opus_bits_per_s}
    rows: dict[str, list[tuple[float, ...]]] = {coder: [] for coder in (*codecs, *rates)}
    shown: list[Shown] = []
    for sound in sounds:
        audio = sound.read()
        heard: dict[str, Tensor] = {}
        target = torch.from_numpy(audio).unsqueeze(0)
        for name, codec in codecs.items():
            target, decoded = reconstruct(codec, torch.from_numpy(audio).unsqueeze(0))
            rows[name].append((*_figures(decoded, target), bits_per_s(codec)))
            heard |= {ORIGINAL: target[0], name: decoded[0]}
        for coder, rate in rates.items():
            found = coded(audio, next(iter(codecs.values())).config.sample_rate, rate)
            back = torch.from_numpy(found.audio).unsqueeze(0)[..., : target.shape[-1]]
            rows[coder].append((*_figures(back, target), found.bits_per_s))
        if len(shown) < pictures:
            shown.append(Shown(stem=stem, sound=sound, audio=heard))
        on_done()
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
