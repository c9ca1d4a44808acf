# SPDX-License-Identifier: GPL-3.0-or-later
"""Who follows which sessions, and a session's figures as the messages that they are sent. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isnan

from lbserver.hub.hub import HubError
from lbserver.protocol import limits
from lbserver.protocol.status import BY_NAME, STATUS
from lbserver.transports.osc.addresses import compose
from lbserver.transports.osc.doorway import Source
from lbserver.transports.osc.packet import Message

_ALL = tuple(info.name for info in STATUS)


def figures(
    session: str, status: Mapping[str, float | int | str], names: Sequence[str] = _ALL
) -> list[Message]:
    """A message for each of these figures that is known."""
    known = {name: value for name in names if (value := status.get(name)) is not None}
    return [
        compose("/lb/<session>/status/<name>", value, session=session, name=name)
        for name, value in known.items()
        if not (isinstance(value, float) and isnan(value))
    ]


def named_figures(text: str) -> tuple[str, ...]:
    """The figures that words name, all for none. Raises HubError naming what there is."""
    for word in text.split():
        if word not in BY_NAME:
            near = get_close_matches(word, _ALL, n=1)
            raise HubError(
                "bad_message",
                f"no figure {word[:40]!r}: {f'did you mean {near[0]}? ' if near else ''}there are {', '.join(_ALL)}",
            )
    return tuple(dict.fromkeys(text.split())) or _ALL


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

    def drop(self, source: Source, session: str) -> None:
        """Tell no more of it."""
        self.asked.get(source, set()).discard(session)

    def follows(self, source: Source, session: str) -> bool:
        """Whether a source asked for a session."""
        return session in self.asked.get(source, ())

    def keep_house(self, sees: Callable[[Source, str], bool]) -> None:
        """Forget what its watcher sees no more."""
        seen = {source: {one for one in names if sees(source, one)} for source, names in self.asked.items()}
        self.asked = {source: names for source, names in seen.items() if names}


@dataclass
class _Choice:
    period_s: float
    names: tuple[str, ...]
    next_s: float = float("-inf")


@dataclass
class PlainWatches(Watches):
    """Watches of who wants some figures at a rate of their own, as plain messages."""

    _choices: dict[tuple[Source, str], _Choice] = field(default_factory=dict)

    def choose(self, source: Source, session: str, per_s: float, names: Sequence[str]) -> None:
        """Tell these figures so many times a second; none at 0. Raises HubError."""
        if not 0 <= per_s <= limits.OSC_WATCH_PER_S:
            raise HubError(
                "bad_message",
                f"{per_s:g} times a second: 0 to {limits.OSC_WATCH_PER_S:g} is accepted, 0 for no more",
            )
        if not per_s:
            self.drop(source, session)
            return
        self.ask(source, session)
        self._choices[source, session] = _Choice(1.0 / per_s, tuple(names))

    def due(self, now_s: float) -> Iterator[tuple[Source, str, tuple[str, ...]]]:
        """Whom to tell which figures of which session now."""
        for source, sessions in self.asked.items():
            for session in sessions:
                choice = self._choices[source, session]
                if now_s >= choice.next_s:
                    choice.next_s = max(choice.next_s + choice.period_s, now_s)
                    yield source, session, choice.names

    def keep_house(self, sees: Callable[[Source, str], bool]) -> None:
        super().keep_house(sees)
        self._choices = {key: one for key, one in self._choices.items() if self.follows(*key)}
