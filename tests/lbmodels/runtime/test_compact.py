# SPDX-License-Identifier: GPL-3.0-or-later
"""A state that travels in a project file: small enough, near enough, and refused when it is damaged."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch

from lbmodels.errors import LiveBandModelError
from lbmodels.runtime import snapshot
from lbmodels.runtime.eager import TorchAccompanist

Play = Callable[..., Any]
PROJECT_BYTES = 900 * 1024


@pytest.mark.weights
def test_the_shipped_models_memory_fits_into_a_project_and_plays_on_alike(
    shipped: Any, music: Play, stream: Play
) -> None:
    graph = shipped.graphs["onnx"]
    mix = music(graph.spec, 1, graph.spec.context_frames + 60)
    heard, rest = mix[:-50], mix[-50:]
    _, state = stream(graph, heard, [7])
    whole = graph.snapshot(state)
    light = snapshot.compacted(whole)
    assert len(light) < PROJECT_BYTES < len(whole)
    assert snapshot.compacted(light) == light

    near = graph.restore(light)
    for name, tensor in state.tensors.items():
        if tensor.dtype == np.float32 and tensor.size:
            peaks = np.abs(tensor).max(axis=-1, keepdims=True)
            assert (np.abs(near.tensors[name] - tensor) <= 0.0041 * peaks).all(), name
        else:
            np.testing.assert_array_equal(near.tensors[name], tensor)

    def bands_db(state: Any) -> np.ndarray:
        """What is played on, 30 bands a frame: phases are integrated, so waveforms part soon."""
        played, _ = stream(graph, rest, [7], state)
        power = np.abs(np.fft.rfft(played.mean(axis=2))) ** 2
        edges = np.unique(np.geomspace(2, power.shape[-1] - 1, 31).astype(int))
        return 10 * np.log10(np.add.reduceat(power, edges, axis=-1) + 1e-6 * power.max())

    same, alike, another = bands_db(graph.restore(whole)), bands_db(near), bands_db(graph.init_state([8]))
    assert np.abs(alike - same).mean() < 0.25 * np.abs(another - same).mean()


def test_torch_reads_it_too(toy: Any) -> None:
    accompanist = TorchAccompanist(toy.torch)
    state = accompanist.init_state([3])
    whole = accompanist.snapshot(state)
    with torch.inference_mode():
        again = accompanist.snapshot(accompanist.restore(accompanist.compact(whole)))
    assert len(again) == len(whole)


@pytest.mark.parametrize("compact", [False, True])
def test_what_an_earlier_release_kept_plays_on(toy: Any, music: Play, stream: Play, compact: bool) -> None:
    """Its states held the gain of the input where ours hold the level, no beat, and other names: kept moments would be lost."""
    graph = toy.graphs["onnx"]
    mix = music(graph.spec, 1, 12)
    _, state = stream(graph, mix[:8], [3])
    tensors = dict(state.tensors)
    tensors["turned_up"] = (1 / tensors.pop("level")).astype(np.float32)
    del tensors["beat"]
    for name in ("input_level.power", "input_level.frames", "generator.tempogram.resonators"):
        tensors[name.replace("input_level", "preamp").replace("tempogram", "pulse")] = tensors.pop(name)
    old = snapshot.sealed(
        safetensors.numpy.save(tensors), weights_id=graph.spec.weights_id, runtime="onnx", rows=1
    )
    kept = snapshot.compacted if compact else bytes
    played, _ = stream(graph, mix[8:], [3], graph.restore(kept(old)), first=8)
    wanted, _ = stream(graph, mix[8:], [3], graph.restore(kept(graph.snapshot(state))), first=8)
    np.testing.assert_allclose(played, wanted, atol=1e-6)


@pytest.mark.parametrize("damage", ["orphan", "shape", "type", "label"])
def test_a_damaged_one_is_refused(toy: Any, damage: str) -> None:
    """Bytes in a project file are anybody's."""
    graph = toy.graphs["onnx"]
    weights_id = graph.spec.weights_id
    short = np.ones((1, 80, 80), np.int8)
    tensors = {"a": short, "a/scale": np.ones((1, 80, 1), np.float32)}
    if damage == "orphan":
        del tensors["a"]
    if damage == "shape":
        tensors["a/scale"] = np.ones((1, 8000, 8000, 0), np.float32)
    if damage == "type":
        tensors["a"] = short.astype(np.float32)
    body = safetensors.numpy.save(tensors)
    head = json.dumps({"weights": weights_id, "runtime": "onnx", "rows": 1, "compact": True}).encode()
    if damage == "label":
        head = b"[" * 3000
    data = b"LBSTATE1" + len(head).to_bytes(4, "little") + head + body
    with pytest.raises(LiveBandModelError):
        snapshot.opened(data, weights_id=weights_id)
