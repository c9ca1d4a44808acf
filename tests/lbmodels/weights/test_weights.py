# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights on disk: what is whole loads and streams, what is not says so in one line."""

import json
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from lbmodels.band import Band
from lbmodels.codec.autoencoder import Codec, CodecConfig
from lbmodels.errors import LiveBandModelError
from lbmodels.families import loading, publishing
from lbmodels.families.liveband.family import GENERATOR
from lbmodels.families.liveband.generator import Generator
from lbmodels.families.parts import CODEC
from lbmodels.weights import checks, manifest, modules
from lbmodels.weights.modules import save_weights


def refused(folder: Path | str | None) -> str:
    with pytest.raises(LiveBandModelError) as error:
        loading.load(None if folder is None else str(folder))
    line = str(error.value)
    assert "\n" not in line
    assert len(line) < 400
    return line


def write(path: Path, tensors: dict[str, torch.Tensor], **header: str) -> None:
    safetensors.torch.save_file(tensors, path, metadata=header or None)


def test_a_folder_of_weights_is_the_model_that_was_saved(
    toy_weights: Path, toy_accompanist: Band, told
) -> None:
    again = loading.load(str(toy_weights))
    mix, conditions = 0.1 * torch.randn(1, 12, 2, 480), told(1, 12)
    assert torch.equal(again(mix, conditions, [3]), toy_accompanist(mix, conditions, [3]))
    assert again.spec.name == "toy"
    assert not any(p.requires_grad for p in again.parameters())
    assert len(again.spec.weights_id) == 12


def test_half_precision_on_disk_is_single_in_memory(tmp_path: Path, toy_codec: Codec) -> None:
    config = toy_codec.config
    whole = modules.save_weights(tmp_path / "w.safetensors", toy_codec, kind="codec", config=config)
    half = modules.save_weights(tmp_path / "h.safetensors", toy_codec, kind="codec", config=config, half=True)
    assert half.stat().st_size < 0.75 * whole.stat().st_size
    loaded = modules.load_part(CODEC, half)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    for a, b in zip(loaded.parameters(), toy_codec.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)


def test_no_part_file_is_left(toy_weights: Path) -> None:
    assert sorted(p.name for p in toy_weights.iterdir()) == ["codec.safetensors", "generator.safetensors"]


@pytest.mark.parametrize("name", ["codec.safetensors", "generator.safetensors"])
@pytest.mark.parametrize("keep", [0, 5, 100, 0.5, -1])
def test_truncated_weights(toy_weights: Path, name: str, keep: float) -> None:
    data = (toy_weights / name).read_bytes()
    (toy_weights / name).write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    line = refused(toy_weights)
    assert name in line
    assert "truncated" in line


def test_a_text_file_named_safetensors(toy_weights: Path) -> None:
    (toy_weights / "codec.safetensors").write_text("these are not weights\n" * 50)
    assert "not safetensors" in refused(toy_weights)


def test_missing_weights(toy_weights: Path) -> None:
    (toy_weights / "generator.safetensors").unlink()
    assert "weights not found" in refused(toy_weights)


def test_foreign_and_swapped_weights(toy_weights: Path) -> None:
    codec, generator = toy_weights / "codec.safetensors", toy_weights / "generator.safetensors"
    shutil.copy(generator, codec)
    assert "kind 'liveband-generator', wanted 'codec'" in refused(toy_weights)
    write(codec, {"a": torch.zeros(3)})
    assert "foreign" in refused(toy_weights)
    write(codec, {"a": torch.zeros(3)}, format="another-1", kind="codec", config="{}")
    assert "foreign" in refused(toy_weights)


@pytest.mark.parametrize(
    "config", [None, "not JSON", "[1, 2]", '{"hopp": 3}', '{"hop": "long"}', '{"hop": 100, "step": 7}']
)
def test_headers_that_were_tampered_with(toy_weights: Path, config: str | None) -> None:
    header = {"format": modules.FORMAT, "kind": "codec"} | ({} if config is None else {"config": config})
    write(toy_weights / "codec.safetensors", {"a": torch.zeros(3)}, **header)
    assert "codec.safetensors" in refused(toy_weights)


@pytest.mark.parametrize(
    ("file", "key", "value", "said"),
    [
        ("codec", "sample_rate", 0, "sample_rate is 8000 to 192000, got 0"),
        ("codec", "sample_rate", 1, "sample_rate is 8000 to 192000, got 1"),
        ("codec", "window", 0, "window is 1 to"),
        ("codec", "step", 10_000, "impossible sizes"),
        ("generator", "window", 0, "window is 1 to"),
        ("generator", "frame_rate", float("nan"), "NaN is no number"),
        ("generator", "frame_rate", float("inf"), "Infinity is no number"),
        ("generator", "frame_rate", 1e300, "impossible frame_rate"),
        ("generator", "trim_db", [float("-inf")] * 4, "-Infinity is no number"),
    ],
)
def test_sizes_and_numbers_that_cannot_be_are_named(
    toy_weights: Path, file: str, key: str, value: object, said: str
) -> None:
    """Catches a header that loads and then ends playing in a traceback, or whose NaN becomes a gain."""
    path = toy_weights / f"{file}.safetensors"
    header = checks.check(path.read_bytes(), file).metadata
    config = json.dumps(json.loads(header["config"]) | {key: value})
    changed = {**header, "config": config}
    changed.pop(checks.DIGEST)
    write(path, safetensors.torch.load_file(path), **changed)
    assert said in refused(toy_weights)


def test_tensors_that_do_not_fit_their_configuration(toy_weights: Path) -> None:
    path = toy_weights / "codec.safetensors"
    config, tensors = modules.read_weights(path, "codec")
    header = {"format": modules.FORMAT, "kind": "codec"}
    write(path, tensors, config=json.dumps(config | {"features": 32}), **header)
    assert "do not fit" in refused(toy_weights)
    write(path, {k: t for k, t in tensors.items() if "head" not in k}, config=json.dumps(config), **header)
    assert "decoder.head" in refused(toy_weights)


def test_weights_that_are_no_pair(toy_weights: Path) -> None:
    config = CodecConfig(
        hop=480, window=480, step=120, low_bins=48, high_bands=16, latent=9, features=16, depth=1
    )
    modules.save_weights(toy_weights / "codec.safetensors", Codec(config), kind="codec", config=config)
    assert "not a pair" in refused(toy_weights)


def test_an_unknown_name_lists_what_there_is(shipping: Path) -> None:
    assert "unknown model 'nobody'; there are: toy" in refused("nobody")
    assert "unknown model" in refused("x" * 5000)


def test_a_copy_without_weights_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "weights_folder", lambda: tmp_path)
    assert manifest.available() == []
    assert "no model ships" in refused(None)
    assert "there are: none" in refused("liveband")


@pytest.fixture
def shipping(toy_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy weights as if they shipped, with a manifest; another model is listed first."""
    files = ("codec.safetensors", "generator.safetensors")
    sums = "\n".join(f'"{name}" = "{manifest.sha256(toy_weights / name)}"' for name in files)
    fields = 'codec = "codec.safetensors"\ngenerator = "generator.safetensors"\nrecipe = "tiny"\n'
    (toy_weights / "manifest.toml").write_text(
        f'[another]\n{fields}description = "x"\n[another.sha256]\n{sums}\n'
        f'[toy]\n{fields}description = "a toy"\ndefault = true\n[toy.sha256]\n{sums}\n'
    )
    monkeypatch.setattr(manifest, "weights_folder", lambda: toy_weights)
    return toy_weights


def test_the_default_comes_first_and_loads_without_a_name(shipping: Path) -> None:
    assert [card.name for card in manifest.available()] == ["toy", "another"]
    assert loading.load().spec.name == "toy"
    assert loading.load("another").spec.name == "another"


def test_a_manifest_that_is_written_is_the_manifest_that_is_read(
    shipping: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of both versions: entries that an earlier release wrote keep their parts when a model is published beside them."""
    parts = {part: shipping / f"{part}.safetensors" for part in ("codec", "generator")}
    publishing.publish("new", parts, recipe="r", description='say "hi"', card="# new\n", folder=shipping)
    written = manifest.available(shipping)
    assert [(card.name, card.default, card.family) for card in written] == [
        ("new", True, "liveband"), ("toy", False, "liveband"), ("another", False, "liveband")
    ]  # fmt: skip
    assert written[0].description == 'say "hi"'
    assert [set(card.parts) for card in written] == [set(parts)] * 3
    assert {loading.load(name).spec.name for name in ("new", "toy")} == {"new", "toy"}
    again = loading.load(str(shipping))  # the folder by itself: its default
    assert again.spec.name == "new"
    beside = publishing.publish(
        "beside", parts, recipe="r", description="", card="# beside\n", folder=shipping, default=False
    )
    assert beside.parts == written[1].parts, "a file that another model has is kept once"
    assert [(card.name, card.default) for card in manifest.available(shipping)][::3] == [
        ("new", True),
        ("beside", False),
    ]
    assert loading.load("beside").spec.name == "beside"


@pytest.mark.parametrize("parts", ["codec = 5", 'codec = ["a"]', ""])
def test_a_damaged_manifest_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: str
) -> None:
    (tmp_path / "manifest.toml").write_text(
        f'[x]\nfamily = "liveband"\nrecipe = ""\ndescription = ""\ndefault = true\n[x.parts]\n{parts}\n'
        + ("" if not parts else '[x.sha256]\na = "b"\n')
    )
    monkeypatch.setattr(manifest, "weights_folder", lambda: tmp_path)
    assert "damaged" in refused(None)


def test_a_manifest_names_files_beside_it_and_families_that_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's folder must not make another folder's files its parts."""
    monkeypatch.setattr(manifest, "weights_folder", lambda: tmp_path)
    entry = '[x]\nfamily = "{}"\nrecipe = ""\ndescription = ""\ndefault = true\n[x.parts]\ncodec = "{}"\n[x.sha256]\n'
    (tmp_path / "manifest.toml").write_text(entry.format("liveband", "../codec.safetensors"))
    assert "files beside it" in refused(None)
    (tmp_path / "manifest.toml").write_text(entry.format("../evil", "codec.safetensors"))
    assert "unknown family '../evil'; there are: cam, codec_lm, liveband" in refused(None)


def test_one_changed_byte_is_noticed(shipping: Path) -> None:
    """A flipped weight bit loads well and sounds wrong: only the checksum can tell."""
    path = shipping / "generator.safetensors"
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    assert "generator.safetensors differ from the manifest" in refused(None)


@pytest.mark.weights
def test_the_shipped_weights_match_their_manifest() -> None:
    cards = manifest.available()
    assert [card.default for card in cards].count(True) == 1
    for card in cards:
        assert {*card.parts.values(), *card.graphs.values()} == set(card.sha256)
        for name, digest in card.sha256.items():
            assert manifest.sha256(manifest.weights_folder() / name) == digest
        assert (loading.load(card.name)).spec.name == card.name


def test_a_mean_of_generators(toy_weights: Path, toy_accompanist: Band, tmp_path: Path) -> None:
    """A later file may have what an earlier one lacks; other sizes are refused."""
    plain = toy_accompanist.generator
    torch.manual_seed(1)
    steered = Generator(replace(plain.config, steered=True))
    later = save_weights(
        tmp_path / "later.safetensors", steered, kind="liveband-generator", config=steered.config
    )
    out = publishing.average(
        GENERATOR, [toy_weights / "generator.safetensors", later], tmp_path / "mean.safetensors"
    )
    config, mean = modules.read_weights(out, "liveband-generator")
    assert config["steered"] is True
    torch.testing.assert_close(mean["play.weight"], (plain.play.weight + steered.play.weight) / 2)
    assert torch.equal(mean["steer.0.weight"], steered.state_dict()["steer.0.weight"])
    with pytest.raises(LiveBandModelError, match="2 files or more"):
        publishing.average(GENERATOR, [later], out)
    wide = Generator(replace(plain.config, features=64))
    other = save_weights(tmp_path / "other.safetensors", wide, kind="liveband-generator", config=wide.config)
    with pytest.raises(LiveBandModelError, match="different sizes"):
        publishing.average(GENERATOR, [later, other], out)


def test_a_full_disk_leaves_the_manifest_that_was_there(tmp_path: Path) -> None:
    """It was written over in place: cut in the middle, none of the folder's models was found any more."""
    (tmp_path / "a.safetensors").write_bytes(b"x")
    card = manifest.write_manifest(tmp_path, "toy", ["a"], recipe="r", description="d")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            manifest.write_manifest(tmp_path, "toy", ["a"], recipe="r", description="d")
        with pytest.raises(OSError, match="too large"):
            manifest.rewrite_manifest([card, card], tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert manifest.available(tmp_path) == [card]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors", "manifest.toml"]


def test_memory_is_known_before_a_model_is_loaded(toy_weights: Path, toy_accompanist: Band) -> None:
    """A server that says what a model will take must not load it to find out; what was measured counts more."""
    modules.save_weights(
        toy_weights / "codec.safetensors",
        toy_accompanist.codec,
        kind="codec",
        config=toy_accompanist.codec.config,
        half=True,
    )
    tensors = [
        tensor
        for part in (toy_accompanist.codec, toy_accompanist.generator)
        for tensor in part.state_dict().values()
    ]
    wanted = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    assert manifest.locate(str(toy_weights)).memory_bytes == wanted
    card = manifest.write_manifest(
        toy_weights, "liveband", ("codec", "generator"), recipe="r", description=""
    )
    assert manifest.locate(str(toy_weights)).memory_bytes == wanted
    manifest.rewrite_manifest([replace(card, memory_bytes=123_456_789)], toy_weights)
    assert manifest.locate(str(toy_weights)).memory_bytes == 123_456_789
    (toy_weights / "manifest.toml").unlink()
    (toy_weights / "codec.safetensors").write_bytes(b"cut")
    assert 0 < manifest.locate(str(toy_weights)).memory_bytes < wanted
