# SPDX-License-Identifier: GPL-3.0-or-later
"""The VST3 in a real host, pedalboard, with a real server: what it gives is what a bounce gives.

`LIVEBAND_VST3` names the plug-in that was built; without it, or without pedalboard, nothing is tested here.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgpack
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
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server anywhere."""
    monkeypatch.setenv("LIVEBAND_RUN", str(tmp_path / "nobody"))


def load(**controls: float | str) -> Any:
    plugin = pedalboard.load_plugin(PLUGIN)
    for name, value in controls.items():
        setattr(plugin, name, value)
    return plugin


def learn_latency(plugin: Any, rate_hz: int) -> None:
    """JUCE's hosts look at the latency before they activate a plug-in: after another rate or mode, one call late."""
    for _ in range(2):
        plugin(np.zeros((2, 4800), np.float32), rate_hz)


def music(seconds: float, rate_hz: int, channels: int = 2) -> Audio:
    samples = int(seconds * rate_hz)
    noise = np.random.default_rng(1).standard_normal((channels, samples))
    return np.asarray(0.1 * noise, np.float32)


def bounced(mix: Audio, rate_hz: int, anticipation_ms: float, folder: Path) -> Audio:
    """What `liveband bounce` gives."""
    source, out = folder / "in.wav", folder / f"out{anticipation_ms:g}.wav"
    soundfile.write(source, mix.T, rate_hz, subtype="FLOAT")
    command = [
        sys.executable,
        "-m",
        "lbserver",
        "bounce",
        str(source),
        "-o",
        str(out),
        "--model",
        "test:copy",
    ]
    subprocess.run(
        [*command, "--stem", "bass", "--anticipation", str(anticipation_ms)], check=True, capture_output=True
    )
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
    learn_latency(plugin, rate_hz)
    for block in (32, 500, 8192):
        found = plugin(mix, rate_hz, buffer_size=block)
        np.testing.assert_array_equal(found, wanted, err_msg=f"{rate_hz} Hz, {mode}, blocks of {block}")


def test_latency_by_mode(band: Any) -> None:
    """Live and bounce add no latency; aligned does, and whole blocks of it."""
    reported = {}
    for mode in ("live", "aligned", "bounce"):
        plugin = load(mode=mode)
        learn_latency(plugin, 48000)
        reported[mode] = plugin.reported_latency_samples
    assert reported["live"] == 0
    assert reported["bounce"] == 0
    assert reported["aligned"] > 0
    assert reported["aligned"] % 512 == 0


def test_dry_is_exact_in_every_mode(band: Any) -> None:
    """The dry signal is delayed by what is reported: compensated, it is the input."""
    mix = music(1.0, 48000)
    for mode in ("live", "aligned"):
        for controls in ({"mix": 0.0}, {"bypass": True}):
            plugin = load(mode=mode, **controls)
            learn_latency(plugin, 48000)
            found = plugin(mix, 48000, buffer_size=300)
            np.testing.assert_array_equal(found, mix, err_msg=f"{mode} {controls}")


def test_render_begins_with_its_gain(band: Any, tmp_path: Path) -> None:
    """The first note of a render is as loud as the last."""
    mix = music(1.0, 48000)
    wanted = bounced(mix, 48000, 40.0, tmp_path)
    plugin = load(mode="bounce", anticipation_ms=40.0, gain_db=-12.0)
    found = plugin(mix, 48000)
    np.testing.assert_allclose(found, wanted * np.float32(10 ** (-12 / 20)), atol=1e-6)


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


_LETTERS = ".ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+"


def chunk_in(raw: bytes) -> tuple[bytes, str, int]:
    """Our chunk inside the host's container, the host's text of it, and where in those bytes it begins.

    JUCE writes XML with the component's state as `size.letters`, six bits a letter, lowest first.
    """
    text = raw.decode("latin-1").split("<IComponent>")[1].split("</IComponent>")[0]
    size, letters = text.split(".", 1)
    bits = np.array([[_LETTERS.index(one) >> bit & 1 for bit in range(6)] for one in letters], np.uint8)
    data = np.packbits(bits.ravel()[: 8 * int(size)], bitorder="little").tobytes()
    start = data.index(b"LBCHUNK\n")
    table = int.from_bytes(data[start + 12 : start + 16], "little")
    lengths = msgpack.unpackb(data[start + 16 : start + 16 + table])["sections"]
    return data[start : start + 20 + table + sum(lengths.values())], text, start


def with_bit_flipped(raw: bytes, bit: int) -> bytes:
    """The host's container with one bit of our chunk changed."""
    _, text, start = chunk_in(raw)
    size, letters = text.split(".", 1)
    place, within = divmod(8 * start + bit, 6)
    changed = _LETTERS[_LETTERS.index(letters[place]) ^ 1 << within]
    bad = f"{size}.{letters[:place]}{changed}{letters[place + 1 :]}"
    return raw.replace(text.encode(), bad.encode())


def test_state_round_trip(alone: None) -> None:
    """A project gives back every control; Python reads the same chunk."""
    first = load(stem="drums", gain_db=-7.25, seed=471199, mode="aligned", density=0.3)
    second = load()
    second.raw_state = first.raw_state
    for name in first.parameters:
        assert second.parameters[name].raw_value == first.parameters[name].raw_value, name
    assert second.seed == 471199
    assert set(chunk.unpack(chunk_in(first.raw_state)[0], limit_bytes=chunk.MOST_PLUGIN_BYTES)) == {
        "controls",
        "notes",
    }


def test_bad_state_changes_nothing(alone: None) -> None:
    """A damaged, empty or foreign state is refused whole."""
    plugin = load(gain_db=-7.25, stem="guitar")
    before = {name: each.raw_value for name, each in plugin.parameters.items()}
    whole = plugin.raw_state
    other = load(gain_db=3.0, stem="drums").raw_state
    size = 8 * len(chunk_in(other)[0])
    for bit in np.random.default_rng(2).integers(0, size, 50):
        plugin.raw_state = with_bit_flipped(other, int(bit))
        assert {name: each.raw_value for name, each in plugin.parameters.items()} == before
    plugin.raw_state = whole
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
