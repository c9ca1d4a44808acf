# SPDX-License-Identifier: GPL-3.0-or-later
"""Datagrams that wait, all at once. asyncio hands over one each time the loop comes around: of a flood, what was sent last would wait
for as many rounds of everything else that the loop does.
"""

import socket
from collections.abc import Iterator
from typing import Any

MOST = 64
"""How many are taken in one go, so that a flood keeps nothing else waiting."""
_LONGEST_BYTES = 1 << 16


def waiting(bound: socket.socket) -> Iterator[tuple[bytes, Any]]:
    """Those that wait in a socket that does not block, in their order, each with where it came from; `MOST` at most."""
    for _ in range(MOST):
        try:
            yield bound.recvfrom(_LONGEST_BYTES)
        except OSError:  # none waits, or one of ours found nobody
            return
