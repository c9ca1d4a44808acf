# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a session, as one table."""

from enum import Enum

from lbserver.protocol import segment as layout


class State(Enum):
    """What a session is doing; the order is that of the number in the segment's header."""

    OPENING = "opening"  # no worker has taken it yet
    LISTENING = "listening"  # nothing played in this epoch yet
    PLAYING = "playing"
    LATE = "late"  # frames land late or are skipped
    FADED = "faded"  # too many were late: silent until the machine keeps up
    BYPASSED = "bypassed"  # faded for long: it barely tries
    RECOVERING = "recovering"  # its worker died; another takes over
    QUARANTINED = "quarantined"  # it made the worker die twice
    CLOSED = "closed"


class Event(Enum):
    """What may happen to it."""

    EPOCH = "epoch"  # the front end begins an epoch
    ON_TIME = "on_time"
    LATE = "late"
    OVERLOAD = "overload"
    GIVE_UP = "give_up"
    KEEPS_UP = "keeps_up"
    WORKER_LOST = "worker_lost"
    WORKER_READY = "worker_ready"
    QUARANTINE = "quarantine"
    CLOSE = "close"


_S, _E = State, Event
_ALIVE = (
    State.OPENING,
    State.LISTENING,
    State.PLAYING,
    State.LATE,
    State.FADED,
    State.BYPASSED,
    State.RECOVERING,
)
_STEPPING = (State.LISTENING, State.PLAYING, State.LATE)

TRANSITIONS: dict[tuple[State, Event], State] = {
    **{(state, _E.EPOCH): _S.LISTENING for state in _ALIVE if state is not _S.RECOVERING},
    **{(state, _E.ON_TIME): _S.PLAYING for state in _STEPPING},
    **{(state, _E.LATE): _S.LATE for state in _STEPPING},
    **{(state, _E.OVERLOAD): _S.FADED for state in _STEPPING},
    (_S.FADED, _E.GIVE_UP): _S.BYPASSED,
    (_S.FADED, _E.KEEPS_UP): _S.PLAYING,
    (_S.BYPASSED, _E.KEEPS_UP): _S.PLAYING,
    **{(state, _E.WORKER_LOST): _S.RECOVERING for state in _ALIVE},
    (_S.OPENING, _E.WORKER_READY): _S.LISTENING,
    (_S.RECOVERING, _E.WORKER_READY): _S.LISTENING,
    **{(state, _E.QUARANTINE): _S.QUARANTINED for state in _ALIVE},
    **{(state, _E.CLOSE): _S.CLOSED for state in (*_ALIVE, _S.QUARANTINED)},
}
"""(state, event) -> next state; a pair that is not here changes nothing."""

STATES = tuple(State)
assert tuple(state.value for state in STATES) == layout.STATES
NUMBER = {state: number for number, state in enumerate(STATES)}


def after(state: State, event: Event) -> State:
    """The state after an event."""
    return TRANSITIONS.get((state, event), state)
