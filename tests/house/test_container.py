# SPDX-License-Identifier: GPL-3.0-or-later
"""The container file, read: no machine of the tests builds it, so what it names must be there."""

import json
import re
import tomllib
from pathlib import Path

from lbserver.cli import build_parser

ROOT = Path(__file__).resolve().parents[2]
LINES = [
    line.split(maxsplit=1)
    for line in re.sub(r"\\\n", " ", (ROOT / ".ci/Containerfile").read_text(encoding="utf-8")).splitlines()
    if line.strip() and not line.startswith("#")
]


def said(word: str) -> list[str]:
    return [rest for first, rest in LINES if first == word]


def test_what_is_copied_is_there_and_all_that_a_wheel_takes() -> None:
    """A file that moved would be missing from the image, or its build would fail at whoever has a GPU."""
    copied = [name for line in said("COPY") if "--from" not in line for name in line.split()[:-1]]
    assert all((ROOT / name).exists() for name in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    assert {*wheel, project["project"]["readme"], *project["project"]["license-files"]} <= set(copied)
    extras = said("ARG")[0].removeprefix("EXTRAS=").strip("[]").split(",")
    assert set(extras) <= project["project"]["optional-dependencies"].keys()


def test_the_command_is_one_of_ours() -> None:
    """An option that was renamed would show when the container is started, not before."""
    program, command = json.loads(said("ENTRYPOINT")[0]), json.loads(said("CMD")[0])
    assert program == ["liveband"]
    parsed = build_parser(command[0]).parse_args(command)
    assert str(parsed.zmq_port) in said("EXPOSE")
    assert parsed.key is not None, "whoever reaches the port would play"
    assert parsed.clients is not None


def test_both_stages_are_one_system() -> None:
    """A virtual environment holds the path of its Python and libraries of its system."""
    systems = {line.split()[0] for line in said("FROM")}
    assert len(systems) == 1
    assert len(said("USER")) == 1
