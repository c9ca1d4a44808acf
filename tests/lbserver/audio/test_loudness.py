# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pyloudnorm
import pytest

from lbserver.audio.loudness import LoudnessMeter, k_weighting, peak_dbfs


@pytest.mark.parametrize("rate_hz", [11025, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_streaming_equals_pyloudnorm(rate_hz: int, channels: int) -> None:
    """Loud and quiet passages, so that both gates matter; blocks of odd sizes."""
    random = np.random.default_rng(rate_hz)
    audio = random.standard_normal((channels, 5 * rate_hz + 123)) * 0.1
    audio[:, rate_hz : 2 * rate_hz] *= 0.01
    audio[:, 2 * rate_hz : 3 * rate_hz] *= 1e-5
    meter = LoudnessMeter(rate_hz=rate_hz, channels=channels)
    at = 0
    while at < audio.shape[-1]:
        size = int(random.integers(1, 20000))
        meter.push(audio[:, at : at + size].astype(np.float32))
        at += size
    expected = pyloudnorm.Meter(rate_hz, filter_class="DeMan").integrated_loudness(audio.T)
    assert meter.lufs() == pytest.approx(expected, abs=1e-3)
    assert meter.peak == pytest.approx(np.abs(audio).max(), rel=1e-6)


def test_the_filters_are_the_tables_of_the_standard() -> None:
    """BS.1770-4, tables 1 and 2, at 48 kHz."""
    (b1, a1), (b2, a2) = k_weighting(48000)
    assert b1 == pytest.approx((1.53512485958697, -2.69169618940638, 1.19839281085285), abs=1e-12)
    assert a1 == pytest.approx((1.0, -1.69065929318241, 0.73248077421585), abs=1e-12)
    assert b2 == (1.0, -2.0, 1.0)
    assert a2 == pytest.approx((1.0, -1.99004745483398, 0.99007225036621), abs=1e-12)


@pytest.mark.parametrize("rate_hz", [1000, 2000, 3999])
def test_a_low_rate_has_a_loudness_too(rate_hz: int) -> None:
    """Below 3.4 kHz the filters of the weighting are unstable, and the loudness of anything was NaN."""
    time_s = np.arange(5 * rate_hz) / rate_hz
    levels = []
    for rate, times in ((rate_hz, time_s), (48000, np.arange(5 * 48000) / 48000)):
        meter = LoudnessMeter(rate_hz=rate, channels=1)
        tone = (0.25 * np.sin(2 * np.pi * 200 * times)).astype(np.float32)[None]
        for at in range(0, tone.shape[-1], 999):
            meter.push(tone[:, at : at + 999])
        levels.append(meter.lufs())
    assert levels[0] == pytest.approx(levels[1], abs=0.1)


def test_silence_and_short_audio_have_no_loudness() -> None:
    meter = LoudnessMeter(rate_hz=48000, channels=2)
    meter.push(np.zeros((2, 96000), np.float32))
    assert meter.lufs() is None
    assert peak_dbfs(meter.peak) is None
    meter = LoudnessMeter(rate_hz=48000, channels=2)
    meter.push(np.ones((2, 100), np.float32))
    assert meter.lufs() is None
    assert peak_dbfs(meter.peak) == 0.0
