# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the style space end to end on songs of noise and tones."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lbmodels.errors import LiveBandModelError
from lbmodels.style.retrieval import held_out
from lbmodels.style.space import load, of_text
from lbmodels.style.truth import song_concepts, stem_concepts
from lbmodels.style.vocabulary import CONCEPTS
from lbmodels.train.style import StyleData, draw_batches, main, make_pool
from lbmodels.train.takes import read_takes

SONG = """stems:
  S00: {{inst_class: Bass, is_drum: false, program_num: 35, midi_program_name: bass}}
  S01: {{inst_class: Drums, is_drum: true, program_num: 40, midi_program_name: drums}}
liveband: {{style: {style}, tempo_bpm: {tempo}, key: 13}}
"""


def songs(root: Path, split: str, count: int) -> None:
    rng = np.random.default_rng(len(split))
    time = np.arange(48_000 * 3) / 48_000
    for number in range(count):
        folder = root / split / f"Track{number:05d}"
        (folder / "stems").mkdir(parents=True)
        tone = 0.3 * np.sin(2 * np.pi * (60 + 5 * number) * time)
        noise = 0.1 * rng.standard_normal(len(time))
        for name, audio in (("stems/S00", tone), ("stems/S01", noise), ("mix", tone + noise)):
            soundfile.write(folder / f"{name}.flac", audio, 48_000)
        (folder / "metadata.yaml").write_text(
            SONG.format(style=("bossa", "punk")[number % 2], tempo=80 + 60 * (number % 2))
        )


def test_tags_follow_from_metadata() -> None:
    """A program counted from 1, or a kit read as an instrument, would teach wrong words."""
    bass = {"inst_class": "Bass", "program_num": 35, "is_drum": False}
    assert stem_concepts(bass) == {"bass", "fretless bass"}
    assert stem_concepts({"is_drum": True, "program_num": 40, "inst_class": "Drums"}) == {"drums", "brushes"}
    assert stem_concepts({"is_drum": True, "program_num": 0, "midi_program_name": "percussion"}) == {
        "percussion"
    }
    assert song_concepts({"style": "bossa", "tempo_bpm": 80, "key": 13}) == {"bossa", "slow", "minor"}
    assert song_concepts({"style": "yodel"}) == set()


def test_trains_stops_and_goes_on(tmp_path: Path) -> None:
    """End to end: takes are read once, a second call goes on from the checkpoint, weights speak and hear."""
    songs(tmp_path / "data", "train", 6)
    songs(tmp_path / "data", "validation", 2)
    tables = {
        "model": {"width": 8, "latent": 8, "levels": 2, "codes": 4},
        "data": {"root": str(tmp_path / "data"), "moments": 1, "pool": 60},
        "loop": {
            "steps": 30,
            "batch": 16,
            "learning_rate": 5e-3,
            "bf16": False,
            "threads": 1,
            "warmup_steps": 2,
        },
    }
    out = tmp_path / "run"
    path = main(tables, out, quiet=True)
    assert len(list((out / "takes").glob("*.npz"))) == 8
    tables["loop"]["steps"] = 60  # type: ignore[index]
    main(tables, out, quiet=True)
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 60
    assert rows[-1]["contrast"] < rows[0]["contrast"]
    told = json.loads((out / "style.json").read_text())
    assert len(told["prompts"]) == 20
    assert all(not prompt["unknown"] for prompt in told["prompts"])
    space = load(path)
    assert of_text(space, "fretless bass").shape == (8,)
    with pytest.raises(
        LiveBandModelError, match="unknown: banjo"
    ):  # a known word that no take had is no guess
        of_text(space, "bass and banjo")


def test_phrases_in_training_are_true_and_none_is_held_out(tmp_path: Path) -> None:
    """What is measured as held out must never have been seen."""
    songs(tmp_path, "train", 4)
    takes = read_takes(tmp_path, "train", tmp_path / "kept", moments=1, quiet=True)
    data = StyleData(pool=50)
    batch = next(draw_batches(make_pool(takes, data, 1, quiet=True), data, 64, 3))
    assert bool((batch.phrases <= batch.true).all())
    assert bool(batch.phrases.any(1).all())
    assert not any(held_out(row, CONCEPTS) for row in batch.phrases.numpy())
