# SPDX-License-Identifier: GPL-3.0-or-later
"""Published checkpoints are read whole or refused in words, and nothing in them is run."""

import os
import pickle
import resource
import shutil
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from lbmodels.errors import LiveBandModelError
from lbmodels.families.streamgen import published, published_lm
from lbmodels.families.streamgen.codec import Dac, DacConfig
from lbmodels.families.streamgen.decoder import Decoder, DecoderConfig
from lbmodels.families.streamgen.importing import CODEC_KIND, DECODER_KIND, import_model, read_arguments
from lbmodels.families.streamgen.trunk import TrunkConfig
from lbmodels.parity import rule
from lbmodels.weights.manifest import available, sha256
from lbmodels.weights.modules import read_weights
from lbserver import cli

CODEC = DacConfig(
    encoder_dim=4,
    decoder_dim=32,
    strides=(4, 4, 5, 8),
    latent_dim=64,
    levels=5,
    codebook_size=24,
    codebook_dim=4,
)
TRUNK = TrunkConfig(dim=64, depth=2, heads=2, kv_heads=1, dim_head=32, feedforward=64, rotary=32, window=41)


def codec_tensors() -> dict[str, torch.Tensor]:
    shapes = published.dac_shapes(CODEC, Dac(CODEC))
    return {name: torch.from_numpy(array) for name, array in rule.weights(shapes).items()}


def decoder_tensors(**changes: object) -> dict[str, torch.Tensor]:
    config = DecoderConfig(trunk=TRUNK, tokens=43, input_dim=64, **{"future_visibility": -5} | changes)
    shapes = published.shapes_of(published_lm.decoder_names(config), Decoder(config))
    return {name: torch.from_numpy(array) for name, array in rule.weights(shapes).items()}


def lightning(tensors: dict[str, torch.Tensor], codec: dict[str, torch.Tensor]) -> dict[str, object]:
    """As the published program saves: compile prefix, codec inside, optimiser states."""
    state = OrderedDict((f"model._orig_mod.{name}", tensor) for name, tensor in tensors.items())
    state |= {f"tokenizer.model.{name}": tensor for name, tensor in codec.items()}
    moments = {0: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(4), "exp_avg_sq": torch.zeros(4)}}
    return {
        "epoch": 0,
        "global_step": 100_000,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": state,
        "optimizer_states": [{"state": moments, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.95)}]}],
        "lr_schedulers": [],
    }


ARGS = """DecoderTransformer.dim: 64
DecoderTransformer.future_visibility: -5
DecoderTransformer.max_seq_len: 41
DecoderTransformer.cond_method: add
AdamW.betas: !!python/tuple [0.9, 0.95]
train.seed: 0
"""


class Files(SimpleNamespace):
    codec: Path
    lm: Path
    args: Path
    out: Path

    def run(self, kind: str = "streamgen") -> object:
        return import_model(kind, self.codec, self.lm, self.args, self.out)


@pytest.fixture(scope="module")
def published_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    torch.save(
        {"state_dict": codec_tensors(), "metadata": {"kwargs": {"sample_rate": 32_000}}}, folder / "dac.pth"
    )
    torch.save(lightning(decoder_tensors(), codec_tensors()), folder / "step=1.ckpt")
    (folder / "args.yml").write_text(ARGS)
    return folder


@pytest.fixture
def files(published_files: Path, tmp_path: Path) -> Files:
    folder = Path(shutil.copytree(published_files, tmp_path / "files"))
    return Files(
        codec=folder / "dac.pth", lm=folder / "step=1.ckpt", args=folder / "args.yml", out=tmp_path / "model"
    )


def test_a_published_pair_becomes_a_folder_with_its_card(files: Files) -> None:
    """Prefixes, optimiser states, weight norm: a loader that misses one of them refuses every real file."""
    done = files.run()
    assert (done.future_visibility, done.chunk, done.strides) == (-5, 1, (4, 4, 5, 8))
    config, tensors = read_weights(files.out / "decoder.safetensors", DECODER_KIND)
    assert config["trunk"]["window"] == 41
    assert torch.equal(tensors["gate"], decoder_tensors()["add_gate"])
    _, codec = read_weights(files.out / "tokens.safetensors", CODEC_KIND)
    told = codec_tensors()
    first = torch._weight_norm(told["encoder.block.1.weight_v"], told["encoder.block.1.weight_g"], 0)
    torch.testing.assert_close(codec["encoder.stack.layers.0.weight"], first)
    card = (files.out / "card.md").read_text()
    assert sha256(files.lm) in card
    assert "licence of the weights" in card


def test_the_codec_inside_the_language_model_serves_and_safetensors_too(files: Files, tmp_path: Path) -> None:
    """The published codec file is not at hand where only a model's folder was copied."""
    files.codec = files.lm
    files.run()
    flat = tmp_path / "flat.safetensors"
    save_file(decoder_tensors(), flat)
    other = Files(codec=files.codec, lm=flat, args=files.args, out=tmp_path / "other")
    other.run()
    for name in ("decoder", "tokens"):
        ours, theirs = (load_file(one.out / f"{name}.safetensors") for one in (files, other))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_chunks_and_positive_visibility_come_from_the_arguments(files: Files) -> None:
    """No shape tells k or a positive t_f: read from anywhere else, the model plays at the wrong place."""
    torch.save(lightning(decoder_tensors(future_visibility=5), {}), files.lm)
    files.args.write_text(ARGS.replace("-5", "5") + "OnlinePrefix.chunk_length: 10\n")
    done = files.run()
    assert (done.future_visibility, done.chunk) == (5, 10)


class Hostile:
    """Runs a command when it is unpickled by a reader that runs what it reads."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.target}",)


def rewrite(path: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    extra = change(entries)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [*entries.items(), *(extra if isinstance(extra, list) else [])]:
            archive.writestr(name, data)


def pickled(entries: dict[str, bytes]) -> str:
    return next(name for name in entries if name.endswith("data.pkl"))


def with_lm(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Files], None]:
    def spoil(files: Files) -> None:
        tensors = decoder_tensors()
        change(tensors)
        torch.save(lightning(tensors, codec_tensors()), files.lm)

    return spoil


def hostile(files: Files) -> None:
    torch.save(lightning(decoder_tensors(), {}) | {"hook": Hostile(files.lm.parent / "ran")}, files.lm)


def plain_pickle(files: Files) -> None:
    files.lm.write_bytes(pickle.dumps(Hostile(files.lm.parent / "ran")))


def deep(files: Files) -> None:
    nest: object = 0
    for _ in range(300):
        nest = [nest]
    torch.save({"state_dict": {}, "nest": nest}, files.lm)


def huge(files: Files) -> None:
    bias = torch.zeros(1).as_strided((1 << 40,), (0,))
    torch.save({"state_dict": {"model.ln_in.bias": bias}}, files.lm)


def twice(files: Files) -> None:
    tensors = decoder_tensors()
    state = lightning(tensors, {})
    state["state_dict"]["model.add_gate"] = tensors["add_gate"]
    torch.save(state, files.lm)


def entry_twice(files: Files) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        rewrite(files.lm, lambda entries: [(pickled(entries), entries[pickled(entries)])])


SPOILT: dict[str, tuple[Callable[[Files], object], str]] = {
    "truncated": (lambda f: f.lm.write_bytes(f.lm.read_bytes()[:-2000]), "damaged or no archive"),
    "empty": (lambda f: f.lm.write_bytes(b""), "is empty"),
    "no zip": (lambda f: f.lm.write_text("weights"), "no zip archive"),
    "absent": (lambda f: f.lm.unlink(), "not found"),
    "calls os.system": (hostile, "which is code"),
    "plain pickle": (plain_pickle, "no zip archive"),
    "deep": (deep, "nested deeper"),
    "huge tensor": (huge, "in a storage of 1 numbers"),
    "short numbers": (lambda f: rewrite(f.lm, lambda e: e.update({n: b"" for n in e if n.endswith("data/0")})), "are declared"),
    "no pickle": (lambda f: rewrite(f.lm, lambda e: e.pop(pickled(e)) and None), "no torch checkpoint"),
    "half a pickle": (lambda f: rewrite(f.lm, lambda e: e.__setitem__(pickled(e), e[pickled(e)][:-40])), "damaged"),
    "leads out": (lambda f: rewrite(f.lm, lambda _e: [("../../evil", b"x")]), "leads out of the archive"),
    "entry twice": (entry_twice, "is in it twice"),
    "tensor twice": (twice, "is in it twice"),
    "NaN": (with_lm(lambda t: t["add_gate"].__setitem__(3, float("nan"))), "add_gate has numbers that are NaN"),
    "missing": (with_lm(lambda t: t.pop("ln_fuse.bias")), "1 missing .ln_fuse.bias"),
    "missing layer": (with_lm(lambda t: t.pop("decoder.attn_layers.layers.2.1.to_q.weight")), "layers.2.1.to_q.weight"),
    "extra": (with_lm(lambda t: t.__setitem__("decoder.more", torch.zeros(2))), "1 extra .decoder.more"),
    "misshapen": (with_lm(lambda t: t.__setitem__("ln_out.bias", torch.zeros(63))), r"1 misshapen .ln_out.bias \(63,\) in place"),
    "whole numbers": (with_lm(lambda t: t.__setitem__("add_gate", torch.zeros(64, dtype=torch.int64))), "no fractions"),
    "no direction": (lambda f: torch.save({"state_dict": codec_tensors() | {"encoder.block.1.weight_v": torch.zeros(4, 1, 7)}}, f.codec), "encoder.block.1.weight has numbers that are NaN"),
    "codec for model": (lambda f: torch.save({"state_dict": codec_tensors()}, f.lm), "no StreamMusicGen language model"),
    "model for codec": (lambda f: torch.save(lightning(decoder_tensors(), {}), f.codec), "no causal DAC"),
    "other codec": (lambda f: torch.save({"state_dict": codec_tensors() | {"quantizer.quantizers.0.codebook.weight": torch.ones(24, 4)}}, f.codec), "another codec"),
    "other visibility": (lambda f: f.args.write_text(ARGS.replace("-5", "-4")), "future_visibility is -4"),
    "concatenation": (lambda f: f.args.write_text(ARGS.replace("add", "concat")), "cond_method is 'concat'"),
    "code in arguments": (lambda f: f.args.write_text("a: !!python/object/apply:os.system ['touch ran']"), "cannot be read"),
    "absurd arguments": (lambda f: f.args.write_text(ARGS + "x.chunk_length: 1.5"), "chunk_length is 1.5"),
    "folder exists": (lambda f: (f.out.mkdir(), (f.out / "mine").write_text("")), "exists"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_damaged_or_hostile_is_refused_in_words_and_not_run(files: Files, name: str) -> None:
    """A loader that unpickles runs a stranger's code; one that skips what it misses plays noise."""
    spoil, words = SPOILT[name]
    spoil(files)
    with pytest.raises(LiveBandModelError, match=words) as caught:
        files.run()
    assert "\n" not in str(caught.value)
    assert not (files.lm.parent / "ran").exists()
    assert not (files.out / "decoder.safetensors").exists()


def test_the_kinds_are_told_apart(files: Files) -> None:
    """A model without beats under SilentMetronome's name would seem to follow a metronome that it does not hear."""
    with pytest.raises(LiveBandModelError, match="liveband models import streamgen"):
        files.run("silentmetronome")


def test_arguments_that_classes_tell_alike_are_taken_and_others_not(tmp_path: Path) -> None:
    """argbind writes one argument for each class that has it."""
    path = tmp_path / "args.yml"
    path.write_text("A.future_visibility: 0\nB.future_visibility: 0\n")
    assert read_arguments(path)["future_visibility"] == 0
    path.write_text("A.future_visibility: 0\nB.future_visibility: 1\n")
    with pytest.raises(LiveBandModelError, match="twice"):
        read_arguments(path)


def test_the_command_says_what_it_made(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    """The command and its options, as the README has them."""
    given = ["--lm", str(files.lm), "--args", str(files.args), "-o", str(files.out), "--json"]
    assert cli.main(["models", "import", "streamgen", *given]) == 0
    assert '"future_visibility": -5' in capsys.readouterr().out
    given = ["--lm", str(files.lm), "--args", str(files.args), "-o", str(files.out.parent / "other")]
    assert cli.main(["models", "import", "silentmetronome", *given]) == 2
    assert "is a streamgen model, not silentmetronome" in capsys.readouterr().err


def test_a_full_disk_leaves_nothing_and_the_next_try_succeeds(files: Files) -> None:
    """Half a folder stayed, and the next try said that it exists."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(LiveBandModelError, match="cannot be written"):
            files.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in files.out.parent.iterdir()] == ["files"]
    files.run()
    assert available(files.out)[0].name == "model"
