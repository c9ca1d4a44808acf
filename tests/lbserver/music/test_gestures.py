# SPDX-License-Identifier: GPL-3.0-or-later
"""A performer's gestures on the stem: when it stops, comes in, counts, and that nothing else is touched."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Audio
from lbserver.hub import gestures as told
from lbserver.hub.session_record import Taps
from lbserver.music import gestures
from lbserver.music.feel import Beat
from lbserver.music.gestures import GestureState, Wish
from lbserver.protocol.segment import POSITION_BITS

RATE_HZ, FRAME = 48000, 1920
NAN = float("nan")


def beat_at(seconds: float, bpm: float = 120.0, per_bar: int = 4, first_s: float = 0.0) -> Beat:
    beats = (seconds - first_s) * bpm / 60
    return Beat(float(np.float32(beats % 1)), float(np.float32(beats / per_bar % 1)), bpm)


def played(frames: list[tuple[Beat, Wish]]) -> tuple[Audio, GestureState]:
    """A stem of ones through the gestures, frame by frame."""
    row = np.stack(gestures.init_state(1), axis=1)[0]
    ones = np.ones((2, FRAME), np.float32)
    parts = [gestures.step(ones, beat, wish, RATE_HZ, row) for beat, wish in frames]
    state = GestureState(*(np.array([value]) for value in row))
    assert gestures.is_sound(state)
    return np.concatenate(parts, axis=1), state


def onsets_s(stem: Audio, base: float) -> NDArray[np.float64]:
    """Where clicks begin on a stem that is `base` otherwise."""
    away = np.flatnonzero(np.abs(stem[0] - base) > 1e-3)
    return away[np.diff(away, prepend=-RATE_HZ) > RATE_HZ // 20] / RATE_HZ


def test_what_nobody_touches_passes_and_a_stop_takes_its_beats() -> None:
    """Catches a shell that changes bits at rest, and fades in seconds rather than beats."""
    frame = np.ones((2, FRAME), np.float32)
    row = np.stack(gestures.init_state(1), axis=1)[0]
    assert gestures.step(frame, beat_at(0.0), Wish(fade=2.0), RATE_HZ, row) is frame
    wish = [Wish(fade=2.0, play=float(not 10 <= n < 60)) for n in range(120)]
    stem, _ = played([(beat_at(n * 0.04), one) for n, one in enumerate(wish)])
    silent = np.flatnonzero(stem[0] == 0.0) / RATE_HZ
    assert silent[0] == pytest.approx(0.4 + 1.0, abs=0.01)  # two beats at 120 bpm
    assert silent[-1] == pytest.approx(2.4, abs=0.01)
    assert (stem[0, round(3.45 * RATE_HZ) :] == 1.0).all()
    assert np.abs(np.diff(stem[0])).max() < 1e-3


def test_a_session_that_is_opened_stopped_is_silent_from_its_first_sample() -> None:
    """Catches a fade out of a sound that nobody has asked for."""
    stem, _ = played([(beat_at(n * 0.04), Wish(play=0.0, fade=8.0)) for n in range(3)])
    assert not stem.any()


@pytest.mark.parametrize(("bpm", "per_bar", "first_s"), [(120.0, 4, 0.0), (97.3, 3, 0.123), (181.0, 7, -0.3)])
def test_a_count_in_clicks_one_bar_on_its_beats_and_the_band_comes_in_on_the_one(
    bpm: float, per_bar: int, first_s: float
) -> None:
    """Catches clicks that are lost or doubled where a beat meets a frame's edge, and a band that comes in a frame late."""
    frames = [
        (beat_at(n * 0.04, bpm, per_bar, first_s), Wish(count_in=float(20 <= n < 22))) for n in range(260)
    ]
    stem, _ = played(frames)
    bar_s, pressed_s = per_bar * 60 / bpm, 20 * 0.04
    first_bar_s = first_s + np.ceil((pressed_s - first_s) / bar_s - 1e-6) * bar_s
    stopped, in_s = round((pressed_s + 0.02) * RATE_HZ), first_bar_s + bar_s
    clicks = onsets_s(np.where(np.arange(stem.shape[1]) < stopped, 0, stem), 0.0)
    clicks = clicks[(clicks > pressed_s + 0.02) & (clicks < in_s - 0.01)]
    assert clicks == pytest.approx(first_bar_s + np.arange(per_bar) * 60 / bpm, abs=0.002)
    assert not stem[0, round((in_s - 0.01) * RATE_HZ) : round((in_s - 0.001) * RATE_HZ)].any()
    assert (stem[0, round((in_s + 0.012) * RATE_HZ) :] == 1.0).all()


def test_a_count_in_without_a_bar_counts_four_and_without_a_beat_does_not_silence_the_band() -> None:
    """Catches a band that waits for ever for a one that nobody knows."""
    no_bar = [
        (beat_at(n * 0.04)._replace(bar=NAN), Wish(count_in=float(n == 5), fade=4.0)) for n in range(100)
    ]
    stem, state = played(no_bar)
    assert len(onsets_s(stem[:, round(0.25 * RATE_HZ) : round(2.4 * RATE_HZ)], 0.0)) == 4
    assert (stem[0, round(2.52 * RATE_HZ) :] == 1.0).all()
    assert state.counting == 0
    stem, _ = played([(Beat(NAN, NAN, NAN), Wish(count_in=1.0)) for _ in range(10)])
    assert (stem == 1.0).all()


def test_intensity_moves_the_level_in_a_frame_and_the_knobs_within_their_range() -> None:
    """Catches a knob that jumps, and one that leaves its range where the model was never trained."""
    stem, _ = played([(beat_at(n * 0.04), Wish(intensity=0.5 if n < 5 else 1.0)) for n in range(10)])
    assert stem[0, 0] == 1.0
    assert stem[0, -1] == pytest.approx(10 ** (6 / 20), rel=1e-6)
    assert np.abs(np.diff(stem[0])).max() < 1e-3
    assert gestures.meant(0.3, 0.5) == 0.3
    assert np.isnan(gestures.meant(NAN, 0.5))
    moved = gestures.meant(NAN, 0.9), gestures.meant(0.8, 0.9), gestures.meant(0.1, 0.0)
    assert moved == pytest.approx((0.9, 1.0, 0.0))


def test_taps_before_anything_flows_count_all_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """The third tap of a silent session began anew, so that only two ever told the tempo."""
    clock = iter([10.0, 10.5, 11.0, 11.7, 12.2])
    monkeypatch.setattr(told.time, "monotonic", lambda: next(clock))
    positions = iter([96000] * 4 + [120000])
    segment = SimpleNamespace(load=lambda _name: 3 << POSITION_BITS | next(positions))
    entry: Any = SimpleNamespace(segment=segment, taps=Taps(), wish=SimpleNamespace(rate_hz=48000))
    assert told.tell_first(entry, "tap") == {}
    assert told.tell_first(entry, "tap")["bpm"] == pytest.approx(120)
    assert told.tell_first(entry, "tap") == {"bpm": pytest.approx(120), "first_beat_s": pytest.approx(2.0)}
    assert told.tell_first(entry, "tap")["bpm"] == pytest.approx(60 / 0.56)
    assert len(entry.taps.at_s) == 4
    assert told.tell_first(entry, "tap") == {}  # what is heard flows again: its time is another
