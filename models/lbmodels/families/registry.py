# SPDX-License-Identifier: GPL-3.0-or-later
"""Which families there are: a folder here with a `family.py` is one. Knows no torch."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import lbmodels.families
from lbmodels.errors import LiveBandModelError
from lbmodels.families.parts import Family
from lbmodels.weights.part import Part


def names() -> tuple[str, ...]:
    """All families, in order of the alphabet."""
    folders = [folder for place in lbmodels.families.__path__ for folder in Path(place).iterdir()]
    return tuple(sorted(folder.name for folder in folders if (folder / "family.py").is_file()))


def family(name: str) -> Family:
    """Raises LiveBandModelError: there is none of that name."""
    if name not in names():
        raise LiveBandModelError(f"unknown family {name[:80]!r}; there are: {', '.join(names())}")
    found: Family = importlib.import_module(f"lbmodels.families.{name}.family").FAMILY
    return found


def all_parts() -> dict[str, Part[Any]]:
    """Name -> the first of that name, of every family."""
    found: dict[str, Part[Any]] = {}
    for name in names():
        for part in family(name).parts:
            found.setdefault(part.name, part)
    return found
