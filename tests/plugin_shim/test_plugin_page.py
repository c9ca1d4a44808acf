# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python recipe on the plug-in's page, run as it stands."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("pedalboard")
PAGE = Path(__file__).resolve().parents[2] / "plugin_shim" / "docs" / "plugin.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)


def test_the_recipe_puts_clicks_on_the_beats(plugin_build: Path, server: Any, tmp_path: Path) -> None:
    """With an accompanist that clicks on beats: tempo and position arrive, and the chain is aligned."""
    server.start("test:click")
    (tmp_path / "LiveBand.vst3").symlink_to(plugin_build / "VST3" / "LiveBand.vst3")
    mix = 0.1 * np.random.default_rng(1).standard_normal((4 * 44100, 2))
    soundfile.write(tmp_path / "song.wav", mix, 44100)
    assert len(EXAMPLES) == 1
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES[0]],
        cwd=tmp_path,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "0"
    stem, rate_hz = soundfile.read(tmp_path / "bass.wav")
    assert (stem.shape, rate_hz) == (mix.shape, 44100)
    onset_s = np.flatnonzero(np.abs(stem[:, 0]) > 0.05)[0] / 44100
    beats = (onset_s - 0.35) * 97.3 / 60
    assert abs(beats - round(beats)) < 0.005
