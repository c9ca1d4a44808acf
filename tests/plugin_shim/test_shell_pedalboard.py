# SPDX-License-Identifier: GPL-3.0-or-later
"""The VST3 in a real host, pedalboard, with a real server: what it gives is what a bounce gives."""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from lbmodels.contract.stems import STEMS
from lbserver.engine import backends
from lbserver.engine.bounce import BounceRequest, bounce
from lbserver.files import saved_state

pedalboard = pytest.importorskip("pedalboard")

Audio = NDArray[np.float32]


@pytest.fixture
def band(
    servers: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> str:
    """A running server that plug-ins of this process find; its model, `test:copy` if a test asks for no other."""
    model: str = getattr(request, "param", "test:copy")
    monkeypatch.setenv("LIVEBAND_RUN", str(servers(model)))
    return model


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server anywhere."""
    monkeypatch.setenv("LIVEBAND_RUN", str(tmp_path / "nobody"))


@pytest.fixture
def load(plugin_build: Path) -> Callable[..., Any]:
    """Loads the plug-in, with controls."""

    def loaded(**controls: float | str) -> Any:
        plugin = pedalboard.load_plugin(str(plugin_build / "VST3" / "LiveBand.vst3"))
        for name, value in controls.items():
            setattr(plugin, name, value)
        return plugin

    return loaded


def music(seconds: float, rate_hz: int, channels: int = 2) -> Audio:
    samples = int(seconds * rate_hz)
    noise = np.random.default_rng(1).standard_normal((channels, samples))
    return np.asarray(0.1 * noise, np.float32)


def bounced(
    mix: Audio,
    rate_hz: int,
    anticipation_ms: float,
    folder: Path,
    *,
    model: str = "test:copy",
    stem: str = "bass",
    seed: int = 0,
) -> Audio:
    """What `liveband bounce` gives."""
    source, out = folder / "in.wav", folder / f"{stem}{seed}.wav"
    soundfile.write(source, mix.T, rate_hz, subtype="FLOAT")
    request = BounceRequest(
        source=source, stems=(stem,), outputs={stem: out}, anticipation_ms=anticipation_ms, seed=seed
    )
    bounce(request, backends.load(model or None))
    found: Audio = soundfile.read(out, dtype="float32", always_2d=True)[0].T
    return found


@pytest.mark.parametrize("rate_hz", [44100, 48000, 96000])
@pytest.mark.parametrize("mode", ["bounce", "manual", "aligned"])
def test_render_equals_bounce(band: str, load: Any, tmp_path: Path, rate_hz: int, mode: str) -> None:
    """Whatever the rate, the mode and the blocks, the host's render is the bounce, to the bit and to the sample."""
    mix = music(2.0, rate_hz)
    ahead_ms = 0.0 if mode == "aligned" else 40.0
    wanted = bounced(mix, rate_hz, ahead_ms, tmp_path)
    assert np.abs(wanted).max() > 0.1
    plugin = load(mode=mode, anticipation_ms=ahead_ms)
    for block in (32, 500, 8192, 65536):
        found = plugin(mix, rate_hz, buffer_size=block)
        np.testing.assert_array_equal(found, wanted, err_msg=f"{rate_hz} Hz, {mode}, blocks of {block}")


def test_it_stays_with_the_run_directory_it_was_loaded_with(
    alone: None, load: Any, servers: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that changes its environment later sends nobody to another server behind the user's back."""
    plugin = load(mode="live")
    monkeypatch.setenv("LIVEBAND_RUN", str(servers("test:copy")))
    for _ in range(20):
        assert not plugin(music(0.1, 48000), 48000, reset=False).any()
        time.sleep(0.05)
    newcomer = load(mode="live")
    assert any(
        newcomer(music(0.1, 48000), 48000, reset=False).any() for _ in range(20) if not time.sleep(0.05)
    )


@pytest.mark.weights
@pytest.mark.parametrize("band", [""], indirect=True, ids=["shipped"])
def test_render_equals_bounce_with_the_shipped_model(band: str, load: Any, tmp_path: Path) -> None:
    """It remembers what it heard, draws noise and has a tempo to follow: the same notes all the same."""
    rate_hz = 44100
    mix = music(3.0, rate_hz)
    wanted = bounced(mix, rate_hz, 40.0, tmp_path, model="", stem="drums", seed=3)
    assert np.abs(wanted).max() > 1e-3
    plugin = load(mode="bounce", anticipation_ms=40.0, stem="drums", seed=3)
    for block in (441, 8192):
        np.testing.assert_allclose(plugin(mix, rate_hz, buffer_size=block), wanted, rtol=0, atol=1e-6)


def test_latency_by_mode(band: str, load: Any) -> None:
    """Live and bounce add no latency; aligned does, manual does where it writes less far ahead than it takes."""
    reported = {}
    for mode, ahead_ms in (
        ("live", 40.0),
        ("aligned", 40.0),
        ("bounce", 40.0),
        ("manual", 0.0),
        ("manual", 200.0),
    ):
        plugin = load(mode=mode, anticipation_ms=ahead_ms)
        plugin(music(0.1, 48000), 48000)
        reported[mode, ahead_ms] = plugin.reported_latency_samples
    assert reported["live", 40.0] == reported["bounce", 40.0] == reported["manual", 200.0] == 0
    assert reported["aligned", 40.0] == reported["manual", 0.0] > 0
    assert reported["aligned", 40.0] % 512 == 0


def test_latency_is_true(band: str, load: Any) -> None:
    """One click through the plug-in by hand, in real blocks: the dry one leaves after exactly what is reported."""
    for mode in ("live", "aligned", "bounce"):
        plugin = load(mode=mode, mix=0.0)
        plugin(music(0.1, 48000), 48000)
        reported = plugin.reported_latency_samples
        click = np.zeros((2, 24000), np.float32)
        click[:, 100] = 1.0
        plugin.reset()
        parts = [
            plugin.process(click[:, at : at + 480], 48000, buffer_size=480, reset=False)
            for at in range(0, 24000, 480)
        ]
        heard = np.concatenate(parts, axis=1)
        # The host leaves out the first samples, as many as are reported.
        assert heard.shape[1] == 24000 - reported
        np.testing.assert_array_equal(np.flatnonzero(heard[0]), [100])


def test_dry_is_exact_in_every_mode(band: str, load: Any) -> None:
    """The dry signal is delayed by what is reported: compensated, it is the input."""
    mix = music(1.0, 48000)
    for mode in ("live", "aligned"):
        for controls in ({"mix": 0.0}, {"bypass": True}):
            plugin = load(mode=mode, **controls)
            found = plugin(mix, 48000, buffer_size=300)
            np.testing.assert_array_equal(found, mix, err_msg=f"{mode} {controls}")


def test_render_begins_with_its_gain(band: str, load: Any, tmp_path: Path) -> None:
    """The first note of a render is as loud as the last."""
    mix = music(1.0, 48000)
    wanted = bounced(mix, 48000, 40.0, tmp_path)
    plugin = load(mode="bounce", anticipation_ms=40.0, gain_db=-12.0)
    found = plugin(mix, 48000)
    np.testing.assert_allclose(found, wanted * np.float32(10 ** (-12 / 20)), atol=1e-6)


def test_mono(band: str, load: Any, tmp_path: Path) -> None:
    mix = music(1.0, 48000, channels=1)
    found = load(mode="bounce", anticipation_ms=40.0)(mix, 48000)
    wanted = bounced(mix, 48000, 40.0, tmp_path)
    np.testing.assert_array_equal(found[0], wanted[0])


@pytest.mark.parametrize("band", ["test:noise"], indirect=True)
def test_sixteen_instances_at_once(band: str, load: Any, tmp_path: Path) -> None:
    """Sixteen plug-ins render at the same time on one server, and each gives its own bounce."""
    mix = music(1.0, 48000)
    parts = [(STEMS[number % 4], number // 4) for number in range(16)]
    plugins = [load(mode="bounce", anticipation_ms=40.0, stem=stem, seed=seed) for stem, seed in parts]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda plugin: plugin(mix, 48000, buffer_size=256), plugins))
    for (stem, seed), audio in zip(parts, found, strict=True):
        wanted = bounced(mix, 48000, 40.0, tmp_path, model="test:noise", stem=stem, seed=seed)
        np.testing.assert_array_equal(audio, wanted, err_msg=f"{stem} {seed}")
    assert len({audio.tobytes() for audio in found}) == 16


@pytest.mark.parametrize("band", ["test:noise"], indirect=True)
def test_renders_are_the_same_however_often(band: str, load: Any, tmp_path: Path) -> None:
    """A render does not remember the one before it, nor what the host probed it with, nor another seed."""
    mix = music(1.0, 48000)
    wanted = bounced(mix, 48000, 40.0, tmp_path, model="test:noise", stem="drums", seed=5)
    plugin = load(mode="bounce", anticipation_ms=40.0)
    plugin(mix, 48000)
    plugin.stem, plugin.seed = "drums", 5
    for _ in range(3):
        np.testing.assert_array_equal(plugin(mix, 48000), wanted)


@pytest.mark.parametrize("mode", ["bounce", "aligned"])
def test_streaming_in_pieces(band: str, load: Any, mode: str) -> None:
    """Piece by piece (reset=False) it is the render at once, less the latency that is still to come."""
    mix = music(2.0, 48000)
    plugin = load(mode=mode, anticipation_ms=40.0)
    wanted = plugin(mix, 48000, buffer_size=512)
    latency = plugin.reported_latency_samples
    assert (latency > 0) == (mode == "aligned")
    plugin.reset()
    sizes = np.random.default_rng(5).integers(1, 9000, 40)
    ends = [0, *np.cumsum(sizes)[np.cumsum(sizes) < mix.shape[1]], mix.shape[1]]
    pieces = [
        plugin.process(mix[:, a:b], 48000, buffer_size=512, reset=False) for a, b in itertools.pairwise(ends)
    ]
    found = np.concatenate(pieces, axis=1)
    np.testing.assert_array_equal(found, wanted[:, : mix.shape[1] - latency])


def test_chain(band: str, load: Any) -> None:
    """Between other effects it is what it is alone, and aligned."""
    mix = music(2.0, 44100)
    for mode in ("bounce", "aligned"):
        stem = load(mode=mode, anticipation_ms=40.0)(mix, 44100)
        effects = [pedalboard.Reverb(wet_level=0.1), pedalboard.Limiter(threshold_db=-1.0)]
        wanted = pedalboard.Pedalboard(effects)(stem, 44100)
        band_too = pedalboard.Pedalboard([load(mode=mode, anticipation_ms=40.0), *effects])
        found = band_too(mix, 44100)
        assert found.shape == mix.shape
        np.testing.assert_allclose(found, wanted, atol=1e-5, err_msg=mode)


NONSENSE = {
    "NaN": lambda t: np.full_like(t, np.nan),
    "infinity": lambda t: np.full_like(t, np.inf),
    "far too loud": lambda t: np.full_like(t, 1e30),
    "denormal": lambda t: np.full_like(t, 1e-40),
    "DC": np.ones_like,
    "square": lambda t: np.sign(np.sin(t)),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_in_finite_out(band: str, load: Any, kind: str) -> None:
    """Whatever comes in, what goes out is finite, at most +6 dBFS, and the same a second later as without."""
    mix = music(3.0, 48000)
    clean = {blend: load(mode="bounce", mix=blend)(mix, 48000) for blend in (1.0, 0.5)}
    mix[:, 48000:48512] = NONSENSE[kind](np.arange(512, dtype=np.float32) * 0.1)
    for blend in (1.0, 0.5):
        found = load(mode="bounce", mix=blend)(mix, 48000)
        assert np.isfinite(found).all()
        assert np.abs(found).max() <= 2.0
        np.testing.assert_array_equal(found[:, 96512:], clean[blend][:, 96512:])


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


def test_state_round_trip(alone: None, load: Any) -> None:
    """A project gives back every control as its host set it, between two places too; Python reads the same chunk."""
    first = load(stem="drums", gain_db=-7.25, seed=471199, mode="aligned", density=0.3)
    for name, raw in {"freeze": 0.139, "listen": 0.8, "when_lost": 0.3, "beats_per_bar": 0.51}.items():
        first.parameters[name].raw_value = raw
    second = load(reset=True)
    second.raw_state = first.raw_state
    for name in first.parameters:
        assert second.parameters[name].raw_value == first.parameters[name].raw_value, name
    assert second.seed == 471199
    assert set(
        saved_state.unpack(chunk_in(first.raw_state)[0], limit_bytes=saved_state.MOST_PLUGIN_BYTES)
    ) == {
        "controls",
        "exact",
        "notes",
    }


def test_bad_state_changes_nothing(alone: None, load: Any) -> None:
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


def test_nobody_there(alone: None, load: Any) -> None:
    """Without a server it loads at once, plays silence, and passes the dry signal."""
    begun_s = time.monotonic()
    plugin = load()
    mix = music(2.0, 48000)
    assert not plugin(mix, 48000).any()
    plugin.mix = 0.0
    np.testing.assert_array_equal(plugin(mix, 48000), mix)
    assert time.monotonic() - begun_s < 30.0
