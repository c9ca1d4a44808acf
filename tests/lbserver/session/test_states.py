# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a session: every state can be reached, none is a trap, and the end is the end."""

import pytest

from lbserver.session.states import NUMBER, STATES, TRANSITIONS, Event, State, after


def reached_from(start: State) -> set[State]:
    found, new = {start}, {start}
    while new:
        new = {after(state, event) for state in new for event in Event} - found
        found |= new
    return found


def test_every_state_is_reached_from_the_first_and_all_but_the_last_can_end() -> None:
    assert reached_from(State.OPENING) == set(State)
    for state in State:
        assert State.CLOSED in reached_from(state)
    assert reached_from(State.CLOSED) == {State.CLOSED}
    assert reached_from(State.QUARANTINED) == {State.QUARANTINED, State.CLOSED}


def test_every_way_of_silence_leads_back_to_playing() -> None:
    """Catches an overload or a death after which a session stays silent though all is well again."""
    for state in (State.LATE, State.FADED, State.BYPASSED, State.RECOVERING, State.OPENING):
        assert State.PLAYING in reached_from(state)


def test_every_event_changes_something_and_every_row_is_a_change_or_stays_on_purpose() -> None:
    for event in Event:
        assert any(after(state, event) is not state for state in State)
    stays = {pair for pair, state in TRANSITIONS.items() if pair[0] is state}
    assert stays == {
        (State.LISTENING, Event.EPOCH),
        (State.PLAYING, Event.ON_TIME),
        (State.LATE, Event.LATE),
        (State.RECOVERING, Event.WORKER_LOST),
    }


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ("", State.OPENING),
        ("worker_ready", State.LISTENING),
        ("worker_ready on_time", State.PLAYING),
        ("worker_ready on_time late", State.LATE),
        ("worker_ready on_time late on_time", State.PLAYING),
        ("worker_ready late overload", State.FADED),
        ("worker_ready late overload on_time", State.FADED),  # one frame on time is no recovery
        ("worker_ready late overload keeps_up", State.PLAYING),
        ("worker_ready late overload give_up", State.BYPASSED),
        ("worker_ready late overload give_up keeps_up", State.PLAYING),
        ("worker_ready on_time epoch", State.LISTENING),
        ("worker_ready on_time worker_lost", State.RECOVERING),
        ("worker_ready on_time worker_lost epoch", State.RECOVERING),  # nobody is there to hear it
        ("worker_ready on_time worker_lost worker_ready", State.LISTENING),
        ("worker_ready worker_lost quarantine", State.QUARANTINED),
        ("worker_ready worker_lost quarantine worker_ready", State.QUARANTINED),
        ("worker_ready worker_lost close", State.CLOSED),
    ],
)
def test_lives(events: str, state: State) -> None:
    at = State.OPENING
    for event in events.split():
        at = after(at, Event(event))
    assert at is state


def test_numbers_are_the_order_of_the_states() -> None:
    assert [NUMBER[state] for state in STATES] == list(range(len(State)))
