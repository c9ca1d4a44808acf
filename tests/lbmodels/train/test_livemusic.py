# SPDX-License-Identifier: GPL-3.0-or-later
"""A live stream trains on the mixes of a real song, starts from an accompanist, goes on, and plays with nobody there."""

import json
from pathlib import Path
from typing import Any

import torch

from lbmodels.families import loading
from lbmodels.families.cam.network import Cam, CamConfig
from lbmodels.families.liveband.generator import GeneratorConfig
from lbmodels.families.livemusic.live import unasked
from lbmodels.train import livemusic
from lbmodels.train.mixes import read_versions
from lbmodels.weights.modules import save_weights


def test_it_trains_from_an_accompanist_goes_on_and_plays(band_tables: dict[str, Any], tmp_path: Path) -> None:
    """A stream that heard another's past than its own, or was told other classes than those that sound, would learn nothing."""
    torch.manual_seed(1)
    sizes = {"hidden": 16, "layers": 1, "flow_steps": 2}
    accompanist = Cam(CamConfig(hearing=GeneratorConfig(**band_tables["model"]), **sizes))
    start = save_weights(tmp_path / "cam.safetensors", accompanist, kind="cam", config=accompanist.config)
    out = tmp_path / "run"
    tables = {
        "model": {"hearing": band_tables["model"] | {"styled": True}, **sizes},
        "data": band_tables["data"],
        "tasks": {"chunks": []},
        "loop": band_tables["loop"] | {"learning_rate": 1e-4},
        "start_from": str(start),
    }
    livemusic.main(tables, out, quiet=True)
    band = loading.load(str(out))
    assert torch.dist(band.generator.network.hearing.listen.weight, accompanist.hearing.listen.weight) < 0.5
    tables["loop"] |= {"steps": 24, "sample_every": 24, "learning_rate": 3e-3}
    livemusic.main(tables, out, quiet=True)
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["validation_flow"] < rows[0]["validation_flow"]

    # Files of the same names in the folder of stems would be taken for stems by whoever trains an accompanist next.
    assert not list((tmp_path / "latents" / "train").glob("*"))
    whole, some = read_versions(next((tmp_path / "latents" / "mixes" / "train").glob("*.safetensors")))
    assert whole.classes.sum() > some.classes.sum() > 0
    assert whole.example.frames == some.example.frames
    assert not torch.equal(whole.example.played, some.example.played)

    band = loading.load(str(out))
    state, active = band.init_state([1, 2]), torch.ones(2, dtype=torch.bool)
    for _ in range(4):
        audio, state = band.step(torch.zeros(2, 2, band.spec.hop), unasked(2), state, active)
        assert audio.isfinite().all()
    assert audio.abs().max() > 0
