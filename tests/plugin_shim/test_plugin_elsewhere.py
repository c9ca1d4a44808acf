# SPDX-License-Identifier: GPL-3.0-or-later
"""The core as other systems have it, as far as it runs on Linux: macOS's memory under a real server, and who asks whom."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lbserver.testing.processes import running

SHIM = Path(__file__).resolve().parents[2] / "plugin_shim"
SYSTEM_ALONE = re.compile(
    r"#\s*if\w*.*(?:_WIN32|__linux__|__APPLE__|__unix__)|<(?:windows|unistd|fcntl|poll|sys/\w+|signal)\.h>"
)


def test_a_bridge_plays_over_memory_without_seals(
    build: Callable[..., Path], server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Server and front end both take macOS's form; a front end of the other form says why it takes none."""
    monkeypatch.setenv("LIVEBAND_SHARED_MEMORY", "unlinked")
    server.environment["LIVEBAND_SHARED_MEMORY"] = "unlinked"
    program = build("tests/bridge_driver.cpp", "core")
    other = build("tests/bridge_driver.cpp", "core", form="sealed")
    server.start()
    commands = "start\nprepare 48000 512 bounce 1 20000\noffline 200 512\n"
    recording = tmp_path / "recording.f32"
    with running(
        [program, "track-1", recording],
        env=server.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as host:
        told, _ = host.communicate(commands, timeout=120)
    assert '"open": true' in told
    mix, stem = np.fromfile(recording, np.float32).reshape(2, -1)
    assert len(mix) == 200 * 512
    assert np.abs(stem[len(stem) // 2 :]).max() > 0.1  # what was heard is played, a little later
    with running(
        [other, "track-2", tmp_path / "none.f32"],
        env=server.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as host:
        told, _ = host.communicate("start\nprepare 48000 480 live 0 0\nuntil refused 20000\n", timeout=120)
    assert '"state": "refused"' in told
    assert "the segment is not sealed" in told


def test_only_the_seam_knows_the_system() -> None:
    """A choice of system between the lines of the core is one that nobody builds, until a user does."""
    found = [
        f"{path.relative_to(SHIM)}: {one.group()}"
        for path in (*SHIM.glob("core/*.cpp"), *SHIM.glob("core/liveband/*.h"))
        for one in SYSTEM_ALONE.finditer(path.read_text(encoding="utf-8"))
    ]
    assert not found, found


def test_the_build_knows_every_file_of_the_seam() -> None:
    """A file that CMake does not name is missing in the plug-in of one system alone."""
    text = (SHIM / "CMakeLists.txt").read_text(encoding="utf-8")
    for path in (SHIM / "core" / "system").glob("*/*.cpp"):
        name = path.relative_to(SHIM / "core" / "system").with_suffix("").as_posix()
        assert name in text or (path.stem == "shared_memory" and f" {path.parent.name}" in text), name


def test_macos_asks_who_calls_by_its_own_function(tmp_path: Path) -> None:
    """As far as a compiler elsewhere can tell: `getpeereid` is declared for it, nothing more."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler here (Debian: g++)")
    declared = tmp_path / "declared.h"
    declared.write_text("#include <sys/types.h>\nint getpeereid(int, uid_t*, gid_t*);\n")
    flags = [
        "-std=c++17",
        "-fsyntax-only",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wconversion",
        "-Icore",
        "-Iinclude",
    ]
    done = subprocess.run(
        [compiler, *flags, "-include", declared, "core/system/macos/peer.cpp"],
        cwd=SHIM,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
