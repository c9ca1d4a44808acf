# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing system packages: another program's lock is waited for, and what is not to be had is the last line."""

import os
import subprocess
from pathlib import Path

import pytest

# Programs of the system in the script's eyes: `busy` names how often apt-get finds its lock taken; nothing is installed.
_FAKES = {
    "id": "echo 0",
    "sleep": "exit 0",
    "dpkg-query": "exit 1",
    "apt-cache": '[ "$2" != no-such-package ]',
    "apt-get": """
echo "$*" >>"$HOME/calls"
n=$(cat "$HOME/busy"); echo $((n - 1)) >"$HOME/busy"
if [ "$n" -gt 0 ]; then
    echo "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1234 (unattended-upgr)" >&2
    exit 100
fi
case "$*" in *broken-package*) echo "E: Failed to fetch" >&2; exit 100 ;; esac
""",
}


@pytest.fixture
def install(tmp_path: Path, repository: Path):
    for name, body in _FAKES.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)

    def run(*packages: str, busy: int = 0) -> tuple[int, list[str], list[str]]:
        (tmp_path / "busy").write_text(str(busy))
        environment = os.environ | {"HOME": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        done = subprocess.run(
            [repository / ".ci/apt-install", *packages],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        calls = (tmp_path / "calls").read_text().splitlines()
        return done.returncode, done.stderr.splitlines(), calls

    return run


def test_another_program_that_installs_is_waited_for(install) -> None:
    """`make dev` failed after two seconds while unattended upgrades ran."""
    code, said, calls = install("a-package", busy=3)
    assert code == 0
    assert said == ["waiting for another program that installs packages to end"]
    assert [call for call in calls if "install" in call][-1].endswith("a-package")


def test_what_cannot_be_installed_is_the_last_line(install) -> None:
    """And the rest is installed all the same."""
    code, said, calls = install("a-package", "no-such-package")
    assert code == 1
    assert said[-1] == "could not be installed: no-such-package (not in the package lists of this system)"
    assert any("install" in call and "a-package" in call for call in calls)
    code, said, _ = install("broken-package")
    assert (code, said[-1]) == (1, "could not be installed: broken-package")
