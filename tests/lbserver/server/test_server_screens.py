# SPDX-License-Identifier: GPL-3.0-or-later
"""`top` and `jam` on a real terminal (a pty): they draw, they react to keys and Ctrl-C, and leave it as it was."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lbserver.testing.waiting import until

NULL_DEVICE = 'pcm.lbnull { type null hint { show on description "null" } }\npcm.!default "lbnull"\n'


class Terminal:
    """A program on a pty, and what it wrote."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self.control, inside = pty.openpty()
        termios.tcsetwinsize(self.control, (40, 140))
        self.before = termios.tcgetattr(inside)
        self.text = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lbserver", *arguments],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env={**os.environ, **environment, "TERM": "xterm-256color"},
        )
        self.inside = inside

    def until(self, pattern: str, timeout_s: float = 90.0) -> None:
        """Read until the pattern was written."""
        deadline = time.monotonic() + timeout_s
        while not re.search(pattern, self.text):
            assert time.monotonic() < deadline, self.text[-3000:]
            ready, _, _ = select.select([self.control], [], [], 0.1)
            if ready:
                self.text += os.read(self.control, 65536).decode(errors="replace")
            else:
                assert self.process.poll() is None, self.text[-3000:]

    def type(self, keys: str) -> None:
        self.text = ""
        os.write(self.control, keys.encode())

    def ended(self) -> int:
        deadline = time.monotonic() + 60
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            if select.select([self.control], [], [], 0.05)[0]:
                self.text += os.read(self.control, 65536).decode(errors="replace")
        return self.process.returncode


@contextmanager
def terminal(environment: dict[str, str], *arguments: str) -> Iterator[Terminal]:
    made = Terminal(environment, *arguments)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()
        os.close(made.control)
        os.close(made.inside)


def test_top_draws_and_waits_for_a_server_that_goes(serve: Callable[..., Any]) -> None:
    server = serve("--model", "test:copy", "--workers", "1")
    front_end = server.connect()
    front_end.open("guitar", stem="drums")
    front_end.play("guitar", np.zeros((2, 9600), np.float32))
    with terminal({"LIVEBAND_RUN": str(server.run)}, "top", "--interval", "0.1") as screen:
        screen.until("guitar.*drums")
        screen.until("1 session")
        server.kill()
        screen.until("waiting for it")
        screen.text = ""
        server.start()
        screen.until("No session is open")
        screen.process.send_signal(signal.SIGINT)
        assert screen.ended() == 0
        assert "Traceback" not in screen.text


@pytest.mark.slow
def test_jam_draws_obeys_keys_and_leaves_the_terminal_as_it_was(
    serve: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / ".asoundrc").write_text(NULL_DEVICE)
    server = serve("--model", "test:copy", "--workers", "1")
    environment = {"LIVEBAND_RUN": str(server.run), "HOME": str(tmp_path)}
    listed = subprocess.run(
        [sys.executable, "-m", "lbserver", "jam", "--list"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if "lbnull" not in listed.stdout:
        pytest.skip("no PortAudio, or no ALSA null device")
    watcher = server.connect()
    with terminal(environment, "jam", "--input", "lbnull", "--output", "lbnull") as screen:
        screen.until("device dropouts")
        screen.type("s")
        screen.until("piano")
        (status,) = watcher.ask("sessions")["sessions"].values()
        assert status["stem"] == "piano"
        screen.type("<<<")
        screen.until(r"mix 0\.7")
        screen.type("q")
        assert screen.ended() == 0
        assert "samples in" in screen.text
        assert termios.tcgetattr(screen.inside) == screen.before
    until(lambda: watcher.ask("sessions")["sessions"] == {}, "the end of the session")
