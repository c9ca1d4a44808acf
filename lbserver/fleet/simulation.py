# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet on a virtual clock: players come and go, servers fail and are replaced, all are upgraded.

Every decision is one of `placement`, as in the real fleet. The same settings give the same day.
"""

import gc
import heapq
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, TypeVar

import numpy as np

from lbserver.fleet import placement
from lbserver.fleet.placement import DRAINING, STARTING, UP, Decision, Policy, Ranked, Server

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Day:
    """What happens. `players` play at once, each for `mean_session_s` on average; they come within `opening_s`, and others
    come as they go. A server fails once in `mean_failure_s`, a new one plays after `start_s`; `upgrade_s`: when all are to be of
    the next version. Who finds no room tries again every second for `patience_s`.
    """

    players: int = 10_000
    limits: Mapping[str, int] = field(default_factory=lambda: {"tiny": 16})
    shares: Mapping[str, float] = field(default_factory=dict)
    """Of the players, by model; equal shares by default."""
    hours: float = 1.0
    opening_s: float = 600.0
    mean_session_s: float = 1200.0
    mean_failure_s: float = 24 * 3600.0
    start_s: float = 30.0
    upgrade_s: float | None = 1800.0
    patience_s: float = 30.0
    decide_every_s: float = 5.0
    policy: Policy = field(default_factory=lambda: Policy(least=64, surge=64, version="1"))
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What is asked; others may be given to time these, which decide the same."""

    place: Callable[..., Server | None] = placement.place
    decide: Callable[..., Decision] = placement.decide


def timed(places: list[float], decides: list[float]) -> Decisions:
    """The same decisions; the processor time of each, in seconds, is added to one of these."""
    return Decisions(place=_timed(placement.place, places), decide=_timed(placement.decide, decides))


def _timed(decision: Callable[..., _T], times: list[float]) -> Callable[..., _T]:
    def one(*arguments: Any, **options: Any) -> _T:
        gc.disable()  # what it would collect are the simulation's players
        begun = time.thread_time()
        decided = decision(*arguments, **options)
        times.append(time.thread_time() - begun)
        gc.enable()
        return decided

    return one


@dataclass(kw_only=True)
class Report:
    """What became of it. A session is `lost` if the fleet ended it, `refused` if it never began; `broken` ones had their server
    die under them and went on from their last memory, `moved` ones went on exactly.
    """

    arrived: int = 0
    most_playing: int = 0
    refused: int = 0
    waited: int = 0
    longest_wait_s: float = 0.0
    broken: int = 0
    moved: int = 0
    lost: int = 0
    failures: int = 0
    decisions: int = 0
    most_servers: int = 0
    highest_load: float = 0.0
    over_limit: int = 0
    old_servers_left: int = 0
    upgraded_after_s: float | None = None
    timeline: list[tuple[float, int, int, float]] = field(default_factory=list)
    """(seconds, sessions playing, servers up, mean load) every minute."""


class _Simulation:
    """The day as it goes: events in the order of their times, those of one time in the order they were made."""

    def __init__(self, day: Day, decisions: Decisions) -> None:
        self.day, self.decisions, self.report = day, decisions, Report()
        self.random = np.random.default_rng(day.seed)
        self.now_s = 0.0
        self.policy = day.policy
        self.servers = Ranked()
        self.models: dict[str, str] = {}  # of every session that is there
        self.at: dict[str, str] = {}  # its server, if it has one
        self.members: dict[str, dict[str, str]] = {}  # sessions of a server, with their models
        self.waiting: dict[str, float] = {}  # since when
        self.interrupted: set[str] = set()  # of those that wait
        self._names = sorted(day.limits)
        weights = np.array([day.shares.get(name, 0.0 if day.shares else 1.0) for name in self._names])
        self._weights = weights / weights.sum()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order, self._numbers = count(), count(1)

    def run(self) -> Report:
        day, report = self.day, self.report
        for _ in range(day.policy.least):
            self.begin_server(0.0)
        gaps = np.cumsum(self.random.exponential(1.0, day.players))
        for at_s in gaps * (day.opening_s / gaps[-1]):
            self.later(float(at_s), self.arrive)
        if day.upgrade_s is not None:
            self.later(day.upgrade_s, self.upgrade)
        self.look()
        self.note()
        while self._events and self._events[0][0] <= 3600 * day.hours:
            self.now_s, _, action = heapq.heappop(self._events)
            action()
        wanted = self.policy.version
        report.old_servers_left = sum(server.version != wanted for server in self.servers)
        return report

    def later(self, after_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now_s + after_s, next(self._order), action))

    # Players

    def arrive(self) -> None:
        session = f"s{next(self._numbers)}"
        self.models[session] = self._names[int(self.random.choice(len(self._names), p=self._weights))]
        self.report.arrived += 1
        self.later(float(self.random.exponential(self.day.mean_session_s)), lambda: self.leave(session))
        self.place(session)

    def leave(self, session: str) -> None:
        """Its player has had enough, if the session is still there, and another comes."""
        if session in self.models:
            self.forget(session)
            self.arrive()

    def place(self, session: str) -> None:
        """Find it a server, or let it wait."""
        server = self.decisions.place(self.servers, self.models[session], version=self.policy.version)
        self.report.decisions += 1
        if server is not None:
            self.put(session, server)
        elif self.now_s - self.waiting.setdefault(session, self.now_s) < self.day.patience_s:
            self.later(1.0, lambda: self.try_again(session))
        else:
            self.report.lost += session in self.interrupted
            self.report.refused += session not in self.interrupted
            self.forget(session)
            self.later(1.0, self.arrive)

    def try_again(self, session: str) -> None:
        if session in self.waiting:
            self.place(session)

    def put(self, session: str, server: Server) -> None:
        report = self.report
        if session in self.waiting:
            report.waited += 1
            report.longest_wait_s = max(report.longest_wait_s, self.now_s - self.waiting.pop(session))
            self.interrupted.discard(session)
        self.at[session] = server.name
        self.members[server.name][session] = self.models[session]
        report.highest_load = max(report.highest_load, server.load)
        report.over_limit += server.load > 1 + 1e-6
        report.most_playing = max(report.most_playing, len(self.at))

    def take(self, session: str) -> None:
        name = self.at.pop(session)
        self.servers.put(self.servers[name].with_more(self.models[session], -1))
        del self.members[name][session]

    def forget(self, session: str) -> None:
        if session in self.at:
            self.take(session)
        self.waiting.pop(session, None)
        self.interrupted.discard(session)
        del self.models[session]

    # Servers

    def begin_server(self, after_s: float) -> None:
        name = f"n{next(self._numbers)}"
        self.servers.put(
            Server(name=name, limits=self.day.limits, state=STARTING, version=self.policy.version)
        )
        self.members[name] = {}
        self.later(after_s, lambda: self.become_up(name))

    def become_up(self, name: str) -> None:
        self.servers.put(replace(self.servers[name], state=UP))
        self.report.most_servers = max(self.report.most_servers, len(self.servers))
        self.later(float(self.random.exponential(self.day.mean_failure_s)), lambda: self.fail(name))

    def fail(self, name: str) -> None:
        """It is gone, if it was still there: its sessions go on elsewhere from what was kept of them."""
        if name in self.servers:
            self.report.failures += 1
            self.report.broken += len(self.members[name])
            self.clear(name)
            self.servers.remove(name)
            del self.members[name]
            self.look_now()

    def clear(self, name: str) -> None:
        """Each of its sessions goes to another server, or waits for one."""
        self.servers.put(replace(self.servers[name], state=DRAINING))
        for session in list(self.members[name]):
            self.take(session)
            self.interrupted.add(session)
            self.place(session)
            if session in self.at:
                self.interrupted.discard(session)

    def upgrade(self) -> None:
        self.policy = replace(self.policy, version=f"{self.policy.version}+")

    def look(self) -> None:
        self.look_now()
        self.later(self.day.decide_every_s, self.look)

    def look_now(self) -> None:
        """Start, drain and stop what is to be."""
        waiting = sum(1 / self.day.limits[self.models[session]] for session in self.waiting)
        decision = self.decisions.decide(self.servers, self.policy, waiting=waiting)
        for name in decision.stop:
            self.servers.remove(name)
            del self.members[name]
        for _ in range(decision.start):
            self.begin_server(self.day.start_s)
        for name in decision.drain:
            before = len(self.members[name])
            self.clear(name)
            self.report.moved += before - len(self.members[name])
        report, wanted = self.report, self.policy.version
        if (
            self.day.upgrade_s is not None
            and self.now_s >= self.day.upgrade_s
            and report.upgraded_after_s is None
        ) and all(server.version == wanted for server in self.servers):
            report.upgraded_after_s = self.now_s - self.day.upgrade_s

    def note(self) -> None:
        up = [server.load for server in self.servers if server.state == UP]
        mean = sum(up) / len(up) if up else 0.0
        self.report.timeline.append((self.now_s, len(self.at), len(up), mean))
        self.later(60.0, self.note)


def simulate(day: Day, decisions: Decisions = Decisions()) -> Report:
    """What becomes of the day's sessions."""
    return _Simulation(day, decisions).run()
