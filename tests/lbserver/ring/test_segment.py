# SPDX-License-Identifier: GPL-3.0-or-later
"""The shared segment: sealed, nameless, believed only after it was checked (threats T1 to T3)."""

import fcntl
import mmap
import os
import resource
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbserver.errors import LiveBandError
from lbserver.host import shared_memory
from lbserver.protocol import MAJOR, MINOR
from lbserver.protocol import segment as layout
from lbserver.ring.segment import Segment, Shape, capacity_for, create, fetch, place, read_shape
from lbserver.testing.waiting import until

SHAPE = Shape(rate_hz=48000, mix_channels=2, stem_channels=1, capacity=1024)
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


@contextmanager
def made(shape: Shape = SHAPE) -> Iterator[int]:
    descriptor = create(shape)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def forged(changes: dict[int, bytes], *, size: int = SHAPE.total_bytes, seals: int = SEALS) -> Iterator[int]:
    """A segment as a hostile peer would make it: a good header with bytes exchanged."""
    with made() as good:
        header = bytearray(os.pread(good, layout.HEADER_BYTES, 0))
    for offset, data in changes.items():
        header[offset : offset + len(data)] = data
    descriptor = shared_memory.FORMS[shared_memory.form_name()].create(size)
    os.pwrite(descriptor, header[:size], 0)
    if seals and shared_memory.form_name() == "sealed":
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


forging = contextmanager(forged)


either_form = pytest.mark.usefixtures("form")


@either_form
def test_what_is_made_is_what_is_read() -> None:
    with made() as descriptor:
        assert read_shape(descriptor) == SHAPE
        segment = Segment(descriptor)
        assert (segment.mix.shape, segment.stem.shape) == ((2, 1024), (1, 1024))
        assert segment.events.shape == (layout.EVENT_CAPACITY, layout.EVENT_BYTES)
        assert not segment.mix.any()
        assert not segment.stem.any()
        assert {field.name: segment.load(field.name) for field in layout.HOST} == dict.fromkeys(
            (field.name for field in layout.HOST), 0
        )
        assert segment.load_float("gain") == segment.load_float("mix") == 1.0
        segment.close()
        segment.close()


@either_form
def test_words_go_through_to_another_mapping() -> None:
    with made() as descriptor:
        one, other = Segment(descriptor), Segment(descriptor)
        for value in (0, 1, 2**31, 2**32 - 1, 2**48, 2**63, 2**64 - 1):
            one.store("mix_cursor", value)
            assert other.load("mix_cursor") == value
        for number in (0.0, -1.5, float("inf"), 1e-310):
            one.store_float("headroom_ms", number)
            assert other.load_float("headroom_ms") == number
        one.mix[1, 5] = 0.25
        assert other.mix[1, 5] == 0.25
        one.close()
        other.close()


@either_form
def test_fields_do_not_disturb_each_other() -> None:
    with made() as descriptor:
        segment = Segment(descriptor)
        fields = [*layout.HOST, *layout.SERVER]
        for number, field in enumerate(fields):
            segment.store(field.name, number + 1)
        assert [segment.load(field.name) for field in fields] == list(range(1, len(fields) + 1))
        assert read_shape(descriptor) == SHAPE
        segment.close()


def test_t2_nobody_can_change_its_size() -> None:
    """A peer that truncates a mapped file kills the DAW with SIGBUS."""
    with made() as descriptor:
        for size in (0, layout.HEADER_BYTES, SHAPE.total_bytes - 1, SHAPE.total_bytes + 4096):
            with pytest.raises(PermissionError):
                os.ftruncate(descriptor, size)
        with pytest.raises(PermissionError):
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
        with pytest.raises(OSError, match=r"."):
            os.posix_fallocate(descriptor, SHAPE.total_bytes, 4096)


@pytest.mark.parametrize(
    "seals", [0, fcntl.F_SEAL_SHRINK, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW, fcntl.F_SEAL_SEAL]
)
def test_t2_an_unsealed_descriptor_is_refused(seals: int) -> None:
    with forging({}, seals=seals) as descriptor, pytest.raises(LiveBandError, match="not sealed"):
        Segment(descriptor)


@either_form
def test_what_is_no_memory_file_is_refused_in_one_line() -> None:
    reader, writer = os.pipe()
    try:
        for descriptor in (reader, writer):
            with pytest.raises(LiveBandError, match="is no segment") as caught:
                Segment(descriptor)
            assert "\n" not in str(caught.value)
    finally:
        os.close(reader)
        os.close(writer)
    with pytest.raises(LiveBandError, match="is no segment"):
        read_shape(reader)  # closed


@either_form
@pytest.mark.parametrize("field", layout.STATIC, ids=lambda field: field.name)
def test_t3_every_static_field_is_checked(field: layout.Field) -> None:
    """Each bit of each field that is copied at attach; only the minor version may differ, and rates are free."""
    size = struct.calcsize(field.code)
    free = {"minor", "rate_hz"}
    with made() as good:
        (value,) = struct.unpack_from("<" + field.code, os.pread(good, layout.HEADER_BYTES, 0), field.offset)
    for other in {value ^ (1 << bit) for bit in range(8 * size)} | {0, (1 << 8 * size) - 1, value + 1}:
        if other == value:
            continue
        with forging({field.offset: struct.pack("<" + field.code, other)}) as descriptor:
            if field.name in free:
                try:
                    shape = read_shape(descriptor)
                except LiveBandError:
                    assert field.name == "rate_hz"
                    assert not layout.MIN_RATE_HZ <= other <= layout.MAX_RATE_HZ
                else:
                    assert shape.total_bytes == SHAPE.total_bytes
            else:
                with pytest.raises(LiveBandError) as caught:
                    Segment(descriptor)
                assert "\n" not in str(caught.value)


@either_form
def test_t3_a_header_that_lies_about_its_size_consistently_is_refused() -> None:
    """Capacity, offsets and total agree with each other, but the file is smaller: the mapping would run off it."""
    lie = Shape(rate_hz=48000, mix_channels=2, stem_channels=1, capacity=4096)
    with made(lie) as descriptor:
        header = os.pread(descriptor, layout.HEADER_BYTES, 0)
    with forging({0: header}) as descriptor, pytest.raises(LiveBandError, match=r"has \d+ bytes, not"):
        Segment(descriptor)
    for size in (0, 1, layout.HEADER_BYTES - 1):
        with (
            forging({}, size=size) as descriptor,
            pytest.raises(LiveBandError, match="shorter than its header"),
        ):
            Segment(descriptor)


@pytest.mark.parametrize(
    "changes",
    [
        {"rate_hz": 7999}, {"rate_hz": 192001}, {"mix_channels": 0}, {"mix_channels": 65}, {"stem_channels": 0},
        {"stem_channels": 65}, {"capacity": 0}, {"capacity": 1}, {"capacity": 1000}, {"capacity": 1 << 21},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_shapes_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(LiveBandError, match="is not possible"):
        Shape(**({"rate_hz": 48000, "mix_channels": 2, "stem_channels": 2, "capacity": 1024} | changes))


@either_form
@pytest.mark.parametrize("minor", [0, MINOR + 1, 0xFFFF])
def test_f27_any_minor_version_is_taken(minor: int) -> None:
    with forging({10: struct.pack("<H", minor)}) as descriptor:
        assert read_shape(descriptor) == SHAPE


@either_form
@pytest.mark.parametrize("major", [0, MAJOR + 1, 0xFFFF])
def test_f27_another_major_version_is_refused_with_both_numbers(major: int) -> None:
    message = f"protocol {major}, this program speaks {MAJOR}"
    with forging({8: struct.pack("<H", major)}) as descriptor, pytest.raises(LiveBandError, match=message):
        read_shape(descriptor)


@either_form
def test_f27_trailing_fields_of_a_newer_minor_version_are_ignored() -> None:
    """Whatever a newer server writes into the header's unused bytes."""
    unused = max(field.offset for field in layout.FIELDS) + 8
    with forging({64: b"\xff" * 64, unused: b"\xff" * (layout.HEADER_BYTES - unused)}) as descriptor:
        segment = Segment(descriptor)
        assert segment.load("mix_cursor") == 0
        segment.close()


@either_form
def test_f33_descriptors_do_not_survive_an_exec() -> None:
    """A child of the host that inherits it would keep the segment, and the server's EOF, for ever."""
    with made() as descriptor:
        assert fcntl.fcntl(descriptor, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        assert not os.get_inheritable(descriptor)
        program = f"import os; os.fstat({descriptor})"
        child = subprocess.run(
            [sys.executable, "-c", program], close_fds=False, capture_output=True, text=True, check=False
        )
        assert "Bad file descriptor" in child.stderr


@either_form
def test_f32_it_outlives_a_process_that_attached_to_it() -> None:
    """On Python 3.11 multiprocessing's shared memory does not."""
    with made() as descriptor:
        segment = Segment(descriptor)
        program = (
            "import os, sys\n"
            "from lbserver.ring.segment import Segment\n"
            f"segment = Segment({descriptor})\n"
            "segment.store('host_heartbeat', 42)\n"
            "segment.mix[0, 3] = 0.5\n"
            "os._exit(0) if sys.argv[1] == 'hard' else segment.close()\n"
        )
        for manner in ("soft", "hard"):
            segment.store("host_heartbeat", 0)
            segment.mix[0, 3] = 0.0
            subprocess.run([sys.executable, "-c", program, manner], pass_fds=[descriptor], check=True)
            assert segment.load("host_heartbeat") == 42
            assert segment.mix[0, 3] == 0.5
        again = Segment(descriptor)
        assert again.load("host_heartbeat") == 42
        again.close()
        segment.close()


_LIMITED = """
import resource, time
from lbserver.errors import LiveBandError
from lbserver.ring.segment import Segment, Shape, create
shape = Shape(rate_hz=48000, mix_channels=64, stem_channels=2, capacity=1 << 20)
Segment(create(Shape(rate_hz=48000, mix_channels=1, stem_channels=1, capacity=2))).load("state")  # compiles
{limit}
began = time.process_time()
kept = []
try:
    for _ in range(200):
        descriptor = create(shape)
        kept.append((descriptor, Segment(descriptor)))
except LiveBandError as error:
    print(len(kept), time.process_time() - began < 5.0, error)
"""


@either_form
@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))", "no shared memory for a session: Too many open"),
        ("resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))", "cannot be mapped: Cannot allocate"),
        ("resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))", "no shared memory for a session: File too"),
    ],
    ids=["descriptors", "address space", "file size"],
)  # fmt: skip
def test_f30_what_the_machine_refuses_is_one_clear_error(limit: str, message: str) -> None:
    limits = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + limit
    child = subprocess.run(
        [sys.executable, "-c", _LIMITED.format(limit=limits)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    count, quick, error = child.stdout.strip().split(" ", 2)
    assert message in error
    assert quick == "True"
    assert int(count) < 200


@either_form
def test_f30_a_failed_segment_leaves_no_descriptor(descriptors: Callable[[], int]) -> None:
    before = descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before + 4, hard))
    kept: list[int] = []
    try:
        with pytest.raises(LiveBandError, match="no shared memory"):
            kept.extend(create(SHAPE) for _ in range(100))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in kept:
            os.close(descriptor)
    assert descriptors() == before


def test_t1_it_has_no_name_to_squat_or_to_forget(form: str) -> None:
    """A named one outlives a server that is killed, and lies where others may guess it."""

    def names() -> set[Path]:
        return set(Path("/dev/shm").glob("lb*"))

    before = names()
    with made() as descriptor:
        new = names() - before
        until(lambda: not new & names(), "what others make at this moment loses its name")
        target = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        assert target.startswith("/memfd:") if form == "sealed" else target.endswith(" (deleted)")
        about = os.fstat(descriptor)
        assert about.st_nlink == 0
        assert form == "sealed" or stat.S_IMODE(about.st_mode) == 0o600


def test_t2_memory_that_shrinks_under_a_look_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing seals a size, a peer may change it between two calls; mmap's ValueError ended who looked."""
    monkeypatch.setenv("LIVEBAND_SHARED_MEMORY", "unlinked")
    real = mmap.mmap

    def late(descriptor: int, length: int, **how: int) -> mmap.mmap:
        os.ftruncate(descriptor, 16)
        return real(descriptor, length, **how)

    with made() as descriptor:
        monkeypatch.setattr("lbserver.host.shared_memory.mmap.mmap", late)
        with pytest.raises(LiveBandError, match="its size changes"):
            read_shape(descriptor)


def test_t2_memory_that_others_could_get_at_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing seals a size, memory that has a name, or that others may open, can be shrunk under its readers."""
    monkeypatch.setenv("LIVEBAND_SHARED_MEMORY", "unlinked")
    with made() as descriptor:
        os.fchmod(descriptor, 0o660)
        with pytest.raises(LiveBandError, match="not its user's alone"):
            Segment(descriptor)
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        with made() as good:
            file.write(os.pread(good, SHAPE.total_bytes, 0))
        file.flush()
        with pytest.raises(LiveBandError, match="has a name"):
            Segment(file.fileno())
        monkeypatch.delenv("LIVEBAND_SHARED_MEMORY")
        with pytest.raises(LiveBandError, match="not sealed"):
            Segment(file.fileno())
    monkeypatch.setenv("LIVEBAND_SHARED_MEMORY", "magic")
    with pytest.raises(LiveBandError, match="there are sealed, unlinked"):
        create(SHAPE)


@given(st.integers(8000, 192000), st.integers(1, 65536))
def test_a_ring_holds_two_seconds_or_four_blocks_as_far_as_allowed(rate_hz: int, block: int) -> None:
    capacity = capacity_for(rate_hz, block)
    assert not capacity & (capacity - 1)
    assert min(layout.MAX_CAPACITY, max(2 * rate_hz, 4 * block)) <= capacity <= layout.MAX_CAPACITY


@given(
    st.sampled_from([4, 16, 64]),
    st.one_of(st.integers(0, 2**48 - 1), st.sampled_from([2**31 - 3, 2**32 - 1, 2**48 - 2])),
    st.integers(0, 64),
    st.randoms(use_true_random=False),
)
def test_audio_lies_where_its_position_says(
    capacity: int, position: int, length: int, random: object
) -> None:
    """Against one sample at a time; `fetch` gives a copy that later writes do not change."""
    del random
    length = min(length, capacity)
    ring = np.full((2, capacity), np.nan, np.float32)
    audio = np.arange(2 * length, dtype=np.float32).reshape(2, length)
    place(ring, position, audio)
    for index in range(length):
        np.testing.assert_array_equal(ring[:, (position + index) % capacity], audio[:, index])
    assert np.isnan(ring).sum() == 2 * (capacity - length)
    copy = fetch(ring, position, length)
    ring[:] = -1
    np.testing.assert_array_equal(copy, audio)


@given(st.integers(0, 0xFFFF), st.integers(0, 2**48 - 1))
def test_a_cursor_is_its_epoch_and_position(epoch: int, position: int) -> None:
    word = layout.cursor(epoch, position)
    assert layout.split(word) == (epoch, position)
    assert 0 <= word < 2**64
    assert 1 <= layout.epoch_after(epoch) <= 0xFFFF
    assert layout.epoch_after(epoch) != epoch
