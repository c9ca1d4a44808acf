# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise as a function of (seed, position)."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lbmodels.streaming.noise import gaussian


def test_it_is_standard_normal() -> None:
    """Mean, spread, skew, tails: 320 000 numbers, bounds at about five standard errors."""
    x = gaussian(torch.tensor(7), torch.arange(10_000), 32).double()
    assert abs(x.mean()) < 0.01
    assert abs(x.std() - 1) < 0.007
    assert abs((x**3).mean()) < 0.025
    assert abs((x**4).mean() - 3) < 0.06
    assert 4 < x.abs().max() < 6.5


def test_neighbouring_seeds_positions_and_features_are_independent() -> None:
    """Counter-based generators fail here first: correlation with a neighbour in any direction."""
    n = 4000
    base = gaussian(torch.tensor(1), torch.arange(n), 16)
    for other in (
        gaussian(torch.tensor(2), torch.arange(n), 16),
        gaussian(torch.tensor(1 + 2**32), torch.arange(n), 16),
        gaussian(torch.tensor(1), torch.arange(1, n + 1), 16),
        gaussian(torch.tensor(1), torch.arange(n) + 2**31, 16),
        gaussian(torch.arange(n), torch.tensor(0), 16),
        base.roll(1, dims=1),
    ):
        assert abs((base * other).mean()) < 0.02
        assert abs((base.square() * other.square()).mean() - 1) < 0.06
        assert not torch.isclose(base, other).all(1).any()


@settings(max_examples=30)
@given(seed=st.integers(-(2**63), 2**63 - 1), position=st.integers(-1, 2**40))
def test_any_seed_and_position_is_finite_and_the_same_alone_or_in_a_batch(seed: int, position: int) -> None:
    alone = gaussian(torch.tensor(seed), torch.tensor(position), 8)
    seeds, positions = torch.tensor([[3], [seed]]), torch.tensor([[5, position, 9]])
    assert torch.equal(gaussian(seeds.expand(2, 3), positions.expand(2, 3), 8)[1, 1], alone)
    assert alone.isfinite().all()
