# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves of controls: what is measured is in the sound."""

import dataclasses

import numpy as np
import pytest
import torch

from lbmodels.contract.spec import Control, Spec
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.commands import main
from lbmodels.evaluate.controls import MEASURES, Effect, centroid_hz, draw, effects
from lbmodels.evaluate.excerpts import choose_excerpts


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


class Restless:
    """Clicks, later by as much as `variation` times a number that only its seed knows; deaf."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    def init_state(self, seeds):
        return [np.random.default_rng(seed) for seed in seeds]

    def step(self, mix, conditions, state, active):
        stem = np.zeros_like(mix)
        t = torch.arange(600) / 48000
        burst = 0.3 * torch.sin(2 * torch.pi * 700 * t) * torch.exp(-t / 0.004)
        for row, rng in enumerate(state):
            drawn, lot = rng.random(2)
            if lot < 0.2:
                late = int(1200 * drawn * float(conditions["variation"][row, 0, 0]))
                stem[row, :, late : late + 600] = burst.numpy()
        return stem, state


def test_takes_and_coherence_are_measured(dataset, accompanist) -> None:
    """Two takes of a player whose seed decides are alike by chance only; of one that always does the same, the same."""
    spec = accompanist.spec
    control = Control(name="variation", unit="", minimum=0, maximum=2, default=1, description="")
    restless = Restless(dataclasses.replace(spec, controls=(control,)))
    chosen = choose_excerpts(
        dataset, "test", "drums", 2, seconds=20.0, seed=0, hop=spec.hop, sample_rate=spec.sample_rate
    )
    (apart,) = effects(restless, chosen, "variation", [1.0], conditions="none", anticipation_ms=40.0)
    assert apart.excerpts == 2
    assert apart.onsets_per_s > 1
    assert apart.other_take_f1 < 0.8
    restless.init_state = lambda seeds: [np.random.default_rng(1) for _ in seeds]
    (same,) = effects(restless, chosen, "variation", [1.0], conditions="none", anticipation_ms=40.0)
    assert same.other_take_f1 == 1.0
    assert -1 <= same.coherence <= 1


def test_what_cannot_be_measured_is_refused(tmp_path) -> None:
    with pytest.raises(LiveBandModelError, match="2 excerpts or more"):
        effects(None, [], "density", [0.0], conditions="none", anticipation_ms=40.0)
    for asked in ("density=a", "density=0.5", "=0,1"):
        with pytest.raises(SystemExit):
            main(["evaluate", "--control", asked, "--data", str(tmp_path), "--out", str(tmp_path)])
