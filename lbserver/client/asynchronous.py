# SPDX-License-Identifier: GPL-3.0-or-later
"""The client for asyncio. A server that goes away costs the stem, never the caller: it is looked for, and the
sessions go on under their names when one is found.
"""

import asyncio
import logging
import os
import random
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import ArrayLike

from lbmodels.contract.accompanist import Audio
from lbserver.client.errors import ClientError
from lbserver.client.lines import DistantLine, Line, LocalLine
from lbserver.client.ring import Ring, promise_of
from lbserver.client.start import ensure_server
from lbserver.errors import LiveBandError
from lbserver.music.passing import Events
from lbserver.places.link import LinkConfig
from lbserver.protocol.controls import TRIGGERS
from lbserver.session.knowledge import apart

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.4  # asking on this machine costs nothing
_JITTER = 0.2
_WAIT_S = 30.0

_log = logging.getLogger(__name__)


class AsyncSteering:
    """A session of whoever opened it, `liveband jam` or a plug-in, steered and watched from here."""

    def __init__(self, client: "AsyncClient", name: str) -> None:
        self.name = name
        self._client = client
        self._known: dict[str, Any] = {}
        self._set: dict[str, float | int | str] = {}

    async def know(self, **known: float | int | str) -> None:
        """Tell what is known of the music: bpm, first_beat_s, beats_per_bar, chart, chord, key, style, glide_s, classes,
        injection. Raises ClientError.
        """
        await self._client.ask({"type": "know", "session": self.name, **known})
        self._known |= known

    async def set(self, control: str, value: float | int | str) -> None:
        """Set a control in its own unit, a choice by its word. Raises ClientError naming what is accepted."""
        await self._client.ask({"type": "set", "session": self.name, "control": control, "value": value})
        if control not in TRIGGERS:
            self._set[control] = value

    async def reset(self) -> None:
        """Forget what was heard and played."""
        await self.set("reset", 1)

    async def keep(self, name: str) -> None:
        """Keep this moment of the band's memory under a name. Raises ClientError."""
        await self._client.ask({"type": "keep", "session": self.name, "name": name})

    async def recall(self, name: str) -> None:
        """Go on from a kept moment. Raises ClientError: there is none of this name."""
        await self._client.ask({"type": "recall", "session": self.name, "name": name})

    async def status(self) -> dict[str, float | int | str]:
        """Figures by the names of the status table. Raises ClientError."""
        reply = await self._client.ask({"type": "status", "session": self.name})
        return dict(reply["status"])

    async def cues(self, *, every_s: float = 0.02) -> AsyncIterator[tuple[str, float | int | str]]:
        """For ever: what happens in the music when it happens, as (name, value), by the names of OSC's cues: bar, beat, chord,
        section, heard_tempo, heard_beat, heard_chord, quality. Raises ClientError when the session is no more.
        """
        events = Events()
        while True:
            for cue in events.passed(await self.status()):
                yield cue
            await asyncio.sleep(every_s)


class AsyncSession(AsyncSteering):
    """An open session. `latency_samples` and the other promises are those of the epoch that plays now."""

    def __init__(self, client: "AsyncClient", name: str, ask: dict[str, Any], ring: Ring) -> None:
        super().__init__(client, name)
        self.ring = ring
        self._ask = ask

    @property
    def latency_samples(self) -> int:
        """L: by how much what `exchange` returns lags what it was given. `play` has taken it out."""
        return self.ring.promise.latency_samples

    @property
    def anticipation_ms(self) -> float:
        """A*H: how far ahead of what it heard the band writes."""
        return 1000.0 * self.ring.promise.anticipation_samples / self.ring.rate_hz

    @property
    def recency_gap_ms(self) -> float:
        """Age of the newest heard sample when a frame starts to sound."""
        return self.ring.promise.recency_gap_ms

    @property
    def state(self) -> str:
        """As in the status table; `lost` while there is no server."""
        return self.ring.state

    def exchange(self, block: ArrayLike) -> Audio:
        """The next mix samples [C, T] for the stem [S, T] to be heard with them. Never waits; for live sessions.

        Raises ClientError for audio of another shape, or an offline session: its `play` waits.
        """
        if self.ring.offline:
            raise ClientError(
                "unsupported", "this session is offline: use play, or open it without offline=True"
            )
        return self.ring.exchange(block, timeout_s=0.0)

    async def play(self, mix: ArrayLike, *, timeout_s: float = _WAIT_S) -> Audio:
        """A whole mix [C, T] for its stem [S, T], aligned to the sample, as fast as the machine can.

        Raises ClientError: not opened with offline=True, or the server gave nothing for `timeout_s`.
        """
        return await asyncio.to_thread(self.ring.play, mix, timeout_s=timeout_s)

    async def close(self) -> None:
        """End the session. Idempotent, and no error when the server is gone."""
        await self._client.end(self)

    async def reopen(self) -> None:
        """Open it again, under its name, at whoever serves now. Raises ClientError."""
        told = await self._client.line.ask({**self._ask, "resume": True})
        self.ring.swap(_descriptor(told.descriptor), promise_of(told.message))
        again: list[dict[str, Any]] = [{"type": "know", **known} for known in apart(self._known) if known]
        again += [{"type": "set", "control": control, "value": value} for control, value in self._set.items()]
        for message in again:
            try:
                await self._client.ask({"session": self.name, **message})
            except ClientError as error:
                _log.warning("session %s is back, but without all it was told: %s", self.name, error)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()


class AsyncClient:
    """A connection to a server: the one of this user, or with an address `tcp://host:port` one elsewhere, which
    off this machine needs `server_key` (the server's public key) and `own_key` (a secret key file of ours).

    Use as `async with AsyncClient() as client`.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        server_key: str | os.PathLike[str] | None = None,
        own_key: str | os.PathLike[str] | None = None,
        run: str | os.PathLike[str] | None = None,
        start: bool = False,
        model: str | None = None,
        program: str = "python",
    ) -> None:
        """`start` starts a server (with `model`) when none runs; `run` is another run directory than the user's.

        Raises LiveBandError for an address that is none or keys that are missing.
        """
        self.welcome: dict[str, Any] = {}
        self._run = None if run is None else Path(run)
        self._start, self._model, self._program = start, model, program
        self._sessions: dict[str, AsyncSession] = {}
        self._search: asyncio.Task[None] | None = None
        self._closing = False
        self.line: Line
        if address is None:
            self.line = LocalLine(self._run, program, on_message=self._take, on_down=self._lose)
        else:
            if start:
                raise ClientError("unsupported", "only a server of this machine can be started from here")
            config = LinkConfig(
                address=address,
                server_key=None if server_key is None else Path(server_key),
                own_key=None if own_key is None else Path(own_key),
                program=program,
            )
            self.line = DistantLine(config, on_message=self._take)

    async def connect(self) -> None:
        """Raises ClientError: no server (it says what to type), another version, not let in."""
        if self._start:
            await asyncio.to_thread(ensure_server, model=self._model, run=self._run)
        self.welcome = await self.line.connect()

    async def open(
        self,
        *,
        stem: str,
        rate_hz: int,
        channels: int = 2,
        block_samples: int = 512,
        mode: str | None = None,
        anticipation_ms: float | None = None,
        offline: bool = False,
        seed: int = 0,
        model: str | None = None,
        name: str | None = None,
    ) -> AsyncSession:
        """Open a session: `mode` is live, aligned, bounce or manual, by default bounce if `offline` and else live.

        `block_samples` is the longest block that is handed over at once. Raises ClientError naming what is accepted.
        """
        name = name or f"{self._program}-{secrets.token_hex(4)}"
        ask: dict[str, Any] = {
            "type": "open",
            "session": name,
            "stem": stem,
            "rate_hz": int(rate_hz),
            "channels": int(channels),
            "block_samples": int(block_samples),
            "mode": mode or ("bounce" if offline else "live"),
            "seed": int(seed),
            "offline": bool(offline),
        }
        optional = {"anticipation_ms": anticipation_ms, "model": model}
        ask |= {key: value for key, value in optional.items() if value is not None}
        told = await self.line.ask(ask)
        try:
            ring = Ring(
                _descriptor(told.descriptor),
                promise_of(told.message),
                block_samples=block_samples,
                offline=offline,
            )
        except ClientError:
            raise
        except LiveBandError as error:
            raise ClientError("internal", f"the server's segment is not usable: {error}") from None
        session = self._sessions[name] = AsyncSession(self, name, ask, ring)
        return session

    async def attach(self, name: str | None = None) -> AsyncSteering:
        """A session that somebody else opened, by default the one that was opened last. Raises ClientError: there is none."""
        return AsyncSteering(self, opened_last(await self.sessions(), name))

    async def sessions(self) -> dict[str, dict[str, float | int | str]]:
        """Figures of every session of the server, by name. Raises ClientError."""
        return dict((await self.ask({"type": "sessions"}))["sessions"])

    async def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Any request of the protocol that hands over no segment. Raises ClientError."""
        return (await self.line.ask(message)).message

    async def end(self, session: AsyncSession) -> None:
        """Close a session of ours."""
        if self._sessions.pop(session.name, None) is not None and not session.ring.lost:
            try:
                await self.ask({"type": "close", "session": session.name})
            except ClientError as error:
                _log.debug("session %s was gone already: %s", session.name, error)
        session.ring.close("closed")

    async def close(self) -> None:
        """Close every session and hang up. Idempotent."""
        self._closing = True
        if self._search is not None:
            self._search.cancel()
            await asyncio.gather(self._search, return_exceptions=True)
        for session in list(self._sessions.values()):
            await self.end(session)
        await self.line.close()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _take(self, message: dict[str, Any]) -> None:
        """What comes unasked: the end of a session."""
        if message["type"] == "closed":
            session = self._sessions.pop(message["session"], None)
            if session is not None:
                session.ring.close(message["reason"])
        elif message["type"] == "error":
            _log.warning("the server says: %s", message["text"])

    def _lose(self, reason: str) -> None:
        if self._closing:
            return
        _log.warning("%s: looking for it", reason)
        for session in self._sessions.values():
            session.ring.lost = reason
        self._search = asyncio.create_task(self._find_again())

    async def _find_again(self) -> None:
        """Connect again, at first soon, then ever less often, and take the sessions up where they were left."""
        pause_s = _FIRST_PAUSE_S
        while True:
            await asyncio.sleep(pause_s * (1.0 + random.uniform(-_JITTER, _JITTER)))
            pause_s = min(_LONGEST_PAUSE_S, 2.0 * pause_s)
            try:
                self.welcome = await self.line.connect()
                for session in list(self._sessions.values()):
                    await session.reopen()
                return
            except LiveBandError as error:
                _log.debug("not yet: %s", error)
                await self.line.close()


def _descriptor(given: int | None) -> int:
    if given is None:
        raise ClientError("internal", "the server handed over no segment")
    return given


def opened_last(sessions: Mapping[str, Any], name: str | None) -> str:
    """The session of a name, or the one that was opened last. Raises ClientError naming those that are open."""
    if name is not None and name not in sessions:
        raise ClientError(
            "unknown_session", f"no session {name[:64]!r}; open: {', '.join(sessions) or 'none'}"
        )
    if not sessions:
        raise ClientError("unknown_session", "no session is open: liveband jam opens one, and a plug-in does")
    return name or list(sessions)[-1]
