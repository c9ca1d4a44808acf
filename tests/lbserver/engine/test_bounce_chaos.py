# SPDX-License-Identifier: GPL-3.0-or-later
"""A bounce that is stopped at any moment: its final name holds the older file or the whole new one, nothing else.

LIVEBAND_CHAOS_ROUNDS=50 stops it that often; LIVEBAND_CHAOS_SEED chooses the moments.
"""

import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.slow
ROUNDS = int(os.environ.get("LIVEBAND_CHAOS_ROUNDS", "9"))
SEED = int(os.environ.get("LIVEBAND_CHAOS_SEED", "20"))
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
NAMES = ("o_bass.wav", "o_mix.wav")
OLDER = b"an older take"


def start(song: Path, out: Path) -> "subprocess.Popen[bytes]":
    command = [
        sys.executable,
        "-m",
        "lbserver",
        "bounce",
        str(song),
        "-o",
        str(out / "o.wav"),
        "--stem",
        "bass",
    ]
    return subprocess.Popen(
        [*command, "--mix", "--model", "test:copy", "--quiet"],
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def parts(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir() if path.name.endswith(".part"))


def ages(out: Path) -> dict[str, int]:
    """When each part was written to last."""
    return {name: (out / name).stat().st_mtime_ns for name in parts(out)}


class Undisturbed:
    """A whole bounce to compare with: its files, the seconds until it wrote and those that it wrote for."""

    def __init__(self, folder: Path) -> None:
        self.song, out = folder / "song.wav", folder / "whole"
        audio = 0.3 * np.random.default_rng(1).standard_normal((48000 * 6, 2))
        soundfile.write(self.song, audio, 48000, subtype="FLOAT")
        out.mkdir()
        began = time.monotonic()
        process = start(self.song, out)
        while process.poll() is None and not parts(out):
            time.sleep(0.01)
        self.until_it_writes_s = time.monotonic() - began
        assert process.wait(120) == 0
        self.writes_for_s = time.monotonic() - began - self.until_it_writes_s
        self.files = {name: (out / name).read_bytes() for name in NAMES}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return Undisturbed(tmp_path_factory.mktemp("chaos"))


def moments(rounds: int) -> Iterator[tuple[signal.Signals, float | None, float]]:
    """Signal; share of the start-up at which it comes, or None; share of the writing at which it comes."""
    rng = random.Random(SEED)
    for number in range(rounds):
        early = rng.random() < 0.2
        yield SIGNALS[number % 3], rng.random() if early else None, 1.1 * rng.random()


def stopped(
    whole: Undisturbed, out: Path, number: signal.Signals, early: float | None, late: float
) -> tuple[int, float, bytes]:
    """Exit code, how long it took to go, and what it said."""
    process = start(whole.song, out)
    if early is not None:
        time.sleep(early * whole.until_it_writes_s)
    else:
        stale = {name: (out / name).stat().st_mtime_ns for name in parts(out)}
        while process.poll() is None and not any(
            stale.get(name) != (out / name).stat().st_mtime_ns for name in parts(out) if (out / name).exists()
        ):
            time.sleep(0.002)
        time.sleep(late * whole.writes_for_s)
    sent = time.monotonic()
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    return process.returncode, time.monotonic() - sent, said


def test_the_final_name_is_whole_or_untouched_whenever_it_stops(whole: Undisturbed, tmp_path: Path) -> None:
    print(f"seed {SEED}, {ROUNDS} rounds")
    ends: dict[str, int] = {}
    slowest_s = 0.0
    for number, early, late in moments(ROUNDS):
        for name in NAMES:
            (tmp_path / name).write_bytes(OLDER)
        before = ages(tmp_path)
        code, took_s, words = stopped(whole, tmp_path, number, early, late)
        slowest_s = max(slowest_s, took_s)
        said = f"{number.name} at {early or late:.3f}: exit code {code}"
        # 130 as the command answers, the signal itself before it could, 0 when it was done. SIGTERM is taken as Ctrl-C:
        # while the interpreter itself begins or ends, Python then ends by SIGINT, or by 1 before it comes to our code.
        unborn = code == 1 and words.endswith(b"KeyboardInterrupt\n") and b"/lbserver/" not in words
        assert unborn or code in {0, 130, 143, -number, -signal.SIGINT}, (said, words)
        found = {name: (tmp_path / name).read_bytes() for name in NAMES}
        for name in NAMES:
            assert found[name] in (OLDER, whole.files[name]), f"{said}: {name} is neither old nor whole"
        if code == 0:
            assert found == whole.files, said
        if number != signal.SIGKILL and code in {0, 130}:
            # What a killed one left stays where this one had not come to it.
            assert ages(tmp_path).items() <= before.items(), f"{said}: left {parts(tmp_path)}"
        assert {path.name for path in tmp_path.iterdir()} - set(parts(tmp_path)) == set(NAMES), said
        ends[f"{number.name} {code}"] = ends.get(f"{number.name} {code}", 0) + 1
    print(f"{ends}, the slowest end {slowest_s:.2f} s after its signal")
    assert start(whole.song, tmp_path).wait(120) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES), "the next start cleans up"
    assert {name: (tmp_path / name).read_bytes() for name in NAMES} == whole.files


def test_what_a_killed_bounce_left_is_gone_after_the_next(whole: Undisturbed, tmp_path: Path) -> None:
    process = start(whole.song, tmp_path)
    while len(parts(tmp_path)) < 3:
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    process.wait(30)
    assert parts(tmp_path) == ["o_bass.wav.part", "o_mix.wav.draft.wav.part", "o_mix.wav.part"]
    assert start(whole.song, tmp_path).wait(120) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize(
    ("ending", "size", "blend"),
    [("wav", "1m", ""), ("flac", "1m", ""), ("ogg", "40k", ""), ("flac", "1m", "--mix-only")],
)
def test_a_disk_that_fills_up(whole: Undisturbed, tmp_path: Path, ending: str, size: str, blend: str) -> None:
    """A real full disk, ENOSPC and all: a file system of its own in a name space of its own.

    With --mix-only it is the draft of the blend that fills it.
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size={size} none "$0" && exec "$@"'
    mounted = ["unshare", "-rm", "sh", "-c", mount, str(disk)]
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no name spaces for this user")
    bounce = [sys.executable, "-m", "lbserver", "bounce", str(whole.song), "-o", str(disk / f"o.{ending}")]
    command = f"{shlex.join(bounce)} --stem bass {blend} --model test:copy --quiet; echo $?; ls -A {disk}"
    done = subprocess.run([*mounted, "sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "2\n", "an exit code of 2, and nothing left"
    assert done.stderr.startswith(f"liveband: error: cannot write {disk}/o.{ending}")
    assert done.stderr.count("\n") == 1
    assert "full?" in done.stderr or "are free" in done.stderr
