# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband models` and `liveband train` as a user types them."""

import json
from pathlib import Path

import pytest

from lbmodels.commands import override
from lbmodels.errors import LiveBandModelError
from lbmodels.weights import manifest
from lbserver import cli

FILES = ("codec.safetensors", "generator.safetensors")


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that a command fails with, exit code 2."""
    assert cli.main([str(a) for a in arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("liveband: error: ")
    return lines[0]


@pytest.fixture
def shipping(toy_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy weights as if they shipped."""
    sums = "\n".join(f'"{name}" = "{manifest.sha256(toy_weights / name)}"' for name in FILES)
    (toy_weights / "manifest.toml").write_text(
        f'[toy]\ncodec = "{FILES[0]}"\ngenerator = "{FILES[1]}"\nrecipe = "tiny"\n'
        f'description = "a toy"\ndefault = true\n[toy.sha256]\n{sums}\n'
    )
    monkeypatch.setattr(manifest, "weights_folder", lambda: toy_weights)
    return toy_weights


def test_list(shipping: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models", "list"]) == 0
    assert capsys.readouterr().out == "toy (default): a toy\n"
    assert cli.main(["models", "list", "--json"]) == 0
    (card,) = json.loads(capsys.readouterr().out)
    assert card["name"] == "toy"
    assert set(card["sha256"]) == set(FILES)


def test_info_of_the_default_and_of_a_folder(
    shipping: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also which runtime is used, first, and what a frame costs on each."""
    assert cli.main(["models", "info", "--json"]) == 0
    by_default = json.loads(capsys.readouterr().out)
    timed = by_default.pop("runtimes")
    assert [(one["runtime"], one["used"]) for one in timed] == [("onnx", True), ("torch", False)]
    assert all(one["ms_per_frame"] > 0 and one["rtf"] > 0 for one in timed)
    assert by_default["hop"] == 480
    assert by_default["controls"][0]["name"] == "variation"
    monkeypatch.setenv("LIVEBAND_RUNTIME", "torch")
    assert cli.main(["models", "info", str(shipping), "--json"]) == 0
    by_folder = json.loads(capsys.readouterr().out)
    assert [one["runtime"] for one in by_folder.pop("runtimes")] == ["torch", "onnx"]
    assert by_folder == by_default
    assert cli.main(["models", "info"]) == 0
    printed = capsys.readouterr().out
    assert "anticipation_frames" in printed
    assert "memory_mib" in printed
    lines = [line for line in printed.splitlines() if line.startswith("runtime")]
    assert lines[0].split()[1] == "torch:"
    assert [line.endswith("(used)") for line in lines] == [True, False]


def test_verify_finds_damage_and_absence(shipping: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models", "verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == dict.fromkeys(FILES, True)
    data = bytearray((shipping / FILES[1]).read_bytes())
    data[-10] ^= 4
    (shipping / FILES[1]).write_bytes(data)
    assert cli.main(["models", "verify", "--json"]) == 2
    assert json.loads(capsys.readouterr().out) == {FILES[0]: True, FILES[1]: False}
    (shipping / FILES[0]).unlink()
    assert "missing or differ" in fails(capsys, "models", "verify")


@pytest.mark.parametrize("damage", ["truncated", "foreign", "missing"])
def test_bad_weights_end_a_command_with_one_line(
    toy_weights: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    path = toy_weights / FILES[1]
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "foreign":
        path.write_bytes((toy_weights / FILES[0]).read_bytes())
    else:
        path.unlink()
    assert FILES[1] in fails(capsys, "models", "info", toy_weights)


def test_an_unknown_model(shipping: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there are: toy" in fails(capsys, "models", "info", "nobody")


@pytest.mark.parametrize(
    ("setting", "tables"),
    [
        ("loop.steps=100", {"loop": {"steps": 100}}),
        ("loop.learning_rate = 3e-4", {"loop": {"learning_rate": 3e-4}}),
        ("start_from=runs/codec.safetensors", {"start_from": "runs/codec.safetensors"}),
        ('data.root="a b"', {"data": {"root": "a b"}}),
        ("data.root=a=b", {"data": {"root": "a=b"}}),
        ("critic.dilations=[1, 2]", {"critic": {"dilations": [1, 2]}}),
        ("train_encoder=false", {"train_encoder": False}),
        ("a.b.c=1", {"a": {"b": {"c": 1}}}),
    ],
)
def test_settings_are_toml_or_plain_text(setting: str, tables: dict) -> None:
    found: dict[str, object] = {}
    override(found, setting)
    assert found == tables


@pytest.mark.parametrize("setting", ["loop.steps", "=3", "loop.=3", "", "size.inner=3", "a..b=1"])
def test_settings_of_another_form_are_refused(setting: str) -> None:
    with pytest.raises(LiveBandModelError, match="--set"):
        override({"size": 3}, setting)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["codec", "--set", "loop.stepz=3"], "unknown key 'stepz'"),
        (["codec", "--set", "loop.steps=many"], "steps must be a whole number"),
        (["codec", "--set", "nonsense"], "KEY=VALUE"),
        (["codec", "--recipe", "huge"], "no recipe 'huge'"),
        (["codec", "--codec", "x"], "--codec is for"),
        (["liveband", "--codec", "nowhere.safetensors"], "weights not found"),
    ],
)
def test_mistakes_in_train_end_with_one_line(
    arguments: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert complaint in fails(capsys, "train", *arguments, "--data", tmp_path, "--out", out)
    assert not (out / "codec.safetensors").exists()
