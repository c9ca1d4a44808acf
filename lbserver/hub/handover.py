# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that ends with a segment's descriptor, asked for by peers that may be gone before it is done."""

import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from lbserver.hub.admission import Peer
from lbserver.hub.session_record import Opened
from lbserver.hub.turns import Turns


@dataclass(eq=False)
class Request:
    """An open or configure under way; its peer may leave before it is answered."""

    peer: Peer
    gone: bool = False


class Handover:
    """Requests under way. `unclaimed` is called with what nobody is there any more to take; its descriptor is closed."""

    def __init__(self, turns: Turns, unclaimed: Callable[[Opened, Peer], None]) -> None:
        self._turns, self._unclaimed = turns, unclaimed
        self._requests: set[Request] = set()

    async def answered(
        self,
        work: Callable[[Mapping[str, Any], Request], Coroutine[Any, Any, Opened]],
        message: Mapping[str, Any],
        peer: Peer,
    ) -> Opened:
        """What the work gives, done to its end whoever waits for it."""
        request = Request(peer)
        self._requests.add(request)

        def unclaimed(opened: Opened) -> None:
            os.close(opened.descriptor)
            self._unclaimed(opened, peer)

        async def noted() -> Opened:
            try:
                return await work(message, request)
            finally:
                self._requests.discard(request)

        return await self._turns.whole(noted(), unclaimed=unclaimed)

    def waits(self, peer: Peer) -> bool:
        """Whether the peer waits for something."""
        return any(request.peer == peer for request in self._requests)

    def leave(self, peer: Peer) -> None:
        """The peer is gone."""
        for request in self._requests:
            request.gone |= request.peer == peer
