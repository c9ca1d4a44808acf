# SPDX-License-Identifier: GPL-3.0-or-later
"""A session's audio for one page: what is played live, in time; and a recording, which waits for the page.

Positions are the page's: samples since it began an epoch. Those of the ring differ when the ring had to begin anew
in between, and then what was told of the beat is told again, for the new beginning.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np

from lbmodels.contract.accompanist import Audio
from lbserver.client.asynchronous import AsyncSession
from lbserver.client.errors import ClientError
from lbserver.jam.page.blocks import MIX, STEM, Block
from lbserver.jam.page.recordings import CHANNELS, Handed
from lbserver.protocol.messages import MessageError
from lbserver.session.knowledge import apart

FILE_BLOCK = 4096
_LONGEST_GAP_S = (
    0.5  # in what the page sends: below it is silence, above it, or as far back, the band begins anew
)
_STEM_S = 30.0
_LOOK_S = 0.1


class LivePlayer:
    """What a microphone hears, block by block."""

    def __init__(self, session: AsyncSession, *, rate_hz: int) -> None:
        self.session = session
        self.behind_samples = rate_hz  # until the page has measured its lag
        self.shift = 0  # page's position of the ring's first sample
        self._longest_gap = round(_LONGEST_GAP_S * rate_hz)
        self._epoch, self._next = -1, 0

    def take(self, block: Block) -> Block | None:
        """The stem that is there by now; None if there is none. Raises MessageError for another shape."""
        ring, audio = self.session.ring, block.audio
        if audio.shape[0] != ring.channels:
            raise MessageError(f"a block of {audio.shape[0]} channels: the session has {ring.channels}")
        if block.epoch != self._epoch:
            if self._epoch >= 0:
                ring.begin_epoch()
            self._epoch, self._next = block.epoch, block.position
        gap = block.position - self._next
        if abs(gap) > self._longest_gap:
            ring.begin_epoch()
        elif gap < 0:
            audio = audio[:, -gap:]
        elif gap:
            audio = np.concatenate((np.zeros((ring.channels, gap), np.float32), audio), axis=-1)
        position = self._next if abs(gap) <= self._longest_gap else block.position
        self._next = position + audio.shape[-1]
        pieces: list[Audio] = []
        begin = 0
        for at in range(0, audio.shape[-1], ring.block_samples):
            piece = audio[:, at : at + ring.block_samples]
            offset, stem = ring.follow(piece, behind_samples=self.behind_samples)
            begin = begin if pieces else position + at + offset
            pieces += [stem] if stem.shape[-1] else []
        self.shift = self._next - ring.position
        if not pieces:
            return None
        return Block(kind=STEM, epoch=block.epoch, position=begin, audio=np.concatenate(pieces, axis=-1))


class FilePlayer:
    """A recording, rendered as a bounce is, no farther than the page has asked for."""

    def __init__(
        self,
        session: AsyncSession,
        recording: Handed,
        *,
        epoch: int,
        known: Mapping[str, Any],
        tell: Callable[[Block], Awaitable[None]],
    ) -> None:
        self.session = session
        self.shift = 0
        self._recording, self._epoch, self._known, self._tell = recording, epoch, known, tell
        self._wanted = 0
        self._more = asyncio.Event()

    def ask_for(self, position: int) -> None:
        """The page has room up to here."""
        self._wanted = max(self._wanted, position)
        self._more.set()

    async def run(self) -> int:
        """All of it; returns its length. Raises LiveBandError: the recording is damaged, or the session ended."""
        blocks = self._recording.blocks(FILE_BLOCK)
        position = 0
        while (block := await asyncio.to_thread(next, blocks, None)) is not None:
            while self._wanted <= position:
                self._more.clear()
                await self._more.wait()
            await self._tell(Block(kind=MIX, epoch=self._epoch, position=position, audio=block))
            await self._answered(block, position)
            position += block.shape[-1]
        latency = self.session.latency_samples
        if latency:
            await self._answered(np.zeros((CHANNELS, latency), np.float32), position, until=position)
        return position

    async def _answered(self, block: Audio, position: int, *, until: int | None = None) -> None:
        """The stem of L behind this block, to the page. After the server was lost it begins anew at this block."""
        ring = self.session.ring
        while True:
            try:
                stem = await asyncio.to_thread(ring.exchange, block, timeout_s=_STEM_S)
                break
            except ClientError:
                if ring.closed:
                    raise
            while ring.lost:
                await asyncio.sleep(_LOOK_S)
            if ring.position:
                ring.begin_epoch()
            self.shift = position
            await retell(self.session, self._known, self.shift)
        begin = position - self.session.latency_samples
        silent = max(0, self.shift - begin)
        stem = stem[:, silent:]
        if until is not None:
            stem = stem[:, : max(0, until - begin - silent)]
        if stem.shape[-1]:
            await self._tell(Block(kind=STEM, epoch=self._epoch, position=begin + silent, audio=stem))


async def retell(session: AsyncSession, known: Mapping[str, Any], shift: int) -> None:
    """Tell of the music again, for a ring that began at the page's position `shift`. Raises ClientError."""
    first_beat_s = known.get("first_beat_s")
    if first_beat_s is not None:
        await session.know(**{**apart(known)[0], "first_beat_s": first_beat_s - shift / session.ring.rate_hz})
