# SPDX-License-Identifier: GPL-3.0-or-later
"""Where sessions are played: a worker process of this machine, or another server. The hub sees only this."""

from typing import Any, Protocol

from lbserver.places.supervisor import Ready


class Place(Protocol):
    """A place to play. It calls back: `on_lost(place, suspects)` when nothing is played there any more,
    `on_back(place)` when it can play again and its sessions are to be opened anew, `on_ended(session, code, reason)`
    when it ended one itself.
    """

    @property
    def up(self) -> bool:
        """Whether sessions can be played there now."""
        ...

    @property
    def reason(self) -> str:
        """Why not."""
        ...

    @property
    def restarts(self) -> int:
        """Times it was lost and came back."""
        ...

    @property
    def pid(self) -> int | None:
        """The process that plays there; None where it is none of this machine."""
        ...

    @property
    def ready(self) -> Ready | None:
        """What is played there and how long it takes; may change while it lives."""
        ...

    async def start(self) -> Ready:
        """Wait until it can play. Raises WorkerError with its own reason."""
        ...

    async def request(self, message: dict[str, Any], descriptor: int | None = None) -> dict[str, Any]:
        """open, replace (both with a segment's descriptor), close, set, know, keep, recall. Raises WorkerError."""
        ...

    async def stop(self) -> None:
        """For good."""
        ...
