# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python examples of the page about playing live, run as they stand."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = re.findall(
    r"```python\n(.*?)```", (ROOT / "lbserver/docs/live.md").read_text(encoding="utf-8"), re.S
)


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"example {n}" for n in range(len(EXAMPLES))])
def test_an_example_does_what_it_shows(serve: Callable[..., Any], tmp_path: Path, example: str) -> None:
    server = serve("--model", "test:click", "--osc-port", "off", "--http-port", "off")
    mix = 0.1 * np.random.default_rng(1).standard_normal((2 * 44100, 2))
    soundfile.write(tmp_path / "song.wav", mix, 44100)
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    if "bass.wav" in example:
        stem, rate_hz = soundfile.read(tmp_path / "bass.wav")
        assert (stem.shape, rate_hz) == (mix.shape, 44100)
        # The band was told 120 bpm from 0 s: its clicks are on the beat, to the sample.
        onsets = np.flatnonzero(np.abs(stem[:, 0]) > 0.05)
        assert onsets.size
        assert min(abs(onsets[0] - beat * 22050) for beat in range(4)) < 60


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 2
