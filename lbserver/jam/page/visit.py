# SPDX-License-Identifier: GPL-3.0-or-later
"""One open page: it says in JSON what it wants, as the tables of the protocol have it, and is told what happens.

A page has a client of its own at the server, and at most one session, which ends with it. Without a server it goes
on looking for one. What steers the session is done in the order it came; another `open`, or `close`, does not wait for
an `open` that takes long, and a page that has gone is noticed meanwhile.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from lbserver import __version__
from lbserver.client.asynchronous import AsyncClient, AsyncSession
from lbserver.client.errors import ClientError
from lbserver.client.start import ensure_server
from lbserver.engine.backends import style_words
from lbserver.errors import LiveBandError
from lbserver.files.documents import read_json
from lbserver.files.plain_json import to_json
from lbserver.host.rundir import find_server
from lbserver.jam.page import monitor
from lbserver.jam.page.blocks import Block, pack, unpack
from lbserver.jam.page.door import Socket
from lbserver.jam.page.players import FilePlayer, LivePlayer, retell
from lbserver.jam.page.recordings import CHANNELS, Handed, Recordings
from lbserver.protocol.controls import CONTROLS
from lbserver.protocol.messages import MessageError
from lbserver.protocol.status import STATUS
from lbserver.session.knowledge import apart

_TELL_S = 0.1
_WATCH_TICKS = 10
_LOOK_S = 0.5
_LIVE_BLOCK = 2048
_MOST_UNSENT_BYTES = 1 << 20
_MOST_NAMES = 9
_MOST_WAITING = 1024
_MOST_EPOCHS = 1 << 32
_FAULT_S = 1.0
_KNOWN = (
    "bpm",
    "first_beat_s",
    "beats_per_bar",
    "chart",
    "chord",
    "key",
    "style",
    "glide_s",
    "classes",
    "injection",
)
_OPEN: Mapping[str, Any] = {
    "stem": str,
    "rate_hz": int,
    "mode": str,
    "anticipation_ms": (int, float),
    "seed": int,
}

Work = Callable[[], Awaitable[None]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PageConfig:
    """`session`: the name of the first page's session; others get a number. `begin`: controls and what is known at
    the start, by name. `model` is for a server that has to be started.
    """

    session: str = "page"
    model: str | None = None
    begin: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Wish:
    """What a page asks to open. `asked` are arguments of `AsyncClient.open`."""

    asked: Mapping[str, Any]
    recording: Handed | None
    epoch: int
    controls: Mapping[str, Any]
    knows: Mapping[str, Any]


class Visit:
    """A page that is open."""

    def __init__(self, socket: Socket, recordings: Recordings, config: PageConfig) -> None:
        self._socket, self._recordings, self._config = socket, recordings, config
        self._client = AsyncClient(program="page")
        self._session: AsyncSession | None = None
        self._player: LivePlayer | FilePlayer | None = None
        self._rendering: asyncio.Task[None] | None = None
        self._known: dict[str, Any] = {}
        self._told_shift = 0
        self._present = False  # whether a server was found
        self._there = False  # whether one is there now
        self._watched = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: asyncio.Queue[Work] = asyncio.Queue(_MOST_WAITING)
        self._opening: asyncio.Task[None] | None = None
        self._wishes = 0  # `open` and `close`, so far

    async def run(self) -> None:
        """Until the page has gone."""
        await self._say(
            type="hello",
            version=__version__,
            controls=[asdict(control) for control in CONTROLS],
            figures=[asdict(figure) for figure in STATUS],
            begin=dict(self._config.begin),
            styles=await asyncio.to_thread(style_words),
            proof=self._socket.proof,
        )
        for work in (self._find, self._tell, self._work):
            self._keep(work)
        try:
            while (message := await self._socket.receive()) is not None:
                if isinstance(message, bytes):
                    await self._tried(partial(self._hear, message))
                else:
                    await self._tried(partial(self._take, message))
        except OSError:
            pass
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._client.close()

    def _keep(self, work: Work) -> asyncio.Task[None]:
        """Do this until it ends, or the visit."""

        async def kept() -> None:
            with contextlib.suppress(ConnectionError):  # the page has gone
                await self._tried(work)

        task = asyncio.create_task(kept())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _tried(self, work: Work) -> bool:
        """Do this; the page is told what went wrong. Whether nothing did. Raises OSError when the page has gone."""
        try:
            await work()
        except (MessageError, LiveBandError, ValueError) as error:
            await self._refuse(error)
        except ConnectionError:
            raise
        except Exception as error:
            log.exception("a fault while seeing to a page")
            await self._say(
                type="error", code="internal", text=f"a fault of the page's program: {error!r}"[:500]
            )
        else:
            return True
        return False

    async def _work(self) -> None:
        """What steers, one after the other."""
        while True:
            await self._tried(await self._waiting.get())

    async def _find(self) -> None:
        """The first server that is there; whether it goes and comes back is the client's business from then on."""
        while not self._present:
            try:
                await self._client.connect()
                self._present = True
                await self._say_model(None)
            except LiveBandError as error:
                log.debug("no server yet: %s", error)
                self._present = False
                await self._client.line.close()
                await asyncio.sleep(_LOOK_S)

    async def _say_model(self, model: str | None) -> None:
        told = await self._client.ask({"type": "describe"} | ({} if model is None else {"model": model}))
        await self._say(**told)

    async def _tell(self) -> None:
        """How it is, ten times a second."""
        tick = 0
        while True:
            well = await self._tried(partial(self._tell_once, look=tick % _WATCH_TICKS == 0))
            tick += 1
            await asyncio.sleep(_TELL_S if well else _FAULT_S)

    async def _tell_once(self, *, look: bool) -> None:
        session = self._session
        status: Mapping[str, Any] = {}
        if session is not None and not session.ring.closed and not session.ring.lost:
            with contextlib.suppress(ClientError):
                status = await session.status()
        if look:
            self._there = await asyncio.to_thread(find_server) is not None
        state = "ready" if self._present and self._there else "no_server"
        if session is not None:
            state = session.state
            await self._follow_shift(session)
        reason = "" if session is None else session.ring.closed or session.ring.lost
        promise = {} if session is None else _promised(session)
        await self._say(type="state", state=state, reason=reason, status=status, promise=promise)
        if self._watched and look:
            await self._say(type="server", **await monitor.seen(self._client))

    async def _follow_shift(self, session: AsyncSession) -> None:
        """What was told of the beat holds for the page's positions: again where the ring began anew."""
        player = self._player
        if isinstance(player, LivePlayer) and player.shift != self._told_shift and not session.ring.lost:
            self._told_shift = player.shift
            with contextlib.suppress(ClientError):
                await retell(session, self._known, player.shift)

    async def _hear(self, data: bytes) -> None:
        block = unpack(data)
        if isinstance(self._player, LivePlayer):
            stem = self._player.take(block)
            if stem is not None and self._socket.unsent_bytes < _MOST_UNSENT_BYTES:
                await self._socket.send(pack(stem))

    async def _take(self, text: str) -> None:
        message = read_json(text)
        if not isinstance(message, dict):
            raise MessageError("a message must be a map with a `type`")
        match message.get("type"):
            case "open":
                self._supersede(partial(self._open, self._wish(message)))
            case "close":
                self._supersede(self._close)
            case "start":
                self._keep(self._start)
            case "watch":
                self._watched = bool(message.get("on"))
            case "more" if isinstance(self._player, FilePlayer):
                self._player.ask_for(_whole(message, "position"))
            case "lag" if isinstance(self._player, LivePlayer):
                self._player.behind_samples = min(max(0, _whole(message, "samples")), 1 << 20)
            case "more" | "lag":
                pass  # the session has just ended
            case "set" | "know" | "keep" | "recall" as kind:
                self._then(partial(self._steer, kind, message))
            case other:
                raise MessageError(f"unknown message {str(other)[:40]!r}")

    def _then(self, work: Work) -> None:
        try:
            self._waiting.put_nowait(work)
        except asyncio.QueueFull:
            raise MessageError(f"{_MOST_WAITING} messages wait already: send fewer") from None

    def _supersede(self, work: Work) -> None:
        """Do this instead of what is being opened, or waits to be."""
        self._wishes += 1
        self._then(partial(self._last_wish, self._wishes, work))
        if self._opening is not None:
            self._opening.cancel()

    async def _last_wish(self, number: int, work: Work) -> None:
        if number != self._wishes:
            return
        task = self._opening = self._keep(work)
        try:
            await asyncio.wait([task])
        finally:
            self._opening = None

    async def _steer(self, kind: str, message: Mapping[str, Any]) -> None:
        session = self._session
        if session is None:
            return  # it has just ended
        match kind:
            case "set":
                await session.set(_text(message, "control"), message.get("value"))  # type: ignore[arg-type]
            case "know":
                known = {name: message[name] for name in _KNOWN if name in message}
                await self._know(session, self._in_ring(session, known), known)
            case "keep":
                await session.keep(_text(message, "name"))
                await self._say(type="kept", name=message["name"])
            case "recall":
                await session.recall(_text(message, "name"))
                await self._say(type="recalled", name=message["name"])

    async def _know(
        self, session: AsyncSession, told: Mapping[str, Any], known: Mapping[str, Any] | None = None
    ) -> None:
        """Tell it; `known` is the same by the page's own clock."""
        await session.know(**told)
        self._known |= told if known is None else known

    def _in_ring(self, session: AsyncSession, known: Mapping[str, Any]) -> dict[str, Any]:
        """What is known, its first beat counted from the ring's beginning and not from the page's."""
        first = known.get("first_beat_s")
        shift = 0 if self._player is None else self._player.shift
        if not isinstance(first, int | float) or not shift:
            return dict(known)
        return {**known, "first_beat_s": first - shift / session.ring.rate_hz}

    def _wish(self, message: Mapping[str, Any]) -> _Wish:
        """Raises MessageError, or LiveBandError: no such recording."""
        asked = {name: message[name] for name, kind in _OPEN.items() if isinstance(message.get(name), kind)}
        recording = self._recordings[message["recording"]] if "recording" in message else None
        if recording is not None:
            asked["rate_hz"] = recording.rate_hz
        if "rate_hz" not in asked:
            raise MessageError("open: rate_hz is missing")
        epoch = _whole(message, "epoch") if "epoch" in message else 0
        if not 0 <= epoch < _MOST_EPOCHS:
            raise MessageError(f"epoch {epoch} is out of range: 0 to {_MOST_EPOCHS - 1}")
        knows = {name: value for name, value in _map(message, "knows").items() if name in _KNOWN}
        return _Wish(
            asked={"stem": "bass", **asked},
            recording=recording,
            epoch=epoch,
            controls=_map(message, "controls"),
            knows=knows,
        )

    async def _open(self, wish: _Wish) -> None:
        await self._close()
        recording = wish.recording
        session = await self._opened(wish.asked, offline=recording is not None)
        self._session, self._known, self._told_shift = session, {}, 0
        try:
            for control, value in wish.controls.items():
                await session.set(str(control), value)
            every, *some = apart(wish.knows)
            if every:
                await self._know(session, every)
            for told in some:  # which not every model takes: it plays then all the same
                await self._tried(partial(self._know, session, told))
            if recording is None:
                self._player = LivePlayer(session, rate_hz=session.ring.rate_hz)
            else:
                self._player = FilePlayer(
                    session, recording, epoch=wish.epoch, known=self._known, tell=self._send
                )
                self._rendering = self._keep(partial(self._render, self._player))
            await self._say(
                type="opened",
                session=session.name,
                epoch=wish.epoch,
                rate_hz=session.ring.rate_hz,
                channels=session.ring.channels,
                frames=None if recording is None else recording.frames,
                **_promised(session),
            )
        except BaseException:
            await self._close()
            raise

    async def _opened(self, wish: Mapping[str, Any], *, offline: bool) -> AsyncSession:
        """The session, under the first name that is free. Raises ClientError."""
        for number in range(1, _MOST_NAMES + 1):
            name = self._config.session if number == 1 else f"{self._config.session}-{number}"
            block = _LIVE_BLOCK if not offline else 4096
            opening = asyncio.ensure_future(
                self._client.open(name=name, channels=CHANNELS, offline=offline, block_samples=block, **wish)
            )
            try:
                return await asyncio.shield(opening)
            except asyncio.CancelledError:
                self._keep(partial(_given_back, opening))  # the server may open it all the same
                raise
            except ClientError as error:
                if error.code != "busy" or number == _MOST_NAMES:
                    raise
        raise AssertionError

    async def _close(self) -> None:
        """End the session. It ends as well when nobody waits for that any more."""
        rendering, self._rendering = self._rendering, None
        session, self._session, self._player = self._session, None, None
        if session is not None:
            await asyncio.wait([self._keep(partial(_ended, session, rendering))])

    async def _render(self, player: FilePlayer) -> None:
        samples = await player.run()
        await self._say(type="rendered", samples=samples)

    async def _send(self, block: Block) -> None:
        await self._socket.send(pack(block))

    async def _start(self) -> None:
        await asyncio.to_thread(ensure_server, model=self._config.model)

    async def _refuse(self, error: Exception) -> None:
        code = error.code if isinstance(error, ClientError) else "bad_message"
        await self._say(type="error", code=code, text=str(error)[:500])

    async def _say(self, **message: Any) -> None:
        await self._socket.send(to_json(message))


async def _ended(session: AsyncSession, rendering: asyncio.Task[None] | None) -> None:
    if rendering is not None:
        rendering.cancel()
        await asyncio.wait([rendering])
    await session.close()


async def _given_back(opening: asyncio.Future[AsyncSession]) -> None:
    """Close a session that nobody waits for any more."""
    with contextlib.suppress(ClientError):
        await (await opening).close()


def _promised(session: AsyncSession) -> dict[str, Any]:
    """Of the epoch that plays now: a server that has come back may have measured itself anew."""
    return asdict(session.ring.promise)


def _whole(message: Mapping[str, Any], name: str) -> int:
    value = message.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MessageError(f"{name} must be a whole number")
    return value


def _map(message: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = message.get(name, {})
    if not isinstance(value, dict):
        raise MessageError(f"{name} must be a map")
    return value


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise MessageError(f"{name} must be a text")
    return value
