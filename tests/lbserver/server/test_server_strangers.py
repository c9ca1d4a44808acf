# SPDX-License-Identifier: GPL-3.0-or-later
"""Front ends written from the reference alone, against a real server: what the page says is enough, and it is true.

Their programs lie in `strangers`. None of them imports a line of ours; what one had to know beside the page would be a
fault of the page.
"""

import ast
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lbserver.testing.accompanists import copy

PROGRAMS = Path(__file__).with_name("strangers")
FOREIGN = {"msgpack", "numpy", "zmq"}
RATE_HZ = 48000
FADE_SAMPLES = 1000


class Stranger:
    """One of their programs; it prints an event a line and goes on until it is told to end."""

    def __init__(self, server: Any, program: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(PROGRAMS / program), *arguments],
            env=server.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.events: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def until(self, event: str, **wanted: Any) -> dict[str, Any]:
        """The next event of a kind."""
        while line := self.events.get(timeout=60):
            told = json.loads(line)
            if told["event"] == event and wanted.items() <= told.items():
                return told
        assert self.process.stderr is not None
        raise AssertionError(f"no {event} {wanted}: {self.process.stderr.read()}")

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> dict[str, Any]:
        self.go_on()
        closed = self.until("closed", reason="asked to", ours=False)
        assert self.process.wait(60) == 0
        return closed

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.put(line)
        self.events.put("")


@pytest.fixture
def stranger(serve: Callable[..., Any]) -> Iterator[Callable[..., Stranger]]:
    """Start a program of theirs; none outlives the test."""
    started: list[Stranger] = []

    def start(server: Any, program: str, *arguments: object) -> Stranger:
        started.append(Stranger(server, program, *map(str, arguments)))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


def law_1_holds(path: Path, epoch: int) -> None:
    """What was there of the stem is the mix, by as much later as the figures say, or silence and the way to and from it.

    A frame that a busy machine plays too late is left out, and faded on both sides: it is never shifted. Half a second
    at least was whole.
    """
    saved = np.load(path)
    mix, stem, there = (saved[f"{name}{epoch}"] for name in ("mix", "stem", "there"))
    spec = copy().spec
    anticipation, latency = saved["timing"]
    offset = round(anticipation + latency) + spec.hop * RATE_HZ // spec.sample_rate
    expected = np.concatenate([np.zeros((len(mix), offset), np.float32), mix], axis=1)[:, : mix.shape[1]]
    right = (stem == expected).all(axis=0)
    silent = (stem == 0.0).all(axis=0)
    near_silence = np.convolve(silent, np.ones(2 * FADE_SAMPLES + 1), "same") > 0
    wrong = there & ~right & ~near_silence
    assert not wrong.any(), f"{wrong.sum()} samples, the first at {wrong.argmax()}"
    assert (right & there)[offset:].sum() >= RATE_HZ // 2


@pytest.mark.parametrize("program", sorted(PROGRAMS.glob("*.py")), ids=lambda path: path.stem)
def test_they_import_nothing_of_ours(program: Path) -> None:
    tree = ast.parse(program.read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "."]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names | FOREIGN


@pytest.mark.slow
def test_over_the_local_socket_through_a_worker_that_stands_still_for_four_seconds(
    serve: Callable[..., Any], stranger: Callable[..., Stranger], tmp_path: Path
) -> None:
    """The ring is full, blocks are lost, an epoch begins anew: written past the ring, or in the same epoch, it is let go,
    or hears everything later from then on.
    """
    server = serve("--model", "test:copy", "--workers", "1")
    guest = stranger(server, "local_client.py", "guitar", tmp_path / "heard.npz", "live")
    guest.until("steady", epoch=1)
    # Whoever watches the worker would take it for dead if it was stopped within a step.
    still = [server.process.pid, *server.children()]
    for pid in still:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert guest.until("stalled")["lost"]
    finally:
        for pid in reversed(still):
            os.kill(pid, signal.SIGCONT)
    guest.until("epoch", number=2)
    guest.until("steady", epoch=2)
    assert [notice["type"] for notice in guest.end()["unasked"]] == ["closed"]
    for epoch in (1, 2):
        law_1_holds(tmp_path / "heard.npz", epoch)


@pytest.mark.slow
def test_over_the_local_socket_beside_two_renders(
    serve: Callable[..., Any], stranger: Callable[..., Stranger], tmp_path: Path
) -> None:
    """Renders that take all there is: the one who plays live is not let go, nor shifted, and they lose nothing."""
    server = serve("--model", "test:copy", "--workers", "1", "--exact")
    guest = stranger(server, "local_client.py", "live", tmp_path / "live.npz", "live")
    guest.until("steady", epoch=1)
    names = ("one", "two")
    renders = [
        stranger(server, "local_client.py", name, tmp_path / f"{name}.npz", "offline") for name in names
    ]
    for render in renders:
        render.until("steady", epoch=1)
    for one in (*renders, guest):
        assert [notice["type"] for notice in one.end()["unasked"]] == ["closed"]
    law_1_holds(tmp_path / "live.npz", 1)
    for name in names:
        law_1_holds(tmp_path / f"{name}.npz", 1)
        saved = np.load(tmp_path / f"{name}.npz")
        assert saved["there1"].all()
        silent = (saved["stem1"] == 0.0).all(axis=0)
        assert silent.sum() == silent.argmin()  # but for the beginning, which the figures say


@pytest.mark.slow
@pytest.mark.parametrize("way", ["live", "offline"])
def test_over_zeromq_with_a_hang_up_in_between(
    serve: Callable[..., Any], stranger: Callable[..., Stranger], tmp_path: Path, way: str
) -> None:
    """The token brings the session back over another connection, in another epoch."""
    server = serve("--model", "test:copy", "--workers", "1", "--zmq-port", "0")
    guest = stranger(server, "zmq_client.py", server.info["zmq_port"], "guitar", tmp_path / "heard.npz", way)
    guest.until("steady", epoch=1)
    guest.go_on()
    guest.until("steady", epoch=2)
    guest.end()
    for epoch in (1, 2):
        law_1_holds(tmp_path / "heard.npz", epoch)


@pytest.mark.slow
def test_over_osc_with_the_signature(
    serve: Callable[..., Any], stranger: Callable[..., Stranger], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("a token of the test\n")
    token.chmod(0o600)
    server = serve(
        "--model", "test:copy", "--workers", "1", "--osc-port", "0", "--osc-token-file", str(token)
    )
    guest = stranger(
        server, "osc_client.py", server.info["osc_port"], "guitar", tmp_path / "heard.npz", token
    )
    guest.until("steady", epoch=1)
    assert "playing" in guest.end()["states"]
    law_1_holds(tmp_path / "heard.npz", 1)
