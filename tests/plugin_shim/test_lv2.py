# SPDX-License-Identifier: GPL-3.0-or-later
"""The LV2 bundle: what its descriptions say, and that hosts which offer a plug-in nothing at all render with it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from lbserver.engine import backends
from lbserver.engine.bounce import BounceRequest, bounce
from lbserver.protocol.controls import CONTROLS
from lbserver.testing.processes import NO_DISPLAY

URI = "https://liveband.invalid/plugin"
RATE_HZ = 48000
LENGTH = 12000  # lv2apply gives a sample at a time
SPECIFICATIONS = Path("/usr/lib/lv2")
NOT_PORTS = {"bypass"}  # LV2 has `enabled` for it
HOSTS = ["lv2apply", "lv2file", "ecasound", *(host for host in ["ffmpeg"] if shutil.which(host))]
SET = {"freeWheeling": 1, "mode": 2, "stem": 0}


@pytest.fixture
def environment(plugin_build: Path, tmp_path: Path) -> dict[str, str]:
    """Hosts see the bundle that was built, no other, and no display."""
    own = {"LV2_PATH": str(plugin_build / "LV2"), "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    own["DISPLAY"] = NO_DISPLAY
    return dict(os.environ) | own


def ports(environment: dict[str, str]) -> dict[str, dict[str, str]]:
    """What lv2info says of each port, by symbol."""
    told = subprocess.run(["lv2info", URI], env=environment, capture_output=True, text=True, check=True)
    assert "error" not in told.stderr.lower(), told.stderr
    assert not re.search(r"Required Features: *\S", told.stdout), told.stdout
    found = {}
    for text in re.split(r"\n\tPort \d+:", told.stdout)[1:]:
        lines = dict(re.findall(r"^\t\t([A-Z][a-z ]+):\s*(.*)$", text, re.MULTILINE))
        found[lines["Symbol"]] = lines | {"all": text}
    return found


@pytest.mark.skipif(shutil.which("lv2info") is None, reason="needs lv2info: apt install lilv-utils")
def test_every_control_is_a_port(environment: dict[str, str]) -> None:
    """As events hosts neither list nor automate controls: Carla counted one, ffmpeg and ecasound could set none."""
    found = ports(environment)
    for control in CONTROLS:
        port = found[control.name]
        assert "InputPort" in port["all"]
        assert "ControlPort" in port["all"]
        assert float(port["Minimum"]) == control.minimum
        assert float(port["Maximum"]) == min(control.maximum, 16777215)
        assert float(port["Default"]) == control.default
    assert {"bpm", "position", "beats_per_bar", "when_lost", "enabled", "latency"} <= set(found)
    assert not NOT_PORTS & set(found)
    audio = [symbol for symbol, port in found.items() if "AudioPort" in port["all"]]
    assert audio == ["audio_in_1", "audio_in_2", "audio_out_1", "audio_out_2"]
    assert "reportsLatency" in found["latency"]["all"]
    assert "freeWheeling" in found["freeWheeling"]["all"]


def test_nothing_is_required_of_a_host(plugin_build: Path) -> None:
    """A required feature makes ffmpeg, ecasound and lv2file refuse it, and Audacity complain at each start."""
    text = (plugin_build / "LV2" / "LiveBand.lv2" / "dsp.ttl").read_text(encoding="utf-8")
    assert "requiredFeature" not in text
    assert "doap:license" in text
    assert "GeneratorPlugin" in text


@pytest.mark.skipif(
    shutil.which("sord_validate") is None or not (SPECIFICATIONS / "schemas.lv2").is_dir(),
    reason="needs sord_validate and the specifications: apt install sordi lv2-dev",
)
def test_descriptions_are_valid(plugin_build: Path) -> None:
    """Properties that do not exist, or of the wrong type: hosts overlook them, each in its own way."""
    mine = sorted((plugin_build / "LV2" / "LiveBand.lv2").glob("*.ttl"))
    assert len(mine) == 3
    theirs = [path for path in SPECIFICATIONS.glob("*/*.ttl") if _is_specification(path.parent)]
    done = subprocess.run(["sord_validate", *theirs, *mine], capture_output=True, text=True, check=False)
    told = done.stdout + done.stderr
    about = [line for line in told.splitlines() if "liveband" in line.lower()]
    assert "Found 0 errors" in told, about or told[-3000:]


def _is_specification(bundle: Path) -> bool:
    manifest = bundle / "manifest.ttl"
    text = manifest.read_text(encoding="utf-8") if manifest.is_file() else ""
    return bundle.name == "schemas.lv2" or "lv2:Specification" in text or "owl:Ontology" in text


def _command(host: str, order: list[str], source: Path, out: Path) -> list[str]:
    """How a host is told to render a file with the plug-in; `order`: its control ports as they come."""
    if host == "lv2apply":
        told = [word for name, value in SET.items() for word in ("-c", name, str(value))]
        return ["lv2apply", "-i", str(source), "-o", str(out), *told, URI]
    if host == "lv2file":
        told = [word for name, value in SET.items() for word in ("-p", f"{name}:{value}")]
        sides = ["-c", "1:audio_in_1", "-c", "2:audio_in_2"]
        return ["lv2file", "--ignore-clipping", "-i", str(source), "-o", str(out), *told, *sides, URI]
    if host == "ffmpeg":
        told = "|".join(f"{name}={value}" for name, value in SET.items())
        plugin = "lv2=plugin=" + URI.replace(":", "\\\\:") + f":controls={told}"
        return ["ffmpeg", "-v", "error", "-i", str(source), "-af", plugin, "-c:a", "pcm_f32le", str(out)]
    defaults = {control.name: control.default for control in CONTROLS}
    defaults |= {
        "latency": 0,
        "enabled": 1,
        "bpm": 0,
        "position": 0,
        "beats_per_bar": 4,
        "when_lost": 0,
    } | SET
    told = ",".join(str(defaults[name]) for name in order)
    return ["ecasound", "-q", "-f:f32_le,2,48000", "-i", str(source), "-o", str(out), f"-elv2:{URI},{told}"]


@pytest.mark.parametrize("host", HOSTS)
def test_a_simple_host_renders_the_bounce(
    environment: dict[str, str], server: Any, tmp_path: Path, host: str
) -> None:
    """Hosts that offer no features, and count no time: with `freeWheeling` the band is waited for, and is the bounce."""
    if shutil.which(host) is None:
        pytest.skip(f"{host} is not installed: make hosts")
    mix = 0.1 * np.random.default_rng(1).standard_normal((LENGTH, 2)).astype(np.float32)
    source, out, wanted = tmp_path / "in.wav", tmp_path / "out.wav", tmp_path / "wanted.wav"
    soundfile.write(source, mix, RATE_HZ, subtype="FLOAT")
    request = BounceRequest(source=source, stems=("drums",), outputs={"drums": wanted}, anticipation_ms=40.0)
    bounce(request, backends.load("test:copy"))
    server.start()
    order = [symbol for symbol, port in ports(environment).items() if "ControlPort" in port["all"]]
    done = subprocess.run(
        _command(host, order, source, out),
        env=environment | {"LIVEBAND_RUN": server.environment["LIVEBAND_RUN"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,  # lv2apply's 12,000 blocks take as long as the machine needs: only what hangs is ended
    )
    assert done.returncode == 0, done.stderr
    found, rate_hz = soundfile.read(out, dtype="float32", always_2d=True)
    assert rate_hz == RATE_HZ
    bounced = soundfile.read(wanted, dtype="float32", always_2d=True)[0]
    length = min(len(found), len(bounced))  # lv2file and ecasound end with a whole block
    assert length >= LENGTH - 1024
    assert np.abs(bounced).max() > 0.1
    np.testing.assert_array_equal(found[:length], bounced[:length])


@pytest.fixture
def window(
    environment: dict[str, str], display: None, plugin_build: Path, run: Path
) -> Iterator[Callable[[str], list[tuple[str, float]]]]:
    """Tells a host with an open window what to do (`port SYMBOL VALUE`, `keep`, `recall`); what the window then wrote."""
    if shutil.which("lv2info") is None:
        pytest.skip("needs lv2info: apt install lilv-utils")
    found = ports(environment)
    symbols = list(found)
    defaults = {
        number: float(port["Default"])
        for number, port in enumerate(found.values())
        if "ControlPort" in port["all"] and "InputPort" in port["all"]
    }
    binary = plugin_build / "LV2" / "LiveBand.lv2" / "libLiveBand.so"
    script = Path(__file__).parent / "daws" / "lv2_window.py"
    process = subprocess.Popen(
        [sys.executable, script, binary, URI, json.dumps(defaults)],
        env=environment | {"DISPLAY": os.environ["DISPLAY"], "LIVEBAND_RUN": str(run)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def tell(line: str) -> list[tuple[str, float]]:
        words = [str(symbols.index(word)) if word in symbols else word for word in line.split()]
        process.stdin.write(" ".join(words) + "\n")
        process.stdin.flush()
        return [(symbols[port], value) for port, value in json.loads(process.stdout.readline())]

    yield tell
    process.stdin.close()
    assert process.wait(30.0) == 0


def test_what_changed_in_the_window_is_told_again(window: Any) -> None:
    """A value that the host took back, set once more, was the value last written: the host was never told."""
    window("port gain 6")
    window("keep")
    window("port gain 0")
    for _ in range(2):
        # A recalled state moves the knob as a hand does: the host's port says another value.
        assert window("recall") == [("gain", 6.0)]
        assert window("port gain 6") == []
        assert window("port gain 0") == []
    assert window("recall") == [("gain", 6.0)]
    window("port gain 3")
    window("keep")
    window("port gain 0")
    assert window("recall") == [("gain", 3.0)]
    assert window("keep") == []


def test_what_the_host_moves_is_not_written_back(window: Any) -> None:
    """A value that comes out of 0..1 with another last bit went back to the host, as if a hand had moved the knob."""
    chance = np.random.default_rng(3)
    for symbol, low, high in (("gain", -60.0, 24.0), ("bpm", 0.0, 400.0), ("position", 0.0, 3600.0)):
        for value in chance.uniform(low, high, 100).astype(np.float32):
            assert window(f"port {symbol} {value!s}") == [], (symbol, value)
