# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions beside each other and over time: isolation (law 5, threat T17), faults F14 to F18, nothing left behind."""

import gc
import os
import resource
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lbmodels.contract.accompanist import Audio
from lbserver.engine.budget import Budget
from lbserver.engine.live import LiveSession, Setup
from lbserver.engine.player import Player
from lbserver.engine.stream import stem_seed
from lbserver.engine.virtual import VirtualHost, VirtualWorker, run
from lbserver.errors import LiveBandError
from lbserver.protocol.controls import INDEX, MODES
from lbserver.protocol.segment import cursor
from lbserver.ring.ends import HostPort, WorkerPort
from lbserver.ring.segment import Segment, Shape, capacity_for, create
from lbserver.ring.timeline import Mode
from lbserver.testing import accompanists, stage
from lbserver.testing.grids import long_or_short

BUDGET = Budget(compute_s=0.012, margin_s=0.004)
RATE_HZ = 48000


def seated(name: str, source: stage.Source, **seat: object) -> VirtualHost:
    values = {"blocks": (256,)} | seat
    return stage.front_end(name, stage.Seat(**values), accompanists.copy().spec, BUDGET, source)  # type: ignore[arg-type]


def worker_of(play: Callable[[], accompanists.SmallAccompanist], *, alone: bool = False) -> VirtualWorker:
    return VirtualWorker(play(), lambda rows, _now_s: 0.004 + 0.0005 * rows, alone=alone)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("play", [accompanists.noise, accompanists.copy], ids=["noise", "copy"])
def test_law_5_sessions_that_come_and_go_change_no_bit_of_another(
    play: Callable[[], accompanists.SmallAccompanist], alone: bool
) -> None:
    """Rows of a batch move when a neighbour leaves: state that moves wrongly would be heard here."""

    def watched(company: bool) -> Audio:
        host = seated("a", stage.noise(1), seed=7)
        worker = worker_of(play, alone=alone)
        worker.serve(host)
        others = [seated(f"n{n}", stage.noise(10 + n), seed=n, start_s=0.3 + 0.11 * n) for n in range(5)]
        acts: list[tuple[float, Callable[[], None]]] = []
        if company:
            for n, other in enumerate(others):
                acts.append((0.25 + 0.1 * n, lambda other=other: worker.serve(other)))  # type: ignore[misc]
                acts.append((1.2 + 0.17 * ((n * 3) % 5), lambda n=n: worker.player.close(f"n{n}")))  # type: ignore[misc]
        run([host, *(others if company else [])], [worker], until_s=2.5, at=acts)
        audio = host.audio
        session = worker.player.sessions["a"]
        assert (session.late_frames, session.skipped_frames) == (0, 0)
        for one in (host, *others):
            one.close()
        return audio

    with_company = watched(True)
    assert np.abs(with_company).max() > 0.05
    np.testing.assert_array_equal(with_company, watched(False))


def test_t17_a_signal_is_never_heard_in_another_session() -> None:
    """Beside it, and in one opened later under the same name: A's canary is a frequency that nobody else plays."""
    worker = worker_of(accompanists.copy)
    canary = seated("a", stage.tone(3000.0, RATE_HZ, level=0.9))
    beside = seated("b", stage.silence())
    worker.serve(canary)
    worker.serve(beside)
    after = seated("a", stage.silence(), start_s=2.1)
    run(
        [canary, beside, after],
        [worker],
        until_s=4.0,
        at=[(2.0, lambda: worker.player.close("a")), (2.05, lambda: worker.serve(after))],
    )
    assert np.abs(canary.audio).max() > 0.8
    assert not beside.audio.any()
    assert not after.audio.any()
    for host in (canary, beside, after):
        host.close()


def test_t17_a_new_segment_of_a_session_holds_nothing_of_the_old() -> None:
    """A change of rate gives a new segment and a new lane: not a sample of before is in them."""
    worker = worker_of(accompanists.copy)
    host = seated("a", stage.tone(440.0, RATE_HZ))
    worker.serve(host)
    other = seated("a", stage.silence(), rate_hz=44100, start_s=1.0)
    run([host, other], [worker], until_s=3.0,
        at=[(1.0, lambda: worker.player.replace(other.setup, WorkerPort(other.worker_segment)))])  # fmt: skip
    assert host.audio.any()
    assert not other.audio.any()
    assert not other.segment.stem.any()
    host.close()
    other.close()


def test_a_session_that_ends_with_a_corrupt_ring_ends_alone() -> None:
    worker = worker_of(accompanists.copy)
    good, bad = seated("good", stage.noise(1)), seated("bad", stage.noise(2))
    worker.serve(good)
    worker.serve(bad)
    run([good, bad], [worker], until_s=0.5)
    bad.segment.store("mix_cursor", bad.segment.load("mix_cursor") + 10**9)
    ended = worker.player.listen(0.5)
    ((name, code, reason),) = ended
    assert (name, code) == ("bad", "bad_message")
    assert "mix cursor went from" in reason
    worker.player.close("bad")
    assert list(worker.player.sessions) == ["good"]
    for host in (good, bad):
        host.close()


BAD_AUDIO: dict[str, Callable[[Audio], None]] = {
    "nan": lambda a: a.fill(np.nan),
    "inf": lambda a: a.fill(np.inf),
    "-inf": lambda a: a.fill(-np.inf),
    "denormal": lambda a: a.fill(1e-41),
    "1e30": lambda a: a.fill(1e30),
    "dc": lambda a: a.fill(1.0),
    "square": lambda a: np.copyto(a, np.where(np.arange(a.shape[1]) // 50 % 2, 1.0, -1.0)),
}


@pytest.mark.parametrize("what", BAD_AUDIO)
@pytest.mark.parametrize("rate_hz", [44100, 48000])
def test_f14_bad_input_is_gone_within_a_second_of_its_end(rate_hz: int, what: str) -> None:
    """One bad block: what is heard is finite and at most +6 dBFS, and soon as if a silent block had been there."""

    def heard(spoil: Callable[[Audio], None]) -> Audio:
        plain = stage.noise(4)

        def source(position: int, samples: int) -> Audio:
            block = plain(position, samples)
            if position // 512 == 40:
                block = block.copy()
                spoil(block)
            return block

        host = seated("a", source, rate_hz=rate_hz, blocks=(512,))
        worker = worker_of(accompanists.copy)
        worker.serve(host)
        run([host], [worker], until_s=2.5)
        audio = host.audio
        host.close()
        return audio

    zeroed, spoiled = heard(lambda a: a.fill(0.0)), heard(BAD_AUDIO[what])
    assert np.isfinite(spoiled).all()
    assert np.abs(spoiled).max() <= 2.0
    settled = 41 * 512 + rate_hz
    assert np.abs(spoiled[:, settled:] - zeroed[:, settled:]).max() <= 1e-5
    assert np.abs(spoiled[:, settled:]).max() > 0.05


def test_f14_a_model_that_breaks_starts_anew_alone() -> None:
    """Not a number out of a model would stay in its memory for ever; the session beside it notices nothing."""

    def play(
        _spec: object, mix: Audio, _conditions: object, state: accompanists.State
    ) -> tuple[Audio, Audio]:
        broken = (state.seeds == broken_seed[0]) & (state.steps >= 10)
        return np.where(broken[:, None, None], np.float32(np.nan), mix), state.tail

    accompanist = accompanists.SmallAccompanist(spec=accompanists.copy().spec, play=play)
    broken_seed = [stem_seed(5, "bass")]
    worker = VirtualWorker(accompanist, lambda _rows, _now_s: 0.005)
    bad, good = seated("bad", stage.noise(1), seed=5), seated("good", stage.noise(2))
    sessions = [worker.serve(bad), worker.serve(good)]
    run([bad, good], [worker], until_s=3.0)
    assert np.isfinite(bad.audio).all()
    assert sessions[0].faults >= 3
    assert sessions[1].faults == 0
    shift = int(sum(stage.reported_samples(good)) + stage.hop_samples(accompanist, RATE_HZ))
    np.testing.assert_array_equal(good.audio[:, shift:], stage.noise(2)(0, good.samples - shift))
    assert bad.audio[:, -RATE_HZ:].any()
    bad.close()
    good.close()


F15_RATES_HZ = (8000, 44100, 48000, 88200, 96000, 192000)
F15_BLOCKS = (1, 2, 17, 64, 100, 138, 256, 480, 512, 1024, 4096)


@pytest.mark.parametrize("seed", range(long_or_short(3, 2)))
def test_f15_rates_blocks_and_channels_in_any_order(seed: int) -> None:
    """Each change is a new segment and an epoch; right audio within 500 ms, nothing of the epoch before."""
    generator = np.random.default_rng(seed)
    copy = accompanists.copy()
    worker = VirtualWorker(copy, lambda _rows, _now_s: 0.005)
    last: VirtualHost | None = None
    for number in range(12):
        rate_hz = int(generator.choice(F15_RATES_HZ))
        block = int(generator.choice(F15_BLOCKS))
        channels = int(generator.choice([1, 2, 6]))
        hz = 300.0 + 40.0 * number
        host = seated(
            "a",
            stage.tone(hz, rate_hz, channels=channels),
            rate_hz=rate_hz,
            blocks=(block,),
            channels=channels,
        )
        if last is None:
            worker.serve(host)
        else:
            worker.player.replace(host.setup, WorkerPort(host.worker_segment))
            last.close()
        seconds = 1.0 if block > 16 else 0.7
        run([host], [worker], until_s=seconds)
        heard = host.audio
        shift = int(sum(stage.reported_samples(host)) + stage.hop_samples(copy, rate_hz))
        expected = stage.tone(hz, rate_hz, channels=channels)(0, heard.shape[1])[:1]
        from_here = shift + rate_hz // 20
        assert from_here < rate_hz / 2 or block >= 4096
        assert (
            np.abs(heard[:, from_here:] - expected[:, from_here - shift : heard.shape[1] - shift]).max()
            < 2e-3
        )
        assert not heard[:, : shift - rate_hz // 100].any()
        assert host.port.missing_samples == 0
        last = host
    assert last is not None
    last.close()


def test_f16_empty_and_huge_blocks_among_others() -> None:
    """0 samples flush parameters; 65,536 at once are within what was announced."""
    sizes = (0, 512, 0, 0, 65536, 17, 0, 4096, 1)
    source = stage.noise(5)
    host = seated("a", source, blocks=sizes)
    worker = worker_of(accompanists.copy)
    worker.serve(host)
    run([host], [worker], until_s=6.0)
    shift = int(sum(stage.reported_samples(host)) + stage.hop_samples(accompanists.copy(), RATE_HZ))
    heard = host.audio
    assert host.port.missing_samples == host.port.gaps == 0
    assert heard.shape[1] == host.samples > 3 * RATE_HZ
    np.testing.assert_array_equal(heard[:, shift:], source(0, host.samples - shift))
    host.close()


def test_f16_longer_blocks_than_announced_cost_time_not_truth() -> None:
    """A host may break its word: frames may come late then, but each is heard at its place or not at all."""
    source = stage.marks(RATE_HZ)
    host = seated("a", source, blocks=(128,))
    host.blocks = (128, 2048, 128, 8000)
    worker = worker_of(accompanists.copy)
    worker.serve(host)
    run([host], [worker], until_s=6.0)
    shift = int(sum(stage.reported_samples(host)) + stage.hop_samples(accompanists.copy(), RATE_HZ))
    heard = host.audio[:, shift:]
    told = stage.positions_of(heard)
    exact = (heard == source(0, heard.shape[1])).all(axis=0)
    assert exact.mean() > 0.3
    settled = exact | (heard == 0).all(axis=0)
    edges = np.diff(np.flatnonzero(settled))
    assert edges.max() <= 0.016 * RATE_HZ  # all else is fades
    assert (told[exact] == np.flatnonzero(exact)).all()
    host.close()


@pytest.mark.parametrize(("before", "after"), [("live", "bounce"), ("bounce", "live"), ("live", "manual")])
def test_a_new_mode_is_that_of_the_new_epoch(before: str, after: str) -> None:
    """Catches a render in which the band rests as on stage, since the mode that was left outlived its epoch."""
    worker, stops = worker_of(accompanists.noise), stage.noise(1)
    host = seated("a", lambda at, n: stops(at, n) * np.float32(at < RATE_HZ))
    at = INDEX["mode"]

    def setup_in(mode: str) -> Setup:
        controls = [*host.setup.controls]
        controls[at] = float(MODES.index(mode))
        return replace(host.setup, controls=tuple(controls))

    host.setup = setup_in(before)
    worker.serve(host)
    again = seated("a", host.source)
    again.setup = setup_in(after)
    worker.player.replace(again.setup, WorkerPort(again.worker_segment))
    run([again], [worker], until_s=5.0)
    assert again.audio[:, 4 * RATE_HZ :].any() == (after != "live")
    host.close()
    again.close()


def test_a_memory_of_two_is_no_session_s() -> None:
    """Catches a row too many in a project's file, by which the next session in the batch would play another's part."""
    worker, host = worker_of(accompanists.noise), seated("a", stage.noise(1))
    band = worker.player.accompanist
    alone = accompanists.noise()
    for state in (band.snapshot(band.init_state([1, 2])), alone.snapshot(alone.init_state([1, 2]))):
        with pytest.raises(LiveBandError, match="hold 2"):
            worker.serve(host, snapshot=state)
        assert not worker.player.sessions
    worker.serve(host)
    before = worker.player.snapshot("a")
    with pytest.raises(LiveBandError, match="hold 2"):
        worker.player.restore("a", band.snapshot(band.init_state([1, 2])))
    assert worker.player.snapshot("a") == before
    host.close()


def _controls_of(session: LiveSession) -> dict[str, float]:
    return dict(session.controls)


def test_controls_told_in_the_ring_survive_an_epoch() -> None:
    """A knob turned just before a change of rate must not be lost with the old epoch."""
    host = seated("a", stage.noise(1))
    worker = worker_of(accompanists.copy)
    session = worker.serve(host)
    run([host], [worker], until_s=0.2)
    host.port.tell("control", (INDEX["variation"], 0.25))
    host.port.begin_epoch()
    host.port.tell("control", (INDEX["stem"], 0.0))
    host.port.tell("control", (INDEX["gain"], 6.0), position=10**9)
    host.port.tell("control", (INDEX["adherence"], 4.0))
    run([host], [worker], until_s=0.4)
    told = _controls_of(session)
    assert (told["variation"], told["stem"], told["adherence"]) == (0.25, 0.0, 4.0)
    assert told["gain"] == 0.0  # that is for later, and holds up nothing
    host.close()


@pytest.mark.parametrize(
    "values",
    [(float("nan"), 1.0), (1e9, 1.0), (-1.0, 1.0), (0.5, 1.0), (INDEX["variation"], float("nan")), (INDEX["mode"], 2.0)],
    ids=str,
)  # fmt: skip
def test_nonsense_told_in_the_ring_changes_nothing(values: tuple[float, ...]) -> None:
    host = seated("a", stage.noise(1))
    worker = worker_of(accompanists.copy)
    session = worker.serve(host)
    before = _controls_of(session)
    for kind in ("control", "transport", "chord"):
        host.port.tell(kind, values if kind == "control" else tuple(v * 1e300 for v in values))
    host.segment.events[5] = 0xFF
    run([host], [worker], until_s=0.5)
    assert _controls_of(session) == before
    assert session.told.transport is None
    assert session.late_frames == session.skipped_frames == 0
    host.close()


def test_a_stem_that_the_model_does_not_play_is_left_alone() -> None:
    copy = accompanists.copy(stems=("drums", "bass"))
    host = stage.front_end("a", stage.Seat(blocks=(256,)), copy.spec, BUDGET, stage.noise(1))
    worker = VirtualWorker(copy, lambda _rows, _now_s: 0.005)
    session = worker.serve(host)
    host.port.tell("control", (INDEX["stem"], 3.0))
    run([host], [worker], until_s=0.5)
    assert session.controls["stem"] == 1.0
    assert host.audio.any()
    host.close()


def _opened_and_closed(player: Player, name: str) -> None:
    shape = Shape(rate_hz=RATE_HZ, mix_channels=2, stem_channels=2, capacity=capacity_for(RATE_HZ, 256))
    descriptor = create(shape)
    front, back = Segment(descriptor), Segment(descriptor)
    os.close(descriptor)
    host = HostPort(front)
    setup = seated_setup()
    player.open(setup(name), WorkerPort(back))
    for _ in range(9):
        host.exchange(np.ones((2, 256), np.float32))
    player.listen(0.0)
    while (batch := player.begin(0.0)) is not None:
        player.finish(batch, player.compute(batch), 0.0)
    player.close(name)
    front.close()
    back.close()


def seated_setup() -> Callable[[str], Setup]:
    host = seated("x", stage.silence())
    setup = host.setup
    host.close()
    return lambda name: replace(setup, session=name)


def test_f17_a_thousand_sessions_leave_nothing_behind(
    descriptors: Callable[[], int], settles: Callable[..., None]
) -> None:
    """Descriptors, mappings, threads exactly; memory by at most 1 kB a session after the first hundred."""
    player = Player(accompanists.copy())
    for number in range(100):
        _opened_and_closed(player, f"s{number}")
    gc.collect()

    def left() -> tuple[int, int, int]:
        maps = sum("memfd:liveband" in line for line in Path("/proc/self/maps").read_text().splitlines())
        return descriptors(), maps, threading.active_count()

    before, resident = left(), _resident_bytes()
    for number in range(900):
        _opened_and_closed(player, f"s{number}")
    gc.collect()
    settles(left, (before[0], 0, before[2]))
    assert not player.sessions
    assert not player._banks
    assert (_resident_bytes() - resident) / 900 <= 1024


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def soak(blocks: int, block: int) -> tuple[VirtualHost, LiveSession, int]:
    """A session that plays many blocks without keeping them; returns how many samples were wrong."""
    source = stage.marks(RATE_HZ)
    host = seated("a", source, blocks=(block,))
    host.keep = False
    worker = worker_of(accompanists.copy)
    session = worker.serve(host)
    shift = int(sum(stage.reported_samples(host)) + stage.hop_samples(accompanists.copy(), RATE_HZ))
    wrong = 0
    exchange = host.port.exchange

    def checked(mix: Audio) -> Audio:
        nonlocal wrong
        at = host.samples - shift
        stem = exchange(mix)
        if at >= 0:
            wrong += int((stem != source(at, block)).any())
        return stem

    host.port.exchange = checked  # type: ignore[method-assign]
    run([host], [worker], until_s=blocks * block / RATE_HZ)
    return host, session, wrong


def test_f18_twenty_thousand_blocks() -> None:
    host, session, wrong = soak(20_000, 64)
    assert host.calls >= 19_999
    assert (wrong, session.late_frames, session.skipped_frames, host.port.missing_samples) == (0, 0, 0, 0)
    host.close()


@pytest.mark.slow
def test_f18_a_million_blocks() -> None:
    """An hour and a half of audio, or its first two minutes: not a sample wrong, no growth."""
    blocks = long_or_short(1_000_000, 25_000)
    first, *_ = soak(10_000, 256)  # fills caches: they are no growth
    first.close()
    resident = _resident_bytes()
    host, session, wrong = soak(blocks, 256)
    assert host.calls >= blocks - 1
    assert (wrong, session.late_frames, session.skipped_frames, host.port.missing_samples) == (0, 0, 0, 0)
    host.close()
    assert _resident_bytes() - resident <= 6 * 2**20


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.ALIGNED])
@pytest.mark.parametrize("rate_hz", [44100, 48000])
def test_f18_a_session_in_its_twenty_sixth_hour(rate_hz: int, mode: Mode) -> None:
    """Positions past 2^32: a lane begun there plays on as one that came the whole way."""
    copy = accompanists.copy()
    source = stage.noise(8)
    host = seated("a", source, rate_hz=rate_hz, mode=mode)
    worker = VirtualWorker(copy, lambda _rows, _now_s: 0.005)
    start = 2**32 - 3000
    host.port.position = host.samples = start
    host.port._read = start - host.port.latency_samples
    host.segment.store("mix_cursor", cursor(1, start))
    host.segment.store("stem_read", cursor(1, host.port._read))
    host.segment.store("stem_cursor", cursor(1, start))
    host.segment.store("mix_read", cursor(1, start))
    session = worker.serve(host)
    session.resume()
    run([host], [worker], until_s=1.5)
    assert host.samples > 2**32 + rate_hz
    assert session.late_frames <= 1  # the first, which was due before anyone was there
    heard = host.audio
    shift = int(sum(stage.reported_samples(host)) + stage.hop_samples(copy, rate_hz))
    tail = heard.shape[1] // 2
    expected = source(start + tail - shift, heard.shape[1] - tail)
    error = np.abs(heard[:, tail:] - expected)
    if rate_hz == RATE_HZ:
        assert not error.any()
    else:  # what a resampler leaves out of white noise, the same wherever it began
        assert np.sqrt((error**2).mean()) < 0.06
    host.close()
