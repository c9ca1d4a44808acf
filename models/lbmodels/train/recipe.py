# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes: TOML files that name a base and override little."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lbmodels.documents import read_toml
from lbmodels.errors import LiveBandModelError
from lbmodels.former_names import today


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long, how fast and where; the same for every objective."""

    steps: int = 20_000
    batch: int = 16
    learning_rate: float = 3e-4
    discriminator_learning_rate: float = 3e-4
    warmup_steps: int = 200
    decay_from: float = 0.7
    betas: tuple[float, float] = (0.8, 0.95)
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    ema: float = 0.999
    bf16: bool = True
    seed: int = 0
    checkpoint_minutes: float = 3.0
    sample_every: int = 1000
    threads: int = 2


def recipes_folder() -> Path:
    """The shipped recipes: beside the package in a wheel, one folder up in a checkout."""
    here = Path(__file__).resolve().parents[1]
    for folder in (here / "recipes", here.parent / "recipes"):
        if folder.is_dir():
            return folder
    raise LiveBandModelError("no recipes folder found beside lbmodels; reinstall liveband")


def read_recipe(objective: str, name: str, _above: tuple[str, ...] = ()) -> dict[str, Any]:
    """The tables of `recipes/<objective>/<name>.toml` (or of a path ending in .toml), bases merged in.

    Raises:
        LiveBandModelError: no such recipe, it is not TOML, or it is its own base.
    """
    objective = today(objective)
    folder = recipes_folder() / objective
    path = Path(name) if name.endswith(".toml") else folder / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.toml"))) or "none"
        raise LiveBandModelError(
            f"no recipe {name!r} for {objective}; there are: {known}, or give a .toml file"
        )
    try:
        tables = read_toml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LiveBandModelError(f"recipe {path}: {error}") from None
    base = tables.pop("base", None)
    if base is None:
        return tables
    if base in _above:
        raise LiveBandModelError(f"recipe {path}: base {base!r} leads back to itself")
    merged = read_recipe(objective, str(base), (*_above, name, str(base)))
    for table, values in tables.items():
        merged[table] = {**merged.get(table, {}), **values} if isinstance(values, dict) else values
    return merged
