# SPDX-License-Identifier: GPL-3.0-or-later
"""Teacher and student train end to end on rendered songs, resume, and play."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lbmodels.codec.autoencoder import Codec, CodecConfig
from lbmodels.config import build
from lbmodels.errors import LiveBandModelError
from lbmodels.families import loading as families
from lbmodels.families.lookahead import loading
from lbmodels.families.lookahead.window import Window
from lbmodels.train import consistency, lookahead
from lbmodels.train.recipe import read_recipe
from lbmodels.train.windows import WindowTasks, draw_windows
from lbmodels.weights.manifest import write_manifest
from lbmodels.weights.modules import save_weights

Tables = dict[str, Any]
LOOP = {
    "steps": 4, "batch": 2, "warmup_steps": 2, "sample_every": 4, "threads": 1, "bf16": False, "ema": 0.9,
}  # fmt: skip


@pytest.fixture
def tables(tmp_path: Path, repository: Path) -> Tables:
    torch.manual_seed(3)
    songs = tmp_path / "songs"
    songs.mkdir()
    for name, source in (("train", "train"), ("validation", "test")):
        (songs / name).symlink_to(repository / "tests/fixtures/slakh_tiny" / source)
    sizes = CodecConfig(low_bins=48, high_bands=16, latent=8, features=16, depth=1)
    weights = save_weights(tmp_path / "codec.safetensors", Codec(sizes), kind="codec", config=sizes)
    return {
        "model": {"latent": 8, "semitones": 12, "columns": 32, "features": 32, "heads": 2, "depth": 1},
        "data": {"root": str(songs), "codec": str(weights), "cache": str(tmp_path / "latents")},
        "loop": dict(LOOP),
    }


def log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_teacher_then_student_train_resume_and_play(tables: Tables, tmp_path: Path) -> None:
    """A checkpoint that forgets the averaged weights, or a student that is loaded as a teacher, plays noise."""
    out = tmp_path / "run"
    first = loading.load_network(lookahead.main(tables, out, quiet=True))
    tables["loop"]["steps"] = 40
    tables["loop"]["learning_rate"] = 1e-3
    tables["loop"]["sample_every"] = 40
    second = loading.load_network(lookahead.main(tables, out, quiet=True))
    rows = log(out)
    assert [row["step"] for row in rows] == [4, 40]
    assert rows[1]["validation_diffusion"] < rows[0]["validation_diffusion"]
    assert not torch.equal(first.beside.weight, second.beside.weight)

    taught = {"teacher": str(out / "teacher.safetensors"), "data": tables["data"], "loop": dict(LOOP)}
    student = loading.load_network(consistency.main(taught, out / "student", quiet=True))
    assert student.config.student
    assert log(out / "student")[-1].keys() >= {"consistency", "diffusion", "validation_consistency"}
    (out / "student.safetensors").write_bytes((out / "student" / "student.safetensors").read_bytes())
    # A folder that a run left says which parts it has; this one is put together by hand.
    write_manifest(out, "lookahead", ["codec", "teacher", "student"], recipe="lookahead", description="both")
    model = families.load(str(out))
    assert model.teacher is not None
    assert model.student is not None
    whole = families.load(str(out / "student"))
    assert whole.student is not None
    assert whole.spec.chunk_frames == 4
    assert model.tier.name == "fast"
    later = model.at(Window(ratio=0.25, look_ahead=0), "full")
    assert (later.new, later.tier.name, later.student is model.student) == (8, "full", True)
    with pytest.raises(LiveBandModelError, match="student already"):
        consistency.main(taught | {"teacher": str(out / "student.safetensors")}, tmp_path / "no", quiet=True)


def test_windows_are_hidden_as_the_protocol_hides_them() -> None:
    """A model that never saw w = 0 at its ratio plays a mask that it was not trained for."""
    torch.manual_seed(0)
    heard, known = draw_windows(WindowTasks(ratios=(0.125, 0.25)), 400, 64)
    pairs = set(zip(heard.sum(1).tolist(), known.sum(1).tolist(), strict=True))
    assert pairs >= {(64, 56), (64, 48), (56, 56), (48, 48), (48, 56), (32, 48)}
    assert {seen for seen, kept in pairs if kept == 0} <= {64, 56, 48, 32}


@pytest.mark.parametrize("objective", ["lookahead", "consistency"])
@pytest.mark.parametrize("name", ["tiny", "small", "paper"])
def test_recipes_are_whole(objective: str, name: str) -> None:
    """A recipe with a misspelt key is found out after the data have been prepared."""
    tables = read_recipe(objective, name)
    if objective == "lookahead":
        config = build(lookahead.LookaheadTraining, tables)
        lookahead.check_tasks(config.tasks)
        with torch.device("meta"):
            count = sum(p.numel() for p in lookahead.WindowNetwork(config.model).parameters())
        least, most = {"tiny": (0, 20e6), "small": (20e6, 100e6), "paper": (200e6, 300e6)}[name]
        assert least < count < most
    else:
        build(consistency.ConsistencyTraining, tables)


def test_bad_recipes_are_refused_in_words(tables: Tables) -> None:
    for replaced, words in (
        ({"tasks": {"ratios": [0.75]}}, "at most 0.5"),
        ({"tasks": {"ratios": [0.5]}}, "at most 0.25"),
        ({"model": tables["model"] | {"student": True}}, "trained from a teacher"),
        ({"model": tables["model"] | {"heads": 5}}, "do not divide"),
    ):
        config = build(lookahead.LookaheadTraining, tables | replaced)
        with pytest.raises(LiveBandModelError, match=words):
            lookahead.LookaheadObjective(config, torch.device("cpu"))
    with pytest.raises(LiveBandModelError, match="name its weights"):
        consistency.ConsistencyObjective(consistency.ConsistencyTraining(), torch.device("cpu"))
