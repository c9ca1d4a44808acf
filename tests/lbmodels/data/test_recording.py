# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings change how a mix sounds, not when: deterministic, aligned, input untouched."""

from dataclasses import replace

import numpy as np
import pytest

from lbmodels.data.recording import CODECS, MOST_WOW_S, NOISES, Recording, as_recorded, draw_recording, noise

RATE = 48000


@pytest.fixture(scope="module")
def bursts() -> np.ndarray:
    """Short noise bursts twice a second: music enough for finding a shift."""
    rng = np.random.default_rng(0)
    audio = 0.3 * rng.standard_normal((2, 4 * RATE)).astype(np.float32)
    envelope = np.exp(-(np.arange(4 * RATE) % (RATE // 2)) / 2000.0)
    return (audio * envelope).astype(np.float32)


def lag_s(first: np.ndarray, second: np.ndarray) -> float:
    """Shift between the two that fits best, from their slow envelopes' parts in the voice band."""
    n = 2 * first.shape[1]
    product = np.fft.rfft(first.mean(axis=0), n).conj() * np.fft.rfft(second.mean(axis=0), n)
    correlation = np.fft.irfft(product, n)
    best = int(np.argmax(np.abs(correlation)))
    return (best if best < n // 2 else best - n) / RATE


def test_no_recording_moves_the_music(bursts) -> None:
    rng = np.random.default_rng(4)
    before = bursts.copy()
    for _ in range(30):
        recording = draw_recording(rng)
        heard = as_recorded(bursts, recording, RATE)
        assert heard.shape == bursts.shape
        assert np.isfinite(heard).all()
        assert np.abs(heard).max() < 1.0
        if recording.noise_db < -30 and recording.codec != "telephone":
            assert abs(lag_s(bursts, heard)) <= MOST_WOW_S + 0.0003, recording
    np.testing.assert_array_equal(bursts, before)


@pytest.mark.parametrize("codec", CODECS[1:])
def test_codecs_are_heard_and_keep_the_place(bursts, codec: str) -> None:
    heard = as_recorded(bursts, Recording(codec=codec, codec_quality=9.0), RATE)
    assert np.abs(heard - bursts).mean() > 1e-4
    assert abs(lag_s(bursts, heard)) < 0.003


def test_one_recording_gives_the_same_bits(bursts) -> None:
    for recording in (draw_recording(np.random.default_rng(i), clean_share=0.0) for i in range(8)):
        np.testing.assert_array_equal(
            as_recorded(bursts, recording, RATE), as_recorded(bursts, recording, RATE)
        )


@pytest.mark.parametrize("kind", NOISES)
def test_noises_have_the_stated_level(bursts, kind: str) -> None:
    rng = np.random.default_rng(1)
    assert np.sqrt(np.mean(np.square(noise(kind, 3 * RATE, RATE, rng)))) == pytest.approx(1.0, rel=0.3)
    clean = as_recorded(bursts, Recording(seed=3), RATE)
    noisy = as_recorded(bursts, Recording(seed=3, noise=kind, noise_db=-20.0), RATE)
    ratio_db = 20 * np.log10(np.sqrt(np.mean(np.square(noisy - clean))) / np.sqrt(np.mean(np.square(clean))))
    assert ratio_db == pytest.approx(-20.0, abs=3.0)


def test_each_part_of_a_recording_does_what_it_says(bursts) -> None:
    def band_db(audio: np.ndarray, low: float, high: float) -> float:
        power = np.square(np.abs(np.fft.rfft(audio.mean(axis=0))))
        hz = np.fft.rfftfreq(audio.shape[1], 1 / RATE)
        return float(10 * np.log10(power[(hz >= low) & (hz < high)].mean()))

    telephone = as_recorded(bursts, Recording(low_hz=300, high_hz=3400), RATE)
    assert band_db(telephone, 20, 100) < band_db(bursts, 20, 100) - 20
    assert band_db(telephone, 12000, 20000) < band_db(bursts, 12000, 20000) - 20
    mono = as_recorded(bursts, Recording(mono=True), RATE)
    np.testing.assert_array_equal(mono[0], mono[1])
    gapped = as_recorded(bursts, Recording(gap=(0.25, 0.5)), RATE)
    assert np.abs(gapped[:, RATE : 2 * RATE]).max() == 0.0
    quiet = as_recorded(bursts, Recording(gain_db=-12.0), RATE)
    assert np.abs(quiet).max() == pytest.approx(np.abs(bursts).max() * 10 ** (-12 / 20), rel=0.01)
    squashed = as_recorded(bursts, replace(Recording(), clip_db=3.0), RATE)
    crest = [np.abs(x).max() / np.sqrt(np.mean(np.square(x))) for x in (bursts, squashed)]
    assert crest[1] < 0.6 * crest[0]


def test_a_share_is_clean() -> None:
    drawn = [draw_recording(np.random.default_rng(i)) for i in range(300)]
    clean = [r == Recording(seed=r.seed, gain_db=r.gain_db) for r in drawn]
    assert 0.22 < np.mean(clean) < 0.45
