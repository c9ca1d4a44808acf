# SPDX-License-Identifier: GPL-3.0-or-later
"""A real server in its own process and folder, and the clients that speak to it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from lbserver.client.osc import OscClient

RATE_HZ, BLOCK = 48000, 480


class Player:
    """Somebody plays: silence in real time into a session, which collects errors and its status."""

    def __init__(self, port: int) -> None:
        self.client = OscClient(("127.0.0.1", port), timeout_s=60)
        self.client.enter()
        # One datagram a block: a machine that is busy with a compiler or a synthesiser keeps up with so many.
        self.stream = self.client.open(
            "song", stem="bass", rate_hz=RATE_HZ, channels=1, block_samples=BLOCK, sample_format="i16"
        )
        self.status: dict[str, Any] = {}
        self.errors: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._play)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join(60)
        self.client.call("/lb/close", "song")
        self.client.expect("/lb/<session>/closed")
        self.client.close()

    def _play(self) -> None:
        silence, begun_s, sent = np.zeros((1, BLOCK), np.float32), time.monotonic(), 0
        while not self._over.is_set():
            self.stream.send(silence)
            sent += BLOCK
            self.stream.receive(max(1e-3, begun_s + sent / RATE_HZ - time.monotonic()))
            while self.client.heard:
                call, _ = self.client.heard.popleft()
                if call.pattern.endswith("/status/<name>"):
                    self.status[call.names["name"]] = call.arguments["value"]
                elif call.pattern == "/lb/error":
                    self.errors.append(str(call.arguments))
            time.sleep(max(0.0, begun_s + sent / RATE_HZ - time.monotonic()))


@pytest.fixture
def client() -> Callable[[str], str]:
    """`client("csound")`: its path, or a skip that names it."""

    def find(name: str) -> str:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        return found

    return find


@pytest.fixture
def free_port() -> Callable[[], int]:
    """`free_port()`: a UDP port that nobody has just now."""

    def find() -> int:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return find


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., dict[str, Any]]]:
    """`serve(*options)`: what `liveband serve --json` says of itself, with the `environment` of those who look for it."""
    processes = []

    def start(*options: str, model: str = "test:copy") -> dict[str, Any]:
        home = tmp_path_factory.mktemp("home")
        environment = os.environ | {
            "LIVEBAND_RUN": str(home / "run"),
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home),
        }
        command = "import sys; from lbserver.cli import main; sys.exit(main())"
        common = ["serve", "--model", model, "--osc-port", "0", "--http-port", "0", "--json"]
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", command, *common, *options],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        told = process.stdout.readline()
        assert told, "the server did not start"
        return json.loads(told) | {"environment": environment}

    yield start
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(60)
        finally:
            process.kill()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="module")
def server(serve: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """A server with its defaults."""
    return serve()


@pytest.fixture
def player(server: dict[str, Any]) -> Iterator[Player]:
    one = Player(server["osc_port"])
    yield one
    one.close()
