# SPDX-License-Identifier: GPL-3.0-or-later
"""What Pd and SuperCollider do on their audio thread: no system call, and numbers as they were typed."""

import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Build = Callable[..., Path]


@pytest.fixture(scope="module")
def program(build: Build) -> Path:
    """The core with its chairs."""
    return build("tests/chair.cpp", "chair")


def test_a_number_is_the_one_that_was_typed(program: Path) -> None:
    """121.298 as 121.29799652 is another beat after seconds, 0.9 as 0.89999998 another density than the bounce's."""
    drawn = random.Random(3)
    numbers = [round(drawn.uniform(10, 400), digits) for digits in range(5) for _ in range(200)]
    numbers += [0.9, 0.1, 97.3, 121.298, 16777215.0, -6.0, 0.0, 1e-6, -0.35, 2147483647.0]
    text = "\n".join(map(repr, numbers))
    done = subprocess.run([program, "typed"], input=text, capture_output=True, text=True, check=True)
    found = list(map(float, done.stdout.split()))
    assert found == [*numbers[:-1], 2147483648.0]  # which 32 bits do not hold


def test_the_audio_thread_makes_no_system_call(program: Path, servers: Callable[[str], Path]) -> None:
    """Objects are made, told, played and freed on the audio thread while the kernel traps each call that it makes."""
    environment = {**os.environ, "LIVEBAND_RUN": str(servers("test:copy"))}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(program), "calls", *words]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    seen = run("write")
    if seen.returncode == 3:
        pytest.skip("the kernel does not let a thread be filtered here")
    assert seen.stdout.split()[0] == "1", "the one call that is made on purpose was not counted"
    done = run()
    calls, number, state = done.stdout.split(maxsplit=2)
    assert calls == "0", f"system call {number}"
    assert state.strip() in ("playing", "late", "lost")


def test_another_mode_while_it_plays(program: Path, servers: Callable[[str], Path]) -> None:
    """From live to aligned the stem fades, comes back by what is then reported, to the sample, and nothing clicks."""
    environment = {**os.environ, "LIVEBAND_RUN": str(servers("test:copy"))}
    done = subprocess.run(
        [program, "modes"], env=environment, capture_output=True, text=True, timeout=300, check=True
    )
    live, aligned = (list(map(float, line.split())) for line in done.stdout.splitlines())
    assert live[0] == 0
    assert live[1] >= 1920
    assert aligned[0] > 0
    assert aligned[1] == 1920 + aligned[0]
    assert aligned[2] < 0.05
