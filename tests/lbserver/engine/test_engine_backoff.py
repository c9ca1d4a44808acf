# SPDX-License-Identifier: GPL-3.0-or-later
"""Pauses before something that failed is tried again."""

from lbserver.places.backoff import Backoff


def test_pauses_grow_to_half_a_minute_and_never_end() -> None:
    """Catches a restart that is given up, one that loops without a pause, and one that waits for ever."""
    backoff = Backoff()
    now_s, pauses = 0.0, []
    for _ in range(2000):
        pauses.append(backoff.failed(now_s))
        now_s += pauses[-1]
    assert pauses[:5] == [0.0, 0.1, 0.2, 0.4, 0.8]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30.0
    assert backoff.failures == 2000


def test_what_held_for_half_a_minute_is_a_new_beginning_and_what_did_not_is_none() -> None:
    backoff = Backoff()
    for _ in range(4):
        backoff.failed(0.0)
    backoff.began(10.0)
    assert backoff.failed(20.0) == 0.8
    backoff.began(30.0)
    assert backoff.failed(61.0) == 0.0
