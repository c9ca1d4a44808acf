# SPDX-License-Identifier: GPL-3.0-or-later
"""Both ends of a segment: against a plain model, against a hostile other end, at the edges of numbers."""

import math
import os
import random
import struct
from collections.abc import Iterator
from unittest import mock

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lbserver.audio.fades import Concealer
from lbserver.errors import LiveBandError
from lbserver.protocol import segment as layout
from lbserver.protocol.segment import cursor, epoch_after, split
from lbserver.ring.ends import CorruptSegmentError, HostPort, WorkerPort
from lbserver.ring.segment import Segment, Shape, create

RATE_HZ = 8000  # a fade out is 80 samples, a fade in 40


def pair(capacity: int = 1024, *, channels: int = 1, latency: int = 0) -> tuple[HostPort, WorkerPort]:
    shape = Shape(rate_hz=RATE_HZ, mix_channels=channels, stem_channels=channels, capacity=capacity)
    descriptor = create(shape)
    host = HostPort(Segment(descriptor), latency_samples=latency)
    worker = WorkerPort(Segment(descriptor))
    os.close(descriptor)
    return host, worker


either_form = pytest.mark.usefixtures("form")


@pytest.fixture
def ends(form: str) -> Iterator[tuple[HostPort, WorkerPort]]:
    del form
    host, worker = pair()
    yield host, worker
    host.segment.close()
    worker.segment.close()


class RingAgainstLists(RuleBasedStateMachine):
    """The ring does what two growing lists per epoch would, for any order of both ends' acts."""

    form = "sealed"

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    @initialize(capacity=st.sampled_from([64, 256, 1024]), latency=st.integers(0, 50))
    def begin(self, capacity: int, latency: int) -> None:
        self.capacity, self.latency = capacity, latency
        with mock.patch.dict(os.environ, LIVEBAND_SHARED_MEMORY=self.form):
            self.host, self.worker = pair(capacity, latency=latency)
        self.concealer = Concealer(rate_hz=RATE_HZ, channels=1)
        self.heard_epoch = self.taken = 0
        self.stem: list[float] = []
        self.told: list[float] = []
        self.dropped = self.missing = 0
        self.lapsed = False
        self.new_epoch()

    def new_epoch(self) -> None:
        """What both lists are when the front end begins again."""
        self.mix: list[float] = []
        self.read_at = -self.latency
        self.concealer.reset(fade_in=True, hold=self.lapsed)
        self.lapsed = False

    def samples(self, length: int) -> np.ndarray:
        self.count += length
        return (np.arange(self.count - length, self.count, dtype=np.float32) % 8191 + 1)[None] / 8192

    @rule(length=st.integers(0, 100))
    def write(self, length: int) -> None:
        length = min(length, self.capacity)
        block = self.samples(length)
        taken = self.taken if self.heard_epoch == self.host.epoch else 0
        if len(self.mix) + length - taken > self.capacity:
            self.lapsed = True
            self.dropped += length
        else:
            if self.lapsed:
                self.new_epoch()
            self.mix.extend(block[0])
        self.host.write(block)
        assert self.host.position == len(self.mix)
        assert self.host.dropped_samples == self.dropped

    @rule(length=st.integers(0, 100))
    def read(self, length: int) -> None:
        begun = self.heard_epoch == self.host.epoch
        stem = self.stem if begun else []
        ready = max(0, min(length, len(stem) - self.read_at))
        there = [stem[p] if p >= 0 else 0.0 for p in range(self.read_at, self.read_at + ready)]
        expected = np.concatenate(
            [
                self.concealer.present(np.array([there], np.float32).reshape(1, -1)),
                self.concealer.absent(length - ready),
            ],
            axis=-1,
        )
        self.missing += length - ready if begun else 0
        self.read_at += length
        np.testing.assert_array_equal(self.host.read(length), expected)
        assert self.host.missing_samples == self.missing

    @rule()
    def listen(self) -> None:
        heard = self.worker.listen()
        fresh = self.heard_epoch != self.host.epoch
        if fresh:
            self.taken, self.stem = 0, []
        if not fresh and self.taken == len(self.mix):
            assert heard is None
            return
        assert heard is not None
        assert (heard.fresh, heard.position, heard.epoch) == (fresh, self.taken, self.host.epoch)
        np.testing.assert_array_equal(heard.audio[0], np.array(self.mix[self.taken :], np.float32))
        self.taken, self.heard_epoch = len(self.mix), self.host.epoch

    @precondition(lambda self: self.heard_epoch)
    @rule(length=st.integers(0, 100))
    def put(self, length: int) -> None:
        """As much as there is room for: a worker never overwrites what was not asked for."""
        assert self.worker.written == len(self.stem)
        length = max(0, min(length, self.worker.room))
        audio = self.samples(length)
        self.stem.extend(audio[0])
        self.worker.put(audio)

    @rule()
    def begin_epoch(self) -> None:
        self.host.begin_epoch()
        self.new_epoch()

    @precondition(lambda self: self.heard_epoch)
    @rule()
    def another_worker_takes_over(self) -> None:
        """It knows nothing but the segment and how far it is; the epoch may have changed meanwhile."""
        if self.heard_epoch != self.host.epoch:
            return
        worker = WorkerPort(self.worker.segment)
        worker.resume(mix_position=self.taken)
        worker.write_from(len(self.stem))
        self.worker = worker
        self.told.clear()
        list(self.worker.events())

    @rule(value=st.floats(-1e6, 1e6), repeat=st.integers(1, 3))
    def tell(self, value: float, repeat: int) -> None:
        for _ in range(repeat):
            self.host.tell("chord", (value,))
            self.told.append(value)

    @rule()
    def events(self) -> None:
        events = list(self.worker.events())
        assert [event.values[0] for event in events] == self.told
        assert all(event.epoch for event in events)
        assert all(math.isnan(event.values[5]) for event in events)
        self.told.clear()

    @invariant()
    def figures_in_the_header_are_those_of_the_ends(self) -> None:
        if not hasattr(self, "host"):
            return
        load = self.host.segment.load
        assert split(load("mix_cursor")) == (self.host.epoch, self.host.position)
        assert split(load("stem_read")) == (self.host.epoch, max(0, self.read_at))
        assert load("missing_samples") == self.host.missing_samples
        assert load("gaps") == self.host.gaps

    def teardown(self) -> None:
        if hasattr(self, "host"):
            self.host.segment.close()
            self.worker.segment.close()


RingAgainstLists.TestCase.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
TestRingAgainstLists = RingAgainstLists.TestCase


class UnlinkedAgainstLists(RingAgainstLists):
    """The same on macOS's memory."""

    form = "unlinked"


UnlinkedAgainstLists.TestCase.settings = settings(max_examples=40, stateful_step_count=60, deadline=None)
TestUnlinkedAgainstLists = UnlinkedAgainstLists.TestCase


@either_form
def test_positions_go_past_two_and_four_thousand_million() -> None:
    """32 bits of samples last half a day: a session that plays longer must not notice (threat T16)."""
    for start in (2**31 - 300, 2**32 - 300, 2**47):
        host, worker = pair()
        host.position = host._read = start
        host.segment.store("stem_read", cursor(host.epoch, start))
        host.segment.store("mix_cursor", cursor(host.epoch, start))
        worker.segment.store("mix_read", cursor(host.epoch, start))
        worker.segment.store("stem_cursor", cursor(host.epoch, start))
        worker.resume(mix_position=start)
        worker.write_from(start)
        position, echoed = start, []
        for number in range(100):
            block = np.full((1, 7), (number + 1) / 128, np.float32)
            host.write(block)
            heard = worker.listen()
            assert heard is not None
            assert (heard.position, heard.fresh) == (position, False)
            worker.put(heard.audio)
            echoed.append(host.read(7))
            position += 7
        assert host.position == worker.written == start + 700
        out = np.concatenate(echoed, axis=1)[0]
        risen = 40
        np.testing.assert_array_equal(out[risen:], np.repeat(np.arange(1, 101) / 128, 7)[risen:])
        assert host.missing_samples == 0
        host.segment.close()
        worker.segment.close()


def test_epochs_wrap_and_none_is_taken_for_another(ends: tuple[HostPort, WorkerPort]) -> None:
    host, worker = ends
    host.epoch = 0xFFFD
    seen = []
    for number in range(6):
        host.begin_epoch()
        host.write(np.full((1, 16), number + 1, np.float32))
        heard = worker.listen()
        assert heard is not None
        assert heard.fresh
        assert (heard.audio == number + 1).all()
        seen.append(heard.epoch)
    assert seen == [0xFFFE, 0xFFFF, 1, 2, 3, 4]
    assert epoch_after(0xFFFF) == 1


def test_events_beyond_the_ring_lose_the_oldest_not_the_newest(ends: tuple[HostPort, WorkerPort]) -> None:
    host, worker = ends
    for number in range(layout.EVENT_CAPACITY + 10):
        host.tell("control", (float(number), 0.0))
    numbers = [event.values[0] for event in worker.events()]
    assert numbers == list(range(10, layout.EVENT_CAPACITY + 10))
    assert list(worker.events()) == []


def test_f15_nothing_of_an_old_epoch_is_heard(ends: tuple[HostPort, WorkerPort]) -> None:
    host, worker = ends
    host.write(np.ones((1, 200), np.float32))
    worker.listen()
    worker.put(np.full((1, 600), 0.5, np.float32))
    assert host.read(200).any()
    host.begin_epoch()
    assert not host.read(100).any()
    host.write(np.ones((1, 100), np.float32))
    worker.put(np.full((1, 100), 0.5, np.float32))  # it did not look yet: this is of the old epoch
    assert not host.read(100).any()
    worker.listen()
    worker.put(np.full((1, 400), 0.25, np.float32))
    assert host.read(100).max() == 0.25


def test_f16_nothing_is_a_block_too(ends: tuple[HostPort, WorkerPort]) -> None:
    """Hosts hand over 0 samples to flush parameters."""
    host, worker = ends
    for _ in range(3):
        assert host.exchange(np.zeros((1, 0), np.float32)).shape == (1, 0)
    assert (host.position, host.missing_samples, host.gaps) == (0, 0, 0)
    heard = worker.listen()
    assert heard is not None
    assert heard.audio.shape == (1, 0)
    worker.put(np.ones((1, 100), np.float32))
    for _ in range(3):
        assert host.exchange(np.zeros((1, 0), np.float32)).shape == (1, 0)
    assert (host.position, host.missing_samples, host.gaps) == (0, 0, 0)


def test_f16_a_block_as_long_as_the_ring_fits_and_a_longer_one_is_refused(
    ends: tuple[HostPort, WorkerPort],
) -> None:
    host, worker = ends
    block = np.arange(1024, dtype=np.float32)[None]
    host.write(block)
    heard = worker.listen()
    assert heard is not None
    np.testing.assert_array_equal(heard.audio, block)
    with pytest.raises(LiveBandError, match="1025 samples is too long: at most 1024"):
        host.write(np.zeros((1, 1025), np.float32))


def test_f16_blocks_that_are_views_of_anything_are_read_and_never_written(
    ends: tuple[HostPort, WorkerPort],
) -> None:
    """Read-only, strided, or the very stem of the call before. Catches a block that is written to, and a stem that lies
    in the ring and changes when the worker writes on."""
    host, worker = ends
    base = np.arange(1, 257, dtype=np.float32)[None] / 512
    base.flags.writeable = False
    blocks = [base[:, 0:64], base[:, 1:129:2], base[:, 63::-1]]
    told = [block.copy() for block in blocks]
    stems = []
    for block in blocks:
        host.write(block)
        heard = worker.listen()
        assert heard is not None
        worker.put(heard.audio)
        stems.append(host.read(block.shape[-1]))
    np.testing.assert_array_equal(np.concatenate(stems[1:], axis=1), np.concatenate(told[1:], axis=1))
    assert not any(np.shares_memory(stem, ring) for stem in stems for ring in (host.segment.stem, base))
    kept = stems[1].copy()
    host.write(stems[1])
    heard = worker.listen()
    assert heard is not None
    worker.put(np.full((1, 1024), 0.25, np.float32))
    host.read(64)
    np.testing.assert_array_equal(heard.audio, kept)
    np.testing.assert_array_equal(stems[1], kept)
    for block, before in zip(blocks, told, strict=True):
        np.testing.assert_array_equal(block, before)


def test_a_worker_that_sleeps_costs_its_own_audio_and_no_shift(ends: tuple[HostPort, WorkerPort]) -> None:
    host, worker = ends
    for _ in range(30):
        host.exchange(np.ones((1, 100), np.float32))
    assert host.position == 1000
    assert host.dropped_samples == 2000
    heard = worker.listen()
    assert heard is not None
    assert heard.audio.shape == (1, 1000)
    host.exchange(np.full((1, 100), 2.0, np.float32))
    assert (host.epoch, host.position) == (2, 100)
    heard = worker.listen()
    assert heard is not None
    assert heard.fresh
    assert (heard.audio == 2.0).all()


def test_f14_what_is_not_a_number_is_not_heard(ends: tuple[HostPort, WorkerPort]) -> None:
    host, worker = ends
    host.write(np.zeros((1, 500), np.float32))
    worker.listen()
    bad = np.full((1, 500), 0.25, np.float32)
    bad[0, 100:104] = [np.nan, np.inf, -np.inf, 1e30]
    worker.put(bad)
    out = host.read(500)
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= 2.0


@pytest.mark.parametrize("gain", [float("nan"), float("inf"), -1.0, 1e30, 5.0])
def test_gain_is_bounded_and_never_steps(ends: tuple[HostPort, WorkerPort], gain: float) -> None:
    host, worker = ends
    host.write(np.zeros((1, 1000), np.float32))
    worker.listen()
    worker.put(np.full((1, 1000), 0.5, np.float32))
    before = host.read(200)
    worker.segment.store_float("gain", gain)
    out = np.concatenate([before[:, -1:], *(host.read(size) for size in (1, 37, 362, 200))], axis=1)
    assert np.isfinite(out).all()
    assert out.min() >= 0.0
    assert out.max() <= 2.0
    most = 16.0 * 0.5 / (0.02 * RATE_HZ)
    assert np.abs(np.diff(out)).max() <= most + 1e-5
    settled = 1.0 if math.isnan(gain) or math.isinf(gain) else min(max(gain, 0.0), 16.0)
    assert out[0, -1] == pytest.approx(min(2.0, 0.5 * settled))


def test_waiting_ends_when_nobody_answers(ends: tuple[HostPort, WorkerPort]) -> None:
    host, _ = ends
    host.write(np.zeros((1, 100), np.float32))
    with pytest.raises(LiveBandError, match=r"has not answered for 0\.05 s"):
        host.wait(100, timeout_s=0.05)


def test_t3_static_fields_changed_after_attach_change_nothing(ends: tuple[HostPort, WorkerPort]) -> None:
    """They are copied once: a peer that later writes a huge capacity must not move a single access."""
    host, worker = ends
    memory = np.frombuffer(host.segment._map, np.uint8)
    memory[: layout.STATIC[-1].offset + 8] = 0xFF
    host.write(np.ones((1, 600), np.float32))
    heard = worker.listen()
    assert heard is not None
    worker.put(heard.audio)
    assert host.read(600)[0, 100:].min() == 1.0
    assert worker.segment.shape.capacity == 1024
    del memory


EXTREMES = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**48 - 1, 2**48, 2**63 - 1, 2**63, 2**64 - 1)


@either_form
@pytest.mark.parametrize("seed", range(8))
def test_t3_a_header_mutated_while_both_ends_run(seed: int) -> None:
    """Each field that changes gets random and extreme values between any two acts of both ends.

    Nothing leaves the mapping (numpy and the compiled words would raise or crash), the one error is
    CorruptSegmentError, what is heard is finite, and after a new epoch all is well again.
    """
    generator = random.Random(seed)
    host, worker = pair(channels=2, latency=30)
    raw = Segment.__new__(Segment)
    raw.__dict__ = host.segment.__dict__
    names = [field.name for field in (*layout.HOST, *layout.SERVER)]
    corrupt = 0
    for _ in range(1500):
        name = generator.choice(names)
        good = raw.load(name)
        epoch, position = split(good)
        raw.store(
            name,
            generator.choice(
                [
                    generator.choice(EXTREMES),
                    generator.getrandbits(64),
                    good ^ (1 << generator.randrange(64)),
                    cursor(epoch, position + generator.randint(-3000, 3000)),
                    cursor(epoch + generator.randint(-2, 2), position),
                    struct.unpack("<Q", struct.pack("<d", generator.choice([1e300, -1e300, math.nan, 5e-324])))[0],
                ]
            ),
        )  # fmt: skip
        if generator.random() < 0.3:
            raw.events[generator.randrange(len(raw.events))] = generator.getrandbits(8)
        audio = np.ones((2, generator.randrange(300)), np.float32)
        for act in generator.sample(range(6), 4):
            if act == 0:
                host.write(audio)
            elif act == 1:
                out = host.read(audio.shape[1])
                assert out.shape == audio.shape
                assert np.isfinite(out).all()
                assert np.abs(out).max(initial=0.0) <= 64.0
            elif act == 2:
                host.tell("transport", (120.0,))
            else:
                try:
                    if act == 3:
                        heard = worker.listen()
                        assert heard is None or heard.audio.shape[1] <= 1024
                    elif act == 4:
                        assert len(list(worker.events())) <= layout.EVENT_CAPACITY
                    else:
                        worker.put(audio)
                        assert isinstance(worker.room + worker.read_position, int)
                except CorruptSegmentError as error:
                    corrupt += 1 if "\n" not in str(error) else -(10**6)
                    worker = WorkerPort(worker.segment)  # the server would end it here
                    worker._events = worker.segment.load("event_count")
        if generator.random() < 0.02:
            host.begin_epoch()
    assert corrupt > 0
    host.segment.close()
    worker.segment.close()
