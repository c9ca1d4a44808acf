# SPDX-License-Identifier: GPL-3.0-or-later
"""The tempogram finds the tempo, and knows where the beat will be."""

from __future__ import annotations

import pytest
import torch

from lbmodels.streaming.contract import assert_streaming_contract
from lbmodels.streaming.tempogram import Tempogram


def clicks(period: int, frames: int) -> torch.Tensor:
    x = torch.zeros(1, frames, 1)
    x[:, ::period] = 1
    return x


def bank() -> Tempogram:
    """A bank whose onset strength is the input itself, nearly."""
    made = Tempogram(1, frame_rate=25.0, channels=1)
    torch.nn.init.constant_(made.onset.weight, 5.0)
    torch.nn.init.constant_(made.onset.bias, -2.0)
    return made.eval()


def test_contract_across_blocks_of_the_parallel_pass() -> None:
    torch.manual_seed(0)
    assert_streaming_contract(Tempogram(8, frame_rate=25.0, tempi=12), torch.randn(3, 300, 8))


@pytest.mark.parametrize("period", [9, 10, 13, 15])
def test_the_strongest_resonator_is_at_the_tempo_of_the_clicks(period: int) -> None:
    made = bank()
    strength = torch.view_as_complex(made(clicks(period, 320)))[0, -1, 0].abs()
    bpm = 50 * (220 / 50) ** (int(strength.argmax()) / (made.tempi - 1))
    assert bpm == pytest.approx(25 * 60 / period, rel=0.04)


def test_turned_ahead_it_points_at_the_next_beat() -> None:
    """At the click before, looking one period ahead, the beat's angle must be that of a beat: zero."""
    made = bank()
    played = made(clicks(10, 301))[:, 300]
    best = int(torch.view_as_complex(played)[0, 0].abs().argmax())
    for frames, cycles in ((10, 0.0), (5, 0.5)):
        angle = torch.view_as_complex(made.ahead(played, torch.tensor([frames])))[0, 0, best].angle()
        away = (float(angle) / (2 * torch.pi) - cycles + 0.5) % 1 - 0.5
        assert abs(away) < 0.08


def test_it_forgets() -> None:
    """Half a minute of silence leaves no pulse to follow."""
    made = bank()
    x = torch.cat([clicks(10, 200), torch.zeros(1, 750, 1)], dim=1)
    strength = torch.view_as_complex(made(x))[0, :, 0].abs().amax(-1)
    assert strength[-1] < 0.2 * strength[199]
