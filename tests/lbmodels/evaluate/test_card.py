# SPDX-License-Identifier: GPL-3.0-or-later
"""A card says what its figures say, and the committed cards are those that their figures make."""

import json
from pathlib import Path

import pytest

from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.card import card, keep, training_facts
from lbmodels.evaluate.commands import main

CARDS = Path(__file__).parents[3] / "models" / "cards"
LOG = """60 frames
100/400  2 min left  critic 0.4051  seconds_per_step 2.0
200/400  2 min left  critic 0.3  seconds_per_step 1.0
200/400  2 min left  critic 0.25  seconds_per_step 1.0
"""


def score(value, normalised):
    return {
        "score": value, "score_interval": [value - 0.1, value + 0.1], "floor": 0.2, "shuffled": 0.2, "ceiling": 0.9,
        "normalised": normalised, "interval": [normalised - 0.1, normalised + 0.1], "excerpts": 50, "songs": 25,
    }  # fmt: skip


def result(model, beats):
    return {
        "model": model,
        "settings": {"split": "test", "seconds": 20.0, "start_s": 5.0, "data": "/elsewhere/data", "cache": None},
        "tracker": "a tracker",
        "rows": [
            {
                "stem": "drums", "conditions": "beat", "anticipation_ms": ms,
                "metrics": {"beat_f1": score(0.5, normalised), "chord": {**score(0.1, 0.1), "score": None, "normalised": None}},
                "excerpts": [{"track": "Track00001"}],
            }
            for ms, normalised in beats.items()
        ],
    }  # fmt: skip


@pytest.fixture
def figures(tmp_path):
    folder = tmp_path / "cards" / "figures" / "toy"
    folder.mkdir(parents=True)
    (folder / "about.toml").write_text(
        'summary = "A toy."\ndata = ["3 hours"]\nlimits = ["Plays only toys."]\nlicence = "None."\n'
    )
    return folder


def test_the_chain_from_results_to_card(figures, tmp_path, capsys):
    (tmp_path / "results.json").write_text(json.dumps(result("toy", {0.0: 0.91, 40.0: 0.83, 1000.0: 0.455})))
    (tmp_path / "other.json").write_text(json.dumps(result("baseline:repeat", {40.0: 0.11})))
    (tmp_path / "train.log").write_text(LOG)
    (tmp_path / "controls.json").write_text(
        json.dumps(
            {"title": "Controls", "text": "One curve.", "columns": ["density", "onsets"], "rows": [[0.5, 3]]}
        )
    )
    arguments = ["evaluate", "--card", str(figures), "--out", str(tmp_path / "cards")]
    for name, file in (
        ("scores", "results.json"), ("repeat", "other.json"), ("training", "train.log"), ("controls", "controls.json"),
    ):  # fmt: skip
        arguments += ["--keep", f"{name}={tmp_path / file}"]
    assert main(arguments) == 0
    text = (tmp_path / "cards" / "toy.md").read_text()
    ours = text.index(
        "**ours**, beat | 40 | 0.50 (0.40 to 0.60) | 0.20 | 0.90 | 0.83 (0.73 to 0.93) | 50 / 25"
    )
    assert ours < text.index("baseline:repeat, beat | 40 |")
    assert "| drums | beat | 0.91 | 0.83 | 0.46 | 0.50 |" in text
    assert "under the name toy" in text
    assert "steps 100 to 200 of 400, 0.1 hours" in text
    assert "| 0.50 | 3 |" in text
    assert "Plays only toys." in text
    assert "chord" not in text.lower()
    kept = (figures / "scores.json").read_text()
    assert "Track00001" not in kept
    assert "/elsewhere" not in kept


def test_results_of_other_studies_become_tables(figures):
    (figures / "reaction.json").write_text(
        json.dumps(
            {
                "model": "toy",
                "settings": {"stems": ["bass"]},
                "reaction": [{"stem": "bass", "median_s": 4.25, "interval": [4.0, 10.75]}],
            }
        )
    )
    (figures / "separation.json").write_text(
        json.dumps([{"stem": "bass", "cases": {"true": 0.8, "late": 0.1}}])
    )
    scores = {
        "beat_f1": 0.5,
        "chord": None,
        "onset_f1": 0.25,
        "coherence": 0.1,
        "silence_error": 0.2,
        "key": 0.9,
    }
    row = {
        "stem": "drums",
        "who": "fast",
        "excerpts": 6,
        "scores": scores,
        "frechet": None,
        "look_ahead": 1,
        "ratio": 0.125,
    }
    settings = {"split": "validation", "seconds": 15.0, "start_s": 5.0}
    (figures / "windows.json").write_text(
        json.dumps(
            {"model": "toy", "settings": settings, "windows": [row | {"conditions": "all", "calls": 2}]}
        )
    )
    text = card(figures)
    assert "| drums | 1 | 0.125 | fast | beat, chords, key | 0.50 | – | 0.25 | 0.10 | 0.20 | – | 6 |" in text
    assert "| stem | true | late |" in text
    assert "| bass | 0.80 | 0.10 |" in text
    assert "## Reaction" in text
    assert "| stem | median s | interval |" in text
    assert "| bass | 4.25 | 4.00 to 10.75 |" in text


def test_what_the_codec_leaves_of_the_truth_stands_beside_truth_and_ours(figures):
    """Scores alone do not say whether the generator or the autoencoder lost what is missing."""
    row = {
        "stem": "drums", "coder": "autoencoder", "noise_percent": 0.0, "levels": 0, "bits_per_s": 25600.0, "excerpts": 8,
        "convergence": 0.5, "log_db": 3.0, "level_db": -2.7, "level_error_db": 2.8, "attack_ms": 9.5, "true_attack_ms": 9.0,
        "attack_blur_ms": 0.5, "frechet": {"frechet_musicnn": 12.0}, "halves": {"frechet_musicnn": 4.5},
        "scores": {"beat_f1": 0.77, "chord": None}, "true_scores": {"beat_f1": 0.88, "chord": None},
    }  # fmt: skip
    noisy = {**row, "noise_percent": 10.0, "scores": {"beat_f1": 0.11}}
    other = {**row, "coder": "better", "scores": {"beat_f1": 0.22}}
    real = {**row, "scores": {"beat_f1": 0.33, "chroma": 0.5}, "true_scores": {"beat_f1": 1.0, "chroma": 1.0}}
    (figures / "ceiling.json").write_text(json.dumps([other, noisy, row]))
    (figures / "ceiling-real.json").write_text(json.dumps([real]))
    (figures / "scores.json").write_text(json.dumps(result("toy", {40.0: 0.83})))
    text = card(figures)
    assert "| score | floor | ceiling | through the codec | normalised |" in text
    assert "| 0.20 | 0.90 | 0.77 (0.88) | 0.83 (0.73 to 0.93) |" in text
    assert "of 8 excerpts a stem of other songs" in text
    assert (
        "| drums | autoencoder | noise 10 % | 0.50 | 3.00 | -2.70 | 2.80 | 9.5 (9.0) | +0.5 | 12.00 (4.50) |"
        in text
    )
    assert "## Ceiling real" in text


def test_training_facts_count_a_step_once():
    facts = training_facts(LOG)
    assert facts["hours"] * 3600 == pytest.approx(100 * 2 + 100 * 1)
    assert facts["last"] == {"critic": 0.25}
    assert training_facts("nothing of the kind") == {}


@pytest.mark.parametrize("text", ["3", '{"a": 1}', "not json"])
def test_what_is_no_figure_is_named(figures, text):
    (figures / "odd.json").write_text(text)
    with pytest.raises(LiveBandModelError, match=r"odd\.json"):
        card(figures)


def test_too_much_is_not_kept(figures, tmp_path):
    (tmp_path / "big.json").write_text(json.dumps([{"a": "x" * 500_000}]))
    with pytest.raises(LiveBandModelError, match="more than"):
        keep(tmp_path / "big.json", figures / "big.json")
    assert not (figures / "big.json").exists()


def test_a_missing_about_is_named(tmp_path, capsys):
    assert main(["evaluate", "--card", str(tmp_path / "nothing"), "--out", str(tmp_path)]) == 2
    assert "about.toml" in capsys.readouterr().err


@pytest.mark.parametrize("folder", sorted((CARDS / "figures").glob("*")), ids=lambda path: path.name)
def test_committed_cards_match_their_figures(folder):
    """Run the command at the foot of the card when this fails."""
    assert (CARDS / f"{folder.name}.md").read_text() == card(folder)


def test_opus_is_told_from_the_autoencoder_and_pictures_are_shown(figures):
    row = {
        "stem": "drums", "coder": "autoencoder", "bits_per_s": 25600.0, "excerpts": 3, "convergence": 0.5,
        "convergence_interval": [0.4, 0.6], "log_db": 3.0, "log_db_interval": [2.0, 4.0], "si_sdr_db": -9.0,
        "si_sdr_db_interval": [-10.0, -8.0],
    }  # fmt: skip
    (figures / "codec.json").write_text(
        json.dumps([row, {**row, "coder": "Opus at 8 kbit/s", "bits_per_s": 8008.0}])
    )
    (figures / "quality-by-hour.png").write_bytes(b"")
    text = card(figures)
    assert "| drums | autoencoder | 25.6 | 0.50 (0.40 to 0.60) |" in text
    assert "| drums | Opus at 8 kbit/s | 8.0 |" in text
    assert "![Quality by hour](figures/toy/quality-by-hour.png)" in text


def test_a_comparison_shows_each_model_and_the_best(figures):
    row = {
        "stem": "bass", "conditions": "none", "anticipation_ms": 40.0, "metric": "beat_f1", "less_is_better": False,
        "ranked": [{"model": "toy", "score": 0.5}, {"model": "baseline:repeat", "score": 0.75}],
    }  # fmt: skip
    less = {**row, "metric": "loudness_error_db", "less_is_better": True}
    (figures / "beside-baselines.json").write_text(json.dumps([row, less]))
    text = card(figures)
    assert "## Beside baselines" in text
    assert "| bass | nothing | Beat F1 | 0.50 | **0.75** |" in text
    assert "| bass | nothing | Loudness error dB | **0.50** | 0.75 |" in text
