# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings as streams of blocks, in bounded memory: from files and pipes, of many formats, whole or refused."""

import contextlib
import io
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Audio
from lbserver.audio.decoding import Decoder, DecodingError
from lbserver.audio.headers import (
    READ,
    READ_WITH_EXTRA,
    Kind,
    asf_length_s,
    body_of,
    counts_its_frames,
    is_closed_ogg,
    kind_of,
)
from lbserver.errors import LiveBandError
from lbserver.files.paths import reason
from lbserver.host import extras

BLOCK_SAMPLES = 65536
MOST_CHANNELS = 32
LEAST_RATE_HZ, MOST_RATE_HZ = 1000, 1_000_000
STANDARD_INPUT = Path("-")
_UNKNOWN_FRAMES = 1 << 62  # libsndfile says 2^63 - 1 where a header does not know
_STEPS_PER_S = 100  # a place of damage is known to 10 ms
_SLACK_S = (
    0.25  # containers tell their length in coarse units, and count what an encoder put before and behind
)
_SPOOL_BYTES = 1 << 20
_MP3_FRAME = 1152


class Recording:
    """An input that is open, whatever it was named: a file, a named pipe, or `-` for standard input.

    What comes through a pipe is kept in a file without a name until this is closed.
    """

    def __init__(self, path: Path) -> None:
        """Raises LiveBandError: missing, unreadable, a folder, a terminal, or a pipe that does not fit the disk."""
        self.path = path
        self.descriptor = _open(path)
        try:
            self._origin = os.fstat(self.descriptor)
            if not stat.S_ISREG(self._origin.st_mode):
                self.descriptor = _spooled(self.descriptor, path)
            self.size = os.fstat(self.descriptor).st_size
            if self.size == 0:
                raise LiveBandError(f"{path} is empty: it has 0 bytes")
        except BaseException:
            os.close(self.descriptor)
            raise

    def look(self, position: int, count: int) -> bytes:
        """Bytes from a position on, fewer at the end and none beyond, wherever a damaged header points."""
        return os.pread(self.descriptor, count, position) if 0 <= position < self.size else b""

    def is_at(self, path: Path) -> bool:
        """Whether that name means the file that is read, also where this came by redirection."""
        return path.exists() and os.path.samestat(self._origin, path.stat())

    def close(self) -> None:
        """Idempotent."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AudioReader:
    """A recording of 1 to 32 channels at any rate; use with `with`.

    Reads what libsndfile reads (WAV, FLAC, OGG, MP3, AIFF and more), and what FFmpeg reads where the extra
    `formats` is installed. `frames` is what the header says, None if it does not know; `blocks` gives exactly so
    many samples, or raises.
    """

    def __init__(self, source: Path | Recording) -> None:
        """Raises LiveBandError: missing, unreadable, not audio, damaged, cut short, empty, or too many channels."""
        with contextlib.ExitStack() as stack:
            recording = stack.enter_context(Recording(source)) if isinstance(source, Path) else source
            self.path, self.is_at = recording.path, recording.is_at
            self._source = _opened(recording)
            stack.callback(self._source.close)
            self.rate_hz, self.channels = self._source.rate_hz, self._source.channels
            self.frames = self._source.frames
            if not 1 <= self.channels <= MOST_CHANNELS:
                raise LiveBandError(
                    f"{self.path} has {self.channels} channels; accepted are 1 to {MOST_CHANNELS} (more than 2 "
                    "are averaged): export a stereo mix"
                )
            if not LEAST_RATE_HZ <= self.rate_hz <= MOST_RATE_HZ:
                raise LiveBandError(
                    f"{self.path} says {self.rate_hz} Hz; accepted are {LEAST_RATE_HZ} to {MOST_RATE_HZ} Hz"
                )
            if self.frames == 0:
                raise LiveBandError(f"{self.path} has 0 samples: there is nothing to play along to")
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def blocks(self, size: int = BLOCK_SAMPLES) -> Iterator[Audio]:
        """Blocks [C, T] from the start. Raises LiveBandError at the first sample that is not a finite number, and
        where the recording is damaged or ends before its header said, naming the place.
        """
        position = 0
        step = max(1, self.rate_hz // _STEPS_PER_S)
        ended = False
        while not ended:
            parts: list[NDArray[np.float32]] = []
            room = size
            while room:
                part = self._source.read(min(room, step))
                if not len(part):
                    ended = True
                    break
                parts.append(part)
                room -= len(part)
            if parts:
                block = np.concatenate(parts)
                self._check_finite(block, position)
                position += len(block)
                yield np.ascontiguousarray(block.T)
        self._source.check_end(position)
        if position == 0:
            raise LiveBandError(f"{self.path} has 0 samples: there is nothing to play along to")

    def _check_finite(self, block: NDArray[np.float32], position: int) -> None:
        bad = ~np.isfinite(block)
        if bad.any():
            sample, channel = (int(i) for i in np.argwhere(bad)[0])
            raise LiveBandError(
                f"{self.path} has a sample that is not a number (NaN or infinite) at "
                f"{(position + sample) / self.rate_hz:.6f} s (sample {position + sample}, channel {channel + 1})"
            )


class _Source(Protocol):
    rate_hz: int
    channels: int
    frames: int | None

    def read(self, count: int) -> NDArray[np.float32]: ...

    def check_end(self, position: int) -> None: ...

    def close(self) -> None: ...


class _Sndfile:
    """A recording through libsndfile. Its own calls, because soundfile's seek after each read, which loses the
    samples before a fault, and all of a FLAC stream without a length.
    """

    def __init__(self, recording: Recording, kind: Kind | None) -> None:
        """Raises SoundFileError for what it cannot read, LiveBandError for what is cut short."""
        self._name, self._kind = recording.path, kind
        body = body_of(recording.look, recording.size)
        os.lseek(recording.descriptor, 0, os.SEEK_SET)
        if body is not None and (body.declared is None or body.declared > body.held):
            self._file = soundfile.SoundFile(_Mended(recording, *body.mended()))
        else:
            self._file = soundfile.SoundFile(recording.descriptor, closefd=False)
        self.rate_hz, self.channels = int(self._file.samplerate), int(self._file.channels)
        frames = int(self._file.frames)
        known = frames < _UNKNOWN_FRAMES
        if kind is not None and kind.name == "MP3":
            known = counts_its_frames(recording.look)
        self.frames: int | None = frames if known else None
        if body is not None and body.declared is not None:
            if body.declared - body.held >= max(1, body.held // max(1, frames)):
                said = f"{body.declared} bytes of audio, there are {body.held}"
                if frames and self.rate_hz:
                    held_s = frames / self.rate_hz
                    said = f"{held_s * body.declared / body.held:.3f} s, it holds {held_s:.3f} s"
                raise LiveBandError(f"{recording.path} is cut short: its header promises {said}")
            if body.goes_on and frames and self.rate_hz:
                told_s = frames / self.rate_hz
                raise LiveBandError(
                    f"{recording.path} holds {told_s * body.held / body.declared:.3f} s, its header counts "
                    f"{told_s:.3f} s, as when a recorder is stopped; mend it: ffmpeg -ignore_length 1 -i IN.wav OUT.wav"
                )
            if body.held - body.declared >= 1 << 32:
                raise LiveBandError(
                    f"{recording.path} is longer than its header can count (4 GiB): save it as RF64, W64 or FLAC"
                )
        if self._file.format == "OGG" and not is_closed_ogg(recording.look, recording.size):
            raise LiveBandError(_cut_ogg(recording.path, f"after {frames / self.rate_hz:.3f} s"))
        self._buffer = np.empty((max(1, self.rate_hz // _STEPS_PER_S), self.channels), np.float32)
        self._read = 0

    def read(self, count: int) -> NDArray[np.float32]:
        count = min(count, len(self._buffer))
        into = soundfile._ffi.cast("float *", self._buffer.ctypes.data)
        got = soundfile._snd.sf_readf_float(self._file._file, into, count)
        fault = soundfile._snd.sf_error(self._file._file)
        if fault:  # the decoder may find its way again, behind what it lost
            text = soundfile._ffi.string(soundfile._snd.sf_error_number(fault)).decode("utf-8", "replace")
            raise LiveBandError(f"{self._name} is damaged{self._place()}: {_plain(text)}")
        self._read += max(0, got)
        return self._buffer[: max(0, got)].copy()

    def check_end(self, position: int) -> None:
        # Encoders of MP3 do not agree whether they count their own first frame.
        slack = 2 * _MP3_FRAME if self._kind is not None and self._kind.name == "MP3" else 0
        if self.frames is not None and position < self.frames - slack:
            raise LiveBandError(
                f"{self._name} is cut short or damaged: its header promises {self.frames / self.rate_hz:.3f} s, "
                f"it holds {position / self.rate_hz:.3f} s"
            )

    def close(self) -> None:
        self._file.close()

    def _place(self) -> str:
        whole = f" of {self.frames / self.rate_hz:.3f} s" if self.frames else ""
        return f" or cut short after {self._read / self.rate_hz:.3f} s{whole}"


class _Ffmpeg:
    """A recording through FFmpeg's libraries."""

    def __init__(self, recording: Recording, kind: Kind) -> None:
        """Raises as Decoder does."""
        self._name, self._kind = recording.path, kind
        os.lseek(recording.descriptor, 0, os.SEEK_SET)
        self._file = os.fdopen(os.dup(recording.descriptor), "rb")
        try:
            self._decoder = Decoder(self._file, kind.demuxer)
        except BaseException:
            self._file.close()
            raise
        self.rate_hz, self.channels = self._decoder.rate_hz, self._decoder.channels
        self.frames: int | None = None
        self._told_s = self._decoder.length_s if kind.tells_length else None
        if kind.demuxer == "asf":
            self._told_s = asf_length_s(recording.look)

    def read(self, count: int) -> NDArray[np.float32]:
        try:
            return self._decoder.read(count)
        except DecodingError as error:
            at_s = error.position / self.rate_hz
            raise LiveBandError(f"{self._name} is damaged after {at_s:.3f} s: {error}") from error

    def check_end(self, position: int) -> None:
        told_s, held_s = self._told_s, position / self.rate_hz
        if told_s is not None and (held_s < told_s - _SLACK_S or not position):
            raise LiveBandError(
                f"{self._name} is cut short: its header promises {told_s:.3f} s, it holds {held_s:.3f} s"
            )

    def close(self) -> None:
        self._decoder.close()
        self._file.close()


class _Mended(io.RawIOBase):
    """A recording with some bytes of its header put right."""

    def __init__(self, recording: Recording, at: int, right: bytes) -> None:
        super().__init__()
        self._recording, self._at, self._right, self._position = recording, at, right, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._recording.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = bytearray(self._recording.look(self._position, len(buffer)))
        for place, byte in enumerate(self._right, self._at - self._position):
            if 0 <= place < len(data):
                data[place] = byte
        buffer[: len(data)] = bytes(data)
        self._position += len(data)
        return len(data)


def _opened(recording: Recording) -> _Source:
    kind = kind_of(recording.look)
    name = recording.path
    accepted = f"(read here: {READ}; with {extras.install('formats')} also {READ_WITH_EXTRA})"
    if kind is not None and not kind.is_audio:
        raise LiveBandError(f"cannot read {name}: it is {kind.name} {accepted}")
    why = ""
    try:
        return _Sndfile(recording, kind)
    except (soundfile.SoundFileError, OSError, TypeError) as error:
        why = _plain(str(error))
    if kind is not None and kind.name == "OGG" and not is_closed_ogg(recording.look, recording.size):
        raise LiveBandError(_cut_ogg(name, "before the first sample that can be read"))
    if kind is None:
        raise LiveBandError(f"cannot read {name}: it is not audio, or of a kind that is not known {accepted}")
    if kind.demuxer:
        try:
            return _Ffmpeg(recording, kind)
        except ModuleNotFoundError:
            if kind.name not in READ:
                raise LiveBandError(
                    f"cannot read {name}: {kind.name} is not read here without {extras.install('formats')}; "
                    f"or convert it: ffmpeg -i IN OUT.flac (read here: {READ})"
                ) from None
        except DecodingError as error:
            why = str(error)
    raise LiveBandError(f"cannot read {name}: it begins as {kind.name} does, but is damaged: {why}")


def _cut_ogg(name: Path, where: str) -> str:
    return (
        f"{name} is cut short: it ends {where} without the page that closes an OGG file, so how long it was is not "
        "known; if that is all there is, write it anew: ffmpeg -i IN.ogg OUT.flac"
    )


def _open(path: Path) -> int:
    """A descriptor to read from. Raises LiveBandError."""
    if path == STANDARD_INPUT:
        if sys.stdin is not None and os.isatty(0):
            raise LiveBandError("cannot read -: nothing is piped in, standard input is a terminal")
        return os.dup(0)
    try:
        if path.is_dir():
            raise LiveBandError(f"{path} is not a file, it is a folder")
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise LiveBandError(f"no such file: {path}") from None
    except (OSError, ValueError) as error:
        words = reason(error, named=False) if isinstance(error, OSError) else str(error)
        raise LiveBandError(f"cannot read {path}: {words}") from None
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        return descriptor
    os.close(descriptor)
    raise LiveBandError(f"cannot read {path}: it is neither a file nor a pipe")


def _spooled(descriptor: int, path: Path) -> int:
    """All that comes through a pipe, in a file of its own; `descriptor` is closed if that succeeds."""
    try:
        with tempfile.TemporaryFile(prefix="liveband-") as file:
            while part := os.read(descriptor, _SPOOL_BYTES):
                file.write(part)
            file.flush()
            kept = os.dup(file.fileno())
    except OSError as error:
        raise LiveBandError(
            f"cannot keep what comes through {path} in {tempfile.gettempdir()}: {reason(error, named=False)}"
        ) from None
    os.close(descriptor)
    return kept


def _plain(text: str) -> str:
    words = " ".join(text.split()).rsplit(": ", 1)[-1].rstrip(".").lower()
    return words or "it cannot be decoded"
