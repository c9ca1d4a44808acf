# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of which stem goes with which mix: what it hears, what training shows it, what the shipped one prefers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate import coherence, extras
from lbmodels.evaluate.coherence import CoherenceConfig, CoherenceNetwork
from lbmodels.train import coherence as training
from lbmodels.train.loop import side
from lbmodels.train.recipe import LoopConfig
from lbmodels.weights import checks

RATE = 48000
SMALL = CoherenceConfig(channels=(4, 4, 4), features=8, size=4)


def tone(hz: float, seconds: float = 5.0) -> np.ndarray:
    """Stereo [2, T] with four harmonics."""
    t = np.arange(int(seconds * RATE)) / RATE
    one = sum(0.2 / n * np.sin(2 * np.pi * hz * n * t) for n in (1, 2, 3, 4))
    return np.stack([one, one]).astype(np.float32)


def clicks(beats_s: np.ndarray, seconds: float = 5.0) -> np.ndarray:
    """Stereo [2, T] of short bursts of noise."""
    out = np.zeros(int(seconds * RATE), np.float32)
    burst = np.random.default_rng(3).normal(size=960).astype(np.float32) * np.linspace(0.3, 0, 960) ** 2
    for beat in beats_s[(beats_s >= 0) & (beats_s < seconds - 0.03)]:
        out[int(beat * RATE) : int(beat * RATE) + 960] += burst
    return np.stack([out, out])


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    return coherence.save(
        tmp_path / "coherence.safetensors", CoherenceNetwork(SMALL), {"both half_beat": 0.5}
    )


@pytest.mark.parametrize("hz", [220.0, 880.0])
def test_a_semitone_is_one_band(hz: float) -> None:
    low, high = (coherence.band_amplitudes(tone(f), RATE)[20:-20].mean(0) for f in (hz, hz * 2 ** (1 / 12)))
    moved = [float(np.corrcoef(np.roll(low, n), high)[0, 1]) for n in range(-3, 4)]
    assert int(np.argmax(moved)) - 3 == 1
    assert coherence.LOWEST_HZ * 2 ** (low.argmax() / 12) == pytest.approx(hz, rel=0.06)


def test_a_click_is_heard_when_it_sounds() -> None:
    heard = coherence.band_amplitudes(clicks(np.array([2.0])), RATE)
    loud = heard[:, 70:].sum(1)
    assert abs(int(loud.argmax()) / coherence.FRAME_HZ - 2.0) <= 0.03


def test_another_sample_rate_hears_the_same() -> None:
    at_48, at_44 = (
        coherence.band_amplitudes(
            np.sin(2 * np.pi * 330 * np.arange(3 * rate) / rate)[None].astype(np.float32), rate
        )[20:-20].mean(0)
        for rate in (48000, 44100)
    )
    assert np.abs(at_48 - at_44).max() < 0.02 * at_48.max()


def test_notes_are_harmonic_and_clicks_percussive() -> None:
    found = []
    for audio in (tone(440.0), clicks(np.arange(0.2, 5, 0.5))):
        power = torch.from_numpy(coherence.crops(coherence.band_amplitudes(audio, RATE)))
        found.append(coherence.views(power)[0].sum((1, 2)))
    assert found[0][0] > 2 * found[0][1]
    assert found[1][1] > 2 * found[1][0]


def test_the_median_is_that_of_five() -> None:
    x = torch.rand(2, 30, 7, generator=torch.Generator().manual_seed(1))
    found = coherence._median_of_five(x, 1, 2)
    taps = torch.stack([x[:, 4 + n : 26 + n] for n in (-4, -2, 0, 2, 4)])
    assert torch.equal(found[:, 4:26], taps.median(0).values)


def test_loudness_does_not_matter(weights: Path) -> None:
    audio = tone(330.0) + clicks(np.arange(0.2, 5, 0.5))
    loud, soft = (coherence.embed(audio * np.float32(gain), RATE, weights) for gain in (1.0, 0.1))
    assert np.abs(loud.astype(np.float32) - soft.astype(np.float32)).max() < 0.01


def test_a_score_is_a_cosine_and_silence_has_none(weights: Path) -> None:
    audio = tone(330.0, 9.0)
    heard, silent = (coherence.embed(a, RATE, weights) for a in (audio, np.zeros_like(audio)))
    assert len(heard) == 2  # 0 to 5 s and 2.5 to 7.5 s
    for kind in coherence.KINDS:
        assert -1.001 <= coherence.score(heard, heard, kind) <= 1.001
        assert np.isnan(coherence.score(heard, silent, kind))
    assert len(coherence.embed(audio[:, :RATE], RATE, weights)) == 1


def test_weights_come_back_as_they_were(weights: Path) -> None:
    torch.manual_seed(0)
    before = CoherenceNetwork(SMALL).eval()
    power = torch.rand(2, coherence.CROP_FRAMES, coherence.BANDS)
    with torch.no_grad():
        one, two = (coherence.encode(network, power) for network in (before, coherence.load(weights)))
    assert torch.allclose(one, two, atol=5e-3)
    assert float(one.abs().max()) > 0.01


def test_damaged_weights_are_refused(weights: Path) -> None:
    data = bytearray(weights.read_bytes())
    data[-3] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(LiveBandModelError, match="damaged"):
        coherence.load(weights)


def songs(count: int) -> list[training.Song]:
    """Songs of two stems that strike and change their notes together, at a tempo and in a key of their own."""
    rng = np.random.default_rng(5)
    made = []
    for n in range(count):
        beat = rng.uniform(18, 35)
        struck = np.exp(-(np.arange(700) % beat) / 4)
        notes = rng.integers(10, 60, 3)
        stem = np.full((700, coherence.BANDS), 1e-4)
        stem[:, notes] += 0.01 * struck[:, None]
        other = np.full((700, coherence.BANDS), 1e-4)
        other[:, notes + 12] += 0.01 * struck[:, None]
        stems = np.stack([stem, other]).astype(np.float16)
        made.append(
            training.Song(name=str(n), stems=stems, classes=("piano", "guitar"), beat_frames=float(beat))
        )
    return made


@pytest.mark.parametrize(("how", "unlike"), [("late", 4.0), ("tempo", 4.0)])
def test_damage_moves_the_stem(how: str, unlike: float) -> None:
    (song,) = songs(1)
    times = 100.0 + np.arange(coherence.CROP_FRAMES, dtype=np.float64)
    moved = training.damaged_times(times, song, how, np.random.default_rng(0))
    assert np.abs(moved - times).max() > unlike
    assert np.all(np.diff(moved) > 0)


def test_a_crop_can_be_transposed_without_wrapping_round() -> None:
    stem = np.zeros((400, coherence.BANDS), np.float16)
    stem[:, [5, 95]] = 0.5
    up = training.crop_at(stem, 10.0 + np.arange(250, dtype=np.float64), 2)
    assert set(np.flatnonzero(up.any(0))) == {7}
    assert up[:, 7] == pytest.approx(0.25)


def test_training_learns_which_stem_belongs(tmp_path: Path) -> None:
    """Toy songs: after few steps true stems are told from other songs' and the damaged ones cost less."""
    torch.manual_seed(0)
    network = CoherenceNetwork(CoherenceConfig(channels=(4, 8, 8), features=24, size=8))
    made = songs(12)
    batches = training.draw_batches(made, 8, 0.0, seed=0)
    optimizer = side(network, LoopConfig(batch=8), 4e-3)
    before = training.shares(training.judge(network.eval(), made, crops=1))["both top1_of_32"]
    for _, batch in zip(range(30), batches, strict=False):
        losses = training.contrastive_losses(network, batch)
        optimizer.descend(losses["mix_to_stem"] + losses["damage"])
    figures = training.shares(training.judge(network.eval(), made, crops=1))
    assert figures["both top1_of_32"] > before + 0.2
    assert figures["both other_song"] > 0.8


def test_a_folder_without_songs_is_named(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    config = training.CoherenceDataConfig(root=str(tmp_path))
    with pytest.raises(ValueError, match="no tracks"):
        training.load_songs(config, "train", tmp_path)


@pytest.mark.weights
def test_the_shipped_judge_hears_time_and_key() -> None:
    """A band it never heard, of clicks and chords: a bass in time and key is preferred to one late or a semitone up."""
    beats = np.arange(0.15, 8.6, 0.52)
    roots = np.repeat([110.0, 146.83, 164.81, 110.0, 98.0], 4)[: len(beats)]

    def struck(ratios: tuple[float, ...], late_s: float = 0.0) -> np.ndarray:
        out = np.zeros(9 * RATE, np.float32)
        t = np.arange(int(0.4 * RATE)) / RATE
        for beat, root in zip(beats + late_s, roots, strict=True):
            note = sum(
                np.sin(2 * np.pi * root * ratio * n * t) / n * np.exp(-t / 0.2)
                for ratio in ratios
                for n in (1, 2, 3, 4)
            )
            first = int(beat * RATE)
            out[first : first + len(t)] += (0.1 * note)[: max(0, len(out) - first)].astype(np.float32)
        return np.stack([out, out])

    mix = coherence.embed(clicks(beats, 9) + struck((2.0, 2.52, 3.0)), RATE)
    true, late, sharp = (
        coherence.score(mix, coherence.embed(stem, RATE), "both")
        for stem in (struck((1.0,)), struck((1.0,), 0.26), struck((2 ** (1 / 12),)))
    )
    assert true > late + 0.05
    assert true > sharp + 0.05


@pytest.mark.weights
def test_the_shipped_judge_is_a_column_of_the_evaluation_and_says_how_good_it_is() -> None:
    assert {"coherence", "coherence_harmonic", "coherence_percussive"} <= set(extras.PAIRS)
    assert "coherence" in extras.EMBEDDINGS
    data = coherence.weights_path().read_bytes()
    figures = json.loads(checks.check(data, "coherence").metadata["figures"])
    assert figures["validation_b both half_beat"] > 0.7
    assert len(data) < 6_000_000
