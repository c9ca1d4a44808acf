# SPDX-License-Identifier: GPL-3.0-or-later
"""Frozen configurations from tables."""

from dataclasses import asdict, dataclass, field

import pytest

from lbmodels.config import build
from lbmodels.errors import LiveBandModelError


@dataclass(frozen=True, kw_only=True)
class Inner:
    steps: int = 3
    rate: float = 0.5
    names: tuple[str, ...] = ("a",)
    name: str = ""
    on: bool = True


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    size: int = 1


def test_tables_become_nested_frozen_values() -> None:
    made = build(Outer, {"size": 4, "inner": {"names": ["x", "y"], "rate": 2}})
    assert made == Outer(size=4, inner=Inner(names=("x", "y"), rate=2))
    assert build(Outer, asdict(made)) == made


def test_an_unknown_key_is_named_with_its_place_and_the_accepted_ones() -> None:
    with pytest.raises(LiveBandModelError, match=r"recipe.inner: unknown key 'stepz'; accepted: .*steps"):
        build(Outer, {"inner": {"stepz": 1}})


@pytest.mark.parametrize(
    ("tables", "complaint"),
    [
        ({"inner": {"steps": "many"}}, "recipe.inner: steps"),
        ({"inner": {"steps": 1.5}}, "recipe.inner: steps"),
        ({"inner": {"steps": True}}, "recipe.inner: steps"),
        ({"inner": {"rate": "fast"}}, "recipe.inner: rate"),
        ({"inner": {"names": "abc"}}, "recipe.inner: names"),
        ({"inner": {"names": ["a", 1]}}, "recipe.inner: names must be a list of which each is a text"),
        ({"inner": {"on": 1}}, "recipe.inner: on"),
        ({"inner": {"name": 5}}, "recipe.inner: name"),
        ({"inner": 7}, "recipe: inner"),
        ({"size": {"steps": 1}}, "recipe: size"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_in_one_line(tables: dict, complaint: str) -> None:
    """`--set loop.steps=many` must not end in a TypeError from the depths of the training loop."""
    with pytest.raises(LiveBandModelError, match=complaint) as refused:
        build(Outer, tables)
    assert "\n" not in str(refused.value)
