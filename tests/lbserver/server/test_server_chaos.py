# SPDX-License-Identifier: GPL-3.0-or-later
"""Front ends that open, play, change and close at random while workers are killed at random: nothing may be left over."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lbserver.testing.servers import PLAYING
from lbserver.testing.waiting import until

ROUNDS = int(os.environ.get("LIVEBAND_CHAOS_ROUNDS", "1"))
SECONDS = 12.0
LEGITIMATE = {"crashed", "quarantined", "unknown_session"}
"""What a front end may be told while workers die; anything else is a fault of the server."""


def held(pid: int) -> tuple[int, int, int]:
    """(descriptors, mapped segments, threads) of a process."""
    maps = Path(f"/proc/{pid}/maps").read_text().count("memfd:liveband ")
    return len(list(Path(f"/proc/{pid}/fd").iterdir())), maps, len(list(Path(f"/proc/{pid}/task").iterdir()))


def exceeds(now: tuple[int, ...], most: tuple[int, ...]) -> bool:
    return any(got > limit for got, limit in zip(now, most, strict=True))


def one_front_end(server: Any, number: int, seed: int, stop: threading.Event, wrong: list[str]) -> None:
    """Do anything a front end may do, in any order, until told to stop."""
    chance = random.Random(seed)
    front_end = server.connect()
    names = [f"f{number}.{index}" for index in range(3)]
    while not stop.is_set():
        name = chance.choice(names)
        playing = name in front_end.ports
        act = chance.choice(["open", "play", "play", "set", "know", "configure", "close", "keep", "vanish"])
        match act:
            case "open":
                answer = front_end.open(name, resume=chance.random() < 0.5, channels=chance.choice([1, 2]))
            case "play" if playing:
                port = front_end.ports[name]
                channels, rate_hz = port.segment.shape.mix_channels, port.segment.shape.rate_hz
                heard = front_end.play(name, np.full((channels, rate_hz // 10), 0.1, np.float32))
                if not (np.isfinite(heard).all() and np.abs(heard).max(initial=0.0) <= 0.2):
                    wrong.append(f"{name}: heard what nobody played")
                continue
            case "set":
                value = chance.uniform(-20, 0)
                answer = front_end.ask("set", session=name, control="gain", value=value)
            case "know":
                answer = front_end.ask("know", session=name, bpm=chance.uniform(60, 180), chart="| C | F |")
            case "configure" if playing:
                rate_hz = chance.choice([44100, 48000, 96000])
                wish = {"rate_hz": rate_hz, "channels": 2, "block_samples": 256, "mode": "aligned"}
                answer = front_end.ask("configure", session=name, **wish)
                if answer["type"] == "configured":
                    front_end.ports.pop(name).segment.close()
                    front_end.ports[name] = front_end.port(answer)
            case "close" if playing:
                answer = front_end.ask("close", session=name)
                front_end.ports.pop(name).segment.close()
            case "keep":
                answer = front_end.ask("keep", session=name, name=f"kept{number}")
            case "vanish" if chance.random() < 0.2:
                front_end.socket.close()
                for port in front_end.ports.values():
                    port.segment.close()
                front_end.ports.clear()
                front_end = server.connect()
                continue
            case _:
                continue
        if answer["type"] == "error" and answer["code"] not in LEGITIMATE:
            busy = act == "open" and answer["code"] == "busy"  # its last connection is not forgotten yet
            if not busy:
                wrong.append(f"{act}: {answer}")
        for notice in front_end.notices:
            gone = (
                front_end.ports.pop(notice.get("session", ""), None) if notice["type"] == "closed" else None
            )
            if gone is not None and act != "open":
                gone.segment.close()
        front_end.notices.clear()
    front_end.socket.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_nothing_is_left_of_a_wild_quarter_of_a_minute(serve: Callable[..., Any], seed: int) -> None:
    """F3, F17, F25, F26. Catches orphans of sessions, descriptors and maps, and a server that stops answering."""
    server = serve("--model", "test:copy", "--workers", "2")
    check = server.connect()
    check.open("check")
    check.ask("close", session="check")
    check.ports.pop("check").segment.close()
    before = held(server.process.pid)
    chance = random.Random(1000 + seed)
    stop, wrong = threading.Event(), list[str]()
    players = [
        threading.Thread(target=one_front_end, args=(server, number, 100 * seed + number, stop, wrong))
        for number in range(3)
    ]
    for player in players:
        player.start()
    begun, killed = time.monotonic(), list[int]()
    while time.monotonic() - begun < SECONDS:
        time.sleep(chance.uniform(0.5, 4.0))
        if len(killed) < 7 and (workers := server.children()):
            # In turn, so that none dies five times within half a minute.
            killed.append(workers[len(killed) % len(workers)])
            os.kill(killed[-1], signal.SIGKILL)
    stop.set()
    for player in players:
        player.join(60)
        assert not player.is_alive(), "a front end waits for an answer that does not come"
    assert not wrong, f"seed {seed}: {wrong[:5]}"
    # The one killed last may not have been buried yet.
    until(lambda: not check.ask("sessions")["sessions"] and len({*server.children()} - {*killed}) >= 2)
    for name in ("x", "y"):  # one on each worker
        deadline = time.monotonic() + 60
        while (opened := check.open(name))["type"] != "opened":
            # One that died again while it began is given a pause before it is tried anew.
            assert opened["code"] == "crashed", opened
            assert time.monotonic() < deadline, opened
            time.sleep(0.2)
        check.play(name, np.full((2, 24000), 0.1, np.float32))
        check.until(name, lambda status: status["state"] in PLAYING and status["frames"] > 3)
        check.ask("close", session=name)
        check.ports.pop(name).segment.close()
    # The log file is open now, and threads that wrote moments wait for the next.
    most = (before[0] + 1, before[1], before[2] + 6)
    now = until(lambda: not exceeds(now := held(server.process.pid), most) and now, f"{seed}: {before}")
    # Of each its box to the server, no session's; one that was begun late has yet to map it.
    until(lambda: {held(worker)[1] for worker in server.children()} == {1}, "a session is still mapped")
    print(f"seed {seed}: {len(killed)} kills, held {now}, before {before}")
