# SPDX-License-Identifier: GPL-3.0-or-later
"""The pool: one seed one song, budget kept, kills harmless, and what a reader draws lines up with the truth."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from lbmodels.codec.autoencoder import Codec, to_frames
from lbmodels.data.render import RenderOptions, make_song, render_track
from lbmodels.data.slakh import read_track
from lbmodels.data.truth import track_of
from lbmodels.errors import LiveBandModelError
from lbmodels.families.parts import CODEC
from lbmodels.train.latents import encode_long
from lbmodels.train.pool import PoolConfig, PoolReader, fill_pool, make_examples, pool_files, prepare_pool
from lbmodels.weights.modules import load_part, save_weights

pytestmark = pytest.mark.render


@pytest.fixture
def fonts(tmp_path: Path, small_font: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the small font stands for a training font, on every machine the only one: 300 MB less to install."""
    monkeypatch.setattr("lbmodels.data.synth.SEARCH_DIRS", ())
    folder = tmp_path / "fonts"
    folder.mkdir()
    (folder / "FluidR3_GM.sf2").symlink_to(small_font)
    return folder


@pytest.fixture
def config(tmp_path: Path, toy_codec: Codec, fonts: Path) -> PoolConfig:
    path = save_weights(tmp_path / "codec.safetensors", toy_codec, kind="codec", config=toy_codec.config)
    return PoolConfig(
        out=tmp_path / "pool", codec=path, seed=3, min_s=2.0, max_s=2.5, semitones=12, soundfont_dirs=(fonts,)
    )


def fill(config: PoolConfig, songs: int) -> None:
    for _ in fill_pool(config, first=prepare_pool(config), songs=songs):
        pass


def test_a_song_in_chunks_is_the_song_at_once(toy_codec: Codec) -> None:
    audio = (
        torch.from_numpy(np.random.default_rng(0).standard_normal((1, 2, 480 * 173)).astype(np.float32)) * 0.1
    )
    frames = to_frames(audio, 480)
    torch.testing.assert_close(
        encode_long(toy_codec.encoder, frames), toy_codec.encoder(frames), rtol=1e-4, atol=1e-4
    )


def test_song_n_of_a_seed_is_always_the_same(config: PoolConfig, tmp_path: Path) -> None:
    fill(config, 3)
    other = dataclasses.replace(config, out=tmp_path / "again")
    prepare_pool(other)
    list(fill_pool(other, first=2, songs=1))  # alone, without the two before it
    assert pool_files(other.out)[2].read_bytes() == pool_files(config.out)[2].read_bytes()
    bytes_of = {n: p.read_bytes() for n, p in pool_files(config.out).items()}
    assert len(set(bytes_of.values())) == len(bytes_of) == 3


def test_two_workers_make_the_songs_of_one(config: PoolConfig, tmp_path: Path) -> None:
    fill(config, 2)
    both = dataclasses.replace(config, out=tmp_path / "both")
    first = prepare_pool(both)
    for worker in (1, 0):
        list(fill_pool(both, first=first, worker=worker, workers=2, songs=1))
    assert {n: p.read_bytes() for n, p in pool_files(both.out).items()} == {
        n: p.read_bytes() for n, p in pool_files(config.out).items()
    }


def test_the_budget_holds_and_numbers_go_on(config: PoolConfig) -> None:
    fill(config, 2)
    size = max(p.stat().st_size for p in pool_files(config.out).values())
    small = dataclasses.replace(config, budget_gb=2.5 * size / 1e9)
    (config.out / "Song000000007.999999999.part").write_bytes(b"left by a kill")
    fill(small, 3)
    numbers = sorted(pool_files(config.out))
    assert numbers[-1] == 4
    assert numbers == list(range(numbers[0], 5))
    assert numbers[0] > 0
    assert sum(p.stat().st_size for p in pool_files(config.out).values()) <= small.budget_gb * 1e9
    assert not list(config.out.glob("*.part"))


def test_what_is_drawn_is_one_targets_truth(config: PoolConfig) -> None:
    fill(config, 3)
    codec = load_part(CODEC, config.codec)
    reader = PoolReader(config.out, codec=config.codec)
    rng = np.random.default_rng(0)
    drawn = [reader.draw(rng, shortest=20) for _ in range(60)]
    assert len({(e.stem, float(e.heard.latents.float().sum())) for e in drawn}) > 10
    for example in drawn:
        assert (
            len(example.played)
            == len(example.heard.latents)
            == len(example.heard.semitones)
            == example.frames
        )
        assert all(len(value) == example.frames for value in example.conditions.values())
    tensors, made = make_examples(config, 1, codec, _ear(codec))
    assert made.examples == sum(".heard" in name for name in tensors)
    with pytest.raises(LiveBandModelError, match="no latents of at least 100000 frames"):
        reader.draw(rng, shortest=100_000)


def _ear(codec: Codec):
    from lbmodels.streaming.spectral import SemitoneFrontEnd

    return SemitoneFrontEnd(sample_rate=48000, hop=codec.config.hop, semitones=12)


def test_songs_may_go_while_a_reader_draws(config: PoolConfig) -> None:
    fill(config, 2)
    reader = PoolReader(config.out, codec=config.codec)
    rng = np.random.default_rng(0)
    reader.draw(rng, shortest=10)
    pool_files(config.out)[0].unlink()
    assert all(reader.draw(rng, shortest=10).frames > 10 for _ in range(20))


def test_recordings_touch_the_mix_and_never_the_target(config: PoolConfig, monkeypatch) -> None:
    codec = load_part(CODEC, config.codec)
    recorded, _ = make_examples(config, 1, codec, _ear(codec))
    monkeypatch.setattr("lbmodels.train.pool.as_recorded", lambda mix, *_: mix)
    plain, _ = make_examples(config, 1, codec, _ear(codec))
    for name, value in plain.items():
        same = torch.equal(value.nan_to_num(-1), recorded[name].nan_to_num(-1))
        assert same or ".heard" in name or ".semitones" in name
    assert any(not torch.equal(plain[n], recorded[n]) for n in plain if ".heard" in n)


def test_the_truth_in_memory_is_the_truth_on_disk(tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        options = RenderOptions(out=tmp_path, split="test", seed=seed, min_s=4.0, max_s=5.0)
        stated = track_of(make_song(options, 1)[0], 48000)
        read = read_track(render_track(dataclasses.replace(options, out=tmp_path / str(seed)), 1))
        np.testing.assert_allclose(stated.beats_s, read.beats_s, atol=1e-6)
        np.testing.assert_array_equal(stated.beat_in_bar, read.beat_in_bar)
        assert [s.label for s in stated.chords] == [s.label for s in read.chords]
        assert [key for _, key in stated.keys] == [key for _, key in read.keys]
        np.testing.assert_allclose(
            [s.start_s for s in stated.chords], [s.start_s for s in read.chords], atol=1e-6
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 4}, "was made with another seed"),
        ({"budget_gb": 0.0}, "budget must be above 0"),
        ({"codec": Path("nowhere")}, "codec not found"),
        ({"min_s": 9.0}, "lengths must satisfy"),
    ],
)
def test_other_options_in_one_folder_are_refused(config: PoolConfig, change, message: str) -> None:
    prepare_pool(config)
    with pytest.raises(LiveBandModelError, match=message):
        prepare_pool(dataclasses.replace(config, **change))


def test_a_reader_without_a_pool_says_how_to_get_one(config: PoolConfig, tmp_path: Path) -> None:
    with pytest.raises(LiveBandModelError, match="liveband data pool"):
        PoolReader(tmp_path, codec=config.codec)
    prepare_pool(config)
    with pytest.raises(LiveBandModelError, match="is empty"):
        PoolReader(config.out, codec=config.codec).draw(np.random.default_rng(0), shortest=1)
    card = json.loads((config.out / "pool.json").read_text())
    (config.out / "pool.json").write_text(json.dumps({**card, "codec_sha256": "0"}))
    with pytest.raises(LiveBandModelError, match="another codec"):
        PoolReader(config.out, codec=config.codec)


def test_files_of_a_track_cache_are_still_read(tmp_path: Path) -> None:
    """The old layout: one mix a target, without numbers."""
    from lbmodels.contract.conditions import HOST
    from lbmodels.train.latents import read_examples

    tensors = {f"conditions.{name}": torch.zeros(10) for name in HOST}
    for part in ("played", "heard", "semitones"):
        tensors[f"2.{part}"] = torch.ones(10, 4).half()
    tensors["2.sounding"] = torch.ones(10, dtype=torch.bool)
    safetensors.torch.save_file(tensors, tmp_path / "t.safetensors")
    (example,) = read_examples(tmp_path / "t.safetensors")
    assert (example.stem, example.frames) == (2, 10)


def test_training_draws_its_batches_from_the_pool(config: PoolConfig) -> None:
    """What a recipe with `data.pool` trains on: other songs and mixes from batch to batch, the same for one seed."""
    from lbmodels.families.liveband.generator import GeneratorConfig
    from lbmodels.train.batches import LatentDataConfig, LatentSource

    fill(config, 3)
    model = GeneratorConfig(latent=8, semitones=12, anticipation_max=10)
    data = LatentDataConfig(codec=str(config.codec), pool=str(config.out), prepare=False, crop_frames=40)
    source = LatentSource(data, model, 4)
    batches = list(source.batches("train", 0, 6))
    assert all(b.played.shape == (4, 40, 8) and b.heard.semitones.shape == (4, 40, 12) for b in batches)
    assert len({float(b.heard.latents.sum()) for b in batches}) == 6
    again = list(source.batches("train", 0, 6))
    assert all(torch.equal(a.played, b.played) for a, b in zip(batches, again, strict=True))
    with pytest.raises(LiveBandModelError, match="no latents"):
        next(source.batches("validation", 0, 1))


def test_a_share_of_the_examples_comes_from_the_data_set(config: PoolConfig, tmp_path: Path) -> None:
    """What lets a model keep what a finished data set taught it while it learns from the pool."""
    from lbmodels.contract.conditions import HOST
    from lbmodels.families.liveband.generator import GeneratorConfig
    from lbmodels.train.batches import LatentDataConfig, LatentSource

    fill(config, 2)
    widths = {"chord": (12,)}
    tensors = {f"conditions.{name}": torch.zeros(90, *widths.get(name, ())) for name in HOST}
    for part, width in (("played", 8), ("heard", 8), ("semitones", 12)):
        tensors[f"2.{part}"] = torch.full((90, width), 7.0).half()
    tensors["2.sounding"] = torch.ones(90, dtype=torch.bool)
    (tmp_path / "latents/train").mkdir(parents=True)
    safetensors.torch.save_file(tensors, tmp_path / "latents/train/t.safetensors")
    model = GeneratorConfig(latent=8, semitones=12, anticipation_max=10)

    def share(wanted: float) -> float:
        data = LatentDataConfig(
            codec=str(config.codec), pool=str(config.out), cache=str(tmp_path / "latents"), prepare=False,
            crop_frames=40, root_share=wanted,
        )  # fmt: skip
        batches = list(LatentSource(data, model, 8).batches("train", 0, 10))
        return float(torch.cat([(b.played == 7).all(-1).all(-1) for b in batches]).float().mean())

    assert share(0.0) == 0.0
    assert 0.25 < share(0.4) < 0.55
    assert share(1.0) == 1.0
