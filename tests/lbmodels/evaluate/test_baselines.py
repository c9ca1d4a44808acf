# SPDX-License-Identifier: GPL-3.0-or-later
"""What any model must beat has to be fair: causal, in time, in the chord."""

import numpy as np
import pytest

from lbmodels.data.conditions import frame_conditions
from lbmodels.data.slakh import find_tracks, read_track
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.baselines import HOP, Oracle, open_baseline
from lbmodels.evaluate.causal_ear import CausalEar
from lbmodels.evaluate.generation import generate
from lbmodels.evaluate.metrics import beat_f1, chroma, onsets_s

RATE = 48000
FRAMES = 300


def song(dataset, index=1):
    """A song's drums and piano as the mix [1, 2, T], with its truth."""
    import soundfile

    track = read_track(find_tracks(dataset, "test")[index])
    stems = [soundfile.read(stem.path, dtype="float32")[0].T for stem in track.stems]
    mix = np.sum(stems, axis=0)[:, : FRAMES * HOP]
    return track, mix[None], [frame_conditions(track, 0, FRAMES, hop=HOP, sample_rate=RATE)]


def play(name, dataset, mix=None, **given):
    track, own, told = song(dataset)
    options = {"stem": "drums", "anticipation": 1, "known": "none", "seeds": [0], **given}
    return track, generate(open_baseline(name), own if mix is None else mix, told, **options)[0]


@pytest.mark.parametrize("name", ["repeat", "sampler"])
@pytest.mark.parametrize("known", ["none", "all"])
@pytest.mark.parametrize("anticipation", [0, 5])
def test_no_baseline_hears_the_future(dataset, name, known, anticipation):
    """Frame n + 1 + A knows the mix up to frame n: a change after it must not show."""
    _, mix, _ = song(dataset)
    changed = mix.copy()
    heard = 200
    changed[..., heard * HOP :] = np.random.default_rng(0).standard_normal(changed[..., heard * HOP :].shape)
    options = {"known": known, "anticipation": anticipation, "stem": "bass"}
    a = play(name, dataset, mix, **options)[1]
    b = play(name, dataset, changed, **options)[1]
    end = (heard + anticipation + 1) * HOP
    assert np.array_equal(a[:, :end], b[:, :end])
    assert np.abs(a[:, 6 * RATE : end]).max() > 0.01


@pytest.mark.parametrize("known", ["none", "beat"])
@pytest.mark.parametrize("name", ["repeat", "sampler"])
def test_they_play_in_time(dataset, name, known):
    track, stem = play(name, dataset, known=known, anticipation=2)
    truth = track.beats_s[track.beats_s < FRAMES * HOP / RATE - 0.1]
    found = onsets_s(stem.mean(axis=0).reshape(-1, 3).mean(axis=1))
    near = [np.abs(found - beat).min() < 0.05 for beat in truth[truth > 7]]
    assert np.mean(near) > 0.9


def test_the_sampler_plays_the_chord_it_is_told_or_hears(dataset):
    for known in ("all", "none"):
        _, stem = play("sampler", dataset, known=known, stem="piano")
        tones = chroma(stem.mean(axis=0).reshape(-1, 3).mean(axis=1))[160:].sum(axis=0)
        assert set(np.argsort(tones)[-3:]) == {2, 6, 9}  # D major


def test_the_repeated_bar_is_the_mix_a_bar_ago(dataset):
    _, mix, _ = song(dataset)
    _, stem = play("repeat", dataset, known="beat")
    bar = round(4 * 60 / 107 * RATE)
    now = slice(9 * RATE, 10 * RATE)
    then = slice(now.start - bar, now.stop - bar)
    assert np.corrcoef(stem[0, now], mix[0, 0, then])[0, 1] > 0.9
    assert np.std(stem[0, now]) == pytest.approx(0.5 * np.std(mix[0, 0, then]), rel=0.1)


def test_the_causal_ear_finds_tempo_and_beat(dataset):
    for index, bpm in ((0, 92), (2, 121)):
        track, mix, _ = song(dataset, index)
        ear = CausalEar()
        for n in range(250):
            ear.hear(mix[0, :, n * HOP : (n + 1) * HOP])
        beat = ear.beat()
        assert 60 / beat.period_s == pytest.approx(bpm, rel=0.02)
        told = track.beats_s[(track.beats_s > 6) & (track.beats_s < 11)]
        expected = beat.anchor_s + beat.period_s * np.arange(-12, 8)
        assert beat_f1(told, expected[(expected > 5.9) & (expected < 11.1)], start_s=6) > 0.9


def test_silence_and_names(dataset):
    assert not play("baseline:silence", dataset)[1].any()
    assert isinstance(open_baseline("truth"), Oracle)
    with pytest.raises(LiveBandModelError, match="silence, repeat, sampler, random, truth"):
        open_baseline("baseline:kazoo")
