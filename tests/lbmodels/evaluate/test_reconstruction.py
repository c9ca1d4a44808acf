# SPDX-License-Identifier: GPL-3.0-or-later
"""The autoencoder's figures are of the audio they claim to be of, aligned."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lbmodels.codec.autoencoder import Codec, CodecConfig
from lbmodels.codec.losses import multi_resolution_stft, si_sdr_db
from lbmodels.evaluate.excerpts import choose_excerpts
from lbmodels.evaluate.reconstruction import measure, reconstruct
from lbmodels.evaluate.sounds import of_excerpts

FIXTURE = Path(__file__).parents[2] / "fixtures" / "slakh_tiny"


def toy_codec() -> Codec:
    torch.manual_seed(0)
    return Codec(CodecConfig(features=16, depth=1)).eval()


def test_original_and_decoded_have_one_length_and_the_delay_is_taken_out() -> None:
    """A decoder that lagged would pair each sample with an earlier one."""
    codec = toy_codec()
    audio = torch.randn(1, 2, 10 * codec.config.hop) * 0.1
    target, decoded = reconstruct(codec, audio)
    assert target.shape == decoded.shape == (1, 2, 10 * codec.config.hop - codec.delay_samples)
    torch.testing.assert_close(target, audio[..., : target.shape[-1]])


def test_a_perfect_copy_scores_perfectly_and_silence_does_not() -> None:
    audio = torch.sin(torch.arange(48000) * 0.05).expand(1, 2, -1) * 0.3
    convergence, log_distance = multi_resolution_stft(audio, audio)
    assert float(convergence) == pytest.approx(0, abs=1e-6)
    assert float(log_distance) == pytest.approx(0, abs=1e-6)
    convergence, _ = multi_resolution_stft(torch.zeros_like(audio), audio)
    assert float(convergence) == pytest.approx(1, abs=0.01)


def test_si_sdr_ignores_scale_and_measures_noise() -> None:
    torch.manual_seed(1)
    signal, noise = torch.randn(2, 48000)
    assert float(si_sdr_db(3 * signal, signal)) > 60
    assert float(si_sdr_db(signal + 0.1 * noise, signal)) == pytest.approx(20, abs=0.3)


def test_figures_of_real_stems() -> None:
    excerpts = choose_excerpts(FIXTURE, "test", "drums", 2, seconds=4, seed=0, hop=1920, sample_rate=48000)
    sounds = of_excerpts(excerpts, "drums", start_s=1.0)
    (figures, other), shown = measure({"old": toy_codec(), "new": toy_codec()}, "drums", sounds, seed=0)
    assert (figures.coder, other.coder) == ("old", "new")
    assert figures.convergence == other.convergence, "each codec hears the same samples"
    assert figures.excerpts == len(excerpts)
    low, high = figures.convergence_interval
    assert low <= figures.convergence <= high
    assert figures.convergence > 0.3, "an untrained codec cannot reconstruct"
    assert [list(one.audio) for one in shown] == [["original", "old", "new"]] * min(2, len(excerpts))
    assert {one.stem for one in shown} == {"drums"}
