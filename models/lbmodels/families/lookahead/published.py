# SPDX-License-Identifier: GPL-3.0-or-later
"""The published look-ahead system: two tiers of one U-Net, their labels, masks and samplers, and where their audio belongs.

Karchkhadze and Dubnov 2026 (arXiv 2604.07612): a latent diffusion model in 16 calls, and its consistency student in 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lbmodels.errors import LiveBandModelError
from lbmodels.families.lookahead.diffusion import (
    Draw,
    Preconditioning,
    Schedule,
    adpm2,
    consistency,
)
from lbmodels.families.lookahead.song_unet import SongUNet, SongUNetConfig

STEMS = ("bass", "drums", "guitar", "piano")
SAMPLE_RATE = 44_100
WINDOW_SAMPLES = 6 * SAMPLE_RATE
COLUMN_SAMPLES = 4096
"""Samples that one column of Music2Latent's latents stands for."""
FADE_SAMPLES = round(0.02 * SAMPLE_RATE)

STUDENT_FLOOR = 1e-4


@dataclass(frozen=True, kw_only=True)
class Tier:
    """How one checkpoint is sampled: its preconditioning, its schedule, and how many levels or calls."""

    name: str
    preconditioning: Preconditioning
    schedule: Schedule
    steps: int
    resamples: int = 1

    @property
    def calls(self) -> int:
        """Passes of the network for one window."""
        return self.steps if self.preconditioning.floor else 2 * self.resamples * (self.steps - 1)


TEACHER = Tier(
    name="teacher",
    preconditioning=Preconditioning(),
    schedule=Schedule(sigma_min=1e-4, sigma_max=50.0, rho=9.0),
    steps=5,
    resamples=2,
)
STUDENT = Tier(
    name="student",
    preconditioning=Preconditioning(floor=STUDENT_FLOOR),
    schedule=Schedule(sigma_min=1e-4, sigma_max=80.0, rho=7.0),
    steps=2,
)
"""The schedule's rho is 7 although the student learned with 9: what the published server does."""
TIERS = {tier.name: tier for tier in (TEACHER, STUDENT)}


@dataclass(frozen=True, kw_only=True)
class PublishedConfig:
    """The U-Net's sizes, the name of the tier (`TIERS`) that samples it, and whether its audio is late as the published server's."""

    tier: str
    unet: SongUNetConfig = field(default_factory=SongUNetConfig)
    as_published: bool = False


class PublishedNetwork(SongUNet):
    """A U-Net that knows how it is sampled."""

    def __init__(self, told: PublishedConfig) -> None:
        """Raises LiveBandModelError: a tier that there is none of."""
        super().__init__(told.unet)
        if told.tier not in TIERS:
            raise LiveBandModelError(f"tier {told.tier[:40]!r}: accepted are {', '.join(TIERS)}")
        self.told, self.tier = told, TIERS[told.tier]


def label_of(stems: tuple[int, ...], count: int = len(STEMS)) -> Tensor:
    """[1, count]: 1 marks the stems to be generated.

    Raises:
        LiveBandModelError: a stem that there is none of.
    """
    if not stems or any(not 0 <= stem < count for stem in stems):
        raise LiveBandModelError(f"stems {stems}: accepted are numbers from 0 to {count - 1}")
    label = torch.zeros(1, count)
    label[:, list(stems)] = 1.0
    return label


def fill(
    network: SongUNet,
    tier: Tier,
    *,
    mix: Tensor,
    source: Tensor,
    known: Tensor,
    label: Tensor,
    draw: Draw,
    watch: Callable[[Tensor], object] | None = None,
) -> Tensor:
    """Stem latents [B, 1, channels, columns]: `source` where `known` is true, new ones elsewhere.

    mix [B, 1, channels, columns] with its unheard tail zero, not scaled; draw gives noise of that shape; `watch` is shown each
    state that the network is given.
    """

    def answer(x: Tensor, code: Tensor) -> Tensor:
        return network(torch.cat([x, mix], dim=1), code, label.expand(x.shape[0], -1))

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        if watch is not None:
            watch(x)
        return tier.preconditioning.denoise(answer, x, sigma)

    if tier.preconditioning.floor:
        sigmas = tier.schedule.levels(tier.steps + 1)[: tier.steps]
        return consistency(denoise, sigmas, draw, known=known, source=source, least=tier.schedule.sigma_min)[
            0
        ]
    sigmas = tier.schedule.levels(tier.steps)
    return adpm2(denoise, sigmas, draw, known=known, source=source, resamples=tier.resamples)


def first_sample(columns: int, decoded_columns: int, *, as_published: bool) -> int:
    """Where in a window the decoded last `decoded_columns` of `columns` belong, in samples from its start.

    A column is 4096 samples. The published server reckons with a `columns`-th of the window for each, and so places its audio
    41 to 48 ms late; `as_published` does as well. It decodes one column more than it writes.
    """
    if not as_published:
        return COLUMN_SAMPLES * (columns - decoded_columns)
    return math.floor(WINDOW_SAMPLES / columns * (columns - decoded_columns))
