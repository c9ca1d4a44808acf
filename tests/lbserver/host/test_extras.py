# SPDX-License-Identifier: GPL-3.0-or-later
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from lbserver.host import extras

ROOT = Path(__file__).resolve().parents[3]
DISTRIBUTIONS = {"fluidsynth": "pyfluidsynth", "jack": "JACK-Client"}


def test_every_package_of_an_extra_has_its_line() -> None:
    """A package that is added to an extra, and not here, would be told of as if LiveBand were broken."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    brings = {
        extra: {re.split(r"[<>=;\[ ]", line)[0] for line in lines}
        for extra, lines in told.items()
        if extra != "dev"
    }
    for module, extra in extras.EXTRAS.items():
        assert DISTRIBUTIONS.get(module, module) in brings[extra]
    known = {DISTRIBUTIONS.get(module, module) for module in extras.EXTRAS}
    assert set().union(*brings.values()) == known


def test_a_command_without_its_extra_names_it(tmp_path: Path) -> None:
    """`liveband data render` without mido was a ModuleNotFoundError and a traceback."""
    program = "import sys; sys.modules['mido'] = None; from lbserver.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "data", "render", "--out", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "liveband: error: this needs the package mido, which is not installed: pip install 'liveband[data]'\n"
    )


def test_a_package_that_is_always_needed_says_so() -> None:
    missing = ModuleNotFoundError("No module named 'scipy.signal'", name="scipy.signal")
    assert "scipy is missing" in extras.advice(missing)
