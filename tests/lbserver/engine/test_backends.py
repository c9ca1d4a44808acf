# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from lbmodels.contract.spec import Control, Spec
from lbserver.engine import backends
from lbserver.engine.stream import SessionConfig, StreamDriver
from lbserver.errors import LiveBandError
from lbserver.testing import accompanists


@pytest.mark.parametrize("name", sorted(accompanists.BY_NAME))
def test_test_accompanists_load_by_name(name: str) -> None:
    assert backends.load(name).spec.name == name


def test_an_unknown_test_accompanist_lists_those_that_exist() -> None:
    with pytest.raises(LiveBandError, match=r"unknown model 'test:x': .*test:copy"):
        backends.load("test:x")


class Count(NamedTuple):
    heard: Any
    steps: Any


class TorchEcho:
    """A small real torch accompanist: half of the mix, and half of the mix before."""

    def __init__(self) -> None:
        control = Control(
            name="variation", unit="", minimum=0.0, maximum=2.0, default=1.0, description="temperature"
        )
        values = {**vars(accompanists.copy().spec), "name": "echo", "controls": (control,)}
        self.spec = Spec(**values)

    def init_state(self, seeds: Sequence[int]) -> Count:
        import torch

        return Count(torch.zeros(len(seeds), 2, 1920), torch.zeros(len(seeds), dtype=torch.int64))

    def heard_beat(self, state: Count) -> Any:
        import torch

        return torch.full((len(state.steps), 1, 4), -1.0)

    def step(self, mix: Any, conditions: Any, state: Count, active: Any) -> tuple[Any, Count]:
        assert conditions["chord"].shape == (len(mix), 1, 12)
        return 0.5 * mix + 0.5 * state.heard, Count(mix.clone(), state.steps + active)


def _played(model: Any) -> Any:
    from lbmodels.runtime.eager import TorchAccompanist

    return TorchAccompanist(model)


def test_torch_and_numpy_meet_in_the_adapter() -> None:
    pytest.importorskip("torch")
    echo = _played(TorchEcho())
    assert echo.spec.controls[0].description == "temperature"
    mix = (0.2 * np.random.default_rng(0).standard_normal((2, 5 * 1920))).astype(np.float32)
    driver = StreamDriver(
        echo, SessionConfig(host_rate_hz=48000, stems=("bass", "drums"), anticipation_frames=0)
    )
    out = np.concatenate([driver.push(mix).audio, driver.flush().audio], axis=-1)
    np.testing.assert_allclose(out[1][:, 3840:], 0.5 * mix[:, 1920:-1920] + 0.5 * mix[:, :-3840], atol=1e-7)


def test_a_torch_state_is_restored_to_the_bit_at_any_batch() -> None:
    pytest.importorskip("torch")
    echo = _played(TorchEcho())
    mix = np.random.default_rng(0).standard_normal((3, 2, 1920)).astype(np.float32)
    conditions = {"chord": np.zeros((3, 1, 12), np.float32)}
    active = np.ones(3, np.bool_)
    _, state = echo.step(mix, conditions, echo.init_state([1, 2, 3]), active)
    saved = echo.snapshot(state)
    expected, _ = echo.step(mix, conditions, state, active)
    again, _ = echo.step(mix, conditions, echo.restore(saved), active)
    np.testing.assert_array_equal(again, expected)
    for damaged in (b"", saved[:50], b"\xff" * 100):
        with pytest.raises(ValueError) as refused:
            echo.restore(damaged)
        assert backends.is_user_error(refused.value)


def test_whose_errors_are_for_the_user() -> None:
    errors = pytest.importorskip("lbmodels.errors")
    assert backends.is_user_error(LiveBandError("x"))
    assert backends.is_user_error(errors.LiveBandModelError("x"))
    assert not backends.is_user_error(ValueError("x"))
