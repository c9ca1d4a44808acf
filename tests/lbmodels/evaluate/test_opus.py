# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands beside the autoencoder is really Opus at the rate it says, aligned, at its own level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lbmodels.codec.autoencoder import Codec, CodecConfig
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate import opus
from lbmodels.evaluate.excerpts import choose_excerpts
from lbmodels.evaluate.reconstruction import bits_per_s, measure
from lbmodels.evaluate.sounds import of_excerpts

FIXTURE = Path(__file__).parents[2] / "fixtures" / "slakh_tiny"
with_opus = pytest.mark.skipif(not opus.installed(), reason=f"needs PyAV: {opus.INSTALL}")


def music() -> np.ndarray:
    """4 s of tones that begin anew twice a second, differently left and right, with a little noise."""
    rng = np.random.default_rng(0)
    t = np.arange(24000) / 48000
    sides = []
    for _ in range(2):
        parts = [
            np.exp(-4 * t) * sum(np.sin(2 * np.pi * f * k * t) / k for k in range(1, 6))
            for f in rng.uniform(100, 600, 8)
        ]
        sides.append(0.1 * np.concatenate(parts) + 0.002 * rng.standard_normal(8 * 24000))
    return np.array(sides, dtype=np.float32)


@with_opus
@pytest.mark.parametrize("rate", [8000, 25600])
def test_the_rate_is_the_one_asked(rate: int) -> None:
    found = opus.coded(music(), 48000, rate)
    assert found.bits_per_s == pytest.approx(rate, rel=0.02)
    assert found.audio.shape == music().shape


@with_opus
def test_it_comes_back_aligned_at_its_level_and_better_with_more_bits() -> None:
    x = music()
    errors = []
    for rate in (8000, 25600, 128000):
        back = opus.coded(x, 48000, rate).audio
        assert opus.lag_samples(x, back) == 0
        errors.append(float(((back - x) ** 2).sum() / (x**2).sum()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.05
    assert float((back**2).sum() / (x**2).sum()) == pytest.approx(1, abs=0.1)


def test_a_lag_is_found() -> None:
    x = music()
    for lag in (-30, 0, 2, 40):
        assert opus.lag_samples(x, np.roll(x, lag, axis=1)) == lag


@with_opus
def test_what_opus_does_not_take_is_refused() -> None:
    with pytest.raises(LiveBandModelError, match="1 or 2 channels at 48000 Hz"):
        opus.coded(music(), 44100, 8000)
    with pytest.raises(LiveBandModelError, match="6000 bit/s or more"):
        opus.coded(music(), 48000, 500)


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opus, "installed", lambda: False)
    with pytest.raises(LiveBandModelError, match="pip install av=="):
        opus.coded(music(), 48000, 8000)


@with_opus
def test_opus_stands_beside_the_autoencoder_over_the_same_excerpts() -> None:
    torch.manual_seed(0)
    codec = Codec(CodecConfig(features=16, depth=1)).eval()
    excerpts = choose_excerpts(FIXTURE, "test", "drums", 2, seconds=4, seed=0, hop=1920, sample_rate=48000)
    sounds = of_excerpts(excerpts, "drums", start_s=0.0)
    figures, _ = measure({"autoencoder": codec}, "drums", sounds, seed=0, opus_bits_per_s=(8000, 64000))
    assert [f.coder for f in figures] == ["autoencoder", "Opus at 8 kbit/s", "Opus at 64 kbit/s"]
    assert figures[0].bits_per_s == bits_per_s(codec) == 64 * 16 * 25
    assert figures[2].log_db < figures[1].log_db
    assert figures[2].si_sdr_db > figures[1].si_sdr_db > figures[0].si_sdr_db  # the codec is untrained
