# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings that the page hands over: kept in a folder of their own until the page's server ends, the newest few."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lbmodels.contract.accompanist import Audio
from lbserver.audio.channels import sounding, to_channels
from lbserver.audio.reading import AudioReader
from lbserver.errors import LiveBandError

LARGEST_BYTES = 2 << 30
CHANNELS = 2
_MOST_KEPT = 4


@dataclass(frozen=True, kw_only=True)
class Handed:
    """One recording. `frames` is None where its header does not say; `heard` are the channels that sound, of many."""

    number: int
    path: Path
    rate_hz: int
    channels: int
    frames: int | None
    heard: tuple[int, ...] | None

    def blocks(self, samples: int) -> Iterator[Audio]:
        """What the band hears, [2, T], as a bounce has it. Raises LiveBandError where it is damaged."""
        with AudioReader(self.path) as reader:
            for block in reader.blocks(samples):
                yield to_channels(block if self.heard is None else block[list(self.heard)], CHANNELS)


class Recordings:
    """The recordings of one run, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._kept: dict[int, Handed] = {}

    def __getitem__(self, number: object) -> Handed:
        """Raises LiveBandError: there is none of this number."""
        kept = self._kept.get(number) if isinstance(number, int) else None
        if kept is None:
            raise LiveBandError("this recording is not here any more: choose the file again")
        return kept

    async def take(self, pieces: AsyncIterator[bytes]) -> Mapping[str, object]:
        """Keep one, and what the page is told of it. Raises LiveBandError: too large, no room, or no recording."""
        number = next(self._numbers)
        path = self._folder / f"recording-{number}"
        try:
            length = 0
            with path.open("xb") as file:
                async for piece in pieces:
                    length += len(piece)
                    if length > LARGEST_BYTES:
                        raise LiveBandError(f"the recording is larger than {LARGEST_BYTES >> 30} GiB")
                    file.write(piece)
            handed = await asyncio.to_thread(_looked_at, number, path)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise LiveBandError(f"the recording cannot be kept: {error.strerror or error}") from None
            if isinstance(error, LiveBandError):
                raise LiveBandError(str(error).replace(str(path), "the file")) from None
            raise
        self._kept[number] = handed
        for old in sorted(self._kept)[:-_MOST_KEPT]:
            self._kept.pop(old).path.unlink(missing_ok=True)
        return {
            "recording": number,
            "rate_hz": handed.rate_hz,
            "channels": handed.channels,
            "frames": handed.frames,
        }


def _looked_at(number: int, path: Path) -> Handed:
    with AudioReader(path) as reader:
        heard = sounding(reader.blocks(), reader.channels) if reader.channels > CHANNELS else None
        return Handed(
            number=number,
            path=path,
            rate_hz=reader.rate_hz,
            channels=reader.channels,
            frames=reader.frames,
            heard=None if heard is None else tuple(heard),
        )
