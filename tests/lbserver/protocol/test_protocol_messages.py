# SPDX-License-Identifier: GPL-3.0-or-later
"""A control's value as any front end may write it, over any transport."""

import pytest

from lbserver.protocol.messages import MessageError, check, control_value


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("gain", -6, -6.0),
        ("gain", "-6.5", -6.5),
        ("gain", " 3e0 ", 3.0),
        ("freeze", True, 1.0),
        ("freeze", "on", 1.0),
        ("freeze", "FALSE", 0.0),
        ("freeze", "0", 0.0),
        ("stem", "Drums", 0.0),
        ("stem", "2", 2.0),
        ("seed", "17", 17.0),
    ],
)
def test_numbers_and_words_mean_what_they_say(name: str, value: float | str, number: float) -> None:
    """Scripts and patchers that have text where a number is meant, or true where 1 is: they were refused."""
    clean, _ = check({"type": "set", "session": "a", "control": name, "value": value}, "in")
    assert control_value(name, clean["value"]) == number


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("gain", "loud", "-60 to 24 dB"),
        ("gain", "24,0", "-60 to 24 dB"),
        ("gain", 25, "-60 to 24 dB"),
        ("gain", "inf", "-60 to 24 dB"),
        ("gain", "1_0", "-60 to 24 dB"),
        ("freeze", "maybe", "on or off"),
        ("freeze", 0.5, "on or off"),
        ("stem", "kazoo", "drums, bass, piano, guitar"),
        ("stem", 4, "drums, bass, piano, guitar"),
        ("seed", "1.5", "0 to 2147483647"),
    ],
)
def test_what_is_refused_is_told_what_is_accepted(name: str, value: float | str, accepted: str) -> None:
    with pytest.raises(MessageError, match=accepted):
        control_value(name, value)
