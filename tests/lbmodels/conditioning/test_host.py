# SPDX-License-Identifier: GPL-3.0-or-later
"""Host knowledge as network input."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lbmodels.conditioning.host import WIDTH, condition_features
from lbmodels.contract.conditions import HOST

UNKNOWN = {
    name: torch.full((12,), torch.nan) if name == "chord" else torch.tensor(torch.nan) for name in HOST
}


def features(**known: object) -> torch.Tensor:
    return condition_features(UNKNOWN | {name: torch.tensor(value) for name, value in known.items()})


def test_width_is_declared_and_nothing_known_is_all_zeros() -> None:
    assert features().shape == (WIDTH,)
    assert not features().any()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("beat_phase", 0.0),
        ("bar_phase", 0.0),
        ("tempo", 120.0),
        ("chord", [0.0] * 12),
        ("chord_bass", 0.0),
        ("key", 0.0),
    ],
)
def test_a_known_zero_is_not_unknown(name: str, value: object) -> None:
    """Phase 0, 120 BPM, "no chord", C: each must differ from not knowing."""
    assert features(**{name: value}).any()


def test_every_key_is_told_apart_and_minor_is_one_flag() -> None:
    keys = torch.stack([features(key=float(k)) for k in range(24)])
    assert len(torch.unique(keys, dim=0)) == 24
    changed = (features(key=9.0) != features(key=21.0)).nonzero()
    assert len(changed) == 1
    assert features(key=21.0)[changed[0]] == 1


def test_tempo_is_in_octaves_around_120() -> None:
    at = (features(tempo=240.0) != features(tempo=120.0)).nonzero().item()
    assert features(tempo=240.0)[at] == pytest.approx(1)
    assert features(tempo=60.0)[at] == pytest.approx(-1)


def test_phases_close_their_circle() -> None:
    torch.testing.assert_close(features(beat_phase=1 - 1e-6), features(beat_phase=0.0), atol=1e-3, rtol=0)
    assert (features(beat_phase=0.5) - features(beat_phase=0.0)).abs().max() > 1


@settings(max_examples=30)
@given(st.data())
def test_no_mixture_of_known_and_unknown_makes_nan(data: st.DataObject) -> None:
    values = {
        "beat_phase": st.floats(0, 1, width=32),
        "bar_phase": st.floats(0, 1, width=32),
        "tempo": st.floats(0, 1000, width=32),
        "chord_bass": st.integers(0, 11).map(float),
        "key": st.integers(0, 23).map(float),
        "chord": st.lists(st.sampled_from([0.0, 1.0]), min_size=12, max_size=12),
    }
    told = {name: data.draw(value) for name, value in values.items() if data.draw(st.booleans())}
    result = features(**told)
    assert result.isfinite().all()
    assert result.abs().max() <= 3
