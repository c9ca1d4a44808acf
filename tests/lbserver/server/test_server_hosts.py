# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are stopped for a while, and hosts that die and leave children behind, each a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from lbserver.testing.processes import running

PLAYER = """
import json, sys, time
from pathlib import Path
import numpy as np
from lbserver.client import Client

mix = np.random.default_rng(1).standard_normal((2, 48000 * 30)).astype(np.float32) * np.float32(0.1)
with Client(run=Path(sys.argv[1])) as client:
    session = client.open(
        name="a", stem="bass", rate_hz=48000, block_samples=480, mode="manual", anticipation_ms=1000
    )
    heard, stopped, at_s = [], None, time.monotonic()
    while stopped is None or len(heard) < stopped + 100:
        at = 480 * len(heard)
        heard.append(session.exchange(mix[:, at : at + 480]))
        now_s = time.monotonic()
        if stopped is None and len(heard) > 200 and now_s - at_s > 2.0:
            stopped = len(heard)
        at_s = now_s
        if len(heard) == 200:
            print("playing", flush=True)
        time.sleep(0.01)
    late = 480 * stopped - 26 * 1920  # A, and the frame that the model needs
    after = np.concatenate(heard[stopped : stopped + 2], axis=1)
    exact = bool((after == mix[:, late : late + 960]).all())
    print(json.dumps({"exact": exact, **session.status()}), flush=True)
"""

PARENT = """
import subprocess, sys, time
from pathlib import Path
import numpy as np
from lbserver.client import Client
from lbserver.client.connection import connect

client = Client(run=Path(sys.argv[1]))
session = client.open(name="a", stem="bass", rate_hz=48000, block_samples=480)
session.exchange(np.zeros((2, 480), np.float32))
line = connect("top")
opened, descriptor = line.ask_for_segment(
    "opened", "open", session="b", rate_hz=48000, channels=2, block_samples=480, mode="live", stem="bass"
)
child = subprocess.Popen(["sleep", "600"], close_fds=False)
print(child.pid, flush=True)
time.sleep(600)
"""


def start(server: Any, program: str) -> AbstractContextManager[subprocess.Popen[str]]:
    return running(
        [sys.executable, "-c", program, str(server.run)],
        stdout=subprocess.PIPE,
        text=True,
        env=server.environment,
    )


def figures(watcher: Any) -> dict[str, Any]:
    """What rises while a session plays."""
    status = watcher.status("a")
    return {name: status[name] for name in ("epoch", "position", "frames", "skipped_frames")}


def test_f5_a_host_that_stood_still_finds_its_session_and_goes_on_in_place(serve: Callable[..., Any]) -> None:
    """A debugger, a laptop's lid. Catches a session that is closed for silence, steps computed for nobody, and a stem
    that is moved, late or gone afterwards."""
    server = serve("--model", "test:copy")
    watcher = server.connect()
    with start(server, PLAYER) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == "playing\n"
        host.send_signal(signal.SIGSTOP)
        # What was handed over before is played to its end; then nothing moves for as long as the host calls a stop.
        before = figures(watcher)
        deadline = time.monotonic() + 60
        time.sleep(2.5)
        while before != (before := figures(watcher)):
            assert time.monotonic() < deadline
            time.sleep(2.5)
        host.send_signal(signal.SIGCONT)
        told = json.loads(host.stdout.readline())
    assert told["exact"], "what was ready was not heard in the first two blocks"
    assert told["epoch"] == 1
    assert told["reason"] == ""
    assert told["position"] > before["position"]
    assert told["frames"] + told["skipped_frames"] > before["frames"]


def test_f33_a_host_that_dies_is_noticed_although_its_child_lives(serve: Callable[..., Any]) -> None:
    """Catches descriptors that a host's child inherits, so that nobody sees the host's end and its segment stays."""
    server = serve("--model", "test:copy")
    watcher = server.connect()
    with start(server, PARENT) as host:
        assert host.stdout is not None
        child = int(host.stdout.readline())
        try:
            assert set(watcher.ask("sessions")["sessions"]) == {"a", "b"}
            held = [fd.readlink() for fd in Path(f"/proc/{child}/fd").iterdir() if int(fd.name) > 2]
            assert held == []
            host.kill()
            deadline = time.monotonic() + 60
            while watcher.ask("sessions")["sessions"]:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert Path(f"/proc/{child}").exists()
        finally:
            os.kill(child, signal.SIGKILL)


def test_f33_no_descriptor_of_ours_outlives_an_exec(serve: Callable[..., Any]) -> None:
    """Catches one that is opened without the flag, in the server or its worker."""
    server = serve("--model", "test:copy", "--osc-port", "0", "--http-port", "0", "--zmq-port", "0")
    front_end = server.connect()
    front_end.open("a")
    for pid in (server.process.pid, *server.children()):
        for info in Path(f"/proc/{pid}/fdinfo").iterdir():
            try:
                where, told = Path(f"/proc/{pid}/fd/{info.name}").readlink(), info.read_text()
            except FileNotFoundError:  # closed since: a file that is written now and then
                continue
            flags = next(line for line in told.splitlines() if line.startswith("flags:"))
            if int(info.name) > 2:
                assert int(flags.split()[1], 8) & os.O_CLOEXEC, f"{where} of {pid}"
