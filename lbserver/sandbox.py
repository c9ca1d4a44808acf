# SPDX-License-Identifier: GPL-3.0-or-later
"""Audio files from strangers (sent over a network, part of a preset), decoded in a process that can do nothing else.

The child is limited in memory and processor time, has no descriptors but its input and output and can get none, so it
reaches no file and no network. Measured without it: 2.6 MB of FLAC are 4 hours and 11 GB, and libsndfile has open
reports of heap overflows (https://github.com/libsndfile/libsndfile/issues/1012). What the user of the command line
names is read by lbserver.audio_files instead, in blocks, at any length. MIDI files are not taken from strangers at all.
"""

import contextlib
import io
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from signal import SIGKILL, SIGXCPU
from typing import IO, BinaryIO

import numpy as np

from lbserver.accompanist import Audio
from lbserver.documents import read_json
from lbserver.errors import LiveBandError

_BLOCK_SAMPLES = 16384
_FRAME = struct.Struct("<cI")
_HEADER, _AUDIO, _ERROR, _END = b"H", b"A", b"E", b"Z"
_MOST_FRAME_BYTES = 2**21


@dataclass(frozen=True, kw_only=True)
class DecodeLimits:
    """What a stranger's file may be and cost. `result_bytes` is 11 minutes of stereo at 48 kHz."""

    file_bytes: int = 200_000_000
    duration_s: float = 1800.0
    channels: int = 16
    least_rate_hz: int = 8000
    most_rate_hz: int = 192_000
    result_bytes: int = 256 * 2**20
    memory_bytes: int = 2**30
    cpu_s: int = 10
    wall_s: float = 20.0


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """Audio [C, T], all samples finite."""

    audio: Audio
    rate_hz: int


def decode(
    source: bytes | BinaryIO, *, name: str = "the file", limits: DecodeLimits | None = None
) -> Decoded:
    """The samples of an encoded file (WAV, FLAC, OGG, MP3, AIFF), or a refusal; waits up to `limits.wall_s`.

    `source` is the file's bytes, or the file itself, opened; `name` stands for it in messages.
    Raises LiveBandError naming the limit that was crossed, or that it is no audio.
    """
    limits = limits or DecodeLimits()
    command = [sys.executable, "-I", "-m", "lbserver.sandbox", json.dumps(asdict(limits))]
    with contextlib.ExitStack() as stack:
        if isinstance(source, bytes):
            size = len(source)
        else:
            size = os.fstat(source.fileno()).st_size
        if size > limits.file_bytes:
            raise LiveBandError(
                f"{name} has {size / 1e6:.0f} MB; accepted are up to {limits.file_bytes / 1e6:g} MB"
            )
        if isinstance(source, bytes):
            file: BinaryIO = stack.enter_context(tempfile.TemporaryFile())
            file.write(source)
            file.flush()
        else:
            file = source
        os.lseek(file.fileno(), 0, os.SEEK_SET)  # what the child shares is the descriptor's place
        return _run(command, file, name, limits)


def _run(command: Sequence[str], file: BinaryIO, name: str, limits: DecodeLimits) -> Decoded:
    """Start the child and collect what it says; none of it is believed without a look."""
    process = subprocess.Popen(
        command,
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"},
        start_new_session=True,
    )
    assert process.stdout is not None
    alarm = threading.Timer(limits.wall_s, _kill_all, [process])
    alarm.daemon = True
    alarm.start()
    try:
        return _collect(process.stdout, name, limits)
    except EOFError:
        code = process.wait()
        raise LiveBandError(_why_it_died(code, name, limits)) from None
    finally:
        alarm.cancel()
        _kill_all(process)
        process.stdout.close()
        process.wait()


def _kill_all(process: subprocess.Popen[bytes]) -> None:
    """The child and whatever it started: the group's number is the child's until it is waited for."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, SIGKILL)


def _collect(pipe: IO[bytes], name: str, limits: DecodeLimits) -> Decoded:
    rate_hz, channels = 0, 0
    samples = bytearray()
    while True:
        kind, payload = _read_frame(pipe)
        if kind == _ERROR:
            text = payload[:200].decode("ascii", "replace")
            raise LiveBandError(f"{name} {''.join(c if c.isprintable() else '?' for c in text)}")
        if kind == _HEADER and not rate_hz and len(payload) == 8:
            rate_hz, channels = struct.unpack("<II", payload)
            if reason := _refusal_of_format(rate_hz, channels, limits):
                raise LiveBandError(f"{name} {reason}")
            most = min(limits.result_bytes, int(limits.duration_s * rate_hz) * 4 * channels)
        elif kind == _AUDIO and rate_hz:
            if len(samples) + len(payload) > most:
                raise LiveBandError(f"{name} {_too_long(rate_hz, channels, limits)}")
            samples += payload
        elif kind == _END and samples and len(samples) % (4 * channels) == 0:
            break
        else:
            raise LiveBandError(f"{name} cannot be decoded: the decoder went astray")
    audio = np.frombuffer(samples, np.float32).reshape(-1, channels).T
    if not np.isfinite(audio).all():
        raise LiveBandError(f"{name} has samples that are not numbers (NaN or infinite)")
    return Decoded(audio=audio, rate_hz=rate_hz)


def _read_frame(pipe: IO[bytes]) -> tuple[bytes, bytes]:
    head = pipe.read(_FRAME.size)
    if len(head) < _FRAME.size:
        raise EOFError
    kind, length = _FRAME.unpack(head)
    if length > _MOST_FRAME_BYTES:
        raise LiveBandError("the decoder went astray")
    payload = pipe.read(length)
    if len(payload) < length:
        raise EOFError
    return kind, payload


def _why_it_died(code: int, name: str, limits: DecodeLimits) -> str:
    if code == -SIGXCPU:
        return f"{name} takes more than {limits.cpu_s} s of processor time to decode"
    if code == -SIGKILL:
        return f"{name} was not decoded within {limits.wall_s:g} s"
    return f"{name} cannot be decoded: the decoder died of it ({code})"


def _refusal_of_format(rate_hz: int, channels: int, limits: DecodeLimits) -> str | None:
    if not limits.least_rate_hz <= rate_hz <= limits.most_rate_hz:
        return f"has {rate_hz} Hz; accepted are {limits.least_rate_hz} to {limits.most_rate_hz} Hz"
    if not 1 <= channels <= limits.channels:
        return f"has {channels} channels; accepted are 1 to {limits.channels}"
    return None


def _too_long(rate_hz: int, channels: int, limits: DecodeLimits) -> str:
    longest_s = min(limits.duration_s, limits.result_bytes / (4 * channels * rate_hz))
    return f"is too long: accepted are {longest_s:.0f} s at {rate_hz} Hz with {channels} channels"


def confine(limits: DecodeLimits) -> None:
    """Give up what a decoder does not need: memory, time, children, and every descriptor that is not yet open.

    Root could take it back: a server that takes files from strangers does not run as root.
    """
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _child(limits: DecodeLimits) -> None:
    import soundfile  # loaded before the limits: afterwards nothing can be opened

    out = sys.stdout.buffer

    def say(kind: bytes, payload: bytes = b"") -> None:
        out.write(_FRAME.pack(kind, len(payload)) + payload)

    def refuse(reason: str) -> None:
        say(_ERROR, reason.encode("ascii", "replace"))

    confine(limits)
    try:
        data = sys.stdin.buffer.read(limits.file_bytes + 1)
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate_hz, channels = file.samplerate, file.channels
            if reason := _refusal_of_format(rate_hz, channels, limits):
                return refuse(reason)
            # A header that does not know its length says so with an absurd one; then the reader of these counts.
            told_s = file.frames / rate_hz
            too_large = told_s > limits.duration_s or 4 * channels * file.frames > limits.result_bytes
            if too_large and told_s < 1e9:
                return refuse(_too_long(rate_hz, channels, limits))
            say(_HEADER, struct.pack("<II", rate_hz, channels))
            while len(block := file.read(_BLOCK_SAMPLES, dtype="float32", always_2d=True)):
                say(_AUDIO, block.tobytes())
            say(_END)
    except MemoryError:
        refuse(f"takes more than {limits.memory_bytes >> 20} MiB to decode")
    except (soundfile.SoundFileError, OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split()).rsplit(": ", 1)[-1].rstrip(".").lower()
        refuse(f"is not audio, or damaged: {reason} (accepted: WAV, FLAC, OGG, MP3, AIFF)")
    finally:
        with contextlib.suppress(BrokenPipeError):
            out.flush()


if __name__ == "__main__":
    _child(DecodeLimits(**read_json(sys.argv[1])))
    os._exit(0)  # nothing is left to tidy up, and nothing can be opened to do it
