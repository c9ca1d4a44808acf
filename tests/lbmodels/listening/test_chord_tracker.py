# SPDX-License-Identifier: GPL-3.0-or-later
"""The chord tracker alone and within an accompanist: what it tells, what it leaves to the host, the laws, the graph."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lbmodels.band import Band
from lbmodels.errors import LiveBandModelError
from lbmodels.families import loading, publishing
from lbmodels.families.liveband.family import FAMILY
from lbmodels.listening.chord_tracker import ChordTracker, ChordTrackerConfig
from lbmodels.runtime import export, opening
from lbmodels.runtime.engines import open_engine
from lbmodels.runtime.graph import GraphAccompanist
from lbmodels.streaming.contract import assert_streaming_contract
from lbmodels.streaming.state import named_tensors
from lbmodels.train.chord_tracker import shifted
from lbmodels.weights import manifest, modules

NAN = torch.nan


def logits(tones: set[int], lowest: int, size: float = 3.0) -> Tensor:
    """What a network that hears a chord well says of a frame: [24]."""
    chord = torch.full((12,), -size)
    chord[list(tones)] = size
    bass = torch.zeros(12)
    bass[lowest] = 2 * size
    return torch.cat([chord, bass])


def believed(tracker: ChordTracker, heard: Tensor) -> Tensor:
    """Its answers [1, F, 15] to a network's [1, F, 24]."""
    belief, told = tracker._start(1)
    outputs = []
    for n in range(heard.shape[1]):
        y, belief, told = tracker._believe(heard[:, n], belief, told, torch.ones(1, dtype=torch.bool))
        outputs.append(y)
    return torch.stack(outputs, dim=1)


def unknown(*shape: int) -> dict[str, Tensor]:
    return {"chord": torch.full((*shape, 12), NAN), "chord_bass": torch.full(shape, NAN)}


@pytest.fixture
def tracker() -> ChordTracker:
    return ChordTracker(ChordTrackerConfig()).eval().requires_grad_(False)


def test_a_chord_is_told_within_a_beat_and_holds() -> None:
    tracker = ChordTracker(ChordTrackerConfig())
    heard = torch.cat(
        [
            logits({9, 0, 4}, 9).expand(50, -1),
            torch.zeros(25, 24),  # a rest: nothing speaks against the chord
            logits({5, 9, 0}, 5).expand(50, -1),
        ]
    )
    y = believed(tracker, heard.unsqueeze(0))
    told = tracker.tell(y, unknown(1, 125), torch.zeros(1, 125))
    assert set(told["chord"][0, 10].nonzero().flatten().tolist()) == {9, 0, 4}
    assert told["chord_bass"][0, 10:75].eq(9).all()
    assert told["chord_bass"][0, 85:].eq(5).all()
    assert set(told["chord"][0, -1].nonzero().flatten().tolist()) == {5, 9, 0}


def test_nothing_heard_nothing_told(tracker: ChordTracker) -> None:
    for sound in (torch.zeros(1, 50, 66), torch.rand(1, 50, 66)):  # its head knows nothing yet
        told = tracker.tell(tracker(sound), unknown(1, 50), torch.zeros(1, 50))
        assert told["chord"].isnan().all()
        assert told["chord_bass"].isnan().all()


def test_the_further_ahead_the_less_it_says() -> None:
    tracker = ChordTracker(ChordTrackerConfig(lasts_s=1.0))
    y = believed(tracker, logits({0, 4, 7}, 0).expand(1, 30, -1))
    near = tracker.tell(y, unknown(1, 30), torch.zeros(1, 30))
    far = tracker.tell(y, unknown(1, 30), torch.full((1, 30), 50.0))
    assert near["chord_bass"][0, -1] == 0
    assert far["chord_bass"].isnan().all()


@pytest.mark.parametrize("given", ["chord", "chord_bass"])
def test_the_host_is_right(given: str) -> None:
    tracker = ChordTracker(ChordTrackerConfig())
    y = believed(tracker, logits({0, 4, 7}, 0).expand(1, 30, -1))
    host = unknown(1, 30)
    host[given] = torch.ones_like(host[given])
    told = tracker.tell(y, host, torch.zeros(1, 30))
    assert all(torch.equal(told[name].nan_to_num(-1), host[name].nan_to_num(-1)) for name in host)


def test_a_mix_is_moved_by_semitones() -> None:
    low = torch.zeros(2, 1, 66)
    low[:, 0, 10] = 1.0
    moved = shifted(low, torch.tensor([3, -4]))
    assert moved[0, 0].argmax() == 13
    assert moved[1, 0].argmax() == 6
    assert moved.sum() == 2


@pytest.fixture
def toy_chord_tracker(toy_accompanist: Band) -> ChordTracker:
    """Sizes of the toy band; the read-out is scaled so that it soon tells something."""
    torch.manual_seed(8)
    sizes = toy_accompanist.generator.config
    tracker = ChordTracker(
        ChordTrackerConfig(
            semitones=sizes.semitones, frame_rate=sizes.frame_rate, features=16, depth=2, on=0.2, off=0.1
        )
    )
    torch.nn.init.normal_(tracker.head.weight, std=0.5)
    return tracker.eval().requires_grad_(False)


@pytest.fixture
def band(toy_accompanist: Band, toy_chord_tracker: ChordTracker) -> Band:
    toy = toy_accompanist
    return Band("toy", toy.codec, toy.generator, None, toy_chord_tracker).eval()


def test_the_laws(toy_chord_tracker: ChordTracker) -> None:
    assert_streaming_contract(toy_chord_tracker, torch.rand(2, 24, toy_chord_tracker.config.semitones))


def play(band: Any, mix: Tensor, told: dict[str, Tensor]) -> tuple[Tensor, Any]:
    state, active, frames = band.init_state([5] * len(mix)), torch.ones(len(mix), dtype=torch.bool), []
    for n in range(mix.shape[1]):
        frame, state = band.step(mix[:, n], {k: v[:, n : n + 1] for k, v in told.items()}, state, active)
        frames.append(frame)
    return torch.stack(frames, dim=1), state


@pytest.mark.slow
def test_graph_and_torch_and_a_host(
    band: Band, toy_accompanist: Band, told: Callable[..., dict[str, Tensor]]
) -> None:
    """A told chord leaves every bit as without a chord tracker; untold, graph and torch believe the same."""
    frames, hop = 30, band.spec.hop
    mix = 0.3 * torch.randn(2, frames, 2, hop, generator=torch.Generator().manual_seed(1))
    known = told(2, frames)
    assert torch.equal(play(band, mix, known)[0], play(toy_accompanist, mix, known)[0])
    open_ = told(2, frames, chord=NAN, chord_bass=NAN)
    streamed, state = play(band, mix, open_)
    assert state.chord_tracker.told.any()
    assert not torch.equal(streamed, play(toy_accompanist, mix, open_)[0])
    offline = band(mix, open_, [5, 5])
    assert (streamed - offline).square().mean().sqrt() < 0.01 * offline.square().mean().sqrt()

    model, manifest = export.export(band, opening.matrices("onnx"), FAMILY)
    graph = GraphAccompanist("onnx", manifest, open_engine("onnx", model))

    def bits(rows: list[int]) -> dict[str, Any]:
        kept = graph.init_state([5] * len(rows))
        for n in range(frames):
            conditions = {name: value[rows, n : n + 1].numpy() for name, value in open_.items()}
            _, kept = graph.step(mix[rows, n].numpy(), conditions, kept, np.ones(len(rows), np.bool_))
        return {name: value for name, value in kept.tensors.items() if name.startswith("chord_tracker.")}

    both, wanted = bits([0, 1]), dict(named_tensors(state))
    for name, found in both.items():
        np.testing.assert_allclose(found, wanted[name].numpy(), atol=1e-4, err_msg=name)
    for rows in ([1], [1] * 5):
        assert all(np.array_equal(value[0], both[name][1]) for name, value in bits(rows).items())


def test_a_folder_and_a_published_model(
    toy_weights: Path, toy_chord_tracker: ChordTracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = toy_weights / "chord_tracker.safetensors"
    modules.save_weights(file, toy_chord_tracker, kind="chord_tracker", config=toy_chord_tracker.config)
    with_one = loading.load(str(toy_weights))
    assert isinstance(with_one.chord_tracker, ChordTracker)
    publishing.publish(
        "ours", {p: toy_weights / f"{p}.safetensors" for p in ("codec", "generator", "chord_tracker")}, recipe="r",
        description="", card="# ours\n", folder=tmp_path / "out",
    )  # fmt: skip
    monkeypatch.setattr(manifest, "weights_folder", lambda: tmp_path / "out")
    assert loading.load("ours").chord_tracker is not None
    key = opening.key(manifest.locate(str(toy_weights)), "onnx")
    file.unlink()
    assert loading.load(str(toy_weights)).spec.weights_id != with_one.spec.weights_id
    assert opening.key(manifest.locate(str(toy_weights)), "onnx") != key


def test_another_ear_is_refused(toy_accompanist: Band) -> None:
    strange = ChordTracker(ChordTrackerConfig(semitones=5))
    with pytest.raises(LiveBandModelError, match="not a pair"):
        Band("toy", toy_accompanist.codec, toy_accompanist.generator, None, strange)
