# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers as supervised processes: started, watched, restarted a few times, and told from the black box why they died."""

import asyncio
import contextlib
import logging
import mmap
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lbserver import wire
from lbserver.accompanist import Spec
from lbserver.engine import describe
from lbserver.engine.budget import Budget
from lbserver.engine.worker import BOX_BYTES, read_box
from lbserver.errors import LiveBandError
from lbserver.logs import fields

log = logging.getLogger(__name__)

_RESTARTS = 5
_RESTART_WINDOW_S = 30.0
_STUCK_S = 2.0  # a step that takes longer is taken for hung
_LOOK_S = 0.05
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


class WorkerError(LiveBandError):
    """The worker refused, or is not there."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What a worker says when it can play."""

    spec: Spec
    budget: Budget
    step_s: dict[int, float]
    runtime: str


@dataclass(kw_only=True)
class _Process:
    """One life of a worker."""

    popen: subprocess.Popen[bytes]
    control: socket.socket
    box: mmap.mmap
    answers: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    reader: asyncio.Task[None] | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class WorkerPlace:
    """A place to play: one worker process, and the next one when it dies.

    `on_lost(suspects)` is called when it died, with the sessions it was stepping; `on_back()` when the next is
    ready; `on_ended(session, code, reason)` when the worker ended a session. Their sessions are the caller's to
    reopen. After five deaths in thirty seconds it stays down, `reason` says why.
    """

    def __init__(
        self,
        *,
        number: int,
        model: str | None,
        moments: Path,
        alone: bool = False,
        on_lost: Callable[["WorkerPlace", tuple[str, ...]], None],
        on_back: Callable[["WorkerPlace"], None],
        on_ended: Callable[[str, str, str], None],
    ) -> None:
        self.number = number
        self.ready: Ready | None = None
        self.reason = ""
        self.restarts = 0
        self.up = False
        self._model, self._moments, self._alone = model, moments, alone
        self._on_lost, self._on_back, self._on_ended = on_lost, on_back, on_ended
        self._process: _Process | None = None
        self._deaths: deque[float] = deque(maxlen=_RESTARTS)
        self._watch: asyncio.Task[None] | None = None
        self._next_id = 1
        self._closing = False

    @property
    def pid(self) -> int | None:
        return self._process.popen.pid if self._process else None

    async def start(self) -> Ready:
        """Start the process and wait until it can play.

        Raises WorkerError with the worker's own reason: an unknown model, damaged weights.
        """
        self._process = process = self._spawn()
        first = asyncio.get_running_loop().create_future()
        process.answers[0] = first
        process.reader = asyncio.create_task(self._read(process))
        answer = await first
        if answer["type"] == "failed":
            await self._reap(process)
            self._process = None
            raise WorkerError(answer["text"])
        self.ready = _ready(answer)
        self.up, self.reason = True, ""
        self._watch = asyncio.create_task(self._watch_over(process))
        return self.ready

    async def request(self, message: dict[str, Any], descriptor: int | None = None) -> dict[str, Any]:
        """Send a message, with a segment's descriptor if it has one, and wait for the answer.

        Raises WorkerError: refused, or the worker died meanwhile.
        """
        process = self._process
        if process is None or not self.up:
            raise WorkerError(self.reason or "the worker is being restarted")
        number, self._next_id = self._next_id, self._next_id + 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        process.answers[number] = answer
        data = wire.frame({**message, "id": number})
        try:
            async with process.lock:
                await _send(process.control, data, descriptor)
            result = await answer
        except OSError:
            raise WorkerError("the worker died") from None
        finally:
            process.answers.pop(number, None)
        if result["type"] == "failed":
            raise WorkerError(result["text"])
        return result

    async def stop(self) -> None:
        """End the process for good."""
        self._closing = True
        self.up = False
        if self._watch is not None:
            self._watch.cancel()
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(OSError):
                process.control.shutdown(socket.SHUT_RDWR)
            await self._reap(process)

    def _spawn(self) -> _Process:
        ours, theirs = socket.socketpair()
        descriptor = os.memfd_create("liveband-box", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, BOX_BYTES)
        arguments = [
            *(sys.executable, "-m", "lbserver.engine.worker"),
            *("--control", str(theirs.fileno()), "--box", str(descriptor), "--moments", str(self._moments)),
            *(("--model", self._model) if self._model else ()),
            *(("--alone",) if self._alone else ()),
        ]
        popen = subprocess.Popen(
            arguments,
            pass_fds=(theirs.fileno(), descriptor),
            stdin=subprocess.DEVNULL,
            env={**os.environ, **_ONE_THREAD},
        )
        theirs.close()
        box = mmap.mmap(descriptor, BOX_BYTES)
        os.close(descriptor)
        ours.setblocking(False)
        return _Process(popen=popen, control=ours, box=box)

    async def _read(self, process: _Process) -> None:
        """Hand out answers until the process closes its end."""
        loop, framer = asyncio.get_running_loop(), wire.Framer()
        try:
            while data := await loop.sock_recv(process.control, 1 << 16):
                for message in framer.feed(data):
                    if message["type"] == "ended":
                        self._on_ended(message["session"], message["code"], message["reason"])
                        continue
                    answer = process.answers.get(message.get("id", -1))
                    if answer is not None and not answer.done():
                        answer.set_result(message)
        except (OSError, wire.WireError) as error:
            log.warning("the worker's socket broke: %s", error, extra=fields(worker=self.number))
        for answer in process.answers.values():
            if not answer.done():
                answer.set_result({"type": "failed", "text": "the worker died"})

    async def _watch_over(self, process: _Process) -> None:
        """Notice a death or a hang at once, tell, and start the next life."""
        code = None
        while (code := process.popen.poll()) is None:
            _, since_ns, _ = read_box(process.box)
            if since_ns and time.monotonic_ns() - since_ns > _STUCK_S * 1e9:
                log.error("a step takes too long: the worker is killed", extra=fields(worker=self.number))
                process.popen.kill()
            if process.reader is not None and process.reader.done():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.popen.wait(0.2)
                process.popen.kill()
            await asyncio.sleep(_LOOK_S)
        if self._closing:
            return
        _, _, suspects = read_box(process.box)
        self.up = False
        cause = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self.reason = f"its worker died ({cause})"
        log.error("worker died: %s", cause, extra=fields(worker=self.number, stepping=" ".join(suspects)))
        await self._reap(process)
        self._process = None
        self._on_lost(self, suspects)
        while not await self._restart(cause):
            if "stays down" in self.reason:
                log.critical("worker stays down: %s", self.reason, extra=fields(worker=self.number))
                return
        self._on_back(self)

    async def _restart(self, cause: str) -> bool:
        """Count a death and try the next life; whether it plays."""
        self._deaths.append(time.monotonic())
        if len(self._deaths) == _RESTARTS and self._deaths[-1] - self._deaths[0] < _RESTART_WINDOW_S:
            self.reason = (
                f"its worker died {_RESTARTS} times within {_RESTART_WINDOW_S:g} s ({cause}) and stays down: "
                "see the log, then restart the server"
            )
            return False
        self.restarts += 1
        try:
            await self.start()
        except WorkerError as error:
            self.reason = f"its worker could not be restarted: {error}"
            return False
        return True

    async def _reap(self, process: _Process) -> None:
        """Wait for the process to end, by force if need be, and let go of what it held."""
        for _ in range(40):
            if process.popen.poll() is not None:
                break
            await asyncio.sleep(0.05)
        else:
            process.popen.kill()
            process.popen.wait()
        if process.reader is not None:
            process.reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await process.reader
        process.control.close()
        with contextlib.suppress(BufferError):
            process.box.close()


async def _send(control: socket.socket, data: bytes, descriptor: int | None) -> None:
    """Send all of it; the descriptor goes with the first byte."""
    loop = asyncio.get_running_loop()
    sent = 0
    while descriptor is not None and not sent:
        try:
            sent = socket.send_fds(control, [data], [descriptor])
        except BlockingIOError:
            await asyncio.sleep(0.002)
    if sent < len(data):
        await loop.sock_sendall(control, data[sent:])


def _ready(message: dict[str, Any]) -> Ready:
    spec, budget = describe.understood(message)
    return Ready(
        spec=spec,
        budget=budget,
        step_s={int(rows): value for rows, value in message["step_s"].items()},
        runtime=message["runtime"],
    )
