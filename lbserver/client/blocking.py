# SPDX-License-Identifier: GPL-3.0-or-later
"""The client for scripts: the same as the one for asyncio, whose loop runs in a thread of its own."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from numpy.typing import ArrayLike

from lbmodels.contract.accompanist import Audio
from lbserver.client.asynchronous import AsyncClient, AsyncSession, AsyncSteering
from lbserver.client.errors import ClientError

_WAIT_S = 30.0
_T = TypeVar("_T")


class Steering:
    """A session of whoever opened it, `liveband jam` or a plug-in, steered and watched from here."""

    def __init__(self, client: "Client", inner: AsyncSteering) -> None:
        self._client, self._steered = client, inner
        self.name = inner.name

    def know(self, **known: float | int | str) -> None:
        """Tell what is known of the music: bpm, first_beat_s, beats_per_bar, chart, chord, key, style, glide_s, classes,
        injection. Raises ClientError.
        """
        self._client.wait_for(self._steered.know(**known))

    def set(self, control: str, value: float | int | str) -> None:
        """Set a control in its own unit, a choice by its word. Raises ClientError naming what is accepted."""
        self._client.wait_for(self._steered.set(control, value))

    def reset(self) -> None:
        """Forget what was heard and played."""
        self._client.wait_for(self._steered.reset())

    def keep(self, name: str) -> None:
        """Keep this moment of the band's memory under a name. Raises ClientError."""
        self._client.wait_for(self._steered.keep(name))

    def recall(self, name: str) -> None:
        """Go on from a kept moment. Raises ClientError: there is none of this name."""
        self._client.wait_for(self._steered.recall(name))

    def status(self) -> dict[str, float | int | str]:
        """Figures by the names of the status table. Raises ClientError."""
        return self._client.wait_for(self._steered.status())

    def cues(self) -> Iterator[tuple[str, float | int | str]]:
        """For ever: what happens in the music when it happens, as (name, value), by the names of OSC's cues: bar, beat, chord,
        section, heard_tempo, heard_beat, heard_chord, quality. Raises ClientError when the session is no more.
        """
        coming = self._steered.cues()
        while True:
            yield self._client.wait_for(_next(coming))


class Session(Steering):
    """An open session; made by `Client.open`. Audio calls are for one thread at a time."""

    def __init__(self, client: "Client", inner: AsyncSession) -> None:
        super().__init__(client, inner)
        self._inner = inner

    @property
    def latency_samples(self) -> int:
        """L: by how much what `exchange` returns lags what it was given. `play` has taken it out."""
        return self._inner.latency_samples

    @property
    def anticipation_ms(self) -> float:
        """How far ahead of what it heard the band writes."""
        return self._inner.anticipation_ms

    @property
    def recency_gap_ms(self) -> float:
        """Age of the newest heard sample when a frame starts to sound."""
        return self._inner.recency_gap_ms

    @property
    def state(self) -> str:
        """As in the status table; `lost` while there is no server."""
        return self._inner.state

    def exchange(self, block: ArrayLike) -> Audio:
        """The next mix samples [C, T] for the stem [S, T] to be heard with them, L behind. A live session never
        waits, whatever the server does; an offline one waits for the stem.

        Raises ClientError for audio of another shape; offline also when the server gives nothing for 30 s.
        """
        return self._inner.ring.exchange(block, timeout_s=_WAIT_S)

    def play(self, mix: ArrayLike, *, timeout_s: float = _WAIT_S) -> Audio:
        """A whole mix [C, T] for its stem [S, T], aligned to the sample, as fast as the machine can.

        Raises ClientError: not opened with offline=True, or the server gave nothing for `timeout_s`.
        """
        return self._inner.ring.play(mix, timeout_s=timeout_s)

    def close(self) -> None:
        """End the session. Idempotent, and no error when the server is gone."""
        self._client.wait_for(self._inner.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()


class Client:
    """A connection to a server: the one of this user, or with an address `tcp://host:port` one elsewhere, which
    off this machine needs `server_key` (the server's public key) and `own_key` (a secret key file of ours).

    Connected when it is made. Use as `with Client() as client`.
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

        Raises ClientError: no server (it says what to type), another version, not let in.
        """
        self._inner = AsyncClient(
            address,
            server_key=server_key,
            own_key=own_key,
            run=run,
            start=start,
            model=model,
            program=program,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="liveband-client", daemon=True)
        self._thread.start()
        try:
            self.wait_for(self._inner.connect())
        except BaseException:
            self.close()
            raise

    def open(
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
    ) -> Session:
        """Open a session: `mode` is live, aligned, bounce or manual, by default bounce if `offline` and else live.

        `block_samples` is the longest block that is handed over at once. Raises ClientError naming what is accepted.
        """
        opened = self._inner.open(
            stem=stem,
            rate_hz=rate_hz,
            channels=channels,
            block_samples=block_samples,
            mode=mode,
            anticipation_ms=anticipation_ms,
            offline=offline,
            seed=seed,
            model=model,
            name=name,
        )
        return Session(self, self.wait_for(opened))

    def attach(self, name: str | None = None) -> Steering:
        """A session that somebody else opened, by default the one that was opened last. Raises ClientError: there is none."""
        return Steering(self, self.wait_for(self._inner.attach(name)))

    def sessions(self) -> dict[str, dict[str, float | int | str]]:
        """Figures of every session of the server, by name. Raises ClientError."""
        return self.wait_for(self._inner.sessions())

    @property
    def server(self) -> str:
        """Name and version of the server."""
        return str(self._inner.welcome.get("server", ""))

    @property
    def model(self) -> str:
        """The model that plays."""
        return str(self._inner.welcome.get("model", ""))

    def wait_for(self, work: Coroutine[Any, Any, _T]) -> _T:
        """The result of something that runs on the client's loop."""
        if self._loop.is_closed():
            work.close()
            raise ClientError("unknown_session", "this client is closed")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Close every session and hang up. Idempotent."""
        if self._loop.is_closed():
            return
        try:
            self.wait_for(self._inner.close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()


async def _next(coming: AsyncIterator[_T]) -> _T:
    return await anext(coming)
