# SPDX-License-Identifier: GPL-3.0-or-later
"""A toy beat tracker with random weights, and what the network of a good one would say of a known song."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from lbmodels.listening.beat_tracker import BeatTracker, BeatTrackerConfig
from lbmodels.listening.onsets import STRIDES

TOY = BeatTrackerConfig(
    hop=480, bands=8, features=16, kernel=3, depth=2, tempi=16, beat_on=0.05, beat_off=0.01
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def toy_beat_tracker() -> BeatTracker:
    """The read-out is scaled so that what it hears moves its beliefs."""
    torch.manual_seed(6)
    beat_tracker = BeatTracker(TOY)
    torch.nn.init.normal_(beat_tracker.network.head.weight, std=0.3)
    return beat_tracker.eval().requires_grad_(False)


@pytest.fixture
def heard() -> Callable[..., Tensor]:
    """Answers [1, F, D] of a network that hears beats (strides from 0) well: 0.85 on the beat, 0.02 elsewhere.

    Beats are said `delay_strides` after the fact. First beats, one in `metre`, count from `first`.
    """

    def say(beats: list[float], frames: int, metre: int = 4, first: int = 0) -> Tensor:
        config = BeatTrackerConfig()
        stride = torch.arange(frames * STRIDES).unsqueeze(1)
        off = stride - torch.tensor(beats) - config.delay_strides
        near = torch.exp(-0.5 * off.square())
        is_first = torch.tensor([float((n - first) % metre == 0) for n in range(len(beats))])
        beat = 0.02 + 0.83 * near.amax(1)
        downbeat = 0.02 + 0.78 * (near * is_first).amax(1)
        parts = [torch.logit(p).view(frames, STRIDES) for p in (beat, downbeat)]
        return torch.cat([*parts, torch.zeros(frames, config.tempi)], dim=-1).unsqueeze(0)

    return say
