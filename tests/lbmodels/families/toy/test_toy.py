# SPDX-License-Identifier: GPL-3.0-or-later
"""A family is one folder and one recipe: everything else follows, with four frames a step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lbmodels.band import Heard
from lbmodels.conditioning.table import columns
from lbmodels.contract.conditions import table
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.generation import anticipation_frames, generate
from lbmodels.families import loading, registry
from lbmodels.runtime.eager import TorchAccompanist
from lbmodels.streaming.contract import assert_streaming_contract
from lbmodels.train.recipe import read_recipe
from lbmodels.weights import manifest

HERE = Path(__file__).resolve().parent
HOP, K = 480, 4


class Tokens:
    """The player alone as a streaming layer on latents."""

    def __init__(self, player: Any) -> None:
        self.player = player

    def _told(self, rows: int, frames: int) -> dict[str, Tensor]:
        known = table({"stem": 1.0, "variation": 0.5, "anticipation": 0.0}, [{}] * frames, rows)
        return columns({name: torch.from_numpy(value) for name, value in known.items()})

    def __call__(self, x: Tensor) -> Tensor:
        latents: Tensor = self.player.play_all(
            Heard(x, x), self._told(*x.shape[:2]), torch.arange(len(x))
        ).latents
        return latents

    def init_state(self, batch: int) -> Any:
        return self.player.init_state(batch)

    def step(self, x: Tensor, state: Any, active: Tensor) -> Any:
        told, seed = self._told(*x.shape[:2]), torch.arange(len(x))
        answer, state = self.player.play_chunk(Heard(x, x), told, seed, state, active)
        return answer.latents, state


def test_the_contract(folder: Path) -> None:
    band = loading.load(str(folder))
    assert (band.spec.chunk_frames, band.spec.anticipation_step, band.spec.hop) == (K, K, HOP)
    assert_streaming_contract(Tokens(band.generator), torch.randn(2, 6 * K, 8), frames_a_step=K)


def mixes(rows: int, frames: int) -> np.ndarray:
    return 0.2 * np.random.default_rng(1).standard_normal((rows, 2, frames * HOP)).astype(np.float32)


def play(band: Any, mix: np.ndarray, state: Any = None) -> tuple[np.ndarray, Any]:
    """Stem [B, 2, T] of whole chunks."""
    rows, on = len(mix), np.ones(len(mix), np.bool_)
    state = band.init_state(range(rows)) if state is None else state
    known = [{"beat_phase": 0.1 * n} for n in range(K)]
    told = table({"stem": 1.0, "anticipation": 4.0, "variation": 1.0}, known, rows)
    out = []
    for n in range(0, mix.shape[-1], K * HOP):
        stem, state = band.step(mix[..., n : n + K * HOP], told, state, on)
        out.append(stem)
    return np.concatenate(out, axis=-1), state


def test_the_band_streams_chunks_as_its_parallel_pass(folder: Path) -> None:
    """Levels, codec and ear frame by frame around a player of four frames."""
    band = loading.load(str(folder))
    mix = mixes(2, 6 * K)
    streamed, _ = play(TorchAccompanist(band), mix)
    assert np.square(streamed).mean() > 1e-8
    known = [{"beat_phase": 0.1 * (n % K)} for n in range(6 * K)]
    told = table({"stem": 1.0, "anticipation": 4.0, "variation": 1.0}, known, 2)
    frames = torch.from_numpy(mix).unflatten(-1, (-1, HOP)).transpose(1, 2)
    offline = band(frames, {name: torch.from_numpy(v) for name, v in told.items()}, [0, 1])
    whole = offline.transpose(1, 2).flatten(2).numpy()
    assert np.square(streamed - whole).mean() < 1e-4 * np.square(whole).mean()


def test_a_snapshot_goes_on_to_the_bit_and_rows_are_alone(folder: Path) -> None:
    band = TorchAccompanist(loading.load(str(folder)))
    mix = mixes(2, 6 * K)
    whole, _ = play(band, mix)
    half = 3 * K * HOP
    _, state = play(band, mix[..., :half])
    rest, _ = play(band, mix[..., half:], band.restore(band.snapshot(state)))
    np.testing.assert_array_equal(rest, whole[..., half:])
    poisoned = mix.copy()
    poisoned[1] = np.nan
    alone, _ = play(band, poisoned)
    np.testing.assert_array_equal(alone[0], whole[0])
    with pytest.raises(LiveBandModelError, match="not a state"):
        band.restore(b"something else")


def test_the_evaluation_plays_it_by_position(folder: Path) -> None:
    """A chunk of four that was placed as four single frames sounded 160 ms early."""
    band = loading.load(str(folder))
    mix = mixes(1, 30)  # two frames more than seven chunks
    known = {name: np.full((30, *([12] if name == "chord" else [])), np.nan) for name in
             ("beat_phase", "bar_phase", "tempo", "chord", "chord_bass", "key")}  # fmt: skip
    asked = {"stem": "bass", "anticipation": 4, "known": "all", "seeds": [0]}
    stem = generate(TorchAccompanist(band), mix, [known], **asked)
    assert stem.shape == mix.shape
    assert not stem[
        ..., : 2 * K * HOP
    ].any()  # nothing is heard before a chunk, which is written a chunk ahead
    assert stem[..., 2 * K * HOP :].any()
    later = mix.copy()
    later[..., 2 * K * HOP :] *= -1  # heard by the third step, which plays from frame 16 on
    changed = generate(TorchAccompanist(band), later, [known], **asked)
    np.testing.assert_array_equal(changed[..., : 4 * K * HOP], stem[..., : 4 * K * HOP])
    assert not np.array_equal(changed[..., 4 * K * HOP :], stem[..., 4 * K * HOP :])


def test_anticipation_comes_in_chunks(folder: Path) -> None:
    spec = loading.load(str(folder)).spec
    assert [anticipation_frames(spec, ms) for ms in (0, 15, 25, 40, 130, 160)] == [0, 0, 4, 4, 12, 16]
    with pytest.raises(LiveBandModelError, match="0 to 160 ms in steps of 40 ms"):
        anticipation_frames(spec, 500)


def test_what_the_rest_of_the_house_knows_of_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "toy" in registry.names()
    assert {"rvq", "model"} <= set(registry.all_parts())
    assert read_recipe("toy", str(HERE / "tiny.toml"))["model"]["chunk"] == K
    found = manifest.locate(str(folder))
    assert (found.family, set(found.parts)) == ("toy", {"codec", "rvq", "model"})
    (folder / found.parts["rvq"].name).unlink()
    with pytest.raises(LiveBandModelError, match="weights not found"):
        loading.load(str(folder))
