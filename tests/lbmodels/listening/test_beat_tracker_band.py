# SPDX-License-Identifier: GPL-3.0-or-later
"""The beat tracker within an accompanist: in torch, as a graph, from a folder and from the manifest."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lbmodels.band import Band
from lbmodels.contract.conditions import BEAT
from lbmodels.errors import LiveBandModelError
from lbmodels.families import loading, publishing
from lbmodels.families.liveband.family import FAMILY
from lbmodels.listening.beat_tracker import BeatTracker, BeatTrackerConfig
from lbmodels.runtime import export, opening
from lbmodels.runtime.engines import open_engine
from lbmodels.runtime.graph import GraphAccompanist
from lbmodels.streaming.state import clone, from_bytes, named_tensors, to_bytes
from lbmodels.weights import manifest, modules

Told = Callable[..., dict[str, Tensor]]


@pytest.fixture
def band(toy_accompanist: Band, toy_beat_tracker: BeatTracker) -> Band:
    return Band("toy", toy_accompanist.codec, toy_accompanist.generator, toy_beat_tracker).eval()


@pytest.fixture
def folder(toy_weights: Path, toy_beat_tracker: BeatTracker) -> Path:
    modules.save_weights(
        toy_weights / "beat_tracker.safetensors",
        toy_beat_tracker,
        kind="beat_tracker",
        config=toy_beat_tracker.config,
    )
    return toy_weights


def pulses(batch: int, frames: int, hop: int, seed: int = 0) -> Tensor:
    """Bursts of noise every fifth frame, [B, F, 2, hop]."""
    generator = torch.Generator().manual_seed(seed)
    audio = 0.2 * torch.randn(batch, frames, 2, hop, generator=generator)
    rows = torch.arange(batch).view(-1, 1, 1, 1)
    return audio * (0.05 + ((torch.arange(frames).view(1, -1, 1, 1) + rows) % 5 == 0))


def stream(
    band: Any, mix: Tensor, told: dict[str, Tensor], seeds: list[int], state: Any = None, first: int = 0
) -> Any:
    state = band.init_state(seeds) if state is None else state
    active, frames = torch.ones(len(mix), dtype=torch.bool), []
    for n in range(mix.shape[1]):
        frame, state = band.step(
            mix[:, n],
            {name: value[:, first + n : first + n + 1] for name, value in told.items()},
            state,
            active,
        )
        frames.append(frame)
    return torch.stack(frames, dim=1), state


def untold(told: Told, batch: int, frames: int) -> dict[str, Tensor]:
    return told(batch, frames, **dict.fromkeys(BEAT, torch.nan))


def test_what_the_host_tells_is_all_that_counts(band: Band, toy_accompanist: Band, told: Told) -> None:
    """A host that knows the beat hears the very bits that it hears from a band without a beat tracker."""
    mix, conditions = pulses(2, 40, band.spec.hop), told(2, 40)
    ours, _ = stream(band, mix, conditions, [1, 2])
    plain, _ = stream(toy_accompanist, mix, conditions, [1, 2])
    assert torch.equal(ours, plain)
    unknown = untold(told, 2, 40)
    alone, state = stream(band, mix, unknown, [1, 2])
    without, _ = stream(toy_accompanist, mix, unknown, [1, 2])
    assert state.beat_tracker.told[:, 0].any()
    assert not torch.equal(alone, without)


def test_a_band_without_one_has_nothing_of_it(toy_accompanist: Band) -> None:
    names = [name for name, _ in named_tensors(toy_accompanist.init_state([0]))]
    assert not [name for name in names if "beat_tracker" in name]


def test_the_band_obeys_the_laws(band: Band, told: Told) -> None:
    """Parallel and streaming agree; a snapshot goes on to the bit; rows do not touch each other."""
    mix, conditions = pulses(2, 40, band.spec.hop), untold(told, 2, 40)
    streamed, _ = stream(band, mix, conditions, [3, 4])
    offline = band(mix, conditions, [3, 4])
    assert (streamed - offline).square().mean().sqrt() < 0.01 * offline.square().mean().sqrt()

    _, middle = stream(band, mix[:, :20], conditions, [3, 4])
    saved = to_bytes(middle)
    on, _ = stream(band, mix[:, 20:], conditions, [3, 4], from_bytes(saved, band.init_state([0, 0])), 20)
    assert torch.equal(on, streamed[:, 20:])

    other = mix.clone()
    other[1] = pulses(1, 40, band.spec.hop, seed=9)[0] * 3
    beside, _ = stream(band, other, conditions, [3, 4])
    assert torch.equal(beside[0], streamed[0])
    _, middle = stream(band, mix[:, :20], conditions, [3, 4])
    before = clone(middle)
    _, after = band.step(
        mix[:, 20], {k: v[:, 20:21] for k, v in conditions.items()}, middle, torch.tensor([True, False])
    )
    for (name, old), (_, new) in zip(named_tensors(before), named_tensors(after), strict=True):
        assert torch.equal(old[1], new[1]), name


@pytest.fixture
def graph(band: Band) -> GraphAccompanist:
    model, manifest = export.export(band, opening.matrices("onnx"), FAMILY)
    return GraphAccompanist("onnx", manifest, open_engine("onnx", model))


def test_the_graph_believes_what_torch_believes(band: Band, graph: GraphAccompanist, told: Told) -> None:
    """And the place and the size of the batch change no bit of it."""
    frames, hop = 60, band.spec.hop
    mix, conditions = pulses(3, frames, hop), untold(told, 3, frames)

    def play(rows: list[int]) -> Any:
        state, active = graph.init_state([5] * len(rows)), np.ones(len(rows), np.bool_)
        stems = []
        for n in range(frames):
            known = {name: value[rows, n : n + 1].numpy() for name, value in conditions.items()}
            stem, state = graph.step(mix[rows, n].numpy(), known, state, active)
            stems.append(stem)
        return np.stack(stems, 1), state.tensors

    stems, tensors = play([0, 1, 2])
    _, state = stream(band, mix, conditions, [5, 5, 5])
    wanted = dict(named_tensors(state))
    assert wanted["beat_tracker.told"][:, 0].any()
    for name, found in tensors.items():
        if name.startswith("beat_tracker."):
            np.testing.assert_allclose(found, wanted[name].numpy(), atol=1e-4, err_msg=name)
    for rows in ([1], [2, 0], [1] * 7):
        again, alone = play(rows)
        assert np.array_equal(again[0], stems[rows[0]])
        for name, wanted_bits in tensors.items():
            assert np.array_equal(alone[name][0], wanted_bits[rows[0]]), (name, rows)


def test_a_folder_may_hold_a_beat_tracker(folder: Path) -> None:
    """The model's identity tells whether: a snapshot of the one is none of the other."""
    found = manifest.locate(str(folder))
    assert found.parts["beat_tracker"] == folder / "beat_tracker.safetensors"
    with_one = loading.load(str(folder))
    assert isinstance(with_one.beat_tracker, BeatTracker)
    key = opening.key(found, "onnx")
    (folder / "beat_tracker.safetensors").unlink()
    without = loading.load(str(folder))
    assert without.beat_tracker is None
    assert without.spec.weights_id != with_one.spec.weights_id
    assert opening.key(manifest.locate(str(folder)), "onnx") != key


def test_a_model_is_published_with_its_beat_tracker(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {name: folder / f"{name}.safetensors" for name in ("codec", "generator", "beat_tracker")}
    publishing.publish(
        "ours", names, recipe="r", description="", card="# ours\n", folder=tmp_path / "out",
    )  # fmt: skip
    monkeypatch.setattr(manifest, "weights_folder", lambda: tmp_path / "out")
    assert loading.load("ours").beat_tracker is not None
    damaged = tmp_path / "out" / "ours-beat_tracker.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-8])
    with pytest.raises(LiveBandModelError, match="ours-beat_tracker"):
        loading.load("ours")


def test_foreign_weights_are_refused(folder: Path) -> None:
    (folder / "beat_tracker.safetensors").write_bytes((folder / "codec.safetensors").read_bytes())
    with pytest.raises(LiveBandModelError, match="foreign"):
        loading.load(str(folder))


def test_another_frame_length_is_refused(toy_accompanist: Band) -> None:
    with pytest.raises(LiveBandModelError, match="not a pair"):
        Band("toy", toy_accompanist.codec, toy_accompanist.generator, BeatTracker(BeatTrackerConfig()))
