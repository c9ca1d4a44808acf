# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from lbserver.audio.resample import PositionedResampler


def run(audio: np.ndarray, *, source_hz: int, target_hz: int, chunk: int, total: int) -> np.ndarray:
    resampler = PositionedResampler(in_rate_hz=source_hz, out_rate_hz=target_hz, channels=len(audio))
    parts = [resampler.push(audio[:, at : at + chunk]) for at in range(0, audio.shape[-1], chunk)]
    parts.append(resampler.flush(total))
    assert resampler.emitted == total
    return np.concatenate(parts, axis=-1)


@pytest.mark.parametrize("host_hz", [8000, 22050, 44100, 48000, 88200, 96000, 192000])
@pytest.mark.parametrize("place", [0, 1, 777, 12345, 19950])
def test_an_impulse_comes_back_where_it_was(host_hz: int, place: int) -> None:
    """Catches a filter delay left in, in either direction."""
    samples = 20000
    # Not at the very end: there a recording of a higher rate ends between two model samples.
    mix = np.zeros((2, samples), np.float32)
    mix[0, place] = 1.0
    model_samples = -(-samples * 48000 // host_hz)
    model = run(mix, source_hz=host_hz, target_hz=48000, chunk=1764, total=model_samples)
    back = run(model, source_hz=48000, target_hz=host_hz, chunk=1920, total=samples)
    assert back.shape == mix.shape
    assert int(np.argmax(np.abs(back[0]))) == place
    assert not back[1].any()


@pytest.mark.parametrize("host_hz", [11025, 44100, 44101, 96000])
def test_chunk_sizes_change_no_bit(host_hz: int) -> None:
    audio = np.random.default_rng(1).standard_normal((3, 9001)).astype(np.float32)
    total = -(-9001 * 48000 // host_hz)
    whole = run(audio, source_hz=host_hz, target_hz=48000, chunk=9001, total=total)
    for chunk in (7, 64, 1764):
        np.testing.assert_array_equal(
            run(audio, source_hz=host_hz, target_hz=48000, chunk=chunk, total=total), whole
        )


def test_a_sine_keeps_its_phase() -> None:
    """Catches a shift of less than a sample."""
    time_44 = np.arange(44100) / 44100
    time_48 = np.arange(48000) / 48000
    made = run(
        np.sin(2 * np.pi * 1000 * time_44)[None].astype(np.float32),
        source_hz=44100,
        target_hz=48000,
        chunk=1764,
        total=48000,
    )
    np.testing.assert_allclose(made[0, 2000:-2000], np.sin(2 * np.pi * 1000 * time_48)[2000:-2000], atol=2e-4)


def test_equal_rates_pass_untouched() -> None:
    audio = np.random.default_rng(2).standard_normal((2, 100)).astype(np.float32)
    np.testing.assert_array_equal(run(audio, source_hz=48000, target_hz=48000, chunk=9, total=100), audio)


def test_flush_pads_with_silence() -> None:
    assert not run(np.zeros((1, 0), np.float32), source_hz=44100, target_hz=48000, chunk=1, total=5).any()
