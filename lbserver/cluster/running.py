# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the servers of a fleet run: in processes of this machine, or as actors of a Ray cluster."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from lbserver.cluster.member import Member, MemberConfig
from lbserver.cluster.upkeep import Running
from lbserver.engine import backends
from lbserver.errors import LiveBandError

HERE = "none"
"""The address that means: no cluster, processes of this machine."""

_PATIENCE_S = 20.0


class _Process:
    """A member whose blocking work is done in threads."""

    def __init__(self, config: MemberConfig) -> None:
        self._member = Member(config)

    async def begin(self) -> str:
        return await asyncio.to_thread(self._member.begin)

    async def look(self) -> tuple[str, int, dict[str, int]]:
        return await asyncio.to_thread(self._member.look)

    async def stop(self) -> None:
        await asyncio.to_thread(self._member.stop)


class _Actor:
    """A member on whichever machine of the cluster has the cores; it dies with it."""

    def __init__(self, ray: Any, config: MemberConfig) -> None:
        self._ray = ray
        self._actor = ray.remote(num_cpus=config.workers, max_restarts=0)(Member).remote(config)

    async def begin(self) -> str:
        address = await self._asked(self._actor.begin)
        return str(address)

    async def look(self) -> tuple[str, int, dict[str, int]]:
        model, pid, sessions = await self._asked(self._actor.look)
        return model, pid, sessions

    async def stop(self) -> None:
        with contextlib.suppress(LiveBandError, TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await self._asked(self._actor.stop)
        with contextlib.suppress(Exception):
            self._ray.kill(self._actor)

    async def _asked(self, method: Any) -> Any:
        try:
            return await asyncio.to_thread(lambda: self._ray.get(method.remote()))
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, LiveBandError):
                raise cause from None
            words = " ".join(str(error).split())[:300]
            raise LiveBandError(f"its machine or its process is gone: {words}") from None


@contextlib.contextmanager
def place_to_run(cluster: str, config: MemberConfig, servers: int) -> Iterator[Callable[[], Running]]:
    """What makes a server there, not started yet; a cluster of this machine alone has room for so many. Raises for a cluster that
    cannot be joined.
    """
    if cluster == HERE:
        yield lambda: _Process(config)
        return
    with backends.cluster_joined(cluster, servers * config.workers) as ray:
        yield lambda: _Actor(ray, config)
