# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames are heard, conditioned and placed where the contract says."""

import numpy as np
import pytest
import torch

from lbmodels.data.conditions import frame_conditions
from lbmodels.data.slakh import find_tracks, read_track
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.generation import KNOWN, anticipation_frames, generate

RATE, HOP = 48000, 1920


def play(accompanist, dataset, **given):
    track = read_track(find_tracks(dataset, "test")[1])
    frames = 200
    told = frame_conditions(track, 50, frames, hop=HOP, sample_rate=RATE)
    mixes = np.random.default_rng(0).standard_normal((2, 2, frames * HOP)).astype(np.float32)
    options = {"stem": "bass", "anticipation": 1, "known": "beat", "seeds": [0, 1], **given}
    return track, told, mixes, generate(accompanist, mixes, [told, told], **options)


@pytest.mark.parametrize("anticipation", [0, 1, 7])
def test_clicks_land_on_the_beats(accompanist, dataset, anticipation):
    """Conditions or output one frame (40 ms) early or late would miss by a thousand samples."""
    track, _, _, stems = play(accompanist, dataset, anticipation=anticipation)
    loud = np.abs(stems[0, 0]) > 0.05
    starts = np.flatnonzero(loud & ~np.concatenate(([False], loud[:-1])))
    starts = starts[np.concatenate(([True], np.diff(starts) > 4000))]
    beats = track.beats_s[(track.beats_s >= 2 + (2 + anticipation) * 0.04) & (track.beats_s < 9.99)] - 2
    assert starts / RATE == pytest.approx(beats, abs=0.002)


@pytest.mark.parametrize("anticipation", [0, 3])
def test_steps_hear_their_frame_and_are_told_of_the_frame_they_write(accompanist, dataset, anticipation):
    _, told, mixes, stems = play(accompanist, dataset, anticipation=anticipation, known="all")
    assert len(accompanist.mixes) == 200 - 1 - anticipation
    for n in (0, 5, 100):
        assert np.array_equal(accompanist.mixes[n].numpy(), mixes[..., n * HOP : (n + 1) * HOP])
        for name in ("beat_phase", "bar_phase", "tempo", "chord", "chord_bass", "key"):
            assert np.array_equal(
                accompanist.told[n][name][1, 0].numpy().squeeze(),
                told[name][n + 1 + anticipation],
                equal_nan=True,
            )
        assert accompanist.told[n]["anticipation"].flatten().tolist() == [anticipation] * 2
        assert accompanist.told[n]["stem"].flatten().tolist() == [1, 1]
    assert not stems[..., : (1 + anticipation) * HOP].any()
    assert stems.shape == mixes.shape


def test_what_the_host_does_not_tell_is_unknown(accompanist, dataset):
    play(accompanist, dataset, known="none")
    play(accompanist, dataset, known="chords")
    none, chords = accompanist.told[3], accompanist.told[-3]
    assert all(torch.isnan(none[name]).all() for name in ("beat_phase", "bar_phase", "tempo", "chord", "key"))
    assert torch.isnan(chords["beat_phase"]).all()
    assert chords["chord"][0].sum() == 3


def test_refusals(accompanist, dataset):
    with pytest.raises(LiveBandModelError, match="drums, bass"):
        play(accompanist, dataset, stem="flute")
    with pytest.raises(LiveBandModelError, match="none, beat"):
        play(accompanist, dataset, known="lyrics")
    assert anticipation_frames(accompanist.spec, 40) == 1
    with pytest.raises(LiveBandModelError, match="0 to 1000 ms"):
        anticipation_frames(accompanist.spec, 1500)


def test_a_bidirectional_reference_is_played_from_the_whole_mix_and_placed_alike() -> None:
    """The offline ceiling must sit on the same positions as the stream, and must not be streamed by mistake."""
    from lbmodels.band import Band
    from lbmodels.codec.autoencoder import Codec, CodecConfig
    from lbmodels.families.liveband.generator import Generator, GeneratorConfig
    from lbmodels.runtime.eager import TorchAccompanist

    torch.manual_seed(0)
    codec = Codec(CodecConfig(features=16, depth=1, latent=8))
    sizes = {"latent": 8, "features": 16, "heads": 2, "depth": 1, "window": 8}
    mixes = np.random.default_rng(0).standard_normal((1, 2, 12 * 1920)).astype(np.float32) * 0.1
    nothing = [{name: np.full((12, 12) if name == "chord" else 12, np.nan) for name in KNOWN["all"]}]

    def play(causal: bool, audio: np.ndarray) -> np.ndarray:
        torch.manual_seed(1)
        model = Band("toy", codec, Generator(GeneratorConfig(**sizes, causal=causal))).eval()
        return generate(
            TorchAccompanist(model), audio, nothing, stem="bass", anticipation=1, known="none", seeds=[3]
        )

    later = mixes.copy()
    later[..., 9 * 1920 :] *= -0.5
    assert np.abs(play(False, mixes)[..., : 2 * 1920]).max() == 0
    assert np.abs(play(False, mixes) - play(False, later))[..., 2 * 1920 : 8 * 1920].max() > 0
    assert np.abs(play(True, mixes) - play(True, later))[..., : 9 * 1920].max() == 0
    reference = Band("toy", codec, Generator(GeneratorConfig(**sizes, causal=False)))
    with pytest.raises(LiveBandModelError, match="cannot stream"):
        reference.init_state([0])


def test_a_device_that_is_not_here_is_refused_before_anything_is_loaded() -> None:
    from lbmodels.evaluate.players import open_contender

    with pytest.raises(LiveBandModelError, match="unknown device 'gpu'; accepted: auto, cpu, cuda"):
        open_contender("nobody", device="gpu")
    with pytest.raises(LiveBandModelError, match="device cuda:99: this machine has"):
        open_contender("nobody", device="cuda:99")
