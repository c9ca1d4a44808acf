# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens in the music as plain messages when it happens, for whoever asks: code on a stage follows the band by them. Pure."""

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field

from lbserver.music.passing import Events, Status
from lbserver.transports.osc.addresses import compose
from lbserver.transports.osc.doorway import Source
from lbserver.transports.osc.packet import Message
from lbserver.transports.osc.watches import Watches


@dataclass
class Cues(Watches):
    """Who asked for the cues of which sessions."""

    _events: dict[str, Events] = field(default_factory=dict)

    def due(self, sessions: Mapping[str, Status]) -> Iterator[tuple[Source, str, Message]]:
        """Whom to tell of which session what, once its figures are those of `sessions`."""
        for session, status in sessions.items():
            for name, value in self._events.setdefault(session, Events()).passed(status):
                one = compose(f"/lb/<session>/cue/{name}", value, session=session)
                yield from (
                    (source, session, one) for source, names in self.asked.items() if session in names
                )

    @property
    def sessions(self) -> Set[str]:
        """Those that somebody follows."""
        return set().union(*self.asked.values())

    def keep_house(self, sees: Callable[[Source, str], bool]) -> None:
        super().keep_house(sees)
        followed = self.sessions
        self._events = {name: events for name, events in self._events.items() if name in followed}
