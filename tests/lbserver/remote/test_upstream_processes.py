# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband serve --upstream` as it is used: one server plays, another relays to it, a script plays with the latter."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from lbserver.client import Client

pytestmark = pytest.mark.slow  # four servers are started


def serve(run, *options):
    process = subprocess.Popen(
        [sys.executable, "-m", "lbserver", "serve", "--json", *options],
        env={**os.environ, "LIVEBAND_RUN": str(run)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    line = process.stdout.readline()
    assert line.startswith(b"{"), line
    return process, json.loads(line)


@contextlib.contextmanager
def two(folder):
    """(process of the far one, run directory of the near one)."""
    far, told = serve(folder / "far", "--model", "test:copy", "--workers", "1", "--zmq-port", "0")
    near, _ = serve(folder / "near", "--upstream", f"tcp://127.0.0.1:{told['zmq_port']}")
    try:
        yield far, folder / "near"
    finally:
        for process in (near, far):
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            process.stdout.close()


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Of those tests that leave both alive."""
    with two(tmp_path_factory.mktemp("two")) as servers:
        yield servers


class Player:
    """Blocks in real time, and what came back."""

    def __init__(self, session, mix):
        self.session, self.mix, self.at, self.out = session, mix, 0, []

    def play(self, seconds):
        begun, first = time.monotonic(), self.at
        while self.at - first < 48000 * seconds:
            self.out.append(self.session.exchange(self.mix[:, self.at : self.at + 480]))
            self.at += 480
            time.sleep(max(0.0, begun + (self.at - first) / 48000 - time.monotonic()))

    def play_until(self, good, timeout_s=60.0):
        begun = time.monotonic()
        while not good():
            assert time.monotonic() - begun < timeout_s, self.session.status()
            self.play(0.05)
        return time.monotonic() - begun

    def lies(self, behind, offset_of):
        """Whether the last half second is what was played so many samples before: nothing is heard where it does not belong."""
        start = self.at - 24000
        if start < 24000 or not self.heard[0, -4800:].any():
            return False
        return offset_of(self.mix[0, start - 24000 : self.at], self.heard[0, start:]) == behind - 24000

    @property
    def heard(self):
        return np.concatenate(self.out, axis=1)


def test_a_bounce_through_two_servers(servers, noise):
    _, run = servers
    mix = noise(2, 48000 * 4)
    with Client(run=run) as client, client.open(stem="bass", rate_hz=48000, offline=True) as session:
        assert client.model == "test:copy"
        stem = session.play(mix)
        late = round(session.anticipation_ms * 48) + 1920
        assert np.array_equal(stem[:, late:], mix[:, :-late])


def test_the_far_server_freezes_and_thaws(servers, noise, offset_of):
    """No connection breaks, nothing answers: noticed all the same, silent, said, and aligned again afterwards."""
    far, run = servers
    with Client(run=run) as client:
        session = client.open(stem="bass", rate_hz=48000, block_samples=480, mode="aligned")
        player = Player(session, noise(2, 48000 * 200))
        expected = session.latency_samples + 1920
        player.play_until(lambda: player.lies(expected, offset_of))
        far.send_signal(signal.SIGSTOP)
        player.play_until(lambda: session.state == "recovering", timeout_s=60.0)
        assert "127.0.0.1" in session.status()["reason"]
        player.play(0.2)
        assert not player.heard[:, -4800:].any()
        far.send_signal(signal.SIGCONT)
        player.play_until(lambda: player.lies(expected, offset_of))


def test_the_far_server_is_killed_and_another_takes_its_place(noise, tmp_path, offset_of):
    with two(tmp_path) as (far, run), Client(run=run) as client:
        port = json.loads((tmp_path / "far" / "server.json").read_text())["zmq_port"]
        session = client.open(stem="bass", rate_hz=48000, block_samples=480, mode="aligned")
        session.know(bpm=91.0)
        player = Player(session, noise(2, 48000 * 200))
        player.play(0.6)
        far.kill()
        far.wait(60)
        player.play_until(lambda: session.state == "recovering")
        other, _ = serve(tmp_path / "far", "--model", "test:copy", "--workers", "1", "--zmq-port", str(port))
        try:
            expected = session.latency_samples + 1920
            player.play_until(lambda: player.lies(expected, offset_of))
            assert session.status()["tempo"] == 91.0
        finally:
            other.send_signal(signal.SIGTERM)
            other.wait(60)
            other.stdout.close()
