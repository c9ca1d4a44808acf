# SPDX-License-Identifier: GPL-3.0-or-later
"""A codec language model trains on a real song, goes on, starts from a generator's ears, and plays."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lbmodels.config import build
from lbmodels.errors import LiveBandModelError
from lbmodels.families import loading
from lbmodels.families.codec_lm.continuation import Drafts
from lbmodels.families.codec_lm.family import RVQ
from lbmodels.families.liveband.generator import Generator, GeneratorConfig
from lbmodels.train import streamgen
from lbmodels.train.continuation import draw_drafts
from lbmodels.train.streamgen import StreamgenObjective, StreamgenTraining, Tasks
from lbmodels.weights.modules import load_part, save_weights

Tables = dict[str, Any]


@pytest.fixture
def tables(band_tables: Tables) -> Tables:
    hearing = band_tables["model"]
    return {
        "model": {"hearing": hearing, "levels": 3, "codes": 16, "hidden": 16, "top_k": 8},
        "data": band_tables["data"],
        "tasks": {"chunks": [3, 5], "draft_positions": 8},
        "loop": band_tables["loop"],
        "fit_batches": 4,
    }


def rows(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_it_trains_goes_on_with_its_own_code_books_and_plays(
    tables: Tables, tmp_path: Path, told: Any
) -> None:
    """Code books that were fitted anew at each start made nonsense of what had been learned."""
    out = tmp_path / "run"
    streamgen.main(tables, out, quiet=True)
    books = load_part(RVQ, out / "rvq.safetensors").codes
    tables["loop"] |= {"steps": 24, "sample_every": 24, "learning_rate": 3e-3}
    streamgen.main(tables, out, quiet=True)
    assert torch.equal(load_part(RVQ, out / "rvq.safetensors").codes, books)
    first, last = rows(out)[0], rows(out)[-1]
    assert (first["step"], last["step"]) == (4, 24)
    assert last["tokens"] < first["tokens"]
    assert {"validation_drafts_of_3", "validation_drafts_of_5"} <= last.keys()

    band = loading.load(str(out))
    state, active = band.init_state([1, 2]), torch.ones(2, dtype=torch.bool)
    for _ in range(4):
        audio, state = band.step(0.1 * torch.randn(2, 2, band.spec.hop), told(2, 1), state, active)
        assert audio.isfinite().all()
    assert audio.abs().max() > 0


def test_it_starts_from_a_generators_ears(tables: Tables, tmp_path: Path) -> None:
    """With the trunk of a player that hears the beat, instead of hours of learning to."""
    trained = Generator(GeneratorConfig(**tables["model"]["hearing"]))
    path = save_weights(
        tmp_path / "generator.safetensors", trained, kind="liveband-generator", config=trained.config
    )
    config = build(StreamgenTraining, tables | {"start_from": str(path)})
    lm = StreamgenObjective(config, tmp_path / "run", torch.device("cpu")).network
    assert torch.equal(lm.hearing.listen.weight, trained.listen.weight)
    assert lm.depth.expect.weight.any()  # where a straight line would begin
    other = build(StreamgenTraining, tables | {"start_from": str(tmp_path / "codec.safetensors")})
    with pytest.raises(LiveBandModelError, match="foreign"):
        StreamgenObjective(other, tmp_path / "other", torch.device("cpu"))


def test_drafts_lie_within_the_crop() -> None:
    torch.manual_seed(0)
    for _ in range(50):
        drafts = draw_drafts(Tasks(chunks=(5, 25), draft_positions=40), 30)
        assert int(drafts.positions().max()) < 30
        assert len(drafts.positions()) in (40, 24)
    assert Drafts((2, 7), 4).positions().tolist() == [3, 4, 5, 8, 9, 10]
    assert Drafts((2, 7), 4).last_heard().tolist() == [2, 2, 2, 7, 7, 7]
    assert not len(draw_drafts(Tasks(chunks=()), 30).positions())


def test_bad_recipes_are_refused_in_words(tables: Tables, tmp_path: Path) -> None:
    for replaced, words in (
        ({"tasks": {"chunks": [24]}}, "1 to 23 frames"),
        ({"tasks": tables["tasks"] | {"deaf_share": 1.5}}, "deaf_share is 0 to 1"),
        ({"rvq": "nowhere.safetensors"}, "code books not found"),
        ({"model": tables["model"] | {"top_k": 17}}, "top_k is 1 to 16"),
    ):
        config = build(StreamgenTraining, tables | replaced)
        with pytest.raises(LiveBandModelError, match=words):
            StreamgenObjective(config, tmp_path / "run", torch.device("cpu"))
