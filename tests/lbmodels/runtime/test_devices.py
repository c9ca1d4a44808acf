# SPDX-License-Identifier: GPL-3.0-or-later
"""A model that moves to a device takes everything along, held on torch's `meta` device, which every machine has."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from lbmodels.band import Band
from lbmodels.errors import LiveBandModelError
from lbmodels.listening.beat_tracker import BeatTracker, BeatTrackerConfig
from lbmodels.listening.chord_tracker import ChordTracker, ChordTrackerConfig
from lbmodels.runtime import devices
from lbmodels.runtime.eager import TorchAccompanist
from lbmodels.streaming.state import named_tensors


@pytest.fixture
def listening(toy_accompanist: Band) -> Band:
    """The toy with both trackers: all the state that there is."""
    toy, sizes = toy_accompanist, toy_accompanist.generator.config
    time = BeatTracker(BeatTrackerConfig(hop=480, features=16, depth=2, tempi=24, bands=8))
    chord = ChordTracker(
        ChordTrackerConfig(semitones=sizes.semitones, frame_rate=sizes.frame_rate, features=16, depth=2)
    )
    return Band("toy", toy.codec, toy.generator, time, chord).eval().requires_grad_(False)


def test_all_state_follows_a_move(listening: Band, told: Callable[..., dict[str, Any]]) -> None:
    """5 of 34 tensors stayed on the CPU: a GPU played until the first of them met one of its own."""
    moved = listening.to("meta")
    state = moved.init_state([1, 2])
    left = [name for name, tensor in named_tensors(state) if tensor.device.type != "meta"]
    assert not left
    conditions = {name: torch.from_numpy(value).to("meta") for name, value in told(2, 1).items()}
    conditions |= {
        name: torch.full((2, 1, 1), value, device="meta")
        for name, value in (("tempo_low", 60.0), ("tempo_high", 180.0), ("tempo_scale", 1.0))
    }
    active = torch.ones(2, dtype=torch.bool, device="meta")
    frame, state = moved.step(torch.zeros(2, 2, 480, device="meta"), conditions, state, active)
    assert frame.device.type == "meta"
    assert not [name for name, tensor in named_tensors(state) if tensor.device.type != "meta"]
    whole = moved(
        torch.zeros(2, 8, 2, 480, device="meta"),
        {name: value.expand(-1, 8, -1) for name, value in conditions.items()},
        [1, 2],
    )
    assert whole.device.type == "meta"


def test_the_adapter_puts_a_model_where_it_is_told(toy_accompanist: Band) -> None:
    assert TorchAccompanist(toy_accompanist, "cpu").device == torch.device("cpu")
    elsewhere = TorchAccompanist(toy_accompanist, "meta")
    assert {tensor.device.type for _, tensor in named_tensors(elsewhere.init_state([1]))} == {"meta"}


@pytest.mark.parametrize("device", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "CPU", "cuda:1000"])
def test_a_device_that_is_none_is_refused(device: str) -> None:
    with pytest.raises(LiveBandModelError, match="accepted: auto, cpu, cuda, cuda:<number> or mps"):
        devices.chosen(device)


def test_a_device_that_is_not_here_is_refused() -> None:
    assert devices.chosen("auto") == devices.chosen("cpu") == "cpu"
    with pytest.raises(LiveBandModelError, match="this machine has"):
        devices.chosen("cuda:999")


@pytest.mark.gpu
def test_a_gpu_plays_what_the_cpu_plays(listening: Band, told: Callable[..., dict[str, Any]]) -> None:
    """To rounding, from a snapshot that the CPU made."""
    conditions = dict(told(2, 1))
    conditions |= dict.fromkeys(("tempo_low", "tempo_high"), conditions["tempo"] * 0 + 100)
    conditions["tempo_scale"] = conditions["tempo"] * 0 + 1
    mix = 0.1 * torch.randn(8, 2, 2, 480, generator=torch.Generator().manual_seed(1)).numpy()
    active = torch.ones(2, dtype=torch.bool).numpy()
    import copy

    here, there = TorchAccompanist(copy.deepcopy(listening)), TorchAccompanist(listening, "cuda")
    a = here.init_state([1, 2])
    b = there.restore(here.snapshot(a))
    for frame in mix:
        x, a = here.step(frame, conditions, a, active)
        y, b = there.step(frame, conditions, b, active)
        assert abs(x - y).max() < 1e-2 * max(abs(x).max(), 1e-3)
