# SPDX-License-Identifier: GPL-3.0-or-later
"""A performer's gestures in a session: when they act, on whose beat, and that they are remembered."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Audio
from lbmodels.contract.conditions import Conditions
from lbserver.engine.budget import Budget
from lbserver.engine.live import LiveSession
from lbserver.engine.shell import Shell
from lbserver.engine.virtual import VirtualHost, VirtualWorker, run
from lbserver.engine.worker import told_again
from lbserver.protocol.controls import MOMENTS
from lbserver.session.knowledge import chord_label, chord_number
from lbserver.testing import accompanists, stage

RATE_HZ, FRAME = 48000, 1920
BUDGET = Budget(compute_s=0.012, margin_s=0.004)
NEXT_BEAT, NEXT_BAR = float(MOMENTS.index("next_beat")), float(MOMENTS.index("next_bar"))


@dataclass(frozen=True, kw_only=True)
class Ear(accompanists.SmallAccompanist):
    """Plays ones. Hears 150 bpm in three by itself, from its first frame on, and an A minor seventh."""

    def heard_beat(self, state: accompanists.State) -> NDArray[np.float64]:
        beats = (state.steps + 2) * 0.04 * 150 / 60
        return np.stack(
            [beats % 1, beats / 3 % 1, np.full(len(beats), 150.0), np.full(len(beats), 3.0)], axis=1
        )[:, None]

    def heard_chord(self, state: accompanists.State) -> NDArray[np.float64]:
        chord = np.isin(np.arange(12), (9, 0, 4, 7)).astype(np.float64)
        return np.tile(np.append(chord, 9.0), (len(state.steps), 1))


class Lost(Ear):
    """Hears a beat and no bar at all, as 0 beats of one."""

    def heard_beat(self, state: accompanists.State) -> NDArray[np.float64]:
        return super().heard_beat(state) * np.array([1.0, 1.0, 1.0, 0.0])


def ones(
    _spec: object, mix: Audio, _conditions: Conditions, state: accompanists.State
) -> tuple[Audio, Audio]:
    return np.full_like(mix, 0.25), state.tail


def played(
    accompanist: accompanists.SmallAccompanist,
    seconds: float,
    *acts: tuple[float, Callable[[LiveSession], None]],
    start: Callable[[LiveSession], None] = lambda _session: None,
) -> tuple[Audio, LiveSession, VirtualHost]:
    """A live session on the virtual clock; `acts` at their times of it."""
    host = stage.front_end("a", stage.Seat(blocks=(480,)), accompanist.spec, BUDGET, stage.noise(3))
    worker = VirtualWorker(accompanist, lambda _rows, _now_s: 0.004)
    session = worker.serve(host)
    start(session)
    at = [(time_s, lambda act=act: act(session)) for time_s, act in acts]  # type: ignore[misc]
    run([host], [worker], until_s=seconds, at=at)
    return host.audio, session, host


def player_of_ones(kind: type[accompanists.SmallAccompanist] = accompanists.SmallAccompanist):  # type: ignore[no-untyped-def]
    return kind(spec=accompanists.noise().spec, play=ones)


def told(session: LiveSession) -> None:
    session.know({"bpm": 120.0, "first_beat_s": 0.1, "beats_per_bar": 3})


def set_to(**controls: float) -> Callable[[LiveSession], None]:
    def act(session: LiveSession) -> None:
        for name, value in controls.items():
            session.set_control(name, value)

    return act


@pytest.mark.parametrize(
    ("moment", "ear", "start", "falls_silent_s"),
    [
        (NEXT_BAR, False, told, 3.1),  # bars of 1.5 s from 0.1 s on
        (NEXT_BEAT, False, told, 2.6),
        (NEXT_BAR, True, lambda _session: None, 2.4),  # bars of 1.2 s that the band hears
        (NEXT_BAR, False, lambda _session: None, 2.2),  # nobody knows: at once
    ],
    ids=["told bar", "told beat", "heard bar", "no beat"],
)
def test_a_change_waits_for_its_bar_whoever_knows_it(
    moment: float, ear: bool, start: Callable[[LiveSession], None], falls_silent_s: float
) -> None:
    """Catches a quantised change that acts at once, a bar late, by a beat that is not the music's, or never."""
    stem, session, host = played(
        player_of_ones(Ear if ear else accompanists.SmallAccompanist),
        4.0,
        (0.5, set_to(quantise=moment, fade=0.0)),
        (2.16, set_to(tacet=1.0)),
        start=start,
    )
    silent = np.flatnonzero(stem[0, RATE_HZ:] == 0.0)[0] / RATE_HZ + 1
    assert silent == pytest.approx(falls_silent_s, abs=0.06)
    assert session.controls["tacet"] == 1
    assert not session.waiting
    host.close()


def test_what_waits_is_remembered_and_acts_when_nothing_is_quantised_any_more() -> None:
    """Catches a kept moment, or a new segment, that loses what the player has set but not yet heard."""
    _, session, host = played(
        player_of_ones(), 0.6, (0.3, set_to(quantise=NEXT_BAR)), (0.4, set_to(intensity=0.9)), start=told
    )
    assert (session.controls["intensity"], session.wishes["intensity"]) == (0.5, 0.9)
    session.set_control("quantise", 0.0)
    assert (session.controls["intensity"], session.waiting) == (0.9, {})
    host.close()


def test_a_count_in_of_a_stopped_session_clicks_a_bar_and_it_comes_in_on_the_one() -> None:
    """Catches a count-in after which the band stays stopped, or comes in off the one."""
    stem, session, host = played(
        player_of_ones(), 5.0, (0.02, set_to(tacet=1.0)), (1.0, set_to(count_in=1.0)), start=told
    )
    assert session.controls["tacet"] == 0
    loud = np.abs(stem[0]) > 0.02
    starts = np.flatnonzero(loud & ~np.concatenate([[False], loud[:-1]]))
    starts = starts[np.diff(starts, prepend=-RATE_HZ) > RATE_HZ // 10] / RATE_HZ
    assert starts[-4:] == pytest.approx([1.6, 2.1, 2.6, 3.1], abs=0.005)
    assert (stem[0, round(3.12 * RATE_HZ) :] == 0.25).all()
    host.close()


def test_taps_tell_tempo_and_a_one_by_position() -> None:
    """Catches taps that are placed by when the server looked: 20 ms off is another tempo."""
    taps = [
        (0.1, lambda session, at=at: session.set_control("tap", 1.0, position=at))
        for at in (24000, 48000 - 480, 72000 + 480, 96000)
    ]
    _, session, host = played(player_of_ones(), 1.0, *taps)  # type: ignore[arg-type]
    beat = session.told.knowledge.beat
    assert beat is not None
    assert (beat.bpm, beat.first_beat_s) == (pytest.approx(119.5, abs=0.8), pytest.approx(0.5, abs=0.02))  # type: ignore[union-attr]
    host.close()


def test_what_can_no_longer_be_read_keeps_nothing_else_from_being_told_again() -> None:
    """A style of words that a worker does not know lost tempo, key, classes and all the rest in silence."""
    rest = {"bpm": 90.0, "key": "Am", "classes": "-drums", "injection": "off"}
    taken: list[dict[str, object]] = []
    _, session, host = played(
        player_of_ones(),
        0.2,
        start=lambda session: taken.append(told_again(session, {"style": "theremin", **rest})),
    )
    assert taken == [rest]
    assert session.told.knowledge.beat is not None
    assert session.told.classes is not None
    assert session.told.injection is not None
    assert told_again(session, {"style": "bossa", "chart": "| C |", "bpm": 0.0, "key": "C"}).keys() == {
        "style",
        "bpm",
        "key",
    }
    host.close()


def test_the_next_section_begins_at_the_next_bar_and_goes_on_from_there() -> None:
    """Catches a jump in the middle of a bar, and a form that jumps back a bar later."""

    def chart(session: LiveSession) -> None:
        session.know({"bpm": 120.0, "first_beat_s": 0.0, "chart": "| [A] C | C | C | C | [B] F | G |"})

    seen: list[tuple[str, float]] = []

    def look(session: LiveSession) -> None:
        segment = session.port.segment
        seen.append((chord_label(segment.load_float("chord")), segment.load_float("section")))

    acts = [(1.0, set_to(next_section=1.0)), *((at, look) for at in (1.9, 2.1, 4.1, 6.1, 14.1))]
    _, _, host = played(player_of_ones(), 14.5, *acts, start=chart)
    assert seen == [("C", 1.0), ("F", 2.0), ("G", 2.0), ("C", 1.0), ("F", 2.0)]
    host.close()


def test_mute_is_silent_where_it_is_read_and_the_gain_is_kept() -> None:
    """Catches a band that is back at another level than it had."""
    _, session, host = played(player_of_ones(), 0.3)
    set_to(gain=6.0, mute=1.0)(session)
    assert session.port.segment.load_float("gain") == 0.0
    session.set_control("mute", 0.0)
    assert session.port.segment.load_float("gain") == pytest.approx(10**0.3)
    host.close()


def test_what_the_band_hears_itself_is_told_whatever_the_host_says() -> None:
    """Catches a status that shows the host's tempo as the band's own ear."""
    _, session, host = played(player_of_ones(Ear), 2.0, start=told)
    segment = session.port.segment
    assert segment.load_float("heard_tempo") == 150.0
    beats = 1 + (session.port.position / RATE_HZ * 150 / 60) % 3
    away = abs(segment.load_float("heard_beat") - beats)
    assert min(away, 3 - away) < 0.15  # a frame is a tenth of a beat
    assert chord_label(segment.load_float("heard_chord")) == "Am7"
    assert chord_label(segment.load_float("chord")) == ""
    host.close()


def test_a_snapshot_in_a_fade_and_in_a_count_in_goes_on_to_the_bit() -> None:
    """A worker that dies in mid-fade must not jump to full level."""
    band = Shell(player_of_ones())

    def frames(span: range, state: object) -> tuple[list[Audio], object]:
        parts = []
        for n in span:
            beats = n * 0.04 * 2
            values = {"beat_phase": beats % 1, "bar_phase": beats / 4 % 1, "tempo": 120.0, "fade": 4.0,
                      "play": float(not 5 <= n < 40), "intensity": 0.7, "count_in": float(n == 60)}  # fmt: skip
            known = {name: np.full((2, 1, 1), value, np.float32) for name, value in values.items()}
            mix = np.full((2, 2, FRAME), 0.1, np.float32)
            stem, state = band.step(mix, known, state, np.array([True, True]))  # type: ignore[arg-type]
            parts.append(stem)
        return parts, state

    whole, _ = frames(range(160), band.init_state([1, 2]))
    for cut in (20, 50, 80):
        begun, state = frames(range(cut), band.init_state([1, 2]))
        state = band.restore(band.snapshot(state))  # type: ignore[arg-type]
        state = band.join([band.row(state, 0), band.row(state, 1)])
        rest, _ = frames(range(cut, 160), state)
        np.testing.assert_array_equal(np.concatenate(begun + rest, axis=2), np.concatenate(whole, axis=2))


def test_numbers_of_chords_are_those_of_their_labels_and_no_number_is_a_fault() -> None:
    """The segment is shared with the front end, which can write anything into it."""
    tones = np.isin(np.arange(12), (5, 9, 0)).astype(float)
    assert chord_label(chord_number(tones, 9.0)) == "F/A"
    assert chord_label(chord_number(np.zeros(12), float("nan"))) == "N"
    assert chord_number(np.full(12, np.nan), float("nan")) == 0
    for odd in (float("nan"), -1.0, 0.0, 1e300, 55298.0, 0.5):
        assert isinstance(chord_label(odd), str)


def test_who_tells_nothing_of_gestures_hears_the_band() -> None:
    """Catches a row whose conditions are all unknown, as an idle one's in a batch are, and that falls silent for it."""
    band = Shell(player_of_ones())
    unknown = {
        name: np.full((1, 1, 1), np.nan, np.float32) for name in ("play", "fade", "intensity", "count_in")
    }
    stem, _ = band.step(
        np.full((1, 2, FRAME), 0.1, np.float32), unknown, band.init_state([1]), np.array([True])
    )
    assert (stem == 0.25).all()


def test_a_bar_of_no_beats_is_told_as_none() -> None:
    """Catches a division that ends the session."""
    audio, session, host = played(player_of_ones(Lost), 1.0)
    assert audio[:, -4800:].all(), "it plays on"
    assert session.port.segment.load_float("heard_tempo") == 150.0
    assert np.isnan(session.port.segment.load_float("heard_beat"))
    host.close()
