# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers as supervised processes: started, watched, restarted ever less often, and told from the black box why they died."""

import asyncio
import contextlib
import logging
import mmap
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lbmodels.contract.spec import Spec
from lbserver.engine import backends, describe
from lbserver.engine.budget import Budget
from lbserver.engine.moments_folder import IN_MEMORY_S
from lbserver.engine.worker import BOX_BYTES, read_box
from lbserver.errors import LiveBandError
from lbserver.host import isolation, shared_memory
from lbserver.host.logs import fields
from lbserver.places.backoff import Backoff
from lbserver.protocol import wire

log = logging.getLogger(__name__)

_OFTEN = 5  # failures in a row after which the log calls it critical
_STUCK_S = 2.0  # a step that takes longer is taken for hung, or
_STUCK_STEPS = 10.0  # than so many times what the longest was measured to take
_SILENT_S = 10.0  # as is a worker that shows no sign of life for so long
_LOOK_S = 0.05
_DEAF_LOOKS = 5  # for a process that has hung up to end
_PATIENCE_S = 2.0  # for a worker to end by itself
_LOADING_S = 30.0  # after so long of loading a line says so; it may take as long as it needs
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


class WorkerError(LiveBandError):
    """The worker refused, or is not there. `code` is a key of the protocol's error table."""

    def __init__(self, text: str, code: str = "crashed") -> None:
        super().__init__(text)
        self.code = code


class WorkerGoneError(WorkerError):
    """It is not there, or died before it answered."""


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

    def fail_all(self) -> None:
        """Whoever waits for an answer waits no more."""
        for answer in self.answers.values():
            if not answer.done():
                answer.set_result({"type": "gone", "text": "the worker died"})


class WorkerPlace:
    """A place to play: one worker process, and the next one when it dies.

    `on_lost(suspects)` is called when it died, with the sessions it was stepping; `on_back()` when the next is
    ready; `on_ended(session, code, reason)` when the worker ended a session. Their sessions are the caller's to
    reopen. It is tried again for as long as this lives, after pauses that grow to half a minute while it dies or cannot
    be started; `reason` says why, and when the next try is.
    """

    def __init__(
        self,
        *,
        number: int,
        model: str | None,
        moments: Path,
        save_every_s: float = IN_MEMORY_S,
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
        self._save_every_s = save_every_s
        self._on_lost, self._on_back, self._on_ended = on_lost, on_back, on_ended
        self._process: _Process | None = None
        self._backoff = Backoff()
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
        try:
            self._process = process = self._spawn()
        except OSError as error:
            raise WorkerError(f"no process can be started: {error.strerror or error}") from None
        first = asyncio.get_running_loop().create_future()
        process.answers[0] = first
        process.reader = asyncio.create_task(self._read(process))
        while not (await asyncio.wait({first}, timeout=_LOADING_S))[0]:
            log.warning("the worker is still loading its model", extra=fields(worker=self.number))
        answer = first.result()
        if answer["type"] != "ready":
            await self._reap(process)
            self._process = None
            raise WorkerError(answer["text"])
        try:
            self.ready = _ready(answer)
        except LiveBandError as error:
            await self._reap(process)
            self._process = None
            raise WorkerError(str(error)) from None
        self.up, self.reason = True, ""
        self._backoff.began(time.monotonic())
        self._watch = asyncio.create_task(self._watch_over(process))
        return self.ready

    async def request(self, message: dict[str, Any], descriptor: int | None = None) -> dict[str, Any]:
        """Send a message, with a segment's descriptor if it has one, and wait for the answer.

        Raises WorkerError: refused, or WorkerGoneError: the worker died meanwhile.
        """
        process = self._process
        if process is None or not self.up:
            raise WorkerGoneError(self.reason or "the worker is being restarted")
        number, self._next_id = self._next_id, self._next_id + 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        process.answers[number] = answer
        data = wire.frame({**message, "id": number})
        try:
            async with process.lock:
                await _send(process.control, data, descriptor)
            result = await answer
        except OSError:
            raise WorkerGoneError("the worker died") from None
        finally:
            process.answers.pop(number, None)
        if result["type"] == "gone":
            raise WorkerGoneError(result["text"])
        if result["type"] == "failed":
            raise WorkerError(result["text"], result["code"])
        return result

    async def stop(self) -> None:
        """End the process for good; one that is still loading is not waited for."""
        self._closing = True
        patience_s = _PATIENCE_S if self.up else 0.0
        self.up = False
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(OSError):
                process.control.shutdown(socket.SHUT_RDWR)
            await self._reap(process, patience_s)

    def _spawn(self) -> _Process:
        """Raises OSError: no descriptor, no memory, no process is left."""
        with contextlib.ExitStack() as undo:
            ours, theirs = socket.socketpair()
            undo.callback(ours.close)
            with theirs:
                descriptor = shared_memory.create(BOX_BYTES, b"\0")
                try:
                    box = mmap.mmap(descriptor, BOX_BYTES)
                    popen = subprocess.Popen(
                        self._command(theirs.fileno(), descriptor),
                        pass_fds=(theirs.fileno(), descriptor),
                        stdin=subprocess.DEVNULL,
                        cwd=isolation.SAFE_FOLDER,
                        env=isolation.environment(_ONE_THREAD),
                    )
                finally:
                    os.close(descriptor)
            ours.setblocking(False)
            undo.pop_all()
            return _Process(popen=popen, control=ours, box=box)

    def _command(self, control: int, box: int) -> list[str]:
        return [
            *isolation.python("lbserver.engine.worker"),
            *("--control", str(control), "--box", str(box), "--moments", str(self._moments.absolute())),
            *("--save-every", f"{self._save_every_s:g}"),
            *(("--model", backends.whole_name(self._model)) if self._model else ()),
            *(("--alone",) if self._alone else ()),
        ]

    async def _read(self, process: _Process) -> None:
        """Hand out answers until the process closes its end."""
        loop, framer = asyncio.get_running_loop(), wire.Framer()
        try:
            while data := await loop.sock_recv(process.control, 1 << 16):
                for message in framer.feed(data):
                    if message["type"] == "ended":
                        self._on_ended(message["session"], message["code"], message["reason"])
                        continue
                    if message["type"] == "unsaved":
                        self._tell_of_saving(message["reason"])
                        continue
                    answer = process.answers.get(message.get("id", -1))
                    if answer is not None and not answer.done():
                        answer.set_result(message)
        except (OSError, wire.WireError) as error:
            log.warning("the worker's socket broke: %s", error, extra=fields(worker=self.number))
        finally:
            process.fail_all()

    def _tell_of_saving(self, reason: str) -> None:
        """One line when memories cannot be kept any more, one when they can."""
        if reason:
            text = "memories of sessions are not kept, a crash would lose them: %s"
            log.warning(text, reason, extra=fields(worker=self.number, folder=str(self._moments)))
        else:
            log.warning("memories of sessions are kept again", extra=fields(worker=self.number))

    async def _watch_over(self, process: _Process) -> None:
        """Notice a death or a hang at once, tell, and start the next life."""
        cause = await self._end_of(process)
        _, _, suspects = read_box(process.box)
        self.up = False
        self.reason = f"its worker died ({cause})"
        log.error("worker died: %s", cause, extra=fields(worker=self.number, stepping=" ".join(suspects)))
        self._on_lost(self, suspects)
        await self._reap(process)
        self._process = None
        failure = self.reason
        while failure:
            await self._wait_after(failure)
            failure = await self._restart()
        log.warning("worker is back", extra=fields(worker=self.number, restarts=self.restarts))
        self._on_back(self)

    async def _end_of(self, process: _Process) -> str:
        """Wait for a process to end, or end it when it hangs; returns why it ended.

        Time is counted in looks: while this process is stopped itself, as by Ctrl-Z or a laptop's lid, none pass.
        """
        before, looks, deaf, hung = (0, 0), 0, 0, ""
        while (code := process.popen.poll()) is None:
            beats, since_ns, _ = read_box(process.box)
            looks = looks + 1 if (beats, since_ns) == before else 0
            before = beats, since_ns
            longest_s = self._longest_step_s if since_ns else _SILENT_S
            if not hung and looks * _LOOK_S > longest_s:
                hung = f"a step took over {longest_s:.3g} s" if since_ns else f"silent for {longest_s:g} s"
                log.error("the worker hangs and is killed: %s", hung, extra=fields(worker=self.number))
                process.popen.kill()
            deaf += process.reader is not None and process.reader.done()
            if deaf > _DEAF_LOOKS:
                process.popen.kill()
            await asyncio.sleep(_LOOK_S)
        return hung or (f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}")

    @property
    def _longest_step_s(self) -> float:
        """After so long without an end a step is taken for hung."""
        measured = max(self.ready.step_s.values(), default=0.0) if self.ready is not None else 0.0
        return max(_STUCK_S, _STUCK_STEPS * measured)

    async def _wait_after(self, failure: str) -> None:
        """Count a failure and wait before the next try."""
        pause_s = self._backoff.failed(time.monotonic())
        count = self._backoff.failures
        level = logging.CRITICAL if count == _OFTEN else logging.ERROR
        self.reason = failure
        if count >= _OFTEN:
            self.reason = f"{failure}, {count} times in a row; the next try is {pause_s:.0f} s later"
        if count > 1:
            log.log(level, "no worker: %s", self.reason, extra=fields(worker=self.number, pause_s=pause_s))
        await asyncio.sleep(pause_s)

    async def _restart(self) -> str:
        """Try the next life; returns why it does not play, empty if it does."""
        self.restarts += 1
        try:
            await self.start()
        except WorkerError as error:
            return f"its worker could not be restarted: {error}"
        return ""

    async def _reap(self, process: _Process, patience_s: float = _PATIENCE_S) -> None:
        """Wait for the process to end, by force if need be, and let go of what it held."""
        for _ in range(int(patience_s / _LOOK_S)):
            if process.popen.poll() is not None:
                break
            await asyncio.sleep(_LOOK_S)
        while process.popen.poll() is None:  # a large process takes its time even then
            process.popen.kill()
            await asyncio.sleep(_LOOK_S)
        if process.reader is not None:
            process.reader.cancel()
            await asyncio.wait({process.reader})
        process.fail_all()
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
