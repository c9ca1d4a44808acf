# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of sessions whose place dies: they wait, and are played on from their memories when it is back."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from lbserver.host.logs import fields
from lbserver.hub.admission import Admission
from lbserver.hub.session_record import Entry
from lbserver.hub.turns import Turns
from lbserver.places.backoff import Backoff
from lbserver.places.place import Place
from lbserver.places.supervisor import WorkerError, WorkerGoneError
from lbserver.protocol.errors import ERRORS
from lbserver.session.states import Event

log = logging.getLogger(__name__)

_STRIKES = 2
_PASSING = ("busy", "internal")  # refusals of the machine's, which it may take back


class Close(Protocol):
    """Ends a session whose turn it is."""

    def __call__(self, entry: Entry, reason: str, *, code: str) -> Awaitable[None]: ...


class Recovery:
    """`entries` are the hub's, by name; `play` opens one at its place, `close` ends one, both when it is its turn."""

    def __init__(
        self,
        entries: Mapping[str, Entry],
        admission: Admission,
        turns: Turns,
        *,
        play: Callable[[Entry, object], Awaitable[None]],
        close: Close,
    ) -> None:
        self._entries, self._admission, self._turns = entries, admission, turns
        self._play, self._close = play, close

    def lost(self, place: Place, suspects: tuple[str, ...]) -> None:
        """Its sessions wait for the next worker; those that something was done for get a strike."""
        for name in set(suspects) - self._entries.keys():
            self._admission.strike(name)  # it was only being opened
        for entry in self._entries.values():
            if entry.place is place:
                if entry.name in suspects:
                    entry.strikes += 1
                    entry.struck_s = time.monotonic()
                entry.placed, entry.reason = False, place.reason
                entry.become(Event.WORKER_LOST)

    async def back(self, place: Place) -> None:
        """Reopen its sessions from their last snapshots; those that the machine has no room for are tried again."""
        backoff = Backoff()
        while await self._reopen(place):
            await asyncio.sleep(max(0.05, backoff.failed(time.monotonic())))

    def at(self, place: Place, *, placed: bool = True) -> list[str]:
        """Names of the sessions of a place; of those alone that wait to be taken up there, if not `placed`."""
        return [
            one.name for one in self._entries.values() if one.place is place and (placed or not one.placed)
        ]

    async def move(self, name: str, place: Place, to: Place, *, leave: bool) -> None:
        """Have a session of a place played on at another, or at the same if it waits there.

        `leave`: also one that plays there; then it goes on exactly where it was. One that waits goes on from its last memory.
        Where that fails it waits at the other place.
        """
        async with self._turns.of(name):
            entry = self._entries.get(name)
            if entry is None or entry.place is not place or (entry.placed and not leave):
                return
            ready, handed = to.ready, None
            if ready is None or ready.spec != entry.spec:
                if not entry.placed:
                    entry.reason = to.reason or "another server plays another model"
                return
            if entry.placed:
                try:
                    answer = await place.request({"type": "close", "session": name, "move": True})
                    handed = answer.get("handed")
                except WorkerError as error:
                    log.warning("a session could not be handed over: %s", error, extra=fields(session=name))
                entry.become(Event.WORKER_LOST)
            entry.place, entry.placed = to, False
            try:
                await self._play(entry, handed)
            except WorkerError as error:
                entry.reason = str(error)
                log.warning("a session waits to be taken up: %s", error, extra=fields(session=name))

    async def _reopen(self, place: Place) -> bool:
        """One round; whether any is to be tried again."""
        again = False
        for name in [entry.name for entry in self._entries.values() if entry.place is place]:
            async with self._turns.of(name):
                entry = self._entries.get(name)
                if entry is None or entry.place is not place or entry.placed:
                    continue
                if entry.strikes >= _STRIKES:
                    self._admission.put_away(name)
                    await self._close(entry, ERRORS["quarantined"], code="quarantined")
                    continue
                try:
                    await self._play(entry, None)
                except WorkerError as error:
                    if isinstance(error, WorkerGoneError) or not place.up:
                        return False  # it will be back, and so shall we
                    if error.code not in _PASSING:
                        reason = f"it could not be taken up again: {error}"
                        await self._close(entry, reason, code="crashed")
                        continue
                    again = True
                    if entry.reason != str(error):  # once, not at each try
                        log.error("session waits to be taken up: %s", error, extra=fields(session=name))
                    entry.reason = str(error)
        return again
