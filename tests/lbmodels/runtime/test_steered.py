# SPDX-License-Identifier: GPL-3.0-or-later
"""A steered model as a graph: its knobs are inputs, do what they do in torch, and may be left out."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lbmodels.band import Band
from lbmodels.families import loading
from lbmodels.families.liveband.family import FAMILY
from lbmodels.families.liveband.generator import Generator
from lbmodels.runtime import export, opening
from lbmodels.runtime.engines import open_engine
from lbmodels.runtime.graph import GraphAccompanist

Play = Callable[..., Any]


@pytest.fixture(scope="module")
def steered(toy_weights_folder: Path) -> tuple[Band, GraphAccompanist]:
    toy = loading.load(str(toy_weights_folder))
    torch.manual_seed(6)
    config = dataclasses.replace(
        toy.generator.config, steered=True, guidance=(0.0, 0.5, 0.25, 0.0), latent_matching=True
    )
    generator = Generator(config)
    generator.load_state_dict(toy.generator.state_dict(), strict=False)
    assert generator.steer is not None
    torch.nn.init.normal_(generator.steer.get_parameter("2.weight"), 0, 0.3)
    assert generator.latent_matching is not None
    torch.nn.init.normal_(generator.latent_matching.weight, 0, 0.5)
    torch.nn.init.normal_(generator.latent_matching.bias, 0, 0.5)
    model = Band("steered", toy.codec, generator.eval().requires_grad_(False))
    graph, manifest = export.export(model, opening.matrices("onnx-float32"), FAMILY)
    return model, GraphAccompanist(
        "onnx-float32", manifest, open_engine(opening.engine("onnx-float32"), graph)
    )


def test_knobs_do_in_the_graph_what_they_do_in_torch(
    steered: tuple[Band, GraphAccompanist], music: Play, told: Play
) -> None:
    model, graph = steered
    assert [name for name, _ in graph._manifest.conditions][2:6] == [c.name for c in model.spec.controls]
    mix, active = music(graph.spec, 2, 24), np.ones(2, np.bool_)

    def play(**controls: float) -> tuple[np.ndarray, np.ndarray]:
        told_of = {name: np.full((2, 1, 1), value, np.float32) for name, value in controls.items()}
        here, there, both = model.init_state([5, 6]), graph.init_state([5, 6]), []
        for n, frame in enumerate(mix):
            known = told(2, n) | told_of
            tensors = {name: torch.from_numpy(value) for name, value in known.items()}
            wanted, here = model.step(torch.from_numpy(frame), tensors, here, torch.ones(2, dtype=torch.bool))
            found, there = graph.step(frame, known, there, active)
            both.append((wanted.numpy(), found))
        wanted_all, found_all = zip(*both, strict=True)
        return np.stack(wanted_all), np.stack(found_all)

    own, _ = play()
    for controls in (
        {}, {"density": 0.9}, {"brightness": 0.1, "density": np.nan}, {"adherence": 0.0}, {"adherence": 9.0},
    ):  # fmt: skip
        wanted, found = play(**controls)
        assert np.sqrt(np.square(found - wanted).mean()) < 0.01 * np.sqrt(np.square(wanted).mean()), controls
        assert np.array_equal(wanted, own) == (not controls)
