# SPDX-License-Identifier: GPL-3.0-or-later
"""The VST3 in a real host, pedalboard, with a real server: what it gives is what a bounce gives.

`LIVEBAND_VST3` names the plug-in that was built; without it, or without pedalboard, nothing is tested here.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from lbserver import chunk

pedalboard = pytest.importorskip("pedalboard")
PLUGIN = os.environ.get("LIVEBAND_VST3", "")
pytestmark = pytest.mark.skipif(not PLUGIN, reason="LIVEBAND_VST3 names no plug-in")

Audio = NDArray[np.float32]


@pytest.fixture
def band(server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A running server that plug-ins of this process find."""
    server.start()
    for name in ("LIVEBAND_RUN", "XDG_DATA_HOME", "LIVEBAND_CACHE"):
        monkeypatch.setenv(name, server.environment[name])
    return server


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No server anywhere."""
    monkeypatch.setenv("LIVEBAND_RUN", str(tmp_path / "nobody"))
    yield


def load(**controls: float | str) -> Any:
    plugin = pedalboard.load_plugin(PLUGIN)
    for name, value in controls.items():
        setattr(plugin, name, value)
    return plugin


def music(seconds: float, rate_hz: int, channels: int = 2) -> Audio:
    samples = int(seconds * rate_hz)
    noise = np.random.default_rng(1).standard_normal((channels, samples))
    return np.asarray(0.1 * noise, np.float32)


def bounced(mix: Audio, rate_hz: int, anticipation_ms: float, folder: Path) -> Audio:
    """What `liveband bounce` gives."""
    source, out = folder / "in.wav", folder / f"out{anticipation_ms:g}.wav"
    soundfile.write(source, mix.T, rate_hz, subtype="FLOAT")
    command = [sys.executable, "-m", "lbserver", "bounce", str(source), "-o", str(out), "--model", "test:copy"]
    subprocess.run([*command, "--stem", "bass", "--anticipation", str(anticipation_ms)], check=True, capture_output=True)
    found: Audio = soundfile.read(out, dtype="float32", always_2d=True)[0].T
    return found


@pytest.mark.parametrize("rate_hz", [44100, 48000, 96000])
@pytest.mark.parametrize("mode", ["bounce", "manual", "aligned"])
def test_render_equals_bounce(band: Any, tmp_path: Path, rate_hz: int, mode: str) -> None:
    """Whatever the rate, the mode and the blocks, the host's render is the bounce, to the bit and to the sample."""
    mix = music(2.0, rate_hz)
    ahead_ms = 0.0 if mode == "aligned" else 40.0
    wanted = bounced(mix, rate_hz, ahead_ms, tmp_path)
    assert np.abs(wanted).max() > 0.1
    plugin = load(mode=mode, anticipation_ms=ahead_ms)
    for block in (32, 500, 8192):
        found = plugin(mix, rate_hz, buffer_size=block)
        np.testing.assert_array_equal(found, wanted, err_msg=f"{rate_hz} Hz, {mode}, blocks of {block}")


def test_latency_by_mode(band: Any) -> None:
    """Live and bounce add no latency; aligned does, and whole blocks of it."""
    reported = {}
    for mode in ("live", "aligned", "bounce"):
        plugin = load(mode=mode)
        plugin(music(0.2, 48000), 48000, buffer_size=256)
        reported[mode] = plugin.reported_latency_samples
    assert reported["live"] == 0
    assert reported["bounce"] == 0
    assert reported["aligned"] > 0
    assert reported["aligned"] % 256 == 0


def test_dry_is_exact_in_every_mode(band: Any) -> None:
    """The dry signal is delayed by what is reported: compensated, it is the input."""
    mix = music(1.0, 48000)
    for mode in ("live", "aligned"):
        for controls in ({"mix": 0.0}, {"bypass": True}):
            found = load(mode=mode, **controls)(mix, 48000, buffer_size=300)
            np.testing.assert_array_equal(found, mix, err_msg=f"{mode} {controls}")


def test_mono(band: Any, tmp_path: Path) -> None:
    mix = music(1.0, 48000, channels=1)
    found = load(mode="bounce", anticipation_ms=40.0)(mix, 48000)
    wanted = bounced(mix, 48000, 40.0, tmp_path)
    np.testing.assert_array_equal(found[0], wanted[0])


def test_sixteen_instances(band: Any, tmp_path: Path) -> None:
    """Sixteen plug-ins on one server give sixteen times the same."""
    mix = music(0.5, 48000)
    plugins = [load(mode="bounce", anticipation_ms=40.0) for _ in range(16)]
    wanted = bounced(mix, 48000, 40.0, tmp_path)
    for plugin in plugins:
        np.testing.assert_array_equal(plugin(mix, 48000), wanted)


def test_nonsense_in_finite_out(band: Any) -> None:
    """Not a number, infinity and far too loud: finite, at most +6 dBFS, and forgotten within a second."""
    mix = music(3.0, 48000)
    mix[:, 48000:48010] = np.nan
    mix[:, 48100:48110] = np.inf
    mix[:, 48200:48210] = 1e30
    for blend in (1.0, 0.5):
        found = load(mode="bounce", mix=blend)(mix, 48000)
        assert np.isfinite(found).all()
        assert np.abs(found).max() <= 2.0
        assert np.abs(found[:, 96000:]).max() < 1.0


def chunk_of(plugin: Any) -> bytes:
    """Our chunk inside the host's container."""
    raw: bytes = plugin.raw_state
    start = raw.index(b"LBCHUNK\n")
    for end in range(start + 20, len(raw) + 1):
        try:
            chunk.unpack(raw[start:end])
        except chunk.LiveBandError:
            continue
        return raw[start:end]
    raise AssertionError("no chunk in the state")


def test_state_round_trip(alone: None) -> None:
    """A project gives back every control; Python reads the same chunk."""
    first = load(stem="drums", gain_db=-7.25, seed=471199, mode="aligned", density=0.3)
    second = load()
    second.raw_state = first.raw_state
    for name in first.parameters:
        assert second.parameters[name].raw_value == first.parameters[name].raw_value, name
    assert second.seed == 471199
    assert set(chunk.unpack(chunk_of(first), limit_bytes=chunk.MOST_PLUGIN_BYTES)) == {"controls", "notes"}


def test_bad_state_changes_nothing(alone: None) -> None:
    """A damaged, empty or foreign state is refused whole."""
    plugin = load(gain_db=-7.25, stem="guitar")
    before = {name: each.raw_value for name, each in plugin.parameters.items()}
    whole, inner = plugin.raw_state, chunk_of(plugin)
    rng = np.random.default_rng(2)
    for _ in range(50):
        bad = bytearray(inner)
        bad[rng.integers(len(bad))] ^= 1 << rng.integers(8)
        plugin.raw_state = whole.replace(inner, bytes(bad))
        assert {name: each.raw_value for name, each in plugin.parameters.items()} == before


def test_nobody_there(alone: None) -> None:
    """Without a server it loads at once, plays silence, and passes the dry signal."""
    begun_s = time.monotonic()
    plugin = load()
    mix = music(2.0, 48000)
    assert not plugin(mix, 48000).any()
    plugin.mix = 0.0
    np.testing.assert_array_equal(plugin(mix, 48000), mix)
    assert time.monotonic() - begun_s < 30.0
