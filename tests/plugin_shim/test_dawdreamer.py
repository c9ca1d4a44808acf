# SPDX-License-Identifier: GPL-3.0-or-later
"""The VST3 in DawDreamer, a host with a playhead that compensates no latency: what comes out is the bounce, that much
later, and the band plays to the host's tempo."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from lbserver.client.connection import connected
from lbserver.commands.top import look
from lbserver.engine.bounce import BounceRequest, bounce
from lbserver.testing.accompanists import copy

Audio = NDArray[np.float32]
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("dawdreamer") is None,
    reason="DawDreamer is not installed: pip install dawdreamer",
)
MODE, ANTICIPATION, MIX = "11", "12", "1"  # the parameters' places
MODES = {"live": 0.0, "aligned": 1 / 3, "bounce": 2 / 3, "manual": 1.0}
HOP = 1920  # of the test accompanists, at 48 kHz


class DawDreamer:
    """The host in a process of its own."""

    def __init__(self, plugin: Path, environment: dict[str, str], folder: Path) -> None:
        self.plugin, self.folder = plugin, folder
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).parent / "daws" / "dawdreamer_render.py"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def render(
        self,
        mix: Audio,
        rate_hz: int,
        block: int,
        parameters: dict[str, float],
        tempi: Sequence[Any] = (120.0,),
    ) -> tuple[Audio, int]:
        """([render, C, T], latency that the host was told)."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        np.save(self.folder / "mix.npy", mix)
        job = {
            "plugin": str(self.plugin),
            "mix": str(self.folder / "mix.npy"),
            "out": str(self.folder / "out.npy"),
            "rate_hz": rate_hz,
            "block": block,
            "parameters": parameters,
            "tempi": list(tempi),
        }
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"DawDreamer ended: {self.process.wait()}"
        answer = json.loads(line)
        assert [answer["names"].index(name) for name in ("Mode", "Anticipation", "Mix")] == [11, 12, 1]
        return np.load(self.folder / "out.npy"), answer["latency_samples"]


@pytest.fixture
def daw(
    plugin_build: Path, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DawDreamer]:
    """DawDreamer beside a server that is not started yet."""
    monkeypatch.setenv("LIVEBAND_RUN", server.environment["LIVEBAND_RUN"])
    one = DawDreamer(plugin_build / "VST3" / "LiveBand.vst3", server.environment, tmp_path)
    yield one
    one.process.kill()
    one.process.communicate(timeout=20)


def bounced(mix: Audio, rate_hz: int, anticipation_ms: float, folder: Path) -> Audio:
    """What a bounce of the same recording is."""
    source, out = folder / "in.wav", folder / "out.wav"
    soundfile.write(source, mix.T, rate_hz, subtype="FLOAT")
    request = BounceRequest(
        source=source, stems=("bass",), outputs={"bass": out}, anticipation_ms=anticipation_ms
    )
    bounce(request, copy())
    found: Audio = soundfile.read(out, dtype="float32", always_2d=True)[0].T
    return found


def later(audio: Audio, samples: int) -> Audio:
    return np.pad(audio, ((0, 0), (samples, 0)))[:, : audio.shape[1]]


def onsets(audio: Audio, rate_hz: int) -> NDArray[np.int64]:
    """Samples at which clicks begin, [n]: each begins with a zero."""
    loud = np.flatnonzero(np.abs(audio[0]) > 0.02)
    return loud[np.diff(loud, prepend=-rate_hz) > rate_hz // 20] - 1


def test_render_is_the_bounce_later(daw: DawDreamer, server: Any, tmp_path: Path) -> None:
    """At every rate, mode and block, and at the second time too: the bounce, delayed by what is reported, to the bit."""
    server.start()
    for rate_hz in (44100, 48000, 96000):
        mix = (0.1 * np.random.default_rng(rate_hz).standard_normal((2, rate_hz))).astype(np.float32)
        for mode, ahead_ms in (("bounce", 40.0), ("aligned", 0.0)):
            wanted = bounced(mix, rate_hz, ahead_ms, tmp_path)
            assert np.abs(wanted).max() > 0.1
            for block in (32, 441, 4096):
                wishes = {MODE: MODES[mode], ANTICIPATION: ahead_ms / 1000.0}
                found, latency = daw.render(mix, rate_hz, block, wishes, (120.0, 120.0))
                assert (latency > 0) == (mode == "aligned")
                for audio in found:
                    np.testing.assert_array_equal(
                        audio, later(wanted, latency), err_msg=f"{rate_hz} Hz, {mode}, blocks of {block}"
                    )


def test_dry_is_as_late_as_reported(daw: DawDreamer, server: Any) -> None:
    server.start()
    mix = (0.1 * np.random.default_rng(3).standard_normal((2, 48000))).astype(np.float32)
    found, latency = daw.render(mix, 48000, 512, {MODE: MODES["aligned"], MIX: 0.0})
    assert latency > 0
    np.testing.assert_array_equal(found[0], later(mix, latency))


def beats_of(tempo: list[list[float]], rate_hz: int, block: int, samples: int) -> NDArray[np.float64]:
    """Samples of the host's beats but the first: it looks at its tempo curve [[beats, bpm], ...] once in a block."""
    ends = np.cumsum([beats for beats, _ in tempo])
    quarters = [0.0]
    for _ in range(0, samples, block):
        bpm = tempo[min(int(np.searchsorted(ends, quarters[-1], side="right")), len(tempo) - 1)][1]
        quarters.append(quarters[-1] + block / rate_hz * bpm / 60.0)
    whole = np.arange(1, int(quarters[-1]) + 1)
    return np.interp(whole, quarters, block * np.arange(len(quarters)))


def test_clicks_stand_where_the_host_says(daw: DawDreamer, server: Any) -> None:
    """The band hears tempo and position from the host: clicks fall on its beats, also after a change of tempo."""
    server.start("test:click")
    block = 512
    tempi = (97.3, [[4, 132.0], [8, 93.0]], 171.0)
    for rate_hz in (44100, 48000):
        silence = np.zeros((2, 6 * rate_hz), np.float32)
        for mode in ("bounce", "aligned"):
            found, latency = daw.render(silence, rate_hz, block, {MODE: MODES[mode]}, tempi)
            for tempo, audio in zip(tempi, found, strict=True):
                curve = tempo if isinstance(tempo, list) else [[100, tempo]]
                beats = latency + beats_of(curve, rate_hz, block, silence.shape[1])
                placed = onsets(audio, rate_hz)
                apart = np.abs(placed[:, None] - beats[None, :])
                whole = beats < silence.shape[1] - 100  # the end may cut a click off
                assert whole.sum() >= 8
                assert apart.min(axis=0)[whole].max() <= 2, (
                    f"{tempo} {mode}: no click for a beat: {placed}, {beats}"
                )
                assert apart.min(axis=1).max() <= 2, (
                    f"{tempo} {mode}: a click without a beat: {placed}, {beats}"
                )
    with connected("test") as line:
        found = [(one["mode"], one["tempo"]) for one in look(line).sessions.values()]
    assert (
        "aligned",
        pytest.approx(171.0),
    ) in found  # the session of a plug-in that is gone may still be closing
