# SPDX-License-Identifier: GPL-3.0-or-later
"""The pool: one seed one song, budget kept, kills harmless, and what a reader draws lines up with the truth."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from lbmodels.codec.autoencoder import Codec, to_frames
from lbmodels.data.classes import POOL_STEMS
from lbmodels.data.render import RenderOptions, make_song, render_track
from lbmodels.data.slakh import read_track
from lbmodels.data.truth import track_of
from lbmodels.errors import LiveBandModelError
from lbmodels.families.parts import CODEC
from lbmodels.streaming.spectral import SemitoneFrontEnd
from lbmodels.train.latents import encode_long, hear_long
from lbmodels.train.pool import Made, PoolConfig, fill_pool, full, make_compact, make_examples, prepare_pool
from lbmodels.train.pool_command import _say
from lbmodels.train.pool_files import compact_files, held, pool_files
from lbmodels.train.pool_reader import PoolReader
from lbmodels.weights.modules import load_part, save_weights

pytestmark = pytest.mark.render


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory, small_font: Path) -> Path:
    """A folder in which the small font stands for a training font, on every machine the only one: 300 MB less to install."""
    folder = tmp_path_factory.mktemp("fonts")
    (folder / "FluidR3_GM.sf2").symlink_to(small_font)
    return folder


@pytest.fixture
def config(tmp_path: Path, toy_codec: Codec, fonts: Path, monkeypatch: pytest.MonkeyPatch) -> PoolConfig:
    monkeypatch.setattr("lbmodels.data.synth.SEARCH_DIRS", ())
    path = save_weights(tmp_path / "codec.safetensors", toy_codec, kind="codec", config=toy_codec.config)
    return PoolConfig(
        out=tmp_path / "pool", codec=path, seed=3, min_s=2.0, max_s=2.5, semitones=12, soundfont_dirs=(fonts,)
    )


def fill(config: PoolConfig, songs: int) -> None:
    for _ in fill_pool(config, first=prepare_pool(config), songs=songs):
        pass


@pytest.fixture(scope="module")
def four_songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test that needs songs puts them: those of `config`, which are the same in every test."""
    return tmp_path_factory.mktemp("songs") / "pool"


@pytest.fixture
def filled(config: PoolConfig, four_songs: Path) -> Callable[[int], None]:
    """`filled(3)`: the first songs of `config` are in its pool, as `fill` puts them there."""

    def put(songs: int) -> None:
        if not four_songs.exists():
            fill(dataclasses.replace(config, out=four_songs), 4)
        prepare_pool(config)
        for files, folder in (
            (pool_files(four_songs), config.out),
            (compact_files(four_songs), config.songs),
        ):
            folder.mkdir(exist_ok=True)
            for number in range(songs):
                shutil.copy(files[number], folder)

    return put


def test_a_song_in_chunks_is_the_song_at_once(toy_codec: Codec) -> None:
    audio = (
        torch.from_numpy(np.random.default_rng(0).standard_normal((1, 2, 480 * 173)).astype(np.float32)) * 0.1
    )
    frames = to_frames(audio, 480)
    torch.testing.assert_close(
        encode_long(toy_codec.encoder, frames), toy_codec.encoder(frames), rtol=1e-4, atol=1e-4
    )
    ear = SemitoneFrontEnd(sample_rate=48000, hop=480, semitones=66)
    torch.testing.assert_close(hear_long(ear, frames), ear(frames), rtol=1e-5, atol=1e-5)


def test_song_n_of_a_seed_is_always_the_same(config: PoolConfig, filled, tmp_path: Path) -> None:
    filled(3)
    other = dataclasses.replace(config, out=tmp_path / "again")
    prepare_pool(other)
    list(fill_pool(other, first=2, songs=1))  # alone, without the two before it
    assert pool_files(other.out)[2].read_bytes() == pool_files(config.out)[2].read_bytes()
    whole = bytes_of(pool_files(config.out))
    assert len(set(whole.values())) == len(whole) == 3


def bytes_of(files: dict[int, Path]) -> dict[int, bytes]:
    return {number: path.read_bytes() for number, path in files.items()}


def test_another_encoder_hears_the_same_songs_again(
    config: PoolConfig, filled, tmp_path: Path, monkeypatch
) -> None:
    """Latents are lost with their encoder; songs are not, even when the generator of songs has become another one."""
    filled(2)
    monkeypatch.setattr("lbmodels.train.pool.make_song", None)
    monkeypatch.setattr("lbmodels.train.pool.GENERATOR_VERSION", 99)
    same = dataclasses.replace(config, out=tmp_path / "same", songs_from=config.out)
    fill(same, 1)
    fill(same, 9)  # the same command again goes on, and ends when all are there
    assert bytes_of(pool_files(same.out)) == bytes_of(pool_files(config.out))
    assert bytes_of(compact_files(same.out)) == bytes_of(compact_files(config.out))
    codec = load_part(CODEC, config.codec)
    with torch.no_grad():
        codec.encoder.out.weight.mul_(-1)
    path = save_weights(tmp_path / "new.safetensors", codec, kind="codec", config=codec.config)
    new = dataclasses.replace(config, out=tmp_path / "new", codec=path, songs_from=config.out)
    songs = fill_pool(new, first=prepare_pool(new))
    next(songs)
    compact_files(config.out)[1].unlink()  # as where that pool is filled still, and its oldest songs go
    assert not list(songs)
    old, fresh = (safetensors.torch.load_file(pool_files(pool.out)[0]) for pool in (config, new))
    assert old.keys() == fresh.keys()
    for name in (name for name in old if "conditions" in name or "level" in name):
        torch.testing.assert_close(old[name], fresh[name], rtol=0, atol=0, equal_nan=True)
    assert not any(torch.equal(old[n], fresh[n]) for n in old if n.endswith(".played"))


def test_a_second_machine_goes_on_from_the_card_and_the_seed_alone(
    config: PoolConfig, filled, tmp_path: Path, small_font: Path
) -> None:
    """A machine with more fonts made other songs under the same numbers, and one with fewer as well."""
    filled(2)
    more = tmp_path / "more"
    more.mkdir()
    for name in ("FluidR3_GM.sf2", "sf_GMbank.sf2"):
        (more / name).symlink_to(small_font)
    there = dataclasses.replace(config, out=tmp_path / "there", soundfont_dirs=(more,))
    there.out.mkdir()
    shutil.copy(config.out / "pool.json", there.out)
    prepare_pool(there)
    for _ in fill_pool(there, first=1, songs=1):
        pass
    assert bytes_of(pool_files(there.out)) == {1: pool_files(config.out)[1].read_bytes()}
    (more / "FluidR3_GM.sf2").unlink()
    with pytest.raises(
        LiveBandModelError,
        match=r"FluidR3_GM.sf2 not found; install it with .apt-get install fluid-soundfont-gm",
    ):
        prepare_pool(there)


def test_hours_end_it_and_so_does_the_budget(config: PoolConfig) -> None:
    hours = dataclasses.replace(config, hours=5 / 3600)
    fill(hours, 50)
    found = held(config.out)
    assert 5 <= found.hours * 3600 < 9
    assert "h are there" in str(full(hours))
    fill(hours, 5)
    assert held(config.out) == found
    small = dataclasses.replace(
        config, hours=9.0, budget_gb=1.2 * (found.latents_bytes + found.compact_bytes) / 1e9
    )
    fill(small, 50)
    assert set(pool_files(config.out)) == set(range(held(config.out).songs)), (
        "nothing that was asked for goes"
    )
    assert held(config.out).latents_bytes + held(config.out).compact_bytes <= small.budget_gb * 1e9
    assert "the budget of" in str(full(small))


def test_every_take_says_what_it_is(config: PoolConfig, filled) -> None:
    filled(4)
    found = held(config.out)
    assert sum(found.takes.values()) >= found.songs
    assert set(found.takes) <= {*POOL_STEMS, "other"}
    assert all(sum(found.tags[kind].values()) == found.songs for kind in ("style", "metre", "key", "feel"))
    assert sum(found.tags["instrument"].values()) == sum(found.takes.values())
    assert found.bytes_per_hour > 0
    reader, rng = (
        PoolReader(config.out, codec=config.codec, stems=("guitar", "drums")),
        np.random.default_rng(0),
    )
    for example in (reader.draw(rng, shortest=20) for _ in range(20)):
        wanted = ("guitar", "drums")[example.stem]
        assert example.tags["takes"]
        assert {take["class"] for take in example.tags["takes"]} == {wanted}
        assert example.tags["song"]["tempo_bpm"] > 0
    with pytest.raises(LiveBandModelError, match="holds no zither; it holds drums, bass"):
        PoolReader(config.out, codec=config.codec, stems=("zither",))


def test_two_workers_make_the_songs_of_one(config: PoolConfig, filled, tmp_path: Path) -> None:
    filled(2)
    both = dataclasses.replace(config, out=tmp_path / "both")
    first = prepare_pool(both)
    for worker in (1, 0):
        list(fill_pool(both, first=first, worker=worker, workers=2, songs=1))
    assert {n: p.read_bytes() for n, p in pool_files(both.out).items()} == {
        n: p.read_bytes() for n, p in pool_files(config.out).items()
    }


def test_the_budget_holds_and_numbers_go_on(config: PoolConfig, filled) -> None:
    filled(2)
    size = max(p.stat().st_size for p in pool_files(config.out).values())
    size += max(p.stat().st_size for p in compact_files(config.out).values())
    small = dataclasses.replace(config, budget_gb=2.5 * size / 1e9)
    (config.out / "Song000000007.999999999.part").write_bytes(b"left by a kill")
    fill(small, 3)
    numbers = sorted(pool_files(config.out))
    assert numbers[-1] == 4
    assert numbers == list(range(numbers[0], 5))
    assert numbers[0] > 0
    assert held(config.out).latents_bytes + held(config.out).compact_bytes <= small.budget_gb * 1e9
    assert set(compact_files(config.out)) == set(numbers)
    assert not list(config.out.glob("*.part"))


def test_what_is_drawn_is_one_targets_truth(config: PoolConfig, filled) -> None:
    filled(3)
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
    tensors, made = examples_of(config, 1, codec)
    assert made.examples == sum(".heard" in name for name in tensors)
    with pytest.raises(LiveBandModelError, match="no latents of at least 100000 frames"):
        reader.draw(rng, shortest=100_000)


def examples_of(config: PoolConfig, number: int, codec: Codec):
    fonts = {"FluidR3_GM.sf2": config.soundfont_dirs[0] / "FluidR3_GM.sf2"}
    return make_examples(config, make_compact(config, number, fonts), fonts, codec, _ear(codec))


def _ear(codec: Codec):
    return SemitoneFrontEnd(sample_rate=48000, hop=codec.config.hop, semitones=12)


def test_songs_may_go_while_a_reader_draws(config: PoolConfig, filled) -> None:
    filled(2)
    reader = PoolReader(config.out, codec=config.codec)
    rng = np.random.default_rng(0)
    reader.draw(rng, shortest=10)
    pool_files(config.out)[0].unlink()
    assert all(reader.draw(rng, shortest=10).frames > 10 for _ in range(20))


def test_recordings_touch_the_mix_and_never_the_target(config: PoolConfig, monkeypatch) -> None:
    codec = load_part(CODEC, config.codec)
    prepare_pool(config)
    recorded, _ = examples_of(config, 1, codec)
    monkeypatch.setattr("lbmodels.train.pool.as_recorded", lambda mix, *_: mix)
    plain, _ = examples_of(config, 1, codec)
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
        ({"mixes": 1}, "was made with another mixes"),
        ({"max_s": 9.0}, "was made with another max_s"),
        ({"hours": 0.0}, "hours must be above 0"),
        ({"songs_from": Path("nowhere")}, "no compact songs in nowhere"),
    ],
)
def test_other_options_in_one_folder_are_refused(config: PoolConfig, change, message: str) -> None:
    prepare_pool(config)
    with pytest.raises(LiveBandModelError, match=message):
        prepare_pool(dataclasses.replace(config, **change))


def test_a_pool_of_an_older_release_says_that_it_is_one(config: PoolConfig) -> None:
    """ "Another min_s" of a card that says none sends its owner looking for an option that was never given."""
    prepare_pool(config)
    path = config.out / "pool.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps({name: card[name] for name in card if name not in ("min_s", "fonts")}))
    with pytest.raises(
        LiveBandModelError, match=r"of an older release, whose card does not say min_s, fonts"
    ):
        prepare_pool(config)


def test_songs_may_go_while_they_are_counted(config: PoolConfig) -> None:
    """The oldest go while a pool is filled: `--show` and the line that says how far it is came upon them."""
    prepare_pool(config)
    for folder in (config.out, config.songs):
        (folder / "Song000000000.safetensors").symlink_to("gone")
    found = held(config.out)
    assert (found.latents_bytes, found.compact_bytes) == (0, 0)
    made = Made(number=0, title="x", audio_s=1.0, examples=1, render_s=1.0, encode_s=1.0)
    _say(config, [made], 0, as_json=False)


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
    tensors["2.level"] = torch.zeros(10).half()
    safetensors.torch.save_file(tensors, tmp_path / "t.safetensors")
    (example,) = read_examples(tmp_path / "t.safetensors")
    assert (example.stem, example.frames) == (2, 10)


def test_training_draws_its_batches_from_the_pool(config: PoolConfig, filled) -> None:
    """What a recipe with `data.pool` trains on: other songs and mixes from batch to batch, the same for one seed."""
    from lbmodels.families.liveband.generator import GeneratorConfig
    from lbmodels.train.batches import LatentDataConfig, LatentSource

    filled(3)
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


def test_a_share_of_the_examples_comes_from_the_data_set(config: PoolConfig, filled, tmp_path: Path) -> None:
    """What lets a model keep what a finished data set taught it while it learns from the pool."""
    from lbmodels.contract.conditions import HOST
    from lbmodels.families.liveband.generator import GeneratorConfig
    from lbmodels.train.batches import LatentDataConfig, LatentSource

    filled(2)
    widths = {"chord": (12,)}
    tensors = {f"conditions.{name}": torch.zeros(90, *widths.get(name, ())) for name in HOST}
    for part, width in (("played", 8), ("heard", 8), ("semitones", 12)):
        tensors[f"2.{part}"] = torch.full((90, width), 7.0).half()
    tensors["2.level"] = torch.zeros(90).half()
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
