# SPDX-License-Identifier: GPL-3.0-or-later
"""The input level: soft mixes are turned up to where models were trained, and nothing else is touched."""

import pytest
import torch
from torch import Tensor

from lbmodels.streaming.contract import assert_streaming_contract
from lbmodels.streaming.input_level import InputLevel


def noise(*levels_db: float, frames: int = 100) -> Tensor:
    """One session's mix [1, F, 2, 64]: stretches of `frames` frames at levels in dBFS."""
    torch.manual_seed(0)
    mix = torch.randn(1, frames * len(levels_db), 2, 64)
    mix /= mix.square().mean(dim=(-2, -1), keepdim=True).sqrt()
    return mix * (10 ** (torch.tensor(levels_db) / 20)).repeat_interleave(frames).view(1, -1, 1, 1)


def turned_up_db(*levels_db: float, frames: int = 100) -> Tensor:
    return 20 * torch.log10(InputLevel()(noise(*levels_db, frames=frames))[0])


def test_streams_as_it_plays_offline() -> None:
    """Levels from silence to overload, so that every branch is taken."""
    levels = torch.tensor([-90.0, -60.0, -45.0, -80.0, -20.0, -38.0, 3.0, -50.0])
    mix = noise(*levels.tolist(), frames=6).repeat(3, 1, 1, 1) * torch.tensor([1.0, 0.1, 0.02]).view(
        3, 1, 1, 1
    )
    assert_streaming_contract(InputLevel(), mix)


def test_usual_mixes_are_left_alone_to_the_bit() -> None:
    assert torch.equal(InputLevel()(noise(-20, -31, -8, -26, -60)), torch.ones(1, 500))


def test_soft_mixes_are_heard_at_one_level() -> None:
    for level in (-43.0, -50.0, -65.0):
        heard = level + turned_up_db(level)
        torch.testing.assert_close(heard, torch.full((100,), -22.0), atol=0.7, rtol=0)


def test_softer_is_never_turned_up_less() -> None:
    """Catches a step between mixes that are left alone and those that are turned up."""
    up = torch.stack([turned_up_db(-20.0 - down)[-1] for down in range(48)]).diff()
    assert up.min() >= 0
    assert up.max() < 2.1


def test_silence_is_not_turned_up() -> None:
    assert not turned_up_db(-120.0).any()
    assert not InputLevel()(torch.zeros(2, 9, 2, 64)).log().any()


def test_a_note_after_noise_is_not_overdriven() -> None:
    """Room noise is turned up; the first frame of music is not, nor any that follows."""
    up = turned_up_db(-60.0, -20.0)
    assert up[99] > 37
    assert not up[100:].any()


@pytest.mark.parametrize("knock", [1.0, 1e4, torch.inf])
def test_a_knock_on_the_microphone_is_soon_forgotten(knock: float) -> None:
    """Catches a level that one loud frame holds up: the band would play at full level to a soft player, for a minute."""
    mix = noise(-50.0, -50.0, -50.0)
    mix[:, 100] = knock
    up = 20 * torch.log10(InputLevel()(mix)[0])
    assert up[100] == 0
    assert up[101] > 20
    assert up[120:].min() > 24
    assert up[220:].min() > 26.5


def test_a_loud_entrance_is_believed_within_a_second() -> None:
    """What follows the first notes is not turned up any more, be it 20 dB softer than they are."""
    assert not turned_up_db(-60.0, -20.0, -40.0)[200:].any()
    assert not turned_up_db(*[-60.0] * 8, -20.0, -40.0, frames=25)[225:].any()


def test_a_rest_does_not_pump() -> None:
    """Eight seconds at 25 frames a second of a hum 20 dB down between phrases: two decibels, no more."""
    up = turned_up_db(-43.0, -63.0, -63.0, -43.0)
    assert (up[299] - up[99]).abs() < 2.5


def test_a_player_who_turns_down_is_followed() -> None:
    """10 dB within some seconds; 25 dB, which might have been a rest, within two minutes."""
    assert turned_up_db(-34.0, -44.0, -44.0, -44.0, -44.0)[-1] > 11
    assert turned_up_db(-34.0, *[-59.0] * 30)[-1] > 26


def test_nan_in_one_row_stays_there() -> None:
    mix = noise(-50.0).repeat(2, 1, 1, 1)
    calm = InputLevel()(mix)[0]
    mix[1, 3:] = torch.nan
    assert torch.equal(InputLevel()(mix)[0], calm)
