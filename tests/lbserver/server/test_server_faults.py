# SPDX-License-Identifier: GPL-3.0-or-later
"""Things that die while others play: workers, sessions that kill them, the whole server."""

import contextlib
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lbserver.testing.servers import PLAYING
from lbserver.testing.waiting import until


def tone(seconds: float, level: float = 0.2) -> np.ndarray:
    time_s = np.arange(int(48000 * seconds)) / 48000
    return np.tile((level * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32), (2, 1))


AHEAD = {"mode": "manual", "anticipation_ms": 1000}
"""A second of slack, so that a busy machine fails no test of what is heard."""
SHIFT = 26 * 1920  # the copy accompanist's own frame, and A = 25; L = 0


@contextlib.contextmanager
def playing_on(
    front_end: Any, names: str, piece_s: float = 0.25
) -> Iterator[dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Several sessions at once, in real time, as long as the block lasts: by name what was played and heard so far."""
    parts = {name: (np.zeros((2, 0), np.float32),) * 2 for name in names}
    over = threading.Event()

    def one(name: str, level: float) -> None:
        piece = tone(piece_s, level)  # of whole periods
        while not over.is_set():
            new = piece, front_end.play(name, piece)
            parts[name] = tuple(np.concatenate(both, axis=-1) for both in zip(parts[name], new, strict=True))

    threads = [
        threading.Thread(target=one, args=(name, 0.1 + 0.05 * index)) for index, name in enumerate(names)
    ]
    for thread in threads:
        thread.start()
    try:
        yield parts
    finally:
        over.set()
        for thread in threads:
            thread.join()


def workers_of(server: Any) -> list[int]:
    return server.children()


def test_a_killed_worker_takes_its_own_sessions_only_and_they_go_on_in_place(
    serve: Callable[..., Any],
) -> None:
    """Law 5, F25. Catches a crash that spreads, audio that shifts or repeats after it, a session that stays down."""
    server = serve("--model", "test:copy", "--workers", "2")
    front_end = server.connect()
    for name in "abcd":  # a and c on the first worker, b and d on the second
        front_end.open(name, **AHEAD)
    victim, other = workers_of(server)

    def back() -> bool:
        workers = workers_of(server)
        states = {(status["state"], status["reason"]) for status in map(front_end.status, "abcd")}
        return len(workers) == 2 and victim not in workers and states <= {(state, "") for state in PLAYING}

    with playing_on(front_end, "abcd") as parts:
        until(lambda: all(mix.shape[-1] > 2.5 * 48000 for mix, _ in parts.values()))
        os.kill(victim, signal.SIGKILL)
        until(back)
        enough = {name: mix.shape[-1] + 2 * 48000 for name, (mix, _) in parts.items()}
        until(lambda: all(parts[name][0].shape[-1] > enough[name] for name in enough))
    # A machine too busy for a second leaves frames out, and says so.
    late = {name: front_end.status(name)["skipped_frames"] > 0 for name in "abcd"}
    assert other in workers_of(server)
    lost = set()
    for name, (mix, heard) in parts.items():
        truth = np.zeros_like(mix)
        truth[:, SHIFT:] = mix[:, :-SHIFT]
        if np.array_equal(heard, truth):
            continue
        lost.add(name)
        differs = np.flatnonzero((heard != truth).any(axis=0))
        assert differs[0] > 1.0 * 48000 or late[name]
        assert differs[-1] < mix.shape[-1] - 24000, "it never came back"
        # Between, what is not the truth in its place is a fade or silence: no old audio, nothing moved.
        wrong = heard[:, differs[0] : differs[-1] + 1]
        assert (np.abs(wrong[:, 960:-960]) == 0).mean() > 0.5
        assert np.abs(np.diff(heard)).max() <= 2 * np.abs(np.diff(truth)).max()
    on_time = {name for name in "abcd" if not (late[name] and name in lost)}
    assert any(
        lost >= victims and lost - victims <= set("abcd") - on_time for victims in ({"a", "c"}, {"b", "d"})
    )


@pytest.mark.parametrize("peak", [7.9, 4.0], ids=["crash", "out of memory"])
def test_a_session_that_kills_its_worker_twice_is_put_away_and_the_others_play_on(
    serve: Callable[..., Any], peak: float
) -> None:
    """F26, F29. Catches a crash loop that one poisoned session keeps up for everybody."""
    server = serve("--model", "test:fragile")
    good, bad = server.connect(), server.connect()
    good.open("good")
    bad.open("bad")
    done = threading.Event()

    def keep_playing() -> None:
        while not done.is_set():
            good.play("good", tone(0.2))

    player = threading.Thread(target=keep_playing)
    player.start()
    deadly = tone(0.2)
    deadly[:, 100] = peak
    try:
        deadline = time.monotonic() + 120
        closed: list[dict[str, Any]] = []
        while not closed and time.monotonic() < deadline:
            bad.play("bad", deadly)
            bad.ask("ping")
            closed = [notice for notice in bad.notices if notice["type"] == "closed"]
    finally:
        done.set()
        player.join()
    assert closed, "it was never put away"
    assert any(notice.get("code") == "quarantined" for notice in bad.notices)
    assert "twice" in closed[0]["reason"]
    good.play("good", tone(1.0))
    assert good.until("good", lambda status: status["state"] in PLAYING)["frames"] > 0


def test_a_step_that_hangs_is_ended_and_the_session_comes_back(serve: Callable[..., Any]) -> None:
    """F7. Catches a watchdog that never bites."""
    server = serve("--model", "test:fragile")
    front_end = server.connect()
    front_end.open("a")
    hang = tone(0.2)
    hang[:, 100] = 6.0
    front_end.play("a", hang)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        front_end.play("a", tone(0.5))
        status = front_end.status("a")
        if status["state"] in PLAYING and status["position"] > 3 * 48000:
            break
    assert status["state"] in PLAYING


def test_a_shortage_that_passes_costs_what_it_lasts_and_is_told_meanwhile(serve: Callable[..., Any]) -> None:
    """F26, F30. Catches a server that gives its sessions up for good because no process could be started for a while."""
    server = serve("--model", "test:copy")
    front_end = server.connect()
    front_end.open("a")
    _, most = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (3, most))  # not one more can be opened
    for pid in workers_of(server):
        os.kill(pid, signal.SIGKILL)
    reason = front_end.until("a", lambda status: "times in a row" in status["reason"], 60)["reason"]
    assert "Too many open files" in reason
    assert "next try" in reason
    assert front_end.status("a")["state"] == "recovering"
    answer = front_end.ask(
        "open", session="b", rate_hz=48000, channels=2, block_samples=480, mode="live", stem="bass"
    )
    assert (answer["type"], answer["code"]) == ("error", "crashed")
    assert "Too many open files" in answer["text"]
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (most, most))
    deadline = time.monotonic() + 60
    while front_end.status("a")["state"] not in PLAYING:
        assert time.monotonic() < deadline, front_end.status("a")
        front_end.play("a", tone(0.2))
    assert front_end.status("a")["reason"] == ""


@pytest.mark.parametrize("stop_s", [0.5, 4.0])
def test_a_stopped_worker_comes_back_in_place_without_a_burst(
    serve: Callable[..., Any], stop_s: float
) -> None:
    """F4. Catches stale audio after a pause: the law that rivals break."""
    server = serve("--model", "test:copy")
    front_end = server.connect()
    front_end.open("a", **AHEAD)
    (worker,) = workers_of(server)
    port = front_end.ports["a"]
    played, heard = np.zeros((2, 0), np.float32), np.zeros((2, 0), np.float32)

    def play_on(seconds: float) -> bool:
        """Play more; whether the last half second heard is the truth."""
        nonlocal played, heard
        piece = tone(seconds) * np.float32(
            0.2 + 0.8 * (len(played[0]) % 99991) / 99991
        )  # no two seconds are alike
        played = np.concatenate([played, piece], axis=-1)
        heard = np.concatenate([heard, front_end.play("a", piece)], axis=-1)
        # Where the ring overflowed meanwhile a new epoch began: its positions count from there.
        truth = played[:, played.shape[-1] - port.position :]
        return truth.shape[-1] > SHIFT + 24000 and np.array_equal(
            heard[:, -24000:], truth[:, -SHIFT - 24000 : -SHIFT]
        )

    until(lambda: play_on(0.5), "the stem in its place")
    os.kill(worker, signal.SIGSTOP)
    play_on(stop_s)
    os.kill(worker, signal.SIGCONT)
    play_on(2.0)
    until(lambda: play_on(0.5), "the stem in its place again")
    front_end.until("a", lambda status: status["state"] in PLAYING and status["queue_age_ms"] < 80)
    assert np.abs(np.diff(heard)).max() <= 2 * np.abs(np.diff(tone(1.0))).max()


def test_a_killed_server_is_found_again_and_the_memory_goes_on(serve: Callable[..., Any]) -> None:
    """F2, F25. Catches a lost memory, and a lock or socket that a killed server leaves in the way."""
    server = serve("--model", "test:counter")
    front_end = server.connect()
    front_end.open("a", seed=5)
    before = front_end.play("a", np.zeros((2, 3 * 48000), np.float32))
    front_end.ask("set", session="a", control="variation", value=0.5)
    server.kill()
    port = front_end.ports["a"]
    silent = np.concatenate([port.exchange(np.zeros((2, 480), np.float32)) for _ in range(100)], axis=-1)
    assert not silent[:, 24000:].any(), "a dead server is still heard"
    assert np.abs(np.diff(silent)).max() < 0.01
    for pid in workers_of_orphans(server):
        until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), "the end of a worker without a server")
    server.start()
    again = server.connect()
    again.open("a", resume=True)
    after = np.zeros((2, 0), np.float32)
    while not after.any():
        after = again.play("a", np.zeros((2, 48000), np.float32))[:, 3840:]
    # The counter writes its step number: it goes on a second or so from where it was, on a busy machine a bit more.
    steps_before, heard = before.max() * 4096, after[after > 0] * 4096
    assert steps_before / 2 <= heard.min() <= 75 + 5  # three seconds, and frames that were ahead of them


def workers_of_orphans(server: Any) -> list[int]:
    """Processes of the killed server: workers whose run directory is its own."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if b"lbserver.engine.worker" in line and os.fsencode(server.run) in line:
                found.append(int(folder.name))
    return found


def test_each_rung_of_overload_leaves_a_line_in_the_log(serve: Callable[..., Any]) -> None:
    """Catches silence with no reason shown."""
    server = serve("--model", "test:copy", "--log-level", "info")
    front_end = server.connect()
    front_end.open("a")
    (worker,) = workers_of(server)
    log_file = server.run / "liveband.log"

    def skips() -> bool:
        """Plays on while the worker stands still, and a bit longer."""
        os.kill(worker, signal.SIGSTOP)
        front_end.play("a", tone(0.4))
        os.kill(worker, signal.SIGCONT)
        front_end.play("a", tone(0.4))
        return log_file.exists() and "overload: skip" in log_file.read_text()

    front_end.play("a", tone(0.5))
    until(skips)
    with playing_on(front_end, "a"):
        until(lambda: "overload: on_time" in log_file.read_text())
    _, log = server.stop()
    assert "overload: skip" in log
    assert "overload: on_time" in log
