# SPDX-License-Identifier: GPL-3.0-or-later
"""The client library against a real server in its own processes, as a script uses it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lbserver.client import Client, ClientError, ensure_server
from lbserver.host.rundir import find_server, open_run_directory
from lbserver.protocol import MAJOR, MINOR
from lbserver.protocol.wire import Framer, frame
from lbserver.testing.waiting import until

EXAMPLE = """
import soundfile
from lbserver.client import Client

mix, rate_hz = soundfile.read("song.wav", dtype="float32", always_2d=True)
with Client() as client, client.open(stem="bass", rate_hz=rate_hz, channels=2, offline=True) as session:
    session.know(bpm=120, first_beat_s=0.0)
    stem = session.play(mix.T)
    print(session.latency_samples, session.anticipation_ms, session.status()["late_frames"])
soundfile.write("bass.wav", stem.T, rate_hz)
"""


class Server:
    """`liveband serve` in a run directory of its own."""

    def __init__(self, run):
        self.run, self.process = run, None

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lbserver", "serve", "--model", "test:copy", "--workers", "1", "--json"],
            env={**os.environ, "LIVEBAND_RUN": str(self.run)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout.readline().startswith(b"{")

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait(20)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("run") / "r")
    running.start()
    yield running
    running.kill(signal.SIGTERM)


@pytest.fixture
def own_server(tmp_path):
    """One that the test may kill."""
    running = Server(tmp_path / "r")
    running.start()
    yield running
    if running.process.poll() is None:
        running.kill()


@pytest.fixture
def client(server):
    with Client(run=server.run) as client:
        yield client


def test_the_example_of_the_readme(server, noise, offset_of, tmp_path):
    """Ten lines: a song in, its stem out, of the same length, the copy where the figures say."""
    mix = noise(2, 44100 * 3)
    soundfile.write(tmp_path / "song.wav", mix.T, 44100)
    told = subprocess.run(
        [sys.executable, "-c", EXAMPLE],
        cwd=tmp_path,
        env={**os.environ, "LIVEBAND_RUN": str(server.run)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    _, anticipation_ms, late = told.stdout.split()
    stem, rate_hz = soundfile.read(tmp_path / "bass.wav", dtype="float32")
    assert (rate_hz, stem.shape) == (44100, mix.T.shape)
    assert late == "0"
    assert offset_of(mix[0], stem[:, 0]) == 44.1 * float(anticipation_ms) + 1764


@pytest.mark.parametrize("mode", ["live", "aligned", "manual", "bounce"])
@pytest.mark.parametrize(
    ("rate_hz", "block"), [(44100, 441), (48000, 1), (48000, 480), (88200, 64), (96000, 4096)]
)
def test_offset_is_what_the_session_says(client, noise, offset_of, rate_hz, block, mode):
    """Law 1 for the client: what exchange returns lies L + A*H + one chunk behind what it was given."""
    anticipation_ms = 120.0 if mode in ("manual", "bounce") else None
    with client.open(
        stem="bass", rate_hz=rate_hz, block_samples=block, mode=mode, anticipation_ms=anticipation_ms, offline=True
    ) as session:  # fmt: skip
        chunk = 1920 * rate_hz // 48000
        behind = session.latency_samples + session.anticipation_ms * rate_hz / 1000 + chunk
        mix = noise(2, (1 if block == 1 else rate_hz // block) * block + round(behind) + rate_hz // 8)
        if block == 1:  # sample by sample for a while, the rest in blocks that are cut
            heard = [session.exchange(mix[:, at : at + 1]) for at in range(500)]
            heard.append(session.exchange(mix[:, 500:]))
            out = np.concatenate(heard, axis=1)
        else:
            out = session.exchange(mix)
        assert out.shape == mix.shape
        assert offset_of(mix[0], out[0]) == pytest.approx(behind, abs=1e-6)


def test_play_is_exact_and_the_same_twice(client, noise):
    """48 kHz passes no resampler: every sample of the copy is the mix's; a second play begins at 0 again."""
    mix = noise(2, 48000 * 2 + 77)
    with client.open(stem="bass", rate_hz=48000, offline=True) as session:
        first, second = session.play(mix), session.play(mix)
        late = round(session.anticipation_ms * 48) + 1920
        assert first.shape == mix.shape
        # An epoch's first sounds rise from silence; a copy's first sound is the mix's first sample.
        assert np.array_equal(first[:, late:], mix[:, :-late])
        assert np.array_equal(first, second)


def test_play_of_nothing_and_of_one_sample(client):
    with client.open(stem="bass", rate_hz=48000, offline=True) as session:
        assert session.play(np.zeros((2, 0))).shape == (2, 0)
        assert session.play(np.zeros((2, 1))).shape == (2, 1)


def test_mono_comes_back_mono(client, noise):
    with client.open(stem="bass", rate_hz=48000, channels=1, offline=True) as session:
        mix = noise(1, 9600)
        stem = session.play(mix[0])
        assert stem.shape == (1, 9600)
        assert np.allclose(stem[:, 3840:], mix[:, :-3840], atol=1e-6)


def test_a_live_session_takes_any_block_and_never_waits(client, noise):
    with client.open(stem="drums", rate_hz=48000, block_samples=256) as session:
        assert session.latency_samples == 0
        assert session.anticipation_ms > 0
        begun = time.monotonic()
        for samples in (0, 1, 256, 700, 4096, 65536):
            assert session.exchange(noise(2, samples)).shape == (2, samples)
        assert time.monotonic() - begun < 20.0
        assert session.state in ("opening", "listening", "playing", "late")


def test_controls_moments_and_figures(client, noise):
    with client.open(stem="bass", rate_hz=48000, offline=True, name="mine") as session:
        session.set("gain", -6.0)
        session.set("stem", "drums")
        session.know(bpm=100, first_beat_s=0.0, chart="| C | G |")
        session.play(noise(2, 48000))
        session.keep("verse")
        session.recall("verse")
        session.reset()
        status = session.status()
        assert status["tempo"] == 100.0
        assert client.sessions()["mine"]["stem"] == "drums"
        for code, wrong in {
            "bad_message": lambda: session.set("gain", 99.0),
            "unknown_control": lambda: session.set("colour", 1),
            "not_found": lambda: session.recall("never"),
        }.items():
            with pytest.raises(ClientError) as caught:
                wrong()
            assert caught.value.code == code
            assert "\n" not in str(caught.value)
    assert "mine" not in client.sessions()
    assert session.state == "closed"


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ({"stem": "kazoo"}, "drums, bass, piano, guitar"),
        ({"rate_hz": 4}, "rate_hz"),
        ({"mode": "sideways"}, "live, aligned"),
        ({"channels": 65}, "channels"),
        ({"name": "a b"}, "session name"),
        ({"model": "big"}, "test:copy"),
        ({"mode": "manual", "anticipation_ms": 9000.0}, "out of range"),
    ],
)
def test_what_cannot_be_opened_is_said(client, wish, text):
    with pytest.raises(ClientError, match=text):
        client.open(**{"stem": "bass", "rate_hz": 48000, **wish})
    with client.open(stem="bass", rate_hz=48000):
        pass


def test_audio_of_another_shape_is_refused_with_a_hint(client):
    with client.open(stem="bass", rate_hz=48000) as session:
        with pytest.raises(ClientError, match="transpose"):
            session.exchange(np.zeros((100, 2)))
        with pytest.raises(ClientError, match="expected"):
            session.exchange(np.zeros((3, 100)))
        with pytest.raises(ClientError, match="offline=True"):
            session.play(np.zeros((2, 100)))


def test_no_server_says_what_to_type(tmp_path):
    with pytest.raises(ClientError, match="liveband serve"):
        Client(run=tmp_path / "nowhere")
    folder = tmp_path / "empty"
    folder.mkdir(mode=0o700)
    with pytest.raises(ClientError, match="liveband serve"):
        Client(run=folder)
    folder.chmod(0o755)
    with pytest.raises(ClientError, match="open to others"):
        Client(run=folder)


def test_a_closed_client_says_so(server):
    client = Client(run=server.run)
    session = client.open(stem="bass", rate_hz=48000)
    client.close()
    client.close()
    assert not session.exchange(np.ones((2, 480))).any()
    with pytest.raises(ClientError, match="closed"):
        session.status()


def test_sessions_leave_nothing_behind(server, descriptors, settles):
    """Descriptors, maps and threads are where they were; the first rounds warm the caches."""

    def held():
        maps = Path("/proc/self/maps").read_text().count("memfd:liveband")
        return descriptors(), maps, threading.active_count()

    def rounds(count):
        for _ in range(count):
            with Client(run=server.run) as client:
                for _ in range(5):
                    client.open(stem="bass", rate_hz=48000).close()
                client.open(stem="bass", rate_hz=48000)  # left open

    rounds(2)
    before = held()
    rounds(10)
    settles(held, before)


def test_the_server_dies_and_returns(own_server, noise):
    """Live: blocks go on, silent soon, the state says lost; the session is taken up under its name."""
    with Client(run=own_server.run) as client:
        session = client.open(stem="bass", rate_hz=48000, name="mine", block_samples=480)
        session.know(bpm=97.0)
        # Words that the server that returns does not know keep it from nothing else.
        session._steered._known["style"] = "theremin"
        mix = noise(2, 48000)

        def play(seconds):
            heard = []
            for at in range(0, round(48000 * seconds), 480):
                heard.append(session.exchange(mix[:, at % 47520 : at % 47520 + 480]))
                time.sleep(0.01)
            return np.concatenate(heard, axis=1)

        until(lambda: play(0.2).any())
        own_server.kill()
        until(lambda: (play(0.1), session.state == "lost")[1])
        gone = play(0.6)
        assert not gone[:, -9600:].any()
        with pytest.raises(ClientError):
            session.status()
        own_server.start()
        until(lambda: (play(0.1), session.state != "lost")[1])
        until(lambda: play(0.2).any())
        assert list(client.sessions()) == ["mine"]
        assert session.status()["tempo"] == 97.0
        session.close()
        assert not client.sessions()


def test_a_bounce_says_that_the_server_died(own_server, noise):
    with Client(run=own_server.run) as client:
        session = client.open(stem="bass", rate_hz=48000, offline=True)
        killer = threading.Timer(0.3, own_server.kill)
        killer.start()
        mix = noise(2, 48000 * 5)

        def bounce_on():
            while True:
                session.play(mix)

        with pytest.raises(ClientError, match=r"broke off|closed"):
            bounce_on()
        killer.join()


def test_a_server_that_hangs_holds_up_no_live_block(own_server):
    with Client(run=own_server.run) as client:
        session = client.open(stem="bass", rate_hz=48000)
        session.exchange(np.zeros((2, 512)))
        own_server.process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        for _ in range(500):
            session.exchange(np.zeros((2, 512)))
        assert time.monotonic() - begun < 20.0
        own_server.process.send_signal(signal.SIGCONT)
        assert session.status()["state"] != "closed"


def test_start_finds_or_starts_a_server(tmp_path):
    run = tmp_path / "r"
    with Client(run=run, start=True, model="test:copy") as first:
        assert first.model == "test:copy"
        pid = find_server(run).pid
        try:
            assert ensure_server(run=run).pid == pid
            with Client(run=run, start=True) as second:
                assert second.model == "test:copy"
        finally:
            os.kill(pid, signal.SIGTERM)
            until(lambda: find_server(run) is None)


def test_a_server_that_cannot_start_gives_its_reason(tmp_path):
    with pytest.raises(ClientError, match=r"could not be started: .*no-such-model"):
        ensure_server(run=tmp_path / "r", model="no-such-model", timeout_s=60.0)


class Impostor(threading.Thread):
    """Something on the socket that answers as it is told: `answers` are (bytes, descriptor) for each message."""

    def __init__(self, run, answers):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(run.socket_path))
        self.listener.listen(1)
        self.answers = answers
        self.start()

    def run(self):
        connection, _ = self.listener.accept()
        framer = Framer()
        with contextlib.suppress(OSError), connection:
            for data, descriptor in self.answers:
                while not list(framer.feed(connection.recv(65536))):
                    pass
                socket.send_fds(connection, [data], [] if descriptor is None else [descriptor])
            connection.recv(1)
        self.listener.close()


WELCOME = {
    "type": "welcome", "id": 1, "major": MAJOR, "minor": MINOR, "server": "x", "model": "y", "pid": 1,
}  # fmt: skip
OPENED = {
    "type": "opened", "id": 2, "session": "a", "latency_samples": 0, "anticipation_samples": 0.0,
    "recency_gap_ms": 0.0, "anticipation_frames": 0, "mode": "live",
}  # fmt: skip


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (frame({"type": "error", "id": 1, "code": "version", "text": "you speak 1, I speak 2"}), "version"),
        (frame({"type": "error", "code": "version", "text": "you speak 1, I speak 2"}), "version"),
        (frame({**WELCOME, "major": MAJOR + 1}), "version"),
        (b"\xff\xff\xff\xff", "crashed"),
        (frame({"type": "pong"}) + b"\x01\x00\x00\x00\xc1", "crashed"),
        (frame({"type": "song", "id": 1}), "crashed"),
    ],
)
def test_another_version_or_no_server_of_ours_is_refused_in_words(tmp_path, first, code):
    with open_run_directory(tmp_path / "r") as run:
        Impostor(run, [(first, None)])
        with pytest.raises(ClientError) as caught:
            Client(run=run.path)
        assert caught.value.code == code


def test_a_segment_that_could_shrink_is_not_mapped(tmp_path):
    """A server gone bad could make reading it a bus error."""
    descriptor = os.memfd_create("x", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, 1 << 20)
    with open_run_directory(tmp_path / "r") as run:
        Impostor(run, [(frame(WELCOME), None), (frame(OPENED), descriptor)])
        with Client(run=run.path) as client, pytest.raises(ClientError, match="not sealed"):
            client.open(stem="bass", rate_hz=48000, name="a")
    os.close(descriptor)


def test_an_answer_without_a_segment_is_an_error(tmp_path):
    with open_run_directory(tmp_path / "r") as run:
        Impostor(run, [(frame(WELCOME), None), (frame(OPENED), None)])
        with Client(run=run.path) as client, pytest.raises(ClientError, match="no segment"):
            client.open(stem="bass", rate_hz=48000, name="a")


def test_a_newer_server_may_say_more(tmp_path):
    with open_run_directory(tmp_path / "r") as run:
        Impostor(run, [(frame({**WELCOME, "minor": MINOR + 5, "mood": "good", "more": [1]}), None)])
        with Client(run=run.path) as client:
            assert client.server == "x"


def test_who_did_not_open_a_session_steers_it_and_hears_what_happens(server):
    """Catches a client that can steer nothing but its own: a script beside jam or a plug-in is the usual case."""
    with Client(run=server.run) as player, Client(run=server.run) as other:
        with pytest.raises(ClientError, match=r"no session is open|open: "):
            other.attach("nobody")
        with player.open(stem="bass", rate_hz=48000, name="stage") as stage:
            desk = other.attach()
            assert desk.name == "stage"
            desk.know(bpm=120.0, first_beat_s=0.0, beats_per_bar=3, chart="| [A] C | [B] Am |")
            desk.set("tacet", "on")
            desk.set("count_in", 1)
            playing = threading.Event()

            def play():
                while not playing.wait(0.005):
                    stage.exchange(np.zeros((2, 480), np.float32))

            thread = threading.Thread(target=play)
            thread.start()
            try:
                cues, heard = desk.cues(), []
                while not {"bar", "beat", "chord", "section"} <= {name for name, _ in heard}:
                    heard.append(next(cues))
            finally:
                playing.set()
                thread.join()
            assert dict(reversed(heard))["chord"] in ("C", "Am")
            assert desk.status()["section"] in ("A", "B")
