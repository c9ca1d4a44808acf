# SPDX-License-Identifier: GPL-3.0-or-later
"""What is heard around a gap: no step, silence soon, a fade back, and nothing changed where nothing is missing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbserver.audio.fades import Concealer
from lbserver.testing.grids import grid

RATES_HZ = (8000, 44100, 48000, 96000, 192000)


def tone(hz: float, rate_hz: int, samples: int, phase: float = 0.0) -> np.ndarray:
    wave = 0.8 * np.sin(2 * np.pi * hz * np.arange(samples) / rate_hz + phase)
    return np.stack([wave, wave[::-1]]).astype(np.float32)


@given(st.lists(st.integers(0, 700), max_size=12), st.integers(0, 2**31))
def test_untouched_audio_passes_bit_for_bit(sizes: list[int], seed: int) -> None:
    concealer = Concealer(rate_hz=48000, channels=2)
    generator = np.random.default_rng(seed)
    for size in sizes:
        audio = generator.standard_normal((2, size)).astype(np.float32)
        kept = audio.copy()
        assert concealer.present(audio) is audio
        np.testing.assert_array_equal(audio, kept)


@pytest.mark.parametrize(
    ("rate_hz", "hz", "phase", "piece"),
    grid(RATES_HZ, [55.0, 440.0, 1760.0], [0.0, 0.9, 1.57, 2.5], [1, 64, 4800]),
)
def test_a_gap_has_no_step_and_is_silent_within_20_ms(
    rate_hz: int, hz: float, phase: float, piece: int
) -> None:
    """A step is a click; what goes on after 20 ms is a stutter."""
    before, gap = tone(hz, rate_hz, rate_hz // 10, phase), rate_hz // 10
    concealer = Concealer(rate_hz=rate_hz, channels=2)
    pieces = [concealer.present(before[:, at : at + piece]) for at in range(0, before.shape[1], piece)]
    start = before.shape[1]
    pieces += [concealer.absent(min(piece, gap - at)) for at in range(0, gap, piece)]
    back = start + gap
    pieces += [concealer.present(before[:, at : at + piece]) for at in range(0, before.shape[1], piece)]
    heard = np.concatenate(pieces, axis=1)
    assert heard.shape[1] == back + start
    clean_step = np.abs(np.diff(before, axis=1)).max()
    assert np.abs(np.diff(heard, axis=1)).max() <= 2 * clean_step
    silent = start + round(0.02 * rate_hz)
    assert not heard[:, silent:back].any()
    np.testing.assert_array_equal(heard[:, :start], before)
    # The fade in ends 5 to 10 ms after the audio is back; from there every bit is as it was.
    risen = round(0.005 * rate_hz)
    np.testing.assert_array_equal(heard[:, back + risen :], before[:, risen:])
    assert (np.abs(heard[:, back : back + risen]) <= np.abs(before[:, :risen])).all()


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 900)), min_size=1, max_size=25),
    st.integers(1, 400),
)
def test_pieces_of_any_size_sound_the_same(parts: list[tuple[bool, int]], piece: int) -> None:
    """How a host cuts time into blocks must not be heard in a fade."""
    source = tone(220.0, 48000, sum(length for _, length in parts))

    def render(cut: int) -> np.ndarray:
        concealer = Concealer(rate_hz=48000, channels=2)
        out, position = [np.zeros((2, 0), np.float32)], 0
        for there, length in parts:
            for at in range(0, length, cut):
                size = min(cut, length - at)
                audio = source[:, position + at : position + at + size]
                out.append(concealer.present(audio) if there else concealer.absent(size))
            position += length
        return np.concatenate(out, axis=1)

    whole = render(10**9)
    np.testing.assert_array_equal(render(piece), whole)
    clean_step = np.abs(np.diff(source, axis=1, prepend=0.0)).max(initial=0.0)
    # One gap right after another may add one fade to the next.
    assert np.abs(np.diff(whole, axis=1, prepend=0.0)).max(initial=0.0) <= 3 * clean_step + 1e-6
    assert np.abs(whole).max(initial=0.0) <= 1.6


def test_a_new_epoch_hears_nothing_of_the_old_one() -> None:
    concealer = Concealer(rate_hz=48000, channels=1)
    concealer.present(np.ones((1, 4800), np.float32))
    concealer.absent(10)
    concealer.reset(fade_in=True)
    assert not concealer.absent(4800).any()
    risen = concealer.present(np.ones((1, 480), np.float32))
    assert risen[0, 0] < 0.01
    assert (np.diff(risen[0]) >= 0).all()
    assert (risen[0, 240:] == 1.0).all()


@pytest.mark.parametrize("piece", [1, 100, 10**6])
def test_music_taken_up_in_its_middle_rises_where_it_begins(piece: int) -> None:
    """A fade in over the silence before it would be no fade."""
    concealer = Concealer(rate_hz=48000, channels=2)
    concealer.reset(fade_in=True, hold=True)
    audio = np.zeros((2, 3000), np.float32)
    audio[:, 1000:] = 0.5
    heard = np.concatenate(
        [concealer.present(audio[:, at : at + piece]) for at in range(0, 3000, piece)], axis=1
    )
    assert not heard[:, :1000].any()
    assert np.abs(np.diff(heard, axis=1)).max() < 0.003
    np.testing.assert_array_equal(heard[:, 1240:], audio[:, 1240:])
