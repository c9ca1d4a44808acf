# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host tells becomes what is known of a frame; nonsense becomes nothing."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmodels.contract.conditions import WIDTHS, table
from lbserver.errors import LiveBandError
from lbserver.protocol.segment import EVENT_KINDS, TRANSPORT_FLAGS
from lbserver.ring.ends import Event
from lbserver.session.knowledge import Told, after_event, after_know, after_style, beat_now, conditions_of

RATE_HZ = 48000
PLAYING = TRANSPORT_FLAGS["playing"]
NAN = float("nan")


def transport(position: int, *values: float, flags: int = PLAYING) -> Event:
    padded = (*values, *[NAN] * (6 - len(values)))
    return Event(1, EVENT_KINDS["transport"], flags, position, padded)


def chord(mask: float, bass: float = NAN, key: float = NAN) -> Event:
    return Event(1, EVENT_KINDS["chord"], 0, 0, (mask, bass, key, NAN, NAN, NAN))


def test_a_transport_looks_ahead() -> None:
    """120 bpm, one quarter before bar three: half a second later that bar begins."""
    told = after_event(Told(), transport(1000, 120.0, 7.0, 4.0, 4.0, 4.0))
    now, then = (conditions_of(told, 1000 + ahead, RATE_HZ) for ahead in (0, 24000))
    assert (now["beat_phase"], now["bar_phase"], now["tempo"]) == (0.0, 0.75, 120.0)
    assert (then["beat_phase"], then["bar_phase"]) == (0.0, 0.0)
    assert beat_now(told, 1000, RATE_HZ) == (120.0, 4.0)


@pytest.mark.parametrize(
    ("above", "below", "quarters", "phase"), [(3, 4, 4.5, 0.5), (6, 8, 4.5, 0.5), (7, 8, 1.75, 0.5)]
)
def test_bars_are_as_long_as_the_signature_says(
    above: float, below: float, quarters: float, phase: float
) -> None:
    bar = quarters // (4 * above / below) * (4 * above / below)
    told = after_event(Told(), transport(0, 100.0, quarters, bar, above, below))
    assert conditions_of(told, 0, RATE_HZ)["bar_phase"] == pytest.approx(phase)


def test_a_stopped_transport_tells_the_tempo_alone() -> None:
    told = after_event(Told(), transport(0, 90.0, 3.5, 0.0, 4.0, 4.0, flags=0))
    known = conditions_of(told, 0, RATE_HZ)
    assert known["tempo"] == 90.0
    assert np.isnan(known["beat_phase"])
    assert np.isnan(known["bar_phase"])


def test_a_chart_follows_the_transport() -> None:
    """Bars of the chart are bars of the song, wherever the transport jumps to."""
    told = after_event(Told(), transport(0, 120.0, 0.0, 0.0, 4.0, 4.0))
    told = after_know(told, {"chart": "| C | G | Am | F |"})
    for bar, root in enumerate((0, 7, 9, 5)):
        jumped = after_event(told, transport(48000, 120.0, 4.0 * bar + 1, 4.0 * bar, 4.0, 4.0))
        assert conditions_of(jumped, 48000, RATE_HZ)["chord_bass"] == root
        ahead = conditions_of(jumped, 48000 + 2 * 48000, RATE_HZ)  # four quarters on
        assert ahead["chord_bass"] == (0, 7, 9, 5)[(bar + 1) % 4]


def test_a_chart_without_any_tempo_is_refused_in_words() -> None:
    with pytest.raises(LiveBandError, match="tell bpm too"):
        after_know(Told(), {"chart": "| C | G |"})
    for message in ({"chart": "| Qm7 |", "bpm": 100.0}, {"chord": "no such chord"}, {"key": "X"}):
        with pytest.raises(LiveBandError):
            after_know(Told(), message)


def test_words_left_out_stay_and_empty_ones_forget() -> None:
    told = after_know(Told(), {"bpm": 100.0, "first_beat_s": 0.5, "beats_per_bar": 3})
    told = after_know(told, {"chord": "Am7", "key": "C"})
    told = after_know(told, {"bpm": 50.0})
    known = conditions_of(told, 0.5 * RATE_HZ, RATE_HZ)
    assert (known["tempo"], known["beat_phase"], known["bar_phase"], known["key"]) == (50.0, 0.0, 0.0, 0.0)
    assert np.flatnonzero(known["chord"]).tolist() == [0, 4, 7, 9]
    told = after_know(told, {"chord": "", "key": "", "bpm": 0.0})
    known = conditions_of(told, 0, RATE_HZ)
    assert all(np.isnan(np.asarray(known[name])).all() for name in ("tempo", "beat_phase", "chord", "key"))


def test_a_chord_told_in_the_ring_goes_before_the_chart() -> None:
    told = after_know(Told(), {"bpm": 120.0, "chart": "| C |"})
    told = after_event(told, chord(0b000010010001, 4.0, 9.0))
    known = conditions_of(told, 0, RATE_HZ)
    assert (np.flatnonzero(known["chord"]).tolist(), known["chord_bass"], known["key"]) == (
        [0, 4, 7],
        4.0,
        9.0,
    )
    none = conditions_of(after_event(told, chord(0.0)), 0, RATE_HZ)
    assert not np.asarray(none["chord"]).any()
    again = conditions_of(after_event(told, chord(NAN)), 0, RATE_HZ)
    assert np.flatnonzero(again["chord"]).tolist() == [0, 4, 7]


wild = st.one_of(st.floats(), st.sampled_from([0.0, -1.0, 1e300, 5e-324, 119.99999999999999]))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 9), st.integers(0, 7), st.integers(-(2**63), 2**63 - 1), st.tuples(*[wild] * 6)
        ),
        max_size=6,
    ),
    st.floats(0, 1e12),
)
def test_whatever_is_told_conditions_stay_in_their_ranges(
    events: list[tuple[int, int, int, Any]], position: float
) -> None:
    """Events come from anyone who holds the segment: none may break a frame or leave the model's ranges."""
    told = Told()
    for kind, flags, at, values in events:
        told = after_event(told, Event(1, kind, flags, at, values))
    with np.errstate(all="raise"):
        known = conditions_of(told, position, RATE_HZ)
        beat_now(told, int(position), RATE_HZ)
    batch = table({}, [known], 1)
    assert set(batch) == set(WIDTHS)
    for name, low, high in (
        ("beat_phase", 0, 1), ("bar_phase", 0, 1), ("tempo", 10, 1000), ("chord", 0, 1), ("chord_bass", 0, 11), ("key", 0, 23)
    ):  # fmt: skip
        value = batch[name]
        assert (np.isnan(value) | ((value >= low) & (value <= high))).all(), (name, value)
    assert not (batch["beat_phase"] == 1.0).any()


def test_a_style_that_is_told_again_begins_no_way_anew() -> None:
    """A band elsewhere is told all that is known with each chord: a glide of a minute never came to its end."""
    first, second = np.eye(2, dtype=np.float32)
    told = after_style(Told(), first, 0.0, RATE_HZ)
    told = after_style(after_know(told, {"glide_s": 4.0}), second, 0.0, RATE_HZ)
    assert after_style(told, second.copy(), 2.0 * RATE_HZ, RATE_HZ) is told
    np.testing.assert_array_equal(conditions_of(told, 4.0 * RATE_HZ, RATE_HZ)["style"], second)
    assert after_style(told, first, 2.0 * RATE_HZ, RATE_HZ).style.begin_s == 2.0
    assert after_style(Told(), None, RATE_HZ, RATE_HZ) == Told()


def test_a_stream_is_told_in_words_and_a_loop_stays_on_the_beat() -> None:
    """Eight beats are 4 s at 120 and 6 at 80; at 40 they are longer than any loop, and half of them still is one."""
    told = after_know(
        Told(), {"classes": "-drums +Bass", "injection": "looper 8 beats, gain -6 dB, gap 80 ms"}
    )
    known = conditions_of(told, 0.0, RATE_HZ)
    np.testing.assert_array_equal(np.asarray(known["classes"]), [-1, 1, np.nan, np.nan, np.nan])
    for bpm, loop_s in ((120.0, 4.0), (80.0, 6.0), (40.0, 6.0)):
        told = after_know(told, {"bpm": bpm})
        numbers = np.asarray(conditions_of(told, 0.0, RATE_HZ)["injection"])
        np.testing.assert_allclose(numbers, [2, 10 ** (-6 / 20), loop_s, 0, 0.08], rtol=1e-5)
    told = after_know(told, {"classes": "", "injection": ""})
    assert not {"classes", "injection"} & conditions_of(told, 0.0, RATE_HZ).keys()


@pytest.mark.parametrize(
    "message",
    [
        {"classes": "drums"},
        {"classes": "+flute"},
        {"injection": "loop"},
        {"injection": "free, gain 20 dB"},
        {"injection": "free, gain 9999 dB"},
        {"injection": f"free, latency {'9' * 400} ms"},
        {"injection": "looper 9 s"},
        {"injection": "looper 1..2 s"},
        {"injection": "free, latency 6 dB"},
        {"injection": "off 3 beats"},
    ],
)
def test_what_a_stream_cannot_be_asked_is_refused_in_words(message: dict[str, str]) -> None:
    with pytest.raises(LiveBandError, match=r"accepted are|is the longest"):
        after_know(Told(), message)
