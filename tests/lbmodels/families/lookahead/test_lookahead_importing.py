# SPDX-License-Identifier: GPL-3.0-or-later
"""Published checkpoints become folders that play; what is damaged, hostile or another model's is refused in words."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from lbmodels.errors import LiveBandModelError
from lbmodels.families import loading
from lbmodels.families.lookahead import published
from lbmodels.families.lookahead.family import PUBLISHED
from lbmodels.families.lookahead.importing import import_model, sizes_of
from lbmodels.families.lookahead.published_accompanist import PublishedAccompanist
from lbmodels.families.lookahead.song_unet import SongUNet, SongUNetConfig
from lbmodels.families.lookahead.window import Window
from lbmodels.streaming.state import from_bytes, to_bytes
from lbmodels.weights.modules import read_weights
from lbserver import cli

SMALL = SongUNetConfig(
    resolution=16, model_channels=16, channel_mult=(1, 2), num_blocks=1, attn_resolutions=(8,)
)


@pytest.fixture
def state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return SongUNet(SMALL).state_dict()


def checkpoint(path: Path, state: dict[str, Tensor], *prefixes: str, **beside: object) -> Path:
    table = {prefix + name: value for prefix in prefixes for name, value in state.items()}
    torch.save({"state_dict": table, "optimizer_states": [{"lr": 1e-4}], **beside}, path)
    return path


@pytest.mark.parametrize(
    ("prefixes", "tier"),
    [
        (("model.unet.", "model.diffusion.net."), "teacher"),
        (("net.model.unet.", "target_model.model.unet.", "teacher_model.model.unet."), "student"),
    ],
)
def test_a_training_checkpoint_gives_its_network(
    tmp_path: Path, state: dict[str, Tensor], prefixes: tuple[str, ...], tier: str
) -> None:
    """The same tensors under several names: the wrong ones are the teacher's, or a slow average."""
    lies = {prefix + name: value + 1 for prefix in prefixes[1:] for name, value in state.items()}
    right = {prefixes[0] + name: value for name, value in state.items()}
    table = checkpoint(tmp_path / "last.ckpt", right | lies, "")
    done = import_model(table, tmp_path / "out")
    assert (done.tier, done.codec) == (tier, False)
    assert done.left_out == len(state) * (len(prefixes) - 1)
    tensors = safetensors.torch.load_file(tmp_path / "out" / "published.safetensors")
    assert all(torch.equal(tensors[name], value) for name, value in state.items())
    with pytest.raises(LiveBandModelError, match="--codec music2latent"):
        loading.load(str(tmp_path / "out"))
    card = (tmp_path / "out" / "card.md").read_text()
    assert "not for commercial use" in card
    assert "zenodo" in card
    with pytest.raises(LiveBandModelError, match="new folder"):
        import_model(table, tmp_path / "out")


@pytest.mark.parametrize("late", [False, True])
def test_the_command_as_it_is_typed(
    tmp_path: Path, state: dict[str, Tensor], capsys: pytest.CaptureFixture[str], late: bool
) -> None:
    """It read an option that its parser did not have, and so always failed."""
    path = checkpoint(tmp_path / "last.ckpt", state, "model.unet.")
    given = ["--checkpoint", str(path), "-o", str(tmp_path / "out"), "--json"]
    assert cli.main(["models", "import", "lookahead", *given, *(["--as-published"] if late else [])]) == 0
    assert '"teacher"' in capsys.readouterr().out
    assert read_weights(tmp_path / "out" / "published.safetensors", PUBLISHED.kind)[0]["as_published"] is late


def test_sizes_are_told_by_shapes(state: dict[str, Tensor], tmp_path: Path) -> None:
    for config in (
        SMALL,
        SongUNetConfig(model_channels=16),
        SongUNetConfig(model_channels=8, label_dim=6, num_blocks=2),
    ):
        with torch.device("meta"):
            shapes = {name: tuple(value.shape) for name, value in SongUNet(config).state_dict().items()}
        assert sizes_of(shapes, tmp_path) == config


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch hostile",)


def _with(name: str, change: Callable[[Tensor], Tensor]) -> Callable[[Path, dict[str, Tensor]], Path]:
    return lambda path, state: checkpoint(path, state | {name: change(state[name])}, "model.unet.")


def _cut(path: Path, state: dict[str, Tensor]) -> Path:
    checkpoint(path, state, "model.unet.")
    path.write_bytes(path.read_bytes()[:-4000])
    return path


def _text(path: Path, state: dict[str, Tensor]) -> Path:
    path.write_text("version https://git-lfs.github.com/spec/v1")
    return path


BAD: dict[str, tuple[Callable[[Path, dict[str, Tensor]], Path], str]] = {
    "truncated": (_cut, "damaged|no zip"),
    "text": (_text, "no zip archive"),
    "empty": (lambda path, state: (path.touch(), path)[1], "is empty"),
    "not there": (lambda path, state: path, "not found"),
    "NaN": (_with("map_label.weight", lambda value: value * float("nan")), "NaN"),
    "whole numbers": (_with("map_label.bias", lambda value: value.long()), "no fractions"),
    "another shape": (_with("dec.8x8_in1.conv0.weight", lambda value: value[:5]), "misshapen"),
    "missing": (
        lambda path, state: checkpoint(
            path, {name: value for name, value in state.items() if "in1.norm0" not in name}, "model.unet."
        ),
        "2 missing",
    ),
    "extra": (
        lambda path, state: checkpoint(path, state | {"enc.more": torch.zeros(2)}, "model.unet."),
        "1 extra",
    ),
    "another model": (lambda path, state: checkpoint(path, {"x": torch.zeros(2)}, "model.lm."), "no U-Net"),
    "no sizes": (lambda path, state: checkpoint(path, {"x": torch.zeros(2)}, "model.unet."), "tell no sizes"),
    "unnamed tier": (lambda path, state: checkpoint(path, state, ""), "--tier"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_checkpoints_are_refused_in_words(tmp_path: Path, state: dict[str, Tensor], what: str) -> None:
    """A half-read checkpoint plays noise; a file of another model a traceback."""
    make, words = BAD[what]
    with pytest.raises(LiveBandModelError, match=words):
        import_model(make(tmp_path / "last.ckpt", state), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_pickled_beside_the_tensors_is_not_run(
    tmp_path: Path, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training checkpoints hold pickled objects; theirs may be anybody's."""
    monkeypatch.chdir(tmp_path)
    path = checkpoint(tmp_path / "last.ckpt", state, "model.unet.", hyper_parameters=Hostile())
    assert import_model(path, tmp_path / "out").tier == "teacher"
    assert not (tmp_path / "hostile").exists()


def test_tensors_alone_need_the_tier(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = tmp_path / "unet.safetensors"
    safetensors.torch.save_file({name: value.contiguous() for name, value in state.items()}, path)
    assert import_model(path, tmp_path / "out", tier="student").tier == "student"


def test_without_the_package_it_is_said_what_to_install(
    tmp_path: Path, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "music2latent", None)
    monkeypatch.setitem(sys.modules, "music2latent.inference", None)
    path = checkpoint(tmp_path / "last.ckpt", state, "model.unet.")
    with pytest.raises(LiveBandModelError, match="pip install music2latent"):
        import_model(path, tmp_path / "out", codec=path)
    assert not (tmp_path / "out").exists()


class Blocks(nn.Module):
    """A codec of known answers: column c of channel 0 is the mean of its 4096 samples, and decodes to as many."""

    def encode(self, audio: Tensor) -> Tensor:
        columns = audio[:, :-1536].unflatten(1, (-1, 4096)).mean(-1)
        return torch.cat([columns[:, None], torch.zeros(len(audio), 15, columns.shape[1])], dim=1)

    def decode(self, latents: Tensor, seeds: Tensor) -> Tensor:
        del seeds
        audio = latents[:, 0].repeat_interleave(4096, dim=1)
        return torch.cat([audio, audio[:, -1:].expand(-1, 1536)], dim=1)


def told(rows: int, ahead: int) -> dict[str, Tensor]:
    return {
        "stem": torch.arange(rows).float().view(rows, 1, 1).expand(rows, 2, 1),
        "anticipation": torch.full((rows, 2, 1), float(ahead)),
    }


@pytest.mark.parametrize("tier", [published.TEACHER, published.STUDENT])
def test_the_published_model_plays_by_the_contract(tier: published.Tier) -> None:
    """Rows alone, the future unheard, a snapshot that goes on to the bit."""
    torch.manual_seed(3)
    network = SongUNet(SMALL).eval().requires_grad_(False)
    model = PublishedAccompanist("p", network, Blocks(), tier, window=Window(ratio=0.125))
    mix = 0.3 * torch.randn(2, 1, 6 * 2 * 4096)
    changed = mix.clone()
    changed[1, :, 3 * 2 * 4096 :] = 0.0
    on = torch.ones(2, dtype=torch.bool)

    def play(mix: Tensor) -> Tensor:
        state, out = model.init_state([1, 2]), []
        for part in mix.split(2 * 4096, dim=-1):
            state = from_bytes(to_bytes(state), model.init_state([0, 0]))
            stem, state = model.step(part, told(2, 2), state, on)
            out.append(stem)
        return torch.cat(out, dim=-1)

    one, other = play(mix), play(changed)
    assert torch.isfinite(one).all()
    assert one.std() > 1e-3
    assert torch.equal(one[0], other[0])
    same = 3 * 2 * 4096
    assert torch.equal(one[1, :, :same], other[1, :, :same])
    assert not torch.equal(one[1, :, same:], other[1, :, same:])


def test_as_published_is_late_by_what_the_published_server_is() -> None:
    network = SongUNet(SongUNetConfig(model_channels=8, num_blocks=1)).eval()
    for ratio, late_ms in ((0.25, 40.9), (0.125, 47.9)):
        window = Window(ratio=ratio)
        late, right = (
            PublishedAccompanist(
                "p", network, Blocks(), published.TEACHER, window=window, as_published=switch
            )
            for switch in (True, False)
        )
        assert right.late == 0
        assert late.late / 44.1 == pytest.approx(late_ms, abs=0.1)
