# SPDX-License-Identifier: GPL-3.0-or-later
"""What the OSC server says unasked: the status of sessions, as bundles or as plain messages, and cues."""

import logging
from collections.abc import Callable
from contextlib import suppress

from lbserver.host.logs import fields
from lbserver.hub.hub import Hub, HubError, Peer
from lbserver.protocol.osc import MAX_PACKET_BYTES
from lbserver.transports.osc.cues import Cues
from lbserver.transports.osc.doorway import Guest, Guests, Source
from lbserver.transports.osc.packet import Message, OscError, bundles, write
from lbserver.transports.osc.stage import Stage
from lbserver.transports.osc.watches import PlainWatches, Watches, figures

log = logging.getLogger(__name__)

_ALL = Peer(kind="osc", identity="status", trusted=True)


class Teller:
    """Who is told what. `send(guest, data)` puts a datagram on its way; `now_s` is the server's steady clock."""

    def __init__(self, hub: Hub, guests: Guests, stage: Stage, send: Callable[[Guest, bytes], None]) -> None:
        self.faults = 0
        self.subscribed, self.plain, self.cues = Watches(), PlainWatches(), Cues()
        self._hub, self._guests, self._stage, self._send = hub, guests, stage, send
        self._untold: set[str] = set()
        self._now_s = 0.0

    def status(self, now_s: float) -> None:
        """Bundles for who opened a session or subscribed to it, unless it wants plain messages."""
        self._now_s = now_s
        ready: dict[str, list[bytes]] = {}
        for guest, names in self._watchers(now_s).items():
            for name in names:
                if self.plain.follows(guest.source, name):
                    continue
                if name not in ready:
                    ready[name] = self._packets(name)
                for packet in ready[name]:
                    self._send(guest, packet)

    def events(self, now_s: float) -> None:
        """Cues, and plain status whose time has come."""
        self._now_s = now_s
        if self.cues.asked:
            known = {}
            for name in self.cues.sessions:
                with suppress(HubError):  # it has closed
                    known[name] = self._hub.status(name, peer=_ALL)
            for source, name, one in self.cues.due(known):
                if guest := self._attentive(source, name):
                    self._tell(guest, name, one)
        for source, name, chosen in self.plain.due(now_s):
            if guest := self._attentive(source, name):
                for one in figures(name, self._hub.status(name, peer=_ALL), chosen):
                    self._tell(guest, name, one)

    def keep_house(self, now_s: float, alive: set[str]) -> None:
        """Forget what nobody sees any more."""
        self._now_s = now_s
        for watches in (self.subscribed, self.plain, self.cues):
            watches.keep_house(self._sees)
        self._untold &= alive

    def _attentive(self, source: Source, session: str) -> Guest | None:
        """The guest of a source, if it may be told of a session now."""
        guest = self._guests.get(source, self._now_s)
        listens = guest is not None and self._guests.attentive(guest, self._now_s)
        return guest if listens and self._sees(source, session) else None

    def _sees(self, source: Source, session: str) -> bool:
        """Whether a guest may be told of a session: its name may be another's by now."""
        guest = self._guests.get(source, self._now_s)
        with suppress(HubError):
            return guest is not None and bool(self._hub.status(session, peer=guest.peer))
        return False

    def _watchers(self, now_s: float) -> dict[Guest, set[str]]:
        """Who is told of which sessions."""
        watchers: dict[Guest, set[str]] = {}
        for guest, name in self._stage.players():
            watchers.setdefault(guest, set()).add(name)
        for source, names in self.subscribed.asked.items():
            watcher = self._guests.get(source, now_s)
            if watcher is not None:
                watchers.setdefault(watcher, set()).update(names)
        return {
            guest: {name for name in names if self._sees(guest.source, name)}
            for guest, names in watchers.items()
            if self._guests.attentive(guest, now_s)
        }

    def _tell(self, guest: Guest, session: str, one: Message) -> None:
        try:
            data = write(one)
        except OscError as error:
            self._cannot_tell(session, error)
        else:
            self._send(guest, data)

    def _cannot_tell(self, session: str, error: OscError) -> None:
        """A fault of this session's, said once; the others are told of theirs."""
        if session not in self._untold:
            self._untold.add(session)
            self.faults += 1
            log.error("status cannot be told: %s", error, extra=fields(session=session))

    def _packets(self, session: str) -> list[bytes]:
        try:
            status = self._hub.status(session, peer=_ALL)
        except HubError:
            return []
        try:
            return bundles(figures(session, status), largest_bytes=MAX_PACKET_BYTES)
        except OscError as error:
            self._cannot_tell(session, error)
            return []
