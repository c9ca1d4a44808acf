# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflow files that a fork puts in place name what there is, and take nothing that can change under them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / ".ci" / "workflows").glob("*.yml"))
ARTEFACTS = "build/plugin/juce/LiveBand_artefacts/Release/"
SYSTEMS = {"ubuntu-24.04": "UNIX", "macos-14": "APPLE", "windows-2022": ""}


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    whole = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert whole["permissions"] == {"contents": "read"}, "what a step runs may write nothing"
    assert set(whole[True]) <= {"workflow_dispatch", "push"}, "a stranger's pull request builds nothing"
    return dict(whole["jobs"])


def steps(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job in jobs(path).items():
        for step in job["steps"]:
            yield name, step


def test_there_is_one_for_each_system() -> None:
    run_on = {job["runs-on"] for path in FILES for job in jobs(path).values()}
    assert run_on == set(SYSTEMS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_actions_are_pinned_to_a_commit(path: Path) -> None:
    """A tag may be moved to other code by whoever takes over an action."""
    for name, step in steps(path):
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"]), (name, step["uses"])
    for line in path.read_text(encoding="utf-8").splitlines():
        if "uses:" in line:
            assert re.search(r" # v\d+\.\d+\.\d+$", line), f"which version is that? {line}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_programs_targets_folders_and_options_exist(path: Path) -> None:
    """A step that names what was moved fails on a fork's first run, where we do not see it."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    cmake = "".join(
        file.read_text(encoding="utf-8") for file in (ROOT / "plugin_shim").rglob("CMakeLists.txt")
    )
    for name, step in steps(path):
        command = step.get("run", "")
        for word in re.findall(r"(?:^|\s)(\.ci/\S+|plugin_shim\S*)", command):
            assert (ROOT / word).exists(), (name, word)
        for option in re.findall(r"-D(LIVEBAND_\w+)=", command):
            assert re.search(rf"(?:option|set)\({option}\b", cmake), (name, option)
        for target in re.findall(r"(?:^|&& )make (\w+)", command):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), (name, target)
        if "run" in step:
            assert re.match(r"\.ci/|cmake |make |apt-get |brew ", command), (name, command)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_kept_is_what_is_built(path: Path) -> None:
    """Formats as the build makes them on each system, in the folder it makes them in."""
    text = (ROOT / "plugin_shim" / "juce" / "CMakeLists.txt").read_text(encoding="utf-8")
    everywhere = re.search(r"set\(LIVEBAND_FORMATS ([\w ]+)\)", text)
    assert everywhere is not None
    more = dict(re.findall(r"if\((\w+)\)\n  list\(APPEND LIVEBAND_FORMATS (\w+)\)", text))
    assert "build=build/plugin\n" in (ROOT / ".ci" / "plugin").read_text(encoding="utf-8")
    for name, step in steps(path):
        if "upload-artifact" in step.get("uses", ""):
            system = SYSTEMS[jobs(path)[name]["runs-on"]]
            built = {*everywhere[1].split(), *([more[system]] if system else [])}
            assert set(step["with"]["path"].split()) == {ARTEFACTS + one for one in built}, name
            assert step["with"]["if-no-files-found"] == "error"
