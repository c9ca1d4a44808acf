# SPDX-License-Identifier: GPL-3.0-or-later
"""What ships plays where torch is not installed, and plays what torch would."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from lbmodels.errors import LiveBandModelError
from lbmodels.runtime import cache, opening
from lbmodels.runtime.engines import graphs, open_engine
from lbmodels.runtime.graph import GraphAccompanist
from lbmodels.runtime.manifest import from_json
from lbmodels.runtime.memory import measured_bytes
from lbmodels.runtime.timing import noise, told
from lbmodels.weights.manifest import locate, sha256

pytestmark = pytest.mark.weights

SHIPPED = {"settings": 169, "step": 1218, "bytes": 21_736_873}
"""Nodes of the default model's two graphs, what follows from settings and what every frame costs, and their bytes."""

WITHOUT_TORCH = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "onnx"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from lbserver.cli import main
sys.exit(main(sys.argv[1:]))
"""


def without_torch(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "LIVEBAND_CACHE": str(folder / "cache")},
    )


def played(text: str, model: bytes, frames: int = 12) -> np.ndarray:
    graph = GraphAccompanist("onnx", from_json(text), open_engine("onnx", model, "cpu"))
    mixes, conditions, active = noise(graph.spec, 1), told(graph.spec, 1), np.ones(1, np.bool_)
    state, heard = graph.init_state([3]), []
    for n in range(frames):
        stem, state = graph.step(mixes[n], conditions, state, active)
        heard.append(stem)
    return np.concatenate(heard, axis=-1)


def test_the_graph_that_ships_is_the_one_that_torch_gives_now() -> None:
    """A change of the step that forgets `liveband models graph` would ship an older band to whoever has no torch."""
    found = locate()
    kept = cache.read_file(found.graphs["onnx"])
    assert kept is not None
    assert found.made_by["onnx"] == opening.exporter(found.family), (
        "run: liveband models graph tiny --folder models/weights"
    )
    text, model = opening.exported(found, "onnx")
    assert json.loads(kept[0]) == json.loads(text)
    shipped, fresh = played(*kept), played(text, model)
    assert np.sqrt(np.mean((shipped - fresh) ** 2)) < 0.01 * np.sqrt(np.mean(fresh**2))


def test_a_step_of_what_ships_grows_in_no_change_that_does_not_say_so() -> None:
    """Every node costs every frame of every player microseconds, and machines are too busy to tell by the clock.

    A change that means to cost more writes its figures here; one that costs less, too, so that the gain is kept.
    """
    kept = cache.read_file(locate().graphs["onnx"])
    assert kept is not None
    nodes = [len(onnx.load_from_string(graph).graph.node) for graph in graphs(kept[1])]
    found = dict(zip(("settings", "step"), nodes, strict=True)) | {"bytes": len(kept[1])}
    for name, most in SHIPPED.items():
        assert 0.97 * most < found[name] <= most, f"{name}: {found[name]} now, SHIPPED says {most}"


def test_a_bounce_needs_no_torch(tmp_path: Path) -> None:
    """The first sound must not wait for gigabytes of a training library."""
    song = Path(__file__).parents[3] / "lbserver" / "assets" / "demo_song.flac"
    done = without_torch(tmp_path, "bounce", str(song), "-o", "bass.wav", "--stem", "bass", "--json")
    assert done.returncode == 0, done.stderr
    (file,) = json.loads(done.stdout)["files"]
    assert file["loudness_lufs"] > -60
    for words in (
        ("models", "info", "--json"),
        ("models", "verify"),
        ("train", "--help"),
        ("evaluate", "--help"),
    ):
        told_ = without_torch(tmp_path, *words)
        assert told_.returncode == 0, (words, told_.stderr)


def test_who_lacks_torch_is_told_in_one_line(tmp_path: Path) -> None:
    for words in (
        ("bounce", "x.wav", "-o", "y.wav", "--model", "own"),
        ("train", "codec", "--recipe", "tiny", "--data", ".", "--out", "out"),
    ):
        (tmp_path / "own").mkdir(exist_ok=True)
        (tmp_path / "x.wav").write_bytes(
            (Path(__file__).parents[3] / "lbserver/assets/demo_song.flac").read_bytes()
        )
        for part in ("codec", "generator"):
            (tmp_path / "own" / f"{part}.safetensors").write_bytes(b"x")
        done = without_torch(tmp_path, *words)
        assert done.returncode == 2
        assert "pip install 'liveband[torch]'" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_graph_that_was_tampered_with_is_not_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = locate()
    assert found.pinned is not None
    assert sha256(found.graphs["onnx"]) == found.pinned[found.graphs["onnx"].name]
    damaged = tmp_path / found.graphs["onnx"].name
    damaged.write_bytes(found.graphs["onnx"].read_bytes()[:-1] + b"x")
    monkeypatch.setattr(opening, "torch_is_there", lambda: False)
    assert opening._shipped(found, "onnx") is not None
    other = replace(found, graphs={"onnx": damaged})
    assert opening._shipped(other, "onnx") is None  # a stranger's folder brings no program
    monkeypatch.setattr(opening, "weights_folder", lambda: tmp_path)
    with pytest.raises(LiveBandModelError, match="missing or damaged; reinstall"):
        opening._shipped(other, "onnx")


def test_the_manifest_tells_what_a_process_takes() -> None:
    """`liveband top` and `doctor` say so before the model is loaded; measured on another machine, so within a factor of two."""
    found = locate()
    assert 0.5 < found.memory_bytes / measured_bytes(found.graphs["onnx"]) < 2
