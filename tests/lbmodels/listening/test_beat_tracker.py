# SPDX-License-Identifier: GPL-3.0-or-later
"""What the beat tracker believes of beats that a network hears, and the streaming contract."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lbmodels.listening.beat_tracker import BeatTracker, BeatTrackerConfig
from lbmodels.listening.network import BeatNetwork
from lbmodels.listening.onsets import STRIDES, BandFrontEnd
from lbmodels.streaming.contract import assert_streaming_contract, run_steps

Heard = Callable[..., Tensor]
STRIDE_S = 0.01


def beats_at(bpm: float, seconds: float, start_s: float = 0.3) -> list[float]:
    step = 60 / bpm / STRIDE_S
    return [start_s / STRIDE_S + n * step for n in range(int(seconds / STRIDE_S / step))]


def unknown(frames: int) -> dict[str, Tensor]:
    return {name: torch.full((1, frames), torch.nan) for name in ("beat_phase", "bar_phase", "tempo")}


def told(beat_tracker: BeatTracker, heard: Tensor, anticipation: int, **host: Tensor) -> dict[str, Tensor]:
    """What is told of frame n + 1 + A, for n = 0, 1, ..."""
    frames = heard.shape[1]
    conditions = unknown(frames) | host
    kept = beat_tracker.follow(heard, conditions["tempo"])
    return beat_tracker.tell(kept, conditions, torch.full((1, frames), float(anticipation)))


def off_beat(phase: Tensor, beats: list[float], anticipation: int) -> Tensor:
    """How far told phases [1, F] of frames n + 1 + A are from those of the true beats, in beats."""
    frames = phase.shape[1]
    at = (torch.arange(frames) + 1 + anticipation) * STRIDES
    step = beats[-1] - beats[-2]
    true = (at - beats[-1]) / step
    off = phase[0] - true
    return (off - off.round()).abs()


@pytest.fixture
def beat_tracker() -> BeatTracker:
    return BeatTracker(BeatTrackerConfig()).eval().requires_grad_(False)


def test_front_end_obeys_the_contract() -> None:
    torch.manual_seed(0)
    front = BandFrontEnd(sample_rate=48000, hop=480, bands=8)
    assert_streaming_contract(front, 0.1 * torch.randn(2, 12, 2, 480))


def test_network_obeys_the_contract() -> None:
    torch.manual_seed(0)
    network = BeatNetwork(bands=8, features=16, kernel=3, depth=3, tempi=16).eval()
    torch.nn.init.normal_(network.head.weight)
    assert_streaming_contract(network, torch.rand(2, 40, STRIDES, 8))


def test_beat_tracker_obeys_the_contract(toy_beat_tracker: BeatTracker) -> None:
    torch.manual_seed(0)
    x = 0.2 * torch.randn(2, 40, 2, 480) * (torch.arange(40) % 5 == 0).view(1, -1, 1, 1)
    assert_streaming_contract(toy_beat_tracker, x)
    assert (
        toy_beat_tracker(x)[..., 4].sum() > 0
    )  # something was told, so that the rest was not tested on silence


@pytest.mark.parametrize("bpm", [58, 72, 90, 104, 120, 143, 171, 200])
def test_a_click_is_followed_and_a_second_ahead(beat_tracker: BeatTracker, heard: Heard, bpm: float) -> None:
    """Within 6 s, to a tenth of a beat, both for the next frame and 25 frames later."""
    beats = beats_at(bpm, 13)
    for anticipation in (0, 25):
        found = told(beat_tracker, heard(beats, 300), anticipation)
        late = slice(150, None)
        assert not found["beat_phase"][0, late].isnan().any()
        assert off_beat(found["beat_phase"], beats, anticipation)[late].max() < 0.1
        assert (found["tempo"][0, late] / bpm - 1).abs().max() < 0.03


@pytest.mark.parametrize("metre", [3, 4])
def test_bars_are_counted(beat_tracker: BeatTracker, heard: Heard, metre: int) -> None:
    """From the third bar on, with a bar that begins on the song's second beat."""
    beats = beats_at(120, 24)
    found = told(beat_tracker, heard(beats, 500, metre, 1), 5)
    at = (torch.arange(500) + 6) * STRIDES
    true = ((at - beats[1]) / 50 / metre) % 1
    off = found["bar_phase"][0] - true
    assert not found["bar_phase"][0, 300:].isnan().any()
    assert (off - off.round()).abs()[300:].max() < 0.05


def test_a_new_tempo_is_followed(beat_tracker: BeatTracker, heard: Heard) -> None:
    """From 96 to 126 BPM at once: 6 s later the new beat is told."""
    before = beats_at(96, 12)
    after = [before[-1] + 60 / 126 / STRIDE_S * n for n in range(1, 30)]
    found = told(beat_tracker, heard(before + after, 600), 10)
    late = slice(int(before[-1]) // STRIDES + 150, 600)
    assert off_beat(found["beat_phase"], after, 10)[late].max() < 0.1


def test_drift_is_followed(beat_tracker: BeatTracker, heard: Heard) -> None:
    """From 110 to 130 BPM within 30 s: never more than an eighth of a beat away once it is told."""
    beats, bpm = [30.0], 110.0
    while beats[-1] < 3000:
        bpm = 110 + 20 * beats[-1] / 3000
        beats.append(beats[-1] + 60 / bpm / STRIDE_S)
    phase = told(beat_tracker, heard(beats, 740), 1)["beat_phase"][0]
    for n in range(150, 740):
        at = (n + 2) * STRIDES
        k = max(i for i, beat in enumerate(beats) if beat <= at)
        off = float(phase[n]) - (at - beats[k]) / (beats[k + 1] - beats[k])
        assert abs(off - round(off)) < 0.125


def test_what_is_no_music_is_not_followed(beat_tracker: BeatTracker) -> None:
    """A network that hears nothing, and one that hears beats at random."""
    config = beat_tracker.config
    nothing = torch.full((1, 500, 2 * STRIDES + config.tempi), -5.0)
    assert told(beat_tracker, nothing, 1)["beat_phase"].isnan().all()
    torch.manual_seed(1)
    anything = torch.randn(4, 500, 2 * STRIDES + config.tempi) - 3.0
    kept = beat_tracker.follow(anything)
    assert kept[..., 4].mean() < 0.05


def test_the_beat_is_kept_through_a_rest_and_then_given_up(beat_tracker: BeatTracker, heard: Heard) -> None:
    beats = beats_at(120, 10)
    going_on = beats_at(120, 40)
    song = heard(beats, 250)
    rest = torch.full((1, 1500, song.shape[-1]), -6.0)
    found = told(beat_tracker, torch.cat([song, rest], dim=1), 1)["beat_phase"]
    assert off_beat(found[:, :300], going_on, 1)[250:].max() < 0.1  # for two seconds
    assert found[0, -1].isnan()


def test_the_host_is_always_right(beat_tracker: BeatTracker, heard: Heard) -> None:
    """Item by item, and a bar goes with the beat that the host tells."""
    song = heard(beats_at(120, 20), 450)
    own = told(beat_tracker, song, 2)
    host = {
        "beat_phase": torch.rand(1, 450),
        "bar_phase": torch.rand(1, 450),
        "tempo": torch.full((1, 450), 77.0),
    }
    for name, value in host.items():
        found = told(beat_tracker, song, 2, **{name: value})
        assert torch.equal(found[name], value)
    late = (own["beat_phase"] + 0.02) % 1
    found = told(beat_tracker, song, 2, beat_phase=late)
    known = ~found["bar_phase"].isnan()
    assert known[0, 300:].all()
    bar_beats = found["bar_phase"][known] * 4 % 1
    off = bar_beats - late[known]
    assert (off - off.round()).abs().max() < 1e-4
    against = told(beat_tracker, song, 2, beat_phase=(own["beat_phase"] + 0.5) % 1)
    assert against["bar_phase"].isnan().all()


def test_the_hosts_tempo_decides_between_levels(beat_tracker: BeatTracker, heard: Heard) -> None:
    """Clicks at 140 BPM are every second beat, or every beat, as the host says."""
    song = heard(beats_at(140, 20), 450)
    for bpm in (70.0, 140.0):
        kept = beat_tracker.follow(song, torch.full((1, 450), bpm))
        assert abs(6000 / float(kept[0, -1, 1]) / bpm - 1) < 0.03


def test_a_range_of_tempi_decides_between_a_tempo_and_its_half(
    beat_tracker: BeatTracker, heard: Heard
) -> None:
    """Slow pieces are heard at double tempo: the player says how fast it can be. A range that holds neither is no evidence,
    and open ends are none either, to the bit.
    """
    song = heard(beats_at(140, 20), 450)

    def tempo(low: float, high: float) -> float:
        kept = beat_tracker.follow(song, span_bpm=torch.tensor([low, high]).expand(1, 450, 2))
        return 6000 / float(kept[0, -1, 1])

    assert abs(tempo(20.0, 100.0) / 70 - 1) < 0.03
    assert abs(tempo(100.0, 400.0) / 140 - 1) < 0.03
    assert abs(tempo(100.0, 20.0) / 70 - 1) < 0.03  # which end is which does not matter
    heard_alone = beat_tracker.follow(song)
    unreachable = beat_tracker.follow(song, span_bpm=torch.tensor([150.0, 160.0]).expand(1, 450, 2))
    torch.testing.assert_close(unreachable[0, -1, 1], heard_alone[0, -1, 1], rtol=1e-3, atol=0.0)
    for ends in (20.0, 400.0), (torch.nan, torch.nan):
        assert torch.equal(
            beat_tracker.follow(song, span_bpm=torch.tensor(ends).expand(1, 450, 2)), heard_alone
        )


def test_broken_input_is_forgotten(toy_beat_tracker: BeatTracker) -> None:
    """NaN in a frame of audio must not silence the beat tracker for ever."""
    torch.manual_seed(0)
    x = 0.2 * torch.randn(1, 60, 2, 480)
    x[:, 10] = torch.nan
    _, state = run_steps(toy_beat_tracker, x)
    y, _ = toy_beat_tracker.step(x[:, -1], state, torch.ones(1, dtype=torch.bool))
    assert y.isfinite().all()
