# SPDX-License-Identifier: GPL-3.0-or-later
"""Audio files that we write: as streams of blocks to a `.part` file, verified, then renamed."""

import contextlib
import os
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile

from lbmodels.contract.accompanist import Audio
from lbserver.audio.reading import AudioReader
from lbserver.errors import LiveBandError
from lbserver.files.locks import seize
from lbserver.files.paths import beside, reason

# A WAV file counts its bytes in 32 bits; RF64 is the same with 64, read by what reads long recordings.
_WAV_LIMIT_BYTES = 4_000_000_000
# libsndfile's Vorbis encoder fails on long single writes.
_WRITE_SAMPLES = 4096


class BeingWrittenError(LiveBandError):
    """Another process is writing the file, or is about to end."""


@dataclass(frozen=True, kw_only=True)
class _Format:
    """How a file of one ending is written, and what its encoder takes; it is asked before the encoder is."""

    name: str
    subtype: str
    most_rate_hz: int
    most_channels: int
    most_samples: int | None = None

    def refusal(self, rate_hz: int, channels: int, samples: int) -> str:
        """Why audio of this kind cannot be written so; empty if it can."""
        if rate_hz > self.most_rate_hz:
            return f"{self.name} takes up to {self.most_rate_hz} Hz, this is {rate_hz} Hz"
        if self.name == "FLAC" and rate_hz > _FLAC_ANY_RATE_HZ and rate_hz % 10:
            return f"FLAC counts rates above {_FLAC_ANY_RATE_HZ} Hz in tens, this is {rate_hz} Hz"
        if channels > self.most_channels:
            return f"{self.name} takes up to {self.most_channels} channels, these are {channels}"
        if self.most_samples is not None and samples > self.most_samples:
            return f"{self.name} takes up to {self.most_samples} samples, these are {samples}"
        return ""


_FORMATS = {
    ".wav": _Format(name="WAV", subtype="FLOAT", most_rate_hz=2**31 - 1, most_channels=1024),
    # libsndfile takes no higher rate; the stream counts its samples in 36 bits.
    ".flac": _Format(
        name="FLAC", subtype="PCM_24", most_rate_hz=655350, most_channels=8, most_samples=2**36 - 1
    ),
    # libvorbis has no settings above, and libsndfile crashes where there are none.
    ".ogg": _Format(name="OGG", subtype="VORBIS", most_rate_hz=200000, most_channels=255),
}
_FLAC_ANY_RATE_HZ = 65535


def check_output(path: Path) -> None:
    """Raises LiveBandError if the name's ending is no format we write, something that is no file has the name, or its
    folder cannot be written to.
    """
    if path.suffix.lower() not in _FORMATS:
        raise LiveBandError(f"cannot write {path}: the ending must be one of {', '.join(_FORMATS)}")
    target = _target(path)
    try:
        if target.is_dir():
            raise LiveBandError(f"cannot write {path}: it is a folder")
        if target.exists() and not target.is_file():
            raise LiveBandError(f"cannot write {path}: it is a pipe or a device; a file is written")
        folder = target.parent
        if not folder.is_dir():
            raise LiveBandError(f"cannot write {path}: there is no folder {folder}")
        if not os.access(folder, os.W_OK):
            raise LiveBandError(f"cannot write {path}: the folder {folder} is not writable")
    except OSError as error:
        raise LiveBandError(f"cannot write {path}: {reason(error, named=False)}") from None


def _target(path: Path) -> Path:
    """The file that a name stands for: symbolic links are followed, as the shell's `>` follows them."""
    try:
        return path.parent.resolve(strict=True) / path.name if not path.is_symlink() else path.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead round in a circle
        words = (
            reason(error, named=False) if isinstance(error, OSError) else "its links lead round in a circle"
        )
        if isinstance(error, FileNotFoundError):
            words = f"there is no folder {path.parent}"
        raise LiveBandError(f"cannot write {path}: {words}") from None


class AudioWriter:
    """A file under way at `<path>.part`: `write` blocks, `finish` to verify, `publish` to give it its name.

    WAV is written as 32-bit float (RF64 above 4 GB), FLAC with 24 bits, OGG as Vorbis; the latter two hold
    no more than full scale, so louder samples are clipped and counted in `clipped_samples`. A name that is a symbolic
    link stays one: what it leads to is written.
    Leaving the `with` block unpublished removes the `.part` file. One that a killed process left is written over;
    one that another process is writing, or that is a link, is an error.
    """

    def __init__(self, path: Path, *, rate_hz: int, channels: int, expected_samples: int | None = 0) -> None:
        """Raises LiveBandError. `expected_samples` is a guess: it chooses RF64 for a long WAV, and asks for room.

        None: nobody knows; then a WAV is RF64 until it turns out to be short enough.
        """
        check_output(path)
        self.path = path
        self.target = _target(path)
        self.part = beside(self.target, ".part")
        self.rate_hz = rate_hz
        self.channels = channels
        self.samples = 0
        self.clipped_samples = 0
        self._format = _FORMATS[path.suffix.lower()]
        if why := self._format.refusal(rate_hz, channels, expected_samples or 0):
            raise LiveBandError(f"cannot write {path}: {why}")
        expected_bytes = (expected_samples or 0) * channels * 4
        form = self._format.name
        if form == "WAV" and (expected_samples is None or expected_bytes > _WAV_LIMIT_BYTES):
            form = "RF64"
        self._clips = self._format.name != "WAV"
        self._most_samples = self._format.most_samples
        if form == "WAV":
            self._most_samples = _WAV_LIMIT_BYTES // (4 * channels)
        self._checksum = 0
        if not self._clips:
            _check_room(self.target, expected_bytes)
        self._descriptor = _open_part(self.part, path)
        try:
            self._file = soundfile.SoundFile(
                self._descriptor,
                "w",
                samplerate=rate_hz,
                channels=channels,
                subtype=self._format.subtype,
                format=form,
                closefd=False,
            )
            # Float WAV files carry the time of writing beside their peak; without it one take is one file, bit
            # for bit. soundfile has no name for the command (sndfile.h: SFC_SET_ADD_PEAK_CHUNK).
            soundfile._snd.sf_command(self._file._file, 0x1050, soundfile._ffi.NULL, 0)
            if expected_samples is None and form == "RF64":  # SFC_RF64_AUTO_DOWNGRADE
                soundfile._snd.sf_command(self._file._file, 0x1210, soundfile._ffi.NULL, 1)
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
        """Append [C, T]. Raises LiveBandError when the disk takes no more, or the format."""
        if self._most_samples is not None and self.samples + audio.shape[-1] > self._most_samples:
            raise LiveBandError(
                f"cannot write {self.path}: {self._format.name} holds up to {self._most_samples} samples of this kind"
            )
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
            self.part.replace(self.target)
        except OSError as error:
            raise LiveBandError(f"cannot write {self.path}: {_reason(error)}") from error
        # The name must outlive a power cut as well; some file systems cannot be asked to.
        with contextlib.suppress(OSError):
            folder = os.open(self.target.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def remove_left(path: Path) -> None:
    """Remove what a killed process left of a file that it was writing; what somebody is writing stays."""
    with contextlib.suppress(LiveBandError, OSError):
        part = beside(_target(path), ".part")
        if part.exists():
            descriptor = _open_part(part, path)
            try:
                part.unlink()
            finally:
                os.close(descriptor)


def _check_room(path: Path, expected_bytes: int) -> None:
    free_bytes = shutil.disk_usage(path.parent).free
    if free_bytes < expected_bytes:
        raise LiveBandError(
            f"cannot write {path}: it needs {expected_bytes / 1e6:.0f} MB, {free_bytes / 1e6:.0f} MB are free"
        )


def _open_part(part: Path, path: Path) -> int:
    """The part file, empty and locked. The lock tells what a killed process left from what another is writing."""
    try:
        while True:
            descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            try:
                seize(descriptor)
                if _is_at(descriptor, part):  # else it was published or removed before the lock was ours
                    _check_left(descriptor, part, path)
                    os.ftruncate(descriptor, 0)
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
    except BlockingIOError:
        raise BeingWrittenError(f"cannot write {path}: another liveband is writing it") from None
    except OSError as error:
        raise LiveBandError(f"cannot write {path}: {part.name}: {_reason(error)}") from error


def _check_left(descriptor: int, part: Path, path: Path) -> None:
    """Raises LiveBandError for a part file that a killed process of ours cannot have left: writing it would harm."""
    found = os.fstat(descriptor)
    if found.st_nlink > 1:
        raise LiveBandError(f"cannot write {path}: {part.name} is another name of some file: remove it")
    if found.st_uid != os.geteuid():
        raise LiveBandError(f"cannot write {path}: {part.name} belongs to another user: remove it")


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
        return reason(error, named=False)
    text = " ".join(str(error).split()).split(": ", 1)[-1].rstrip(".").lower()
    # libsndfile keeps the system's reason to itself.
    return "the disk refuses it; is it full?" if text in {"", "system error"} else text
