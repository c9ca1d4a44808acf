# SPDX-License-Identifier: GPL-3.0-or-later
"""README, CONTRIBUTING and CHANGELOG say what is so."""

import functools
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def file_map() -> list[str]:
    """Paths named in README's file map: the first word of each line of its block."""
    block = re.search(r"## File map\n.*?```\w*\n(.*?)```", README, re.S)
    assert block is not None
    return [
        line.split()[0] for line in block.group(1).splitlines() if line.strip() and not line.startswith(" ")
    ]


def command_lines() -> list[str]:
    """Lines inside README's and CONTRIBUTING's shell blocks, comments stripped."""
    text = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_file_map_names_files_that_exist() -> None:
    missing = [name for name in file_map() if not (ROOT / name).exists()]
    assert not missing


@pytest.mark.parametrize("package", ["lbserver", "models/lbmodels"])
def test_file_map_names_every_module_and_package(package: str) -> None:
    """A new module needs its one line; without it a newcomer does not find it."""
    entries = {
        f"{package}/{path.name}{'/' if path.is_dir() else ''}"
        for path in (ROOT / package).iterdir()
        if (path.suffix == ".py" and path.name != "__init__.py") or (path / "__init__.py").exists()
    }
    assert entries <= set(file_map()), f"not in README's file map: {sorted(entries - set(file_map()))}"


def test_make_targets_that_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {line.split()[1] for line in command_lines() if line.startswith("make ")}
    assert named
    assert named <= targets


@functools.cache
def answer_to_help(*names: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "import sys; from lbserver.cli import main; sys.exit(main())"]
    return subprocess.run([*program, *names, "--help"], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("line", [line for line in command_lines() if line.startswith("liveband ")])
def test_liveband_commands_and_options_that_documents_name_exist(line: str) -> None:
    """`liveband X --help` answers for each X of README: documents age faster than programs."""
    words = shlex.split(line)[1:]
    answer = answer_to_help(words[0])
    assert answer.returncode == 0, answer.stderr
    known = answer.stdout
    for depth in (2, 3):
        if len(words) < depth or not re.fullmatch(r"[a-z]+\d?", words[depth - 1]):
            break
        deeper = answer_to_help(*words[:depth])
        assert deeper.returncode == 0, deeper.stderr
        known += deeper.stdout
    unknown = [word for word in words if re.match(r"--?[a-z]", word) and word not in known]
    assert not unknown


def test_changelog_knows_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in changelog or f"## [{project['version']}]" in changelog


def test_licence_is_the_official_text() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "GNU GENERAL PUBLIC LICENSE" in text
    assert "Version 3, 29 June 2007" in text
    assert "END OF TERMS AND CONDITIONS" in text
