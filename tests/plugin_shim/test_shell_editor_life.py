# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts do to a plug-in while it plays live: odd blocks, other layouts, jumps, bypass, modes, removal.

The host is `liveband_shots`, built beside the plug-in, in real time with a real server that copies.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lbserver.testing.waiting import until

Audio = NDArray[np.float32]
_START_S = 90.0


@pytest.fixture(scope="module")
def band(pictures: Any, plugin_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The run directory of a server that copies."""
    run = tmp_path_factory.mktemp("run")
    run.chmod(0o700)
    with pictures.server(run, "test:copy"):
        yield run


def _play_until_heard(window: Any) -> None:
    deadline = time.monotonic() + _START_S
    while not window.tell("words").startswith("playing"):
        assert time.monotonic() < deadline, window.tell("words")
        window.tell("play 0.1")


def _recorded(path: Path) -> tuple[Audio, Audio, Audio]:
    """Main input, side chain and output, [T] each."""
    heard, side, out = np.fromfile(path, np.float32).reshape(-1, 3).T
    return heard, side, out


def _is_copy_of(out: Audio, source: Audio) -> bool:
    """Whether the last second is the source's of some moment within 0.2 s before, sample by sample."""
    end = out[-8192:]
    for lag in range(9600):
        piece = source[len(source) - 8192 - lag : len(source) - lag]
        if abs(piece[0] - end[0]) < 1e-6 and np.abs(piece - end).max() < 1e-6:
            return True
    return False


def _record_copy(window: Any, path: Path, seconds: float, *, of: int) -> tuple[Audio, Audio, Audio]:
    """A recording whose end is a copy of its column `of`; again if this machine was too busy to play it whole."""
    for _ in range(8):
        window.tell(f"record {path}")
        window.tell(f"play {seconds}")
        columns = _recorded(path)
        if _is_copy_of(columns[2], columns[of]):
            return columns
    pytest.fail("what is heard is not what goes in")


@pytest.mark.parametrize("block", [1, 37, 1000, 65536])
def test_any_block(shots: Path, pictures: Any, band: Path, tmp_path: Path, block: int) -> None:
    """Longer and shorter than announced, and empty ones: it plays on, every sample where it belongs."""
    path = tmp_path / "recorded"
    with pictures.Window(shots, band) as window:
        for line in ("set mode 3", "set anticipation 40", "play 0.2"):
            window.tell(line)
        _play_until_heard(window)
        for line in ("block 0", f"block {block}", "block 0", f"record {path}", "play 1", "block 0"):
            window.tell(line)
        _heard, _side, out = _recorded(path)
        assert np.isfinite(out).all()
        if block < 8192:  # live, a longer block asks for samples that nobody has yet
            _record_copy(window, path, 0.5, of=0)


@pytest.mark.parametrize(("main", "listen"), [(1, 0), (2, 0), (1, 1), (2, 1), (1, 2), (2, 2)])
def test_layouts(shots: Path, pictures: Any, band: Path, tmp_path: Path, main: int, listen: int) -> None:
    """The band hears the side chain if there is one, else the track, in mono and stereo."""
    path = tmp_path / "recorded"
    with pictures.Window(shots, band) as window:
        window.tell(f"prepare 48000 256 {main} {listen}")
        window.tell("play 0.5")
        _play_until_heard(window)
        heard, side, out = _record_copy(window, path, 1.0, of=1 if listen else 0)
    assert not _is_copy_of(out, heard if listen else side)


def test_a_silent_side_chain_is_not_heard(shots: Path, pictures: Any, band: Path, tmp_path: Path) -> None:
    """Hosts that switch on every bus would have the band hear silence; the window says whom it hears."""
    path = tmp_path / "recorded"
    with pictures.Window(shots, band) as window:
        for line in ("side 0", "prepare 48000 256 2 2", "play 0.5"):
            window.tell(line)
        _play_until_heard(window)
        _record_copy(window, path, 1.0, of=0)
        assert "side chain" not in window.tell("words")
        window.tell("side 1")
        _record_copy(window, path, 1.0, of=1)
        assert "hears the side chain" in window.tell("words")


def test_other_layouts_are_refused(shots: Path, pictures: Any, run: Path) -> None:
    with pictures.Window(shots, run) as window:
        for main, listen in ((0, 0), (0, 2)):
            with pytest.raises(SystemExit):
                window.tell(f"prepare 48000 256 {main} {listen}")
        window.tell("play 0.1")


@pytest.mark.parametrize("rate_hz", [44100, 96000])
def test_another_rate(shots: Path, pictures: Any, band: Path, tmp_path: Path, rate_hz: int) -> None:
    """Prepared anew in the middle, it plays on at the new rate."""
    path = tmp_path / "recorded"
    with pictures.Window(shots, band) as window:
        _play_until_heard(window)
        for line in (f"prepare {rate_hz} 512 2 0", "play 1"):
            window.tell(line)
        _play_until_heard(window)
        window.tell(f"record {path}")
        window.tell("play 0.5")
    _heard, _side, out = _recorded(path)
    assert np.abs(out).max() > 0.1


def test_jumps_do_not_click(shots: Path, pictures: Any, band: Path, tmp_path: Path) -> None:
    """The host loops and jumps: each time a new epoch, a fade and no step."""
    path = tmp_path / "recorded"
    with pictures.Window(shots, band) as window:
        window.tell("host 120")
        _play_until_heard(window)
        window.tell(f"record {path}")
        for moment in (10, 2, 2, 100.5, 0):
            window.tell("play 0.4")
            window.tell(f"jump {moment}")
        window.tell("play 0.4")
        _play_until_heard(window)
        window.tell("play 0.3")
    heard, _side, out = _recorded(path)
    assert np.abs(out[-9600:]).max() > 0.1, "it plays on after the last jump"
    assert np.abs(np.diff(out)).max() <= 1.5 * np.abs(np.diff(heard)).max()


def test_bypass_keeps_the_band_listening(shots: Path, pictures: Any, band: Path, tmp_path: Path) -> None:
    """Bypassed, the input passes bit for bit at once, and the band is there the moment it ends."""
    path = tmp_path / "recorded"
    with pictures.Window(shots, band) as window:
        _play_until_heard(window)
        window.tell("set bypass 1")
        window.tell("play 0.1")
        window.tell(f"record {path}")
        window.tell("play 0.5")
        assert "Bypassed" in window.tell("words")
        heard, _side, out = _recorded(path)
        np.testing.assert_array_equal(out, heard)
        for _ in range(8):  # at any of these moments this machine may be too busy to play
            window.tell("set bypass 0")
            window.tell(f"record {path}")
            window.tell("play 0.3")
            _heard, _side, out = _recorded(path)
            if np.abs(out[:2400]).max() > 0.05:
                break
            window.tell("set bypass 1")
            window.tell("play 0.5")
        else:
            pytest.fail("it began anew")
        _play_until_heard(window)
        _record_copy(window, path, 0.5, of=0)


def test_a_mode_waits_for_the_host_to_stop(shots: Path, pictures: Any, band: Path) -> None:
    """While it plays the latency stays, and the window says when it will change."""
    with pictures.Window(shots, band) as window:
        window.tell("host 120")
        _play_until_heard(window)
        before = window.tell("latency")
        window.tell("set mode 1")
        window.tell("play 1")
        assert window.tell("latency") == before == "0"
        assert window.tell("timing") == "changes when the host stops"
        window.tell("host 0")
        until(lambda: window.tell("play 0.1") is not None and int(window.tell("latency")) > 0)
        assert window.tell("timing").startswith("latency ")


@pytest.mark.parametrize("moment", ["starting", "stopped", "silent"])
def test_removal_never_hangs(
    shots: Path, pictures: Any, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Taken out while the server starts, stands still, or says nothing: gone within seconds."""
    monkeypatch.setenv("LIVEBAND_COMMAND", str(pictures.starter(tmp_path, "test:copy")))

    def remove(*lines: str) -> None:
        window = pictures.Window(shots, run)
        for line in lines:
            window.tell(line)
        begun_s = time.monotonic()
        window.close()
        assert time.monotonic() - begun_s < 20.0

    if moment == "starting":
        with pictures.started(run):
            remove("play 0.2", "press Start the band", "play 0.1")
    elif moment == "silent":
        with pictures.silent_server(run):
            remove("play 0.3")
    else:
        with pictures.server(run, "test:copy") as group:
            try:
                window = pictures.Window(shots, run)
                _play_until_heard(window)
                os.killpg(group, signal.SIGSTOP)
                window.tell("play 0.3")
                begun_s = time.monotonic()
                window.close()
                assert time.monotonic() - begun_s < 20.0
                remove("play 0.2")
            finally:
                os.killpg(group, signal.SIGCONT)


@pytest.mark.parametrize("there", [True, False])
def test_the_audio_thread_makes_no_system_call(
    shots: Path, pictures: Any, run: Path, band: Path, there: bool
) -> None:
    """Ten thousand blocks with jumps and automation, in the plug-in as it is shipped: the kernel counts none."""
    with pictures.Window(shots, band if there else run) as window:
        if there:
            _play_until_heard(window)
        count, _last = window.tell("calls 10000 128").split()
        if int(count) < 0:
            pytest.skip("this system counts no system calls")
        assert int(count) == 0
        for line in ("host 120", "set when_lost 1", "set mix 0.5"):
            window.tell(line)
        assert window.tell("calls 2000 100").split()[0] == "0"
