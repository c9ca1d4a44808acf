# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband bounce --through plugin` gives the files that `liveband bounce` gives."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lbserver.cli import main

pytest.importorskip("pedalboard")


@pytest.fixture
def vst3(plugin_build: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The plug-in that was built, and no server of this user."""
    path = plugin_build / "VST3" / "LiveBand.vst3"
    monkeypatch.setenv("LIVEBAND_VST3", str(path))
    monkeypatch.setenv("LIVEBAND_RUN", str(tmp_path / "run"))
    return path


@pytest.fixture
def song(tmp_path: Path) -> Path:
    noise = 0.1 * np.random.default_rng(3).standard_normal((3 * 44100, 2))
    soundfile.write(tmp_path / "song.wav", noise, 44100)
    return tmp_path / "song.wav"


def bounce(song: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lbserver", "bounce", str(song), "-o", str(out), "--quiet", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_files_are_those_of_a_bounce(vst3: Path, song: Path, tmp_path: Path) -> None:
    """Seed, variation, gain, blocks and the blend: every file is the same to the last byte."""
    options = ["--model", "test:noise", "--stem", "drums,bass", "--mix", "--seed", "471199"]
    options += ["--gain", "-6", "--chunk", "333", "--anticipation", "80"]
    for folder, more in (("plain", []), ("through", ["--through", "plugin"])):
        done = bounce(song, tmp_path / folder, *options, *more)
        assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "plain").iterdir())
    assert len(names) == 3
    for name in names:
        plain, through = tmp_path / "plain" / name, tmp_path / "through" / name
        assert np.abs(soundfile.read(plain)[0]).max() > 0.05
        assert through.read_bytes() == plain.read_bytes(), name


def test_beats_are_where_they_are_told(vst3: Path, song: Path, tmp_path: Path) -> None:
    """Tempo and position go as parameters, for pedalboard has no playhead."""
    options = ["--model", "test:click", "--stem", "bass", "--bpm", "120", "--first-beat", "0.25"]
    assert bounce(song, tmp_path / "plain.wav", *options).returncode == 0
    assert bounce(song, tmp_path / "through.wav", *options, "--through", "plugin").returncode == 0
    plain, through = (soundfile.read(tmp_path / f"{name}.wav")[0][:, 0] for name in ("plain", "through"))
    assert np.count_nonzero(np.abs(plain) > 0.3) > 3
    onsets = [np.flatnonzero(np.abs(audio) > 0.05)[0] for audio in (plain, through)]
    assert abs(onsets[0] - onsets[1]) <= 1
    np.testing.assert_allclose(through, plain, atol=1e-4)


@pytest.mark.weights
def test_the_shipped_model_too(vst3: Path, song: Path, tmp_path: Path) -> None:
    options = ["--stem", "piano", "--seed", "12"]
    assert bounce(song, tmp_path / "plain.wav", *options).returncode == 0
    assert bounce(song, tmp_path / "through.wav", *options, "--through", "plugin").returncode == 0
    plain, through = (soundfile.read(tmp_path / f"{name}.wav")[0] for name in ("plain", "through"))
    assert np.abs(plain).max() > 1e-3
    np.testing.assert_allclose(through, plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--through", "plugin", "--vst3", "nowhere.vst3"], "liveband plugin install"),
        (["--through", "plugin", "--key", "Am"], "--key"),
        (["--through", "plugin", "--bpm", "100"], "--first-beat"),
        (["--through", "plugin", "--seed", "99999999"], "16777215"),
        (["--through", "plugin", "--chunk", "65537"], "65536"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_go_through_says_so(
    vst3: Path,
    song: Path,
    tmp_path: Path,
    options: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In one line, before a server is started for it."""
    out = tmp_path / "out.wav"
    assert main(["bounce", str(song), "-o", str(out), "--model", "test:copy", "--quiet", *options]) == 2
    told = capsys.readouterr().err
    assert told.startswith("liveband: error: ")
    assert says in told
    assert told.count("\n") == 1
    assert not list(tmp_path.glob("out*"))


def test_what_is_no_plug_in_says_so(vst3: Path, song: Path, tmp_path: Path) -> None:
    done = bounce(song, tmp_path / "out.wav", "--model", "test:copy", "--through", "plugin", "--vst3", ".")
    assert done.returncode == 2
    assert done.stderr.startswith("liveband: error: cannot load")
    assert not list(tmp_path.glob("out*"))


def test_a_server_that_dies_leaves_no_file(vst3: Path, tmp_path: Path) -> None:
    """A render that the band left is an error, not a file that ends in silence; nobody is left running."""
    noise = 0.1 * np.random.default_rng(3).standard_normal((600 * 44100, 1))
    soundfile.write(tmp_path / "long.wav", noise, 44100)
    command = [sys.executable, "-m", "lbserver", "bounce", str(tmp_path / "long.wav")]
    command += ["-o", str(tmp_path / "out.wav"), "--model", "test:copy", "--stem", "bass", "--quiet"]
    process = subprocess.Popen([*command, "--through", "plugin"], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "out.wav.part").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    servers = [int(pid) for pid in children if "serve" in Path(f"/proc/{pid}/cmdline").read_text()]
    assert len(servers) == 1
    os.killpg(servers[0], signal.SIGKILL)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "the server ended" in told
    assert not list(tmp_path.glob("out.wav*"))
