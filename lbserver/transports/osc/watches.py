# SPDX-License-Identifier: GPL-3.0-or-later
"""Who follows which sessions, and a session's figures as the messages that they are sent. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isnan

from lbserver.hub.hub import HubError
from lbserver.protocol import limits
from lbserver.protocol.status import STATUS
from lbserver.transports.osc.addresses import compose
from lbserver.transports.osc.doorway import Source
from lbserver.transports.osc.packet import Message


def figures(session: str, status: Mapping[str, float | int | str]) -> list[Message]:
    """A message for each figure that is known."""
    known = {info.name: value for info in STATUS if (value := status.get(info.name)) is not None}
    return [
        compose("/lb/<session>/status/<name>", value, session=session, name=name)
        for name, value in known.items()
        if not (isinstance(value, float) and isnan(value))
    ]


@dataclass
class Watches:
    """Who asked to be told of which sessions."""

    asked: dict[Source, set[str]] = field(default_factory=dict)

    def ask(self, source: Source, session: str) -> None:
        """Raises HubError."""
        sessions = self.asked.setdefault(source, set())
        if session not in sessions and len(sessions) >= limits.OSC_WATCHED:
            raise HubError("busy", f"{limits.OSC_WATCHED} sessions may be watched")
        sessions.add(session)

    def keep_house(self, sees: Callable[[Source, str], bool]) -> None:
        """Forget what its watcher sees no more."""
        seen = {source: {one for one in names if sees(source, one)} for source, names in self.asked.items()}
        self.asked = {source: names for source, names in seen.items() if names}
