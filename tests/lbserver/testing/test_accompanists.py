# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from lbmodels.contract.accompanist import Accompanist
from lbmodels.contract.conditions import table
from lbserver.errors import LiveBandError
from lbserver.files import saved_state
from lbserver.testing import accompanists


@pytest.mark.parametrize("name", sorted(accompanists.BY_NAME))
def test_snapshot_restore_continue_is_bit_exact(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accompanists.time, "sleep", lambda _seconds: None)
    accompanist: Accompanist = accompanists.BY_NAME[name]()
    mix = (0.1 * np.random.default_rng(0).standard_normal((2, 2, 1920))).astype(np.float32)
    conditions = table({"stem": 0.0, "variation": 1.0}, [{"beat_phase": 0.97, "tempo": 120.0}], 2)
    active = np.ones(2, np.bool_)
    _, state = accompanist.step(mix, conditions, accompanist.init_state([1, 2]), active)
    saved = accompanist.snapshot(state)
    expected, _ = accompanist.step(mix, conditions, state, active)
    again, _ = accompanist.step(mix, conditions, accompanist.restore(saved), active)
    np.testing.assert_array_equal(again, expected)
    assert expected.shape == mix.shape
    assert expected.dtype == np.float32
    with pytest.raises(LiveBandError, match=f"not a state of {name}"):
        accompanist.restore(b"something else")


def test_an_inactive_row_keeps_its_state_and_is_silent() -> None:
    counter = accompanists.counter()
    mix = np.zeros((2, 2, 1920), np.float32)
    conditions = table({}, [{}], 2)
    state = counter.init_state([0, 0])
    out, state = counter.step(mix, conditions, state, np.array([True, False]))
    assert out[0].all()
    assert not out[1].any()
    np.testing.assert_array_equal(state.steps, [1, 0])


def test_cost_is_spent_on_the_clock_it_is_given() -> None:
    clock = [0.0]

    def spend(seconds: float) -> None:
        clock[0] += seconds

    slow = accompanists.cost(0.05, spend)
    state = slow.init_state([0])
    for _ in range(3):
        _, state = slow.step(
            np.zeros((1, 2, 1920), np.float32), table({}, [{}], 1), state, np.ones(1, np.bool_)
        )
    assert clock[0] == pytest.approx(0.15)


@pytest.mark.parametrize(
    "sections", [{}, {"steps": bytes(8)}, {"steps": bytes(8), "seeds": bytes(8), "tail": bytes(4)}]
)
def test_a_state_of_other_sizes_is_refused(sections: dict[str, bytes]) -> None:
    with pytest.raises(LiveBandError, match="not a state of test:copy"):
        accompanists.copy().restore(saved_state.pack(sections))
