# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores on signals whose answers are known."""

import numpy as np
import pytest

from lbmodels.evaluate import metrics
from lbmodels.evaluate.loudness import blend, normalised
from lbmodels.evaluate.tracker import bars

BEATS = np.arange(0.3, 20, 0.5)
C_MAJOR = np.isin(np.arange(12), (0, 4, 7)).astype(float)


def tones(pitches, seconds=10.0, rate=metrics.CHROMA_RATE_HZ):
    """Sum of sines with falling harmonics at MIDI pitches."""
    t = np.arange(int(seconds * rate)) / rate
    x = sum(np.sin(2 * np.pi * 440 * 2 ** ((p - 69) / 12) * h * t) / h for p in pitches for h in (1, 2))
    return (0.1 * x).astype(np.float32)


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (BEATS, 1.0),
        (BEATS + 0.06, 1.0),
        (BEATS + 0.08, 0.0),
        (BEATS + 0.25, 0.0),
        (np.zeros(0), 0.0),
        (BEATS[::2], 2 / 3),
    ],
)
def test_beat_f1_of_known_sequences(estimate, expected):
    """A window in the wrong unit, or half tempo counted as right, would show."""
    assert metrics.beat_f1(BEATS, estimate) == pytest.approx(expected, abs=0.03)


def test_beats_before_the_start_do_not_count():
    wrong_start = np.concatenate(([0.1, 1.0, 1.7, 3.3], BEATS[BEATS >= 5]))
    assert metrics.beat_f1(BEATS, wrong_start) == 1.0
    assert metrics.beat_f1(BEATS, wrong_start, start_s=0) < 0.95


@pytest.mark.parametrize("pitch", [28, 33, 40, 60, 71])
def test_chroma_parts_semitones_down_to_the_lowest_bass_string(pitch):
    """E1 is 2.4 Hz from F1: bins alone would smear them."""
    frames = metrics.chroma(tones([pitch], 3.0))[15:-15]
    assert (frames.argmax(axis=1) == pitch % 12).all()
    assert (frames[:, pitch % 12] > 0.9 * frames.sum(axis=1)).all()


def test_chord_agreement_knows_the_chord():
    beats = np.arange(0, 9.5, 0.5)
    scored = np.ones(len(beats) - 1, dtype=bool)
    truth = np.tile(C_MAJOR, (len(scored), 1))

    def score(pitches, chords=truth, mask=scored):
        return metrics.chord_agreement(metrics.chroma(tones(pitches)), beats, chords, mask, start_s=1.0)

    right = score([48, 52, 55])
    assert right > 0.9
    assert score([49, 53, 56]) < right - 0.6
    assert score([36]) > score([37]) + 0.3
    silent = np.zeros((200, 12))
    assert metrics.chord_agreement(silent, beats, truth, scored, start_s=1.0) == 0.0
    assert np.isnan(score([48], chords=np.full_like(truth, np.nan)))
    assert np.isnan(score([48], mask=~scored))


def test_levels_silence_and_loudness():
    rate = 48000
    t = np.arange(20 * rate) / rate
    sine = np.tile((0.1 * np.sin(2 * np.pi * 997 * t)).astype(np.float32), (2, 1))
    half = sine.copy()
    half[:, 10 * rate :] = 0
    assert metrics.levels_db(sine, rate) == pytest.approx(-23.01, abs=0.05)
    assert metrics.silence_share(metrics.levels_db(half, rate), start_s=0) == pytest.approx(0.5, abs=0.01)
    assert metrics.silence_share(metrics.levels_db(half, rate)) == pytest.approx(2 / 3, abs=0.01)
    assert metrics.loudness_lufs(sine, rate) == pytest.approx(-20.0, abs=0.2)
    assert metrics.loudness_lufs(0 * sine, rate) == -70.0


def test_onsets_lie_where_clicks_are():
    rate = metrics.ONSET_RATE_HZ
    x = np.zeros(20 * rate, dtype=np.float32)
    burst = np.random.default_rng(0).standard_normal(800) * np.exp(-np.arange(800) / 150)
    for beat in BEATS[:-1]:
        first = round(beat * rate)
        x[first : first + 800] += 0.3 * burst.astype(np.float32)
    found = metrics.onsets_s(x)
    assert metrics.onset_scores(BEATS[:-1], found) == (1.0, 1.0, 1.0)
    assert np.abs(found - BEATS[:-1]).max() < 0.03
    assert metrics.onset_scores(BEATS[:-1], found + 0.2)[2] == 0.0
    assert len(metrics.onsets_s(0 * x)) == 0
    assert metrics.onset_scores(BEATS, np.zeros(0))[2] == 0.0
    assert np.isnan(metrics.onset_scores(np.zeros(0), BEATS)[2])  # where nothing is true nothing is judged


def test_key_agreement_knows_the_key():
    """Tonic, mode and the stretch in which each key holds all count."""
    beats = np.arange(0, 9.5, 0.5)
    scored = np.ones(len(beats) - 1, dtype=bool)
    chroma = metrics.chroma(tones([48, 50, 52, 53, 55, 57, 59, 60, 60]))

    def score(*keys, mask=scored):
        told = np.repeat(keys, -(-len(scored) // len(keys)))[: len(scored)].astype(float)
        return metrics.key_agreement(chroma, beats, told, mask, start_s=1.0)

    assert score(0) > 0.7
    assert score(0) > max(score(key) for key in range(1, 24)) + 0.02
    assert score(6) < score(0, 6) < score(0)
    assert np.isnan(score(np.nan))
    assert np.isnan(score(0, mask=~scored))


def test_bars_begin_where_the_network_hears_first_beats():
    beats = np.arange(0.5, 20, 0.5)
    for metre, phase in ((4, 2), (3, 1), (4, 0)):
        first = np.full(2100, 0.05)
        first[np.round(beats[phase::metre] * 100).astype(int) + 2] = 0.6
        assert bars(beats, first).tolist() == beats[phase::metre].tolist()
    assert len(bars(beats[:3], first)) == 0


def test_loudness_pipeline_of_wu_2025():
    """Stems and mixes end at -18 LUFS; in the mix the stem is 5 dB above its equal, nothing clips."""
    rate = 48000
    t = np.arange(4 * rate) / rate
    low, high = (np.tile(np.sin(2 * np.pi * f * t).astype(np.float32), (2, 1)) for f in (400.0, 800.0))
    for gain in (0.5, 0.004):
        assert metrics.loudness_lufs(normalised(gain * low, rate), rate, start_s=0) == pytest.approx(
            -18, abs=0.1
        )
    mixed = blend([0.3 * low], 0.01 * high, rate)
    spectrum = np.abs(np.fft.rfft(mixed[0]))
    assert 20 * np.log10(spectrum[3200] / spectrum[1600]) == pytest.approx(5, abs=1)
    assert metrics.loudness_lufs(mixed, rate, start_s=0) == pytest.approx(-18, abs=0.1)
    assert not normalised(0 * low, rate).any()
    click = np.zeros((2, rate), dtype=np.float32)
    click[:, 100] = 0.5
    assert np.abs(normalised(click, rate)).max() <= 0.99
