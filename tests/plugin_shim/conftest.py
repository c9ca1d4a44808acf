# SPDX-License-Identifier: GPL-3.0-or-later
"""The plug-in's C++ core, compiled once and kept: by the text of what goes into it."""

import functools
import hashlib
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

SHIM = Path(__file__).resolve().parents[2] / "plugin_shim"
_RING = (
    "core/segment.cpp",
    "core/conceal.cpp",
    "core/host_port.cpp",
    "core/audio_side.cpp",
    "core/offline.cpp",
)
_PARTS = {
    "ring": _RING,
    "core": (*_RING, "core/msgpack.cpp", "core/rundir.cpp", "core/connection.cpp", "core/bridge.cpp"),
    "messages": (*_RING, "core/msgpack.cpp", "core/rundir.cpp"),
}
_FLAGS = (
    "-std=c++17 -pthread -ffp-contract=off -Wall -Wextra -Werror -Wshadow -Wconversion -Icore -Iinclude -Itests".split()
)

Build = Callable[..., Path]


@functools.cache
def _compiler() -> str | None:
    return shutil.which("g++")


@functools.cache
def _headers() -> bytes:
    found = sorted([*SHIM.glob("core/liveband/*.h"), *SHIM.glob("include/**/*.h"), *SHIM.glob("tests/*.h")])
    return b"".join(path.read_bytes() for path in found)


def _run(command: Sequence[str | Path]) -> None:
    done = subprocess.run([str(part) for part in command], cwd=SHIM, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="session")
def build(request: pytest.FixtureRequest) -> Build:
    """A program from sources below plugin_shim; skips where there is no compiler."""
    if _compiler() is None:
        pytest.skip("no C++ compiler here (Debian: g++)")
    cache = request.config.cache
    assert cache is not None
    folder = cache.mkdir("liveband-cpp")

    def compiled(source: str, flags: tuple[str, ...]) -> Path:
        text = b"\0".join([(SHIM / source).read_bytes(), _headers(), " ".join((*_FLAGS, *flags)).encode()])
        target = folder / f"{Path(source).stem}-{hashlib.sha256(text).hexdigest()[:16]}.o"
        if not target.exists():
            part = target.with_suffix(".part")
            _run([_compiler() or "", *_FLAGS, *flags, "-c", source, "-o", part])
            part.replace(target)
        return target

    def program(
        source: str, parts: str, flags: tuple[str, ...] = ("-O1",), libraries: tuple[str, ...] = ()
    ) -> Path:
        objects = [compiled(one, flags) for one in (source, *_PARTS[parts])]
        name = hashlib.sha256(" ".join([*map(str, objects), *flags, *libraries]).encode()).hexdigest()[:16]
        target = folder / f"{Path(source).stem}-{name}"
        if not target.exists():
            part = target.with_suffix(".part")
            _run([_compiler() or "", "-pthread", *flags, *objects, *libraries, "-o", part])
            part.replace(target)
        return target

    return program
