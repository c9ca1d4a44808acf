# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheel holds what an installed program needs: both packages, recipes, weights and the bundled recording."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("liveband-*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("lbserver", "lbserver"),
        ("models/lbmodels", "lbmodels"),
        ("models/recipes", "lbmodels/recipes"),
        ("models/weights", "lbmodels/shipped"),
    ],
)
def test_everything_tracked_is_in_the_wheel(names: set[str], source: str, target: str) -> None:
    """An editable install reads the repository, so that a file missing from the wheel shows only at users'."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", source], cwd=ROOT, capture_output=True, check=True
    ).stdout
    files = [name for name in listing.decode().split("\0") if name and (ROOT / name).is_file()]
    missing = [name for name in files if target + name.removeprefix(source) not in names]
    assert not missing


def test_only_the_two_packages_are_in_the_wheel(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"lbserver", "lbmodels"}
