# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings that the page hands over: kept in a folder of their own until the page's server ends, the newest few.

One is taken at a time, so that the folder never holds more than those that are kept and one that is on its way.
"""

import asyncio
import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lbmodels.contract.accompanist import Audio
from lbserver.audio.channels import sounding, to_channels
from lbserver.audio.reading import AudioReader
from lbserver.errors import LiveBandError
from lbserver.files.locks import seize

LARGEST_BYTES = 2 << 30
CHANNELS = 2
_MOST_KEPT = 4
_SPARE_BYTES = 64 << 20  # left to others of the file system
_PREFIX = "liveband-page-"
_MADE_S = 60.0  # until a new folder is locked, at most


@dataclass(frozen=True, kw_only=True)
class Handed:
    """One recording. `frames` is None where its header does not say; `heard` are the channels that sound, of many."""

    number: int
    path: Path
    size_bytes: int
    rate_hz: int
    channels: int
    frames: int | None
    heard: tuple[int, ...] | None

    def blocks(self, samples: int) -> Iterator[Audio]:
        """What the band hears, [2, T], as a bounce has it. Raises LiveBandError where it is damaged."""
        with AudioReader(self.path) as reader:
            for block in reader.blocks(samples):
                yield to_channels(block if self.heard is None else block[list(self.heard)], CHANNELS)


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """A folder until the block ends. Those of programs that were killed are removed: nobody holds their lock."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name, _locked(folder := Path(name)):
        made_s = folder.stat().st_mtime
        for left in folder.parent.glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError):
                about = left.lstat()
                if about.st_uid == os.geteuid() and made_s - about.st_mtime > _MADE_S:
                    with _locked(left):
                        shutil.rmtree(left)
        yield folder


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Raises OSError where somebody holds it, or it is no folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        seize(descriptor)
        yield
    finally:
        os.close(descriptor)


class Recordings:
    """The recordings of one run, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._kept: dict[int, Handed] = {}
        self._taking = asyncio.Lock()

    def __getitem__(self, number: object) -> Handed:
        """Raises LiveBandError: there is none of this number."""
        kept = self._kept.get(number) if isinstance(number, int) else None
        if kept is None:
            raise LiveBandError("this recording is not here any more: choose the file again")
        return kept

    async def take(self, pieces: AsyncIterator[bytes]) -> Mapping[str, object]:
        """Keep one, and what the page is told of it. Raises LiveBandError: too large, no room, or no recording."""
        async with self._taking:
            return await self._take(pieces)

    async def _take(self, pieces: AsyncIterator[bytes]) -> Mapping[str, object]:
        number = next(self._numbers)
        path = self._folder / f"recording-{number}"
        try:
            length = 0
            with path.open("xb", buffering=0) as file:
                async for piece in pieces:
                    length += len(piece)
                    if length > LARGEST_BYTES:
                        raise LiveBandError(f"the recording is larger than {LARGEST_BYTES >> 30} GiB")
                    await asyncio.to_thread(self._write, file, piece)
            handed = await asyncio.to_thread(_looked_at, number, path)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise LiveBandError(f"the recording cannot be kept: {error.strerror or error}") from None
            if isinstance(error, LiveBandError):
                raise LiveBandError(str(error).replace(str(path), "the file")) from None
            raise
        self._kept[number] = handed
        await asyncio.to_thread(self._forget)
        return {
            "recording": number,
            "rate_hz": handed.rate_hz,
            "channels": handed.channels,
            "frames": handed.frames,
        }

    def _write(self, file: BinaryIO, piece: bytes) -> None:
        if shutil.disk_usage(self._folder).free < len(piece) + _SPARE_BYTES:
            raise LiveBandError(f"the recording cannot be kept: {self._folder.parent} has no room for it")
        rest = memoryview(piece)
        while rest:
            rest = rest[file.write(rest) :]

    def _forget(self) -> None:
        """All but the newest few, and no more of them than one may be large."""
        size_bytes = 0
        for place, number in enumerate(sorted(self._kept, reverse=True)):
            size_bytes += self._kept[number].size_bytes
            if place >= _MOST_KEPT or size_bytes > LARGEST_BYTES:
                self._kept.pop(number).path.unlink(missing_ok=True)


def _looked_at(number: int, path: Path) -> Handed:
    with AudioReader(path) as reader:
        heard = sounding(reader.blocks(), reader.channels) if reader.channels > CHANNELS else None
        return Handed(
            number=number,
            path=path,
            size_bytes=path.stat().st_size,
            rate_hz=reader.rate_hz,
            channels=reader.channels,
            frames=reader.frames,
            heard=None if heard is None else tuple(heard),
        )
