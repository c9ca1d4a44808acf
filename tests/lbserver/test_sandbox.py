# SPDX-License-Identifier: GPL-3.0-or-later
"""Audio from strangers: music is decoded to the sample, bombs are refused and cost little, escapes find nothing."""

import io
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lbserver import sandbox
from lbserver.errors import LiveBandError
from lbserver.sandbox import DecodeLimits, decode


def noise(channels: int = 2, samples: int = 20_000) -> np.ndarray:
    return (0.1 * np.random.default_rng(3).standard_normal((samples, channels))).astype(np.float32)


def encoded(form: str, audio: np.ndarray, rate_hz: int = 48000, **options: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, audio, rate_hz, format=form, **options)
    return file.getvalue()


def refusal(data: bytes, **limits: float) -> str:
    with pytest.raises(LiveBandError) as refused:
        decode(data, name="jam.flac", limits=DecodeLimits(**limits))
    line = str(refused.value)
    assert line.startswith("jam.flac ")
    assert "\n" not in line
    assert len(line) < 300
    return line


def flac_that_claims(samples: int) -> bytes:
    """A short file whose header says something else (FLAC: STREAMINFO's 36 bits of total samples; 0 = unknown)."""
    data = bytearray(encoded("FLAC", noise(), subtype="PCM_16"))
    field = int.from_bytes(data[18:26], "big")
    data[18:26] = (field >> 36 << 36 | samples).to_bytes(8, "big")
    return bytes(data)


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_music_comes_out_as_soundfile_reads_it(form: str) -> None:
    data = encoded(form, noise(), 44100)
    expected, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    found = decode(data)
    assert found.rate_hz == 44100
    assert found.audio.dtype == np.float32
    np.testing.assert_array_equal(found.audio, expected.T)


def test_an_open_file_is_taken_from_its_start(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(encoded("WAV", noise(1, 100), subtype="FLOAT"))
    with (tmp_path / "x.wav").open("rb") as file:
        file.read(50)
        np.testing.assert_array_equal(decode(file).audio, noise(1, 100).T)


@pytest.mark.parametrize(
    ("data", "limits", "reason"),
    [
        (flac_that_claims(4 * 3600 * 48000), {}, "is too long: accepted are 699 s at 48000 Hz with 2 channels"),
        (flac_that_claims(0), {"duration_s": 0.3}, "too long"),
        (flac_that_claims(0), {"result_bytes": 100_000}, "too long"),
        (flac_that_claims(20_000), {"duration_s": 0.4}, "too long"),
        (encoded("WAV", noise(17, 10)), {}, "has 17 channels; accepted are 1 to 16"),
        (encoded("WAV", noise(1, 10), 7999), {}, "has 7999 Hz; accepted are 8000 to 192000 Hz"),
        (encoded("WAV", noise(1, 10), 192_001), {}, "has 192001 Hz"),
        (encoded("WAV", noise(1, 1000)), {"file_bytes": 1000}, "accepted are up to 0.001 MB"),
        (encoded("WAV", noise(1, 0)), {}, "cannot be decoded"),
        (encoded("WAV", np.array([0.0, np.nan]), subtype="FLOAT"), {}, "not numbers"),
        (encoded("WAV", np.array([0.0, np.inf]), subtype="FLOAT"), {}, "not numbers"),
        (b"", {}, "is not audio, or damaged"),
        (b"\xff" * 2_000_000, {}, ""),
        (b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk", {}, "is not audio, or damaged"),
        (b"these are words " * 1000, {}, "is not audio, or damaged"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt " + b"\xff" * 100, {}, ""),
        (b"fLaC" + b"\xff" * 10_000, {}, ""),
        (b"OggS" + bytes(10_000), {}, ""),
    ],
)  # fmt: skip
def test_what_is_refused(data: bytes, limits: dict[str, float], reason: str) -> None:
    assert reason in refusal(data, **limits)


def test_hours_of_flac_cost_no_memory_and_little_time() -> None:
    """20 minutes of silence at 48 kHz in 0.2 MB, with an unknown length: 460 MB as floats, refused on the way."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 48000, 2, "PCM_16", format="FLAC") as writer:
        for _ in range(20):
            writer.write(np.zeros((60 * 48000, 2), np.int16))
    data = bytearray(file.getvalue())
    data[22:26] = bytes(4)
    data[21] &= 0xF0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "too long" in refusal(bytes(data), duration_s=60)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    assert "too long" in refusal(bytes(data))


def test_every_cut_and_flip_is_decoded_or_refused() -> None:
    """Whatever happens in the child, the parent has audio or one line."""
    rng = np.random.default_rng(4)
    for form in ("WAV", "FLAC", "OGG", "MP3"):
        data = encoded(form, noise(2, 2000))
        for place in rng.choice(min(len(data), 200), 3, replace=False):
            flipped = bytearray(data)
            flipped[place] ^= 1 << int(rng.integers(8))
            for damaged in (bytes(flipped), data[:place]):
                try:
                    assert np.isfinite(decode(damaged).audio).all()
                except LiveBandError as error:
                    line = str(error)
                    assert "\n" not in line


@pytest.mark.parametrize(
    ("attempt", "answer"),
    [
        ("open('/etc/passwd')", "OSError"),
        ("open('/tmp/escaped', 'w')", "OSError"),
        ("socket.socket()", "OSError"),
        ("os.pipe()", "OSError"),
        ("subprocess.run(['/bin/true'])", "OSError"),
        ("bytearray(2**31)", "MemoryError"),
    ],
)
def test_the_child_reaches_nothing(attempt: str, answer: str) -> None:
    """The decoder's process after a take-over: no file, no network, no memory to eat."""
    program = f"""
import os, socket, subprocess, sys
from lbserver.sandbox import DecodeLimits, confine
confine(DecodeLimits())
try:
    {attempt}
except Exception as error:
    kind = "OSError" if isinstance(error, OSError) else type(error).__name__
    os.write(1, kind.encode())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.stdout.decode() == answer


def test_the_child_is_stopped_after_its_processor_time() -> None:
    program = "from lbserver.sandbox import *; confine(DecodeLimits(cpu_s=1))\nwhile True: pass"
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=30)
    assert done.returncode == -signal.SIGXCPU


AUDIO = struct.pack("<cI", b"A", 8) + struct.pack("<2f", 0.5, 0.5)
HEADER = struct.pack("<cI", b"H", 8) + struct.pack("<II", 48000, 2)
END = struct.pack("<cI", b"Z", 0)


def answered(program: str, **limits: float) -> str:
    with tempfile.TemporaryFile() as file, pytest.raises(LiveBandError) as refused:
        sandbox._run([sys.executable, "-c", program], file, "jam.flac", DecodeLimits(**limits))
    return str(refused.value)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"garbage that is no frame",
        HEADER,
        HEADER + END,
        HEADER + AUDIO,
        HEADER + AUDIO[:-3],
        AUDIO + END,
        HEADER + HEADER + AUDIO + END,
        HEADER + struct.pack("<cI", b"A", 4) + bytes(4) + END,
        HEADER + struct.pack("<cI", b"A", 2**32 - 1) + bytes(4) + END,
        HEADER + AUDIO[:-4] + struct.pack("<f", float("nan")) + END,
        struct.pack("<cI", b"H", 8) + struct.pack("<II", 0, 0) + AUDIO + END,
        struct.pack("<cI", b"H", 8) + struct.pack("<II", 48000, 2**31) + AUDIO + END,
        struct.pack("<cI", b"E", 9) + b"a\n\x1b[31mb\xff",
    ],
)
def test_a_child_that_lies_is_not_believed(said: bytes) -> None:
    line = answered(f"import sys; sys.stdout.buffer.write({said!r})")
    assert line.isprintable()
    assert len(line) < 300


def test_a_child_that_floods_hangs_or_crashes_is_ended() -> None:
    flood = f"import sys\nsys.stdout.buffer.write({HEADER!r})\nwhile True: sys.stdout.buffer.write({AUDIO!r} * 1000)"
    assert "too long" in answered(flood, result_bytes=10_000_000)
    assert "not decoded within 0.5 s" in answered("import time; time.sleep(60)", wall_s=0.5)
    closes = "import os, time; os.close(1); time.sleep(60)"
    assert "not decoded within 0.5 s" in answered(closes, wall_s=0.5)
    assert "died of it" in answered("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")


def test_no_descriptor_and_no_secret_of_the_server_reaches_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBAND_KEY", "secret")
    with tempfile.TemporaryFile() as kept:
        program = (
            "import os, struct, sys; seen = [n for n in range(3, 100) if os.path.exists(f'/proc/self/fd/{n}')]; "
            "text = f'{seen} {\"LIVEBAND_KEY\" in os.environ}'.encode(); "
            "sys.stdout.buffer.write(struct.pack('<cI', b'E', len(text)) + text)"
        )
        kept.write(b"x")
        assert answered(program) == "jam.flac [] False"


def test_ten_decodes_leave_no_descriptor_behind(descriptors: Callable[[], int]) -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", "NONE"))
        writer.writeframes(bytes(200))
    before = descriptors()
    for _ in range(5):
        decode(file.getvalue())
        refusal(b"not audio")
    assert descriptors() == before
