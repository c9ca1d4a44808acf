# SPDX-License-Identifier: GPL-3.0-or-later
"""Law 1: what is reported is what is measured, to the sample, for every rate, block size and mode."""

import numpy as np
import pytest

from lbserver.engine.budget import Budget
from lbserver.engine.virtual import VirtualWorker, run
from lbserver.ring.timeline import Mode
from lbserver.testing import accompanists, stage
from lbserver.testing.grids import each, grid

BUDGET = Budget(compute_s=0.006, margin_s=0.002)
COST_S = 0.005


def measured_and_reported(
    rate_hz: int, blocks: tuple[int, ...], mode: Mode, frames: int | None, *, hop: int = 1920
) -> tuple[list[int], float]:
    """Offsets of all echoes, and what they must be: the header's A*H + L, and one hop for the copying itself."""
    copy = accompanists.copy(hop=hop)
    seat = stage.Seat(rate_hz=rate_hz, blocks=blocks, mode=mode, anticipation_frames=frames)
    first, every = rate_hz // 7 + 1, rate_hz * 7 // 10 + 123
    host = stage.front_end("a", seat, copy.spec, BUDGET, stage.impulses(every, first))
    worker = VirtualWorker(copy, lambda _rows, _now_s: COST_S)
    session = worker.serve(host)
    reported = sum(stage.reported_samples(host)) + stage.hop_samples(copy, rate_hz)
    seconds = 1.6
    if mode is Mode.BOUNCE:
        stage.play_offline(host, worker, blocks=int(seconds * rate_hz * len(blocks) / sum(blocks)))
    else:
        run([host], [worker], until_s=seconds)
    heard = host.audio
    written = range(first, heard.shape[-1] - int(reported) - 256, every)
    offsets = stage.measured_offsets(heard, written, every)
    assert len(offsets) >= 2
    assert (session.late_frames, session.skipped_frames, host.port.missing_samples) == (0, 0, 0)
    assert host.port.gaps == 0
    host.close()
    return offsets, reported


@pytest.mark.parametrize(
    ("rate_hz", "blocks", "case"),
    grid(stage.RATES_HZ, [name for name in stage.BLOCKS if name != "1"], stage.MODES),
    ids=str,
)
def test_law_1_measured_offset_is_the_reported_one(
    rate_hz: int, blocks: str, case: tuple[Mode, int | None]
) -> None:
    """A wrong PDC figure, or a resampler's delay that shifts the music, shows here."""
    offsets, reported = measured_and_reported(rate_hz, stage.BLOCKS[blocks], *case)
    assert offsets == [reported] * len(offsets)


def test_law_1_with_blocks_of_one_sample() -> None:
    """The quick one of those below."""
    offsets, reported = measured_and_reported(48000, (1,), Mode.LIVE, None)
    assert offsets == [reported] * len(offsets)


@pytest.mark.slow
@pytest.mark.parametrize(("rate_hz", "case"), each(stage.RATES_HZ, stage.MODES), ids=str)
def test_law_1_with_blocks_of_one_sample_at_every_rate(rate_hz: int, case: tuple[Mode, int | None]) -> None:
    offsets, reported = measured_and_reported(rate_hz, (1,), *case)
    assert offsets == [reported] * len(offsets)


@pytest.mark.parametrize("hop", [960, 1440, 480])
def test_law_1_at_other_hops(hop: int) -> None:
    """The timeline must not know the default model's 40 ms."""
    for rate_hz in (44100, 48000):
        offsets, reported = measured_and_reported(rate_hz, (256,), Mode.LIVE, None, hop=hop)
        assert offsets == [reported] * len(offsets)


@pytest.mark.parametrize(
    ("chunk", "rate_hz", "case"),
    grid(
        [2, 5, 25],
        [44100, 48000, 96000],
        [(Mode.LIVE, None), (Mode.ALIGNED, None), (Mode.MANUAL, 3), (Mode.BOUNCE, 0)],
    ),
    ids=str,
)
def test_law_1_with_chunks_of_frames(chunk: int, rate_hz: int, case: tuple[Mode, int | None]) -> None:
    """A recency gap that forgets the chunk would promise 40 ms where the echo comes after a second."""
    copy = accompanists.copy(chunk_frames=chunk)
    seat = stage.Seat(rate_hz=rate_hz, blocks=(256,), mode=case[0], anticipation_frames=case[1])
    chunk_samples = rate_hz * 0.04 * chunk
    every, first = round((0.7 + 0.06 * chunk) * rate_hz) + 123, rate_hz // 7 + 1
    host = stage.front_end("a", seat, copy.spec, BUDGET, stage.impulses(every, first))
    worker = VirtualWorker(copy, lambda _rows, _now_s: COST_S)
    session = worker.serve(host)
    seconds = 1.8 + 0.18 * chunk
    if case[0] is Mode.BOUNCE:
        stage.play_offline(host, worker, blocks=int(seconds * rate_hz / 256))
    else:
        run([host], [worker], until_s=seconds)
    timing = session.setup.timing
    one_hop = rate_hz * 0.04
    assert (
        timing.recency_gap_samples
        == timing.anticipation_samples + timing.latency_samples + chunk_samples - one_hop
    )
    heard = host.audio
    expected = round(timing.recency_gap_samples + one_hop)
    written = range(first, heard.shape[-1] - expected - 256, every)
    offsets = stage.measured_offsets(heard, written, every)
    assert len(offsets) >= 2
    assert offsets == [expected] * len(offsets)
    assert (session.late_frames, session.skipped_frames, host.port.missing_samples) == (0, 0, 0)
    host.close()


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.ALIGNED, Mode.MANUAL])
def test_every_sample_comes_back_at_its_place(mode: Mode) -> None:
    """Not the impulse alone: at the model's rate the whole recording is there bit for bit, shifted as reported."""
    copy = accompanists.copy()
    seat = stage.Seat(blocks=stage.RANDOM_BLOCKS, mode=mode, anticipation_frames=3)
    source = stage.noise(3)
    host = stage.front_end("a", seat, copy.spec, BUDGET, source)
    worker = VirtualWorker(copy, lambda _rows, _now_s: COST_S)
    worker.serve(host)
    run([host], [worker], until_s=2.0)
    shift = int(sum(stage.reported_samples(host)) + stage.hop_samples(copy, 48000))
    heard = host.audio
    assert not heard[:, :shift].any()
    np.testing.assert_array_equal(heard[:, shift:], source(0, heard.shape[-1] - shift))
    host.close()
