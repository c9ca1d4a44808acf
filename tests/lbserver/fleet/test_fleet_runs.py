# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of real servers: what those who play notice when one is drained and when one is killed."""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lbserver.client import Client
from lbserver.client.blocking import Session
from lbserver.client.connection import Connection
from lbserver.client.errors import ClientError
from lbserver.host.isolation import environment, python
from lbserver.host.rundir import find_server
from lbserver.testing.grids import long_or_short
from lbserver.testing.processes import running
from lbserver.testing.servers import serving

pytestmark = pytest.mark.slow  # ten processes are started

FRAME = 1920
Servers = dict[str, dict[str, Any]]


class Fleet:
    """The directory of a fleet, asked as `liveband fleet status` and `drain` do."""

    def __init__(self, run: Path, port: int) -> None:
        server = find_server(run.with_name(f"{run.name}-fleet"))
        assert server is not None
        self.address, self._line = f"fleet://127.0.0.1:{port}", Connection(server, "test")

    def servers(self) -> Servers:
        return dict(self._line.ask("fleet_list", "fleet")["servers"])

    def drain(self, name: str) -> None:
        self._line.ask("fleet_list", "drain", server=name)

    def up(self) -> Servers:
        return {name: one for name, one in self.servers().items() if one["state"] == "up"}

    def close(self) -> None:
        self._line.close()


@contextlib.contextmanager
def fleet(folder: Path, *options: str) -> Iterator[Fleet]:
    run = folder / "f"
    words = ("fleet", "serve", "--port", "0", "--json", "--model", "test:counter", "--servers", "2", *options)
    with running(
        python("lbserver", *words),
        env=environment({"LIVEBAND_RUN": str(run)}),
        stdout=subprocess.PIPE,
        cwd=folder,
    ) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        found = Fleet(run, told["zmq_port"])
        try:
            until(lambda: len(found.up()) == 2)
            yield found
        finally:
            found.close()
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)


class NeverSoError(AssertionError):
    """What was waited for did not come."""


def until(
    so: Callable[[], bool], meanwhile: Callable[[], None] = lambda: time.sleep(0.05), limit_s: float = 150.0
) -> None:
    begun = time.monotonic()
    while not so():
        if time.monotonic() - begun > limit_s:
            raise NeverSoError(f"not in {limit_s:g} s")
        meanwhile()


class Live:
    """A session played in blocks of 10 ms, and what it heard."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.heard: list[np.ndarray] = []

    def play(self) -> None:
        self.heard.append(self.session.exchange(np.zeros((2, 480), np.float32))[0])

    @property
    def step(self) -> int:
        """The step in which the last block that sounds whole was played."""
        found = (round(float(one[0]) * 4096) for one in reversed(self.heard) if one[0] and np.ptp(one) == 0)
        return next(found, 0)


class Render(threading.Thread):
    """A session that is rendered, a quarter of a second at a time, until it is told to end."""

    def __init__(self, session: Session) -> None:
        super().__init__(daemon=True)
        self.session, self.heard, self.end = session, list[np.ndarray](), threading.Event()
        self.lost = ""

    @property
    def samples(self) -> int:
        return sum(block.size for block in self.heard)

    def run(self) -> None:
        while not self.end.wait(0.1):
            try:
                self.heard.append(self.session.exchange(np.zeros((2, 12000), np.float32))[0])
            except ClientError as error:
                self.lost = str(error)
                return


@pytest.mark.parametrize("cluster", ["none", "local"][: long_or_short(2, 1)])
def test_a_drained_and_a_killed_server(tmp_path: Path, cluster: str) -> None:
    """On processes of this machine, and as actors of a Ray cluster.

    A machine on which a process stands still for over a second loses a link that nobody cut, and with it a render: then it is
    all played again, at once.
    """
    if cluster != "none" and importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed")
    for left in (2, 1, 0):
        folder = tmp_path / str(left)
        folder.mkdir()
        try:
            _drain_and_kill(folder, cluster)
            break
        except NeverSoError as error:
            if not left:
                raise
            warnings.warn(f"the fleet is played once more: {error}", stacklevel=1)


def _drain_and_kill(folder: Path, cluster: str) -> None:
    """A fleet that lost sessions with a server would end six players' music; one that moved them badly would repeat or skip steps.

    The servers' accompanist writes the number of its step into the sound. Three sessions are rendered on one server, three played
    live on the other. This is killed: its sessions go on from their last memory, the renders notice nothing. Then
    the first is drained: the renders are what they would have been without, to the bit.
    """
    with (
        fleet(folder, "--sessions", "8", "--cluster", cluster) as servers,
        serving("--upstream", servers.address) as near,
        Client(run=(near_run := Path(near["run"]))) as client,
    ):
        live, renders = [], []

        def load() -> dict[str, int]:
            return {name: sum(one["sessions"].values()) for name, one in servers.servers().items()}

        def are_elsewhere(left: str) -> bool:
            now = load()
            return now.pop(left, 0) == 0 and sum(now.values()) == 6

        def play(seconds: float = 0.1) -> None:
            for render in renders:
                if render.lost:
                    raise NeverSoError(
                        f"a render was lost, {render.lost}: {(near_run / 'liveband.log').read_text()}"
                    )
            for _ in range(round(seconds * 100)):
                begun = time.monotonic()
                for one in live:
                    one.play()
                time.sleep(max(0.0, begun + 0.01 - time.monotonic()))

        for number in range(3):
            renders.append(Render(client.open(stem="bass", rate_hz=48000, offline=True)))
            until(lambda: load() == {"server-1": number + 1, "server-2": number}, play)  # noqa: B023
            live.append(Live(client.open(stem="bass", rate_hz=48000, block_samples=480)))
            until(lambda: load() == {"server-1": number + 1, "server-2": number + 1}, play)  # noqa: B023
        for render in renders:
            render.start()
        until(lambda: min(one.step for one in live) > 30, play)

        before = [one.step for one in live]
        os.kill(servers.servers()["server-2"]["pid"], signal.SIGKILL)
        until(lambda: are_elsewhere("server-2"), play)
        for one in live:
            one.heard.clear()
        until(lambda: all(one.step for one in live), play)
        for old, one in zip(before, live, strict=True):
            assert one.step > old - 125  # a memory is a second old, or a few where the machine is busy

        servers.drain("server-1")
        until(lambda: are_elsewhere("server-1"), play)
        moved = [render.samples for render in renders]
        until(lambda: all(one.samples > n + 24000 for one, n in zip(renders, moved, strict=True)), play)
        for render in renders:
            render.end.set()
            render.join(60)
            assert not render.lost
            heard = np.concatenate(render.heard)
            silent = round(render.session.anticipation_ms * 48) + FRAME
            steps = np.arange(1, heard.size // FRAME + 2, dtype=np.float32).repeat(FRAME) / 4096
            assert np.array_equal(heard, np.concatenate([np.zeros(silent, np.float32), steps])[: heard.size])
