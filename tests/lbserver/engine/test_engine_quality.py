# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that can do with less, on the virtual clock: less when they are late, more when there is time, and it is shown."""

from collections.abc import Callable

import numpy as np

from lbmodels.contract.quality import QUALITIES
from lbmodels.contract.spec import Control
from lbserver.engine.budget import Budget
from lbserver.engine.live import LiveSession
from lbserver.engine.virtual import VirtualHost, VirtualWorker, run
from lbserver.hub.figures import quality_of
from lbserver.ring.timeline import Mode
from lbserver.testing import accompanists, scenes, stage

COSTS = {"draft": 0.3, "fast": 0.4, "fine": 0.7, "full": 1.3}
"""Of a step, in parts of r T."""
CHUNK = 16
QUALITY = Control(name="quality", unit="", minimum=0, maximum=3, default=1, description="")


def window_player() -> tuple[VirtualHost, VirtualWorker, LiveSession, Callable[[], str]]:
    """A copying accompanist of 16 frames a step, w = 1, whose steps cost what its quality costs; what is shown of it."""
    copy = accompanists.copy(chunk_frames=CHUNK, controls=(QUALITY,), anticipation_frames=(0, CHUNK))
    seat = stage.Seat(mode=Mode.MANUAL, anticipation_frames=CHUNK)
    budget = Budget(compute_s=0.5, margin_s=0.01)
    host = stage.front_end("w", seat, copy.spec, budget, stage.marks(48000))

    def cost_s(_rows: int, _now_s: float) -> float:
        return COSTS[QUALITIES[session.quality - 1]] * session.frame_s

    worker = VirtualWorker(copy, cost_s)
    session = worker.serve(host)
    return host, worker, session, lambda: quality_of(session.port.segment.load_float("quality"))


def test_a_quality_that_costs_too_much_is_lowered_and_another_wish_tried_at_once() -> None:
    """Whatever is asked for, what sounds lies where it belongs: a step that comes late leaves its own time out."""
    host, worker, session, shown = window_player()
    seen: list[tuple[float, str]] = []
    wishes = {0.0: "fast", 4.0: "full", 9.0: "draft", 12.0: "fine"}
    at: list[tuple[float, Callable[[], None]]] = [
        (when, lambda name=name: session.set_control("quality", QUALITIES.index(name)))  # type: ignore[misc]
        for when, name in wishes.items()
    ]
    at += [(when, lambda when=when: seen.append((when, shown()))) for when in (3.9, 5.5, 8.9, 11.9, 15.0)]  # type: ignore[misc]
    run([host], [worker], until_s=15.5, at=sorted(at, key=lambda one: one[0]))
    assert [name for _, name in seen] == ["fast", "full", "fine", "draft", "fine"]
    shift = round(sum(stage.reported_samples(host)) + stage.hop_samples(worker.player.accompanist, 48000))
    heard = scenes.judged(host.audio, stage.marks(48000)(0, host.samples), shift)
    assert heard.stale_samples == 0
    assert session.late_frames + session.skipped_frames <= 4
    assert heard.right[: 3 * 48000].all(), (
        "nothing is missing before more was asked for than there is time for"
    )
    host.close()


def test_a_render_has_the_quality_that_it_asks_for() -> None:
    """Offline nobody waits: a pace that was learnt live must not make a bounce worse."""
    host, worker, session, shown = window_player()
    session.set_control("quality", QUALITIES.index("full"))
    stage.play_offline(host, worker, blocks=400)
    assert shown() == "full"
    host.close()


def test_window_steps_cost_frame_sessions_beside_them_nothing() -> None:
    """Four sessions of the default on the core that a window player works on: its thread gives way, and theirs lose no frame.

    CPU as measured on one AVX2 core by `benchmarks.capacity` (steps of `tiny` for 1 to 4 sessions) and `benchmarks.windows` (a
    step of 2 calls, 640 ms of music). The window's step gets what the frames leave of the core.
    """
    frames_s, window_s = {1: 0.0069, 2: 0.0099, 3: 0.0100, 4: 0.0128}, 0.298
    host, windows, session, _ = window_player()
    windows.cost_s = lambda _rows, now_s: window_s / (1 - player.busy_s / now_s)
    copy, budget = accompanists.copy(), Budget(compute_s=0.015, margin_s=0.004)
    hosts = [
        stage.front_end(f"f{n}", stage.Seat(start_s=0.009 * n), copy.spec, budget, stage.noise(n))
        for n in range(4)
    ]
    # A step of theirs that finds the window's thread at work waits for one slice of the scheduler's.
    player = VirtualWorker(copy, lambda rows, _now_s: frames_s[rows] + 0.001)
    sessions = [player.serve(one) for one in hosts]
    run([host, *hosts], [windows, player], until_s=8.0)
    assert [(one.late_frames, one.skipped_frames) for one in (*sessions, session)] == [(0, 0)] * 5
    assert min(one.frames for one in sessions) > 190
    assert all(np.abs(one.audio).max() > 0.1 for one in hosts)
    for one in (host, *hosts):
        one.close()
