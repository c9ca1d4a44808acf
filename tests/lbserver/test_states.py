# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a session: one table, no dead ends but the end, no way back from it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbserver.session.states import NUMBER, STATES, TRANSITIONS, Event, State, after

ENDS = {State.CLOSED}
HELD = {State.QUARANTINED}


def reachable(start: State) -> set[State]:
    found = {start}
    while more := {after(state, event) for state in found for event in Event} - found:
        found |= more
    return found


def test_every_state_can_be_reached_and_left() -> None:
    assert reachable(State.OPENING) == set(State)
    for state in set(State) - ENDS - HELD:
        assert State.PLAYING in reachable(state), state
        assert State.CLOSED in reachable(state), state


def test_the_end_is_the_end() -> None:
    assert reachable(State.CLOSED) == {State.CLOSED}
    assert reachable(State.QUARANTINED) == {State.QUARANTINED, State.CLOSED}


def test_every_event_does_something_and_the_table_holds_no_idle_rows() -> None:
    assert {event for _, event in TRANSITIONS} == set(Event)
    assert {state: number for number, state in enumerate(STATES)} == NUMBER


@pytest.mark.parametrize("state", [s for s in State if s not in ENDS | HELD])
def test_what_must_hold_everywhere(state: State) -> None:
    assert after(state, Event.CLOSE) is State.CLOSED
    assert after(state, Event.QUARANTINE) is State.QUARANTINED
    assert after(state, Event.WORKER_LOST) is State.RECOVERING
    if state is not State.RECOVERING:
        assert after(state, Event.EPOCH) is State.LISTENING


@given(st.lists(st.sampled_from(list(Event)), max_size=40))
def test_audio_is_promised_only_by_a_worker_that_plays(events: list[Event]) -> None:
    """From `recovering` no late news of the dead worker leads back to playing; only another worker does."""
    state = State.OPENING
    for event in events:
        before, state = state, after(state, event)
        if before is State.RECOVERING:
            assert state in {State.RECOVERING, State.LISTENING, State.QUARANTINED, State.CLOSED}
            assert (state is State.LISTENING) == (event is Event.WORKER_READY)
        if state is State.PLAYING and before is not State.PLAYING:
            assert event in {Event.ON_TIME, Event.KEEPS_UP}
        if state is State.BYPASSED and before is not State.BYPASSED:
            assert before is State.FADED


def test_faded_is_left_only_by_keeping_up_or_a_new_beginning() -> None:
    for state, event in itertools.product(
        (State.FADED, State.BYPASSED), (Event.ON_TIME, Event.LATE, Event.OVERLOAD)
    ):
        assert after(state, event) is state
