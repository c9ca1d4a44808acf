# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings with and without a sidecar, from the folder to the report."""

import importlib.util
import json

import numpy as np
import pytest
import soundfile

from lbmodels.contract.stems import STEMS
from lbmodels.evaluate import players
from lbmodels.evaluate.commands import main
from lbmodels.evaluate.pieces import as_track, find_pieces, read_beats, read_stretch
from lbmodels.evaluate.real import Judged

RATE = 48000

tracker = pytest.mark.skipif(importlib.util.find_spec("madmom") is None, reason="madmom is not installed")


def write(path, beats, seconds, rate=RATE, pitch_hz=220.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = np.zeros(int(seconds * rate))
    t = np.arange(int(0.3 * rate)) / rate
    burst = 0.3 * np.sin(2 * np.pi * pitch_hz * t) * np.exp(-t / 0.08)
    for beat in beats:
        first = round(beat * rate)
        audio[first : first + len(burst)] += burst[: len(audio) - first]
    soundfile.write(path, audio, rate)
    return audio


@pytest.fixture
def folder(tmp_path):
    """One song with an isolated guitar and beats by hand, and one that is only a recording."""
    beats = np.arange(0.3, 16, 0.5)
    write(tmp_path / "songs" / "one.flac", beats, 16)
    write(tmp_path / "songs" / "alone" / "one_guitar.flac", beats[::2], 16)
    (tmp_path / "songs" / "one_beats.txt").write_text(
        "".join(f"{b:.3f} {i % 4 + 1}\n" for i, b in enumerate(beats))
    )
    (tmp_path / "songs" / "one.toml").write_text(
        'title = "One"\nby = "A band"\nlicence = "CC0"\nbeats = "one_beats.txt"\n[stems]\nguitar = "alone/one_guitar.flac"\n'
    )
    write(tmp_path / "songs" / "two.wav", np.arange(0.1, 14, 0.6), 14, rate=44100)
    return tmp_path / "songs"


def test_pieces_are_recordings_not_their_stems(folder):
    one, two = find_pieces(folder, STEMS)
    assert (one.title, one.by, one.licence, list(one.stems)) == ("One", "A band", "CC0", ["guitar"])
    assert (two.title, two.licence, two.beats) == ("two", "not stated", None)
    assert read_beats(one.beats)[:2] == pytest.approx([0.3, 0.8])


@pytest.mark.parametrize(
    ("sidecar", "says"),
    [("title = 3", "title"), ("colour = 'red'", "colour"), ("[stems]\nflute = 'x.wav'", "stems"),
     ("beats = 'none.txt'", "none.txt"), ("title = ", "not TOML")],
)  # fmt: skip
def test_a_sidecar_that_is_wrong_is_named(folder, tmp_path, sidecar, says, capsys, monkeypatch, accompanist):
    monkeypatch.setattr(players, "open_player", lambda name, runtime, device: accompanist)
    (folder / "two.toml").write_text(sidecar)
    assert main(["evaluate", "--real", str(folder), "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert "two.toml" in message
    assert says in message


def test_a_stretch_is_resampled_and_padded(folder):
    audio = read_stretch(folder / "two.wav", 7.0, 10.0, RATE)
    assert audio.shape == (2, 10 * RATE)
    loud = np.flatnonzero(np.abs(audio[0]) > 0.1)
    # Beats are at 0.1 + 0.6 k: the first after 7 s is at 7.3 s.
    assert loud[0] / RATE == pytest.approx(0.3, abs=0.01)
    assert np.abs(audio[:, int(7.2 * RATE) :]).max() == 0


def test_bars_are_counted_from_the_first_beats_heard(folder):
    (piece, _) = find_pieces(folder, STEMS)
    beats = np.arange(10) * 0.5
    track = as_track(piece, beats, beats[2::3], 5.0, RATE)
    assert track.beat_in_bar.tolist() == [2, 3, 1, 2, 3, 1, 2, 3, 1, 2]
    assert as_track(piece, beats, np.zeros(0), 5.0, RATE).beat_in_bar.tolist()[:5] == [1, 2, 3, 4, 1]


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, ("in time", "in key")),
        ({"silence": 0.9}, ("in time", "in key", "mostly silent")),
        ({"silence": 1.0}, ("silent",)),
        ({"beat_f1": 0.1, "beat_half": 0.8}, ("half a beat off", "in key")),
        ({"beat_f1": 0.5, "tempo_ratio": 2.02}, ("half or double tempo", "in key")),
        ({"beat_f1": 0.3, "chroma": 0.1}, ("not in time", "not in key")),
        ({"chroma": float("nan")}, ("in time",)),
    ],
)
def test_verdicts(changed, verdict):
    good = {
        "piece": "p", "stem": "bass", "told": "none", "beat_f1": 0.8, "beat_half": 0.1, "beat_floor": 0.2, "chroma": 0.6,
        "chroma_floor": 0.0, "tempo_ratio": 1.0, "silence": 0.1, "loudness_lufs": -20.0, "mix_loudness_lufs": -14.0,
    }  # fmt: skip
    assert Judged(**(good | changed)).verdict == verdict


@tracker
@pytest.mark.slow
def test_the_report_says_who_is_in_time(folder, tmp_path, monkeypatch, capsys, accompanist):
    """The click player is in time when told the beat and silent otherwise, and the report says both."""
    monkeypatch.setattr(players, "open_player", lambda name, runtime, device: accompanist)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (folder / "two.wav").unlink()
    out = tmp_path / "out"
    arguments = ["--stems", "drums,guitar", "--seconds", "16", "--skip-s", "3"]
    assert main(["evaluate", "--real", str(folder), *arguments, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "drums, told nothing: 0 of 1 in time; 1 silent." in printed
    assert "drums, told the beat: 1 of 1 in time; 1 mostly silent." in printed
    report = json.loads((out / "real.json").read_text())
    assert report["pieces"][0]["beats_told"] == "by hand"
    assert {(one["stem"], one["told"]) for one in report["judged"]} == {
        (stem, told) for stem in ("drums", "guitar") for told in ("none", "beat")
    } | {("guitar", "own")}
    page = (out / "README.md").read_text()
    assert "CC0" in page
    for known in ("none", "beat"):
        assert f"01-{known}.png" in page
        assert (out / f"01-{known}.png").stat().st_size < 150_000
