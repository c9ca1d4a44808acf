# SPDX-License-Identifier: GPL-3.0-or-later
"""A real server in its own process, and a front end that speaks to its socket by the letter of the protocol."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lbserver.protocol import wire
from lbserver.ring.ends import HostPort
from lbserver.ring.segment import Segment
from lbserver.testing.waiting import until


class FrontEnd:
    """One connection; `sessions` are its ports by name."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.framer, self.waiting, self.descriptors = wire.Framer(), [], []
        self.notices: list[dict[str, Any]] = []
        self.number = 0
        self.ports: dict[str, HostPort] = {}

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        self.number += 1
        self.socket.sendall(wire.frame({"type": kind, "id": self.number, **fields}))
        while True:
            for message in self.read():
                if message.get("id") == self.number:
                    return message
                self.notices.append(message)

    def read(self) -> list[dict[str, Any]]:
        data, descriptors, _, _ = socket.recv_fds(self.socket, 1 << 16, 8)
        if not data:
            raise ConnectionError("the server hung up")
        self.descriptors += descriptors
        return list(self.framer.feed(data))

    def hello(self) -> dict[str, Any]:
        return self.ask("hello", major=1, minor=0, client="test")

    def open(self, session: str, **fields: Any) -> dict[str, Any]:
        wish = {"rate_hz": 48000, "channels": 2, "block_samples": 480, "mode": "live", "stem": "bass"}
        answer = self.ask("open", session=session, **(wish | fields))
        if answer["type"] == "opened":
            self.ports[session] = self.port(answer)
        return answer

    def port(self, answer: dict[str, Any]) -> HostPort:
        descriptor = self.descriptors.pop(0)
        segment = Segment(descriptor)
        os.close(descriptor)
        return HostPort(segment, latency_samples=answer["latency_samples"])

    def status(self, session: str) -> dict[str, Any]:
        return self.ask("status", session=session)["status"]

    def until(
        self, session: str, good: Callable[[dict[str, Any]], bool], timeout_s: float = 60
    ) -> dict[str, Any]:
        """The first status that is good; what a user would wait for."""
        deadline = time.monotonic() + timeout_s
        while not good(status := self.status(session)):
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        return status

    def play(self, session: str, mix: np.ndarray, *, block: int = 480, paced: bool = True) -> np.ndarray:
        """Play audio as a sound card would, and return what was heard."""
        port, begun, heard = self.ports[session], time.monotonic(), []
        rate_hz = port.segment.shape.rate_hz
        for at in range(0, mix.shape[-1], block):
            heard.append(port.exchange(mix[:, at : at + block]))
            if paced:
                time.sleep(max(0.0, begun + (at + block) / rate_hz - time.monotonic()))
        return np.concatenate(heard, axis=-1)

    def render(self, session: str, mix: np.ndarray, *, block: int = 480) -> np.ndarray:
        """Play as fast as the server answers, waiting for each block."""
        port = self.ports[session]
        port.set_offline(True)
        heard = []
        for at in range(0, mix.shape[-1], block):
            piece = mix[:, at : at + block]
            port.write(piece)
            heard.append(port.wait(piece.shape[-1], timeout_s=60))
        return np.concatenate(heard, axis=-1)

    def close(self) -> None:
        self.socket.close()
        for port in self.ports.values():
            port.segment.close()
        for descriptor in self.descriptors:
            os.close(descriptor)


class Server:
    """A server process and the front ends connected to it."""

    def __init__(self, folder: Path, cache: Path, *options: str) -> None:
        self.run, self.options = folder, options
        # Usual ports would be fought for by servers that run at the same time.
        self.quiet = [
            part for name in ("--osc-port", "--http-port") if name not in options for part in (name, "off")
        ]
        self.environment = {
            **os.environ,
            "LIVEBAND_RUN": str(folder),
            "XDG_DATA_HOME": str(folder.parent / "data"),
            "LIVEBAND_CACHE": str(cache),
        }
        self.front_ends: list[FrontEnd] = []
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lbserver", "serve", "--json", *self.quiet, *self.options],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.info = json.loads(line)

    def connect(self) -> FrontEnd:
        front_end = FrontEnd(self.info["socket"])
        self.front_ends.append(front_end)
        front_end.hello()
        return front_end

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=60)

    def stop(self) -> tuple[int, str]:
        for front_end in self.front_ends:
            front_end.close()
        if self.process.poll() is None:
            self.process.terminate()
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One calibration for all."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def _one_for_all(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("plain") / "run", cache, "--model", "test:copy")
    yield server
    server.stop()


@pytest.fixture
def plain(_one_for_all: Server) -> Iterator[Server]:
    """A server with one worker, for a test that leaves it as it was: the file's tests share it, and find no session in it."""
    yield _one_for_all
    for front_end in _one_for_all.front_ends:
        front_end.close()
    _one_for_all.front_ends.clear()
    watcher = _one_for_all.connect()
    until(lambda: not watcher.ask("sessions")["sessions"], "the end of the sessions")


@pytest.fixture
def serve(tmp_path: Path, cache: Path) -> Iterator[Callable[..., Server]]:
    """Start servers with options; they are stopped at the end."""
    servers: list[Server] = []

    def start(*options: str) -> Server:
        servers.append(Server(tmp_path / f"run{len(servers)}", cache, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
