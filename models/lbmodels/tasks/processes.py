# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks in processes of this machine: one that dies takes its own task along and no other."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn, TypeVar

from lbmodels.tasks.outcome import TaskLostError, outcome

T = TypeVar("T")
R = TypeVar("R")

_PATIENCE_S = 10.0
"""What a process that is stopped has to remove what it had half written."""


def run_here(
    work: Callable[[T], R], tasks: Sequence[T], jobs: int
) -> Generator[tuple[int, R | TaskLostError], None, None]:
    """As `lbmodels.tasks.running.run` says."""
    waiting = deque(range(len(tasks)))
    workers: list[_Worker] = []
    busy: dict[Any, tuple[_Worker, int]] = {}
    try:
        while len(workers) < min(jobs, len(tasks)):
            workers.append(_Worker(work))
        idle = list(workers)
        while waiting or busy:
            while waiting and idle:
                worker, index = idle.pop(), waiting.popleft()
                if not worker.give(tasks[index]):  # it has died since, which is no fault of this task
                    worker = _replaced(workers, worker, work)
                    worker.give(tasks[index])
                busy[worker.line] = (worker, index)
            for line in wait(list(busy)):
                worker, index = busy.pop(line)
                result = worker.result()
                idle.append(worker)
                yield index, result
    finally:
        for worker in workers:
            worker.ask_to_stop()
        for worker in workers:
            worker.stop()


def _replaced(workers: list[_Worker], dead: _Worker, work: Callable[..., Any]) -> _Worker:
    dead.stop()
    workers[workers.index(dead)] = fresh = _Worker(work)
    return fresh


class _Worker:
    """A process and the line to it; it does one task after the other."""

    def __init__(self, work: Callable[..., Any]) -> None:
        # Spawned: a forked one would inherit locks that threads of this process hold.
        context = multiprocessing.get_context("spawn")
        self.line, far = context.Pipe()
        self._process = context.Process(target=_serve, args=(far, work), daemon=True)
        # Ctrl-C reaches every process of a terminal: the one that started the others stops them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            far.close()

    def give(self, task: object) -> bool:
        """Whether it is there to take it."""
        try:
            self.line.send(task)
        except OSError:
            return False
        return True

    def result(self) -> Any:
        """What came of the task; waits for it. Raises what the task did."""
        try:
            result, error = self.line.recv()
        except (EOFError, OSError):
            self.stop()
            return TaskLostError(f"the process that did it {_ended(self._process.exitcode)}")
        if error is not None:
            raise error
        return result

    def ask_to_stop(self) -> None:
        if self._process.is_alive():
            self._process.terminate()

    def stop(self) -> None:
        """At the end it has gone, and with it what it had half written, if it was given the time."""
        self.line.close()
        self._process.join(_PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        why = " (out of memory, perhaps)" if code == -signal.SIGKILL else ""
        return f"was ended by {signal.Signals(-code).name}{why}"
    return f"ended by itself, with code {code}"


def _serve(line: Connection, work: Callable[[Any], Any]) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            line.send(outcome(work, line.recv()))


def _stop(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)


def _end_with_parent() -> None:
    """Stop when whoever started this process has gone, in whatever manner."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
