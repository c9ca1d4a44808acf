# SPDX-License-Identifier: GPL-3.0-or-later
"""What the codec keeps of a spectrum means what it says."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lbmodels.codec.autoencoder import Codec, CodecConfig, to_frames
from lbmodels.codec.features import FeatureMap, Features
from lbmodels.streaming.stacked import stacked

CONFIG = CodecConfig(features=16, depth=1)


@pytest.fixture(scope="module")
def codec() -> Codec:
    torch.manual_seed(0)
    return Codec(CONFIG).eval()


def analyse(codec: Codec, audio: Tensor) -> Features:
    """Features of audio [2, T]."""
    with torch.no_grad():
        return codec.encoder.features(to_frames(audio[None], CONFIG.hop))


def sine(hz: float, frames: int = 10) -> Tensor:
    t = torch.arange(frames * CONFIG.hop, dtype=torch.float64) / 48000
    return (0.3 * torch.sin(2 * torch.pi * hz * t)).float()


@pytest.mark.parametrize("hz", [82.4, 440.0, 1234.5, 4000.0])
def test_advance_is_the_instantaneous_frequency_and_steady(codec: Codec, hz: float) -> None:
    advance = analyse(codec, sine(hz).expand(2, -1)).advance[0, 4:].flatten(0, 1)
    k = round(hz / 25)
    turns = torch.atan2(advance[:, k, 1], advance[:, k, 0]) / (2 * torch.pi)
    measured = 25 * k + turns * 48000 / CONFIG.step
    torch.testing.assert_close(measured, torch.full_like(measured, hz), atol=0.3, rtol=0)
    assert advance[:, k].norm(dim=-1).min() > 0.99


def test_advance_of_the_first_column_of_a_frame_joins_the_frame_before(codec: Codec) -> None:
    """A seam between frames would show as one odd column in four."""
    advance = analyse(codec, sine(440).expand(2, -1)).advance[0, 4:, :, 18]
    assert (advance - advance[0, 1]).abs().max() < 0.02


def test_level_rises_by_half_a_decade_of_amplitude(codec: Codec) -> None:
    """Levels are half the decimal logarithm: 20 dB are 0.5."""
    low, high = (analyse(codec, g * sine(450).expand(2, -1)).level[0, 5, :, 18] for g in (0.3, 3.0))
    torch.testing.assert_close(high - low, torch.full_like(low, 0.5), atol=5e-3, rtol=0)


def test_level_of_silence_is_zero(codec: Codec) -> None:
    assert analyse(codec, torch.zeros(2, 5 * CONFIG.hop)).level.abs().max() < 1e-3


def test_magnitude_undoes_level_in_low_bins() -> None:
    bands = CONFIG.feature_map()
    spectra = torch.complex(torch.rand(1, 2, 3, bands.bins) * 20, torch.zeros(1, 2, 3, bands.bins))
    spectra[:, 1] = spectra[:, 0]
    level = bands.analyse(stacked(spectra), torch.zeros(1, 1, 2, bands.low)).level
    found = bands.magnitude(level)[..., : bands.low]
    torch.testing.assert_close(found, spectra[:, 0, :, : bands.low].real, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("left", "right"), [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.6, 0.8)])
def test_pan_is_the_balance_of_energy(codec: Codec, left: float, right: float) -> None:
    torch.manual_seed(1)
    noise = 0.1 * torch.randn(8 * CONFIG.hop)
    pan = analyse(codec, torch.stack([left * noise, right * noise])).pan[0, 3:]
    wanted = (right**2 - left**2) / (right**2 + left**2)
    assert (pan - wanted).abs().max() < 0.01


@given(st.floats(-1, 1))
@settings(max_examples=10)
def test_sides_keep_the_power_and_the_balance(pan: float) -> None:
    bands = CONFIG.feature_map()
    gains = bands.sides(torch.full((1, bands.pan_bands), pan)).square()
    torch.testing.assert_close(gains.sum(-3), torch.full((1, bands.bins), 2.0), atol=1e-4, rtol=0)
    torch.testing.assert_close(gains[1] - gains[0], torch.full((1, bands.bins), 2 * pan), atol=1e-4, rtol=0)


def test_attack_is_sharp_for_a_click_and_tells_where_it_sits(codec: Codec) -> None:
    """The group delay: a click later in the window turns neighbouring bins further apart."""
    angles = []
    for place in (400, 900):
        audio = torch.zeros(2, 8 * CONFIG.hop)
        audio[:, 5 * CONFIG.hop - CONFIG.window + place] = 0.8
        attack = analyse(codec, audio).attack[0, 4, -1]
        assert attack.norm(dim=-1).min() > 0.9
        angles.append(torch.atan2(attack[:, 1], attack[:, 0]))
    for place, angle in zip((400, 900), angles, strict=True):
        wanted = torch.tensor(-2 * torch.pi * place / CONFIG.window)
        off = torch.remainder(angle - wanted + torch.pi, 2 * torch.pi) - torch.pi
        assert off.abs().max() < 0.05


@settings(max_examples=10)
@given(
    step=st.sampled_from([60, 120, 480]),
    low=st.integers(16, 60),
    high=st.integers(2, 40),
    columns=st.integers(1, 4),
)
def test_flat_and_split_are_inverse_at_any_size(step: int, low: int, high: int, columns: int) -> None:
    """Also: no empty band at sizes where bands are narrower than bins."""
    bands = FeatureMap(window=4 * step, step=step, low=low, high=high)
    flat = torch.randn(2, 3, columns * bands.width)
    features = bands.split(flat, columns)
    per_column = flat.unflatten(-1, (columns, -1))
    torch.testing.assert_close(features.level, per_column[..., : low + high])
    torch.testing.assert_close(features.pan, per_column[..., -bands.pan_bands :])
    assert torch.equal(features.flat(), flat)
    spectra = torch.randn(1, 2, columns, bands.bins, dtype=torch.complex64)
    analysed = bands.analyse(stacked(spectra), stacked(spectra[..., 0, :1, :low]))
    assert all(part.isfinite().all() for part in analysed)
    assert bands.magnitude(analysed.level).isfinite().all()


def test_linear_magnitudes_hold_the_power_of_the_column(codec: Codec) -> None:
    """A band of many bins must weigh as many, or the cymbals' level would count for nothing in training."""
    torch.manual_seed(0)
    sizes = codec.decoder.map
    level = analyse(codec, 0.1 * torch.randn(2, 8 * CONFIG.hop)).level
    whole = sizes.magnitude(level).square().sum(-1)
    torch.testing.assert_close(sizes.linear(level).square().sum(-1), whole, rtol=0.03, atol=0)
    torch.testing.assert_close(sizes.band_power(sizes.linear(level)).sum(-1), whole, rtol=0.03, atol=0)
