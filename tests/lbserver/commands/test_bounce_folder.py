# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband bounce FOLDER`: each file as a single bounce plays it, done once, whatever happens to the others."""

import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
from argparse import Namespace
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from lbmodels.tasks import processes
from lbserver import cli
from lbserver.commands.bounce_folder import _played
from lbserver.commands.playing import Bar
from lbserver.engine.bounce_folder import Settings, look_into, plan
from lbserver.testing.accompanists import copy
from lbserver.testing.processes import running
from lbserver.testing.waiting import until

LIVEBAND = [sys.executable, "-m", "lbserver"]
COPY = ("--stem", "bass", "--model", "test:copy")


def record(path: Path, *, samples: int = 4800, peak: float = 0.1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = np.random.default_rng(samples).uniform(-peak, peak, (samples, 2))
    soundfile.write(path, audio, 48000, subtype="FLOAT" if path.suffix == ".wav" else None)


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    folder = tmp_path / "songs"
    record(folder / "one.wav")
    record(folder / "live" / "late" / "two.ogg", samples=4000)
    return folder


def bounce(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> dict[str, Any]:
    """The report of a run, its recordings by name."""
    assert cli.main(["bounce", *map(str, arguments), "--json"]) == code
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    report["recordings"] = {each["name"]: each for each in report["recordings"]}
    return report


def states(report: dict[str, Any]) -> dict[str, str]:
    return {name: each["state"] for name, each in report["recordings"].items()}


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "bounce.jsonl"
    }


def test_each_file_is_as_a_single_bounce_plays_it_and_a_bad_one_stops_none(
    songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two recordings of one name would overwrite each other's stems; a text, a folder of pictures, a file that kills its
    process, or stems in a folder inside of the songs would end the run or be played along to.
    """
    record(songs / "one.flac", samples=4100)
    record(songs / "deadly.wav", peak=9.0)
    (songs / "text.wav").write_text("no audio at all\n" * 40)
    (songs / "cover.png").write_bytes(b"\x89PNG")
    (songs / "._one.wav").write_bytes(b"what another system leaves")
    (songs / "live" / "round").symlink_to(songs)
    os.mkfifo(songs / "pipe.wav")
    out = songs / "stems"
    arguments = (songs, "-o", out, "--stem", "bass", "--mix", "--model", "test:fragile")
    report = bounce(capsys, *arguments, code=2)
    assert states(report) == {
        "deadly.wav": "failed",
        "live/late/two.ogg": "done",
        "one.flac": "done",
        "one.wav": "done",
        "text.wav": "failed",
    }
    assert (report["done"], report["failed"], report["others"]) == (3, 2, 2)
    assert "SIGKILL" in report["recordings"]["deadly.wav"]["reason"]
    assert "it is text" in report["recordings"]["text.wav"]["reason"]
    single = tmp_path / "single.wav"
    for source, title in (
        ("one.wav", "one.wav"),
        ("one.flac", "one.flac"),
        ("live/late/two.ogg", "live/late/two"),
    ):
        assert (
            cli.main(["bounce", str(songs / source), "-o", str(single), *COPY[:2], "--model", "test:fragile"])
            == 0
        )
        assert (out / f"{title}_bass.wav").read_bytes() == single.read_bytes()
    assert len(digests(out)) == 6


def test_a_stopped_run_leaves_no_half_file_and_goes_on(songs: Path, tmp_path: Path) -> None:
    """A process that outlives the command writes on; one that is killed outright leaves its part files."""
    soundfile.write(songs / "long.flac", np.zeros((48000 * 900, 1), np.int16), 48000)
    out = tmp_path / "out"
    command = [*LIVEBAND, "bounce", songs, "-o", out, *COPY, "--jobs", "2", "--quiet"]

    def parts() -> list[Path]:
        return list(out.rglob("long*.part"))

    def is_under_way() -> bool:
        return bool(parts()) and len((out / "bounce.jsonl").read_text().splitlines()) == 2

    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 130)):
        with running(command, stderr=subprocess.PIPE, text=True) as process:
            until(is_under_way, timeout_s=300)
            process.send_signal(number)
            assert process.wait(60) == code
            if number == signal.SIGKILL:
                until(lambda: not parts(), timeout_s=300)  # its own processes see that it has gone
        assert sorted(digests(out)) == ["live/late/two_bass.wav", "one_bass.wav"]


def test_of_a_process_that_does_not_end_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is deep in a step when it is asked to stop is killed, and leaves part files, those of the blend too."""
    songs, out = tmp_path / "songs", tmp_path / "out"
    record(songs / "one.wav")
    soundfile.write(songs / "long.flac", np.zeros((48000 * 900, 1), np.int16), 48000)
    monkeypatch.setattr(processes, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(processes._Worker, "ask_to_stop", lambda _worker: None)
    settings = Settings(
        device="auto", model="test:copy", runtime="auto", weights_id=copy().spec.weights_id, stems=("bass",), mix=True
    )  # fmt: skip
    out.mkdir()
    items = plan(look_into(songs, out), out, settings, {})
    with (
        Bar(quiet=True) as bar,
        closing(_played(settings, items, Namespace(jobs=2, cluster=None), bar)) as played,
    ):
        assert next(played).name == "one.wav"
        until(
            lambda: len(list(out.glob("long*.part"))) == 3, "part files of the stem, the blend and its draft"
        )
    assert sorted(digests(out)) == ["one_bass.wav", "one_mix.wav"]


def test_what_does_not_go_is_one_line(
    songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stems among their own recordings would be played along to by the next run; a journal that is a link leads elsewhere."""
    (tmp_path / "empty").mkdir()
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "bounce.jsonl").symlink_to(tmp_path / "elsewhere")
    song = songs / "one.wav"
    for arguments, says in (
        ([songs, "-o", songs], "OUT is IN"),
        ([songs, "-o", tmp_path / "o.wav"], "so is OUT"),
        ([songs, "-o", tmp_path / "o", "--through", "plugin"], "plays one recording"),
        ([songs, "-o", tmp_path / "o", "--stem", "kazoo"], "unknown stem"),
        ([songs, "-o", tmp_path / "o", "--jobs", "0"], "out of range"),
        ([song, "-o", tmp_path / "o", "--jobs", "2"], "--jobs is for a folder"),
        ([song, "-o", tmp_path / "o", "--cluster", "local"], "--cluster is for a folder"),
        ([tmp_path / "empty", "-o", tmp_path / "o"], "no recording in"),
        ([songs, "-o", linked], "symbolic links"),
    ):
        try:
            code = cli.main(["bounce", *map(str, arguments), "--model", "test:copy"])
        except SystemExit as stopped:
            code = int(str(stopped.code))
        lines = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
        assert code == 2
        assert len(lines) == 1
        assert says in lines[0]
    assert not (tmp_path / "o").exists()
    for address, says in (
        ("127.0.0.1:1", "cannot join the Ray cluster 127.0.0.1:1: "),  # Ray by itself tries for minutes
        ("", "accepted are local, auto, HOST:PORT"),
        ("kazoo", "accepted are local, auto, HOST:PORT"),
    ):
        assert cli.main(["bounce", str(songs), "-o", str(tmp_path / "c"), *COPY, "--cluster", address]) == 2
        assert says in capsys.readouterr().err.splitlines()[-1]
    if importlib.util.find_spec("ray") is None:
        assert cli.main(["bounce", str(songs), "-o", str(tmp_path / "c"), *COPY, "--cluster", "local"]) == 2
        assert capsys.readouterr().err.endswith("not installed: pip install 'liveband[cluster]'\n")
    assert not (tmp_path / "elsewhere").exists()
