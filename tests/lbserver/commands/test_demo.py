# SPDX-License-Identifier: GPL-3.0-or-later
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lbserver import cli
from lbserver.commands import demo_song
from lbserver.errors import LiveBandError
from lbserver.music import conditions
from lbserver.testing import accompanists

BPM, BEATS = 120, 8


def make_song(folder: Path) -> Path:
    """Four seconds of two chords under a tick on every beat."""
    rate_hz = 48000
    seconds = BEATS * 60 / BPM
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    roots = np.where(time_s < seconds / 2, 220.0, 293.66)
    audio = sum(0.08 * np.sin(2 * np.pi * roots * ratio * time_s) for ratio in (1, 1.26, 1.5))
    audio += 0.3 * np.sin(2 * np.pi * 1500 * time_s) * np.exp(-(time_s % (60 / BPM)) / 0.01)
    path = folder / "song.flac"
    soundfile.write(path, np.stack([audio, audio], axis=1), rate_hz)
    path.with_suffix(".json").write_text(
        json.dumps(
            {
                "bpm": BPM,
                "key": 9,
                "beats": [i * 60 / BPM for i in range(BEATS)],
                "beat_in_bar": [i % 4 + 1 for i in range(BEATS)],
                "chords": [[0, seconds / 2, "A:maj"], [seconds / 2, seconds, "D:maj"]],
            }
        )
    )
    return path


def test_the_demo_writes_audio_and_a_picture(tmp_path: Path) -> None:
    song = demo_song.read_song(make_song(tmp_path))
    assert song.truth.spans[1].chord.label == "D:maj"
    assert song.truth.key == 9
    assert conditions.beat_at(song.truth.beat, 3.75) == (0.5, 0.875, BPM)
    report, picture = demo_song.run_demo(tmp_path / "out" / "deep", accompanists.click(), song=song)
    names = sorted(p.name for p in (tmp_path / "out" / "deep").iterdir())
    stems = ["bass", "drums", "guitar", "mix", "piano"]
    assert names == ["demo.png", *(f"demo_{stem}.wav" for stem in stems)]
    assert all(file.loudness_lufs is not None for file in report.files)
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_an_incomplete_song_is_one_clear_error(tmp_path: Path) -> None:
    path = make_song(tmp_path)
    path.with_suffix(".json").write_text("{}")
    with pytest.raises(LiveBandError, match="not a description of the demo song"):
        demo_song.read_song(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(LiveBandError, match=r"song\.json is missing"):
        demo_song.read_song(path)


def test_the_command_says_where_things_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    song = demo_song.read_song(make_song(tmp_path))
    monkeypatch.setattr(demo_song, "bundled_song", lambda: song)
    assert cli.main(["demo", "-o", str(tmp_path / "out"), "--model", "test:click"]) == 0
    printed = capsys.readouterr().out
    assert str(tmp_path / "out" / "demo_mix.wav") in printed
    assert str(tmp_path / "out" / "demo.png") in printed
    assert "liveband bounce" in printed
