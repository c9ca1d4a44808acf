# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers of a fleet as places to play: a directory says which there are, sessions go to the least loaded.

Whoever relays decides for its own sessions, with `lbserver.fleet.placement`, from what the directory told last; each server has a limit of
its own, so that two who decide at once overrun none. A session whose server drains goes on elsewhere exactly; one whose server is
lost goes on from its last memory. Without the directory all goes on as it is.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from lbserver.errors import LiveBandError
from lbserver.fleet.placement import UP, Ranked, Server, choose
from lbserver.host.logs import fields, shown
from lbserver.places.link import Link, LinkConfig, LinkError
from lbserver.places.place import Place
from lbserver.places.supervisor import WorkerError
from lbserver.places.upstream import UpstreamPlace

log = logging.getLogger(__name__)

SCHEME = "fleet://"
_LOOK_S = 0.25
_START_S = 60.0


class Sessions(Protocol):
    """The hub's sessions, which the fleet moves."""

    def at(self, place: Place, *, placed: bool = True) -> list[str]: ...

    async def move(self, name: str, place: Place, to: Place, *, leave: bool) -> None: ...


class Fleet:
    """`places` is a list that lives: those of the fleet's servers that can be reached, as they come and go."""

    def __init__(
        self,
        config: LinkConfig,
        *,
        sessions: Sessions,
        model: str | None = None,
        on_lost: Callable[[Place, tuple[str, ...]], None],
        on_back: Callable[[Place], None],
        on_ended: Callable[[str, str, str], None],
    ) -> None:
        """`config` names the directory; its keys are the servers' as well. Raises LiveBandError for keys that cannot be read."""
        self.places: list[Place] = []
        self._config, self._model, self._sessions = config, model, sessions
        self._on_lost, self._on_back, self._on_ended = on_lost, on_back, on_ended
        self._link = Link(config, on_message=_ignore, on_up=_nothing, on_down=_ignore)
        self._tag = secrets.token_hex(4)
        self._servers: dict[str, Server] = {}
        self._addresses: dict[str, str] = {}
        self._names: dict[int, str] = {}  # by the id of a place
        self._joining: set[str] = set()
        self._moving: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._reason = ""

    async def start(self) -> None:
        """Find the directory and at least one server. Raises WorkerError."""
        deadline_s = time.monotonic() + _START_S
        try:
            await self._link.start(timeout_s=10.0)
            await self._look()
        except LiveBandError as error:
            raise WorkerError(str(error)) from None
        while not self.places:
            if time.monotonic() > deadline_s:
                raise WorkerError(
                    self._reason or f"the fleet of {self._config.address} has no server that plays"
                )
            await asyncio.sleep(_LOOK_S)
            with suppress(LinkError):
                await self._look()
        self._run(self._keep_looking())

    async def stop(self) -> None:
        """Look no more; the places are the hub's to stop."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._link.close()

    def choose(self, places: Sequence[Place], _entries: object) -> Place:
        """The least loaded of these that has room, which counts one session more from now on. Raises WorkerError."""
        place = self._chosen([place for place in places if place.up and place.ready is not None])
        if place is None:
            reasons = {place.reason for place in places if place.reason}
            raise WorkerError(
                "; ".join(reasons) or "every server of the fleet has as many sessions as it plays", "busy"
            )
        return place

    def _chosen(self, places: Sequence[Place], avoid: Place | None = None) -> Place | None:
        found = {self._names[id(place)]: place for place in places if id(place) in self._names}
        model = next((place.ready.spec.name for place in places if place.ready is not None), "")
        servers = []
        for name, told in self._servers.items():
            if name in found and found[name] is not avoid:
                # What we have there the directory may not have seen yet.
                more = len(self._sessions.at(found[name])) - told.sessions.get(model, 0)
                servers.append(told.with_more(model, max(0, more)) if model in told.limits else told)
        server = choose(Ranked(servers), model)
        if server is None:
            return None
        told = self._servers[server.name]
        self._servers[server.name] = told.with_more(model, 1)
        return found[server.name]

    # What the directory says

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self._look()
            except LinkError as error:
                if str(error) != self._reason:
                    self._reason = str(error)
                    log.warning("the fleet's directory is silent, its servers go on: %s", error)
            self._settle()

    async def _look(self) -> None:
        """Raises LinkError."""
        answer = await self._link.request({"type": "fleet"}, timeout_s=2.0)
        servers, addresses = {}, {}
        for name, about in answer["servers"].items():
            try:
                servers[str(name)], addresses[str(name)] = _server(str(name), about), str(about["address"])
            except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
                log.warning("the directory says of %s what cannot be: %s", shown(str(name), 64), error)
        self._servers, self._addresses = servers, addresses
        here = set(self._names.values())
        for name, server in servers.items():
            if server.state == UP and name not in here and name not in self._joining:
                self._joining.add(name)
                self._run(self._join(name))

    async def _join(self, name: str) -> None:
        """Connect to a server of the fleet."""
        address = self._addresses.get(name, "")
        place: UpstreamPlace | None = None
        try:
            place = UpstreamPlace(
                replace(self._config, address=address),
                model=self._model,
                on_lost=self._lost,
                on_back=self._on_back,
                on_ended=self._on_ended,
                start_timeout_s=5.0,
                tag=self._tag,
            )
            ready = await place.start()
            others = [other.ready.spec for other in self.places if other.ready is not None]
            if others and ready.spec != others[0]:
                raise LiveBandError(f"server {name} of the fleet plays another model than the others")
        except LiveBandError as error:
            self._reason = str(error)
            log.warning("a server of the fleet cannot be used: %s", error, extra=fields(server=name))
            if place is not None:
                await place.stop()
            await asyncio.sleep(1.0)  # and then it is tried again
            return
        finally:
            self._joining.discard(name)
        self._names[id(place)] = name
        self.places.append(place)
        log.info("a server of the fleet can be used", extra=fields(server=name))

    # Sessions that must go elsewhere

    def _lost(self, place: Place, suspects: tuple[str, ...]) -> None:
        self._on_lost(place, suspects)
        self._settle()

    def _settle(self) -> None:
        """Move what cannot stay; let go of servers that are no more."""
        for place in list(self.places):
            server = self._servers.get(self._names[id(place)])
            going = server is None or server.state != UP
            names = self._sessions.at(place, placed=going)
            if going and not names and not self._moving:
                self.places.remove(place)
                del self._names[id(place)]
                self._run(place.stop())
                continue
            for name in names:
                if name in self._moving:
                    continue
                away = going or not place.up
                to = self._chosen([one for one in self.places if one.up], avoid=place if away else None)
                if to is not None:
                    self._moving.add(name)
                    self._run(self._move(name, place, to, leave=going))

    async def _move(self, name: str, place: Place, to: Place, *, leave: bool) -> None:
        try:
            await self._sessions.move(name, place, to, leave=leave)
        finally:
            self._moving.discard(name)

    def _run(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _server(name: str, about: Mapping[str, Any]) -> Server:
    """Raises for what is no server."""
    limits = {str(model): int(most) for model, most in about["limits"].items()}
    sessions = {str(model): int(count) for model, count in about["sessions"].items() if str(model) in limits}
    return Server(
        name=name, limits=limits, sessions=sessions, state=str(about["state"]), version=str(about["version"])
    )


def _ignore(_told: object) -> None:
    """Nothing comes unasked from a directory."""


def _nothing() -> None:
    """The next look is soon enough."""
