# SPDX-License-Identifier: GPL-3.0-or-later
"""The VST3 in Ardour without a screen: exports aligned to the sample, the host's tempo and bars, what a project keeps.

Each session is built from nothing by Ardour's Lua in a folder of its own; audio, tempo and mode are written into the
session file, as Ardour's Lua imports nothing and the mode is no parameter for automation.
"""

import base64
import shutil
import struct
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from lbserver.client.connection import connected
from lbserver.commands.top import look
from lbserver.files import saved_state
from lbserver.testing.processes import NO_DISPLAY, running

Audio = NDArray[np.float32]
SCANNER = Path("/usr/lib/ardour7/ardour-vst3-scanner")
pytestmark = pytest.mark.skipif(
    shutil.which("ardour7-lua") is None or not SCANNER.exists(),
    reason="Ardour is not installed: apt install ardour",
)
HOP = 1920  # of the test accompanists, at 48 kHz
HEADER = 48  # bytes of a VST3 preset before its first part

ENGINE = """
local backend = AudioEngine:set_backend("None (Dummy)", "liveband", "")
backend:set_device_name("Normal Speed")
backend:set_sample_rate({rate_hz})
backend:set_buffer_size(512)
"""
BUILD = """
create_session("{folder}", "song", {rate_hz})
local tracks = Session:new_audio_track(2, 2, nil, 1, "mix", ARDOUR.PresentationInfo.max_order,
                                       ARDOUR.TrackMode.Normal, true)
local band = ARDOUR.LuaAPI.new_plugin(Session, "LiveBand", ARDOUR.PluginType.VST3, "")
assert(tracks:front():add_processor_by_index(band, 0, nil, true) == 0)
for _, one in ipairs({{ {parameters} }}) do
  assert(ARDOUR.LuaAPI.set_processor_param(band, one[1], one[2]))
end
Session:save_state("")
close_session()
"""


class Ardour:
    """Ardour with a home of its own, and one session in it."""

    def __init__(self, plugin: Path, environment: dict[str, str], home: Path) -> None:
        libraries = SCANNER.parent
        self.folder = home / "song"
        self.environment = environment | {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_DATA_HOME": environment["XDG_DATA_HOME"],
            "LV2_PATH": str(home / "none"),
            "LD_LIBRARY_PATH": str(libraries),
            "ARDOUR_DATA_PATH": "/usr/share/ardour7",
            "ARDOUR_CONFIG_PATH": "/etc/ardour7",
            "ARDOUR_DLL_PATH": str(libraries),
        }
        vst3 = home / ".vst3"
        vst3.mkdir(parents=True)
        (vst3 / "LiveBand.vst3").symlink_to(plugin)
        self.run([SCANNER, "-f", "-q", vst3 / "LiveBand.vst3"])

    def run(self, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        """A program of Ardour's, to its end; one that hangs is killed, which is an end as well (-9)."""
        words = [str(part) for part in command]
        try:
            return subprocess.run(
                words,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(words, -9, "", "it hung for a minute")

    def script(self, text: str, rate_hz: int) -> Path:
        path = self.folder.parent / "script.lua"
        path.write_text(ENGINE.format(rate_hz=rate_hz) + text + '\nprint("done")\n')
        return path

    def lua(self, text: str, rate_hz: int = 48000) -> str:
        """What a script printed. Ardour itself crashes now and then while it ends: what counts is the last line."""
        for _ in range(4):
            done = self.run(["ardour7-lua", self.script(text, rate_hz)])
            if done.stdout.rstrip().endswith("done"):
                return done.stdout
        raise AssertionError(done.stdout + done.stderr[-2000:])

    def build(self, rate_hz: int = 48000, parameters: str = "") -> None:
        """A session with a stereo track and the plug-in on it; parameters as `{place, value}, ...`."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lua(BUILD.format(folder=self.folder, rate_hz=rate_hz, parameters=parameters), rate_hz)

    def read(self) -> ET.ElementTree:
        return ET.parse(self.folder / "song.ardour")

    def write(self, session: ET.ElementTree) -> None:
        session.write(self.folder / "song.ardour", encoding="UTF-8", xml_declaration=True)

    def export(self) -> Audio:
        """[C, T]. Ardour 7.3 crashes in one export of six, with and without plug-ins, and was once seen to hang: tried again."""
        out = self.folder.parent / "out.wav"
        for _ in range(6):
            out.unlink(missing_ok=True)
            done = self.run(["ardour7-export", "-b", "float", "-o", out, self.folder, "song"])
            if done.returncode == 0:
                audio: Audio = soundfile.read(out, dtype="float32", always_2d=True)[0].T
                return audio
        raise AssertionError(done.stdout + done.stderr[-2000:])


@pytest.fixture
def ardour(plugin_build: Path, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ardour:
    monkeypatch.setenv("LIVEBAND_RUN", server.environment["LIVEBAND_RUN"])
    environment = server.environment | {"DISPLAY": NO_DISPLAY}
    return Ardour(plugin_build / "VST3" / "LiveBand.vst3", environment, tmp_path / "home")


def put_audio(ardour: Ardour, mix: Audio, rate_hz: int) -> None:
    """The recording on the track, from the song's first sample on, and a session range just as long."""
    file = ardour.folder / "interchange" / "song" / "audiofiles" / "mix.wav"
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, mix.T, rate_hz, subtype="FLOAT")
    session = ardour.read()
    root = session.getroot()
    ticks = int(root.find("TempoMap").get("superclocks-per-second")) // rate_hz  # type: ignore[union-attr, arg-type]
    end = f"a{mix.shape[1] * ticks}"
    for channel in (0, 1):
        attributes = {"name": "mix.wav", "type": "audio", "id": str(90000 + channel), "channel": str(channel)}
        ET.SubElement(root.find("Sources"), "Source", attributes | {"flags": "", "gain": "1"})  # type: ignore[arg-type]
    region = {
        "name": "mix",
        "id": "90010",
        "type": "audio",
        "opaque": "1",
        "start": "a0",
        "length": f"{end}@a0",
    }
    region |= {"channels": "2", "scale-amplitude": "1", "layering-index": "0", "sync-position": "a0"}
    region |= {"fade-in-active": "0", "fade-out-active": "0", "source-0": "90000", "source-1": "90001"}
    region |= {"master-source-0": "90000", "master-source-1": "90001"}
    ET.SubElement(root.find("Playlists/Playlist[@name='mix']"), "Region", region)  # type: ignore[arg-type]
    marks = {"id": "90020", "name": "session", "start": "a0", "end": end, "flags": "IsSessionRange"}
    ET.SubElement(root.find("Locations"), "Location", marks)  # type: ignore[arg-type]
    ardour.write(session)


def state_of(session: ET.ElementTree) -> tuple[ET.Element, dict[str, bytes]]:
    """Where the project keeps the plug-in's state, and its sections."""
    node = session.find(".//vst3/chunk")
    assert node is not None
    preset = base64.b64decode(node.text or "")
    assert preset[:4] == b"VST3"
    (listing,) = struct.unpack_from("<q", preset, 40)
    kind, start, length = struct.unpack_from("<4sqq", preset, listing + 8)
    assert (kind, start) == (b"Comp", HEADER)
    ours = preset[start : start + length]
    table = int.from_bytes(ours[12:16], "little")
    sections = msgpack.unpackb(ours[16 : 16 + table])["sections"]
    return node, saved_state.unpack(
        ours[: 20 + table + sum(sections.values())], limit_bytes=saved_state.MOST_PLUGIN_BYTES
    )


def change_state(ardour: Ardour, **changes: float | str) -> None:
    """Another mode or control in the saved project."""
    session = ardour.read()
    node, sections = state_of(session)
    preset = base64.b64decode(node.text or "")
    ours = saved_state.pack(
        sections | {"controls": msgpack.packb(msgpack.unpackb(sections["controls"]) | changes)}
    )
    listing = b"List" + struct.pack("<i4sqq", 1, b"Comp", HEADER, len(ours))
    node.text = base64.b64encode(
        preset[:40] + struct.pack("<q", HEADER + len(ours)) + ours + listing
    ).decode()
    ardour.write(session)


def noise(seconds: float, rate_hz: int) -> Audio:
    audio = 0.1 * np.random.default_rng(rate_hz).standard_normal((2, int(seconds * rate_hz)))
    return np.asarray(audio, np.float32)


def later(audio: Audio, samples: int) -> Audio:
    return np.pad(audio, ((0, 0), (samples, 0)))[:, : audio.shape[1]]


def test_export_is_aligned(ardour: Ardour, server: Any) -> None:
    """Ardour compensates what is reported, from the song's first sample on, while it goes over from real time to faster."""
    server.start()
    mix = noise(2.0, 48000)
    ardour.build()
    put_audio(ardour, mix, 48000)
    change_state(ardour, mode="aligned")
    np.testing.assert_array_equal(ardour.export(), later(mix, HOP))
    change_state(ardour, mode="live")
    found = ardour.export()
    ahead = [steps for steps in range(1, 12) if np.array_equal(found, later(mix, (1 + steps) * HOP))]
    assert ahead, "live: no whole number of frames ahead gives the export"


def test_project_keeps_the_controls(ardour: Ardour, server: Any) -> None:
    """What was set is in the session file, sounds after the session was loaded again, and is shown by the host."""
    server.start()
    mix = noise(1.0, 48000)
    # Stem: drums; gain: 60/84 of -60..24 dB is 0 dB, this is -12; density.
    ardour.build(parameters=f"{{0, 0.0}}, {{2, {48 / 84}}}, {{5, 0.75}}")
    put_audio(ardour, mix, 48000)
    controls = msgpack.unpackb(state_of(ardour.read())[1]["controls"])
    assert controls["stem"] == "drums"
    assert controls["gain"] == pytest.approx(-12.0, abs=1e-4)
    assert controls["density"] == pytest.approx(0.75)
    change_state(ardour, mode="aligned", seed=471199.0)
    gain = np.float32(10 ** (-12 / 20))
    found = ardour.export()
    np.testing.assert_allclose(found[:, 2 * HOP :], later(mix, HOP)[:, 2 * HOP :] * gain, atol=2e-6)
    shown = ardour.lua(f"""
load_session("{ardour.folder}", "song")
local band = Session:route_by_name("mix"):nth_plugin(0)
print("shown", ARDOUR.LuaAPI.get_processor_param(band, 2, true), ARDOUR.LuaAPI.get_processor_param(band, 5, true))
Session:save_state("")
close_session()
""")
    _, gain_shown, density_shown, *_ = next(
        line for line in shown.splitlines() if line.startswith("shown")
    ).split()
    assert float(gain_shown) == pytest.approx(48 / 84, abs=1e-5)
    assert float(density_shown) == pytest.approx(0.75, abs=1e-5)
    kept = msgpack.unpackb(state_of(ardour.read())[1]["controls"])
    assert (kept["mode"], kept["seed"], kept["stem"]) == ("aligned", 471199.0, "drums")


def put_tempo(ardour: Ardour, bpm: float, beats_per_bar: int) -> None:
    session = ardour.read()
    tempo, meter = session.find("TempoMap/Tempos/Tempo"), session.find("TempoMap/Meters/Meter")
    assert tempo is not None
    assert meter is not None
    tempo.set("npm", str(bpm))
    tempo.set("enpm", str(bpm))
    meter.set("divisions-per-bar", str(beats_per_bar))
    ardour.write(session)


def statuses(host: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    """What the server says of its session again and again, while a host runs, for a minute at most."""
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 60.0
    with connected("test") as line:
        while host.poll() is None and time.monotonic() < deadline:
            found += [dict(status) for status in look(line).sessions.values()]
            time.sleep(0.03)
    return found


def test_tempo_bars_play_and_locate(ardour: Ardour, server: Any) -> None:
    """An export clicks on Ardour's beats; in real time the band knows tempo and bar, and a locate is a new epoch."""
    server.start("test:click")
    ardour.build()
    put_audio(ardour, np.zeros((2, 4 * 48000), np.float32), 48000)
    put_tempo(ardour, 96.0, 3)
    change_state(ardour, mode="aligned")
    found = ardour.export()
    loud = np.flatnonzero(np.abs(found[0]) > 0.02)
    placed = loud[np.diff(loud, prepend=-48000) > 4800]
    beats = np.arange(0, 4 * 48000, 30000)
    assert len(placed) in (len(beats), len(beats) - 1)  # the first is known in time if the host pre-rolls
    # Ardour tells its position in whole ticks, 1920 in a beat.
    assert np.abs(placed - beats[-len(placed) :]).max() <= 2 + 30000 / 1920

    script = ardour.script(
        f"""
load_session("{ardour.folder}", "song")
os.execute("sleep 0.5")
Session:request_roll(ARDOUR.TransportRequestSource.TRS_UI)
os.execute("sleep 1.6")
Session:request_locate(96000, false, ARDOUR.LocateTransportDisposition.RollIfAppropriate,
                       ARDOUR.TransportRequestSource.TRS_UI)
os.execute("sleep 0.6")
close_session()
""",
        48000,
    )
    for _ in range(4):  # a busy machine may look away just then
        with running(
            ["ardour7-lua", script],
            env=ardour.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as playing:
            seen = statuses(playing)
        told = [status for status in seen if isfinite(status["tempo"]) and status["tempo"] > 0]
        assert {round(status["tempo"], 3) for status in told} <= {96.0}
        beats_of_bar = [status["beat"] for status in told if isfinite(status["beat"])]
        assert max(beats_of_bar, default=1.0) < 4.0, beats_of_bar  # three in a bar
        epochs = {status["epoch"] for status in told}
        if max(beats_of_bar, default=1.0) > 3.0 and len(epochs) >= 2:
            return
    pytest.fail(f"a bar of {beats_of_bar}, epochs {epochs}: the locate began no new one")
