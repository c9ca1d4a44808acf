# SPDX-License-Identifier: GPL-3.0-or-later
"""README, CONTRIBUTING, CHANGELOG and the pages say what is so."""

import contextlib
import functools
import io
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest

from lbserver.cli import build_parser
from lbserver.testing.pages import steps

ROOT = Path(__file__).resolve().parents[2]
LISTED = subprocess.run(["git", "ls-files", "-z", "*.md"], cwd=ROOT, capture_output=True, check=True).stdout
PAGES = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in LISTED.decode().split("\0")
    if name and (ROOT / name).is_file()
}


def file_map(page: str) -> list[str]:
    """Paths named in a page's file map: the first word of each line of its block."""
    block = re.search(r"## File map\n.*?```\w*\n(.*?)```", PAGES[page], re.S)
    assert block is not None
    return [
        line.split()[0] for line in block.group(1).splitlines() if line.strip() and not line.startswith(" ")
    ]


def command_lines() -> list[str]:
    """Lines inside the shell blocks of every page, continued ones whole, comments stripped."""
    blocks = [block for text in PAGES.values() for block in re.findall(r"```sh\n(.*?)```", text, re.S)]
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return sorted({line.split("  #")[0].strip() for line in lines} - {""})


def links(page: str) -> list[str]:
    """What a page links to in this repository, from the repository's top."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", PAGES[page], flags=re.S)
    targets = re.findall(r"\]\(<?([^)<>]+)>?\)", text)
    return [
        os.path.normpath(Path(page).parent / unquote(target.split("#")[0]))
        for target in targets
        if target.split("#")[0] and "://" not in target
    ]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_file_map_names_files_that_exist(page: str) -> None:
    missing = [name for name in file_map(page) if not (ROOT / name).exists()]
    assert not missing


def test_links_lead_somewhere() -> None:
    """A page that moved leaves links to nowhere behind."""
    lost = [(page, target) for page in PAGES for target in links(page) if not (ROOT / target).exists()]
    assert not lost


def test_every_page_is_reached_from_the_readme() -> None:
    """README is short: what no link leads to is read by nobody. Pages of tests are read by who works on them."""
    reached, ahead = set(), ["README.md"]
    while ahead:
        page = ahead.pop()
        if page in PAGES and page not in reached:
            reached.add(page)
            ahead += links(page)
    unreached = {page for page in PAGES if not page.startswith("tests/")} - reached
    assert not unreached


FRONT_ENDS = {
    "plugin_shim/docs/plugin.md": ("Use",),
    "lbserver/docs/live.md": ("With your instrument", "From Python"),
    "lbserver/jam/page/docs/browser.md": ("",),
    "max_patches/README.md": (
        "Pd and SuperCollider",
        "Max, through the plug-in",
        "Max, by OSC",
        "Max, a band on another machine",
        "Ableton Live",
        "Surfaces",
    ),
    **{f"max_patches/live-coding/{name}.md": ("",) for name in ("chuck", "csound", "sonic-pi", "tidal")},
}


@pytest.mark.parametrize(
    ("page", "heading"), [(page, heading) for page, headings in FRONT_ENDS.items() for heading in headings]
)
def test_a_front_end_takes_five_steps_at_most(page: str, heading: str) -> None:
    """From nothing to sound. What a step says that a test can do, a test does: those of the front ends, with its own words."""
    assert 2 <= len(steps(ROOT / page, heading)) <= 5


@pytest.mark.parametrize("package", ["lbserver", "models/lbmodels"])
def test_file_map_names_every_module_and_package(package: str) -> None:
    """A new module needs its one line; without it a newcomer does not find it."""
    entries = {
        f"{package}/{path.name}{'/' if path.is_dir() else ''}"
        for path in (ROOT / package).iterdir()
        if (path.suffix == ".py" and path.name != "__init__.py") or (path / "__init__.py").exists()
    }
    known = set(file_map("CONTRIBUTING.md"))
    assert entries <= known, f"not in CONTRIBUTING's file map: {sorted(entries - known)}"


def test_make_targets_that_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {line.split()[1] for line in command_lines() if line.startswith("make ")}
    assert named
    assert named <= targets


@functools.cache
def answer_to_help(*names: str) -> str:
    """What `liveband NAMES --help` prints. Asked of the parser itself: a process for each would take minutes."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), pytest.raises(SystemExit) as end:
        build_parser(names[0]).parse_args([*names, "--help"])
    assert end.value.code == 0, names
    return said.getvalue()


@pytest.mark.parametrize("line", [line for line in command_lines() if line.startswith("liveband ")])
def test_liveband_commands_and_options_that_documents_name_exist(line: str) -> None:
    """`liveband X --help` answers for each X of a page: documents age faster than programs."""
    words = shlex.split(line)[1:]
    known = answer_to_help(words[0])
    for depth in (2, 3):
        if len(words) < depth or not re.fullmatch(r"[a-z]+\d?", words[depth - 1]):
            break
        known += answer_to_help(*words[:depth])
    unknown = [word for word in words if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known]
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
