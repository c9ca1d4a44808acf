# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told of which sessions: what was asked for, as long as its watcher may see it, and not without end."""

from math import nan

import pytest

from lbserver.hub.hub import HubError
from lbserver.protocol import limits
from lbserver.transports.osc.watches import Watches, figures

MAX, PD = ("127.0.0.1", 7001), ("127.0.0.1", 7002)


def test_each_watcher_has_its_own_sessions() -> None:
    watches = Watches()
    for source, session in ((MAX, "a"), (MAX, "b"), (PD, "b"), (PD, "b")):
        watches.ask(source, session)
    assert watches.asked == {MAX: {"a", "b"}, PD: {"b"}}


def test_what_its_watcher_sees_no_more_is_forgotten_for_it_alone() -> None:
    """Catches figures of a session that go on to somebody whose session it is no more, as when its name is another's now."""
    watches = Watches()
    for source, session in ((MAX, "mine"), (MAX, "lost"), (PD, "lost")):
        watches.ask(source, session)
    watches.keep_house(lambda source, session: source == MAX and session == "mine")
    assert watches.asked == {MAX: {"mine"}}  # nothing is kept of who follows nothing
    watches.keep_house(lambda _source, _session: False)
    assert watches.asked == {}


def test_nobody_watches_without_end() -> None:
    """Catches a stranger that makes the server remember a name for every datagram; others are not held to its count."""
    watches = Watches()
    for number in range(limits.OSC_WATCHED):
        watches.ask(MAX, f"s{number}")
    with pytest.raises(HubError, match=f"{limits.OSC_WATCHED} sessions may be watched") as refused:
        watches.ask(MAX, "one-more")
    assert refused.value.code == "busy"
    assert "one-more" not in watches.asked[MAX]
    watches.ask(PD, "s0")
    watches.keep_house(lambda _source, session: session != "s0")
    watches.ask(MAX, "one-more")  # there is room again


def test_a_session_that_is_watched_already_takes_no_room() -> None:
    """Catches a patch that repeats itself and is refused for it."""
    watches = Watches()
    for number in range(limits.OSC_WATCHED):
        watches.ask(MAX, f"s{number}")
    watches.ask(MAX, "s0")


def test_a_figure_that_is_not_known_is_not_sent() -> None:
    told = figures("a", {"state": "playing", "frames": 7, "tempo": nan, "of no table": 1})
    assert [(one.address, one.arguments) for one in told] == [
        ("/lb/a/status/state", ("playing",)),
        ("/lb/a/status/frames", (7,)),
    ]
