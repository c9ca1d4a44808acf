# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbered steps of a page, as whoever reads it follows them."""

import re
from pathlib import Path


def steps(page: Path, heading: str = "") -> list[str]:
    """The steps of a section, or of the page's first list, each with the lines that go on with it."""
    text = page.read_text(encoding="utf-8")
    if heading:
        text = re.split(r"^## ", text.split(f"## {heading}\n", 1)[1], maxsplit=1, flags=re.M)[0]
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    found = re.findall(r"^(\d+)\. (.*(?:\n   .*)*)", text, re.M)
    assert [int(number) for number, _ in found] == list(range(1, len(found) + 1)), f"{page}: {heading}"
    return [step for _, step in found]


def commands(page: Path, heading: str = "") -> list[str]:
    """The first command of each step, as it is typed; empty where a step has none."""
    return [(re.findall(r"`([^`]+)`", step) or [""])[0] for step in steps(page, heading)]
