# SPDX-License-Identifier: GPL-3.0-or-later
"""Front and back end: what goes in comes out, as late as declared."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lbmodels.streaming.spectral import SemitoneFrontEnd, StftBackEnd, StftFrontEnd


@settings(max_examples=8)
@given(columns=st.integers(1, 6), overlap=st.sampled_from([4, 8]), step=st.sampled_from([8, 30, 64]))
def test_analysis_then_synthesis_is_the_signal_delayed_as_declared(
    columns: int, overlap: int, step: int
) -> None:
    """Catches windows that do not sum to one and a delay that is off by any number of samples."""
    hop, window = columns * step, overlap * step
    front = StftFrontEnd(hop=hop, window=window, step=step)
    back = StftBackEnd(hop=hop, window=window, step=step)
    x = torch.randn(2, 3 + 3 * window // hop, 2, hop)
    y = back(front(x)).transpose(1, 2).flatten(2)
    late = back.delay_samples
    assert late == window - step
    wanted = x.transpose(1, 2).flatten(2)[..., : y.shape[-1] - late]
    torch.testing.assert_close(y[..., late:], wanted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(y[..., :late], torch.zeros_like(y[..., :late]), atol=1e-5, rtol=0)


def test_sizes_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of the step"):
        StftFrontEnd(hop=1000, window=1920, step=480)


def test_no_sample_after_the_frame_reaches_a_spectrum() -> None:
    """By gradient: an exact zero, not a small number."""
    front = StftFrontEnd(hop=64, window=64, step=16)
    x = torch.randn(1, 6, 1, 64, requires_grad=True)
    torch.view_as_real(front(x))[:, 2].square().sum().backward()
    heard = x.grad.abs().sum((0, 2, 3))
    assert heard[2] > 0
    assert heard[3:].sum() == 0


@pytest.mark.parametrize("midi", [45, 57, 69, 81, 93])
def test_a_note_is_loudest_at_its_semitone(midi: int) -> None:
    """Catches a filter bank that is shifted, or stretched at one end."""
    ear = SemitoneFrontEnd(sample_rate=48000, hop=1920)
    t = torch.arange(8 * 1920) / 48000
    note = 0.3 * torch.sin(2 * torch.pi * 440 * 2 ** ((midi - 69) / 12) * t)
    energies = ear(note.view(1, 8, 1, 1920).expand(1, 8, 2, 1920))[0, -1]
    assert energies.argmax() + 33 == midi
    assert 0.3 < energies.max() < 1.3


def test_silence_and_full_scale_are_finite() -> None:
    ear = SemitoneFrontEnd(sample_rate=48000, hop=1920)
    for level in (0.0, 1e-20, 1.0, 100.0):
        assert ear(torch.full((1, 6, 2, 1920), level)).isfinite().all()
    assert ear(torch.zeros(1, 6, 2, 1920)).abs().max() < 1e-6


def test_every_semitone_hears_something() -> None:
    """A band narrower than a bin must not be empty (its row would be NaN)."""
    for window, hop in ((8192, 1920), (2048, 480), (8192, 2048)):
        bank = SemitoneFrontEnd(sample_rate=48000, hop=hop, window=window).get_buffer("bank")
        # Of each bin the real and the imaginary part.
        torch.testing.assert_close(bank.sum(0) * window / 2, torch.ones(66))
