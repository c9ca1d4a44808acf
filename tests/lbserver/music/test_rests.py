# SPDX-License-Identifier: GPL-3.0-or-later
"""The player stops, is back, plays sparsely, or has not begun: when the band rests, and how loud it is."""

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Audio
from lbserver.music import rests

RATE_HZ, FRAME = 48000, 1920
BEAT_S = 0.5


def noise(seconds: float, db: float, seed: int = 0) -> Audio:
    audio = np.random.default_rng(seed).standard_normal((2, round(seconds * RATE_HZ)))
    return (10 ** (db / 20) * audio).astype(np.float32)


def strums(seconds: float, every_s: float, db: float = -20.0) -> Audio:
    """Notes that die away within a fifth of a second."""
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (10 ** (db / 20) * noise(seconds, 0.0, 5) * np.exp(-(time % every_s) / 0.04)).astype(np.float32)


def shelled(mix: Audio, *, stem: Audio | None = None, rest: bool = True) -> Audio:
    """The band's stem, even noise by default, behind a player: one row."""
    stem = noise(mix.shape[-1] / RATE_HZ, -25.0, 1) if stem is None else stem
    state, parts = rests.init_state(1), []
    for at in range(0, mix.shape[-1], FRAME):
        here = slice(at, at + FRAME)
        out, state = rests.step(
            mix[None, :, here],
            stem[None, :, here],
            frame_s=FRAME / RATE_HZ,
            beat_s=np.array([BEAT_S]),
            rests=np.array([float(rest)]),
            state=state,
            active=np.array([True]),
        )
        parts.append(out[0])
    return np.concatenate(parts, axis=-1)


def levels(audio: Audio) -> NDArray[np.float64]:
    """dBFS of each frame."""
    frames = audio[:, : audio.shape[-1] // FRAME * FRAME].reshape(len(audio), -1, FRAME)
    return 10 * np.log10((frames.astype(np.float64) ** 2).mean(axis=(0, 2)) + 1e-12)


def at(seconds: float) -> int:
    return round(seconds * RATE_HZ / FRAME)


def stopped_and_back(hiss_db: float) -> Audio:
    """Ten seconds of playing, ten of silence as a microphone hears it, four of playing."""
    return np.concatenate(
        [strums(10, BEAT_S), np.zeros((2, 10 * RATE_HZ), np.float32), strums(4, BEAT_S)], 1
    ) + (noise(24, hiss_db, 7))


def test_the_band_rests_within_two_beats_and_is_back_within_one() -> None:
    """A gate at a fixed level never closes over a hiss, or cuts off whoever plays softly."""
    for hiss_db in (-120.0, -60.0):
        for softer in (0.0, -25.0):
            heard = levels(shelled(stopped_and_back(hiss_db) * np.float32(10 ** (softer / 20))))
            assert heard[: at(10)].min() > -26, (hiss_db, softer)
            assert heard[at(10 + 2 * BEAT_S) : at(20)].max() < -100, (hiss_db, softer)
            assert heard[at(20 + BEAT_S) :].min() > -26, (hiss_db, softer)
            fade = heard[at(10) : at(10 + 2 * BEAT_S)]
            assert np.count_nonzero((fade > -60) & (fade < -27)) >= 5  # it does not stop dead


def test_who_leaves_gaps_is_waited_for() -> None:
    """One chord a bar, damped: a band that rests in each of its bars stutters."""
    bar_s = 4 * BEAT_S
    heard = levels(shelled(strums(16 * bar_s, bar_s)))
    assert heard[at(4 * bar_s) :].min() > -26


def test_a_soft_passage_is_not_silence() -> None:
    """Notes 30 dB below those before are music still."""
    mix = np.concatenate([strums(10, BEAT_S), strums(10, BEAT_S, -50.0)], axis=1) + noise(20, -80.0)
    assert levels(shelled(mix))[at(1) :].min() > -26


def test_a_last_chord_that_rings_is_silence_once_it_is_faint() -> None:
    """Whoever ends with a long chord has stopped too."""
    time = np.arange(12 * RATE_HZ) / RATE_HZ
    ring = noise(12, -20.0, 3) * np.exp(-time).astype(np.float32)
    heard = levels(shelled(np.concatenate([strums(8, BEAT_S), ring], axis=1)))
    assert heard[at(8) : at(9)].min() > -26
    assert heard[at(15) :].max() < -100


def test_who_plays_on_is_no_louder_than_before() -> None:
    """Alone, the model plays up to 8 dB louder than it did with the player."""
    mix = stopped_and_back(-70.0)
    louder = np.ones(mix.shape[-1], np.float32)
    louder[10 * RATE_HZ : 20 * RATE_HZ] = 10 ** (8 / 20)
    heard = levels(shelled(mix, stem=noise(24, -25.0, 1) * louder, rest=False))
    power = 10 ** (heard / 10)
    assert abs(10 * np.log10(power[at(11) : at(20)].mean()) + 25) < 0.5
    assert heard[at(12) : at(20)].min() > -27
    assert heard[at(21) :].min() > -26


def test_while_the_player_plays_no_bit_is_changed() -> None:
    """Rests and levels are for silence; a stem that swells with the music is left alone."""
    swell = noise(10, -25.0, 1) * np.linspace(0.1, 3, 10 * RATE_HZ, dtype=np.float32)
    for rest in (False, True):
        out = shelled(strums(10, BEAT_S), stem=swell, rest=rest)
        assert np.array_equal(out, swell)
