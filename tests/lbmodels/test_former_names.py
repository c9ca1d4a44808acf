# SPDX-License-Identifier: GPL-3.0-or-later
"""What an earlier release wrote is read by today's names: weights, manifests, folders, recipes, checkpoints, the command."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from lbmodels.band import Band
from lbmodels.config import build
from lbmodels.families import loading
from lbmodels.families.liveband.family import GENERATOR
from lbmodels.families.liveband.generator import Generator, GeneratorConfig
from lbmodels.former_names import today
from lbmodels.listening.beat_tracker import BeatTracker, BeatTrackerConfig
from lbmodels.train.loop import _restore, _save, side
from lbmodels.train.recipe import LoopConfig, read_recipe
from lbmodels.weights import manifest
from lbmodels.weights.modules import load_part, save_weights

OLD_MANIFESTS = {
    "first": """
[old]
default = true
recipe = "liveband/tiny"
description = "of the first release"
codec = "codec.safetensors"
generator = "generator.safetensors"
timekeeper = "timekeeper.safetensors"
[old.sha256]
{digests}
""",
    "second": """
[old]
family = "liveband"
default = true
recipe = "liveband/tiny"
description = "of the second release"
[old.parts]
codec = "codec.safetensors"
generator = "generator.safetensors"
timekeeper = "timekeeper.safetensors"
[old.sha256]
{digests}
""",
}


def write_old(path: Path, model: nn.Module, kind: str, config: Any) -> None:
    """A weights file as the earlier release wrote it: kind, sizes and tensors by its names."""
    names = {"tempogram": "pulse", "latent_matching": "recolour"}
    tensors = {
        ".".join(names.get(part, part) for part in name.split(".")): tensor
        for name, tensor in model.state_dict().items()
    }
    sizes = {"recoloured" if key == "latent_matching" else key: value for key, value in vars(config).items()}
    header = {"format": "liveband-weights-1", "kind": kind, "config": json.dumps(sizes)}
    safetensors.torch.save_file(tensors, path, metadata=header)


@pytest.fixture
def old_folder(toy_weights: Path) -> tuple[Path, Band]:
    """A folder of the earlier release, and the band that today's folder of the same weights holds."""
    torch.manual_seed(2)
    tracker = BeatTracker(BeatTrackerConfig(hop=480, features=16, depth=2, tempi=24, bands=8))
    path = toy_weights / "beat_tracker.safetensors"
    save_weights(path, tracker, kind="beat_tracker", config=tracker.config)
    band = loading.load(str(toy_weights))
    path.unlink()
    write_old(toy_weights / "timekeeper.safetensors", tracker, "timekeeper", tracker.config)
    write_old(
        toy_weights / "generator.safetensors", band.generator, "liveband-generator", band.generator.config
    )
    return toy_weights, band


@pytest.mark.parametrize("written", [None, *OLD_MANIFESTS])
def test_an_old_folder_is_the_same_model(
    old_folder: tuple[Path, Band], written: str | None, told: Any
) -> None:
    """Its beat tracker would be overlooked, or its weights be refused as foreign."""
    folder, wanted = old_folder
    if written:
        digests = "\n".join(f'"{p.name}" = "{manifest.sha256(p)}"' for p in folder.glob("*.safetensors"))
        (folder / "manifest.toml").write_text(OLD_MANIFESTS[written].format(digests=digests))
    found = loading.load(str(folder))
    mix, conditions = 0.1 * torch.randn(1, 30, 2, 480), told(1, 30, beat_phase=torch.nan, tempo=torch.nan)
    assert torch.equal(found(mix, conditions, [3]), wanted(mix, conditions, [3]))
    assert found.spec.controls == wanted.spec.controls


def test_a_matched_generator_of_old_opens(tmp_path: Path) -> None:
    """Its file says `recoloured` and holds `recolour.weight`."""
    config = GeneratorConfig(
        latent=8, semitones=12, features=32, heads=2, depth=1, window=8, latent_matching=True
    )
    generator = Generator(config)
    write_old(tmp_path / "generator.safetensors", generator, "liveband-generator", config)
    again = load_part(GENERATOR, tmp_path / "generator.safetensors")
    assert again.config == config
    assert torch.equal(again.tempogram.onset.weight, generator.tempogram.onset.weight)


def test_old_recipes_are_found_and_understood(tmp_path: Path) -> None:
    for old, new in (
        ("timekeeper", "beat_tracker"),
        ("chordkeeper", "chord_tracker"),
        ("pulse", "tempogram"),
        ("recolour", "latent_matching"),
    ):
        assert today(old) == new
        assert read_recipe(old, "tiny") == read_recipe(new, "tiny")
    own = tmp_path / "own.toml"
    own.write_text('base = "tiny"\n[model]\nrecoloured = true\n')
    tables = read_recipe("liveband", str(own))
    assert build(GeneratorConfig, tables["model"]).latent_matching


def test_an_old_checkpoint_goes_on(tmp_path: Path) -> None:
    """A run that was started before the names changed would have to begin again."""

    class Run:
        def __init__(self, module: str, of: str) -> None:
            model = nn.ModuleDict({module: nn.Linear(2, 1)})
            self.sides = {of: side(model, LoopConfig(), 1e-3)}
            self.averaged: dict[str, nn.Module] = {of: copy.deepcopy(model)}

    old, new = Run("pulse", "keeper"), Run("tempogram", "tracker")
    _save(tmp_path / "checkpoint.pt", old, 7)  # type: ignore[arg-type]
    assert _restore(tmp_path / "checkpoint.pt", new) == 7  # type: ignore[arg-type]
    for ours, theirs in (
        (new.sides["tracker"].model, old.sides["keeper"].model),
        (new.averaged["tracker"], old.averaged["keeper"]),
    ):
        assert all(
            torch.equal(a, b)
            for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
        )
