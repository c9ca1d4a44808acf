# SPDX-License-Identifier: GPL-3.0-or-later
"""What a steered player is told: how busy and bright its stem is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lbmodels.codec.autoencoder import Codec
from lbmodels.families import loading
from lbmodels.train import liveband as program
from lbmodels.train.latents import encode_stem
from lbmodels.train.steering import Measured, Ranks, SteeringReader, measure
from lbmodels.weights import modules


@pytest.fixture(scope="module")
def codec() -> Codec:
    """The shipped one: what levels a decoder makes is only worth reading of a trained one."""
    return loading.load().codec


def plucks(per_s: float, frequency_hz: float, seconds: float = 8.0) -> np.ndarray:
    """Decaying tones [2, T], so many a second."""
    t = np.arange(int(seconds * 48000)) / 48000
    since = t % (1 / per_s)
    tone = sum(np.sin(2 * np.pi * k * frequency_hz * t) / k for k in (1, 2, 3))
    audio = 0.2 * tone * np.exp(-since / 0.08) * np.minimum(since / 0.002, 1)
    return np.repeat(audio[None], 2, axis=0).astype(np.float32)


def measured(codec: Codec, audio: np.ndarray) -> Measured:
    frames = audio.shape[1] // codec.config.hop * codec.config.hop
    return measure(codec, encode_stem(codec, audio[:, :frames], "x")["x.played"])


@pytest.mark.weights
def test_onsets_are_counted(codec: Codec) -> None:
    for per_s in (1.0, 2.0, 4.0):
        density = measured(codec, plucks(per_s, 220.0)).density[75:-75]
        assert float(density.mean()) == pytest.approx(per_s, rel=0.25)


@pytest.mark.weights
def test_higher_sounds_brighter_and_silence_is_neither(codec: Codec) -> None:
    low, high = (measured(codec, plucks(2.0, hz)).brightness[75:-75] for hz in (110.0, 880.0))
    assert 2.0 < float((high - low).mean()) < 4.0
    silent = measured(codec, np.zeros((2, 48000 * 8), np.float32))
    assert silent.brightness.isnan().all()
    assert not silent.density.any()


def test_ranks_are_within_the_class() -> None:
    def of(scale: float) -> Measured:
        return Measured(scale * torch.linspace(0.1, 1, 500), 10 + scale * torch.linspace(0, 1, 500))

    ranks = Ranks(3, [(0, of(1.0)), (1, of(10.0))])
    for stem, scale in ((0, 1.0), (1, 10.0)):
        ranked = ranks(stem, of(scale))
        for values in ranked:
            torch.testing.assert_close(values, torch.linspace(0, 1, 500), atol=0.03, rtol=0)
    assert float(ranks(0, of(10.0)).density.mean()) > 0.9
    assert ranks(2, of(1.0)).density.isnan().all()
    unknown = ranks(0, Measured(torch.zeros(2), torch.tensor([torch.nan, 99.0])))
    assert unknown.density.tolist() == [0.0, 0.0]
    assert unknown.brightness[0].isnan()
    assert float(unknown.brightness[1]) == 1.0


def test_a_measure_that_many_share_is_in_the_middle_of_its_ranks() -> None:
    many = Measured(torch.tensor([1.0] * 400 + [2.0] * 100), torch.zeros(500))
    assert float(Ranks(1, [(0, many)])(0, many).density[0]) == pytest.approx(0.4, abs=0.03)


def test_the_reader_learns_what_it_reads() -> None:
    torch.manual_seed(0)
    reader = SteeringReader(8, 2, span_frames=9)
    optimizer = torch.optim.Adam(reader.parameters(), 1e-2)
    stem = torch.tensor([0, 1, 0, 1])
    for _ in range(150):
        ranks = torch.rand(4, 1, 2).expand(-1, 40, -1)
        latents = 0.1 * torch.randn(4, 40, 8)
        latents[..., :2] += ranks
        loss = (reader(latents, stem) - ranks).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.01


def test_a_steered_band_trains_resumes_and_is_steered(band_tables: dict[str, Any], tmp_path: Path) -> None:
    import json

    band_tables["model"]["steered"] = True
    out = tmp_path / "run"
    weights = program.main(band_tables, out, quiet=True)
    row = json.loads((out / "log.jsonl").read_text())
    assert {"steering", "reading", "adversarial", "critic"} <= row.keys()
    assert all(value == value for value in row.values())
    config, tensors = modules.read_weights(weights, "liveband-generator")
    assert config["steered"] is True
    assert tensors["steer.2.weight"].abs().max() > 0, "no gradient reaches the steering"
    band_tables["loop"]["steps"] = 6
    program.main(band_tables, out, quiet=True)
    steps = [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()]
    assert steps == [4, 6]
