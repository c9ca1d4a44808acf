# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks on a Ray cluster: where it is, how it is joined, what is done when a machine of it is lost."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import signal
import socket
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from importlib.metadata import version
from typing import Any, TypeVar

from lbmodels.errors import LiveBandModelError
from lbmodels.tasks.outcome import TaskLostError, outcome

T = TypeVar("T")
R = TypeVar("R")

LOCAL = "local"
"""The address that means: a cluster of this machine alone, started for the occasion."""

_TRIES = 4
_QUEUED = 2
"""Tasks that are handed over for each processor: the one it does, and the next."""
_STORE_BYTES = 80 * 2**20
"""What Ray takes of the shared memory where it is ours to say, near the least it accepts: results are small values."""
_TOKEN = secrets.token_hex(32)
"""One for this process: Ray remembers the first that it was given, when it is joined again."""
_PATIENCE_S = 10.0
_KNOCK_S = 5.0
_KNOCKS = 5
"""So often in vain, a second between them, and nobody is there."""
_ADDRESS = re.compile(r"(?:ray://)?\[?(?P<host>[^/\[\]]+)\]?:(?P<port>\d{1,5})", re.ASCII)


def run_on_cluster(
    work: Callable[[T], R], tasks: Sequence[T], address: str, jobs: int | None
) -> Generator[tuple[int, R | TaskLostError], None, None]:
    """As `lbmodels.tasks.running.run` says."""
    with joined(address, jobs) as ray, contextlib.closing(_head(ray, address)) as head:
        remote = ray.remote(num_cpus=1, max_retries=_TRIES - 1)(_do)
        waiting = deque(range(len(tasks)))
        running: dict[Any, int] = {}
        try:
            while waiting or running:
                head.check()
                most = jobs or _QUEUED * head.processors
                while waiting and len(running) < most:
                    index = waiting.popleft()
                    running[_asked(remote.remote, version("liveband"), work, tasks[index])] = index
                ended, _ = _asked(ray.wait, list(running), timeout=1.0)
                for reference in ended:
                    index = running.pop(reference)
                    yield index, _result(ray, reference)
        finally:
            if not head.gone:
                _cancel(ray, list(running))


class _Head:
    """The machine that keeps the cluster together. Without it Ray waits for a minute, in some calls without an end, and then ends
    this program by itself: so it is knocked at, and asked in a thread of its own how many processors there are.
    """

    def __init__(self, ray: Any, address: str | None) -> None:
        """`address` is HOST:PORT of Ray's control store; None where a connection of its own tells of its end (`ray://`)."""
        self.gone = False
        self.processors = max(1, int(_asked(ray.cluster_resources).get("CPU", 1)))
        self._end = threading.Event()
        self._address = address
        threading.Thread(target=self._count, args=(ray,), daemon=True).start()
        if address is not None:
            threading.Thread(target=self._knock, args=address.rsplit(":", 1), daemon=True).start()

    def check(self) -> None:
        """Raises LiveBandModelError: it has gone."""
        if self.gone:
            raise LiveBandModelError(
                f"the head of the Ray cluster, {self._address}, is gone; what was done is kept, the same command goes on with it"
            )

    def close(self) -> None:
        self._end.set()

    def _knock(self, host: str, port: str) -> None:
        missed = 0
        while missed < _KNOCKS and not self._end.wait(1.0):
            try:
                socket.create_connection((host.strip("[]"), int(port)), _KNOCK_S).close()
                missed = 0
            except OSError:
                missed += 1
        self.gone = missed >= _KNOCKS

    def _count(self, ray: Any) -> None:
        """Machines come and go."""
        with contextlib.suppress(Exception):  # whatever it is, whoever hands over tasks meets it too
            while not self._end.wait(_PATIENCE_S):
                self.processors = max(1, int(ray.cluster_resources().get("CPU", 1)))


def _head(ray: Any, address: str) -> _Head:
    return _Head(ray, None if address.startswith("ray://") else ray.get_runtime_context().gcs_address)


def _do(told: str, work: Callable[[Any], Any], task: object) -> tuple[Any, Exception | None]:
    """One task, on a machine of the cluster."""
    if told != version("liveband"):
        here = f"{os.uname().nodename} has liveband {version('liveband')}"
        return None, LiveBandModelError(
            f"{here}, the command is of {told}: install one version on every machine"
        )
    return outcome(work, task)


def _result(ray: Any, reference: Any) -> Any:
    lost = (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError)
    try:
        result, error = ray.get(reference)
    except lost as fault:
        return TaskLostError(f"given up after {_TRIES} tries: {_line(fault)}")
    except ray.exceptions.RayError as fault:
        raise LiveBandModelError(f"the Ray cluster failed: {_line(fault)}") from None
    if error is not None:
        raise error
    return result


def _cancel(ray: Any, references: list[Any]) -> None:
    """Stop what runs: tasks get a KeyboardInterrupt and time to remove what they had half written."""
    if not references:
        return
    with contextlib.suppress(ray.exceptions.RayError):
        for reference in references:
            ray.cancel(reference, force=False)
        _, left = ray.wait(references, num_returns=len(references), timeout=_PATIENCE_S)
        for reference in left:
            ray.cancel(reference, force=True)


@contextlib.contextmanager
def joined(address: str, jobs: int | None) -> Iterator[Any]:
    """The library, connected. Raises LiveBandModelError."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it tells its makers of every cluster otherwise
    if address != LOCAL:
        _check_there(address)
    with contextlib.ExitStack() as stack:
        how: dict[str, Any] = {"address": address}
        if address == LOCAL:
            # A cluster runs whatever it is sent: this one takes nothing from outside of this machine, nor from whoever
            # lacks a word that is made up here.
            os.environ["RAY_AUTH_MODE"] = "token"
            os.environ["RAY_AUTH_TOKEN"] = _TOKEN
            # As quick as processes of our own: by itself it gives way to everything else.
            os.environ.setdefault("RAY_worker_niceness", "0")
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="lb-ray-", ignore_cleanup_errors=True)
            )
            how = {
                "address": "local",
                "num_cpus": jobs or os.cpu_count(),
                "num_gpus": 0,
                "object_store_memory": _STORE_BYTES,
                "_node_ip_address": "127.0.0.1",
                "_temp_dir": folder,
            }
        import ray

        # What it tells of its machines it prints among our results.
        nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123
        stack.enter_context(contextlib.redirect_stdout(nowhere))
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            ray.init(
                **how,
                include_dashboard=None if address != LOCAL else False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except Exception as error:  # noqa: BLE001 (the library raises its own and others, without a common base)
            raise LiveBandModelError(f"cannot join the Ray cluster {address}: {_line(error)}") from None
        stack.callback(ray.shutdown)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        yield ray


def _check_there(address: str) -> None:
    """Raises LiveBandModelError: Ray itself tries for minutes before it says that nobody is there."""
    if address == "auto":
        return
    there = _ADDRESS.fullmatch(address)
    if there is None:
        raise LiveBandModelError(
            f"{address[:80]!r} is no Ray cluster: accepted are {LOCAL}, auto, HOST:PORT and ray://HOST:PORT"
        )
    try:
        socket.create_connection((there["host"], int(there["port"])), _KNOCK_S).close()
    except (OSError, OverflowError) as error:
        raise LiveBandModelError(f"cannot join the Ray cluster {address}: {_line(error)}") from None


def _asked(question: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What the cluster answers. Raises LiveBandModelError."""
    import ray

    try:
        return question(*arguments, **named)
    except (ray.exceptions.RayError, ConnectionError, TimeoutError) as error:
        raise LiveBandModelError(f"the Ray cluster does not answer: {_line(error)}") from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
