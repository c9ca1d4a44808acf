# SPDX-License-Identifier: GPL-3.0-or-later
"""The command from end to end, and what it says when something is wrong."""

import importlib.util
import json

import numpy as np
import pytest
import soundfile

from lbmodels.evaluate import players
from lbmodels.evaluate.commands import main

tracker = pytest.mark.skipif(importlib.util.find_spec("madmom") is None, reason="madmom is not installed")


@tracker
def test_evaluation_of_a_click_player(accompanist, dataset, tmp_path, monkeypatch, capsys):
    """Told the beat it is as good as the truth, told nothing it is silent and scores nothing."""
    monkeypatch.setattr(players, "open_contender", lambda *_: accompanist)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    arguments = ["evaluate", "--data", str(dataset), "--stems", "drums", "--excerpts", "4", "--seconds", "10"]
    arguments += ["--conditions", "none,beat", "--anticipation-ms", "40,200", "--skip-s", "3", "--json"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    rows = {
        (row["conditions"], row["anticipation_ms"]): row
        for row in json.loads(capsys.readouterr().out)["rows"]
    }
    told, untold = rows["beat", 40.0], rows["none", 40.0]
    assert told["metrics"]["beat_f1"]["normalised"] > 0.9
    assert told["metrics"]["onset_f1"]["normalised"] > 0.9
    assert told["metrics"]["beat_f1"]["above_shuffled_interval"][0] > 0
    assert told["metrics"]["chord"]["score"] is None
    assert rows["beat", 200.0]["anticipation_frames"] == 5
    assert untold["metrics"]["beat_f1"]["score"] == 0
    assert (untold["silence"], untold["loudness_lufs"]) == (1.0, -70.0)
    assert json.loads((tmp_path / "out" / "results.json").read_text())["model"] == "click"
    assert "downbeat F1" in (tmp_path / "out" / "results.txt").read_text()
    assert (tmp_path / "out" / "frontier.png").stat().st_size > 10_000
    assert (tmp_path / "out" / "scores.png").stat().st_size > 10_000


@tracker
def test_bounced_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    t = np.arange(14 * 48000) / 48000
    tone = 0.3 * np.sin(2 * np.pi * 220 * t) * np.exp(-(t % 0.5) / 0.1)
    late = np.roll(tone, 12000)
    for name, audio in (("mix", tone), ("stem", 0.5 * tone), ("late", late)):
        soundfile.write(tmp_path / f"{name}.wav", audio, 48000)
    files = [str(tmp_path / "stem.wav"), str(tmp_path / "late.wav")]
    assert main(["evaluate", "--files", *files, "--mix", str(tmp_path / "mix.wav"), "--json"]) == 0
    stem, late = json.loads(capsys.readouterr().out)
    assert stem["beat_f1"] > 0.95 > 0.5 > stem["beat_floor"]
    assert late["beat_f1"] < 0.2 < 0.9 < late["beat_half"]
    assert stem["chroma"] > 0.9 > stem["chroma_floor"] + 0.5
    assert stem["silence"] < 0.5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--data"),
        (["--data", "missing"], "missing"),
        (["--data", "missing", "--networks", "9"], "1 to 8"),
        (["--data", "missing", "--skip-s", "19"], "--skip-s 19"),
        (["--files", "missing.wav"], "--mix"),
        (["--files", "missing.wav", "--mix", "missing.wav"], "not found"),
        (["--files", __file__, "--mix", __file__], "not audio"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(arguments, says, capsys, tmp_path, monkeypatch, accompanist):
    monkeypatch.setattr(players, "open_contender", lambda *_: accompanist)
    monkeypatch.setattr("lbmodels.evaluate.tracker._import_madmom", lambda: None)
    assert main(["evaluate", *arguments, "--out", str(tmp_path / "out")]) == 2
    message = [line for line in capsys.readouterr().err.splitlines() if line.startswith("liveband: error:")]
    assert len(message) == 1
    assert says in message[0]


@pytest.mark.parametrize(
    "arguments",
    [["--stems", "flute"], ["--conditions", "lyrics"], ["--anticipation-ms", "soon"], ["--excerpts", "1"]],
)
def test_words_that_are_not_accepted(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", "--data", "missing", *arguments])
    assert stop.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_a_missing_tracker_tells_how_to_install_it(dataset, capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "madmom.features.beats", None)
    assert main(["evaluate", "--data", str(dataset), "--out", str(tmp_path)]) == 2
    assert "pip install --no-build-isolation madmom" in capsys.readouterr().err
