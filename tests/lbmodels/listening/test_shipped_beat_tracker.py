# SPDX-License-Identifier: GPL-3.0-or-later
"""The beat tracker that ships, on audio."""

import pytest
import torch
from torch import Tensor

from lbmodels.families import loading
from lbmodels.listening.beat_tracker import BeatTracker

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def beat_tracker() -> BeatTracker:
    found = loading.load().beat_tracker
    assert found is not None
    return found


def backbeat(bpm: float, frames: int) -> Tensor:
    """A kick on 1 and 3, a snare on 2 and 4, a hi-hat on every half beat: [1, F, 2, 1920] at 48 kHz."""
    generator = torch.Generator().manual_seed(0)
    audio = torch.zeros(frames * 1920)
    t = torch.arange(9600) / 48000
    kick = 0.6 * torch.sin(2 * torch.pi * (50 * t + 4 * (1 - torch.exp(-t / 0.02)))) * torch.exp(-t / 0.06)
    noise = torch.randn(9600, generator=generator)
    snare, hat = 0.25 * noise * torch.exp(-t / 0.05), 0.06 * noise * torch.exp(-t / 0.012)
    step = 48000 * 30 / bpm
    for n in range(int((frames * 1920 - 9600) / step)):
        at = round(n * step)
        for sound, beats in ((kick, (0, 4)), (snare, (2, 6)), (hat, range(8))):
            if n % 8 in beats:
                audio[at : at + 9600] += sound
    return audio.view(1, frames, 1, 1920).expand(-1, -1, 2, -1)


@pytest.mark.parametrize("bpm", [112.0, 138.0])
def test_a_drum_kit_is_followed_a_second_ahead(beat_tracker: BeatTracker, bpm: float) -> None:
    """From the eighth second on, to an eighth of a beat. (At 84 and 100 BPM it hears the eighths.)"""
    frames, ahead = 300, 25
    nothing = torch.full((1, frames), torch.nan)
    told = beat_tracker.tell(
        beat_tracker(backbeat(bpm, frames)),
        dict.fromkeys(("beat_phase", "bar_phase", "tempo"), nothing),
        torch.full((1, frames), float(ahead)),
    )
    late = slice(200, None)
    true = (torch.arange(frames) + 1 + ahead) * 0.04 * bpm / 60
    off = (told["beat_phase"][0] - true)[late]
    assert not off.isnan().any()
    assert (off - off.round()).abs().max() < 0.125
    assert (told["tempo"][0, late] / bpm - 1).abs().max() < 0.03


def test_silence_is_not_followed(beat_tracker: BeatTracker) -> None:
    assert beat_tracker(torch.zeros(1, 400, 2, 1920))[..., 4].sum() == 0


def test_noise_is_not_followed(beat_tracker: BeatTracker) -> None:
    torch.manual_seed(0)
    kept = beat_tracker(0.1 * torch.randn(3, 400, 2, 1920))
    assert kept[..., 4].mean() < 0.1
