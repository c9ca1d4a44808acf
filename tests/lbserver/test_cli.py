# SPDX-License-Identifier: GPL-3.0-or-later
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lbserver import __version__, cli

COPY = ["--model", "test:copy"]


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    audio = 0.1 * np.random.default_rng(1).standard_normal((24000, 2))
    soundfile.write(path, audio, 48000, subtype="FLOAT")
    return path


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that a command fails with."""
    try:
        code = cli.main([str(argument) for argument in arguments])
    except SystemExit as stopped:
        code = int(str(stopped.code))
    assert code == 2
    printed = capsys.readouterr()
    lines = [line for line in printed.err.splitlines() if line.startswith("liveband: error: ")]
    assert len(lines) == 1
    assert "Traceback" not in printed.err
    return lines[0]


def test_bounce_prints_what_it_did(song: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.wav"
    arguments = [
        "bounce",
        str(song),
        "-o",
        str(out),
        "--stem",
        "bass,drums",
        "--stem",
        "piano",
        "--mix",
        *COPY,
    ]
    assert cli.main([*arguments, "--bpm", "120", "--first-beat", "0.1", "--anticipation", "50"]) == 0
    printed = capsys.readouterr()
    assert "40 ms ahead (you asked for 50 ms; a frame is 40 ms)" in printed.err
    assert "120 bpm, first beat at 0.1 s" in printed.err
    assert "LUFS" in printed.out
    for name in ("bass", "drums", "piano", "mix"):
        assert f"out_{name}.wav" in printed.out
        assert soundfile.info(tmp_path / f"out_{name}.wav").frames == 24000


def test_json_is_all_that_is_printed(song: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bounce", str(song), "-o", str(tmp_path / "new"), *COPY, "--json"]) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert printed.err == ""
    assert report["samples"] == 24000
    assert report["timing"]["anticipation_samples"] == 1920
    assert report["timing"]["latency_samples"] == 0
    assert [file["name"] for file in report["files"]] == ["drums", "bass", "piano", "guitar"]
    assert all(Path(file["path"]).is_file() for file in report["files"])


def test_quiet_is_quiet(song: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "o.wav"
    assert cli.main(["bounce", str(song), "-o", str(out), "--stem", "bass", *COPY, "--quiet"]) == 0
    printed = capsys.readouterr()
    assert printed.out + printed.err == ""
    assert out.is_file()


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    (inputs / "text.wav").write_text("this is not audio\n" * 100)
    (inputs / "nothing.wav").write_bytes(b"")
    (inputs / "folder.wav").mkdir()
    soundfile.write(inputs / "zero.wav", np.zeros((0, 2)), 48000)
    soundfile.write(inputs / "many.wav", np.zeros((10, 64)), 48000)
    bad = np.zeros((48000, 2), np.float32)
    bad[36000, 1] = np.nan
    soundfile.write(inputs / "nan.wav", bad, 48000, subtype="FLOAT")
    out = tmp_path / "out"
    out.mkdir()
    for name, says in {
        "missing.wav": "no such file",
        "text.wav": "it is text (read here: WAV, FLAC, OGG, MP3, AIFF",
        "nothing.wav": "is empty",
        "folder.wav": "where IN is a folder, so is OUT",
        "zero.wav": "0 samples",
        "many.wav": "64 channels; accepted are 1 to 32",
        "nan.wav": "at 0.750000 s",
    }.items():
        line = fails(capsys, "bounce", inputs / name, "-o", out / "o.wav", "--stem", "bass", "--mix", *COPY)
        assert says in line
        assert name in line
        assert not list(out.iterdir())


def test_bad_requests_are_one_line(song: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "o.wav"
    bounce = ["bounce", song, "-o", out]
    chart = tmp_path / "chart.txt"
    chart.write_text("| C | Zz |")
    for arguments, says in (
        ([*bounce, "--stem", "kazoo", *COPY], "unknown stem 'kazoo'"),
        ([*bounce, "--stem", ",", *COPY], "no stem asked for"),
        ([*bounce, "--model", "test:nobody"], "unknown model 'test:nobody'"),
        ([*bounce, "--device", "kazoo", *COPY], "unknown device 'kazoo'; accepted: auto, cpu, cuda"),
        (["serve", "--device", "cuda:99"], "device cuda:99"),
        ([*bounce, "--bpm", "fast", *COPY], "invalid float value: 'fast'"),
        ([*bounce, "--bpm", "0", *COPY], "--bpm: 0 is out of range: 20 to 400 bpm"),
        ([*bounce, "--bpm", "nan", *COPY], "--bpm: 'nan' is not a finite number"),
        ([*bounce, "--key", "Q", *COPY], "'Q' is not a key"),
        (
            [*bounce, "--bpm", "100", "--chords", chart, *COPY],
            "chart.txt: line 1, bar 2: 'Zz' is not a chord",
        ),
        ([*bounce, "--control", "when_silent=stop", *COPY], "when_silent is one of auto, rest, play_on"),
        ([*bounce, "--control", "time_feel=1.5", *COPY], "time_feel: 1.5 must be a whole number"),
        ([*bounce, "--anticipation", "5000", *COPY], "5000 is out of range: 0 to 1000 ms"),
        (["bounce", song, "-o", tmp_path / "o.mp3", "--stem", "bass", *COPY], "the ending must be one of"),
        (["bounce", song, "-o", tmp_path / "no" / "o.wav", "--stem", "bass", *COPY], "there is no folder"),
        (["bounce", song, "-o", tmp_path / "no" / "folder", *COPY], "cannot make the folder"),
        (["bounce", song, "-o", song, "--stem", "bass", *COPY], "would replace the input"),
        (["bounce", song], "-o/--output"),
        (["sing"], "invalid choice: 'sing'"),
    ):
        assert says in fails(capsys, *arguments)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["chart.txt", "song.wav"]


def test_a_folder_that_refuses_is_one_line(song: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """/proc refuses files even to root."""
    line = fails(capsys, "bounce", song, "-o", "/proc/o.wav", "--stem", "bass", *COPY)
    assert "cannot write /proc/o.wav" in line


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """The whole command, with a limit on the size of files in place of a full disk."""
    song = tmp_path / "song.wav"
    soundfile.write(song, 0.1 * np.random.default_rng(1).standard_normal((96000, 2)), 48000)
    out = tmp_path / "out"
    out.mkdir()
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)); "
        "from lbserver.cli import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "bounce", song, "-o", out, "--mix", *COPY, "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("liveband: error: cannot write ")
    assert not list(out.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_bounce_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """The accompanist itself sends the signal, in its third step: no clock is involved."""
    song = tmp_path / "song.wav"
    soundfile.write(song, 0.1 * np.random.default_rng(1).standard_normal((200_000, 2)), 48000)
    out = tmp_path / "out"
    out.mkdir()
    (out / "o.wav").write_bytes(b"an older take")
    program = f"""
import os, sys
from lbserver import cli
from lbserver.engine import backends
from lbserver.testing import accompanists
def stop(seconds, steps=[]):
    steps.append(1)
    if len(steps) == 3:
        os.kill(os.getpid(), {int(number)})
backends.accompanists.BY_NAME["test:cost"] = lambda: accompanists.cost(0.0, stop)
sys.exit(cli.main())
"""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            program,
            "bounce",
            song,
            "-o",
            out / "o.wav",
            "--stem",
            "bass",
            "--model",
            "test:cost",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130
    assert "nothing half-written was left" in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in out.iterdir()] == ["o.wav"]
    assert (out / "o.wav").read_bytes() == b"an older take"


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"liveband {__version__}\n"
    assert cli.main([]) == 0
    assert "bounce" in capsys.readouterr().out
    for command in ("demo", "bounce"):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        assert f"liveband {command} " in capsys.readouterr().out.split("example", 1)[1]


def test_the_command_needs_no_torch_until_a_model_is_asked_for() -> None:
    """--help must be quick, and the server must start where torch is not installed, without a quarter of a second of
    linear algebra that nobody asked for."""
    program = (
        "import sys; from lbserver import cli; cli.main([]); import lbserver.server.serve; "
        "sys.exit(any(name.split('.')[0] == 'torch' or name == 'scipy.linalg' for name in sys.modules))"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr


def test_the_overview_is_quick_and_says_of_each_command_what_the_command_says() -> None:
    """Catches heavy modules that every command waits for, and two texts for one command that drift apart."""

    def overview(command: str | None) -> str:
        return cli.build_parser(command).format_help()

    assert overview("") == overview(None)
    program = (
        "import sys; from lbserver import cli; cli.main([]); "
        "sys.exit(bool({'numba', 'zmq', 'scipy', 'rich', 'prometheus_client'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nohup_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that the shell has switched off stays off: a bounce under nohup outlives its terminal."""
    monkeypatch.setattr(cli, "_run", lambda _arguments: os.kill(os.getpid(), signal.SIGHUP) or 7)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert cli.main([]) == 7
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_comes_through_standard_input_is_played_along_to(song: Path, tmp_path: Path) -> None:
    """`-` was a file of that name, or none; MP3 and FLAC through a pipe cannot be read twice, and are."""
    bounce = [
        sys.executable,
        "-m",
        "lbserver",
        "bounce",
        "-",
        "-o",
        f"{tmp_path}/band.2024/",
        "--stem",
        "bass",
    ]
    command = 'cat "$0" | "$@"'
    done = subprocess.run(
        ["sh", "-c", command, song, *bounce, *COPY, "--json"], capture_output=True, text=True, check=True
    )
    report = json.loads(done.stdout)
    assert (report["source"], report["samples"]) == ("-", 24000)
    assert [path.name for path in (tmp_path / "band.2024").iterdir()] == ["stdin_bass.wav"]


def test_another_take_from_standard_input_replaces_the_first(song: Path, tmp_path: Path) -> None:
    """With an output that is there already, `-` was looked for as a file; the song itself is never replaced."""
    take, kept = tmp_path / "take.wav", song.read_bytes()
    for out, code in ((take, 0), (take, 0), (song, 2)):
        bounce = [
            sys.executable,
            "-m",
            "lbserver",
            "bounce",
            "-",
            "-o",
            out,
            "--stem",
            "bass",
            *COPY,
            "--quiet",
        ]
        with song.open("rb") as file:
            done = subprocess.run(bounce, stdin=file, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
    assert "would replace the input" in done.stderr
    assert song.read_bytes() == kept
