# SPDX-License-Identifier: GPL-3.0-or-later
"""An arrangement and a flow train on a real song, go on, start from a generator's ears, and play."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lbmodels.band import Heard
from lbmodels.errors import LiveBandModelError
from lbmodels.families import loading
from lbmodels.families.liveband.generator import Generator, GeneratorConfig
from lbmodels.streaming.state import map_tensors
from lbmodels.train import arrangement, cam
from lbmodels.train.batches import Batch
from lbmodels.weights.modules import save_weights


def test_it_trains_from_a_generators_ears_goes_on_and_plays(
    band_tables: dict[str, Any], tmp_path: Path, told: Any
) -> None:
    torch.manual_seed(1)
    ears = Generator(GeneratorConfig(**band_tables["model"]))
    ears_file = save_weights(
        tmp_path / "generator.safetensors", ears, kind="liveband-generator", config=ears.config
    )
    out, levels = tmp_path / "run", tmp_path / "arrangement"
    chain = {
        "model": {"hearing": band_tables["model"] | {"window": 40}},
        "data": band_tables["data"],
        "tasks": {"chunks": [3], "draft_positions": 8, "stop_share": 0.5, "stop_s": 0.2},
        "loop": band_tables["loop"] | {"steps": 24, "sample_every": 4, "learning_rate": 3e-3},
        "start_from": str(ears_file),
    }
    levels_file = arrangement.main(chain, levels, quiet=True)
    rows = [json.loads(line) for line in (levels / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["level"] < 0.8 * rows[0]["level"], [row["level"] for row in rows]
    tables = {
        "model": {"hearing": band_tables["model"], "hidden": 16, "layers": 1, "flow_steps": 2},
        "data": band_tables["data"],
        "tasks": {"chunks": [3], "draft_positions": 8},
        "loop": band_tables["loop"] | {"learning_rate": 1e-4},
        "start_from": str(ears_file),
        "arrangement": str(levels_file),
    }
    with pytest.raises(LiveBandModelError, match="train arrangement"):
        cam.main(tables | {"arrangement": ""}, out, quiet=True)
    cam.main(tables, out, quiet=True)
    assert (
        torch.dist(loading.load(str(out)).generator.latents.network.hearing.listen.weight, ears.listen.weight)
        < 0.5
    )
    tables["loop"] |= {"steps": 24, "sample_every": 24, "learning_rate": 3e-3}
    cam.main(tables, out, quiet=True)
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert (rows[0]["step"], rows[-1]["step"]) == (4, 24)
    assert rows[-1]["validation_flow"] < rows[0]["validation_flow"]
    assert "validation_drafts_of_3" in rows[-1]
    # It goes on, and learns to take a style: an input that it did without.
    tables["model"] |= {"hearing": band_tables["model"] | {"styled": True}}
    tables["loop"] |= {"steps": 28}
    cam.main(tables, out, quiet=True)

    band = loading.load(str(out))
    state, active = band.init_state([1, 2]), torch.ones(2, dtype=torch.bool)
    for _ in range(4):
        audio, state = band.step(0.1 * torch.randn(2, 2, band.spec.hop), told(2, 1), state, active)
        assert audio.isfinite().all()
    assert audio.abs().max() > 0
    assert "style" in band.spec.conditions
    asked = {**told(2, 1), "style": torch.full((2, 1, 64), 0.125)}
    mix, fresh = 0.1 * torch.randn(2, 2, band.spec.hop), map_tensors(torch.clone, state)
    styled, _ = band.step(mix, asked, map_tensors(torch.clone, fresh), active)
    unknown = asked | {"style": torch.full((2, 1, 64), torch.nan)}
    plain, _ = band.step(mix, unknown, map_tensors(torch.clone, fresh), active)
    assert torch.equal(plain, band.step(mix, told(2, 1), fresh, active)[0])
    assert not torch.equal(styled, plain)


def test_the_part_stops_a_beat_after_the_player_and_comes_back_with_him() -> None:
    """What no song of the pool shows: without it the band plays on alone."""
    rows, frames = 40, 100
    level, heard = torch.zeros(rows, frames), torch.ones(rows, frames, 3)
    batch = Batch(Heard(heard, heard[..., :2]), *[None] * (len(Batch._fields) - 1))
    batch = batch._replace(level=level, truth={"tempo": torch.full((rows, frames), 100.0)})
    tasks = arrangement.Tasks(stop_share=0.5, stop_s=2.0, stop_beats=1.0)
    silence = Heard(torch.full((1, 3), -7.0), torch.full((1, 2), -8.0))
    torch.manual_seed(0)
    made = arrangement.with_stops(batch, tasks, silence, 25.0)
    stopped = 0
    for quiet, rests, semitones in zip(
        made.heard.latents[..., 0] == -7, made.level < -60, made.heard.semitones[..., 0] == -8, strict=True
    ):
        assert torch.equal(quiet, semitones)
        if not quiet.any():
            assert not rests.any()
            continue
        stopped += 1
        where = quiet.nonzero().flatten()
        start, end = int(where[0]), int(where[-1]) + 1
        assert end - start == len(where) >= 50
        assert rests[start + 15 : end].all()
        assert int(rests.sum()) == end - start - 15
    assert 10 < stopped < 30
    assert (batch.level == 0).all()
