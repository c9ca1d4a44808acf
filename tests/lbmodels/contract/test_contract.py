# SPDX-License-Identifier: GPL-3.0-or-later
"""What both sides import says the same to both."""

import ast
import dataclasses
from pathlib import Path

import numpy as np
import pytest

import lbmodels
from lbmodels.contract.conditions import CONDITIONS, HOST, WIDTHS, table
from lbmodels.contract.stems import STEMS
from lbserver.testing import accompanists

ROOT = Path(lbmodels.__file__).resolve().parents[2]


def test_a_chunk_is_told_frame_by_frame() -> None:
    """A chunk told of its first frame alone played the rest of it as if the beat stood still."""
    known = [{"beat_phase": 0.1 * n, "chord": np.eye(12)[n].astype(np.float32)} for n in range(3)]
    told = table({"stem": np.array([2.0, 1.0]), "variation": 0.5}, known, 2)
    assert {name: value.shape for name, value in told.items()} == {n: (2, 3, w) for n, w in WIDTHS.items()}
    assert all(value.dtype == np.float32 for value in told.values())
    np.testing.assert_allclose(told["beat_phase"][:, :, 0], [[0.0, 0.1, 0.2]] * 2, atol=1e-7)
    np.testing.assert_array_equal(told["stem"][:, :, 0], [[2.0] * 3, [1.0] * 3])
    np.testing.assert_array_equal(told["chord"][1].argmax(-1), [0, 1, 2])
    assert (told["variation"] == 0.5).all()
    assert np.isnan(told["key"]).all()


def test_what_always_holds_goes_before_what_a_frame_says() -> None:
    told = table({"tempo": 90.0}, [{"tempo": 120.0}], 1)
    assert told["tempo"].item() == 90.0


def test_names_are_told_once() -> None:
    names = [one.name for one in CONDITIONS]
    assert len(set(names)) == len(names)
    assert HOST == ("beat_phase", "bar_phase", "tempo", "chord", "chord_bass", "key")


def test_anticipation_comes_in_the_steps_of_the_spec() -> None:
    spec = dataclasses.replace(accompanists.copy().spec, anticipation_frames=(0, 100), anticipation_step=25)
    assert list(spec.anticipations) == [0, 25, 50, 75, 100]
    assert spec.usual_anticipation == 25
    assert dataclasses.replace(spec, anticipation_frames=(0, 0)).usual_anticipation == 0


@pytest.mark.parametrize("package", ["lbserver", "models/lbmodels"])
def test_stem_classes_are_listed_in_one_place(package: str) -> None:
    """A fifth class was to be entered in twelve tuples, of which one was always forgotten."""
    lists = []
    for file in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Tuple | ast.List | ast.Set):
                words = [one.value for one in node.elts if isinstance(one, ast.Constant)]
                if tuple(words[: len(STEMS)]) == STEMS:  # a published model's own order is another list
                    lists.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    # The parts of a song are no stem classes: percussion is another part of the drums.
    assert lists == (
        ["models/lbmodels/contract/stems.py:4", "models/lbmodels/data/song.py:17"]
        if "models" in package
        else []
    )
