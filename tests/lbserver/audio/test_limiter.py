# SPDX-License-Identifier: GPL-3.0-or-later
"""The limiter: nothing above -1 dBFS true peak, nothing changed that need not be, alike however it is fed."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from lbmodels.contract.accompanist import Audio
from lbmodels.contract.conditions import Conditions
from lbserver.audio.limiter import Limiter
from lbserver.engine.stream import SessionConfig, StreamDriver
from lbserver.testing import accompanists

RATE_HZ = 48000
FRAME = 1920


def true_peak_db(audio: Audio) -> float:
    """Eight times oversampled by scipy, which shares nothing with the limiter."""
    fine = signal.resample_poly(audio.astype(np.float64), 8, 1, axis=-1)
    return 20 * np.log10(max(np.abs(fine).max(), np.abs(audio).max(), 1e-9))


def limited(audio: Audio, *, rows: int = 1, piece: int = FRAME, gain: float = 1.0) -> Audio:
    limiter = Limiter(rate_hz=RATE_HZ, rows=rows, channels=len(audio) // rows)
    parts = [limiter.push(audio[:, at : at + piece], gain=gain) for at in range(0, audio.shape[-1], piece)]
    return np.concatenate(parts, axis=-1)


def hits(level: float, seconds: float = 2.0) -> Audio:
    """Drum-like bursts, some of them across the border of two frames; no two channels alike."""
    generator = np.random.default_rng(3)
    samples = int(seconds * RATE_HZ)
    audio = np.zeros((2, samples))
    for at in range(FRAME - 30, samples - 800, FRAME + 7):
        time = np.arange(800)
        thump = np.sin(2 * np.pi * 70 * time / RATE_HZ) * np.exp(-time / 300)
        rattle = generator.standard_normal((2, 800)) * np.exp(-time / 80)
        audio[:, at : at + 800] += thump + 0.5 * signal.lfilter(*signal.butter(2, 0.5), rattle)
    return (level * audio / np.abs(audio).max()).astype(np.float32)


def tone(level: float, hz: float) -> Audio:
    time = np.arange(RATE_HZ) / RATE_HZ
    edges = np.minimum(1.0, 50 * np.minimum(time, time[::-1]))
    waves = [level * edges * np.sin(2 * np.pi * hz * time + phase) for phase in (0.3, 1.0)]
    return np.stack(waves).astype(np.float32)


@pytest.mark.parametrize(
    "loud",
    [hits(1.6), tone(1.9, 60), tone(1.5, 997), tone(1.4, 12000), tone(1.4, 15999.7)],
    ids=["hits", "60", "997", "12000", "15999.7"],
)
def test_no_true_peak_above_minus_one(loud: Audio) -> None:
    """A limiter that looks at samples only lets the peaks between them through; one without look-ahead, first ones."""
    out = limited(loud)
    assert out.shape == loud.shape
    assert true_peak_db(loud) > 1.0
    assert -3.0 < true_peak_db(out) <= -1.0


def test_what_is_soft_enough_passes_bit_for_bit() -> None:
    """A limiter that is always a little at work changes every take."""
    for soft in (hits(0.8), tone(10 ** (-1.1 / 20), 997)):
        assert np.array_equal(limited(soft), soft)
    loud = hits(1.6, 1.0)
    after = np.concatenate([loud, hits(0.5, 2.0)], axis=-1)
    assert np.array_equal(limited(after)[:, 3 * RATE_HZ // 2 :], after[:, 3 * RATE_HZ // 2 :])  # it lets go


def test_gain_glides_and_both_channels_go_down_together() -> None:
    """A gain that jumps clicks; one for each channel moves the stage."""
    steady = tone(0.5, 200)
    steady[:, 24000:24300] *= 2.4
    out = limited(steady)
    gain = out / np.where(np.abs(steady) > 0.05, steady, np.nan)
    assert np.nanmax(np.abs(gain[0] - gain[1])) < 1e-5
    assert np.nanmax(np.abs(np.diff(gain[0]))) < 0.02
    assert np.nanmin(gain) < 0.8


def test_stems_of_one_batch_do_not_turn_each_other_down() -> None:
    """Rows that share a gain: a loud kick would duck the bass."""
    both = np.concatenate([hits(1.6), hits(0.5)])
    out = limited(both, rows=2)
    assert np.array_equal(out[:2], limited(hits(1.6)))
    assert np.array_equal(out[2:], hits(0.5))


def test_what_will_be_turned_up_is_limited_for_it() -> None:
    """A port that turns the stem up by 6 dB would take it over the top again."""
    assert true_peak_db(2.0 * limited(hits(0.8), gain=2.0)) <= -1.0


def _loud(
    _spec: object, mix: Audio, _conditions: Conditions, state: accompanists.State
) -> tuple[Audio, Audio]:
    return np.float32(6.0) * mix, state.tail


@pytest.mark.parametrize("rate_hz", [44100, 48000, 96000])
def test_the_promise_holds_at_the_hosts_rate_for_any_blocks(rate_hz: int) -> None:
    """Limited at the model's rate, a stem goes over the top again when it is resampled."""
    band = accompanists.SmallAccompanist(spec=accompanists.copy().spec, play=_loud)
    mix = signal.resample_poly(hits(0.3), rate_hz // 300, RATE_HZ // 300, axis=-1).astype(np.float32)
    takes: list[NDArray[np.float32]] = []
    for block in (4096, 333):
        config = SessionConfig(host_rate_hz=rate_hz, stems=("bass",), anticipation_frames=1)
        driver = StreamDriver(band, config)
        parts = [driver.push(mix[:, at : at + block]).audio[0] for at in range(0, mix.shape[-1], block)]
        takes.append(np.concatenate([*parts, driver.flush().audio[0]], axis=-1))
        assert takes[-1].shape == mix.shape
    assert -3.0 < true_peak_db(takes[0]) <= -1.0
    assert np.array_equal(takes[0], takes[1])
