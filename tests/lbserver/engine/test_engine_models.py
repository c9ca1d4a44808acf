# SPDX-License-Identifier: GPL-3.0-or-later
"""Two models at once on the virtual clock: one whose frames take milliseconds, one whose step takes three seconds."""

import numpy as np

from lbserver.engine.budget import Budget
from lbserver.engine.virtual import VirtualWorker, run
from lbserver.testing import accompanists, stage

QUICK = Budget(compute_s=0.0154, margin_s=0.002)
SLOW = Budget(compute_s=3.05, margin_s=0.05)
SLOW_STEP_S = 3.0


def test_four_sessions_lose_no_frame_beside_two_of_a_model_with_steps_of_three_seconds() -> None:
    """Catches a long step that holds up others, that is counted as late itself, or whose rings overrun meanwhile."""
    quick, slow = accompanists.copy(), accompanists.copy(chunk_frames=100, anticipation_frames=(0, 100))
    chance = np.random.default_rng(3)
    workers = [
        VirtualWorker(quick, lambda rows, _now_s: float(chance.uniform(0.6, 1.0)) * (0.006 + 0.0022 * rows)),
        VirtualWorker(slow, lambda _rows, _now_s: SLOW_STEP_S),
    ]
    source = stage.noise(6)
    hosts, sessions = [], []
    for number in range(6):
        worker, budget = (workers[1], SLOW) if number < 2 else (workers[0], QUICK)
        seat = stage.Seat(blocks=(512,), start_s=0.0 if number < 2 else 0.011 * number)
        host = stage.front_end(f"s{number}", seat, worker.player.accompanist.spec, budget, source)
        hosts.append(host)
        sessions.append(worker.serve(host))
    run(hosts, workers, until_s=14.0)
    for host, session in zip(hosts, sessions, strict=True):
        assert (session.late_frames, session.skipped_frames, host.port.missing_samples) == (0, 0, 0)
        shift = round(session.setup.timing.recency_gap_samples + 1920)
        assert not host.audio[:, :shift].any()
        np.testing.assert_array_equal(host.audio[:, shift:], source(0, host.audio.shape[-1] - shift))
        host.close()
    assert min(session.frames for session in sessions[2:]) > 340
    assert min(session.frames for session in sessions[:2]) >= 2
