# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband models import mrt2`: what is checked, what is refused, and what the folder holds."""

import resource
from pathlib import Path

import pytest
import safetensors.torch
import torch

from lbmodels.errors import LiveBandModelError
from lbmodels.families.livemusic import model_folder, published
from lbmodels.families.livemusic.depthformer import Depthformer, DepthformerConfig, StackConfig
from lbmodels.families.livemusic.spectrostream import Decoder, Encoder, Quantiser
from lbserver import cli

CONFIG = DepthformerConfig(
    cond_dim=8, temporal=StackConfig(layers=1, dim=8, ff=8, heads=2, dim_per_head=4),
    depth=StackConfig(layers=1, dim=6, ff=8, heads=1, dim_per_head=6), past_window=3, codes=8, style_width=4,
)  # fmt: skip
NARROW = (4, 8, 4, 4, 4, 4, 4, 4)


def keys(module: torch.nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    """Tensors as they are published: slashes, and convolutions' kernels [height, width, in, out]."""
    turned = published._turned(module)
    found = {}
    for path, value in module.state_dict().items():
        if path in turned:
            value = value.flip(2, 3).permute(2, 3, 0, 1) if turned[path] else value.permute(2, 3, 1, 0)
        found[prefix + path.replace(".", "/")] = value.contiguous()
    return found


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, torch.Tensor]]:
    """A small checkpoint and resources; the codec's published widths are narrowed, the code is the same."""
    torch.manual_seed(0)
    parts = Decoder(NARROW, 4), Quantiser(3, 8, 4), Encoder((4,) * 7, 4)
    monkeypatch.setattr(model_folder, "Decoder", lambda: Decoder(NARROW, 4))
    monkeypatch.setattr(model_folder, "Encoder", lambda: Encoder((4,) * 7, 4))
    joint = published.JOINT_SPECTROSTREAM
    checkpoint = {
        **keys(Depthformer(CONFIG), published.DEPTHFORMER),
        **keys(parts[0], f"{joint}decoder/"),
        **keys(parts[1], f"{joint}quantizer/"),
    }
    (tmp_path / "resources/spectrostream").mkdir(parents=True)
    encoder = keys(parts[2], "params/encoder/")
    safetensors.torch.save_file(encoder, tmp_path / "resources/spectrostream/encoder.safetensors")
    safetensors.torch.save_file(checkpoint, tmp_path / "some.safetensors")
    return {"checkpoint": checkpoint, "encoder": encoder}


def test_a_folder_plays_what_the_files_say(files: dict[str, dict[str, torch.Tensor]], tmp_path: Path) -> None:
    """Kernels that were turned once too often, or levels in another order, would import without a word."""
    out = tmp_path / "mrt2"
    told = list(model_folder.make(tmp_path / "some.safetensors", tmp_path / "resources", out, past_window=3))
    assert "CC BY 4.0" in told[-1]
    card = (out / "card.md").read_text()
    assert "CC BY 4.0" in card
    assert "not real time on a CPU" in card
    loaded = model_folder.load(out)
    assert loaded.language_model.config == CONFIG
    assert loaded.encoder is not None
    again = keys(loaded.decoder, f"{published.JOINT_SPECTROSTREAM}decoder/")
    assert all(torch.equal(files["checkpoint"][key], value) for key, value in again.items())
    (out / "checkpoint.safetensors").write_bytes((out / "checkpoint.safetensors").read_bytes()[:-4] + b"abcd")
    with pytest.raises(LiveBandModelError, match="was changed; import it again"):
        model_folder.load(out)


def test_half_precision_is_read(files: dict[str, dict[str, torch.Tensor]], tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    safetensors.torch.save_file({k: v.bfloat16() for k, v in files["checkpoint"].items()}, path)
    out = tmp_path / "half"
    assert "no encoder" in list(model_folder.make(path, None, out, past_window=3))[1]
    assert next(model_folder.load(out).language_model.parameters()).dtype == torch.float32


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("window", "neither small .* nor base .*--past-window"),
        ("missing", r"1 missing \(params/soundstream/decoder/output_layer/base_conv_last/conv/bias\)"),
        ("extra", "left over: params/other/bias"),
        ("nan", "holds numbers that are not finite"),
        ("shape", r"1 misshapen .*encoder_ln/bias \(3,\) in place of \(8,\)"),
        ("integers", "accepted are BF16, F16, F32"),
        ("nothing", "impossible sizes"),
        ("giant", "impossible sizes"),
        ("truncated", "truncated"),
        ("pickle", "not safetensors"),
        ("empty", "truncated, not safetensors"),
        ("absent", "cannot be read"),
    ],
)
def test_what_is_refused_is_named(
    files: dict[str, dict[str, torch.Tensor]], tmp_path: Path, damage: str, message: str
) -> None:
    """A half-imported model would play noise; a hostile file must not be run, and nothing is left behind."""
    path, tensors = tmp_path / "bad.safetensors", dict(files["checkpoint"])
    scale = "params/depthformer/encoder/body/encoder_ln/bias"
    if damage == "missing":
        del tensors["params/soundstream/decoder/output_layer/base_conv_last/conv/bias"]
    if damage == "extra":
        tensors["params/other/bias"] = torch.zeros(2)
    if damage == "nan":
        tensors[scale] = torch.full((8,), float("nan"))
    if damage == "shape":
        tensors[scale] = torch.zeros(3)
    if damage == "integers":
        tensors[scale] = torch.zeros(8, dtype=torch.int32)
    layer = "params/depthformer/decoder/temporal_body/transformer/x_layers_0/"
    if damage == "nothing":
        tensors[f"{layer}self_attention/attention/query_projection/kernel"] = torch.zeros(8, 0, 4)
    if damage == "giant":  # each tensor small, what they ask for together is not
        tensors[f"{layer}self_attention/attention/query_projection/kernel"] = torch.zeros(2**18, 1, 1)
        tensors[f"{layer}ffn/ffn_layer1/kernel"] = torch.zeros(1, 2**18)
    safetensors.torch.save_file(tensors, path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    if damage == "pickle":
        path.write_bytes(b"cos\nsystem\n(S'touch /tmp/owned'\ntR." * 10)
    if damage == "empty":
        path.write_bytes(b"")
    if damage == "absent":
        path.unlink()
    with pytest.raises(LiveBandModelError, match=message):
        list(model_folder.make(path, None, tmp_path / "out", past_window=None if damage == "window" else 3))
    assert not (tmp_path / "out").exists()


def test_a_folder_of_somebody_else_is_left_alone(
    files: dict[str, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("x")
    with pytest.raises(LiveBandModelError, match="no model folder of ours"):
        list(model_folder.make(tmp_path / "some.safetensors", None, tmp_path / "mine", past_window=3))


def test_the_command_says_in_one_line_what_is_wrong(
    files: dict[str, dict[str, torch.Tensor]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["models", "import", "mrt2", "-o", str(tmp_path / "x"), "--past-window", "3", "--checkpoint"]
    assert cli.main([*given, str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert "none cannot be read: no such file or directory" in said
    assert said.count("\n") == 1
    assert cli.main([*given, str(tmp_path / "some.safetensors")]) == 0


def test_a_full_disk_leaves_nothing_and_the_folder_that_was_there(
    files: dict[str, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    """Half a folder stayed, of which the next try said that it is none of ours."""
    source, out = tmp_path / "some.safetensors", tmp_path / "out"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for tries in range(2):  # the second time a whole folder is there
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            with pytest.raises(OSError, match="too large"):
                list(model_folder.make(source, None, out, past_window=3))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert out.exists() == bool(tries)
        assert not list(tmp_path.glob("*.part"))
        list(model_folder.make(source, None, out, past_window=3))
        assert model_folder.load(out).language_model.config == CONFIG
