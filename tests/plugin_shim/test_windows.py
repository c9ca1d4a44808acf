# SPDX-License-Identifier: GPL-3.0-or-later
"""The core as Windows has it: built by mingw-w64, run by Wine. `make windows` installs both (170 MB) and runs this."""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lbserver.host.windows import kernel, security

WINE = "/usr/lib/wine/wine64"
COMPILER = "x86_64-w64-mingw32-g++-posix"
Build = Callable[..., Path]
Play = Callable[..., "subprocess.Popen[str]"]
USER = "S-1-5-21-1-2-3-1000"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wine() -> Iterator[dict[str, str]]:
    """The environment in which Wine has a machine of its own, without a display; it is thrown away."""
    if not Path(WINE).exists() or shutil.which(COMPILER) is None:
        pytest.skip("no Wine and mingw-w64 here (make windows)")
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **{name: value for name, value in os.environ.items() if name != "DISPLAY"},
            "HOME": folder,
            "WINEPREFIX": f"{folder}/machine",
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=;winemenubuilder.exe=d",
        }
        done = subprocess.run(
            [WINE, "wineboot", "-i"], env=environment, capture_output=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr[-1000:]
        yield environment
        subprocess.run(["/usr/lib/wine/wineserver", "-k"], env=environment, timeout=60, check=False)


@pytest.fixture
def play(wine: dict[str, str], build: Build) -> Iterator[Play]:
    """A program for Windows, started; it is gone after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(source: str, parts: str, *arguments: str, run: str = "") -> "subprocess.Popen[str]":
        program = build(f"tests/{source}.cpp", parts, flags=("-O0",), form="windows")
        process = subprocess.Popen(
            [WINE, str(program), *arguments],
            env={**wine, "LIVEBAND_RUN": run},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)


def windows_path(path: Path) -> str:
    """As a program in Wine calls it."""
    return "Z:" + str(path).replace("/", "\\")


def ended(process: "subprocess.Popen[str]", told: str = "") -> str:
    said, _ = process.communicate(told, timeout=120)
    assert process.returncode == 0, (process.returncode, said)
    return said


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_every_promise_of_the_seam_holds(play: Play, tmp_path: Path) -> None:
    """Memory of the wrong size or open to others, names of others, pipes, folders, locks.

    Wine 8 lets two take the same name of a pipe as its first; only Windows, or a later Wine, can show that promise.
    """
    missing = set(ended(play("windows_seam", "core", windows_path(tmp_path))).split())
    assert missing <= {"first"}


@pytest.mark.parametrize(
    ("source", "parts", "arguments"),
    [
        ("ring_threads", "port", ("1",)),
        ("guards", "guards", ()),
        ("handover", "ring", ()),
        ("hostile", "messages", ("1", "2000")),
    ],
)
def test_the_rings_own_tests_pass(play: Play, source: str, parts: str, arguments: tuple[str, ...]) -> None:
    """Wrapping, overrun, epochs, gaps, sizes, strangers' bytes: the programs that run on Linux, on a mapping."""
    said = ended(play(source, parts, *arguments))
    assert source != "guards" or not said, said


def test_a_front_end_plays_with_a_server_in_another_process(play: Play, tmp_path: Path) -> None:
    """Over pipe and mapping; the server is killed, which is heard of; the next one is found; two at once are not."""
    run = windows_path(tmp_path / "run")
    server = play("windows_server", "core", run)
    assert line(server) == "ready"
    second = play("windows_server", "core", run)
    assert (line(second), second.wait(timeout=60)) == ("another server runs", 4)
    recording = tmp_path / "recording.f32"
    host = play("bridge_driver", "core", "track-1", windows_path(recording), run=run)

    def ask(command: str) -> str:
        assert host.stdin is not None
        host.stdin.write(command + "\n")
        host.stdin.flush()
        return line(host)

    ask("start")
    assert '"open": true' in ask("prepare 48000 512 bounce 1 30000")
    assert '"state": "playing"' in ask("until playing 20000")
    assert '"good": true' in ask("offline 200 512")
    assert [line(server), line(server)] == ["come", "opened"]
    os.killpg(server.pid, signal.SIGKILL)
    assert '"state": "lost"' in ask("until lost 20000")
    later = play("windows_server", "core", run)
    assert line(later) == "ready"
    assert '"state": "playing"' in ask("until playing 30000")
    ended(host)
    mix, stem = np.fromfile(recording, np.float32).reshape(2, -1)
    assert len(mix) == 200 * 512
    np.testing.assert_array_equal(stem[240:], mix[240:])  # an epoch rises over 5 ms


def test_python_says_the_same(play: Play) -> None:
    """Structures are those of the headers; both sides trust the same descriptors and names."""
    told = {words[0]: [int(word) for word in words[1:]] for words in map(str.split, ended(play("windows_seam", "core", "layouts")).splitlines())}  # fmt: skip
    fields = {
        "SecurityAttributes": "inherit",
        "Overlapped": "event",
        "MemoryRegion": "bytes",
        "MemoryCounters": "pagefile_bytes",
        "JobLimits": "process_bytes",
    }
    ours = {
        name: [ctypes.sizeof(getattr(kernel, name)), getattr(getattr(kernel, name), field).offset]
        for name, field in fields.items()
    }
    assert told == ours
    asked = "".join(f"{descriptor} {USER}\n" for descriptor in DESCRIPTORS)
    verdicts = ended(play("windows_seam", "core", "verdicts"), asked).split()
    assert [bool(int(word)) for word in verdicts] == list(DESCRIPTORS.values())


DESCRIPTORS = {
    security.alone_text(USER): True,
    security.alone_text(USER, inherited=True): True,
    f"O:{USER}D:P(A;;FA;;;{USER})(A;;FA;;;SY)(A;;FA;;;BA)": True,
    f"O:BAD:(A;;FA;;;{USER})": True,
    f"O:{USER}D:(D;;FA;;;WD)(A;;FA;;;{USER})": True,
    f"O:{USER}D:(A;;FA;;;{USER})(A;;FR;;;WD)": False,
    f"O:{USER}D:(A;OICI;0x1200a9;;;AU)(A;;FA;;;{USER})": False,
    f"O:{USER}D:NO_ACCESS_CONTROL": False,
    f"O:{USER}D:": False,
    f"O:{USER}": False,
    f"O:S-1-5-21-1-2-3-1001D:(A;;FA;;;{USER})": False,
    f"D:(A;;FA;;;{USER})": False,
    f"O:{USER}D:(XA;;FA;;;{USER})": False,
    f"O:{USER}D:(A;;FA;;;{USER}": False,
}
"""Security descriptors, and whether what has them is USER's alone."""
