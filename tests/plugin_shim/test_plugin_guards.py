# SPDX-License-Identifier: GPL-3.0-or-later
"""Each guard of the core, taken out of a copy of its source: the program that checks them all must say which is gone.

So no guard can be lost, nor a check of one be empty, without a test that fails.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SHIM = Path(__file__).resolve().parents[2] / "plugin_shim"
CORE = ("segment", "conceal", "host_port", "port_wait", "audio_side", "offline", "health")
MEMORY = {"sealed": "linux", "unlinked": "posix"}
SEALED, UNLINKED = (f"core/system/{name}/shared_memory.cpp" for name in MEMORY.values())
FLAGS = ("-std=c++17", "-pthread", "-O0", "-Iinclude", "-Itests")

# Guard as the program names it, file, what stands there, what stands there without it.
WITHOUT = [
    ("forms", SEALED, "(seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW)", "false"),
    ("forms", UNLINKED, "(info.st_mode & 077) != 0", "false"),
    ("sizes", "core/segment.cpp", "!shared_memory::holds(size, found.totalBytes())", "size < found.totalBytes()"),
    ("sizes", UNLINKED, "size <= (wanted + page - 1) / page * page", "size > 0"),
    ("capacities", "core/segment.cpp", "(header.capacity & (header.capacity - 1)) != 0", "false"),
    ("offsets", "core/segment.cpp", "check.value != check.expected", "check.value < 1"),
    ("epochs", "core/host_port.cpp", "if (protocol::epoch_of(stem) == epoch_) {", "if (stem != 0) {"),
    ("bounds", "core/host_port.cpp", "std::fabs(value) <= kMost", "std::fabs(value) <= 4.0e38f || value != value"),
    ("lapses", "core/host_port.cpp", "> static_cast<std::int64_t>(shape.capacity)", "> INT64_MAX - 1"),
    ("fades", "core/conceal.cpp", "echo_left_ = out_samples_;", "echo_left_ = 0;"),
    ("rises", "core/conceal.cpp", "missing_ = true;\n        risen_ = 0;", "missing_ = true;"),
    ("jumps", "core/audio_side.cpp", "> kJumpSamples", "> INT64_MAX - 1"),
    ("patience", "core/audio_side.cpp", "failed_ = !whole;", "failed_ = false;"),
    ("successors", "core/audio_side.cpp", "failed_ && awaited == in_vain_", "failed_"),
    ("heartbeats", "core/health.cpp", "std::min(tick_ms, kLongestTickMs)", "tick_ms"),
    ("heartbeats", "core/health.cpp", "return silent_ms_ >", "return silent_ms_ > 1e9 +"),
    ("ends", "core/liveband/waiting.h", "now > deadline ||", "false ||"),
]  # fmt: skip

Guards = Callable[[str, str, str], list[str]]


@pytest.fixture(scope="module")
def guards(tmp_path_factory: pytest.TempPathFactory) -> Guards:
    """What does not hold once a text of one file stands there in place of another."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler here (Debian: g++)")
    folder = tmp_path_factory.mktemp("guards")

    def run(*command: str | Path) -> None:
        done = subprocess.run(
            [compiler, *command], cwd=SHIM, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr[-3000:]

    def made(name: str, source: str) -> None:
        run(*FLAGS, "-Icore", "-c", source, "-o", folder / f"{name}.o")

    for name in CORE:
        made(name, f"core/{name}.cpp")
    for form, place in MEMORY.items():
        made(form, f"core/system/{place}/shared_memory.cpp")
    made("mapping", "core/system/unix/mapping.cpp")
    made("guards", "tests/guards.cpp")

    def broken(path: str, there: str, instead: str) -> list[str]:
        objects = {name: folder / f"{name}.o" for name in (*CORE, "guards", "mapping")}
        form = "unlinked" if path == UNLINKED else "sealed"
        objects["shared_memory"] = folder / f"{form}.o"
        text = (SHIM / path).read_text(encoding="utf-8")
        if there:
            assert text.count(there) == 1, f"{path} has {there!r} {text.count(there)} times"
            copy = folder / "copy" / Path(path).relative_to("core")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(text.replace(there, instead), encoding="utf-8")
            source = copy
            if (
                copy.suffix == ".h"
            ):  # one source that includes it is enough; beside the copy it finds that first
                source = folder / "copy" / "port_wait.cpp"
                shutil.copy(SHIM / "core/port_wait.cpp", source)
            name = source.stem
            objects[name] = folder / f"{name}-without.o"
            run(*FLAGS, f"-I{folder / 'copy'}", "-Icore", "-c", source, "-o", objects[name])
            copy.unlink()
        program = folder / "program"
        run("-pthread", *objects.values(), "-o", program)
        try:
            done = subprocess.run(
                [program], capture_output=True, text=True, check=False, timeout=30 if not there else 5
            )
        except subprocess.TimeoutExpired as late:
            return [*(late.stdout or b"").decode().split(), "ends"]
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return broken


@pytest.mark.parametrize("memory", [SEALED, UNLINKED])
def test_every_guard_holds(guards: Guards, memory: str) -> None:
    assert guards(memory, "", "") == []


@pytest.mark.parametrize(
    ("guard", "path", "there", "instead"), WITHOUT, ids=[f"{w[0]}-{i}" for i, w in enumerate(WITHOUT)]
)
def test_a_guard_that_is_gone_is_missed(
    guards: Guards, guard: str, path: str, there: str, instead: str
) -> None:
    assert guard in guards(path, there, instead)
