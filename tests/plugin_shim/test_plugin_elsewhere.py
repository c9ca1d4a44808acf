# SPDX-License-Identifier: GPL-3.0-or-later
"""The core where the local connection is not built yet: it compiles, and says so in words; nothing is claimed beyond that.

No other system is at hand: the compiler is told that this is none it knows. A compiler of such a system may still object.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SHIM = Path(__file__).resolve().parents[2] / "plugin_shim"
NO_LINUX = ("-U__linux__", "-U__linux", "-Ulinux")


@pytest.mark.slow
def test_another_unix_refuses_in_words(build: Callable[..., Path], server: Any, tmp_path: Path) -> None:
    """Also beside a server that runs: silence, a sentence, and no connection."""
    flags = ("-O0", *NO_LINUX, "-include", "tests/elsewhere.h")
    program = build("tests/bridge_driver.cpp", "core", flags=flags)
    server.start()
    done = subprocess.run(
        [program, "track-1", tmp_path / "recording.f32"],
        input="start\nprepare 48000 480 live 0 0\nuntil refused 5000\nonline 10 480\n",
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    status = json.loads(done.stdout.splitlines()[-1])
    assert status["state"] == "refused"
    assert status["text"] == "LiveBand's local connection is not built for this system yet"
    assert status["connections"] == 0


@pytest.mark.parametrize("source", ["segment", "connection", "rundir", "watcher"])
def test_nothing_of_unix_is_left_for_windows(source: str) -> None:
    """The files that hold a choice of system, with Windows' choice taken."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler here (Debian: g++)")
    flags = (*NO_LINUX, "-D_WIN32", "-std=c++17", "-Icore", "-Iinclude", "-Wall", "-Wextra", "-Werror")
    command = [compiler, *flags, "-fsyntax-only", f"core/{source}.cpp"]
    done = subprocess.run(command, cwd=SHIM, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    chosen = subprocess.run(
        [compiler, *flags, "-E", "-P", f"core/{source}.cpp"],
        cwd=SHIM,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    own = chosen[chosen.rindex("namespace liveband") :]
    for word in ("::mmap", "::poll", "::recvmsg", "::open(", "::close("):
        assert word not in own
