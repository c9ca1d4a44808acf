# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift, reaction time, comparison, and runs that were killed, on signals whose answers are known."""

import importlib.util
import json
from dataclasses import replace

import numpy as np
import pytest

from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate import hearing, reaction
from lbmodels.evaluate.commands import main
from lbmodels.evaluate.compare import ranking, read_results
from lbmodels.evaluate.drift import cut, cut_truth, drift, thirds
from lbmodels.evaluate.excerpts import Truth, choose_excerpts
from lbmodels.evaluate.features import Features
from lbmodels.evaluate.hearing import Batch, Listening, hear_all
from lbmodels.evaluate.run import Heard

tracker = pytest.mark.skipif(importlib.util.find_spec("madmom") is None, reason="madmom is not installed")
SIZES = {"seconds": 6.0, "hop": 1920, "sample_rate": 48000}


def truth_of(beats, tones=(0, 4, 7)):
    chords = np.tile(np.isin(np.arange(12), tones).astype(float), (len(beats) - 1, 1))
    return Truth(
        beats_s=beats, beat_chords=chords, downbeats_s=beats[::4], beat_keys=np.zeros(len(beats) - 1)
    )


def features_of(beats, seconds=60.0, tones=(0, 4, 7)):
    chroma = np.tile(np.isin(np.arange(12), tones).astype(float), (round(seconds * 20), 1))
    pulse = np.zeros(round(seconds * 100))
    pulse[np.round(beats * 100).astype(int)] = 0.8
    return Features(
        beats_s=beats, downbeats_s=beats[::4], pulse=pulse, onsets_s=beats, chroma=chroma,
        level_db=np.full(round(seconds * 25), -20.0), loudness_lufs=-20.0,
    )  # fmt: skip


def test_drift_shows_what_was_lost_and_where():
    beats = np.arange(0.25, 60, 0.5)
    late = np.where(beats > 40, beats + 0.2, beats)  # out of time in the last third
    songs = [f"Track{i}" for i in range(6)]
    excerpts = [choose_excerpts_stub(song) for song in songs]
    heard = Heard(
        excerpts=excerpts,
        truths=[truth_of(beats)] * 6,
        true=[features_of(beats)] * 6,
        played={("none", 40.0): [features_of(late[late < 60])] * 6, ("all", 40.0): [features_of(beats)] * 6},
    )
    found = {(d.conditions, d.metric): d for d in drift(heard, "bass", seconds=60, skip_s=5, seed=0)}
    assert found["none", "beat_f1"].first == pytest.approx(1, abs=0.03)
    assert found["none", "beat_f1"].relative < 0.05
    assert found["none", "chord"].relative == pytest.approx(1)
    assert found["all", "beat_f1"].relative == pytest.approx(1)
    assert thirds(60, 6) == ((6, 24), (42, 60))


def choose_excerpts_stub(song):
    from pathlib import Path

    from lbmodels.evaluate.excerpts import Excerpt

    return Excerpt(
        track_dir=Path(song), track=song, stem_class="bass", first_frame=0, start_s=0, duration_s=60
    )


def test_a_cut_counts_from_its_own_start():
    beats = np.arange(0.25, 60, 0.5)
    part, told = cut(features_of(beats), 20, 30), cut_truth(truth_of(beats), 20, 30)
    assert part.beats_s[0] == told.beats_s[0] == pytest.approx(0.25)
    assert (len(part.chroma), len(part.level_db), len(part.pulse)) == (200, 250, 1000)
    assert len(told.beat_chords) == len(told.beats_s) - 1 == 19


@pytest.mark.parametrize("delay", [0.0, 3.0, 6.0])
def test_reaction_time_of_a_stem_that_follows_late(delay):
    """The curves look back 2 s, so that a turn shows half of that later."""
    at, seconds = 12.0, 30.0
    old, new = np.arange(0.2, seconds, 0.5), np.arange(at, seconds, 0.61)
    played = np.concatenate((old[old < at + delay], new[new >= at + delay]))
    features = features_of(played, seconds)
    turn = round((at + delay) * 20)
    features.chroma[turn:] = np.isin(np.arange(12), (2, 6, 9)).astype(float)
    splice = reaction.Splice(
        songs=("a", "b"), mix=np.zeros((2, round(seconds * 48000)), np.float32), stem=np.zeros((2, 1), np.float32),
        at_s=at, old=truth_of(old), new=truth_of(new, (2, 6, 9)), told={}, key_changes=True, tempo_changes=True,
    )  # fmt: skip
    times = reaction.times_of(features, splice)
    assert delay <= times["chord"] <= delay + 1.75
    assert delay <= times["beat"] <= delay + 1.75
    never = reaction.times_of(features_of(old, seconds), splice)
    assert never == {"chord": np.inf, "beat": np.inf}
    same = replace(splice, key_changes=False)
    assert np.isnan(reaction.times_of(features, same)["chord"])


def test_a_splice_turns_at_bars_of_both_songs(dataset):
    excerpts = choose_excerpts(dataset, "test", "piano", 4, seed=0, **(SIZES | {"seconds": 12.0}))
    for made in reaction.splices(excerpts, 3, after_s=4.0, hop=1920):
        assert made.songs[0] != made.songs[1]
        assert made.tempo_changes
        assert made.new.beats_s[0] == made.new.downbeats_s[0] == pytest.approx(made.at_s)
        assert np.abs(made.old.downbeats_s - made.at_s).min() < 1e-6
        drums = np.abs(made.mix[0])
        for beat in made.new.beats_s[1:-1]:
            place = round(beat * 48000)
            if place + 2400 < drums.size:
                assert drums[place : place + 2400].max() > 0.1
                assert drums[place - 1200 : place - 240].max() < 0.1
        # The host tells the new song's tempo from the splice on.
        tempo = made.told["tempo"]
        before, after = int(made.at_s / 0.04) - 5, int(made.at_s / 0.04) + 5
        assert tempo[before] != pytest.approx(tempo[after], rel=0.05)


@tracker
def test_a_killed_run_goes_on_where_it_was(accompanist, dataset, tmp_path, monkeypatch):
    excerpts = choose_excerpts(dataset, "test", "drums", 3, seed=0, **SIZES)
    listening = Listening(networks=1, start_s=1.0, cache=None, kept=tmp_path / "heard")
    batches = [
        Batch(excerpts=(excerpt,), seeds=(i,), conditions="beat", anticipation_ms=40.0)
        for i, excerpt in enumerate(excerpts)
    ]
    asked = []
    analyse = hearing.analyse

    def dies(audio, *args, **kwargs):
        asked.append(audio)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return analyse(audio, *args, **kwargs)

    def go(batches=batches):
        return hear_all(
            accompanist,
            batches,
            listening,
            model=(None, "auto", "auto"),
            pool=None,
            on_progress=lambda *_: None,
        )["beat", 40.0]

    monkeypatch.setattr(hearing, "analyse", dies)
    with pytest.raises(KeyboardInterrupt):
        go()
    first = go()
    assert len(asked) == 4  # one of the killed run, two of this one, and the one it died at
    again = go()
    assert len(asked) == 4
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a.beats_s, b.beats_s)
        assert np.allclose(a.chroma, b.chroma, rtol=1e-5)
        assert a.loudness_lufs == b.loudness_lufs
    go([replace(batches[0], seeds=(9,))])
    assert len(asked) == 5  # another seed is another question
    listening = replace(listening, runtime="torch")
    go([batches[0]])
    assert len(asked) == 6  # and so is another runtime


def result(model, score, **settings):
    given = {
        "split": "test",
        "excerpts": 4,
        "seconds": 20,
        "seed": 0,
        "start_s": 5,
        "networks": 1,
        "data": "d",
    }
    one = {
        "score": score,
        "score_interval": [0, 1],
        "normalised": score,
        "interval": [0, 1],
        "floor": 0,
        "ceiling": 1,
    }
    metrics = {"beat_f1": one, "loudness_error_db": one}
    row = {"stem": "bass", "conditions": "none", "anticipation_ms": 40.0, "metrics": metrics}
    return {"model": model, "settings": given | settings, "rows": [row]}


def test_comparison_ranks_and_refuses_other_excerpts(tmp_path, capsys):
    for name, one in (("a", result("ours", 0.6)), ("b", result("baseline:repeat", 0.3))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(one))
    folders = [str(tmp_path / name) for name in ("a", "b")]
    assert main(["evaluate", "--compare", *folders, "--out", str(tmp_path / "out")]) == 0
    assert "ours" in capsys.readouterr().out
    assert (tmp_path / "out" / "compare.png").stat().st_size > 5000
    saved = json.loads((tmp_path / "out" / "compare.json").read_text())
    best = {group["metric"]: group["ranked"][0]["model"] for group in saved}
    assert best == {"beat_f1": "ours", "loudness_error_db": "baseline:repeat"}  # of an error less is better
    (tmp_path / "b" / "results.json").write_text(json.dumps(result("other", 0.3, seed=1)))
    with pytest.raises(LiveBandModelError, match="seed 0 and 1"):
        ranking(read_results([tmp_path / "a", tmp_path / "b"]))
    assert main(["evaluate", "--compare", str(tmp_path / "none"), "--out", str(tmp_path)]) == 2
    assert "is not the result" in capsys.readouterr().err


def test_an_embedding_needs_one_entry_in_a_table(monkeypatch, tmp_path):
    """It hears the scored stretch at one loudness, gives pairs and sets a score, and is kept by its version."""
    from lbmodels.evaluate import extras, features, run

    heard = []

    def spectrum(audio, _rate):
        heard.append(audio)
        return np.abs(np.fft.rfft(audio[0]))[None, :2000]

    monkeypatch.setitem(extras.EMBEDDINGS, "spectrum", extras.Embedding(version="1", embed=spectrum))
    distance = extras.SetMetric(
        embedding="spectrum", score=lambda a, b: float(np.abs(np.mean(a, axis=0) - np.mean(b, axis=0)).mean())
    )
    monkeypatch.setitem(extras.SETS, "distance", distance)
    t = np.arange(4 * 48000) / 48000
    low = np.tile(np.sin(2 * np.pi * 200 * t).astype(np.float32), (2, 1))
    vectors = [
        features.embed(gain * low, 48000, cache=tmp_path, start_s=1.0)["spectrum"]
        for gain in (0.5, 0.02, 0.5)
    ]
    assert len(heard) == 2  # the third was kept
    assert heard[0].shape == (2, 3 * 48000)
    assert vectors[0] == pytest.approx(vectors[1], abs=float(1e-2 * vectors[0].max()))
    some = [replace(features_of(np.arange(1.0, 50)), embeddings={"spectrum": v}) for v in vectors]
    other = [replace(f, embeddings={"spectrum": 0 * f.embeddings["spectrum"]}) for f in some]
    found = run.set_scores([f.embeddings for f in other], [f.embeddings for f in some])["distance"]
    assert found.score > 10 * found.halves
