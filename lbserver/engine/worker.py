# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker process: one model, one thread, the sessions it was given, and a deadline for every frame.

`python -m lbserver.engine.worker` is started by the supervisor with a socket and a black box as descriptors. The
loop allocates little, never logs, and collects garbage only when nobody plays. It keeps no secret from the black
box: whatever kills it can be told from there.
"""

import argparse
import contextlib
import gc
import mmap
import os
import select
import signal
import socket
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

from lbmodels.contract.accompanist import Audio
from lbserver.engine import backends, calibrate, describe, memory_file, moments_folder
from lbserver.engine.live import LiveSession, Setup
from lbserver.engine.player import Batch, Player
from lbserver.errors import LiveBandError, ShortageError, refused
from lbserver.host import signals
from lbserver.host.giving_way import give_way
from lbserver.host.limits import limit_memory
from lbserver.protocol import wire
from lbserver.protocol.controls import BY_NAME, CONTROLS
from lbserver.ring.ends import WorkerPort
from lbserver.ring.segment import Segment
from lbserver.ring.timeline import Timing
from lbserver.session.knowledge import apart

BOX_BYTES = 4096
_BOX = struct.Struct(
    "<QQI"
)  # heartbeat, nanosecond clock when the step began (0: not in a step), bytes of names
_IDLE_POLL_MS = 20
_ACTIVE_S = 2.0  # a front end that wrote so recently is looked at every millisecond
_COLLECT_S = 10.0
_SAVING_S = 0.008  # more than keeping a session's memory takes
_OVERDUE_S = 4.0  # after so long without a calm moment it is kept all the same
_NEVER = -1  # as many frames no session has played: what it remembers is not kept, whatever it plays
_LONG_STEP_S = 0.1  # a step that is expected to take longer has a thread of its own
_NO_MEMORY = "no memory is left for this"


def write_box(box: mmap.mmap, beats: int, since_ns: int, sessions: bytes = b"") -> None:
    """Note what is being done, before it is done; `sessions` are those it is done for."""
    box[_BOX.size : _BOX.size + len(sessions)] = sessions
    _BOX.pack_into(box, 0, beats, since_ns, len(sessions))


def read_box(box: mmap.mmap) -> tuple[int, int, tuple[str, ...]]:
    """(heartbeat, when the step began in ns or 0, sessions that something is done for)."""
    beats, since_ns, length = _BOX.unpack_from(box, 0)
    names = bytes(box[_BOX.size : _BOX.size + min(length, BOX_BYTES - _BOX.size)])
    return beats, since_ns, tuple(names.decode("ascii", "replace").split())


def timing_to_wire(timing: Timing) -> dict[str, Any]:
    """A timing as plain values; exact."""
    return {
        name: [value.numerator, value.denominator] if isinstance(value, Fraction) else value
        for name, value in vars(timing).items()
    }


def timing_from_wire(values: dict[str, Any]) -> Timing:
    """What `timing_to_wire` made."""
    exact: dict[str, Any] = {n: Fraction(*v) if isinstance(v, list) else v for n, v in values.items()}
    return Timing(**exact)


class _Worker:
    def __init__(
        self,
        control: socket.socket,
        box: mmap.mmap,
        player: Player,
        *,
        moments: Path,
        save_every_s: float,
        longest_step_s: float = 0.0,
    ) -> None:
        self.control, self.box, self.player = control, box, player
        self.moments, self.save_every_s = moments, save_every_s
        self.framer = wire.Framer()
        self.descriptors: list[int] = []
        self.segments: dict[str, Segment] = {}
        self.known: dict[str, dict[str, Any]] = {}
        self.saved: dict[str, tuple[float, int]] = {}  # when its memory was kept, and after how many frames
        self.unsaved = ""  # why the last one could not be kept
        self.beats = 0
        self.running = True
        self.aside = (
            ThreadPoolExecutor(1, "steps", initializer=give_way) if longest_step_s > _LONG_STEP_S else None
        )

    def run(self) -> None:
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        collected_s = time.monotonic()
        while self.running:
            now_s = time.monotonic()
            self.beats += 1
            write_box(self.box, self.beats, 0)
            for name, code, reason in self.player.listen(now_s):
                self.close(name)
                self.send({"type": "ended", "session": name, "code": code, "reason": reason})
            batch = self.player.begin(now_s)
            if batch is not None:
                names = [s.setup.session for s, on in zip(batch.sessions, batch.active, strict=True) if on]
                packed = " ".join(names).encode()[: BOX_BYTES - _BOX.size]
                write_box(self.box, self.beats, time.monotonic_ns(), packed)
                stems = self.computed(batch)
                now_s = time.monotonic()
                self.player.listen(now_s)
                self.player.finish(batch, stems, now_s)
            active = self.report(now_s)
            self.autosave(now_s)
            if not active and now_s - collected_s > _COLLECT_S:
                collected_s = now_s
                gc.collect()
            idle_ms = 1000 * calibrate.POLL_S if active else _IDLE_POLL_MS
            if poll.poll(idle_ms if batch is None else 0):
                self.receive()

    def computed(self, batch: Batch) -> Audio:
        """The stems of a batch. While a long step lasts, rings are read and sessions go on showing that they live."""
        if self.aside is None:
            return self.player.compute(batch)
        step = self.aside.submit(self.player.compute, batch)
        while True:
            try:
                return step.result(timeout=calibrate.POLL_S)
            except TimeoutError:
                if step.done():  # it ended meanwhile
                    return step.result()
                now_s = time.monotonic()
                self.player.listen(now_s)
                self.report(now_s)

    def report(self, now_s: float) -> bool:
        """Show that each session is looked after; returns whether anyone plays."""
        active = False
        for session in self.player.sessions.values():
            session.port.beat()
            active |= now_s - session.seen_s < _ACTIVE_S
        return active

    def autosave(self, now_s: float) -> None:
        """Keep the memory of the session that was not kept for longest, if it is time and no live one is due soon.

        One that has not played since is left as it is kept.
        """
        sessions = self.player.sessions
        waiting = [name for name, session in sessions.items() if session.frames != self.saved[name][1]]
        if not waiting:
            return
        name = min(waiting, key=lambda one: self.saved[one][0])
        over_s = now_s - self.saved[name][0] - self.save_every_s
        if over_s < 0:
            return
        calm = all(other.due_in_s(now_s) > _SAVING_S for other in sessions.values() if not other.offline)
        if calm or over_s > _OVERDUE_S:
            self.saved[name] = now_s, sessions[name].frames
            self.save(name, self.moments / f"{name}.auto")

    def save(self, name: str, path: Path) -> None:
        """Keep the memory of a session. What cannot be kept is lost, and said when that begins and when it ends."""
        write_box(self.box, self.beats, 0, name.encode())
        unsaved = ""
        try:
            memory_file.write(path, self.moment_of(name))
        except OSError as error:
            unsaved = error.strerror or str(error)
        except MemoryError:
            unsaved = _NO_MEMORY
        except LiveBandError as error:
            unsaved = str(error)
        if unsaved != self.unsaved:
            self.unsaved = unsaved
            self.send({"type": "unsaved", "reason": unsaved})

    def moment_of(self, name: str, *, light: bool = False) -> bytes:
        session = self.player.sessions[name]
        memory = self.player.snapshot(name)
        compact = self.player.accompanist.compact(memory) if light else b""
        return memory_file.pack(
            memory_file.Moment(
                model=self.player.accompanist.spec.weights_id,
                memory=memory,
                controls=session.wishes,
                known=self.known[name],
                light=compact if len(compact) < len(memory) else b"",
            )
        )

    def receive(self) -> None:
        data, descriptors, _lost = wire.receive(self.control, 1 << 16, 16)
        self.descriptors += descriptors
        if not data:
            self.running = False  # the server is gone: nobody reads what would be played
            return
        for message in self.framer.feed(data):
            # Whatever this costs the process is put down to the session it is for.
            write_box(self.box, self.beats, 0, str(message.get("session", "")).encode())
            try:
                answer = self.handle(message)
            except MemoryError:
                answer = _failed(ShortageError(_NO_MEMORY))
            except OSError as error:
                answer = _failed(refused(f"{message['type']} failed", error))
            except Exception as error:
                if not backends.is_user_error(error):
                    raise
                answer = _failed(error)
            self.send({**answer, "id": message["id"]})

    def handle(self, message: dict[str, Any]) -> dict[str, Any]:
        name, kind = message.get("session", ""), message["type"]
        segment = self.take_segment() if kind in ("open", "replace") else None
        done: dict[str, Any] = {"type": "done"}
        try:
            if segment is not None and kind == "open":
                return done | self.open(name, message, segment)
            if name not in self.player.sessions:
                if kind == "close":
                    return done
                raise LiveBandError(f"session {name!r} is not played here")
            if segment is not None:
                self.player.replace(self.setup_of(name, message), WorkerPort(segment))
                self.segments.pop(name).close()
                self.segments[name] = segment
        except BaseException:
            if segment is not None:
                segment.close()
            raise
        match kind:
            case "close":
                if message.get("keep") and (self.player.sessions[name].frames or self.saved[name][1]):
                    self.save(name, Path(message["keep"]))
                self.close(name)
            case "set":
                self.player.sessions[name].set_control(message["control"], message["value"])
            case "know":
                self.player.sessions[name].know(message["known"])
                self.known[name] = merged(self.known[name], message["known"])
            case "keep":
                memory_file.write(Path(message["path"]), self.moment_of(name, light=True))
            case "recall":
                self.recall(name, Path(message["path"]))
            case "trust":
                self.player.trust(name)
        return done

    def recall(self, name: str, path: Path) -> None:
        kept = memory_file.read(path, self.player.accompanist.spec.weights_id)
        self.player.restore(name, kept.memory)
        session = self.player.sessions[name]
        self.saved[name] = self.saved[name][0], _NEVER
        for control, value in kept.controls.items():
            info = BY_NAME.get(control)
            if info is not None and info.acts == "model":
                session.set_control(control, min(max(value, info.minimum), info.maximum))

    def open(self, name: str, message: dict[str, Any], segment: Segment) -> dict[str, Any]:
        """Returns what its memory was lost to, as `lost`, if it was."""
        answer: dict[str, Any] = {}
        setup, suspect = self.setup_of(name, message), bool(message.get("suspect"))
        session = None
        if message.get("moment"):
            try:
                kept = memory_file.read(Path(message["moment"]), self.player.accompanist.spec.weights_id)
                session = self.player.open(setup, WorkerPort(segment), snapshot=kept.memory, suspect=suspect)
            except ValueError as error:  # a lost memory is no reason not to play
                if name in self.player.sessions or not backends.is_user_error(error):
                    raise
                answer["lost"] = str(error)
        if session is None:
            session = self.player.open(setup, WorkerPort(segment), suspect=suspect)
        for control, value in zip(CONTROLS, setup.controls, strict=True):
            if control.acts == "port":
                session.set_control(control.name, value)
        self.segments[name] = segment
        self.saved[name] = time.monotonic(), 0
        self.known[name] = told_again(session, message.get("known") or {})
        if message.get("resume"):
            session.resume()
        return answer

    def setup_of(self, name: str, message: dict[str, Any]) -> Setup:
        return Setup(
            session=name,
            timing=timing_from_wire(message["timing"]),
            block_samples=message["block_samples"],
            seed=message["seed"],
            controls=tuple(message["controls"]),
        )

    def take_segment(self) -> Segment:
        if not self.descriptors:
            raise ShortageError("no room: too many files are open")
        descriptor = self.descriptors.pop(0)
        try:
            return Segment(descriptor)
        finally:
            os.close(descriptor)

    def close(self, name: str) -> None:
        self.player.close(name)
        self.segments.pop(name).close()
        del self.known[name], self.saved[name]

    def send(self, message: dict[str, Any]) -> None:
        self.control.sendall(wire.frame(message))


def _failed(error: Exception) -> dict[str, Any]:
    """The answer that says what was refused, with a code of the protocol's error table."""
    return {"type": "failed", "text": str(error), "code": getattr(error, "code", LiveBandError.code)}


def told_again(session: LiveSession, known: dict[str, Any]) -> dict[str, Any]:
    """Tell a session what its host told before. A chart stood on a tempo that the host may yet have to tell."""
    every, *some = apart(known)
    taken: dict[str, Any] = {}
    for told in (every, *some, {name: value for name, value in every.items() if name != "chart"}):
        if told.keys() <= taken.keys():
            continue
        with contextlib.suppress(LiveBandError):
            session.know(told)
            taken |= told
    return taken


def merged(known: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """What is known after another `know`: later words replace earlier ones. What follows from a word is not kept beside it."""
    passing = ("type", "id", "session", "style_vector")
    return {**known, **{name: value for name, value in more.items() if name not in passing}}


def write_moment(path: Path, data: bytes) -> None:
    """As `moment.write`. Raises OSError."""
    memory_file.write(path, data)


def main(arguments: list[str] | None = None) -> int:
    """The process's entry; its arguments are the supervisor's business."""
    parser = argparse.ArgumentParser(prog="lbserver.engine.worker")
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--box", type=int, required=True)
    parser.add_argument("--moments", type=Path, required=True)
    parser.add_argument("--save-every", type=float, default=moments_folder.IN_MEMORY_S)
    parser.add_argument("--model", default=None)
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--memory-mib", type=int, default=2048)
    parsed = parser.parse_args(arguments)
    for number in signals.ENDING:  # Ctrl-C and a closed terminal are the server's to handle
        if number != signal.SIGTERM:
            signal.signal(number, signal.SIG_IGN)
    for descriptor in (parsed.control, parsed.box):
        os.set_inheritable(descriptor, False)  # a child of ours would keep our death from being seen
    control = socket.socket(fileno=parsed.control)
    box = mmap.mmap(parsed.box, BOX_BYTES)
    try:
        accompanist = backends.load(parsed.model)
        calibration = calibrate.load_or_measure(accompanist)
        if max(calibration.step_p50_s.values()) < _LONG_STEP_S:
            calibrate.warm(accompanist)
    except ValueError as error:
        if not backends.is_user_error(error):
            raise
        control.sendall(wire.frame({"type": "failed", "id": 0, "text": str(error)}))
        return 1
    player = Player(accompanist, alone=parsed.alone)
    worker = _Worker(
        control,
        box,
        player,
        moments=parsed.moments,
        save_every_s=parsed.save_every,
        longest_step_s=max(calibration.step_p50_s.values()),
    )
    spec = accompanist.spec
    worker.send(
        {
            **describe.description(spec.name, spec, calibration.budget),
            "type": "ready",
            "id": 0,
            "step_s": {str(rows): value for rows, value in calibration.step_p50_s.items()},
            "runtime": str(getattr(accompanist, "runtime", "")),
        }
    )
    limit_memory(parsed.memory_mib * 2**20)  # one session must not take the machine with it
    gc.collect()
    gc.freeze()
    gc.disable()
    worker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
