# SPDX-License-Identifier: GPL-3.0-or-later
"""Address patterns: what each sign matches, and that no pattern costs more than it is long."""

import time

import pytest

from lbserver.protocol.controls import CONTROLS
from lbserver.transports.osc.addresses import known, reached
from lbserver.transports.osc.packet import OscError
from lbserver.transports.osc.patterns import is_pattern, matching

SESSIONS = ("guitar", "keys.2", "1")


@pytest.mark.parametrize(
    ("pattern", "names", "found"),
    [
        ("*", ["gain", "mix"], ["gain", "mix"]),
        ("*a*n", ["gain", "mix", "brain"], ["gain", "brain"]),
        ("?ix", ["mix", "six", "ix", "remix"], ["mix", "six"]),
        ("{gain,variation}", ["gain", "variation", "mix"], ["gain", "variation"]),
        ("s{e,o}ed", ["seed", "sed", "soed"], ["seed", "soed"]),
        ("{a,ab}c", ["abc", "ac", "bc"], ["abc", "ac"]),
        ("[ms]ix", ["mix", "six", "fix"], ["mix", "six"]),
        ("[a-m]ix", ["mix", "six", "fix"], ["mix", "fix"]),
        ("[!a-m]ix", ["mix", "six", "ix"], ["six"]),
        ("[-m]ix", ["-ix", "mix", "six"], ["-ix", "mix"]),
        ("keys.?", ["keys.2", "keysx2"], ["keys.2"]),
        ("gain", ["gain", "again"], ["gain"]),
    ],
)
def test_each_sign_matches_what_osc_says(pattern: str, names: list[str], found: list[str]) -> None:
    assert matching(pattern, names) == found
    assert is_pattern(pattern) == (pattern != "gain")


@pytest.mark.parametrize("pattern", ["[ab", "{a,b", "a]", "a}", "[a{b]}", "{a{b,c},d}"])
def test_a_pattern_that_is_not_closed_is_refused(pattern: str) -> None:
    with pytest.raises(OscError, match="pattern"):
        matching(pattern, ["ab"])


def test_patterns_reach_sessions_and_controls_and_never_streams_or_doors() -> None:
    assert reached("/lb/*/set/{gain,variation}", SESSIONS) == [
        f"/lb/{session}/set/{name}" for session in SESSIONS for name in ("gain", "variation")
    ]
    assert reached("/lb/guitar/set/*", SESSIONS) == [
        f"/lb/guitar/set/{one.name}" for one in CONTROLS if one.acts != "epoch"
    ]
    assert reached("/*/[gk]*/{tempo,key}", SESSIONS) == [
        "/lb/guitar/tempo", "/lb/keys.2/tempo", "/lb/guitar/key", "/lb/keys.2/key",
    ]  # fmt: skip
    everything = reached("/lb/*/*", SESSIONS)
    assert not [one for one in everything if one.endswith(("/audio", "/resend", "/stem"))]
    for nothing in ("/lb/*", "/lb/[a-f]*/set/gain", "/lb/*/set/", "/*", "/lb/*/set/*/x"):
        assert reached(nothing, SESSIONS) == []


def test_hostile_addresses_cost_no_more_than_their_length() -> None:
    """Forty stars before a letter that never comes: matchers that go back search for hours. So do guesses of what was
    meant, by letters that are all alike.
    """
    begin = time.process_time()
    assert matching("*a" * 40 + "b", ["a" * 64] * 64) == []
    assert matching("{a,aa}" * 16 + "b", ["a" * 64] * 64) == []
    for _ in range(100):
        assert known("/lb/" + "a" * 120 + "/set/" + "a" * 120)
    assert time.process_time() - begin < 20.0
