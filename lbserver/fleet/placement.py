# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions of a fleet as pure functions: values in, decisions out. The simulation and the real fleet ask these.

A server's load is the share of it that is taken: sessions of a model, each by the most that it was measured to play of
that model alone, added up over models. None is loaded above 1. Sessions are sticky: they move when their server drains or
is lost, and never to even out a load.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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


def choose(
    servers: Iterable[Server], model: str, *, version: str = "", avoid: Container[str] = ()
) -> Server | None:
    """The least loaded server that plays the model and has room; None if there is none.

    One of `version` is preferred to all others: during an upgrade a session shall not be moved twice.
    """
    best, least = None, float("inf")
    for server in servers:
        rank = server.load if not version or server.version == version else server.load + _OTHER
        if rank > least or server.state != UP:
            continue
        if best is not None and rank == least and server.name > best.name:
            continue
        if server.has_room(model) and server.name not in avoid:
            best, least = server, rank
    return best


def relocate(
    servers: Mapping[str, Server], gone: str, sessions: Sequence[tuple[str, str]], *, version: str = ""
) -> list[Move]:
    """Where the sessions (name, model) of a server that drains or is lost go, in their order."""
    left = {name: server for name, server in servers.items() if name != gone}
    moves = []
    for session, model in sessions:
        to = choose(left.values(), model, version=version)
        if to is not None:
            left[to.name] = to.with_more(model, 1)
        moves.append(Move(session=session, model=model, to=to.name if to else None))
    return moves


def decide(servers: Sequence[Server], policy: Policy, *, waiting: float = 0.0) -> Decision:
    """What to start, drain and stop now. `waiting`: the load of sessions that found no room, in servers.

    Nothing is drained while a server is starting, so an upgrade or a smaller fleet goes step by step and what is left has
    room for what is moved.
    """
    stop = tuple(
        server.name for server in servers if server.state == DRAINING and not any(server.sessions.values())
    )
    up = [server for server in servers if server.state == UP]
    starting = sum(server.state == STARTING for server in servers)
    load = waiting + sum(server.load for server in servers)
    need = min(policy.most, max(policy.least, ceil(load / policy.target - _EXACT)))
    old = [server for server in up if policy.version and server.version != policy.version]
    wanted = need + min(policy.surge, len(old))
    if len(up) + starting < wanted:
        return Decision(start=wanted - len(up) - starting, stop=stop)
    if starting:
        return Decision(stop=stop)
    if old:
        surplus, among = len(up) - need, old
    else:
        few = min(policy.most, max(policy.least, ceil(load / policy.low - _EXACT)))
        surplus, among = len(up) - few, up
    emptiest = sorted(among, key=lambda server: (server.load, server.name))
    return Decision(drain=tuple(server.name for server in emptiest[: max(0, surplus)]), stop=stop)
