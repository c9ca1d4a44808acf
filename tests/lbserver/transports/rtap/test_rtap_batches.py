# SPDX-License-Identifier: GPL-3.0-or-later
"""Chunks become batches, batches a recording by position; messages as they were written. Without a server."""

import numpy as np
import pytest

from lbserver.errors import LiveBandError
from lbserver.transports.rtap import packets
from lbserver.transports.rtap.batches import WINDOW_SAMPLES, Batches, Cursor, Recording


def test_chunks_make_batches_whatever_their_order() -> None:
    batches, one = Batches(), np.ones(4, np.float32)
    assert batches.add(1, 4, 2, one, 0.0) == []
    (done,) = batches.add(1, 0, 2, one, 0.1)
    assert (done.number, done.samples, done.missing) == (1, 8, 0)
    assert batches.add(1, 0, 2, one, 0.2) == [], "late chunks of a batch that is done"
    assert batches.add(2, 0, 3, one, 1.0) == []
    assert batches.add(2, 4, 3, one, 1.1) == []
    assert batches.deadline_s == pytest.approx(1.6)
    assert batches.give_up(1.5) is None
    overtaken, whole = batches.add(3, 0, 1, one, 1.2)
    assert (overtaken.number, overtaken.missing, whole.number) == (2, 1, 3)
    assert batches.add(2, 8, 3, one, 1.3) == []
    assert batches.late_chunks == 2
    batches.reset()
    assert len(batches.add(1, 0, 1, one, 2.0)) == 1


def test_a_burst_is_given_the_time_that_a_busy_machine_takes() -> None:
    """Catches a batch given up because its sender, or a wireless network, stood still for some milliseconds."""
    batches, one = Batches(), np.ones(4, np.float32)
    for index in range(3):
        batches.add(1, 4 * index, 4, one, 1.0 + 1e-4 * index)
    assert batches.give_up(1.04) is None
    assert batches.give_up(1.06) is not None


def test_chunks_that_overlap_hold_no_more_than_a_window() -> None:
    """4096 chunks of one batch, each at a place of its own, held 245 MiB."""
    batches, most = Batches(), np.ones(16_000, np.float32)
    room = WINDOW_SAMPLES // len(most)
    for start in range(room):
        batches.add(1, start, 4096, most, 0.0)
    for start in (room, room + 1):
        with pytest.raises(LiveBandError, match="overlap"):
            batches.add(1, start, 4096, most, 0.0)
    batches.add(1, 0, 4096, most, 0.0)  # the same once more
    batch = batches.give_up()
    assert batch is not None
    assert batch.held == room * len(most)
    assert batch.over(np.full(batch.samples, 5.0, np.float32)).tolist() == [1.0] * (room - 1 + len(most))


def test_a_longer_batch_is_the_whole_context() -> None:
    """A client that sends 6 s each time: only the last step of it is new."""
    cursor, batches = Cursor(), Batches()
    (batch,) = batches.add(1, 0, 1, np.ones(400, np.float32), 0.0)
    assert (cursor.advance(batch, 100), cursor.position) == (0, 400)
    (batch,) = batches.add(2, 0, 1, np.ones(400, np.float32), 1.0)
    assert (cursor.advance(batch, 100), cursor.position) == (100, 500)
    (batch,) = batches.add(5, 0, 1, np.ones(100, np.float32), 2.0)
    assert (cursor.advance(batch, 100), cursor.position) == (700, 800)


def test_a_recording_is_by_position() -> None:
    recording = Recording(10)
    recording.put(0, np.arange(1, 5, dtype=np.float32))
    recording.put(6, np.full(2, 9, np.float32))
    assert recording.get(-2, 9).tolist() == [0, 0, 1, 2, 3, 4, 0, 0, 9, 9, 0]
    recording.put(4, np.full(2, 5, np.float32))
    recording.put(16, np.full(4, 7, np.float32))
    assert recording.get(4, 20).tolist() == [0] * 12 + [7] * 4
    recording.put(0, np.ones(3, np.float32))
    assert recording.end == 20
    recording.put(100, np.ones(30, np.float32))
    assert recording.get(118, 131).tolist() == [0, 0] + [1] * 10 + [0]


def test_messages_are_read_as_they_were_written() -> None:
    floats = np.linspace(-1, 1, 5120, dtype=np.float32)
    read = packets.read(packets.write("/bass", 7, 0, 14, floats=floats))
    assert (read.address, read.leading) == ("/bass", (7, 0, 14))
    assert np.array_equal(read.floats, floats)
    assert packets.read(packets.write_true("/ready")).leading == (1.0,)
    for bad in (
        b"",
        b"/a",
        b"/a\0\0,s\0\0abc\0",
        b"/a\0\0,ff\0" + bytes(4),
        b"/a\0\0iii\0",
        b"a\0\0\0,\0\0\0",
    ):
        with pytest.raises(LiveBandError):
            packets.read(bad)
