# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions of a fleet as pure functions: values in, decisions out. The simulation and the real fleet ask these.

A server's load is the share of it that is taken: sessions of a model, each by the most that it was measured to play of
that model alone, added up over models. None is loaded above 1. Sessions are sticky: they move when their server drains or
is lost, and never to even out a load.

Decisions are asked of a `Ranked` fleet, which keeps its servers in the order of their loads, so that one costs as much among
thousands as among a few.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import merge
from itertools import islice
from math import ceil

UP, STARTING, DRAINING = "up", "starting", "draining"

_EXACT = 1e-9  # shares are added in floating point
_OTHER = 2.0  # behind every server of the version that is preferred


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """One server as it is now. `limits`: the most sessions it plays, by model; `sessions`: those it has, by model."""

    name: str
    limits: Mapping[str, int]
    sessions: Mapping[str, int] = field(default_factory=dict)
    state: str = UP
    version: str = ""
    load: float = field(init=False)

    def __post_init__(self) -> None:
        load = sum(count / self.limits[model] for model, count in self.sessions.items() if count)
        object.__setattr__(self, "load", load)

    def has_room(self, model: str) -> bool:
        """Whether one session more of this model stays within what was measured."""
        most = self.limits.get(model, 0)
        return most > 0 and self.load + 1 / most <= 1 + _EXACT

    def with_more(self, model: str, sessions: int) -> "Server":
        """The same with so many sessions more, or fewer."""
        return replace(
            self, sessions={**self.sessions, model: max(0, self.sessions.get(model, 0) + sessions)}
        )


@dataclass(frozen=True, kw_only=True)
class Move:
    """A session that goes to another server; nobody has room for one whose `to` is None: it waits."""

    session: str
    model: str
    to: str | None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How many servers there are to be. Servers are started so that their mean load is at most `target`, and drained when
    they would be below `low` with one fewer. `version`: which every server is to be of; to get there, `surge` servers more than
    are needed may run at a time.
    """

    target: float = 0.7
    low: float = 0.5
    least: int = 1
    most: int = 1 << 20
    version: str = ""
    surge: int = 1


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Servers to start (of the policy's version), to drain, and to stop as they are empty."""

    start: int = 0
    drain: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()


_Alike = tuple[tuple[str, int], ...]  # the limits of servers that are alike


class Ranked:
    """Servers by name. Those that are up stand in the order of their loads, for each version and each kind of limits."""

    def __init__(self, servers: Iterable[Server] = ()) -> None:
        self.starting = 0
        self.draining: dict[str, Server] = {}
        self._servers: dict[str, Server] = {}
        self._sessions: dict[
            _Alike, Counter[str]
        ] = {}  # of servers in every state: whole numbers, which add up exactly
        self._up: dict[tuple[str, _Alike], list[tuple[float, str]]] = {}
        for server in servers:
            self.put(server)

    def __iter__(self) -> Iterator[Server]:
        return iter(self._servers.values())

    def __len__(self) -> int:
        return len(self._servers)

    def __contains__(self, name: str) -> bool:
        return name in self._servers

    def __getitem__(self, name: str) -> Server:
        return self._servers[name]

    def put(self, server: Server) -> None:
        """This is how the server of its name is now."""
        if server.name in self._servers:
            self.remove(server.name)
        alike = _alike(server)
        self._servers[server.name] = server
        self._sessions.setdefault(alike, Counter()).update(server.sessions)
        if server.state == UP:
            insort(self._up.setdefault((server.version, alike), []), (server.load, server.name))
        elif server.state == DRAINING:
            self.draining[server.name] = server
        else:
            self.starting += 1

    def remove(self, name: str) -> None:
        """It is no more."""
        server = self._servers.pop(name)
        alike = _alike(server)
        self._sessions[alike].subtract(server.sessions)
        if server.state == UP:
            order = self._up[server.version, alike]
            del order[bisect_left(order, (server.load, name))]
            if not order:
                del self._up[server.version, alike]
        elif server.state == DRAINING:
            del self.draining[name]
        else:
            self.starting -= 1

    @property
    def load(self) -> float:
        """Of all servers together, in servers."""
        return sum(
            count / most
            for alike, sessions in self._sessions.items()
            for model, most in alike
            if (count := sessions[model])
        )

    def up(self, *, but: str = "") -> list[list[tuple[float, str]]]:
        """Loads and names of those that are up, ascending; those of version `but` left out. Not to be changed."""
        return [order for (version, _), order in self._up.items() if not but or version != but]

    def least_loaded(
        self, model: str, *, version: str = "", avoid: Container[str] = ()
    ) -> tuple[float, str] | None:
        """As `choose`: its rank and its name."""
        found = []
        for (its_version, _), order in self._up.items():
            first = next((place for place in order if place[1] not in avoid), None)
            # Where the least loaded has no room, none of its kind has.
            if first is not None and self._servers[first[1]].has_room(model):
                other = bool(version) and its_version != version
                found.append((first[0] + _OTHER * other, first[1]))
        return min(found, default=None)


def _alike(server: Server) -> _Alike:
    return tuple(sorted(server.limits.items()))


def choose(fleet: Ranked, model: str, *, version: str = "", avoid: Container[str] = ()) -> Server | None:
    """The least loaded server that plays the model and has room; None if there is none.

    One of `version` is preferred to all others: during an upgrade a session shall not be moved twice.
    """
    found = fleet.least_loaded(model, version=version, avoid=avoid)
    return None if found is None else fleet[found[1]]


def place(fleet: Ranked, model: str, *, version: str = "", avoid: Container[str] = ()) -> Server | None:
    """As `choose`; the session is counted there, and the server is given back with it."""
    server = choose(fleet, model, version=version, avoid=avoid)
    if server is None:
        return None
    server = server.with_more(model, 1)
    fleet.put(server)
    return server


def relocate(
    fleet: Ranked, gone: str, sessions: Sequence[tuple[str, str]], *, version: str = ""
) -> list[Move]:
    """Where the sessions (name, model) of a server that drains or is lost go, in their order; they are counted there."""
    moves = []
    for session, model in sessions:
        to = place(fleet, model, version=version, avoid=(gone,))
        moves.append(Move(session=session, model=model, to=to.name if to else None))
    return moves


def decide(fleet: Ranked, policy: Policy, *, waiting: float = 0.0) -> Decision:
    """What to start, drain and stop now. `waiting`: the load of sessions that found no room, in servers.

    Nothing is drained while a server is starting, so an upgrade or a smaller fleet goes step by step and what is left has
    room for what is moved.
    """
    stop = tuple(name for name, server in fleet.draining.items() if not any(server.sessions.values()))
    all_up = fleet.up()
    up, load = sum(map(len, all_up)), waiting + fleet.load
    need = min(policy.most, max(policy.least, ceil(load / policy.target - _EXACT)))
    old = fleet.up(but=policy.version) if policy.version else []
    wanted = need + min(policy.surge, sum(map(len, old)))
    if up + fleet.starting < wanted:
        return Decision(start=wanted - up - fleet.starting, stop=stop)
    if fleet.starting:
        return Decision(stop=stop)
    if old:
        surplus, among = up - need, old
    else:
        few = min(policy.most, max(policy.least, ceil(load / policy.low - _EXACT)))
        surplus, among = up - few, all_up
    emptiest = islice(merge(*among), max(0, surplus))
    return Decision(drain=tuple(name for _, name in emptiest), stop=stop)
