# SPDX-License-Identifier: GPL-3.0-or-later
"""What a selection of cases leaves out, no test sees."""

from itertools import combinations, product

import pytest

from lbserver.testing.grids import covering, each, grid


def test_every_pair_of_values_is_there_in_fewer_cases() -> None:
    axes = (range(8), "abcde", (True, False), range(4))
    cases = covering(axes)
    for one, other in combinations(range(len(axes)), 2):
        assert {(case[one], case[other]) for case in cases} == set(product(axes[one], axes[other]))
    assert len(cases) < 60
    assert cases == covering(axes)


def test_each_value_is_there() -> None:
    cases = each(range(5), "ab")
    assert {case[0] for case in cases} == set(range(5))
    assert {case[1] for case in cases} == set("ab")


def test_the_whole_grid_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBAND_GRIDS", "whole")
    assert len(grid(range(4), range(3), range(5))) == len(each(range(4), range(3), range(5))) == 60
