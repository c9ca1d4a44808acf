# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for what must come, however busy the machine is: for an event, never for a time."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S = 60.0
"""No measure of how long a thing may take: who waits so long waits in vain."""
_LOOK_S = 0.01

_T = TypeVar("_T")


def until(holds: Callable[[], _T], what: str = "it", *, timeout_s: float = PATIENCE_S) -> _T:
    """What `holds` gives as soon as that is true. Raises AssertionError: `what` never came."""
    deadline_s = time.monotonic() + timeout_s
    while not (found := holds()):
        assert time.monotonic() < deadline_s, f"{what}: not within {timeout_s:g} s"
        time.sleep(_LOOK_S)
    return found


async def until_async(holds: Callable[[], _T], what: str = "it", *, timeout_s: float = PATIENCE_S) -> _T:
    """As `until`, while the loop goes on."""
    deadline_s = time.monotonic() + timeout_s
    while not (found := holds()):
        assert time.monotonic() < deadline_s, f"{what}: not within {timeout_s:g} s"
        await asyncio.sleep(_LOOK_S)
    return found
