# SPDX-License-Identifier: GPL-3.0-or-later
"""Tempo and beat from Ableton Link, if the extra `link` (aalink) is installed and it is asked for.

We listen only: the tempo is never changed from here. Without another Link peer nothing is told to the band.
"""

import asyncio
import importlib
import logging
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from lbserver.errors import LiveBandError
from lbserver.host.logs import fields
from lbserver.hub.hub import HubError, Peer
from lbserver.music.room_beat import RoomBeat
from lbserver.protocol.ranges import RANGES

log = logging.getLogger(__name__)

MIN_BPM, MAX_BPM = RANGES["bpm"].minimum, RANGES["bpm"].maximum
_SETTLE_S = 0.6  # a Link that is enabled at once may impose its own tempo on the others (aalink issue 7)
_STILL_TRUE_S = 0.001
_POLL_S = 0.1
_SEEN = 40  # looks at a session's position from which its pace is told
_TOLERANCE_S = 0.005
_UNTOLD = Peer(kind="link", identity="link", trusted=True)


class LinkClock:
    """A Link session heard from here: where its beat is, on the clock `time.perf_counter`."""

    def __init__(self, link: Any, beats_per_bar: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._link, self._clock = link, clock
        self._beats_per_bar = beats_per_bar
        self._last: RoomBeat | None = None
        link.quantum = float(beats_per_bar)

    @property
    def peers(self) -> int:
        """Other programs in the Link session."""
        return int(self._link.num_peers)

    def beat(self) -> RoomBeat | None:
        """The beat now; the same value as before while that still holds. None without peers."""
        now_s, quarters, phase, bpm = (
            self._clock(),
            float(self._link.beat),
            float(self._link.phase),
            float(self._link.tempo),
        )
        if not self.peers or not MIN_BPM <= bpm <= MAX_BPM:
            self._last = None
            return None
        # The bar begins where Link's phase is 0.
        bar = round((quarters - phase) / self._beats_per_bar) * self._beats_per_bar
        beat = RoomBeat(bpm=bpm, at_s=now_s, quarters=bar + phase, beats_per_bar=self._beats_per_bar)
        last = self._last
        if last is not None and last.bpm == bpm:
            apart = (last.quarters_at(now_s) - beat.quarters) % self._beats_per_bar
            if min(apart, self._beats_per_bar - apart) * 60.0 / bpm < _STILL_TRUE_S:
                return last
        self._last = beat
        return beat

    def describe(self) -> str:
        """For people."""
        if not self.peers:
            return "Link: nobody else is there"
        return f"Link: {self.peers} peer{'s' if self.peers > 1 else ''}, {float(self._link.tempo):.1f} bpm"


@contextmanager
def open_link(beats_per_bar: int = 4) -> Iterator[LinkClock]:
    """Join the Link session of the network. Raises LiveBandError when aalink is not installed."""
    loop = asyncio.new_event_loop()
    link = loop.run_until_complete(_join())
    try:
        time.sleep(_SETTLE_S)
        link.enabled = True
        yield LinkClock(link, beats_per_bar)
    finally:
        link.enabled = False
        loop.close()


@dataclass(frozen=True, kw_only=True)
class LinkConfig:
    """Which sessions follow Link: those named, or for None all whose host does not tell a tempo of its own."""

    sessions: frozenset[str] | None = None
    beats_per_bar: int = 4


class Conducted(Protocol):
    """The part of the hub that is used."""

    def sessions(self) -> Mapping[str, Mapping[str, float | int | str]]:
        """Figures of every session by name."""
        ...

    async def know(self, request: Mapping[str, Any], *, peer: Peer) -> None:
        """What is known of the music."""
        ...


@dataclass
class _Pace:
    """What was seen of one session: its epoch's time less ours, look by look; and what it was told."""

    epoch: int
    leads_s: deque[float] = field(default_factory=lambda: deque(maxlen=_SEEN))
    bpm: float = 0.0
    before_bpm: float = 0.0  # what the status may still show
    first_beat_s: float = math.nan


class Conductor:
    """Tells sessions where Link's beat is, in the time of their epochs; again when it is no longer true."""

    def __init__(self, hub: Conducted, config: LinkConfig) -> None:
        self._hub, self._config = hub, config
        self._paces: dict[str, _Pace] = {}

    async def conduct(self, beat: RoomBeat | None, now_s: float) -> None:
        """One look at all sessions. `now_s` is on the beat's clock."""
        sessions = self._hub.sessions()
        self._paces = {name: pace for name, pace in self._paces.items() if name in sessions}
        for name, status in sessions.items():
            try:
                await self._lead(name, status, beat, now_s)
            except (KeyError, TypeError, ValueError, ArithmeticError):
                log.exception("a session cannot follow Link", extra=fields(session=name))

    async def _lead(
        self, name: str, status: Mapping[str, float | int | str], beat: RoomBeat | None, now_s: float
    ) -> None:
        pace = self._pace(name, status, now_s)
        if pace is None:
            return
        if beat is not None:
            await self._tell(name, pace, beat)
        elif pace.bpm:
            pace.bpm, pace.first_beat_s = 0.0, math.nan
            await self._know({"session": name, "bpm": 0.0})

    def _pace(self, name: str, status: Mapping[str, float | int | str], now_s: float) -> _Pace | None:
        """The session's pace, None if it does not follow, or does not run yet."""
        if self._config.sessions is not None and name not in self._config.sessions:
            return None
        epoch, position, rate_hz = (int(status[key]) for key in ("epoch", "position", "rate_hz"))
        pace = self._paces.get(name)
        if self._config.sessions is None and not _is_ours(float(status["tempo"]), pace):
            self._paces.pop(name, None)
            return None
        if pace is None or pace.epoch != epoch:
            pace = self._paces[name] = _Pace(epoch=epoch)
        if not position:
            return None
        pace.leads_s.append(position / rate_hz - now_s)
        return pace

    async def _tell(self, name: str, pace: _Pace, beat: RoomBeat) -> None:
        # A position is seen up to a block late, never early: the greatest lead is the true one.
        lead_s = max(pace.leads_s)
        bar_s = beat.beats_per_bar * 60.0 / beat.bpm
        first_beat_s = (beat.at_s - beat.quarters * 60.0 / beat.bpm + lead_s) % bar_s
        apart_s = (first_beat_s - pace.first_beat_s) % bar_s
        if beat.bpm == pace.bpm and min(apart_s, bar_s - apart_s) < _TOLERANCE_S:
            return
        pace.before_bpm, pace.bpm, pace.first_beat_s = pace.bpm, beat.bpm, first_beat_s
        told = {"bpm": beat.bpm, "first_beat_s": first_beat_s, "beats_per_bar": beat.beats_per_bar}
        await self._know({"session": name, **told})

    async def _know(self, request: dict[str, Any]) -> None:
        try:
            await self._hub.know({"type": "know", **request}, peer=_UNTOLD)
        except HubError as error:
            log.info("a session does not follow Link: %s", error, extra=fields(session=request["session"]))


def _is_ours(tempo: float, pace: _Pace | None) -> bool:
    """Whether the tempo that a session knows is none, or the one that we told it."""
    told = () if pace is None else (pace.bpm, pace.before_bpm)
    return math.isnan(tempo) or any(bpm > 0 and abs(tempo - bpm) < 0.01 for bpm in told)


@asynccontextmanager
async def ableton_link(hub: Conducted, config: LinkConfig) -> AsyncIterator[LinkClock]:
    """Have sessions follow Link until the block ends. Raises LiveBandError when aalink is not installed."""
    link = await _join()
    await asyncio.sleep(_SETTLE_S)
    link.enabled = True
    clock = LinkClock(link, config.beats_per_bar)
    task = asyncio.create_task(_follow(clock, Conductor(hub, config)))
    try:
        yield clock
    finally:
        link.enabled = False
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _follow(clock: LinkClock, conductor: Conductor) -> None:
    while True:
        try:
            await conductor.conduct(clock.beat(), time.perf_counter())
        except Exception:
            log.exception("a fault while following Link")
        await asyncio.sleep(_POLL_S)


async def _join() -> Any:
    """A Link that is not enabled yet; it wants a running loop, and keeps it for what we do not use."""
    try:
        aalink = importlib.import_module("aalink")
    except ImportError:
        raise LiveBandError("Ableton Link needs the package aalink: pip install 'liveband[link]'") from None
    return aalink.Link(120.0)
