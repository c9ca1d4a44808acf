# SPDX-License-Identifier: GPL-3.0-or-later
"""Work of the hub as tasks: in order for each session, each to its end even if who asked is gone meanwhile."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from lbserver.errors import LiveBandError

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class Turns:
    """Tasks that are under way, and whose turn it is."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[Any]] = set()

    def of(self, session: str) -> asyncio.Lock:
        """Held by whoever works on a session of this name; those that wait get it in the order they came."""
        lock = self._locks.get(session)
        if lock is None:
            lock = self._locks[session] = asyncio.Lock()
        return lock

    async def whole(
        self, work: Coroutine[Any, Any, _Result], *, unclaimed: Callable[[_Result], None] | None = None
    ) -> _Result:
        """The result of work that is done to the end: half a request would be nobody's.

        `unclaimed` is called with the result if who asked was cancelled and is not there to take it.
        """
        task = self._begin(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if unclaimed is not None:
                task.add_done_callback(lambda done: _hand(done, unclaimed))
            raise

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin work that nobody waits for; what goes wrong with it is logged."""
        self._begin(work).add_done_callback(_tell)

    async def end(self) -> None:
        """Cancel what is under way and wait for it."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, _Result]) -> "asyncio.Task[_Result]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # asked for: no complaint
        return task


def _hand(task: "asyncio.Task[_Result]", take: Callable[[_Result], None]) -> None:
    if not task.cancelled() and task.exception() is None:
        take(task.result())


def _tell(task: "asyncio.Task[None]") -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, LiveBandError):
        log.error("a task of the hub failed", exc_info=error)
