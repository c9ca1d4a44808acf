# SPDX-License-Identifier: GPL-3.0-or-later
"""Graphs of a toy and of the shipped model, exported once for all tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from lbmodels.band import Band
from lbmodels.codec.autoencoder import Codec, CodecConfig
from lbmodels.families import loading
from lbmodels.families.liveband.family import FAMILY
from lbmodels.families.liveband.generator import Generator, GeneratorConfig
from lbmodels.runtime import cache, export, opening
from lbmodels.runtime.engines import open_engine
from lbmodels.runtime.graph import GraphAccompanist
from lbmodels.runtime.manifest import Manifest
from lbmodels.weights import modules
from lbmodels.weights.manifest import locate

CODEC = CodecConfig(
    hop=480, window=480, step=120, low_bins=48, high_bands=16, latent=8, features=64, depth=1, kernel=3,
    encoder_columns=16, decoder_columns=24, decoder_column_depth=1, phase_lock=True,
)  # fmt: skip
GENERATOR = GeneratorConfig(
    latent=8, semitones=12, features=64, heads=2, depth=2, window=8, noise=4, style=4, anticipation_max=25,
    styled=True,
)  # fmt: skip


class Both(NamedTuple):
    """A model in torch and as graphs by runtime; manifest and bytes of the one named onnx."""

    torch: Band
    graphs: dict[str, GraphAccompanist]
    manifest: Manifest | None = None
    model: bytes = b""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def toy_weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a model with everything in it, small enough to export in seconds."""
    torch.manual_seed(5)
    codec, generator = Codec(CODEC), Generator(GENERATOR)
    codec.encoder.latent_norm.running_mean.normal_(0, 0.1)
    codec.encoder.latent_norm.running_var.uniform_(0.5, 2.0)
    for block in generator.trunk.blocks:
        block.attention.out.weight.data.normal_(0, 0.2)
        block.attention.slot_values.data.normal_(0, 0.5)
    generator.styling[2].weight.data.normal_(0, 0.2)
    folder = tmp_path_factory.mktemp("weights") / "toy"
    folder.mkdir()
    modules.save_weights(folder / "codec.safetensors", codec, kind="codec", config=CODEC)
    modules.save_weights(
        folder / "generator.safetensors", generator, kind="liveband-generator", config=GENERATOR
    )
    return folder


@pytest.fixture(scope="session")
def toy(toy_weights_folder: Path) -> Both:
    """Traced once for all its graphs."""
    model = loading.load(str(toy_weights_folder))
    program = export.traced(model)
    made = {
        runtime: export.lower(program, model, opening.matrices(runtime), FAMILY) for runtime in opening.GRAPHS
    }
    graphs = {
        runtime: GraphAccompanist(runtime, manifest, open_engine(opening.engine(runtime), graph))
        for runtime, (graph, manifest) in made.items()
    }
    return Both(model, graphs, made["onnx"][1], made["onnx"][0])


@pytest.fixture(scope="session")
def shipped() -> Both:
    """From the cache of the tests where all are there, else traced once for all."""
    model, found = loading.load(), locate()
    keys = {runtime: opening.key(found, runtime) or "" for runtime in opening.GRAPHS}
    if not all(cache.read(key) for key in keys.values()):
        program = export.traced(model)
        for runtime, key in keys.items():
            graph, manifest = export.lower(program, model, opening.matrices(runtime), FAMILY)
            cache.write(key, manifest.to_json(), graph)
    graphs = {runtime: opening.open_model(None, runtime) for runtime in opening.GRAPHS}
    return Both(model, {runtime: graph for runtime, graph in graphs.items() if graph is not None})


@pytest.fixture(params=["toy", pytest.param("shipped", marks=pytest.mark.weights)])
def model(request: pytest.FixtureRequest) -> Both:
    return request.getfixturevalue(request.param)


@pytest.fixture
def music() -> Callable[..., np.ndarray]:
    """Noisy chords [F, B, 2, hop] at a musical level."""

    def make(spec: Any, batch: int, frames: int, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        t = np.arange(frames * spec.hop) / spec.sample_rate
        notes = 110 * 2 ** (rng.integers(0, 36, (batch, 2, 3, 1)) / 12)
        tones = 0.1 * np.sin(2 * np.pi * notes * t).sum(2) * (1 - t % 0.5)
        audio = tones + 0.01 * rng.standard_normal((batch, 2, frames * spec.hop))
        return np.ascontiguousarray(
            audio.reshape(batch, 2, frames, spec.hop).transpose(2, 0, 1, 3).astype(np.float32)
        )

    return make


@pytest.fixture
def told() -> Callable[..., dict[str, np.ndarray]]:
    """Conditions [B, 1, width] of frame n at 110 BPM, all known in even rows, nothing of the host in odd ones."""

    def conditions(batch: int, n: int) -> dict[str, np.ndarray]:
        beat = n * 0.04 * 110 / 60
        values = {
            "stem": np.arange(batch) % 4,
            "anticipation": np.full(batch, 1 + n % 3),
            "variation": np.ones(batch),
            "beat_phase": np.full(batch, beat % 1),
            "bar_phase": np.full(batch, beat / 4 % 1),
            "tempo": np.full(batch, 110.0),
            "chord": np.tile([1.0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0], (batch, 1)),
            "chord_bass": np.full(batch, 4.0),
            "key": np.full(batch, 21.0),
            "style": np.tile(np.eye(64)[n // 4 % 64], (batch, 1)),
        }
        arrays = {name: value.astype(np.float32).reshape(batch, 1, -1) for name, value in values.items()}
        for name in ("beat_phase", "bar_phase", "tempo", "chord", "chord_bass", "key", "style"):
            arrays[name][1::2] = np.nan
        return arrays

    return conditions


@pytest.fixture
def stream(told: Callable[..., Any]) -> Callable[..., Any]:
    """Frames [F, B, 2, hop] through a graph: (audio [F, B, 2, hop], state)."""

    def play(
        graph: GraphAccompanist, mix: np.ndarray, seeds: list[int], state: Any = None, first: int = 0
    ) -> Any:
        batch = mix.shape[1]
        state = graph.init_state(seeds) if state is None else state
        active, frames = np.ones(batch, np.bool_), []
        for n, frame in enumerate(mix):
            stem, state = graph.step(frame, told(batch, first + n), state, active)
            frames.append(stem)
        return np.stack(frames), state

    return play


@pytest.fixture
def reference(told: Callable[..., Any]) -> Callable[..., Any]:
    """The same through torch."""

    def play(model: Band, mix: np.ndarray, seeds: list[int], state: Any = None) -> Any:
        batch, frames = mix.shape[1], []
        state = model.init_state(seeds) if state is None else state
        active = torch.ones(batch, dtype=torch.bool)
        for n, frame in enumerate(mix):
            known = {name: torch.from_numpy(value) for name, value in told(batch, n).items()}
            stem, state = model.step(torch.from_numpy(frame), known, state, active)
            frames.append(stem.numpy())
        return np.stack(frames), state

    return play
