# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves of controls: what is measured is in the sound."""

import numpy as np
import pytest

from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.commands import main
from lbmodels.evaluate.controls import MEASURES, Effect, centroid_hz, draw, effects


def test_the_centroid_is_where_the_sound_is() -> None:
    t = np.arange(48000 * 2) / 48000
    tone = np.repeat(np.sin(2 * np.pi * 1000 * t)[None], 2, axis=0).astype(np.float32)
    tone[:, :48000] = 0.3 * np.random.default_rng(0).standard_normal((2, 48000))
    assert centroid_hz(tone, 48000, start_s=1.0) == pytest.approx(1000, rel=0.02)
    assert centroid_hz(tone, 48000, start_s=0.0) > 3000
    assert np.isnan(centroid_hz(0 * tone, 48000, start_s=0.0))


def test_the_curve_is_drawn(tmp_path) -> None:
    found = [
        Effect(control="density", value=v, stem="bass", excerpts=2, **dict.fromkeys(MEASURES, v))
        for v in (0.0, 1.0)
    ]
    draw(found, tmp_path / "density.png")
    assert (tmp_path / "density.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_measured_is_refused(tmp_path) -> None:
    with pytest.raises(LiveBandModelError, match="2 excerpts or more"):
        effects(None, [], "density", [0.0], conditions="none", anticipation_ms=40.0)
    for asked in ("density=a", "density=0.5", "=0,1"):
        with pytest.raises(SystemExit):
            main(["evaluate", "--control", asked, "--data", str(tmp_path), "--out", str(tmp_path)])
