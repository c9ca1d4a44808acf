# SPDX-License-Identifier: GPL-3.0-or-later
"""What draws frame by frame, tokens, a flow or levels, in chunks of 1, 5 and 25: the laws of a stream, and that training sees what a stream sees."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lbmodels.band import Band, Heard
from lbmodels.codec.autoencoder import Codec
from lbmodels.codec.rvq import ResidualQuantiser, RvqConfig
from lbmodels.conditioning.table import columns
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.generation import anticipation_frames
from lbmodels.families import loading
from lbmodels.families.cam.arrangement import CLASSES, Arrangement, ArrangementConfig, Arranger
from lbmodels.families.cam.network import LEVEL, Cam, CamConfig, LatentPlayer
from lbmodels.families.cam.network import Player as FlowPlayer
from lbmodels.families.codec_lm.continuation import Continuation, ContinuationPlayer, Drafts, Past
from lbmodels.families.codec_lm.network import CodecLm, LmConfig, Player
from lbmodels.families.liveband.generator import GeneratorConfig
from lbmodels.runtime.eager import TorchAccompanist
from lbmodels.streaming.contract import assert_streaming_contract
from lbmodels.weights.manifest import write_manifest
from lbmodels.weights.modules import save_weights

HEARING = GeneratorConfig(latent=8, semitones=12, features=32, heads=2, depth=2, window=40, noise=0, style=0)
CONFIG = LmConfig(hearing=HEARING, levels=3, codes=16, hidden=16, top_k=6)
FLOW = CamConfig(hearing=HEARING, hidden=16, layers=2, flow_steps=2)
CHUNKS = pytest.mark.parametrize(
    ("k", "draws"), [(1, "tokens"), (5, "tokens"), (25, "tokens"), (1, "flow"), (5, "flow"), (5, "levels")]
)
Told = Callable[..., dict[str, Tensor]]


def network(draws: str, k: int) -> Continuation:
    """Random weights, of which none is silent at first; the same for every chunk."""
    torch.manual_seed(6)
    if draws == "levels":
        made: Continuation = Arrangement(ArrangementConfig(hearing=HEARING))
    else:
        made = Cam(replace(FLOW, chunk=k)) if draws == "flow" else CodecLm(replace(CONFIG, chunk=k))
    for name, parameter in made.named_parameters():
        if not parameter.any():
            parameter.data.normal_(0, 0.3)
        if "attention.out" in name or "heads" in name:
            parameter.data.normal_(0, 0.4)
    return made.eval().requires_grad_(False)


def player(k: int, draws: str = "tokens") -> ContinuationPlayer:
    """What draws alone."""
    mine = network(draws, k)
    if isinstance(mine, Arrangement):
        return Arranger(mine, k)
    if isinstance(mine, Cam):
        return LatentPlayer(mine)
    assert isinstance(mine, CodecLm)
    rvq = ResidualQuantiser(RvqConfig(latent=8, levels=4, codes=16))
    rvq.codes.data.normal_(0, 0.7)
    return Player(mine, rvq).eval().requires_grad_(False)


class Alone:
    """The player without its shell, told everything, as a streaming layer on latents."""

    def __init__(self, k: int, draws: str, told: Told, **controls: float) -> None:
        flow = network("flow", k) if draws == "flow" else None
        levels = network("levels", k)
        assert isinstance(levels, Arrangement)
        self.player = FlowPlayer(flow, levels) if isinstance(flow, Cam) else player(k, draws)
        self.told, self.controls = told, controls

    def conditions(self, rows: int, frames: int) -> dict[str, Tensor]:
        return columns(self.told(rows, frames, **self.controls))

    def __call__(self, x: Tensor) -> Tensor:
        heard = Heard(x[..., :8], x[..., 8:])
        latents: Tensor = self.player.play_all(
            heard, self.conditions(*x.shape[:2]), torch.arange(len(x))
        ).latents
        return latents

    def init_state(self, batch: int) -> Any:
        return self.player.init_state(batch)

    def step(self, x: Tensor, state: Any, active: Tensor) -> tuple[Tensor, Any]:
        one = x.dim() == 2
        x = x.unsqueeze(1) if one else x
        told, seed = self.conditions(*x.shape[:2]), torch.arange(len(x))
        answer, state = self.player.play_chunk(Heard(x[..., :8], x[..., 8:]), told, seed, state, active)
        return answer.latents[:, 0] if one else answer.latents, state


@CHUNKS
def test_the_contract(k: int, draws: str, told: Told) -> None:
    """Causal, the same to the bit from a snapshot, and alone among others, who may be idle or full of NaN."""
    steady = {"beat_phase": 0.25, "bar_phase": 0.5}  # the wrapper does not count frames
    assert_streaming_contract(
        Alone(k, draws, told, **steady), torch.randn(2, {1: 12, 5: 20, 25: 50}[k], 20), frames_a_step=k
    )


@CHUNKS
def test_training_sees_what_a_stream_sees(k: int, draws: str, told: Told) -> None:
    """The stream's own frames, given to the pass that training makes, are the likeliest there: a draft that saw the mix of its own
    chunk, or a past that was one frame off, would play well in training alone.
    """
    chunks, rows, ahead = (8 if k == 1 else 3), 2, 3
    mine = player(k, draws)
    mine.past_noise = 0.0  # the pass below hears what was played as it is
    heard = Heard(torch.randn(rows, chunks * k, 8), torch.randn(rows, chunks * k, 12))
    conditions = columns(told(rows, (chunks + 1) * k, variation=0.0, anticipation=float(ahead), stem=2.0))
    if draws == "flow":
        conditions[LEVEL] = F.one_hot(torch.randint(CLASSES, (rows, (chunks + 1) * k)), CLASSES).float()
    # `told` begins at frame 0; the first frame that is decided is k + A.
    played = mine.play_all(
        heard, {name: value[:, k:] for name, value in conditions.items()}, torch.arange(rows)
    ).latents
    frames = (chunks + 1) * k - 1  # positions, of which the last chunk's are drafts
    past = torch.cat([torch.zeros(rows, k, mine.network.played), played], dim=1)[:, :frames]
    there = (torch.arange(frames) >= k).float().expand(rows, -1)
    known = mine.told({name: value[:, 1:] for name, value in conditions.items()})[:, :frames]
    known[:, : k - 1] = 0  # nobody told of frames that nobody played
    padded = Heard(
        *(torch.cat([part, torch.randn(rows, k, part.shape[2])], dim=1)[:, :frames] for part in heard)
    )
    starts = [n * k + k - 1 for n in range(chunks)] if k > 1 else []
    h, drafted = mine.network(
        padded,
        known,
        Past(past, torch.zeros_like(there), there),
        torch.full((rows,), 2),
        torch.full((rows,), ahead),
        Drafts(starts, k if k > 1 else 1),
    )
    zero, no_chance = torch.zeros(rows, dtype=torch.int64), {"variation": torch.zeros(rows)}
    for n in range(chunks):
        for i in range(k):
            here = h[:, n * k + k - 1] if i == 0 else drafted[:, n * (k - 1) + i - 1]
            again = mine.draw(here, zero, zero, no_chance)
            torch.testing.assert_close(again, played[:, n * k + i], msg=f"chunk {n}, frame {i}")


def mixes(rows: int, frames: int) -> np.ndarray:
    return 0.2 * np.random.default_rng(1).standard_normal((rows, 2, frames * 480)).astype(np.float32)


def play(
    band: Any, mix: np.ndarray, told: Told, state: Any = None, **controls: float
) -> tuple[np.ndarray, Any]:
    rows, k = len(mix), band.spec.chunk_frames
    state = band.init_state(range(rows)) if state is None else state
    out = []
    for n in range(0, mix.shape[-1] // 480, k):
        known = {name: value.numpy() for name, value in told(rows, n + k, **controls).items()}
        stem, state = band.step(
            mix[..., n * 480 : (n + k) * 480],
            {name: value[:, n:] for name, value in known.items()},
            state,
            np.ones(rows, np.bool_),
        )
        out.append(stem)
    return np.concatenate(out, axis=-1), state


def test_the_band_plays_it_in_chunks_draws_by_seed_and_begins_another_part_anew(
    told: Told, toy_codec: Codec
) -> None:
    """Told another stem it went on from what it had played as the first one."""
    band = TorchAccompanist(Band("lm", toy_codec, player(5)))
    assert (band.spec.chunk_frames, band.spec.anticipation_frames) == (5, (0, 25))
    assert anticipation_frames(band.spec, 10) == 1  # frames of 10 ms: any of them, whatever the chunk
    mix = mixes(1, 20).repeat(2, 0)
    drawn, state = play(band, mix, told, stem=1.0)
    assert np.square(drawn).mean() > 1e-9
    assert not np.array_equal(drawn[0], drawn[1])
    likeliest, _ = play(band, mix, told, stem=1.0, variation=0.0)
    np.testing.assert_array_equal(likeliest[0], likeliest[1])
    kept = band.snapshot(state)
    other = state.generator._replace(drawn=30 * torch.randn_like(state.generator.drawn))
    for stem, hears in ((2.0, False), (1.0, True)):
        after = [
            play(band, mix[..., : 5 * 480], told, one, stem=stem, variation=0.0)[0]
            for one in (band.restore(kept), band.restore(kept)._replace(generator=other))
        ]
        assert np.array_equal(*after) != hears
        other = other._replace(trunk=band.restore(kept).generator.trunk)


def test_parts_that_are_not_a_pair_are_refused(tmp_path: Path, toy_codec: Codec) -> None:
    """From a folder, as the server opens it: a model of other code books plays noise."""
    mine = player(1)
    assert isinstance(mine, Player)
    save_weights(tmp_path / "codec.safetensors", toy_codec, kind="codec", config=toy_codec.config)
    save_weights(tmp_path / "lm.safetensors", mine.network, kind="codec-lm", config=mine.config)
    save_weights(tmp_path / "rvq.safetensors", mine.rvq, kind="rvq", config=mine.rvq.config)
    parts = ("codec", "rvq", "lm")
    write_manifest(tmp_path, "codec_lm", parts, recipe="streamgen/tiny", description="")
    assert loading.load(str(tmp_path)).spec.chunk_frames == 1
    other = ResidualQuantiser(RvqConfig(latent=8, levels=2, codes=16))
    save_weights(tmp_path / "rvq.safetensors", other, kind="rvq", config=other.config)
    write_manifest(tmp_path, "codec_lm", parts, recipe="", description="")
    with pytest.raises(LiveBandModelError, match="3 levels of 16 codes of 8 numbers, the code books 2 of 16"):
        loading.load(str(tmp_path))
