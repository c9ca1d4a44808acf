# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults through the plug-in as it is loaded, in real time: what dies, hangs or talks nonsense does not hurt the host.

Figures are printed (`-s`); what is asserted is what is heard.
"""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from numpy.typing import NDArray

from lbserver.protocol import wire
from lbserver.testing.grids import long_or_short
from lbserver.testing.processes import NO_DISPLAY
from lbserver.testing.waiting import until

Audio = NDArray[np.float32]
RATE_HZ = 48000
BLOCK = 480
FRAME = 1920  # of the copyist
_CLEAN_STEP = 0.3 * 2 * np.pi * (200 + 6 * 20) / RATE_HZ  # of what is played, within 20 s


class Server(Protocol):
    run: Path
    environment: dict[str, str]
    process: Any

    def start(self) -> None: ...
    def end(self) -> None: ...
    def signal(self, number: signal.Signals, *, everyone: bool = False) -> None: ...


class Stage:
    """The plug-in on a stage of its own process."""

    def __init__(self, program: Path, bundle: Path, server: Server, recording: Path) -> None:
        self.recording = recording
        self.process = subprocess.Popen(
            [program, bundle, recording],
            env={
                **server.environment,
                "XDG_CONFIG_HOME": str(recording.parent / "config"),
                "DISPLAY": NO_DISPLAY,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, command: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the host ended after {command!r}: {self.process.wait()}"
        answer: dict[str, Any] = json.loads(line)
        assert answer["good"], command
        return answer

    def play(self) -> None:
        self.ask(f"start {RATE_HZ} {BLOCK}")
        self.ask("play")

    def until(self, what: str) -> float:
        """When a block sounds, or is silent: seconds of the monotonic clock."""
        return float(self.ask(f"until {what} 60000")["value"])

    def end(self) -> tuple[Audio, Audio, NDArray[np.float64]]:
        """What was played and heard [T], and when each block was done [T / BLOCK]."""
        assert self.process.stdin is not None
        self.ask("halt")
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0, "the host fell over"
        both = np.fromfile(self.recording, np.float32).reshape(2, -1)
        times = np.fromfile(str(self.recording) + ".blocks").reshape(-1, 2)
        print(f"process: p50 {np.median(times[:, 1]):.0f} us, p99 {np.percentile(times[:, 1], 99):.0f} us")
        return both[0], both[1], times[:, 0]


@pytest.fixture
def stage(
    plugin_build: Path, build_host: Callable[..., Path], server: Server, tmp_path: Path
) -> Iterator[Stage]:
    program = build_host("tests/stage.cpp")
    one = Stage(program, plugin_build / "VST3" / "LiveBand.vst3", server, tmp_path / "recording.f32")
    yield one
    if one.process.poll() is None:
        one.process.kill()
    one.process.wait()


def _ask(server: Server, message: dict[str, Any]) -> dict[str, Any]:
    """The server's answer to another client."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(server.run / "lb.sock"))
        reader = wire.Framer()
        connection.sendall(wire.frame({"type": "hello", "major": 1, "minor": 0, "client": "test", "id": 1}))
        connection.sendall(wire.frame({**message, "id": 2}))
        while True:
            for answer in reader.feed(connection.recv(1 << 16)):
                if answer.get("id") == 2:
                    return dict(answer)


def _sessions(server: Server) -> dict[str, Any]:
    return dict(_ask(server, {"type": "sessions"})["sessions"])


def _whole(server: Server, seconds: float) -> None:
    """Wait until no frame was late for so long: on a busy machine one may be at any moment."""

    def late() -> list[Any]:
        return [
            (one["state"], one["late_frames"], one["skipped_frames"]) for one in _sessions(server).values()
        ]

    deadline, before = time.monotonic() + 60, late()
    while True:
        time.sleep(seconds)
        if before == (before := late()) and {state for state, *_ in before} == {"playing"}:
            return
        assert time.monotonic() < deadline, before


def _holds(server: Server) -> tuple[int, int]:
    """Descriptors and mapped segments of the server and its workers."""
    pids = [int(server.process.pid)]
    for pid in pids:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        pids.extend(int(child) for child in children)
    descriptors = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)
    maps = sum(Path(f"/proc/{pid}/maps").read_text(encoding="ascii").count("/memfd:") for pid in pids)
    return descriptors, maps


def _step(audio: Audio) -> float:
    return float(np.abs(np.diff(audio)).max())


def _delay(played: Audio, heard: Audio, gain: float = 1.0) -> int:
    """By how much the last 100 ms of `heard` are what was played before; fails if they never were."""
    piece = heard[-4800:]
    assert np.abs(piece).max() > 0.05, "silence at the end"
    for delay in range(FRAME, 20 * FRAME, FRAME):
        before = played[len(played) - 4800 - delay : len(played) - delay] * np.float32(gain)
        if np.allclose(before, piece, atol=0 if gain == 1.0 else 1e-5, rtol=0):
            return delay
    raise AssertionError("what is heard at the end was never played so")


def _not_stale(played: Audio, heard: Audio, start: int, delay: int) -> None:
    """From `start` on, what sounds is what was played `delay` before; fades apart."""
    expected = played[start - delay : len(played) - delay]
    strange = (heard[start:] != 0) & (heard[start:] != expected)
    assert strange.sum() <= 720, f"{strange.sum()} samples are neither right nor silent"
    assert np.abs(heard[start:]).max() <= np.abs(expected).max() + 1e-6


def test_a_killed_server_is_a_fade_and_its_return_is_heard(server: Server, stage: Stage) -> None:
    """Faults F1, F2: no crash, no step, silence at once; then the same session, settings and all, and nothing stale."""
    server.start()
    stage.play()
    stage.until("sound")
    _whole(server, 0.6)
    before = _sessions(server)
    killed = time.monotonic()
    server.signal(signal.SIGKILL)
    silent = stage.until("silence")
    time.sleep(0.3)
    server.end()
    server.start()
    listens = time.monotonic()
    sounds = stage.until("sound")
    _whole(server, 0.6)
    assert _sessions(server).keys() == before.keys()
    played, heard, done = stage.end()
    print(f"silent {1000 * (silent - killed):.0f} ms after the kill")
    print(f"sounds {1000 * (sounds - listens):.0f} ms after the server listens")
    assert _step(heard) <= 2 * _CLEAN_STEP
    delay = _delay(played, heard)
    start = int(np.searchsorted(done, listens)) * BLOCK
    _not_stale(played, heard, start, delay)


def test_a_killed_server_leaves_the_dry_sound_to_who_wants_it(server: Server, stage: Stage) -> None:
    """`When lost` on dry: the player's own sound comes in as the band's fades, to the bit and without a step."""
    server.start()
    stage.ask("set when_lost 1")
    stage.play()
    stage.until("sound")
    _whole(server, 0.7)
    server.signal(signal.SIGKILL)
    time.sleep(0.9)
    played, heard, _ = stage.end()
    np.testing.assert_array_equal(heard[-9600:], played[-9600:])
    assert not np.array_equal(heard[-52800:-48000], played[-52800:-48000]), "the band was never heard"
    assert _step(heard) <= 2 * _CLEAN_STEP


@pytest.mark.slow
def test_a_new_take_begins_without_the_old_one(server: Server, stage: Stage) -> None:
    """The host stops while the band plays, the server dies, the host starts again: silence from the first sample."""
    server.start()
    stage.play()
    stage.until("sound")
    _whole(server, 0.7)
    halted = float(stage.ask("halt")["now"])
    server.signal(signal.SIGKILL, everyone=True)
    stage.play()
    time.sleep(0.5)
    _, heard, times = stage.end()
    first = int((times < halted).sum()) * BLOCK
    assert np.abs(heard[first - BLOCK : first]).max() > 0.05, "the old take ended in silence"
    np.testing.assert_array_equal(heard[first:], np.zeros(len(heard) - first, np.float32))


@pytest.mark.slow
def test_a_server_may_come_and_go_many_times(server: Server, stage: Stage) -> None:
    """Restarts in one performance, 20 at most; each time the band is back, and never with a step."""
    server.start()
    stage.play()
    back_ms = []
    for _ in range(long_or_short(20, 3)):
        stage.until("sound")
        server.signal(signal.SIGKILL)
        stage.until("silence")
        server.end()
        server.start()
        listens = time.monotonic()
        back_ms.append(1000 * (stage.until("sound") - listens))
    _whole(server, 0.5)
    played, heard, _ = stage.end()
    print(
        f"sounds after it listens: p50 {np.median(back_ms):.0f} ms, p99 {np.percentile(back_ms, 99):.0f} ms, max {max(back_ms):.0f} ms"
    )
    assert _step(heard) <= 3 * _CLEAN_STEP  # the tone has risen by then
    _delay(played, heard)


def test_a_killed_host_leaves_nothing(server: Server, stage: Stage) -> None:
    """The session is gone or waits without a peer; descriptors and maps are as they were."""
    server.start()
    _sessions(server)
    time.sleep(0.2)
    before = _holds(server)
    stage.play()
    stage.until("sound")
    assert len(_sessions(server)) == 1
    assert _holds(server)[1] > before[1]
    stage.process.kill()
    killed = time.monotonic()
    stage.process.wait()
    after = until(lambda: (held := _holds(server))[0] <= before[0] and held[1] <= before[1] and held)
    print(f"reclaimed after {1000 * (time.monotonic() - killed):.0f} ms: {before} and {after}")


def test_a_server_that_hangs_for_five_seconds_is_back_in_time(server: Server, stage: Stage) -> None:
    """Fault F4: silence, then the music where it was; nothing of before is played, and nothing waits in a queue."""
    server.start()
    stage.play()
    stage.until("sound")
    time.sleep(0.5)
    server.signal(signal.SIGSTOP, everyone=True)
    stage.until("silence")
    time.sleep(5.0)
    resumed = time.monotonic()
    server.signal(signal.SIGCONT, everyone=True)
    sounds = stage.until("sound")
    _whole(server, 0.6)
    (status,) = _sessions(server).values()
    played, heard, done = stage.end()
    print(
        f"sounds {1000 * (sounds - resumed):.0f} ms after it goes on; queue {status['queue_age_ms']:.0f} ms"
    )
    assert status["queue_age_ms"] <= 2 * 1000 * FRAME / RATE_HZ
    assert _step(heard) <= 2 * _CLEAN_STEP
    _not_stale(played, heard, int(np.searchsorted(done, resumed)) * BLOCK, _delay(played, heard))


def test_a_host_that_hangs_comes_back_to_the_music(server: Server, stage: Stage) -> None:
    server.start()
    stage.play()
    stage.until("sound")
    time.sleep(0.3)
    stage.process.send_signal(signal.SIGSTOP)
    time.sleep(2.0)
    stage.process.send_signal(signal.SIGCONT)
    _whole(server, 0.7)
    assert len(_sessions(server)) == 1
    played, heard, _ = stage.end()
    assert _step(heard) <= 2 * _CLEAN_STEP
    _delay(played, heard)


def test_nonsense_from_the_host_is_forgotten_within_a_second(server: Server, stage: Stage) -> None:
    """Whatever goes in, what comes out is a number of at most +6 dBFS, and a second later the music is as it was."""
    server.start()
    stage.play()
    stage.until("sound")
    time.sleep(0.3)
    for kind in ("nan", "inf", "huge", "dc", "square", "denormal"):
        stage.ask(f"strange {kind} {10 * BLOCK}")
        time.sleep(1.4)
    _whole(server, 0.2)
    (status,) = _sessions(server).values()
    late = status["late_frames"] + status["skipped_frames"]
    played, heard, _ = stage.end()
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= 2.0
    delay = _delay(played, heard)
    with np.errstate(invalid="ignore"):
        good = (np.abs(played) <= 0.3) & ((np.abs(played) >= 1e-30) | (played == 0))
    strange = np.flatnonzero(~good)
    begins = strange[np.flatnonzero(np.diff(strange, prepend=-RATE_HZ) > RATE_HZ // 2)]
    assert len(begins) == 6
    for begin, following in zip(begins, [*begins[1:], len(played)], strict=True):
        start = begin + 10 * BLOCK + RATE_HZ
        assert start < following, "too little was played after it"
        expected, came = played[start - delay : following - delay], heard[start:following]
        wrong = (came != expected) & (came != 0)  # a frame that came too late is silent, with fades
        assert wrong.sum() <= 720 * late
        assert (came == expected).mean() > 0.5


def test_the_plugin_can_be_removed_in_any_state(server: Server, stage: Stage) -> None:
    """Its host's thread is soon free again whatever the server does; the bound is generous, the figures are printed."""
    took: dict[str, float] = {}

    def removed(what: str) -> None:
        took[what] = stage.ask("destroy")["ms"]
        stage.ask("create")
        stage.play()

    stage.play()
    removed("no server")
    server.start()
    stage.until("sound")
    removed("playing")
    stage.until("sound")
    server.signal(signal.SIGSTOP, everyone=True)
    stage.until("silence")
    removed("hanging")
    time.sleep(0.3)
    removed("connecting to what hangs")
    server.signal(signal.SIGCONT, everyone=True)
    stage.until("sound")
    server.end()
    stage.until("silence")
    removed("lost")
    print({what: f"{ms:.0f} ms" for what, ms in took.items()})
    assert max(took.values()) < 5000.0
    stage.end()
