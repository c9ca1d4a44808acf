# SPDX-License-Identifier: GPL-3.0-or-later
"""What a front end meets: opening, playing, being told what is wrong, and leaving."""

import operator
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lbserver.engine.stream import SessionConfig, StreamDriver
from lbserver.host.rundir import find_server
from lbserver.music.conditions import nothing_known
from lbserver.protocol import wire
from lbserver.testing import accompanists
from lbserver.testing.servers import PLAYING
from lbserver.testing.waiting import until


def noise(seconds: float, rate_hz: int = 48000, seed: int = 1) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((2, int(seconds * rate_hz)))).astype(np.float32)


def bounced(mix: np.ndarray, rate_hz: int, frames: int, name: str = "test:copy") -> np.ndarray:
    driver = StreamDriver(
        accompanists.BY_NAME[name](),
        SessionConfig(host_rate_hz=rate_hz, stems=("bass",), anticipation_frames=frames),
        nothing_known,
    )
    return np.concatenate([driver.push(mix).audio, driver.flush().audio], axis=-1)[0]


@pytest.mark.parametrize("rate_hz", [44100, 48000, 96000])
@pytest.mark.parametrize("mode", ["live", "aligned", "bounce"])
def test_offline_through_the_socket_equals_the_bounce_shifted_by_what_is_reported(
    plain: Any, rate_hz: int, mode: str
) -> None:
    """Catches a lie about latency, a shift between transports, a lost block: every sample counts."""
    front_end = plain.connect()
    mix = noise(1.0, rate_hz)
    opened = front_end.open("a", rate_hz=rate_hz, mode=mode, block_samples=512, offline=True)
    heard = front_end.render("a", mix, block=512)
    latency = opened["latency_samples"]
    truth = bounced(mix, rate_hz, opened["anticipation_frames"])
    assert opened["anticipation_samples"] == opened["anticipation_frames"] * rate_hz * 0.04
    np.testing.assert_array_equal(heard[:, latency:], truth[:, : truth.shape[-1] - latency])
    assert not heard[:, :latency].any()
    assert front_end.ports["a"].missing_samples == 0


def test_a_new_rate_is_a_new_epoch_and_nothing_of_the_old_one_is_heard(plain: Any) -> None:
    """F15. Catches stale audio after a change of rate."""
    front_end = plain.connect()
    front_end.open("a", offline=True)
    front_end.render("a", np.full((2, 48000), 0.5, np.float32))
    answer = front_end.ask(
        "configure", session="a", rate_hz=96000, channels=1, block_samples=256, mode="aligned", offline=True
    )
    assert answer["type"] == "configured"
    front_end.ports["a"].segment.close()
    front_end.ports["a"] = front_end.port(answer)
    heard = front_end.render("a", np.zeros((1, 96000), np.float32), block=256)
    assert heard.shape == (1, 96000)
    assert not heard.any()


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"type": "open", "session": "../x", "stem": "bass"}, "bad_message"),
        ({"type": "open", "session": "b", "stem": "kazoo"}, "bad_message"),
        ({"type": "open", "session": "b", "stem": "bass", "mode": "dreamy"}, "unsupported"),
        ({"type": "open", "session": "b", "stem": "bass", "rate_hz": 4000}, "bad_message"),
        ({"type": "open", "session": "a", "stem": "bass"}, "busy"),
        ({"type": "open", "session": "b", "stem": "bass", "model": "other"}, "unknown_model"),
        ({"type": "set", "session": "nobody", "control": "gain", "value": 1}, "unknown_session"),
        ({"type": "set", "session": "a", "control": "gain", "value": 99}, "bad_message"),
        ({"type": "set", "session": "a", "control": "loudness", "value": 1}, "unknown_control"),
        ({"type": "set", "session": "a", "control": "density", "value": 0.1}, "unknown_control"),
        ({"type": "set", "session": "a", "control": "mode", "value": "live"}, "unsupported"),
        ({"type": "know", "session": "a", "chord": "Q#13"}, "bad_message"),
        ({"type": "know", "session": "a", "chart": "| C |"}, "bad_message"),
        ({"type": "recall", "session": "a", "name": "never kept"}, "not_found"),
        ({"type": "keep", "session": "a", "name": "../../etc/passwd"}, "bad_message"),
        ({"type": "audio", "session": "a"}, "bad_message"),
        ({"type": "dance"}, "bad_message"),
    ],
)
def test_a_wrong_request_is_answered_with_its_reason_and_the_session_plays_on(
    plain: Any, request_: dict[str, Any], code: str
) -> None:
    other = plain.connect()
    other.open("a")
    front_end = plain.connect()
    wish = {"rate_hz": 48000, "channels": 2, "block_samples": 480, "mode": "live"}
    answer = front_end.ask(
        **{"kind": request_.pop("type"), **(wish if "stem" in request_ else {}), **request_}
    )
    assert (answer["type"], answer["code"]) == ("error", code)
    assert 10 < len(answer["text"]) < 300
    other.play("a", noise(0.2))
    assert other.until("a", lambda status: status["frames"] >= 3)["state"] in PLAYING


def test_another_major_version_is_refused_at_once_with_a_text(plain: Any) -> None:
    """F27."""
    server = plain
    for hello in ({"major": 2, "minor": 0, "client": "x"}, {"major": 99, "shape": "unknown"}):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(60)
            raw.connect(server.info["socket"])
            raw.sendall(wire.frame({"type": "hello", "id": 1, **hello}))
            (answer,) = wire.Framer().feed(raw.recv(65536))
            assert answer["code"] == "version"
            assert "protocol" in answer["text"]
            assert raw.recv(10) == b""
    newer = server.connect()
    answer = newer.ask("hello", major=1, minor=7, client="newer", colour="blue")
    assert answer["code"] == "unknown_message"  # a second hello, read in full all the same
    assert newer.open("a", colour="blue", later_field=3)["type"] == "opened"


@pytest.mark.parametrize(
    "junk", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\x00\x00\x00\x00", b"\x02\x00\x00\x00\x93\xff"]
)
def test_garbage_on_the_socket_ends_that_connection_alone(plain: Any, junk: bytes) -> None:
    server = plain
    front_end = server.connect()
    front_end.open("a")
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(60)
        raw.connect(server.info["socket"])
        raw.sendall(junk)
        while raw.recv(4096):
            pass
    front_end.play("a", noise(0.2))
    assert front_end.until("a", lambda status: status["frames"] >= 3)["state"] in PLAYING


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_another_user_does_not_get_in(serve: Callable[..., Any]) -> None:
    """T1. Catches a run directory or socket that others may enter."""
    server = serve("--model", "test:copy")
    code = (
        "import os, socket, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: socket.socket(socket.AF_UNIX).connect(sys.argv[1])\n"
        "except PermissionError: sys.exit(7)"
    )
    assert subprocess.run([sys.executable, "-c", code, server.info["socket"]], check=False).returncode == 7
    assert server.run.stat().st_mode & 0o777 == 0o700
    # Even with the folders opened up by mistake, the kernel's word on who asks decides.
    for folder in (server.run, *list(server.run.parents)[:-2]):
        folder.chmod(folder.stat().st_mode | 0o011)
    (server.run / "lb.sock").chmod(0o666)
    code = code.replace(".connect(sys.argv[1])", "") + (
        "\ns = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.settimeout(60); sys.exit(8 if s.recv(1) == b'' else 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, server.info["socket"]], check=False).returncode == 8


def test_a_second_server_says_who_runs_and_leaves(plain: Any) -> None:
    """F24."""
    server = plain
    second = subprocess.run(
        [sys.executable, "-m", "lbserver", "serve", "--model", "test:copy"],
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode != 0
    assert str(server.process.pid) in second.stderr
    server.connect().open("a")


def test_a_server_stops_on_request_and_leaves_nothing(serve: Callable[..., Any]) -> None:
    server = serve("--model", "test:copy", "--workers", "2")
    workers = server.children()
    server.connect().open("a")
    code, _ = server.stop()
    assert code == 0
    assert not (server.run / "lb.sock").exists()
    assert not (server.run / "server.json").exists()
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_front_end_that_dies_is_forgotten(plain: Any) -> None:
    """F3. Catches sessions, segments and descriptors that outlive their host."""
    server = plain
    watcher = server.connect()
    held = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
    doomed = server.connect()
    for name in "abcd":
        doomed.open(name)
    doomed.play("a", noise(0.1))
    doomed.socket.close()
    until(lambda: watcher.ask("sessions")["sessions"] == {}, "the end of its sessions")
    until(lambda: len(list(Path(f"/proc/{server.process.pid}/fd").iterdir())) <= held, "what it held")
    assert watcher.open("a")["type"] == "opened"


@pytest.mark.slow
def test_a_thousand_sessions_leave_no_trace(serve: Callable[..., Any]) -> None:
    """F17. Catches a leak of descriptors, maps, threads or memory, in the server and in its worker."""
    server = serve("--model", "test:copy")
    front_end = server.connect()

    def cycle(count: int) -> None:
        for _ in range(count):
            front_end.open("a")
            front_end.ports["a"].exchange(np.zeros((2, 480), np.float32))
            front_end.ask("close", session="a")
            front_end.ports.pop("a").segment.close()
            front_end.notices.clear()

    def held(pid: int) -> tuple[int, int, int, int]:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        values = dict(line.split(":", 1) for line in lines)
        mapped = Path(f"/proc/{pid}/maps").read_text().count("memfd:liveband")
        resident_kb = int(values["VmRSS"].split()[0])
        return len(list(Path(f"/proc/{pid}/fd").iterdir())), mapped, int(values["Threads"]), resident_kb

    pids = [server.process.pid, *server.children()]
    cycle(150)
    before = [held(pid) for pid in pids]
    cycle(1000)
    for pid, (*counts, resident) in zip(pids, before, strict=True):
        until(lambda pid=pid, counts=counts: all(map(operator.le, held(pid), counts)), f"back to {counts}")
        assert held(pid)[-1] - resident <= 1000  # kB: one a cycle


def test_a_server_whose_run_directory_was_removed_is_found_again_and_plays_on(
    serve: Callable[..., Any],
) -> None:
    """Catches a server that lives, and that nobody finds any more, after a cleaner of /tmp."""
    server = serve("--model", "test:copy")
    front_end = server.connect()
    front_end.open("a")
    shutil.rmtree(server.run)
    until(lambda: find_server(server.run) is not None and (server.run / "lb.sock").exists())
    other = server.connect()
    assert other.open("b")["type"] == "opened"
    assert front_end.status("a")["epoch"] == 1
    until((server.run / "liveband.log").exists, "the log")
    code, errors = server.stop()
    assert code == 0
    assert "made anew" in errors
    assert not (server.run / "lb.sock").exists()


def test_a_server_whose_place_was_taken_ends_with_its_last_session_and_takes_nothing_along(
    serve: Callable[..., Any],
) -> None:
    """Catches the old server deleting the socket of the new one, so that nobody finds it and a third is refused."""
    first = serve("--model", "test:copy")
    front_end = first.connect()
    front_end.open("a")
    first.process.send_signal(signal.SIGSTOP)
    shutil.rmtree(first.run)
    second = type(first)(first.run, Path(first.environment["LIVEBAND_CACHE"]), "--model", "test:copy")
    try:
        first.process.send_signal(signal.SIGCONT)
        assert front_end.status("a")["state"] in ("opening", "listening")
        front_end.close()
        first.front_ends.clear()
        first.process.wait(timeout=60)
        code, errors = first.stop()
        assert code == 0
        assert "another server has our place" in errors
        assert find_server(second.run) is not None
        assert second.connect().open("a")["type"] == "opened"
    finally:
        second.stop()
