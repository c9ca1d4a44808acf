# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders beside live sessions, on the virtual clock: live first, renders share what is left."""

from collections.abc import Callable

import numpy as np
import pytest

from lbserver.engine.budget import Budget
from lbserver.engine.live import LiveSession
from lbserver.engine.virtual import POLL_S, VirtualHost, VirtualRender, VirtualWorker, run
from lbserver.testing import accompanists, stage

BUDGET = Budget(compute_s=0.0154, margin_s=0.002)
COSTS_MS = {
    1: (6.0, 7.4, 9.3, 9.7),
    2: (7.1, 9.5, 10.9, 11.2),
    3: (8.7, 11.0, 12.0, 12.4),
    4: (10.0, 11.8, 13.8, 14.4),
    6: (12.4, 14.5, 17.2, 17.3),
}
"""A step of the shipped model by batch size, CPU time in ms: 5th, 50th, 95th and 99th percentile of 100 steps, measured
with `benchmarks.sessions.measured_costs` on one core of an AMD EPYC (Zen 4)."""


def measured(seed: int, slower: float = 1.0) -> Callable[[int, float], float]:
    """Costs drawn between the measured percentiles, the same each time."""
    generator = np.random.default_rng(seed)

    def cost_s(rows: int, _now_s: float) -> float:
        known = COSTS_MS[min(batch for batch in COSTS_MS if batch >= rows)]
        return slower * float(np.interp(generator.random(), (0.05, 0.5, 0.95, 0.99), known)) / 1000.0

    return cost_s


def live(name: str, start_s: float) -> VirtualHost:
    seat = stage.Seat(blocks=(256,), start_s=start_s)
    return stage.front_end(name, seat, accompanists.copy().spec, BUDGET, stage.marks(48000))


def render(name: str, start_s: float) -> VirtualRender:
    beside = live(name, start_s)
    beside.close()
    return VirtualRender(
        setup=beside.setup, rate_hz=48000, channels=2, source=stage.noise(3), blocks=(512,), start_s=start_s
    )


def played(
    sessions: int, renders: int, *, alone: bool, slower: float = 1.0, until_s: float = 10.0
) -> tuple[list[LiveSession], list[VirtualHost], list[int]]:
    """(live sessions, their hosts, frames of each render)."""
    worker = VirtualWorker(accompanists.copy(), measured(7, slower), alone=alone)
    hosts = [live(f"live{n}", 0.011 * n) for n in range(sessions)]
    waiting = [render(f"render{n}", 0.5 + 0.2 * n) for n in range(renders)]
    served = [worker.serve(host) for host in (*hosts, *waiting)]
    run([*hosts, *waiting], [worker], until_s=until_s)
    for host in waiting:
        heard, shift = host.audio, int(sum(stage.reported_samples(host)) + 1920)
        np.testing.assert_array_equal(heard[:, shift:], host.source(0, heard.shape[1] - shift))
    for host in (*hosts, *waiting):
        host.close()
    return served[:sessions], hosts, [session.frames for session in served[sessions:]]


def late(session: LiveSession) -> int:
    return session.late_frames + session.skipped_frames


@pytest.mark.parametrize("alone", [False, True], ids=["batched", "exact"])
def test_four_live_sessions_beside_two_renders_lose_no_frame(alone: bool) -> None:
    """Catches renders, which are always behind, being played before the live sessions that are not yet."""
    sessions, hosts, frames = played(4, 2, alone=alone)
    assert [late(session) for session in sessions] == [0, 0, 0, 0]
    assert [host.port.missing_samples for host in hosts] == [0, 0, 0, 0]
    assert min(frames) > 40  # a fifth of real time at the least
    assert max(frames) < 1.3 * min(frames)


def test_a_render_alone_has_the_whole_worker() -> None:
    """Catches a render that is held back for sessions that do not play."""
    _, _, (frames,) = played(0, 1, alone=True)
    assert frames > 9 / 0.009


def test_beside_a_stage_that_leaves_nothing_a_render_is_slow_not_dead() -> None:
    """Catches a render that gets no step at all, so that its host gives up on it."""
    sessions, _, frames = played(4, 1, alone=True, slower=1.3, until_s=20.0)
    assert frames[0] >= 5
    alone, _, _ = played(4, 0, alone=True, slower=1.3, until_s=20.0)
    assert sum(map(late, sessions)) <= sum(map(late, alone)) + 4 * frames[0]


def test_a_render_that_paused_by_itself_has_not_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a host that looks away for a while and then takes the stage's time as if it had been kept waiting."""
    worker, host = VirtualWorker(accompanists.copy(), measured(1)), render("render", 0.0)
    session, look = worker.serve(host), host.call
    resumed_s = 30.0
    monkeypatch.setattr(worker.player, "_is_room", lambda *_: False)  # a stage that leaves nothing
    monkeypatch.setattr(host, "call", lambda: POLL_S if session.frames else look())
    frames: list[int] = []

    looks = [
        (at_s, lambda: frames.append(session.frames))
        for at_s in (resumed_s, resumed_s + 2.9, resumed_s + 3.5)
    ]
    run(
        [host],
        [worker],
        until_s=34.0,
        at=[*looks, (resumed_s, lambda: monkeypatch.setattr(host, "call", look))],
    )
    before, soon, later = frames
    assert (soon, later) == (before, before + 1)
    host.close()


def test_a_session_that_turns_to_rendering_and_back_plays_on_in_place() -> None:
    """Catches a memory lost or an audio moved when a session changes its company."""
    worker = VirtualWorker(accompanists.counter(), measured(1))
    hosts = [live("a", 0.0), live("b", 0.013)]
    for host in hosts:
        worker.serve(host)

    def turn(offline: bool) -> Callable[[], None]:
        return lambda: hosts[0].port.set_offline(offline)

    run(hosts, [worker], until_s=4.0, at=[(1.0, turn(True)), (2.0, turn(False)), (3.0, turn(True))])
    for host in hosts:
        steps = host.audio[0, 4 * 1920 :: 1920] * 4096
        np.testing.assert_array_equal(np.diff(steps), np.ones(len(steps) - 1))
        host.close()


@pytest.mark.parametrize("where", ["listen", "catch_up", "conditions", "land"])
def test_what_goes_wrong_with_one_session_ends_that_one(
    where: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Catches a fault in one session's figures or events that kills the worker, and with it every other session."""
    worker = VirtualWorker(accompanists.copy(), measured(1))
    bad, good = live("bad", 0.0), live("good", 0.0)
    sessions = [worker.serve(bad), worker.serve(good)]

    def fail(*_: object) -> None:
        raise ZeroDivisionError("a tempo of nothing")

    run([bad, good], [worker], until_s=1.0, at=[(0.5, lambda: setattr(sessions[0], where, fail))])
    ended = worker.player.listen(1.0)
    ((name, code, reason),) = ended
    assert (name, code) == (
        "bad",
        "internal",
    )  # not the front end's fault, which would be told what it never did
    assert "a tempo of nothing" in reason
    assert "Traceback" in capfd.readouterr().err  # for the log: it is a fault of ours
    worker.player.close("bad")
    assert worker.player.listen(1.0) == []
    assert late(sessions[1]) == 0
    assert sessions[1].frames > 20
    bad.close()
    good.close()
