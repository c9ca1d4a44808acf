# SPDX-License-Identifier: GPL-3.0-or-later
"""Audio files as streams of blocks: read with bounded memory, written to a `.part` file, verified, then renamed."""

import contextlib
import fcntl
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile

from lbserver.accompanist import Audio
from lbserver.errors import LiveBandError

BLOCK_SAMPLES = 65536
MOST_CHANNELS = 32
_FORMATS = {".wav": ("WAV", "FLOAT"), ".flac": ("FLAC", "PCM_24"), ".ogg": ("OGG", "VORBIS")}
# A WAV file counts its bytes in 32 bits; RF64 is the same with 64, read by what reads long recordings.
_WAV_LIMIT_BYTES = 4_000_000_000
# libsndfile's Vorbis encoder fails on long single writes.
_WRITE_SAMPLES = 4096


class AudioReader:
    """An open audio file of 1 to 32 channels at any rate; use with `with`.

    Reads what libsndfile reads: WAV, FLAC, OGG, MP3, AIFF and more. `frames` is what the header says; the file
    is as long as what `blocks` gives.
    """

    def __init__(self, path: Path) -> None:
        """Raises LiveBandError: missing, unreadable, not audio, empty, or too many channels."""
        self.path = path
        if not path.exists():
            raise LiveBandError(f"no such file: {path}")
        if not path.is_file():
            raise LiveBandError(f"{path} is not a file")
        try:
            self._file = soundfile.SoundFile(path)
        except (soundfile.SoundFileError, OSError, TypeError) as error:
            reason = "permission denied" if not os.access(path, os.R_OK) else "not audio, or damaged"
            raise LiveBandError(
                f"cannot read {path}: {reason} (accepted: WAV, FLAC, OGG, MP3, AIFF)"
            ) from error
        self.rate_hz: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.frames: int = self._file.frames
        try:
            if self.channels > MOST_CHANNELS:
                raise LiveBandError(
                    f"{path} has {self.channels} channels; accepted are 1 to {MOST_CHANNELS} (more than 2 are "
                    "averaged): export a stereo mix"
                )
            if self.frames == 0:
                raise LiveBandError(f"{path} has 0 samples: there is nothing to play along to")
            if not 1000 <= self.rate_hz <= 1_000_000:
                raise LiveBandError(f"{path} says {self.rate_hz} Hz; accepted are 1000 to 1000000 Hz")
        except LiveBandError:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def blocks(self, size: int = BLOCK_SAMPLES) -> Iterator[Audio]:
        """Blocks [C, T] from the start. Raises LiveBandError at the first sample that is not a finite number."""
        position = 0
        while True:
            try:
                block = self._file.read(size, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, OSError) as error:
                raise LiveBandError(
                    f"{self.path} is damaged after {position / self.rate_hz:.3f} s"
                ) from error
            if not len(block):
                break
            bad = ~np.isfinite(block)
            if bad.any():
                sample, channel = (int(i) for i in np.argwhere(bad)[0])
                raise LiveBandError(
                    f"{self.path} has a sample that is not a number (NaN or infinite) at "
                    f"{(position + sample) / self.rate_hz:.6f} s (sample {position + sample}, channel {channel + 1})"
                )
            position += len(block)
            yield np.ascontiguousarray(block.T)
        if position == 0:
            raise LiveBandError(f"{self.path} has 0 samples: there is nothing to play along to")


def check_output(path: Path) -> None:
    """Raises LiveBandError if the name's ending is no format we write, or its folder cannot be written to."""
    if path.suffix.lower() not in _FORMATS:
        raise LiveBandError(f"cannot write {path}: the ending must be one of {', '.join(_FORMATS)}")
    if path.is_dir():
        raise LiveBandError(f"cannot write {path}: it is a folder")
    folder = path.parent
    if not folder.is_dir():
        raise LiveBandError(f"cannot write {path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise LiveBandError(f"cannot write {path}: the folder {folder} is not writable")


class AudioWriter:
    """A file under way at `<path>.part`: `write` blocks, `finish` to verify, `publish` to give it its name.

    WAV is written as 32-bit float (RF64 above 4 GB), FLAC with 24 bits, OGG as Vorbis; the latter two hold
    no more than full scale, so louder samples are clipped and counted in `clipped_samples`.
    Leaving the `with` block unpublished removes the `.part` file. One that a killed process left is written over;
    one that another process is writing, or that is a link, is an error.
    """

    def __init__(self, path: Path, *, rate_hz: int, channels: int, expected_samples: int = 0) -> None:
        """Raises LiveBandError. `expected_samples` is a guess: it chooses RF64 for a long WAV, and asks for room."""
        check_output(path)
        self.path = path
        self.part = path.with_name(path.name + ".part")
        self.rate_hz = rate_hz
        self.channels = channels
        self.samples = 0
        self.clipped_samples = 0
        form, subtype = _FORMATS[path.suffix.lower()]
        expected_bytes = expected_samples * channels * 4
        if form == "WAV" and expected_bytes > _WAV_LIMIT_BYTES:
            form = "RF64"
        self._clips = form not in {"WAV", "RF64"}
        self._checksum = 0
        if not self._clips:
            _check_room(path, expected_bytes)
        self._descriptor = _open_part(self.part, path)
        try:
            self._file = soundfile.SoundFile(
                self._descriptor,
                "w",
                samplerate=rate_hz,
                channels=channels,
                subtype=subtype,
                format=form,
                closefd=False,
            )
            # Float WAV files carry the time of writing beside their peak; without it one take is one file, bit
            # for bit. soundfile has no name for the command (sndfile.h: SFC_SET_ADD_PEAK_CHUNK).
            soundfile._snd.sf_command(self._file._file, 0x1050, soundfile._ffi.NULL, 0)
        except BaseException as error:  # Ctrl-C too: nobody else knows of the part file yet
            self._remove_part()
            if not isinstance(error, soundfile.SoundFileError | OSError | ValueError):
                raise
            raise LiveBandError(f"cannot write {path} at {rate_hz} Hz: {_reason(error)}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A full disk refuses the last bytes too; the file is about to be removed.
        with contextlib.suppress(soundfile.SoundFileError, OSError):
            self._file.close()
        self._remove_part()

    def _remove_part(self) -> None:
        """Once published, a part file of this name is another process's."""
        if _is_at(self._descriptor, self.part):
            self.part.unlink(missing_ok=True)
        os.close(self._descriptor)

    def write(self, audio: Audio) -> None:
        """Append [C, T]. Raises LiveBandError when the disk takes no more."""
        if self._clips:
            self.clipped_samples += int((np.abs(audio) > 1.0).sum())
            audio = np.clip(audio, -1.0, 1.0)
        try:
            for start in range(0, audio.shape[-1], _WRITE_SAMPLES):
                block = np.ascontiguousarray(audio[:, start : start + _WRITE_SAMPLES].T, dtype=np.float32)
                self._file.write(block)
                self._checksum = zlib.crc32(block.data, self._checksum)
                self.samples += len(block)
        # soundfile asserts that all was written: a short write is a full disk.
        except (soundfile.SoundFileError, OSError, AssertionError) as error:
            raise LiveBandError(f"cannot write {self.path}: {_reason(error)}") from error

    def finish(self) -> None:
        """Close, bring to the disk, read back: length, rate, channels and, where nothing is lost, each sample."""
        samples, checksum = 0, 0
        try:
            self._file.close()
            os.fsync(self._descriptor)  # a disk may refuse late
            with AudioReader(self.part) as reader:
                for block in reader.blocks():
                    samples += block.shape[-1]
                    checksum = zlib.crc32(np.ascontiguousarray(block.T).data, checksum)
                found = (reader.rate_hz, reader.channels, samples)
        except (soundfile.SoundFileError, OSError, LiveBandError) as error:
            raise LiveBandError(
                f"cannot write {self.path}: it did not read back whole; is the disk full?"
            ) from error
        if found != (self.rate_hz, self.channels, self.samples):
            raise LiveBandError(
                f"cannot write {self.path}: wrote {self.samples} samples, {found[2]} can be read back; "
                "is the disk full?"
            )
        if not self._clips and checksum != self._checksum:
            raise LiveBandError(f"cannot write {self.path}: other samples are read back than were written")

    def publish(self) -> None:
        """Give the finished file its name, replacing what was there, at once."""
        try:
            self.part.replace(self.path)
        except OSError as error:
            raise LiveBandError(f"cannot write {self.path}: {_reason(error)}") from error
        # The name must outlive a power cut as well; some file systems cannot be asked to.
        with contextlib.suppress(OSError):
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _check_room(path: Path, expected_bytes: int) -> None:
    free_bytes = shutil.disk_usage(path.parent).free
    # A header may not know its length, and then says 2^63.
    if free_bytes < expected_bytes < 2**60:
        raise LiveBandError(
            f"cannot write {path}: it needs {expected_bytes / 1e6:.0f} MB, {free_bytes / 1e6:.0f} MB are free"
        )


def _open_part(part: Path, path: Path) -> int:
    """The part file, empty and locked. The lock tells what a killed process left from what another is writing."""
    try:
        while True:
            descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(descriptor, part):  # else it was published or removed before the lock was ours
                    os.ftruncate(descriptor, 0)
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
    except BlockingIOError:
        raise LiveBandError(f"cannot write {path}: another liveband is writing it") from None
    except OSError as error:
        raise LiveBandError(f"cannot write {path}: {part.name}: {_reason(error)}") from error


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still what the path names."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _reason(error: BaseException) -> str:
    if isinstance(error, AssertionError):
        return "the disk is full"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = " ".join(str(error).split()).split(": ", 1)[-1].rstrip(".").lower()
    # libsndfile keeps the system's reason to itself.
    return "the disk refuses it; is it full?" if text in {"", "system error"} else text
