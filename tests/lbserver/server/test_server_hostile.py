# SPDX-License-Identifier: GPL-3.0-or-later
"""Front ends that dawdle, flood, send what nobody asked for, or never read; signals at bad moments."""

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lbserver.protocol import wire
from lbserver.testing.servers import PLAYING
from lbserver.testing.waiting import until

HELLO = wire.frame({"type": "hello", "id": 1, "major": 1, "minor": 0, "client": "test"})


def line_to(server: Any) -> socket.socket:
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(60)
    line.connect(server.info["socket"])
    return line


def held(pid: int) -> tuple[int, int, int]:
    """(descriptors, mapped segments, threads) of a process."""
    maps = Path(f"/proc/{pid}/maps").read_text().count("memfd:liveband ")
    return len(list(Path(f"/proc/{pid}/fd").iterdir())), maps, len(list(Path(f"/proc/{pid}/task").iterdir()))


def resident_kb(pid: int) -> int:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0])


def still_plays(server: Any, name: str = "check") -> None:
    front_end = server.connect()
    assert front_end.open(name)["type"] == "opened"
    front_end.play(name, np.zeros((2, 9600), np.float32))
    front_end.until(name, lambda status: status["frames"] >= 3)
    front_end.ask("close", session=name)
    front_end.socket.close()


def back_to(server: Any, before: tuple[int, int, int]) -> None:
    def is_back() -> bool:
        now = held(server.process.pid)
        return all(got <= limit for got, limit in zip(now, before, strict=True))

    until(is_back, f"back to {before}")


def test_descriptors_that_a_client_sends_are_dropped(serve: Callable[..., Any]) -> None:
    """F30. Catches a peer that fills the server's table of files."""
    server = serve("--model", "test:copy")
    still_plays(server)
    before = held(server.process.pid)
    with line_to(server) as line, open("/dev/null", "rb") as null:  # noqa: PTH123
        for at in range(len(HELLO)):
            socket.send_fds(line, [HELLO[at : at + 1]], [null.fileno()] * 50)
        assert line.recv(4096)
        socket.send_fds(line, [wire.frame({"type": "ping", "id": 2})], [null.fileno()] * 200)
        assert line.recv(4096)
        fds, _, _ = held(server.process.pid)
        assert fds <= before[0] + 1
    back_to(server, before)


def test_who_does_not_say_hello_is_let_go_however_slowly_it_speaks(serve: Callable[..., Any]) -> None:
    """Catches a deadline that every byte renews."""
    server = serve("--model", "test:copy")
    greeting = wire.frame({"type": "hello", "id": 1, "major": 1, "minor": 0, "client": "x" * 60})

    def speak(line: socket.socket) -> None:
        for at in range(len(greeting)):
            line.sendall(greeting[at : at + 1])
            time.sleep(0.3)

    with line_to(server) as line, pytest.raises(ConnectionError):  # hung up on before it is through
        speak(line)


def test_two_hundred_idle_connections_leave_room(serve: Callable[..., Any]) -> None:
    """Catches idle peers that shut everyone out for good, and a refusal without a word."""
    server = serve("--model", "test:copy")
    front_end = server.connect()
    front_end.open("a")
    before = held(server.process.pid)
    lines = [line_to(server) for _ in range(200)]
    (told,) = wire.Framer().feed(lines[0].recv(4096))  # it made room for a later one
    assert told["code"] == "busy"
    assert lines[0].recv(4096) == b""
    lines[-1].sendall(HELLO)
    (welcome,) = wire.Framer().feed(lines[-1].recv(4096))
    assert welcome["type"] == "welcome"
    front_end.play("a", np.zeros((2, 4800), np.float32))
    front_end.until("a", lambda status: status["frames"] >= 1)
    for line in lines[1:-1]:  # those who never said hello are let go of
        while line.recv(4096):
            pass
    still_plays(server)
    for line in lines:
        line.close()
    back_to(server, (before[0] + 1, *before[1:]))  # the log file is open now


def test_a_flood_that_is_never_read_costs_little_and_nobody_else(serve: Callable[..., Any]) -> None:
    """Catches answers that pile up in the server for a peer that does not read them."""
    server = serve("--model", "test:copy")
    still_plays(server)
    before, resident = held(server.process.pid), resident_kb(server.process.pid)
    lines = [line_to(server) for _ in range(8)]
    question = wire.frame({"type": "sessions", "id": 7, "padding": "x" * 5000}) * 20
    for line in lines:
        line.sendall(HELLO)
        line.setblocking(False)
    rest = [question] * len(lines)
    over = time.monotonic() + 2
    while time.monotonic() < over:
        for number, line in enumerate(lines):
            with contextlib.suppress(BlockingIOError):
                rest[number] = rest[number][line.send(rest[number]) :] or question
        time.sleep(0.001)
    still_plays(server)
    assert resident_kb(server.process.pid) - resident < 32_000
    for line in lines:
        line.close()
    back_to(server, before)


def test_half_a_message_byte_by_byte_makes_no_pile(serve: Callable[..., Any]) -> None:
    server = serve("--model", "test:copy")
    still_plays(server)
    before = held(server.process.pid)
    lines = [line_to(server) for _ in range(20)]
    for line in lines:
        line.sendall(HELLO)
    message = wire.frame({"type": "ping", "id": 3, "padding": "y" * 300})
    for at in range(len(message) - 1):
        for line in lines:
            line.sendall(message[at : at + 1])
    still_plays(server)
    until(lambda: held(server.process.pid)[2] <= before[2], "no thread more")
    for line in lines:
        line.close()
    back_to(server, before)


def test_a_stopped_server_comes_back_to_all_its_sessions_without_a_restart(
    serve: Callable[..., Any],
) -> None:
    """F4. Catches a watchdog that takes a pause of its own for a hang of the worker."""
    server = serve("--model", "test:copy")
    front_ends = [server.connect() for _ in range(3)]
    for number, front_end in enumerate(front_ends):
        front_end.open(f"s{number}", mode="manual", anticipation_ms=480)
    workers = server.children()
    group = [server.process.pid, *workers]
    stop = threading.Event()

    def play(number: int) -> None:
        while not stop.is_set():
            front_ends[number].play(f"s{number}", np.full((2, 4800), 0.1, np.float32))

    def go_on() -> None:
        """Each plays half a second more."""
        enough = [one.ports[f"s{number}"].position + 24000 for number, one in enumerate(front_ends)]
        for number, one in enumerate(front_ends):
            until(lambda number=number, one=one: one.ports[f"s{number}"].position >= enough[number])

    players = [threading.Thread(target=play, args=(number,)) for number in range(3)]
    for player in players:
        player.start()
    try:
        for stop_s in (0.5, 5.0):
            go_on()
            for pid in group:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(stop_s)
            for pid in reversed(group):
                os.kill(pid, signal.SIGCONT)
        go_on()
    finally:
        stop.set()
        for player in players:
            player.join()
    assert server.children() == workers
    for number, front_end in enumerate(front_ends):
        front_end.play(f"s{number}", np.full((2, 48000), 0.1, np.float32))
        front_end.until(
            f"s{number}", lambda status: status["state"] in PLAYING and status["queue_age_ms"] < 80
        )


def test_a_server_that_is_told_to_stop_while_it_starts_or_opens_stops(serve: Callable[..., Any]) -> None:
    """F22. Catches a worker or a lock that is left behind."""
    server = serve("--model", "test:copy")
    lines = [line_to(server) for _ in range(6)]
    for number, line in enumerate(lines):
        wish = {"rate_hz": 48000, "channels": 2, "block_samples": 480, "mode": "live", "stem": "bass"}
        line.sendall(HELLO + wire.frame({"type": "open", "id": 2, "session": f"s{number}", **wish}))
    workers = server.children()
    code, errors = server.stop()
    assert code == 0
    assert "Traceback" not in errors
    for line in lines:
        line.close()
    for pid in workers:
        assert not Path(f"/proc/{pid}").exists()
    for delay_s in (0.3, 1.2):
        command = [sys.executable, "-m", "lbserver", "serve", "--model", "test:copy"]
        starting = subprocess.Popen(
            command, env=server.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        time.sleep(delay_s)
        starting.terminate()
        _, errors = starting.communicate(timeout=60)
        if delay_s > 1:
            assert "Traceback" not in errors
    server.start()  # nothing of them is in the way
    still_plays(server)


def test_the_figures_are_json_before_anything_was_played(serve: Callable[..., Any]) -> None:
    """Catches NaN, which JSON does not have, where the host tells no tempo."""
    server = serve("--model", "test:copy")
    server.connect().open("a")

    def no_constant(name: str) -> None:
        raise AssertionError(name)

    for command in (["top", "--json"], ["doctor", "--json", "--quick"]):
        answer = subprocess.run(
            [sys.executable, "-m", "lbserver", *command],
            env=server.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        found = json.loads(answer.stdout, parse_constant=no_constant)
        assert found, answer.stderr


def test_without_descriptors_left_opening_is_refused_in_words_and_the_others_play(
    serve: Callable[..., Any],
) -> None:
    """F30. Catches a server or worker that ends, or hangs, when its table of files is full."""
    server = serve("--model", "test:copy")
    front_end = server.connect()
    front_end.open("a")
    (worker,) = server.children()
    for pid in (worker, server.process.pid):
        used = max(int(fd.name) for fd in Path(f"/proc/{pid}/fd").iterdir()) + 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 1, used + 1))
        answers = [front_end.open(f"{pid}.{number}") for number in range(4)]
        refusals = [answer for answer in answers if answer["type"] == "error"]
        assert (
            refusals or pid == worker
        )  # a segment is mapped, its descriptor not kept: one may be enough there
        for answer in refusals:
            assert answer["code"] in ("busy", "crashed")
            assert "open files" in answer["text"].lower() or "files are open" in answer["text"], answer
        front_end.play("a", np.zeros((2, 4800), np.float32))
        front_end.until("a", lambda status: status["state"] in PLAYING)
    assert server.children() == [worker]


def test_a_worker_that_is_never_ready_holds_up_neither_the_others_nor_the_end(
    serve: Callable[..., Any],
) -> None:
    """Catches a restart that is waited for under a lock, and an end that waits for a load."""
    server = serve("--model", "test:copy", "--workers", "2")
    front_end = server.connect()
    for name in "ab":
        front_end.open(name)
    first, _ = server.children()
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 60
    # One that is the worker's program already: stopped between fork and exec it would stop its parent too.
    while not (
        new := [
            pid
            for pid in server.children()
            if pid not in (first, _) and b"engine.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
    ):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(new[0], signal.SIGSTOP)
    states = {}
    for name in "ab":
        front_end.play(name, np.zeros((2, 9600), np.float32))
        states[name] = front_end.status(name)["state"]
    assert "recovering" in states.values()
    assert front_end.open("c")["type"] == "opened"
    assert front_end.ask("close", session="c")["type"] == "closed"
    code, errors = server.stop()
    assert code == 0
    (died,) = [line for line in errors.splitlines() if "worker died" in line]
    assert "SIGKILL" in died
    assert not Path(f"/proc/{new[0]}").exists()


def test_what_a_client_says_reaches_the_log_as_one_printable_line(serve: Callable[..., Any]) -> None:
    """T18. Catches a client that writes lines of its own into the log."""
    server = serve("--model", "test:copy", "--log-level", "info")
    front_end = server.connect()
    evil = "x\n99:99:99 error the disk is on fire \x1b[31m"
    front_end.ask("open", session=evil, rate_hz=48000, channels=2, block_samples=1, mode="live")
    front_end.open(evil)
    front_end.ask("know", session=evil, chord=evil)
    front_end.ask(evil)
    front_end.open("fine", mode=evil)
    _, errors = server.stop()
    lines = errors.splitlines()
    assert any("refused" in line for line in lines)
    assert not any(line.startswith("99:99") or "\x1b" in line for line in lines)


def test_idle_connections_lock_nobody_out(serve: Callable[..., Any]) -> None:
    """127 that had said hello and did nothing kept every new front end away, for as long as they liked."""
    server = serve("--model", "test:copy")
    playing = server.connect()
    playing.open("a")
    idle = [server.connect() for _ in range(127)]
    late = server.connect()
    assert late.open("b")["type"] == "opened"
    assert set(playing.ask("sessions")["sessions"]) == {"a", "b"}
    with pytest.raises(ConnectionError):
        idle[0].ask("ping")  # the one that was silent longest made room
    assert idle[-1].ask("ping")["type"] == "pong"
