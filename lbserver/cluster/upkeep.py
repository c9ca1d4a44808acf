# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches a fleet: starts, drains and stops servers as `lbserver.fleet.placement` decides, and tells who asks which there are.

It hears no audio and places no session: while it is gone, everything that plays goes on.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Protocol

from lbserver.errors import LiveBandError
from lbserver.fleet.placement import DRAINING, STARTING, UP, Policy, Ranked, Server, decide
from lbserver.host.logs import fields
from lbserver.places.backoff import Backoff

log = logging.getLogger(__name__)

_LOOK_S = 0.25
_ANSWER_S = 15.0
_START_S = 300.0
_DRAINED_LOOKS = (
    4  # so often without a session, until a server that drains is stopped: one may be on its way to it
)


class Running(Protocol):
    """A server somewhere: `member.Member` in a thread, or as an actor."""

    async def begin(self) -> str: ...

    async def look(self) -> tuple[str, int, Mapping[str, int]]: ...

    async def stop(self) -> None: ...


@dataclass(kw_only=True, eq=False)
class _Held:
    """One server of the fleet as the upkeep knows it."""

    running: Running
    server: Server
    address: str = ""
    pid: int = 0
    empty_looks: int = 0
    task: "asyncio.Task[None] | None" = None


@dataclass(kw_only=True)
class Upkeep:
    """`make` makes a server that is not started; `sessions` is the most that one plays."""

    make: Callable[[], Running]
    sessions: int
    policy: Policy
    _held: dict[str, _Held] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: count(1))
    _backoff: Backoff = field(default_factory=Backoff)
    _wait_until_s: float = 0.0
    _ending: set["asyncio.Task[None]"] = field(default_factory=set)
    _last_reason: str = ""

    # What is told: see `hub.admission.Directory`

    def servers(self) -> dict[str, dict[str, Any]]:
        """Every server that is there, by name."""
        return {
            name: {
                "address": held.address,
                "pid": held.pid,
                "state": held.server.state,
                "version": held.server.version,
                "limits": dict(held.server.limits),
                "sessions": dict(held.server.sessions),
            }
            for name, held in self._held.items()
        }

    def drain(self, server: str) -> bool:
        """Let its sessions go elsewhere; whether there is such a server. Another is started if the fleet needs one."""
        held = self._held.get(server)
        if held is not None:
            held.server = replace(held.server, state=DRAINING)
            log.info("server drains", extra=fields(server=server))
        return held is not None

    def upgrade(self) -> None:
        """Replace every server by a new one."""
        self.policy = replace(self.policy, version=str(int(self.policy.version or 0) + 1))

    # What is done

    async def run(self) -> None:
        """Keep the fleet as it is to be, until cancelled; every server is stopped then."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._decide(loop.time())
                await asyncio.sleep(_LOOK_S)
        finally:
            tasks = [held.task for held in self._held.values() if held.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*self._ending, return_exceptions=True)
            await asyncio.gather(
                *(held.running.stop() for held in self._held.values()), return_exceptions=True
            )
            self._held.clear()

    def _decide(self, now_s: float) -> None:
        told = decide(Ranked(held.server for held in self._held.values()), self.policy)
        for name in told.drain:
            self.drain(name)
        for name in told.stop:
            held = self._held[name]
            held.empty_looks += 1
            if held.empty_looks >= _DRAINED_LOOKS:
                self._let_go(name)
        if now_s >= self._wait_until_s:
            for _ in range(told.start):
                self._start()

    def _start(self) -> None:
        name = f"server-{next(self._numbers)}"
        server = Server(name=name, limits={}, state=STARTING, version=self.policy.version)
        held = self._held[name] = _Held(running=self.make(), server=server)
        held.task = asyncio.create_task(self._watch(name, held))

    async def _watch(self, name: str, held: _Held) -> None:
        """From its start to its end."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_START_S):
                held.address = await held.running.begin()
            while True:
                async with asyncio.timeout(_ANSWER_S):
                    model, held.pid, sessions = await held.running.look()
                state = UP if held.server.state == STARTING else held.server.state
                limits = dict.fromkeys({model, *sessions}, self.sessions)
                held.server = replace(held.server, limits=limits, sessions=sessions, state=state)
                if any(sessions.values()):
                    held.empty_looks = 0
                await asyncio.sleep(_LOOK_S)
        except (LiveBandError, TimeoutError, OSError) as error:
            why = str(error) or "it does not answer"
            if held.server.state == STARTING:
                pause_s = self._backoff.failed(loop.time())
                self._wait_until_s = loop.time() + pause_s
                if why != self._last_reason:
                    log.error("a server of the fleet does not start: %s", why, extra=fields(server=name))
            else:
                log.error("a server of the fleet is lost: %s", why, extra=fields(server=name))
            self._last_reason = why
            self._held.pop(name, None)
            await held.running.stop()

    def _let_go(self, name: str) -> None:
        held = self._held.pop(name)
        log.info("server stopped", extra=fields(server=name))

        async def end() -> None:
            if held.task is not None:
                held.task.cancel()
                await asyncio.gather(held.task, return_exceptions=True)
            await held.running.stop()

        self._ending.add(task := asyncio.create_task(end()))
        task.add_done_callback(self._ending.discard)
