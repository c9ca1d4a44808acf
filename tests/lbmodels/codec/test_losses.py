# SPDX-License-Identifier: GPL-3.0-or-later
"""Distances with known answers, and the two sides of the game."""

import pytest
import torch

from lbmodels.codec.discriminator import (
    StftDiscriminator,
    discriminator_loss,
    feature_matching,
    generator_loss,
)
from lbmodels.codec.losses import multi_resolution_stft, si_sdr_db


def test_distances_of_a_signal_to_itself_are_zero() -> None:
    x = torch.randn(1, 2, 9600)
    assert [float(v) for v in multi_resolution_stft(x, x)] == [0, 0]
    assert si_sdr_db(x, x).min() > 80


def test_half_the_level_is_half_the_convergence_and_ln_2() -> None:
    x = 10 * torch.randn(1, 1, 48000)
    convergence, log_distance = multi_resolution_stft(0.5 * x, x)
    assert convergence.item() == pytest.approx(0.5, abs=1e-3)
    assert log_distance.item() == pytest.approx(0.693, abs=0.01)


def test_si_sdr_of_known_noise_and_any_gain() -> None:
    torch.manual_seed(0)
    x, n = torch.randn(2, 200_000)
    for gain in (0.1, 1.0, 7.0):
        assert si_sdr_db(gain * (x + 0.1 * n), x).item() == pytest.approx(20, abs=0.1)


def test_the_hinge_game_pulls_both_ways() -> None:
    sure = [(torch.full((1, 1), 2.0), [torch.ones(1)])]
    fooled = [(torch.full((1, 1), -2.0), [torch.zeros(1)])]
    assert discriminator_loss(sure, fooled) == 0
    assert discriminator_loss(fooled, sure) == 6
    assert generator_loss(sure) < generator_loss(fooled)
    assert feature_matching(sure, sure) == 0
    assert feature_matching(sure, fooled) == 1


def test_the_discriminator_learns_to_tell_noise_from_a_tone() -> None:
    torch.manual_seed(0)
    critic = StftDiscriminator(channels=4, sizes=(512,))
    optimizer = torch.optim.Adam(critic.parameters(), 3e-3)
    tone = torch.sin(torch.arange(1024) * 0.1).expand(2, -1)
    for _ in range(12):
        loss = discriminator_loss(critic(tone), critic(torch.randn(2, 1024)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 1.0
    assert critic(torch.zeros(1, 4096))[0][0].isfinite().all()
