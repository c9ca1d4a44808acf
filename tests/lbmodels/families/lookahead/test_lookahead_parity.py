# SPDX-License-Identifier: GPL-3.0-or-later
"""The published look-ahead system computes here what it computes there."""

from pathlib import Path

import pytest

from lbmodels.parity.__main__ import main

SLOW = {"ldm_unet_full"}
CASES = [
    pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
    for name in (
        "ldm_samplers_a",
        "ldm_samplers_b",
        "ldm_unet_tiny",
        "ldm_unet_small",
        "ldm_pipeline_tiny",
        "ldm_unet_full",
    )
]


@pytest.mark.parametrize("name", CASES)
def test_golden_file_agrees(name: str, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another epsilon, schedule, order of draws or consistency coefficient gives plausible and wrong music."""
    code = main([str(repository / f"tests/fixtures/parity/{name}.npz")])
    told = capsys.readouterr()
    assert code == 0, told.out + told.err
