# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband jam`: which device is meant, what to install, taps, and a run on ALSA's null device where there is one."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lbserver.commands.jam import add_parser
from lbserver.errors import LiveBandError
from lbserver.host.sound_card import Device, Devices, choose, load_sounddevice, plan
from lbserver.music.room_beat import tapped


def device(index: int, name: str, inputs: int, outputs: int, api: str = "ALSA") -> Device:
    return Device(index=index, name=name, api=api, inputs=inputs, outputs=outputs, rate_hz=44100.0)


CARDS = Devices(
    devices=(
        device(0, "Built-in", 1, 2),
        device(1, "Scarlett 2i2", 2, 2),
        device(2, "Scarlett 18i20", 18, 20),
        device(3, "Loudspeakers", 0, 2),
        device(4, "system", 2, 2, api="JACK"),
    ),
    default_input=0,
    default_output=3,
)


def test_device_by_default_number_and_part_of_the_name() -> None:
    assert choose(CARDS, None, output=False).index == 0
    assert choose(CARDS, None, output=True).index == 3
    assert choose(CARDS, "2", output=True).name == "Scarlett 18i20"
    assert choose(CARDS, "2i2", output=False).index == 1
    assert choose(CARDS, "SCARLETT 2I2", output=False).index == 1


@pytest.mark.parametrize(
    ("wish", "output", "message"),
    [
        ("scarlett", False, "several input devices.*1 Scarlett 2i2.*2 Scarlett 18i20"),
        ("Loudspeakers", False, "no input device 'Loudspeakers': 0 Built-in"),
        ("9", True, "no output device '9'"),
        ("\x1b[2J", True, r"no output device '\\x1b\[2J'"),
    ],
)
def test_device_that_is_not_clear(wish: str, output: bool, message: str) -> None:
    with pytest.raises(LiveBandError, match=message):
        choose(CARDS, wish, output=output)


def test_no_devices_at_all() -> None:
    with pytest.raises(LiveBandError, match=r"no input device.*--list"):
        choose(Devices(devices=()), None, output=False)
    with pytest.raises(LiveBandError, match="no default output device: name one"):
        choose(Devices(devices=CARDS.devices), None, output=True)


def test_plan_takes_what_the_devices_have() -> None:
    made = plan(CARDS, None, "18i20", None, 128)
    assert (made.in_channels, made.out_channels) == (1, 2)
    assert (made.rate_hz, made.block_samples) == (44100, 128)
    assert plan(CARDS, "1", "1", 96000, 64).rate_hz == 96000
    with pytest.raises(LiveBandError, match="different sound systems"):
        plan(CARDS, "2i2", "system", None, 128)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("raise ImportError('none')", "liveband\\[jam\\]"),
        ("raise OSError('PortAudio library not found')", "PortAudio library: "),
        ("raise OSError('another thing')", "another thing"),
    ],
)
def test_missing_library_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, message: str
) -> None:
    (tmp_path / "sounddevice.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(LiveBandError, match=message):
        load_sounddevice()


def test_taps_give_the_tempo_and_the_one() -> None:
    beat = tapped([10.0, 10.5, 11.0, 11.5])
    assert beat is not None
    assert beat.bpm == pytest.approx(120.0)
    assert beat.quarters_at(10.0) == pytest.approx(0.0)
    assert beat.quarters_at(14.0) == pytest.approx(8.0)


def test_unsteady_taps_are_averaged() -> None:
    """Tempo from the last two taps alone would be 5 % off with a hand that is 10 ms off."""
    rng = np.random.default_rng(3)
    taps = [0.5 * number + rng.normal(0, 0.010) for number in range(16)]
    beat = tapped(taps)
    assert beat is not None
    assert beat.bpm == pytest.approx(120.0, rel=0.005)
    assert beat.quarters_at(8.0) == pytest.approx(16.0, abs=0.05)


@pytest.mark.parametrize("taps", [[], [1.0], [1.0, 1.0], [2.0, 1.0], [0.0, 0.01], [0.0, 10.0]])
def test_taps_that_are_no_beat(taps: list[float]) -> None:
    assert tapped(taps) is None


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    return parser.parse_args(["jam", *arguments])


class FakeLibrary:
    """As much of sounddevice as a list of devices needs."""

    PortAudioError = RuntimeError
    default = argparse.Namespace(device=(0, 0))

    def query_hostapis(self) -> Any:
        return [{"name": "ALSA"}]

    def query_devices(self) -> Any:
        entry = {
            "index": 0,
            "name": "card\x1b",
            "hostapi": 0,
            "max_input_channels": 2,
            "max_output_channels": 2,
        }
        return [entry | {"default_samplerate": 48000.0}]


def test_wrong_values_are_refused_before_any_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", FakeLibrary())  # type: ignore[arg-type]
    for arguments, message in (
        (["--block", "8"], "16 to 8192"),
        (["--seconds", "0"], "positive"),
        (["--chart", "| C |"], "--bpm"),
        (["--bpm", "7"], "20 to 400"),
        (["--key", "J"], "J"),
        (["--mix", "2"], "mix"),
        (["--classes=drums"], "classes 'drums'"),
        (["--browser", "--classes=drums"], "classes 'drums'"),
        (["--browser", "--injection", "loud"], "injection 'loud'"),
        (["--browser", "--key", "J"], "J"),
    ):
        parsed = parse(*arguments)
        with pytest.raises(ValueError, match=message):
            parsed.run(parsed)


def test_list_escapes_names(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", FakeLibrary())  # type: ignore[arg-type]
    parsed = parse("--list")
    assert parsed.run(parsed) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "2 in, 2 out, 48000 Hz; default input; default output" in out


NULL_DEVICE = 'pcm.lbnull { type null hint { show on description "null" } }\npcm.!default "lbnull"\n'


def run_jam(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    program = "import sys; from lbserver.commands.jam import add_parser; import argparse; p = argparse.ArgumentParser(); add_parser(p.add_subparsers()); a = p.parse_args(sys.argv[1:]); sys.exit(a.run(a))"
    return subprocess.run(
        [sys.executable, "-c", program, "jam", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
        env={
            **os.environ,
            "HOME": str(home),
            "LIVEBAND_RUN": str(home / "run"),
            "XDG_DATA_HOME": str(home / "data"),
        },
    )


@pytest.mark.slow
def test_real_portaudio_on_alsas_null_device(tmp_path: Path) -> None:
    """PortAudio calls us for real, as fast as it can, for the null device has no clock: nothing may break."""
    (tmp_path / ".asoundrc").write_text(NULL_DEVICE)
    listed = run_jam(tmp_path, "--list", "--json")
    if listed.returncode or not json.loads(listed.stdout)["devices"]:
        pytest.skip("no PortAudio, or no ALSA null device")
    done = run_jam(
        tmp_path,
        "--input",
        "lbnull",
        "--output",
        "lbnull",
        "--model",
        "test:copy",
        "--seconds",
        "1",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["opened"]["mode"] == "live"
    assert report["device"]["blocks"] > 100
    assert report["device"]["faults"] == 0, report["device"]["last_fault"]
    assert not (tmp_path / "run" / "server.json").exists()  # the server it started is gone with it
