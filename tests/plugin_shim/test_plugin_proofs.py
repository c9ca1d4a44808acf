# SPDX-License-Identifier: GPL-3.0-or-later
"""Proofs about the audio path: no race, no damage from a hostile worker, no system call, no word that has no place there."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import plugin
from lbserver.testing.processes import running

Build = Callable[..., Path]
_SHIM = Path(__file__).resolve().parents[2] / "plugin_shim"
_AUDIO_FILES = ("audio_side.cpp", "chair.cpp", "conceal.cpp", "host_port.cpp")
_FORBIDDEN = (
    r"\bnew\b|\bmalloc|\bmutex\b|lock_guard|unique_lock|condition_variable|shared_ptr|make_unique|std::function|printf|"
    r"\bcout\b|\bcerr\b|\bthrow\b|sleep|getenv|\bstring\b|push_back|\bresize\b|\breserve\b|\bdelete\b|\bwait_for\b|\btry\b"
)
_TSAN = ("-O1", "-fsanitize=thread")
_ASAN = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_RTSAN = "libclang_rt.rtsan-x86_64.a"


def _run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=program.parent,
        env={**os.environ, "TSAN_OPTIONS": "halt_on_error=1"},
    )


def test_the_ring_has_no_race(build: Build) -> None:
    """Acquire and release order what is in the ring: ThreadSanitizer sees both sides on one mapping."""
    done = _run(build("tests/ring_threads.cpp", "port", flags=_TSAN))
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_race_would_be_seen(build: Build) -> None:
    """The same with relaxed order is caught, so the test above can fail."""
    done = _run(build("tests/ring_threads.cpp", "port", flags=(*_TSAN, "-DLIVEBAND_MUTANT_RELAXED")))
    assert done.returncode != 0
    assert "data race" in done.stderr


@pytest.mark.parametrize("flags", [_TSAN, _ASAN])
def test_sessions_replace_each_other_under_the_audio_thread(build: Build, flags: tuple[str, ...]) -> None:
    """A ring is unmapped only when the audio thread has let go of it, and at most three are kept."""
    done = _run(build("tests/handover.cpp", "ring", flags=flags))
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


@pytest.mark.parametrize("flags", [_TSAN, _ASAN])
def test_the_guards_hold_under_the_sanitizers(build: Build, flags: tuple[str, ...]) -> None:
    """All of them, with a render that waits while another thread brings the session it goes on with."""
    done = _run(build("tests/guards.cpp", "guards", flags=flags))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == ""


@pytest.mark.slow
def test_a_bridges_life_has_no_race(build: Build, server: Any, tmp_path: Path) -> None:
    """ThreadSanitizer over all of it: sessions, settings, a lost server, another one, renders, many instances."""
    program = build("tests/bridge_driver.cpp", "core", flags=_TSAN)
    server.start()
    with running(
        [program, "track-1", tmp_path / "recording.f32"],
        env={**server.environment, "TSAN_OPTIONS": "halt_on_error=1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as host:
        assert host.stdin is not None
        assert host.stdout is not None

        def tell(*commands: str) -> None:
            assert host.stdin is not None
            assert host.stdout is not None
            for command in commands:
                host.stdin.write(command + "\n")
                host.stdin.flush()
                assert host.stdout.readline(), host.stderr.read()[-3000:] if host.stderr else ""

        tell("chart | C |", "start", "prepare 48000 480 live 0 5000", "play", "until playing 10000")
        tell(*(f"set 2 -{number}" for number in range(20)), "key Am", "keep one", "adopt", "recall one")
        server.end()
        tell("until lost 5000")
        server.start()
        tell("until playing 20000", "halt", "prepare 48000 512 bounce 1 5000", "offline 30 512")
        tell("prepare 44100 512 live 0 5000", "online 30 512", "play", "destroy", "start", "cycle 3")
        host.stdin.close()
        assert host.wait(timeout=60) == 0


def test_a_session_freed_too_early_would_be_seen(build: Build) -> None:
    done = _run(build("tests/handover.cpp", "ring", flags=(*_ASAN, "-DLIVEBAND_MUTANT_FREE_AT_ONCE")))
    assert "AddressSanitizer" in done.stderr, done.stdout


@pytest.mark.parametrize("seed", ["1", "2"])
def test_nonsense_is_survived(build: Build, seed: str) -> None:
    """Damaged headers, cursors, samples, messages and registries under AddressSanitizer and UBSan."""
    done = _run(build("tests/hostile.cpp", "messages", flags=_ASAN), seed, "20000")
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


def test_the_audio_thread_makes_no_system_call(build: Build) -> None:
    """10,000 blocks of the optimised program under a filter of the kernel that traps every call."""
    program = build("tests/no_syscalls.cpp", "ring", flags=("-O2",))
    seen = _run(program, "write")
    if seen.returncode == 3:
        pytest.skip("the kernel does not let a thread be filtered here")
    assert seen.stdout.split()[0] == "1", "the one call that is made on purpose was not counted"
    done = _run(program)
    assert done.stdout.split()[0] == "0", f"system call {done.stdout.split()[1]}"


def test_audio_files_hold_no_forbidden_word() -> None:
    """Nothing that takes memory, locks, sleeps, logs or throws, but where an object is made."""
    for name in _AUDIO_FILES:
        text = (_SHIM / "core" / name).read_text(encoding="utf-8")
        text = re.sub(r"//[^\n]*", "", text)
        found = re.findall(_FORBIDDEN, re.sub(r"#include[^\n]*", "", text))
        assert not found, f"{name}: {found}"


def test_audio_functions_promise_not_to_throw() -> None:
    for name in ("audio_side.h", "conceal.h", "host_port.h"):
        text = (_SHIM / "core" / "liveband" / name).read_text(encoding="utf-8")
        declared = re.findall(
            r"\b(?:process|processOffline|present|absent|reset|write|read|tell|beginEpoch|level|take|setControl)\([^;{]*[;{]",
            re.sub(r"//[^\n]*", "", text),
        )
        assert declared
        for one in declared:
            assert "noexcept" in one, f"{name}: {one}"


def _rtsan() -> Path | None:
    found = sorted(Path("/usr/lib").glob(f"llvm-*/lib/clang/*/lib/linux/{_RTSAN}"))
    return found[-1] if found else None


@pytest.mark.skipif(sys.platform != "linux", reason="the run-time is of Linux")
def test_the_audio_path_is_real_time_safe(build: Build) -> None:
    """RealtimeSanitizer around every block, also when sessions change: aborts at an allocation, lock or call that waits."""
    archive = _rtsan()
    if archive is None:
        pytest.skip("no RealtimeSanitizer here (Debian: libclang-rt-19-dev)")
    libraries = (
        "-Wl,--whole-archive",
        str(archive),
        "-Wl,--no-whole-archive",
        "-ldl",
        "-lrt",
        "-lm",
        "-rdynamic",
    )
    program = build("tests/real_time.cpp", "ring", libraries=libraries)
    done = _run(program)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = _run(program, "allocate")
    assert seen.returncode != 0, "an allocation on purpose was not seen"
    assert "malloc" in seen.stderr


def test_the_cost_of_a_block_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table and a line of JSON; without a compiler it says so."""
    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler here (Debian: g++)")
    results = tmp_path / "plugin.jsonl"
    assert plugin.main(["--blocks", "50", "--results", str(results)]) == 0
    record = json.loads(results.read_text(encoding="utf-8"))
    cases = [case["case"] for case in record["cases"]]
    # Of the loaded plug-in too, where it was built.
    assert cases[:3] == ["band", "gap", "none"]
    assert cases[3:] in ([], ["vst3_alone", "vst3_band", "vst3_fleet"])
    assert "no server" in capsys.readouterr().out
    if shutil.which("valgrind") is not None:
        assert 0 < record["cases"][2]["instructions"] < record["cases"][0]["instructions"] < 20000
