# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that front ends give: of sessions, which are parts of OSC addresses, and of kept moments, which become files."""

from dataclasses import dataclass

SESSION = r"[A-Za-z0-9_.-]{1,64}"
RESERVED = ("hello", "welcome", "cookie", "open", "close", "panic", "error")
"""No session has one of these: they are words of OSC addresses."""
KEPT = r"[A-Za-z0-9 _-][A-Za-z0-9 _.-]{0,63}"


@dataclass(frozen=True, kw_only=True)
class NameRule:
    """What a name may be: a regular expression for the whole of it, ASCII alone."""

    name: str
    pattern: str
    but: str
    accepted: str


NAMES = (
    NameRule(
        name="session",
        pattern=SESSION,
        but=", ".join(RESERVED),
        accepted="1 to 64 letters, digits, and _ . -",
    ),
    NameRule(
        name="kept moment",
        pattern=KEPT,
        but="",
        accepted="1 to 64 letters, digits, spaces, and _ . -, not starting with a dot",
    ),
)
