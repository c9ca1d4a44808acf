# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes: every one that ships can be built, and none copies what its base says."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lbmodels.codec.autoencoder import Codec
from lbmodels.codec.discriminator import StftDiscriminator
from lbmodels.config import build
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.coherence import CoherenceNetwork
from lbmodels.families.cam.arrangement import Arrangement
from lbmodels.families.cam.network import Cam
from lbmodels.families.codec_lm.network import CodecLm
from lbmodels.families.liveband.critic import Critic
from lbmodels.families.liveband.generator import Generator
from lbmodels.families.livemusic.network import LiveMusic
from lbmodels.families.lookahead.network import WindowNetwork
from lbmodels.listening.beat_tracker import BeatTracker
from lbmodels.listening.chord_tracker import ChordTracker
from lbmodels.style.space import StyleSpace
from lbmodels.train.arrangement import ArrangementTraining
from lbmodels.train.beat_tracker import BeatTrackerTraining
from lbmodels.train.cam import CamTraining
from lbmodels.train.chord_tracker import ChordTrackerTraining
from lbmodels.train.codec import CodecTraining
from lbmodels.train.coherence import CoherenceTraining
from lbmodels.train.consistency import ConsistencyTraining
from lbmodels.train.latent_matching import LatentMatchingFit
from lbmodels.train.liveband import LiveBandTraining
from lbmodels.train.livemusic import LiveMusicTraining
from lbmodels.train.lookahead import LookaheadTraining
from lbmodels.train.recipe import read_recipe, recipes_folder
from lbmodels.train.rvq import RvqFit
from lbmodels.train.streamgen import StreamgenTraining
from lbmodels.train.style import StyleTraining

KINDS: dict[str, Any] = {
    "codec": CodecTraining,
    "tempogram": LiveBandTraining,
    "liveband": LiveBandTraining,
    "beat_tracker": BeatTrackerTraining,
    "chord_tracker": ChordTrackerTraining,
    "coherence": CoherenceTraining,
    "latent_matching": LatentMatchingFit,
    "rvq": RvqFit,
    "lookahead": LookaheadTraining,
    "consistency": ConsistencyTraining,
    "style": StyleTraining,
    "arrangement": ArrangementTraining,
    "cam": CamTraining,
    "livemusic": LiveMusicTraining,
    "streamgen": StreamgenTraining,
}


def on_meta(network: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Of any size: shapes without memory."""

    def make(config: Any) -> Any:
        with torch.device("meta"):
            return network(config)

    return make


SMALL: dict[str, Any] = {
    "beat_tracker": BeatTracker,
    "chord_tracker": ChordTracker,
    "coherence": CoherenceNetwork,
    "lookahead": on_meta(WindowNetwork),
    "arrangement": on_meta(Arrangement),
    "cam": on_meta(Cam),
    "livemusic": on_meta(LiveMusic),
    "streamgen": on_meta(CodecLm),
    "style": StyleSpace,
}
RECIPES = sorted((path.parent.name, path.stem) for path in recipes_folder().glob("*/*.toml"))


def tables_of(objective: str, name: str) -> dict[str, Any]:
    """A recipe's own tables, without its base's."""
    return tomllib.loads((recipes_folder() / objective / f"{name}.toml").read_text())


def test_no_table_is_written_twice() -> None:
    """The same table of three or more values in two recipes should be one recipe's base."""
    tables = [
        (objective, key, tuple(sorted(map(str, value.items()))))
        for objective, name in RECIPES
        for key, value in tables_of(objective, name).items()
        if isinstance(value, dict) and len(value) >= 3
    ]
    assert len(tables) == len(set(tables))


def test_the_sizes_that_are_promised_exist() -> None:
    assert {
        (kind, size)
        for kind in ("cam", "codec", "liveband", "livemusic", "streamgen")
        for size in ("tiny", "small", "paper")
    } <= set(RECIPES)
    assert ("liveband", "bidirectional") in RECIPES


@pytest.mark.parametrize(("objective", "name"), RECIPES)
def test_a_recipe_builds_its_models(objective: str, name: str) -> None:
    """The sizes that fit a test's time and memory are built; of the larger ones the arithmetic is checked."""
    config = build(KINDS[objective], read_recipe(objective, name))
    if isinstance(config, LatentMatchingFit):
        assert 0 <= config.least <= 1 <= config.most
        return
    if isinstance(config, RvqFit):
        assert config.crops * config.data.crop_frames > 20 * config.model.codes, (
            "too few frames for each code"
        )
        return
    assert config.loop.warmup_steps < config.loop.steps
    if isinstance(config, ConsistencyTraining):
        assert 1 <= config.teacher_steps < config.levels
        return
    if objective in SMALL:
        SMALL[objective](config.model)
        return
    buildable = config.model.features <= 256
    if isinstance(config, LiveBandTraining):
        assert config.model.features % config.model.heads == 0
        if buildable:
            assert Generator(config.model).trunk.window == config.model.window
            Critic(config.critic, config.model)
    elif buildable:
        Codec(config.model)
        StftDiscriminator(config.adversarial_channels)
    assert config.data.crop_frames >= 8


@pytest.mark.parametrize(("objective", "name"), [r for r in RECIPES if "base" in tables_of(*r)])
def test_a_recipe_says_only_what_differs_from_its_base(objective: str, name: str) -> None:
    """A value that the base gives already is a copy that will go stale."""
    tables = tables_of(objective, name)
    under = build(KINDS[objective], read_recipe(objective, tables.pop("base")))
    for key, value in tables.items():
        before = getattr(under, key)
        pairs = (
            [(key, before, value)]
            if not isinstance(value, dict)
            else [(f"{key}.{k}", getattr(before, k), v) for k, v in value.items()]
        )
        for path, old, new in pairs:
            assert (tuple(new) if isinstance(new, list) else new) != old, f"{path} = {new} says nothing new"


def test_the_ceiling_differs_in_sight_alone() -> None:
    ours = build(LiveBandTraining, read_recipe("liveband", "tiny"))
    ceiling = build(LiveBandTraining, read_recipe("liveband", "bidirectional"))
    assert ours.model.causal
    assert not ceiling.model.causal
    assert ours.loop == ceiling.loop
    assert ours.data == ceiling.data


def test_tables_merge_over_a_base_in_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "tiny"\n[loop]\nsteps = 7\n')
    mine, tiny = read_recipe("codec", str(path)), read_recipe("codec", "tiny")
    assert mine["loop"] == tiny["loop"] | {"steps": 7}
    assert mine["data"] == tiny["data"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[loop\n", "recipe"),
        ('base = "none-such"', "no recipe 'none-such' for codec; there are: .*tiny"),
        ("[loop]\nstepz = 3", "recipe.loop: unknown key 'stepz'"),
        ("[lop]\nsteps = 3", "recipe: unknown key 'lop'"),
        ('[loop]\nsteps = "3"', "recipe.loop: steps must be a whole number"),
    ],
)
def test_mistakes_are_refused_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(LiveBandModelError, match=complaint) as refused:
        build(CodecTraining, read_recipe("codec", str(path)))
    assert "\n" not in str(refused.value)


def test_a_recipe_that_is_its_own_base_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'base = "{path}"\n')
    with pytest.raises(LiveBandModelError, match="base"):
        read_recipe("codec", str(path))
