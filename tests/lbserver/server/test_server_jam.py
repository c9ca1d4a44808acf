# SPDX-License-Identifier: GPL-3.0-or-later
"""A seat at a real server: a card of our own plays through it, in real time; the server dies and comes back."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lbserver.client.errors import ServerGoneError
from lbserver.commands.jam import Player
from lbserver.errors import LiveBandError
from lbserver.host.rundir import find_server
from lbserver.jam.duplex import DuplexPeer
from lbserver.jam.jam_session import Seat, SeatConfig, own_server
from lbserver.server.serve import ServeConfig
from lbserver.testing.servers import PLAYING
from lbserver.testing.waiting import until

RATE_HZ, BLOCK, HOP = 48000, 256, 1920


@dataclass
class Flags:
    input_overflow: bool = False
    output_underflow: bool = False


@dataclass
class Times:
    inputBufferAdcTime: float = 0.0  # noqa: N815 (PortAudio's names)
    outputBufferDacTime: float = 0.0  # noqa: N815
    currentTime: float = 0.0  # noqa: N815


@dataclass
class Card:
    """Calls the peer as a sound card would, from a thread of its own; an impulse every second."""

    peer: DuplexPeer
    heard: list[np.ndarray] = field(default_factory=list)
    running: bool = True

    def work(self) -> None:
        begun, at = time.monotonic(), 0
        while self.running:
            indata, outdata = np.zeros((BLOCK, 2), np.float32), np.zeros((BLOCK, 2), np.float32)
            since = at % RATE_HZ
            if since < 24000 <= since + BLOCK - 1:
                indata[24000 - since] = 0.5
            self.peer.callback(indata, outdata, BLOCK, Times(), Flags())
            self.heard.append(outdata.T)
            at += BLOCK
            time.sleep(max(0.0, begun + at / RATE_HZ - time.monotonic()))

    def offsets(self) -> list[int]:
        """How long after each impulse something came."""
        heard = np.concatenate([np.zeros((2, 0)), *self.heard], axis=-1)[0]
        hits = np.flatnonzero(np.abs(heard) > 0.2)
        return [int((hit - 24000) % RATE_HZ) for hit in hits]


@contextmanager
def playing(peer: DuplexPeer) -> Iterator[Card]:
    card = Card(peer)
    thread = threading.Thread(target=card.work)
    thread.start()
    try:
        yield card
    finally:
        card.running = False
        thread.join()


def seat_of(mode: str = "aligned", knows: Mapping[str, Any] | None = None) -> Seat:
    peer = DuplexPeer(rate_hz=RATE_HZ, out_channels=2)
    config = SeatConfig(
        session="jam",
        rate_hz=RATE_HZ,
        channels=2,
        block_samples=BLOCK,
        stem="bass",
        mode=mode,
        knows=knows or {"bpm": 100.0},
    )
    return Seat(config, peer)


@pytest.mark.parametrize("mode", ["aligned", "live"])
def test_law_1_in_real_time(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    server = serve("--model", "test:copy", "--workers", "1")
    monkeypatch.setenv("LIVEBAND_RUN", str(server.run))
    seat = seat_of(mode)
    seat.take()
    with playing(seat.peer) as card:
        until(lambda: len(card.offsets()) >= 2)
    expected = (1 + seat.opened["anticipation_frames"]) * HOP + seat.opened["latency_samples"]
    assert set(card.offsets()) == {expected}
    assert seat.status()["state"] in PLAYING
    seat.leave()
    assert not seat.taken


def test_keys_act_on_the_session(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve("--model", "test:noise", "--workers", "1")
    monkeypatch.setenv("LIVEBAND_RUN", str(server.run))
    seat = seat_of(knows={"bpm": 100.0, "style": "theremin", "classes": "-drums"})
    seat.take()  # which a style that is refused does not prevent
    assert len(seat.refused) == 1
    assert "theremin" in seat.refused[0]
    other = server.connect()
    player = Player(seat, seat.peer, seat.controls)

    def press(key: str) -> str:
        assert player.press(key, 0.0)
        return player.message

    with playing(seat.peer):
        until(lambda: seat.status().get("state") in PLAYING)
        until(lambda: seat.status().get("tempo") == 100.0)
        assert press("s") == "piano"
        assert other.ask("sessions")["sessions"]["jam"]["stem"] == "piano"
        assert press("<") == "mix 0.9"
        assert press("+") == "gain 1 dB"
        assert press("n") == "seed 1"
        assert press("f") == "freeze on"
        assert press("f") == "freeze off"
        assert press("r") == "begun anew"
        assert "kept" in press("k")
        assert "back" in press("b")
        assert "variation" in press("V")  # this model refuses it, with a reason
        for at in (0.0, 0.5, 1.0):
            player.press("t", at)
        assert player.message == "120.0 bpm"
        until(lambda: seat.status().get("tempo") == 120.0)
    assert not player.press("q", 2.0)
    seat.leave()


def test_server_dies_and_comes_back(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve("--model", "test:copy", "--workers", "1")
    monkeypatch.setenv("LIVEBAND_RUN", str(server.run))
    seat = seat_of()
    seat.take()
    seat.set("gain", -6.0)
    with playing(seat.peer) as card:
        until(lambda: bool(card.offsets()))
        server.kill()
        until(lambda: not seat.status())
        assert not seat.taken
        assert "pid" in seat.lost
        with pytest.raises(ServerGoneError):
            seat.take()
        count = len(card.heard)
        until(lambda: len(card.heard) > count + 300)
        # Without the band the input itself is heard.
        assert any(np.abs(block).max() == 0.5 for block in card.heard[count:])
        server.start()
        seat.take()
        until(lambda: seat.status().get("state") in PLAYING)
        assert card.peer.figures().faults == 0
    controls = server.connect()
    assert controls.ask("sessions")["sessions"]["jam"]["stem"] == "bass"
    assert seat.controls["gain"] == -6.0
    seat.leave()


def test_server_of_our_own(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBAND_RUN", str(tmp_path / "run"))
    monkeypatch.setenv("LIVEBAND_CACHE", str(cache))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with own_server(ServeConfig(model="test:copy")):
        assert find_server() is not None
        with pytest.raises(LiveBandError, match="runs already"), own_server(ServeConfig(model="test:copy")):
            pass
        seat = seat_of()
        seat.take()
        assert seat.status()["state"] in ("opening", "listening")
        seat.leave()
    assert find_server() is None
    assert not [thread for thread in threading.enumerate() if thread.name == "server"]
    with pytest.raises(LiveBandError, match="unknown model"), own_server(ServeConfig(model="test:nothing")):
        pass
    assert find_server() is None
