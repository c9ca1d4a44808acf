# SPDX-License-Identifier: GPL-3.0-or-later
"""The LV2 in jalv on a JACK server without a sound card: a host in real time, and what becomes of it when things die."""

import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from numpy.typing import NDArray

from lbserver.client.connection import connected
from lbserver.commands.top import look
from lbserver.files import saved_state
from lbserver.testing.processes import NO_DISPLAY
from lbserver.testing.servers import PLAYING
from lbserver.testing.waiting import until

Audio = NDArray[np.float32]
URI = "https://liveband.invalid/plugin"
HOP = 1920  # of the test accompanists, at 48 kHz
PERIOD = 128
FADE_OUT, FADE_IN = 480, 240  # 10 ms and 5 ms
PATIENCE_S = 60.0
STATE = """@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
@prefix pset: <http://lv2plug.in/ns/ext/presets#> .
@prefix state: <http://lv2plug.in/ns/ext/state#> .
<> a pset:Preset ; lv2:appliesTo <{uri}> ; state:state [ <{uri}:StateString> "{text}" ] .
"""
LETTERS = ".ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+"  # JUCE's, six bits each
needs_jack = pytest.mark.skipif(
    any(shutil.which(program) is None for program in ("jackd", "jalv"))
    or importlib.util.find_spec("jack") is None,
    reason="needs jackd, jalv and JACK-Client: apt install jackd2 jalv; pip install JACK-Client",
)


def juce_text(data: bytes) -> str:
    """Bytes as JUCE writes them: their number, then six bits a letter, lowest first."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    sixes = np.pad(bits, (0, -len(bits) % 6)).reshape(-1, 6) @ (1 << np.arange(6))
    return f"{len(data)}." + "".join(LETTERS[six] for six in sixes)


def sessions() -> dict[str, Any]:
    with connected("test") as line:
        return dict(look(line).sessions)


class Studio:
    """JACK, jalv with the plug-in, and a client that plays to it and records it."""

    def __init__(self, bundles: Path, environment: dict[str, str], folder: Path) -> None:
        self.folder = folder
        self.environment = environment | {
            "HOME": str(folder),
            "LV2_PATH": str(bundles),
            "JACK_DEFAULT_SERVER": f"liveband-jalv-{os.getpid()}",
            "JACK_NO_AUDIO_RESERVATION": "1",
            "JACK_NO_START_SERVER": "1",
            "DISPLAY": NO_DISPLAY,
        }
        name = self.environment["JACK_DEFAULT_SERVER"]
        # -S: each cycle waits for its clients, so that a busy machine is slow and not deaf.
        driver = ["-d", "dummy", "-r", "48000", "-p", str(PERIOD)]
        self.daemon = self.start(["jackd", "-S", "-r", "-n", name, *driver])
        until(
            lambda: self.listed("band") is not None,
            "JACK",
        )
        self.jalv = self.host()
        self.probe: subprocess.Popen[str] | None = None

    def listed(self, port: str) -> str | None:
        """What JACK says of a port; None if there is no JACK."""
        told = subprocess.run(
            ["jack_lsp", "-l", port], env=self.environment, capture_output=True, text=True, check=False
        )
        return None if told.returncode else told.stdout

    def reported(self) -> int:
        """The plug-in's latency, as jalv tells it to JACK: at its inputs, where others tell it at their outputs."""
        found = re.search(r"capture latency = \[ (\d+) \d+ \]", self.listed("band:audio_in_1") or "")
        assert found
        return int(found[1])

    def start(self, command: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if command[0] == sys.executable else subprocess.DEVNULL,
            stderr=None if command[0] == sys.executable else subprocess.DEVNULL,
            text=True,
        )

    def host(self, *options: str) -> subprocess.Popen[str]:
        """jalv, once its plug-in has a session."""
        jalv = self.start(["jalv", "-x", "-n", "band", *options, URI])
        until(sessions, "a session")
        return jalv

    def quit(self) -> int:
        """The exit status of jalv when it was asked to end."""
        assert self.jalv.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.jalv.stdin.write("quit\n")
            self.jalv.stdin.close()
        status = self.jalv.wait(PATIENCE_S)
        until(lambda: not sessions(), "no session")
        return status

    def saved(self, **controls: float | str) -> str:
        """A folder of a saved state, as LV2 hosts keep it."""
        folder = self.folder / "state"
        folder.mkdir()
        text = juce_text(saved_state.pack({"controls": msgpack.packb(controls)}))
        (folder / "state.ttl").write_text(STATE.format(uri=URI, text=text))
        return str(folder)

    def play(self, seconds: float = 60.0) -> None:
        """Begin to play noise and to record."""
        script = str(Path(__file__).parent / "daws" / "jack_probe.py")
        recording = str(self.folder / "recording.npy")
        self.probe = self.start([sys.executable, script, "band", recording, str(seconds)])
        assert self.probe.stdout is not None
        assert self.probe.stdout.readline() == "begun\n"

    def ask(self, line: str) -> str:
        """The probe's answer."""
        assert self.probe is not None
        assert self.probe.stdin is not None
        assert self.probe.stdout is not None
        self.probe.stdin.write(line + "\n")
        self.probe.stdin.flush()
        return self.probe.stdout.readline()

    def wait_for(self, second: float) -> int:
        """Until so much was played; how much it was."""
        return int(until(lambda: (at := int(self.ask("at"))) >= second * 48000 and at, f"{second} s"))

    def recorded(self) -> tuple[Audio, Audio]:
        """(played [C, T], heard [C, T]) until now."""
        told = json.loads(self.ask("end"))
        assert self.probe is not None
        assert self.probe.wait(PATIENCE_S) == 0
        played, heard = np.load(self.folder / "recording.npy")
        print(f"JACK lost {told['lost']} samples of {told['played']}")
        return played[:, : told["played"]], heard[:, : told["played"]]

    def end(self) -> None:
        if self.jalv.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.jalv.stdin.close()  # jalv ends with it
        for process in (self.probe, self.jalv, self.daemon):
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def studio(
    plugin_build: Path, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Studio]:
    """A studio with a server that copies."""
    monkeypatch.setenv("LIVEBAND_RUN", server.environment["LIVEBAND_RUN"])
    server.start()
    one = Studio(plugin_build / "LV2", server.environment, tmp_path)
    yield one
    one.end()


def later(audio: Audio, samples: int) -> Audio:
    return np.pad(audio, ((0, 0), (samples, 0)))[:, : audio.shape[1]]


def gaps(heard: Audio, wanted: Audio) -> list[tuple[int, int]]:
    """[begin, end) of what is not as it should be, pieces closer than a fade joined."""
    wrong = np.flatnonzero((heard != wanted).any(axis=0))
    if not len(wrong):
        return []
    cuts = np.flatnonzero(np.diff(wrong) > FADE_OUT)
    return [
        (int(begin), int(end) + 1)
        for begin, end in zip(wrong[np.r_[0, cuts + 1]], wrong[np.r_[cuts, len(wrong) - 1]], strict=True)
    ]


def assert_only_gaps(heard: Audio, wanted: Audio) -> list[tuple[int, int]]:
    """What is not to the bit what it should be is a fade, silence and a fade."""
    found = gaps(heard, wanted)
    for begin, end in found:
        assert not heard[:, begin + FADE_OUT : end - FADE_IN].any(), (
            f"neither right nor silent: {begin}..{end}"
        )
    return found


def status() -> dict[str, Any]:
    (one,) = sessions().values()
    return dict(one)


@needs_jack
def test_real_time(studio: Studio) -> None:
    """Live and aligned: to the bit, at the sample that was reported, and the transport's tempo is known."""
    studio.play()
    studio.ask("transport 97 3")
    studio.ask("roll")
    until(lambda: status()["tempo"] == 97.0, "the tempo")
    studio.ask("locate 480000")
    studio.wait_for(2.5)
    studio.ask("halt")
    live = status()
    played, heard = studio.recorded()
    assert live["latency_samples"] == 0
    assert studio.reported() == 0
    # One period is JACK's, from the plug-in back to the client that feeds it.
    shift = int(live["anticipation_samples"]) + HOP + PERIOD
    missing = assert_only_gaps(heard, later(played, shift))
    print(f"live: {live['late_frames']} late of {live['frames']} frames, missing {missing}")
    assert sum(end - begin for begin, end in missing) < 0.5 * played.shape[1]

    assert studio.quit() == 0
    studio.jalv = studio.host("-l", studio.saved(mode="aligned"))
    until(lambda: status()["mode"] == "aligned", "aligned")
    until(lambda: status()["measured_latency_samples"] == status()["latency_samples"] > 0, "its latency")
    studio.play()
    studio.wait_for(1.5)
    aligned = status()
    played, heard = studio.recorded()
    assert aligned["anticipation_samples"] == 0
    assert studio.reported() == aligned["latency_samples"]
    missing = assert_only_gaps(heard, later(played, HOP + int(aligned["latency_samples"]) + PERIOD))
    print(f"aligned: {aligned['latency_samples']} samples, missing {missing}")
    assert sum(end - begin for begin, end in missing) < 0.5 * played.shape[1]
    assert studio.quit() == 0


@needs_jack
def test_server_and_host_die(studio: Studio, server: Any) -> None:
    """The server killed: silence by a fade; back: right again, and nothing stale. The host killed: the server lets go."""
    studio.play()
    studio.wait_for(1.0)
    shift = int(status()["anticipation_samples"]) + HOP + PERIOD
    killed = int(studio.ask("at"))
    server.signal(signal.SIGKILL, everyone=True)
    server.end()
    studio.wait_for(killed / 48000 + 0.6)
    server.start()
    returned = int(studio.ask("at"))
    until(lambda: [one for one in sessions().values() if one["state"] in PLAYING], "the band")
    back = int(studio.ask("at"))
    studio.wait_for(back / 48000 + 1.0)
    played, heard = studio.recorded()
    lengths = {shift} | {
        steps * HOP + HOP + PERIOD for steps in range(1, 26)
    }  # measured anew when it came back
    after = [one for one in lengths if (heard[:, -9600:] == later(played, one)[:, -9600:]).mean() > 0.5]
    assert after, "the band did not come back in its place"
    assert killed < back < played.shape[1] - 9600
    assert_only_gaps(heard[:, : killed + 28000], later(played, shift)[:, : killed + 28000])
    assert not heard[:, killed + 9600 : killed + 28000].any()
    assert_only_gaps(heard[:, killed + 9600 :], later(played, after[0])[:, killed + 9600 :])
    right = gaps(heard, later(played, after[0]))[-1][1]
    print(f"killed at {killed}, back at {returned}, right again {(right - returned) / 48:.0f} ms later")

    assert len(sessions()) == 1
    studio.jalv.kill()
    begun_s = time.monotonic()
    until(lambda: not sessions(), "the session's end")
    print(f"the dead host's session was gone after {1000 * (time.monotonic() - begun_s):.0f} ms")


@needs_jack
def test_controls_are_ports(studio: Studio) -> None:
    """What a host sets on a port arrives at the band; as ports hosts see, save and automate all controls."""
    assert studio.jalv.stdin is not None
    studio.jalv.stdin.write("set mode 1\n")
    studio.jalv.stdin.flush()
    until(lambda: status()["mode"] == "aligned", "aligned")
    until(lambda: status()["latency_samples"] > 0, "its latency")
