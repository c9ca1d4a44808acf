# SPDX-License-Identifier: GPL-3.0-or-later
"""Audio that libsndfile does not read (M4A, WebM, WMA ...), by FFmpeg's libraries: the extra `formats`.

FFmpeg is told what it reads, and gets the bytes, never a name: its playlists and addresses lead nowhere from here.
"""

import importlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


class DecodingError(ValueError):
    """What FFmpeg says of a file; `position` is the first sample that it could not decode."""

    def __init__(self, text: str, position: int = 0) -> None:
        super().__init__(text)
        self.position = position


class Decoder:
    """The first audio stream of an open file. `length_s` is what its header says, None if it does not say."""

    def __init__(self, file: BinaryIO, demuxer: str) -> None:
        """Raises ModuleNotFoundError without the extra, DecodingError for what is no such file."""
        self._av: Any = importlib.import_module("av")
        try:
            self._container = self._av.open(file, mode="r", format=demuxer, metadata_errors="ignore")
        except (self._av.error.FFmpegError, ValueError) as error:
            raise DecodingError(_words(error)) from error
        if not self._container.streams.audio:
            self.close()
            raise DecodingError("it holds no audio")
        self._stream = self._container.streams.audio[0]
        self.rate_hz = int(self._stream.rate or 0)
        self.channels = int(self._stream.channels or 0)
        self.position = 0
        self._left: NDArray[np.float32] = np.zeros((0, max(1, self.channels)), np.float32)
        self._frames = self._decoded()

    @property
    def length_s(self) -> float | None:
        stream, container = self._stream, self._container
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        return None if container.duration is None else container.duration / 1e6

    def read(self, count: int) -> NDArray[np.float32]:
        """The next samples [T, C], at most `count`; none at the end. Raises DecodingError."""
        while not len(self._left):
            try:
                self._left = next(self._frames)
            except StopIteration:
                break
            except (self._av.error.FFmpegError, ValueError) as error:
                raise DecodingError(_words(error), self.position) from error
        taken, self._left = self._left[:count], self._left[count:]
        self.position += len(taken)
        return taken

    def close(self) -> None:
        self._container.close()

    def _decoded(self) -> Iterator[NDArray[np.float32]]:
        into = self._av.AudioResampler(format="flt", layout=self._stream.layout, rate=self.rate_hz)
        for frame in self._container.decode(self._stream):
            for plain in into.resample(frame):
                yield plain.to_ndarray().reshape(-1, self.channels)


def _words(error: BaseException) -> str:
    text = str(getattr(error, "strerror", None) or error) or type(error).__name__
    return " ".join(text.split()).lower()
