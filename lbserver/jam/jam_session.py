# SPDX-License-Identifier: GPL-3.0-or-later
"""A musician's seat: one session at the local server, taken again by itself when the server comes back."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lbserver.client.connection import Connection, connect
from lbserver.client.errors import RefusedError, ServerGoneError
from lbserver.errors import LiveBandError
from lbserver.host.logs import LogConfig, logging_to
from lbserver.host.rundir import open_run_directory
from lbserver.jam.duplex import DuplexPeer
from lbserver.protocol.controls import TRIGGERS
from lbserver.ring.ends import HostPort
from lbserver.ring.segment import Segment
from lbserver.server.serve import ServeConfig, serve
from lbserver.session.knowledge import apart

_OPEN_S = 30.0  # the first session of a worker may wait for its calibration
_KEEP_S = 10.0


@dataclass(frozen=True, kw_only=True)
class SeatConfig:
    """What to open. `knows` are fields of a `know` message."""

    session: str
    rate_hz: int
    channels: int
    block_samples: int
    stem: str
    mode: str = "live"
    seed: int = 0
    anticipation_ms: float | None = None
    knows: Mapping[str, Any] = field(default_factory=dict)


class Seat:
    """Holds a session for a peer. `opened` is the server's answer: latency_samples, anticipation_samples ...

    Without a connection (`lost` says why) the peer plays the input alone; `take` sits down again, with the controls
    as they were. `refused` says what the model that plays does not take of what it was told then.
    """

    def __init__(self, config: SeatConfig, peer: DuplexPeer) -> None:
        self.config, self.peer = config, peer
        self.opened: dict[str, Any] = {}
        self.model = ""
        self.lost = ""
        self.refused: tuple[str, ...] = ()
        self._controls: dict[str, float | int | str] = {"stem": config.stem, "seed": config.seed}
        self._line: Connection | None = None

    @property
    def taken(self) -> bool:
        """Whether there is a session."""
        return self._line is not None

    @property
    def controls(self) -> Mapping[str, float | int | str]:
        """As they were set here."""
        return dict(self._controls)

    def take(self) -> None:
        """Connect and open the session. Raises LiveBandError: no server, or it refuses."""
        config, line = self.config, connect("jam")
        try:
            wish: dict[str, Any] = {
                "session": config.session,
                "rate_hz": config.rate_hz,
                "channels": config.channels,
                "block_samples": config.block_samples,
                "mode": config.mode,
                "stem": str(self._controls["stem"]),
                "seed": int(self._controls["seed"]),
            }
            if config.anticipation_ms is not None:
                wish["anticipation_ms"] = config.anticipation_ms
            self.opened, descriptor = line.ask_for_segment("opened", "open", patience_s=_OPEN_S, **wish)
            try:
                segment = Segment(descriptor)
            finally:
                os.close(descriptor)
            for name, value in self._controls.items():
                if name not in ("stem", "seed"):
                    line.ask("done", "set", session=config.session, control=name, value=value)
            every, *some = apart(config.knows)
            if every:
                line.ask("done", "know", session=config.session, **every)
            refused = []
            for told in some:  # which not every model takes: it plays then all the same
                try:
                    line.ask("done", "know", session=config.session, **told)
                except RefusedError as error:
                    refused.append(str(error))
        except BaseException:
            line.close()
            raise
        self._line, self.lost, self.model = line, "", str(line.welcome["model"])
        self.refused = tuple(refused)
        self.peer.seat(HostPort(segment, latency_samples=self.opened["latency_samples"]))

    def leave(self) -> None:
        """Close the session. Idempotent."""
        line, self._line = self._line, None
        self.peer.seat(None)
        if line is not None:
            with suppress(LiveBandError):
                line.ask("closed", "close", session=self.config.session)
            line.close()

    def set(self, control: str, value: float | int | str) -> None:
        """Set a control, now or as soon as there is a session. Raises RefusedError."""
        if control not in TRIGGERS:
            self._controls[control] = value
        self._ask("done", "set", control=control, value=value)

    def keep(self, name: str) -> None:
        """Keep this moment. Raises RefusedError."""
        self._ask("kept", "keep", name=name)

    def recall(self, name: str) -> None:
        """Go on from a kept moment. Raises RefusedError."""
        self._ask("recalled", "recall", name=name)

    def status(self) -> Mapping[str, float | int | str]:
        """The session's figures, empty without one. Raises RefusedError."""
        answer = self._ask("status", "status")
        return answer["status"] if answer else {}

    def _ask(self, wanted: str, question: str, **values: Any) -> dict[str, Any]:
        """The answer; empty when the server is gone."""
        line = self._line
        if line is None:
            return {}
        try:
            return line.ask(wanted, question, patience_s=_KEEP_S, session=self.config.session, **values)
        except ServerGoneError as error:
            self._lose(str(error))
        except RefusedError as error:
            if error.code not in ("unknown_session", "crashed", "quarantined"):
                raise
            reasons = [
                str(n["reason"]) for n in line.notices if n.get("type") == "closed" and n.get("reason")
            ]
            self._lose(reasons[-1] if reasons else str(error))
        return {}

    def _lose(self, reason: str) -> None:
        self.lost = reason
        if self._line is not None:
            self._line.close()
        self._line = None
        self.peer.seat(None)


@contextmanager
def own_server(config: ServeConfig) -> Iterator[None]:
    """A server in this process, on a thread of its own, until the end of the block; others may connect to it too.

    Raises LiveBandError: one runs already, or no worker can play.
    """
    failed: list[BaseException] = []
    started = threading.Event()
    loop = asyncio.new_event_loop()
    task: asyncio.Task[None] | None = None
    with open_run_directory() as run, Path(os.devnull).open("w", encoding="utf-8") as nowhere:

        def work() -> None:
            asyncio.set_event_loop(loop)
            nonlocal task
            task = loop.create_task(serve(config, run, announce=False))
            started.set()
            try:
                loop.run_until_complete(task)
            except asyncio.CancelledError:
                pass
            except BaseException as error:  # noqa: BLE001 (raised again by the thread that waits)
                failed.append(error)
            finally:
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.close()

        thread = threading.Thread(target=work, name="server", daemon=True)
        # The screen is ours: what the server has to say goes to its log file.
        with logging_to(LogConfig(level="warning", file=run.log_path), nowhere):
            thread.start()
            try:
                while thread.is_alive() and not run.registry_path.exists():
                    time.sleep(0.02)
                if failed:
                    raise failed[0]
                yield
            finally:
                started.wait()
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(task.cancel)  # type: ignore[union-attr]
                thread.join(15.0)
