# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge of the plug-in against a real server: it plays, and what dies, hangs or is missing does not hurt the host."""

import fcntl
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lbserver.engine import memory_file
from lbserver.protocol import wire

RATE_HZ = 48000
GAIN = 2  # index of the control


class Server(Protocol):
    run: Path
    environment: dict[str, str]

    def start(self) -> None: ...
    def end(self) -> None: ...
    def signal(self, number: signal.Signals, *, everyone: bool = False) -> None: ...


class Host(Protocol):
    def ask(self, command: str) -> dict[str, Any]: ...
    def until(self, state: str, patience_ms: int = 60000) -> dict[str, Any]: ...
    def end(self) -> tuple[np.ndarray, np.ndarray]: ...


def _play(host: Host, server: Server) -> dict[str, Any]:
    server.start()
    host.ask("start")
    assert host.ask(f"prepare {RATE_HZ} 480 live 0 5000")["open"]
    host.ask("play")
    return host.until("playing")


def _delay(played: np.ndarray, heard: np.ndarray) -> int:
    """By how much the end of `heard` is `played` delayed, exactly; fails if it is not."""
    piece = heard[-4800:]
    assert np.abs(piece).max() > 0.05, "silence at the end"
    for delay in range(1920, len(played) - 4800 + 1, 1920):
        if np.array_equal(played[len(played) - 4800 - delay : len(played) - delay], piece):
            return delay
    raise AssertionError("what is heard at the end was never played so")


def _whole(host: Host, seconds: float) -> dict[str, Any]:
    """Wait until nothing was missing for so long: on a busy machine a frame may come too late at any moment."""
    deadline = time.monotonic() + 60
    status = host.ask("status")
    while True:
        before = status
        time.sleep(seconds)
        status = host.ask("status")
        if status["state"] == "playing" and status["gaps"] == before["gaps"]:
            return status
        assert time.monotonic() < deadline, status


def _steps(audio: np.ndarray) -> float:
    return float(np.abs(np.diff(audio)).max())


def test_it_plays_what_the_model_plays(server: Server, host: Host) -> None:
    """Live: the copy comes back to the sample, by a whole number of frames later, without a gap."""
    answer = _play(host, server)
    assert answer["model"] == "test:copy"
    assert answer["latency_samples"] == 0
    status = _whole(host, 1.0)
    assert status["tempo"] == 120.0  # as the host's transport says
    host.ask("halt")
    delay = _delay(*host.end())
    assert delay == 1920 + round(answer["anticipation_ms"] * RATE_HZ / 1000)


def test_a_killed_server_fades_and_a_new_one_is_taken_up(server: Server, host: Host) -> None:
    """Faults F1 and F2: a fade, silence, no step; then the same session goes on with its controls."""
    _play(host, server)
    host.ask(f"set {GAIN} -6")
    _whole(host, 0.7)
    server.signal(signal.SIGKILL)
    lost = host.until("lost")
    print(f"lost after {lost['ms']:.0f} ms")
    time.sleep(0.5)
    server.end()
    server.start()
    back = host.until("playing")
    print(f"playing {back['ms']:.0f} ms after it listens")
    assert back["connections"] == 2
    _whole(host, 0.7)
    host.ask("halt")
    played, heard = host.end()
    half = 10 ** (-6 / 20)
    clean = 0.3 * 2 * np.pi * (200 + 6 * len(played) / RATE_HZ) / RATE_HZ
    assert _steps(heard) <= 2 * clean
    quiet = np.flatnonzero(np.convolve(heard == 0, np.ones(4800), "valid") == 4800)
    quiet = quiet[quiet > RATE_HZ // 2]
    assert len(quiet), "no silence between the two servers"
    envelope = np.abs(heard[quiet[0] - 1920 : quiet[0] - 960]).max()
    assert envelope > 0.8 * 0.3 * half, "the fade to silence took longer than 20 ms"
    piece = np.abs(heard[-9600:]).max()
    np.testing.assert_allclose(piece, 0.3 * half, rtol=0.01)  # the gain was not forgotten


def test_a_stopped_server_is_taken_up_in_time(server: Server, host: Host) -> None:
    """Fault F4: after a stop of three seconds nothing stale is heard, and the music lies where it did."""
    _play(host, server)
    time.sleep(0.5)
    server.signal(signal.SIGSTOP, everyone=True)
    host.until("lost")
    time.sleep(3.0)
    server.signal(signal.SIGCONT, everyone=True)
    back = host.until("playing")
    print(f"playing {back['ms']:.0f} ms after it went on")
    status = _whole(host, 0.7)
    assert status["connections"] == 1
    host.ask("halt")
    played, heard = host.end()
    assert _delay(played, heard) == 1920 + round(status["anticipation_ms"] * RATE_HZ / 1000)
    clean = 0.3 * 2 * np.pi * (200 + 6 * len(played) / RATE_HZ) / RATE_HZ
    assert _steps(heard) <= 2 * clean


def test_a_jump_of_the_song_makes_no_click(server: Server, host: Host) -> None:
    """A loop or a click into the time line begins anew; what sounded fades."""
    _play(host, server)
    time.sleep(0.5)
    host.ask("halt")
    host.ask("jump 480000")
    host.ask("play")
    _whole(host, 0.7)
    host.ask("halt")
    played, heard = host.end()
    clean = 0.3 * 2 * np.pi * (200 + 6 * (10 + len(played) / RATE_HZ)) / RATE_HZ
    assert _steps(heard) <= 2 * clean
    _delay(played, heard)


def test_aligned_lags_by_what_it_reports(server: Server, host: Host) -> None:
    """L is what the host is told, and to the sample what is heard."""
    server.start()
    host.ask("start")
    assert host.ask(f"prepare {RATE_HZ} 480 aligned 0 5000")["open"]
    host.ask("play")
    latency = host.until("playing")["latency_samples"]
    assert latency > 0
    assert latency % 480 == 0
    _whole(host, 0.5)
    host.ask("halt")
    played, heard = host.end()
    expected = played[len(played) - 4800 - latency - 1920 : len(played) - latency - 1920]
    np.testing.assert_array_equal(heard[-4800:], expected)


def test_a_latency_that_comes_late_waits_for_the_host_to_stop(server: Server, host: Host) -> None:
    """What the host was told stays true while it plays; taken over when it stops, the band is heard."""
    host.ask("start")
    host.ask(f"prepare {RATE_HZ} 480 aligned 0 0")
    host.ask("play")
    time.sleep(0.1)
    server.start()
    late = host.until("late")
    assert late["latency_samples"] == 0
    assert late["pending_latency_samples"] > 0
    host.ask("halt")
    host.ask("adopt")
    host.ask("play")
    playing = host.until("playing")
    assert playing["latency_samples"] == late["pending_latency_samples"]
    _whole(host, 0.5)
    host.ask("halt")
    _, heard = host.end()
    assert np.abs(heard[-4800:]).max() > 0.2


def test_offline_waits_and_loses_nothing(server: Server, host: Host) -> None:
    """Faster than real time, blocks of several sizes, one longer than was announced: every sample comes."""
    server.start()
    host.ask("start")
    host.ask(f"prepare {RATE_HZ} 512 bounce 1 0")
    for blocks, samples in ((40, 512), (7, 1), (30, 137), (1, 65536), (20, 512)):
        assert host.ask(f"offline {blocks} {samples}")["good"]
    status = host.ask("status")
    assert status["gaps"] == 0
    played, heard = host.end()
    delay = 1920 + round(status["anticipation_ms"] * RATE_HZ / 1000)
    np.testing.assert_array_equal(heard[delay + 240 :], played[240:-delay])
    assert not heard[:delay].any()


def test_offline_fails_loudly_when_the_server_dies(server: Server, host: Host) -> None:
    _play(host, server)
    host.ask("halt")
    server.signal(signal.SIGKILL, everyone=True)
    assert not host.ask("offline 40 4800 3")["good"]
    host.end()


def test_a_render_begun_while_the_server_returns_is_whole(server: Server, host: Host) -> None:
    """What the dead session did not play the new one does, from the render's first block on."""
    _play(host, server)
    server.signal(signal.SIGKILL)
    host.until("lost")
    host.ask("halt")
    server.end()
    back = threading.Thread(target=server.start)
    back.start()
    begun = host.ask("status")["samples"]
    rendered = host.ask("offline 60 4800")
    back.join()
    assert rendered["good"]
    assert rendered["connections"] == 2
    played, heard = host.end()
    delay = 1920 + round(rendered["anticipation_ms"] * RATE_HZ / 1000)
    assert not heard[begun + 480 : begun + delay].any()
    np.testing.assert_array_equal(heard[begun + delay + 240 :], played[begun + 240 : -delay])


def test_a_render_that_failed_is_heard_again_once_the_server_is_back(server: Server, host: Host) -> None:
    """After one wait in vain no block waits, until there is a session to wait for."""
    _play(host, server)
    host.ask("halt")
    server.signal(signal.SIGKILL, everyone=True)
    host.until("lost")
    assert not host.ask("offline 2 4800 3")["good"]
    assert host.ask("offline 200 4800 3")["ms"] < 30000.0  # not 200 waits
    server.end()
    server.start()
    host.until("listening")
    begun = host.ask("status")["samples"]
    rendered = host.ask("offline 60 4800")
    played, heard = host.end()
    delay = 1920 + round(rendered["anticipation_ms"] * RATE_HZ / 1000)
    np.testing.assert_array_equal(heard[begun + delay + 240 :], played[begun + 240 : -delay])


def test_a_host_may_turn_to_offline_and_back_in_mid_stream(server: Server, host: Host) -> None:
    """As Ardour does: what was missed before is silence in its place, the rest lies where it did, to the sample."""
    server.start()
    host.ask("start")
    assert host.ask(f"prepare {RATE_HZ} 512 live 0 5000")["open"]
    host.ask("online 40 512")  # faster than any band plays
    turned = host.ask("status")["samples"]
    rendered = host.ask("offline 150 512")
    assert rendered["good"]
    host.ask("online 3 512")
    host.ask("offline 100 512")
    back = host.ask("status")["samples"]
    host.ask("play")
    _whole(host, 0.7)
    host.ask("halt")
    played, heard = host.end()
    delay = 1920 + round(rendered["anticipation_ms"] * RATE_HZ / 1000)
    expected = np.concatenate([np.zeros(delay, np.float32), played])
    once, again = turned + 150 * 512, turned + 153 * 512
    for start, end in ((turned, once), (again, back)):
        start += 1920 + 240  # the frame in which it turns may have been given up already
        np.testing.assert_array_equal(heard[start:end], expected[start:end])
    assert _delay(played, heard) == delay
    strange = (heard[:turned] != 0) & (heard[:turned] != expected[:turned])
    assert strange.sum() <= 720 * (rendered["gaps"] + 1)  # in fades alone it is neither right nor silent


def test_without_a_server_there_is_silence_and_no_wait(server: Server, host: Host) -> None:
    host.ask("start")
    host.ask(f"prepare {RATE_HZ} 128 live 0 0")
    host.until("no server")
    host.ask("online 2000 128")
    _, heard = host.end()
    assert not heard.any()
    assert not server.run.exists()


def test_another_version_is_refused_with_a_reason(server: Server, host: Host) -> None:
    """Fault F27: by the registry, and by the server's own answer."""
    server.run.mkdir(mode=0o700)
    lock = os.open(server.run / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    path = server.run / "lb.sock"

    def register(major: int) -> None:
        values = {"pid": os.getpid(), "major": major, "minor": 0, "socket": str(path), "more": [{"x": None}]}
        part = server.run / "part"
        part.write_text(json.dumps(values))
        part.replace(server.run / "server.json")

    register(2)
    host.ask("start")
    host.ask(f"prepare {RATE_HZ} 480 live 0 0")
    refused = host.until("refused")
    print(f"refused after {refused['ms']:.0f} ms")
    assert "protocol 2" in refused["text"]

    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen(8)

    def refuse() -> None:
        connection, _ = listening.accept()
        connection.recv(1 << 16)
        text = "you speak protocol 1, this server speaks 7: update the older of the two"
        connection.sendall(wire.frame({"type": "error", "code": "version", "text": text}))
        connection.close()

    thread = threading.Thread(target=refuse)
    thread.start()
    register(1)
    thread.join(timeout=60)
    assert not thread.is_alive()
    deadline = time.monotonic() + 60
    while "speaks 7" not in (status := host.ask("status"))["error"]:
        assert time.monotonic() < deadline, status
        time.sleep(0.02)
    host.end()
    listening.close()
    os.close(lock)


def test_a_newer_minor_version_plays(server: Server, host: Host) -> None:
    """It adds what we do not know, and that is left alone."""
    server.start()
    path = server.run / "server.json"
    values = json.loads(path.read_text())
    part = path.with_suffix(".part")
    part.write_text(json.dumps(values | {"minor": values["minor"] + 7, "more": {"of": [1, None, "it"]}}))
    part.chmod(0o600)
    part.replace(path)
    host.ask("start")
    assert host.ask(f"prepare {RATE_HZ} 480 live 0 5000")["open"]
    assert host.ask("offline 30 480")["good"]
    host.end()


def _kept(host: Host, server: Server, name: str) -> dict[str, Any]:
    """What the server itself holds for known, from a moment that it keeps."""
    host.ask(f"keep {name}")
    deadline = time.monotonic() + 60
    while not (found := list(Path(server.environment["XDG_DATA_HOME"]).rglob(f"{name}.*"))):
        assert time.monotonic() < deadline, host.ask("status")
        time.sleep(0.02)
    return memory_file.unpack(found[0].read_bytes(), "test:copy").known


def _until_error(host: Host, text: str) -> None:
    """Until the last error has `text` in it; empty: until there is none."""
    deadline = time.monotonic() + 60
    while not (text in (error := host.ask("status")["error"]) and (text or not error)):
        assert time.monotonic() < deadline, error
        time.sleep(0.02)


def test_what_is_known_is_told_to_every_server(server: Server, host: Host) -> None:
    """Also a chart that was saved before the host's tempo was there; moments are kept, and gone on from."""
    host.ask("chart | Bb | Eb |")
    host.ask("key Bb major")
    host.ask("style bass *2 | dark")
    server.start()
    host.ask("start")
    assert host.ask(f"prepare {RATE_HZ} 480 live 0 5000")["open"]
    _until_error(host, "tempo")  # a chart counts bars
    host.ask("play")
    host.until("playing")
    _until_error(host, "")
    known = _kept(host, server, "one")
    assert known == {"chart": "| Bb | Eb |", "key": "Bb major", "style": "bass *2 | dark"}
    host.ask("key J minor")
    _until_error(host, "key")
    host.ask("recall nothing")
    _until_error(host, "there is no 'nothing'")
    server.signal(signal.SIGKILL)
    host.until("lost")
    server.end()
    host.ask("key Cm")
    server.start()
    host.until("playing")
    _until_error(host, "")
    assert _kept(host, server, "two") == known | {"key": "Cm"}
    host.ask("recall one")
    time.sleep(0.5)
    assert host.ask("status")["error"] == ""
    assert _kept(host, server, "three") == known | {"key": "Cm"}  # what the player knows now stays
    host.end()


def test_instances_come_and_go_without_a_trace(server: Server, host: Host) -> None:
    """200 bridges opened, played and destroyed, one after the other: no descriptor, thread, map or memory is left."""
    server.start()
    before = host.ask("cycle 20")
    after = host.ask("cycle 180")
    print(before, after)
    assert before["opened"] + after["opened"] == 200
    for name in ("descriptors", "threads"):
        assert after[name] <= before[name]
    assert after["maps"] <= before["maps"] + 2
    assert after["resident_kb"] <= before["resident_kb"] + 1024


def test_it_can_be_destroyed_in_any_state(server: Server, host: Host) -> None:
    """Whatever the server does, the host's thread is soon free again; the bound is generous, the figure is printed."""
    took: dict[str, float] = {}

    def destroyed(what: str) -> None:
        took[what] = host.ask("destroy")["ms"]
        host.ask("start")
        host.ask(f"prepare {RATE_HZ} 480 live 0 0")

    destroyed("never started")
    host.until("no server")
    destroyed("no server")
    server.start()
    host.until("listening")
    destroyed("listening")
    host.ask("prepare 4000 480 live 0 0")
    host.until("refused")
    destroyed("refused")
    host.until("listening")
    host.ask("play")
    host.until("playing")
    destroyed("playing")
    host.until("listening")
    server.signal(signal.SIGSTOP, everyone=True)
    destroyed("hanging")
    time.sleep(0.2)
    destroyed("connecting to what hangs")
    server.signal(signal.SIGCONT, everyone=True)
    host.until("listening")
    server.end()
    host.until("lost")
    destroyed("lost")
    print(took)
    assert max(took.values()) < 5000.0
    host.end()
