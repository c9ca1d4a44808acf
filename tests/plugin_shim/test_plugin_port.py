# SPDX-License-Identifier: GPL-3.0-or-later
"""The plug-in's port beside the server's own: the same schedule gives the same bits, in the ring and in the ear."""

import os
import random
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from lbserver.host import shared_memory
from lbserver.protocol import segment as layout
from lbserver.ring.ends import HostPort, WorkerPort
from lbserver.ring.segment import Segment, Shape, create

Build = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("form")


class Driven:
    """The C++ port in its own process, commanded as the Python one is called."""

    def __init__(self, program: Path, descriptor: int, latency_samples: int, channels: int) -> None:
        self.channels = channels
        self.process = subprocess.Popen(
            [program, str(descriptor), str(latency_samples), str(channels)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[descriptor],
        )

    def ask(self, command: str, answer_bytes: int, payload: bytes = b"") -> bytes:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command.encode() + b"\n" + payload)
        self.process.stdin.flush()
        answer = self.process.stdout.read(answer_bytes)
        assert len(answer) == answer_bytes, f"the driver ended after {command!r}: {self.process.wait()}"
        return answer

    def write(self, block: np.ndarray) -> int:
        """The position after it."""
        return int(struct.unpack("<Q", self.ask(f"write {block.shape[-1]}", 8, block.tobytes()))[0])

    def read(self, samples: int, word: str = "read") -> np.ndarray:
        answer = self.ask(f"{word} {samples}", 4 * self.channels * samples)
        return np.frombuffer(answer, np.float32).reshape(self.channels, samples)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(timeout=20) == 0


@contextmanager
def _pair(
    program: Path, shape: Shape, latency_samples: int
) -> Iterator[tuple[HostPort, Driven, list[WorkerPort]]]:
    """A Python and a C++ front end, each on a segment of its own, and the worker's end of both."""
    descriptors = [create(shape), create(shape)]
    segments = [Segment(descriptor) for descriptor in descriptors]
    ours = HostPort(segments[0], latency_samples=latency_samples)
    theirs = Driven(program, descriptors[1], latency_samples, shape.mix_channels)
    theirs.ask("offline 0", 8)  # begun when it answers
    try:
        yield ours, theirs, [WorkerPort(segment) for segment in segments]
    finally:
        theirs.close()
        for segment in segments:
            segment.close()
        for descriptor in descriptors:
            os.close(descriptor)


def _words(segment: Segment) -> dict[str, int]:
    return {field.name: segment.load(field.name) for field in layout.HOST}


@pytest.mark.parametrize(
    ("rate_hz", "channels", "latency_samples", "seed"),
    [(48000, 2, 0, 1), (44100, 1, 333, 2), (8000, 2, 1000, 3), (11025, 2, 64, 4), (192000, 2, 4800, 5)],
)
def test_the_same_schedule_gives_the_same_bits(
    build: Build, rate_hz: int, channels: int, latency_samples: int, seed: int
) -> None:
    """Gaps, late and corrupt stems, epochs, lapses, gains that move, events: at every step the same as in the server."""
    program = build("tests/port_driver.cpp", "port")
    shape = Shape(rate_hz=rate_hz, mix_channels=channels, stem_channels=channels, capacity=1 << 14)
    chance, noise = random.Random(seed), np.random.default_rng(seed)
    happened: dict[str, int] = {}
    with _pair(program, shape, latency_samples) as (ours, theirs, workers):
        for step in range(400):
            what = chance.choices(
                ["write", "read", "play", "epoch", "gain", "tell", "stall", "lie", "offline"],
                [50, 50, 45, 2, 6, 4, 1, 1, 1],
            )[0]
            happened[what] = happened.get(what, 0) + 1
            samples = chance.choice([1, 2, 17, 64, 128, 441, 512, 1024, 3000])
            if what == "write":
                block = noise.standard_normal((channels, samples)).astype(np.float32)
                ours.write(block)
                assert theirs.write(block) == ours.position
            elif what == "read":
                np.testing.assert_array_equal(
                    theirs.read(samples).view(np.uint32), ours.read(samples).view(np.uint32), f"step {step}"
                )
            elif what == "play":
                for worker in workers:
                    worker.listen()
                stem = noise.uniform(-1.0, 1.0, (channels, samples)).astype(np.float32)
                if chance.random() < 0.2:
                    stem[:, : samples // 2] = 0.0
                if chance.random() < 0.1:
                    stem[0, chance.randrange(samples)] = chance.choice([np.nan, np.inf, -7.0, 1e30])
                for worker in workers:
                    worker.put(stem)
            elif what == "epoch":
                ours.begin_epoch()
                theirs.ask("epoch", 8)
            elif what == "gain":
                gain = chance.choice([0.0, 0.5, 1.0, 1.0, 3.7, 99.0, -1.0, float("nan")])
                for worker in workers:
                    worker.segment.store_float("gain", gain)
            elif what == "tell":
                ours.tell("transport", (120.5, 4.0), flags=1)
                theirs.ask("tell 1 1 120.5 4.0 nan nan nan nan", 8)
            elif what == "stall":
                for _ in range(9):
                    block = noise.standard_normal((channels, 2048)).astype(np.float32)
                    ours.write(block)
                    assert theirs.write(block) == ours.position
                    np.testing.assert_array_equal(theirs.read(2048), ours.read(2048), f"step {step}")
            elif what == "lie":
                for worker in workers:
                    worker.segment.store("stem_cursor", layout.cursor(ours.epoch, (1 << 48) - 1 - samples))
            elif what == "offline":
                on = chance.random() < 0.5
                ours.set_offline(on)
                theirs.ask(f"offline {int(on)}", 8)
            assert _words(workers[1].segment) == _words(workers[0].segment), f"step {step}: {what}"
        np.testing.assert_array_equal(
            workers[1].segment.mix.view(np.uint32), workers[0].segment.mix.view(np.uint32)
        )
        np.testing.assert_array_equal(workers[1].segment.events, workers[0].segment.events)
        assert ours.gaps > 3
        assert ours.dropped_samples > 0, happened


def test_waiting_takes_what_comes_late(build: Build) -> None:
    """Offline: `wait` returns once the worker, here slower than the front end, has put all of it."""
    program = build("tests/port_driver.cpp", "port")
    shape = Shape(rate_hz=48000, mix_channels=2, stem_channels=2, capacity=1 << 12)
    with _pair(program, shape, 0) as (_, theirs, workers):
        block = np.random.default_rng(0).uniform(-1, 1, (2, 1000)).astype(np.float32)
        theirs.write(block)
        heard = workers[1].listen()
        assert heard is not None
        np.testing.assert_array_equal(heard.audio, block)
        assert theirs.process.stdin is not None
        assert theirs.process.stdout is not None
        theirs.process.stdin.write(b"wait 1000\n")
        theirs.process.stdin.flush()
        for at in range(0, 1000, 250):
            workers[1].put(heard.audio[:, at : at + 250])
        answer = np.frombuffer(theirs.process.stdout.read(8000), np.float32).reshape(2, 1000)
        np.testing.assert_array_equal(answer[:, 240:], block[:, 240:])  # a new epoch rises over 5 ms
        ramp = np.linspace(0.0, 1.0, 241, dtype=np.float32)[1:]
        np.testing.assert_array_equal(answer[:, :240], block[:, :240] * ramp)


@pytest.mark.parametrize("flags", [(), ("-DLIVEBAND_MUTANT_NO_FADE",)])
def test_a_gap_begins_with_a_fade(build: Build, flags: tuple[str, ...]) -> None:
    """Where the stem breaks off it does not step; without the fade, which a flag takes out, it does."""
    program = build("tests/port_driver.cpp", "port", flags=("-O1", *flags))
    shape = Shape(rate_hz=48000, mix_channels=1, stem_channels=1, capacity=1 << 12)
    with _pair(program, shape, 0) as (_, theirs, workers):
        theirs.write(np.zeros((1, 2000), np.float32))
        workers[1].listen()
        workers[1].put(np.ones((1, 1000), np.float32))
        heard = theirs.read(2000)[0]
    step = np.abs(np.diff(heard)).max()
    assert (step > 0.9) == bool(flags)
    assert step < 0.01 or flags
    assert not heard[1480:].any()


def test_a_segment_of_a_newer_minor_version_is_taken(build: Build) -> None:
    program = build("tests/port_driver.cpp", "port")
    descriptor = create(Shape(rate_hz=48000, mix_channels=2, stem_channels=2, capacity=1 << 10))
    offset = next(f.offset for f in layout.STATIC if f.name == "minor")
    os.pwrite(descriptor, struct.pack("<H", 9), offset)
    theirs = Driven(program, descriptor, 0, 2)
    theirs.ask("offline 0", 8)
    theirs.close()
    os.close(descriptor)


@pytest.mark.parametrize("fault", ["open", "short", "magic", "major", "capacity", "offset"])
def test_what_is_no_segment_is_refused_with_a_reason(build: Build, form: str, fault: str) -> None:
    """`open`: of the right bytes, and others could change its size."""
    program = build("tests/port_driver.cpp", "port")
    shape = Shape(rate_hz=48000, mix_channels=2, stem_channels=2, capacity=1 << 10)
    good = create(shape)
    header = bytearray(os.pread(good, layout.HEADER_BYTES, 0))
    changes = {"magic": ("magic", "<I", 7), "major": ("major", "<H", 2), "capacity": ("capacity", "<I", 1000)}
    changes["offset"] = ("stem_offset", "<Q", 1 << 40)
    if fault in changes:
        name, code, value = changes[fault]
        struct.pack_into(code, header, next(f.offset for f in layout.STATIC if f.name == name), value)
        os.pwrite(good, header, 0)
    elif fault == "short":
        os.close(good)
        good = shared_memory.FORMS[form].create(100)
        shared_memory.FORMS[form].close_size(good)
    elif form == "unlinked":
        os.fchmod(good, 0o660)
    else:
        os.close(good)
        good = os.memfd_create("bare", os.MFD_ALLOW_SEALING)
        os.ftruncate(good, shape.total_bytes)
        os.pwrite(good, header, 0)
    done = subprocess.run(
        [program, str(good), "0", "2"], pass_fds=[good], capture_output=True, text=True, check=False
    )
    os.close(good)
    assert done.returncode == 1
    expected = {"short": "shorter", "magic": "begin as ours", "major": "protocol 2"}
    expected |= {"capacity": "1000 samples", "offset": "stem_offset"}
    expected["open"] = "sealed" if form == "sealed" else "user's alone"
    assert expected[fault] in done.stderr
