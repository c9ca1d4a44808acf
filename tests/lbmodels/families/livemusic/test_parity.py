# SPDX-License-Identifier: GPL-3.0-or-later
"""Our modules compute the published function: golden files of JAX's numbers on weights by rule."""

from pathlib import Path

import numpy as np
import pytest

from lbmodels.families.livemusic.parity import run
from lbmodels.parity.case import load
from lbmodels.parity.compare import compare

FILES = Path(__file__).parents[3] / "fixtures" / "parity"


@pytest.mark.parametrize(
    "name",
    [
        "mrt2_depthformer_tiny",
        pytest.param("mrt2_spectrostream_dec", marks=pytest.mark.slow),
        pytest.param("mrt2_spectrostream_enc", marks=pytest.mark.slow),
    ],
)
def test_published_numbers(name: str) -> None:
    """A norm, a sink's scale, a padding side or a kernel's direction that differs would not be heard, only be wrong."""
    case = load(FILES / f"{name}.npz")
    rows = compare(case, run(case))
    assert {row.output for row in rows} >= set(case.outputs) - {
        n for n in case.outputs if n.endswith("margin")
    }
    assert all(row.ok for row in rows), rows


def test_lengths_and_windows_follow_from_the_case() -> None:
    """A runner that knew the bundled files by heart would fail on anybody else's."""
    from dataclasses import replace

    case = load(FILES / "mrt2_depthformer_tiny.npz")
    whole = run(case)
    inputs = {
        **case.inputs,
        "conditioning": case.inputs["conditioning"][:5],
        "tokens": case.inputs["tokens"][:5],
    }
    short = run(replace(case, inputs=inputs, config={**case.config, "greedy_frames": 2}))
    assert np.allclose(short["logits_level"], whole["logits_level"][:5], atol=1e-4)
    assert np.array_equal(short["greedy_tokens"], whole["greedy_tokens"][:2])
    narrow = run(replace(case, config={**case.config, "past_window": 2}))
    assert not np.allclose(narrow["logits_level"], whole["logits_level"], atol=1e-2)
