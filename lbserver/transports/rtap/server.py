# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's end of that protocol over UDP: chunks in at one port, stems out at another, one prediction at a time.

Nothing is acknowledged but by what is played; what is wrong is logged once and left out. Heard are this user's programs on this
machine, or one peer that is named; whatever name or address of this machine that is, the programs must be this user's.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from lbmodels.contract.accompanist import Accompanist
from lbserver.errors import LiveBandError
from lbserver.host import callers, datagrams
from lbserver.host.giving_way import give_way
from lbserver.transports.rtap import packets
from lbserver.transports.rtap.band import Band, Task
from lbserver.transports.rtap.batches import (
    MOST_CHUNKS,
    RATE_HZ,
    WINDOW_SAMPLES,
    Batch,
    Batches,
    Cursor,
    Recording,
)

log = logging.getLogger(__name__)

RECEIVE_PORT = 7000
REPLY_PORT = 8000
PACKAGE_FLOATS = (128, 16_000)
"""Floats of a chunk; more do not fit a datagram."""
_BUFFER_BYTES = 4 << 20
_PACE_S = 0.002
"""Between two chunks: a client's socket holds ten of them where the system allows it no more."""


@dataclass(frozen=True, kw_only=True)
class RtapConfig:
    """Where to listen and whom to answer. `peer`: the one machine that is heard, None for this one alone.

    `anyone`: all users of this machine are heard, not this one alone.
    """

    port: int = RECEIVE_PORT
    reply_port: int = REPLY_PORT
    peer: str | None = None
    anyone: bool = False


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the client sets: step ratio r, look-ahead w, seconds of fade, floats a chunk, a flag for each stem."""

    ratio: float = 0.25
    look_ahead: int = 1
    fade_s: float = 0.02
    package: int = 5120
    flags: tuple[bool, ...] = (True,)
    verbose: bool = False

    @property
    def is_possible(self) -> bool:
        """Whether the part of the window that is not heard is at most half of it."""
        return (self.look_ahead + 1) * self.ratio <= 0.5

    @property
    def step(self) -> int:
        """Samples of a step, r T."""
        return _whole(WINDOW_SAMPLES * self.ratio)

    @property
    def fade(self) -> int:
        """Samples of the fade, which lies before a step."""
        return _whole(RATE_HZ * self.fade_s)


@dataclass(kw_only=True)
class Counts:
    """What happened since the start, for the log and /print."""

    played: int = 0
    dropped: int = 0
    partial: int = 0
    late: int = 0
    refused: int = 0
    slowest_s: float = 0.0


class RtapServer(asyncio.DatagramProtocol):
    """One listener's conversation. Everything but the model's own work happens on the event loop."""

    def __init__(
        self,
        config: RtapConfig,
        load: Callable[[], Accompanist],
        peers: frozenset[str],
        bound: socket.socket,
    ) -> None:
        self.config, self.counts, self._bound = config, Counts(), bound
        self.address: tuple[str, int] = ("", 0)
        self.settings = self._used = Settings()
        self.tier = ""
        self._load, self._peers = load, peers
        self._hears_here = any(callers.is_here(peer) for peer in peers)
        self._band: Band | None = None
        self._worker = ThreadPoolExecutor(1, "rtap", initializer=give_way)
        self._batches, self._cursor = Batches(), Cursor()
        self._mix = Recording(2 * WINDOW_SAMPLES)
        self._written: tuple[int, int] | None = None
        self._to: str | None = next(iter(peers)) if config.peer else "127.0.0.1"
        self._busy: asyncio.Task[None] | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._warned: set[str] = set()
        self._take = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # no subclass of it in CPython
        self.address = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._hear_from(data, addr)
        for more, sender in datagrams.waiting(
            self._bound
        ):  # a request behind the audio shall not wait for it
            self._hear_from(more, sender)

    def _hear_from(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self._is_heard(addr):
            self.counts.refused += 1
            return
        self._to = addr[0]
        try:
            self._handle(packets.read(data))
        except LiveBandError as error:
            self._warn(str(error))

    def error_received(self, exc: Exception) -> None:
        log.debug("rtap: %s", exc)  # nobody listens at the reply port

    def _is_heard(self, addr: tuple[str, int]) -> bool:
        if callers.is_here(addr[0]):
            return self._hears_here and (self.config.anyone or callers.sent_datagram(addr[1]))
        return addr[0] in self._peers

    def _handle(self, message: packets.Received) -> None:
        name, numbers = message.address, message.leading
        if name == "/context":
            self._hear(message)
        elif name == "/packet_test":
            self._send(packets.write("/packet_test_response", len(message.floats), floats=message.floats))
        elif name == "/predict":
            if (batch := self._batches.give_up()) is not None:
                self._finish(batch, predict=True)
        elif name == "/reset":
            self.reset()
        elif name == "/load_model":
            self.reset()
            if self._band is not None:
                self._send(packets.write_true("/ready"))
        elif name == "/print":
            log.warning(
                "rtap: %s, %s, quality %s, cursor %.3f s",
                self.settings,
                self.counts,
                self.tier or "fixed",
                self._cursor.position / RATE_HZ,
            )
        elif name == "/predict_instruments":
            self._set(flags=tuple(value != 0 for value in message.numbers))
        elif name in ("/update_r", "/w", "/update_fade", "/update_package_size", "/verbose"):
            self._set_number(name, _only(message))
        else:
            raise LiveBandError(f"{name[:64]} is no address of this protocol ({numbers[:3]})")

    def _set_number(self, name: str, value: float) -> None:
        if name == "/update_r" and 0 < value <= 1:
            self._set(ratio=value)
        elif name == "/w" and value in (-1, 0, 1):
            self._set(look_ahead=int(value))
        elif name == "/update_fade" and 0 <= value <= 1:
            self._set(fade_s=value)
        elif name == "/update_package_size" and PACKAGE_FLOATS[0] <= value <= PACKAGE_FLOATS[1]:
            self._set(package=int(value))
        elif name == "/verbose":
            self._set(verbose=value != 0)
        else:
            raise LiveBandError(
                f"{name} {value:g}: accepted are r above 0 to 1, w -1, 0 or 1, a fade of 0 to 1 s, packages of "
                f"{PACKAGE_FLOATS[0]} to {PACKAGE_FLOATS[1]} floats"
            )

    def _set(self, **values: object) -> None:
        self.settings = replace(self.settings, **values)  # type: ignore[arg-type]

    def reset(self) -> None:
        """A client that begins anew: its numbers count from anywhere, nothing is remembered."""
        self._batches.reset()
        self._cursor, self._written = Cursor(), None
        self._mix = Recording(2 * WINDOW_SAMPLES)
        self._take += 1
        self._stop_watchdog()

    def _hear(self, message: packets.Received) -> None:
        if len(message.leading) != 3 or not len(message.floats):
            raise LiveBandError("/context: accepted are batch, start, chunks, then the samples as floats")
        if not all(float(value).is_integer() for value in message.leading):
            raise LiveBandError("/context: batch, start and chunks are whole numbers")
        number, start, total = (int(value) for value in message.leading)
        if not -(1 << 31) <= number < 1 << 31:
            raise LiveBandError("/context: a batch has a number of 32 bits")
        if not 0 <= start <= WINDOW_SAMPLES - len(message.floats) or not 1 <= total <= MOST_CHUNKS:
            raise LiveBandError(
                f"/context: start {start}, chunks {total}: a batch has up to {WINDOW_SAMPLES} samples, {MOST_CHUNKS} chunks"
            )
        done = self._batches.add(number, start, total, message.floats, time.monotonic())
        for batch in done:
            self._finish(batch, predict=batch is done[-1] and batch.number == number)
        self._await_more()

    def _await_more(self) -> None:
        self._stop_watchdog()
        deadline = self._batches.deadline_s
        if deadline is not None:
            wait = max(0.0, deadline - time.monotonic())
            self._watchdog = asyncio.get_running_loop().call_later(wait, self._give_up)

    def _stop_watchdog(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None

    def _give_up(self) -> None:
        batch = self._batches.give_up(time.monotonic())
        if batch is not None:
            self._finish(batch, predict=True)
        self._await_more()

    def _finish(self, batch: Batch, *, predict: bool) -> None:
        """Place a batch's samples; begin a prediction unless one is under way, which is then said."""
        if batch.missing:
            self.counts.partial += 1
            log.info("rtap: batch %d lacks %d of %d chunks", batch.number, batch.missing, batch.total)
        settings = self._settle()
        first = self._cursor.advance(batch, settings.step)
        self._mix.put(first, batch.over(self._mix.get(first, first + batch.samples)))
        if self._mix.end < self._cursor.position:
            self._mix.put(self._cursor.position, np.zeros(0, np.float32))
        if not predict:
            return
        if self._busy is not None or self._band is None:
            self._drop(batch)
            return
        self._busy = asyncio.create_task(self._predict(batch, settings, self._band))

    def _drop(self, batch: Batch) -> None:
        self.counts.dropped += 1
        self._send(packets.write("/batch_dropped", batch.number))

    def _settle(self) -> Settings:
        """The settings in use from this step on: r and w as last wished if they go together, else as they were."""
        if self.settings.is_possible:
            self._used = self.settings
        else:
            self._warn(
                f"r {self.settings.ratio:g} with w {self.settings.look_ahead}: (w + 1) r is at most 0.5; "
                f"r {self._used.ratio:g} and w {self._used.look_ahead} stay"
            )
            kept = {name: getattr(self._used, name) for name in ("ratio", "look_ahead")}
            self._used = replace(self.settings, **kept)
        return self._used

    async def _predict(self, batch: Batch, settings: Settings, band: Band) -> None:
        try:
            begun, take, cursor = time.monotonic(), self._take, self._cursor.position
            stems = self._asked(settings, band)
            start = cursor + settings.look_ahead * settings.step
            end, fade = start + settings.step, settings.fade
            task = Task(
                take=take,
                cursor=cursor,
                start=start - fade,
                end=end,
                ahead_samples=(settings.look_ahead + 1) * settings.step,
                stems=stems,
                mix=self._mix.get(max(0, cursor - WINDOW_SAMPLES), cursor),
            )
            self._check_reach(band, task)
            loop = asyncio.get_running_loop()
            played = await loop.run_in_executor(self._worker, band.play, task) if stems else {}
            if take != self._take:
                return
            begun_by, ended = self._written or (0, 0)
            follows = (
                begun_by == band.takes and start <= ended
            )  # as far as it was given before, it is the same again
            for stem, audio in played.items():
                await self._stream(
                    stem, batch.number, audio if follows else _risen(audio, fade), settings.package
                )
            self._written = (band.takes, max(end, ended) if follows else end)
            took = time.monotonic() - begun
            self.counts.played += 1
            self.counts.slowest_s = max(self.counts.slowest_s, took)
            budget = settings.step / RATE_HZ
            self.counts.late += took > budget
            self._use(band.keep_pace(took, budget))
            if settings.verbose:
                log.warning(
                    "rtap: batch %d played in %.0f ms of %.0f",
                    batch.number,
                    1000 * took,
                    1000 * settings.step / RATE_HZ,
                )
            self._send(packets.write_true("/server_predicted"))
        except LiveBandError as error:
            self._warn(str(error))
            self._drop(batch)
        except Exception:
            log.exception("rtap: a prediction failed")
            self._drop(batch)
        finally:
            self._busy = None

    def _use(self, tier: str) -> None:
        if tier != self.tier:
            log.log(logging.INFO if not self.tier else logging.WARNING, "rtap: quality %s from now on", tier)
            self.tier = tier

    def _asked(self, settings: Settings, band: Band) -> tuple[str, ...]:
        names = band.stem_names()
        wanted = [name for name, flag in zip(names, settings.flags, strict=False) if flag]
        lacking = [name for name in wanted if name not in band.spec.stems]
        if lacking:
            self._warn(f"{band.spec.name} plays no {', '.join(lacking)}")
        return tuple(name for name in wanted if name in band.spec.stems)

    def _check_reach(self, band: Band, task: Task) -> None:
        frames, most = band.anticipation_frames(task.ahead_samples), band.spec.anticipation_frames[1]
        if frames > most:
            frame_s = band.spec.frame_ms / 1000
            self._warn(
                f"{band.spec.name} was made to look {most * frame_s:.2f} s ahead and is asked for {frames * frame_s:.2f} s: "
                "give a smaller r, or expect less"
            )

    async def _stream(self, stem: str, number: int, audio: packets.Floats, package: int) -> None:
        starts = range(0, len(audio), package)
        for index, start in enumerate(starts):
            chunk = audio[start : start + package]
            self._send(packets.write(f"/{stem}", number, index, len(starts), floats=chunk))
            await asyncio.sleep(_PACE_S)  # the mix goes on coming in meanwhile

    def _send(self, data: bytes) -> None:
        if self._transport is None or self._to is None or self._transport.is_closing():
            return
        here = callers.is_here(self._to)
        if here and not self.config.anyone and not callers.sent_datagram(self.config.reply_port):
            return  # nobody listens there, or somebody else
        self._transport.sendto(data, (self._to, self.config.reply_port))

    def _warn(self, text: str) -> None:
        if text not in self._warned and len(self._warned) < 256:
            self._warned.add(text)
            log.warning("rtap: %s", text)

    async def ready(self) -> None:
        """Load the model, and say so."""
        loop = asyncio.get_running_loop()
        accompanist = await loop.run_in_executor(self._worker, self._load)
        self._band = Band(accompanist)
        self._send(packets.write_true("/ready"))

    async def close(self) -> None:
        self._stop_watchdog()
        if self._band is not None:
            self._band.stop()  # the interpreter waits for its thread at its end
        if self._busy is not None:
            self._busy.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._busy
        self._worker.shutdown(wait=False, cancel_futures=True)


def _whole(samples: float) -> int:
    """Samples as the client counts them, whose numbers came as float32: 0.02 s are 882, not 881.99998."""
    return int(samples + 0.01)


def _only(message: packets.Received) -> float:
    if len(message.numbers) != 1:
        raise LiveBandError(f"{message.address}: one number is accepted, got {len(message.numbers)}")
    return message.numbers[0]


def _risen(audio: packets.Floats, fade: int) -> packets.Floats:
    """Audio that follows nothing, its first `fade` samples in the rising half of a cross-fade of equal power."""
    risen = audio.copy()
    risen[:fade] *= np.sin((np.arange(fade) + 0.5) / max(1, fade) * (np.pi / 2)).astype(np.float32)
    return risen


def _addresses(peer: str | None) -> frozenset[str]:
    """Addresses that datagrams of a peer come from. Raises LiveBandError: no such machine."""
    if peer is None:
        return frozenset({"127.0.0.1"})
    try:
        infos = socket.getaddrinfo(peer, None, socket.AF_INET, socket.SOCK_DGRAM)
    except OSError as error:
        raise LiveBandError(f"no address of {peer[:80]!r} is known: {error.strerror or error}") from None
    return frozenset(str(info[4][0]) for info in infos)


@asynccontextmanager
async def rtap_server(config: RtapConfig, load: Callable[[], Accompanist]) -> AsyncIterator[RtapServer]:
    """Serve until the block ends; the model is loaded by then. `load` is called by the thread that will play.

    Raises LiveBandError: the port is taken, the peer unknown, the model cannot be loaded.
    """
    peers = _addresses(config.peer)
    if peers <= {"127.0.0.1"}:
        config = replace(config, peer=None)
    if any(callers.is_here(peer) for peer in peers) and not config.anyone and not callers.are_known():
        raise LiveBandError(
            "this system does not tell whose a datagram is: name the peer, or allow anyone of this machine"
        )
    host = "0.0.0.0" if config.peer else "127.0.0.1"
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            with contextlib.suppress(OSError):
                bound.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
        bound.bind((host, config.port))
    except OSError as error:
        bound.close()
        raise LiveBandError(
            f"cannot listen for rtap on UDP port {config.port} of {host}: {error.strerror or error}; choose another with "
            "--rtap-ports"
        ) from None
    server = RtapServer(config, load, peers, bound)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: server, sock=bound)
    try:
        server._send(packets.write_true("/ready"))
        await server.ready()
        yield server
    finally:
        await server.close()
        transport.close()
