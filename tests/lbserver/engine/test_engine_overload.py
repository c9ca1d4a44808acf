# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults F4, F6 and F7 on the virtual clock: what is too slow costs its own sound, never the place of any other."""

from dataclasses import replace

import pytest

from lbserver.engine.budget import Budget
from lbserver.engine.virtual import VirtualHost, VirtualWorker, run
from lbserver.ring.timeline import Mode
from lbserver.session.states import State
from lbserver.testing import accompanists, scenes, stage


@pytest.mark.parametrize("ahead", [1, 3, 12])
def test_f6_a_machine_that_keeps_up_misses_nothing(ahead: int) -> None:
    figures = scenes.overload(0.8, ahead, seconds=10)
    assert (figures.late_frames, figures.skipped_frames, figures.wet_share) == (0, 0, 1.0)
    assert figures.rungs == ("on_time",)
    assert figures.recovery_frames == 0


@pytest.mark.parametrize(("cost", "ahead", "least"), [(1.5, 3, 0.6), (1.5, 12, 0.6), (3.0, 12, 0.3)], ids=str)
def test_f6_overload_leaves_out_whole_frames_and_plays_the_rest_on_time(
    cost: float, ahead: int, least: float
) -> None:
    """Where a step fits into the slack A*H + L, as many frames are heard as the machine can play, and all on time."""
    figures = scenes.overload(cost, ahead, seconds=10)
    assert figures.wet_share >= least
    assert figures.late_frames <= 2  # before the cost was known
    assert figures.stale_samples == 0
    assert figures.recovery_frames <= 10
    assert figures.wet_after == 1.0
    assert figures.states[-2:] == ("late", "playing")
    assert {"on_time", "skip"} <= set(figures.rungs)
    assert "fade" not in figures.rungs


@pytest.mark.parametrize(("cost", "ahead"), [(1.5, 1), (3.0, 1), (10.0, 1), (3.0, 3), (10.0, 3), (10.0, 12)])
def test_f6_what_cannot_be_on_time_fades_whole_and_comes_back(cost: float, ahead: int) -> None:
    """A step longer than the slack can never be in time: silence, said so, is better than shreds."""
    figures = scenes.overload(cost, ahead, seconds=15)
    assert figures.wet_share < 0.1
    assert figures.stale_samples == 0
    assert [state for state in figures.states if state != "late"] == [
        "listening",
        "playing",
        "faded",
        "bypassed",
        "playing",
    ]
    assert {"skip", "fade", "bypass"} <= set(figures.rungs)
    # A step that had begun under load ends when it ends: the rest is at most ten frames.
    assert figures.recovery_frames <= 10 + (cost if cost > 5 else 0)
    assert figures.wet_after == 1.0


@pytest.mark.parametrize("cost", [1.5, 3.0, 10.0])
@pytest.mark.parametrize("ahead", [1, 3, 12])
def test_f6_the_queue_stays_bounded(cost: float, ahead: int) -> None:
    """Frames wait as long as they can still be on time, and while one step runs; never longer."""
    short, long = (scenes.overload(cost, ahead, seconds=seconds) for seconds in (5, 20))
    bound_ms = 40 * (max(1, ahead) + cost + 1.5)
    assert short.queue_age_ms <= bound_ms
    assert long.queue_age_ms <= bound_ms
    assert long.waiting <= max(2, ahead)


def test_f6_is_the_same_each_time() -> None:
    assert scenes.overload(1.5, 3, seconds=5) == scenes.overload(1.5, 3, seconds=5)


def test_one_hiccup_costs_what_it_lasts_and_no_more() -> None:
    """A mean of costs would keep it skipping long after."""
    copy = accompanists.copy()
    source = stage.marks(48000)
    host = stage.front_end(
        "a", stage.Seat(blocks=(256,)), copy.spec, Budget(compute_s=0.01, margin_s=0.002), source
    )
    worker = VirtualWorker(copy, lambda _rows, now_s: 0.3 if 1.0 <= now_s < 1.04 else 0.008)
    session = worker.serve(host)
    run([host], [worker], until_s=4.0)
    shift = int(sum(stage.reported_samples(host)) + stage.hop_samples(copy, 48000))
    right = scenes.judged(host.audio, source(0, host.samples), shift).right
    broken_s = float((~right).sum()) / 48000
    assert 0.2 < broken_s <= 0.3 + 2 * 0.04
    assert session.state is State.PLAYING
    host.close()


@pytest.mark.parametrize("block", [64, 256, 2048])
@pytest.mark.parametrize("stop_s", [0.5, 1.0, 3.0, 5.0, 60.0])
def test_f4_a_worker_that_stood_still(stop_s: float, block: int) -> None:
    """SIGSTOP and SIGCONT, or a laptop's lid: silent at once, aligned again within 250 ms, never a burst."""
    figures = scenes.stopped_worker(stop_s, block=block)
    assert figures.silent_after_ms <= 20
    assert figures.back_after_ms <= 250
    assert figures.stale_samples == 0
    assert figures.largest_step <= 2 * figures.clean_step
    assert figures.waiting <= 2
    assert figures.wet_after > 0.999
    assert figures.epochs == (1 if stop_s < 2.5 else 2)


@pytest.mark.parametrize("phase", range(8))
@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.ALIGNED])
def test_f4_at_any_phase_of_the_frame(phase: int, mode: Mode) -> None:
    for stop_s in (0.12, 3.0):
        figures = scenes.stopped_worker(stop_s, at_s=1.5 + phase * 0.005, mode=mode)
        assert figures.back_after_ms <= 250
        assert figures.stale_samples == 0
        assert figures.largest_step <= 2 * figures.clean_step
        assert figures.wet_after > 0.999


def test_f5_a_front_end_that_stood_still_costs_nothing_and_goes_on() -> None:
    """A debugger, a stopped transport: no step is computed meanwhile, the same epoch goes on, bit for bit."""
    copy = accompanists.copy()
    source = stage.marks(48000)
    budget = Budget(compute_s=0.01, margin_s=0.002)

    def play(pause_s: float) -> tuple[VirtualHost, VirtualWorker]:
        host = stage.front_end("a", stage.Seat(blocks=(256,)), copy.spec, budget, source)
        worker = VirtualWorker(copy, lambda _rows, _now_s: 0.008)
        worker.serve(host)
        called = host.call

        def call() -> float:
            wait_s = called()
            return wait_s + (pause_s if host.calls == 300 else 0.0)

        host.call = call  # type: ignore[method-assign]
        run([host], [worker], until_s=4.0 + pause_s)
        return host, worker

    (plain, plain_worker), (paused, paused_worker) = play(0.0), play(60.0)
    assert paused.port.epoch == 1
    assert paused.port.missing_samples == 0
    assert paused_worker.player.sessions["a"].skipped_frames == 0
    length = min(plain.samples, paused.samples)
    assert length > 3.9 * 48000
    assert (plain.audio[:, :length] == paused.audio[:, :length]).all()
    assert paused_worker.steps <= plain_worker.steps
    plain.close()
    paused.close()


def test_f7_a_stalled_worker_is_not_heard_in_the_others() -> None:
    """Seven sessions of another worker: not a sample differs from a run without the stall."""
    calm, stalled = scenes.slow_neighbour(0.0), scenes.slow_neighbour(1.5)
    assert stalled.slow_late_frames > 20
    assert (stalled.broken_samples, stalled.late_frames) == (0, 0)
    assert replace(stalled, slow_late_frames=0) == calm


def test_f7_in_one_worker_a_stall_costs_the_others_what_it_lasts() -> None:
    figures = scenes.slow_neighbour(0.3, workers=1, apart=False)
    assert figures.broken_samples <= (0.3 + 0.04) * 48000
