# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening a model: from the cache without torch, exported when the cache does not have it, or has it damaged."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lbmodels import folders
from lbmodels.errors import LiveBandModelError, NotExportableError
from lbmodels.families import registry
from lbmodels.runtime import cache, opening
from lbmodels.weights.manifest import Located


@pytest.fixture
def toy_cache(toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; exports are handed out instead of made, and counted in `made`."""
    monkeypatch.setenv("LIVEBAND_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def made(toy, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runtimes that were exported for, in order. The graph is the toy's, whose export takes seconds."""
    runtimes: list[str] = []

    def exported(found: Located, runtime: str) -> tuple[str, bytes]:
        runtimes.append(runtime)
        return toy.manifest.to_json(), toy.model

    monkeypatch.setattr(opening, "_exported", exported)
    return runtimes


def test_a_graph_is_made_once(toy_cache: Path, made: list[str], toy_weights_folder: Path) -> None:
    for _ in range(3):
        opened = opening.open_model(str(toy_weights_folder), "onnx")
        assert opened is not None
        assert opened.spec.name == "toy"
    assert made == ["onnx"]
    (file,) = (toy_cache / "graphs").iterdir()
    assert file.suffix == ".graph"
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "text"])
def test_a_damaged_graph_is_made_again(
    toy_cache: Path, made: list[str], toy_weights_folder: Path, damage: str
) -> None:
    opening.open_model(str(toy_weights_folder), "onnx")
    (file,) = (toy_cache / "graphs").iterdir()
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    file.write_bytes(
        {"flip": bytes(flipped), "cut": whole[:-100], "empty": b"", "text": b"not a graph" * 9}[damage]
    )
    opening.open_model(str(toy_weights_folder), "onnx")
    assert made == ["onnx", "onnx"]
    assert file.read_bytes() == whole


def test_other_weights_are_another_graph(toy_cache: Path, made: list[str], toy_weights_folder: Path) -> None:
    opening.open_model(str(toy_weights_folder), "onnx")
    file = toy_weights_folder / "generator.safetensors"
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        opening.open_model(str(toy_weights_folder), "onnx")
    finally:
        file.write_bytes(whole)
    assert made == ["onnx", "onnx"]


def test_without_a_place_for_a_cache_it_still_opens(
    toy_cache: Path, made: list[str], toy_weights_folder: Path
) -> None:
    toy_cache.write_text("a file where the folder should be")
    for _ in range(2):
        assert opening.open_model(str(toy_weights_folder), "onnx") is not None
    assert made == ["onnx", "onnx"]


def test_graphs_of_old_weights_are_forgotten(toy_cache: Path) -> None:
    for n in range(20):
        assert cache.write(f"key{n}", "{}", b"model")
        os.utime(cache.path_of(f"key{n}"), (n, n))
    names = {file.stem for file in (toy_cache / "graphs").iterdir()}
    assert "key19" in names
    assert "key0" not in names
    assert len(names) < 20


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIVEBAND_CACHE", str(tmp_path / "a"))
    assert folders.cache_folder() == tmp_path / "a"
    monkeypatch.delenv("LIVEBAND_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert folders.cache_folder() == tmp_path / "b" / "liveband"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "c"))
    assert folders.cache_folder() == tmp_path / "c" / ".cache" / "liveband"


def test_what_cannot_be_exported_runs_on_torch(
    toy_cache: Path, toy_weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(found: Located, runtime: str) -> tuple[str, bytes]:
        raise NotExportableError("this model cannot be exported: no graph operation for aten.erfinv")

    monkeypatch.setattr(opening, "_exported", refuse)
    assert opening.open_model(str(toy_weights_folder)) is None
    with pytest.raises(LiveBandModelError, match="erfinv"):
        opening.open_model(str(toy_weights_folder), "onnx")


def test_the_runtime_is_chosen_by_name_and_by_environment(
    toy_cache: Path, made: list[str], toy_weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = str(toy_weights_folder)
    assert opening.open_model(name, "torch") is None
    monkeypatch.setenv("LIVEBAND_RUNTIME", "torch")
    assert opening.open_model(name) is None
    assert opening.open_model(name, "onnx").runtime == "onnx"
    monkeypatch.setenv("LIVEBAND_RUNTIME", "abacus")
    with pytest.raises(LiveBandModelError, match=r"unknown runtime 'abacus'; there are: auto, onnx"):
        opening.open_model(name)


def test_missing_weights_are_named_as_ever(toy_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(LiveBandModelError, match="weights not found"):
        opening.open_model(str(tmp_path))
    with pytest.raises(LiveBandModelError, match="unknown model"):
        opening.open_model("nobody")


_WITHOUT_TORCH = """
import sys
import numpy as np
from lbserver.engine import backends
from lbmodels.contract.conditions import table
band = backends.load({name!r}, "onnx")
state = band.init_state([1])
known = table({{"stem": 0.0, "anticipation": 1.0, "variation": 1.0}}, [{{"tempo": 100.0}}], 1)
mix = np.zeros((1, 2, band.spec.hop), np.float32)
stem, state = band.step(mix, known, state, np.ones(1, np.bool_))
band.restore(band.snapshot(band.join([band.row(state, 0), state])))
assert stem.shape == mix.shape
assert "torch" not in sys.modules, "torch was imported"
"""


def test_the_live_path_does_not_import_torch(
    toy_cache: Path, made: list[str], toy_weights_folder: Path
) -> None:
    """Torch takes half a gigabyte and seconds, for nothing."""
    opening.open_model(str(toy_weights_folder), "onnx")
    program = _WITHOUT_TORCH.format(name=str(toy_weights_folder))
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


_EXPORTS_ELSEWHERE = """
import sys
from lbmodels.runtime import opening
assert opening.open_model({name!r}, "onnx") is not None
assert "torch" not in sys.modules, "torch stays for good"
"""


@pytest.mark.slow
def test_a_real_export_is_made_by_another_process_and_kept(
    toy_cache: Path, toy, toy_weights_folder: Path, music, stream
) -> None:
    """What the tests above hand out is what the library makes, and it leaves no torch behind."""
    name = str(toy_weights_folder)
    program = [sys.executable, "-c", _EXPORTS_ELSEWHERE.format(name=name)]
    both = [subprocess.Popen(program) for _ in range(2)]  # the second one waits for the first one's
    assert [process.wait(timeout=300) for process in both] == [0, 0]
    assert len(list((toy_cache / "graphs").iterdir())) == 1
    opened = opening.open_model(name, "onnx")
    assert opened is not None
    mix = music(opened.spec, 2, 10)
    found, _ = stream(opened, mix, [1, 2])
    wanted, _ = stream(toy.graphs["onnx"], mix, [1, 2])
    np.testing.assert_array_equal(found, wanted)


def test_why_an_export_failed_crosses_the_process(
    toy_cache: Path, toy_weights_folder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(toy_weights_folder, broken)
    (broken / "codec.safetensors").write_bytes(b"these are not weights")
    program = f"from lbmodels.runtime import opening; opening.open_model({str(broken)!r}, 'onnx')"
    failed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300
    )
    assert "LiveBandModelError: codec.safetensors" in failed.stderr.splitlines()[-1].replace("weights ", "")


@pytest.mark.parametrize("name", registry.names())
def test_a_graph_is_made_anew_when_another_family_that_it_uses_changes(name: str) -> None:
    """Catches a graph in the cache that outlives the code it was made from: a family that plays with another's parts."""
    package = Path(opening.__file__).parents[1] / "families" / name
    sources = "".join(path.read_text() for path in package.rglob("*.py"))
    used = set(re.findall(r"lbmodels\.families\.(\w+)\.", sources)) - {name}
    assert used <= set(registry.family(name).builds_on)
