# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband doctor`: says what is wrong in words that help, and nothing is wrong where it is not."""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from lbserver.commands import doctor
from lbserver.commands.checks import machine, playing, surroundings
from lbserver.commands.checks.finding import Finding, bad
from lbserver.commands.checks.playing import RuntimeFigure
from lbserver.engine.budget import Budget
from lbserver.host.listeners import Listener, is_free, who_listens
from lbserver.host.rundir import ServerInfo, open_run_directory
from lbserver.host.sound_card import Device, Devices
from lbserver.testing.accompanists import copy

INF = float("inf")
SERVER = ServerInfo(pid=42, major=1, minor=0, socket="/run/lb.sock", osc_port=9460)
EVERYTHING = {package.name: "1.0" for package in machine.PACKAGES}


def levels(findings: Iterable[Finding]) -> list[str]:
    return [finding.level for finding in findings]


def only(findings: Iterable[Finding], level: str) -> Finding:
    (found,) = [finding for finding in findings if finding.level == level]
    return found


def test_everything_installed_is_one_line() -> None:
    (found,) = machine.check_packages(EVERYTHING, "0.1.0")
    assert found.level == "ok"
    assert "liveband 0.1.0" in found.text
    assert "numpy 1.0" in found.text


def test_missing_package_is_bad_if_needed_and_else_only_said() -> None:
    findings = machine.check_packages(EVERYTHING | {"numba": None, "sounddevice": None}, "0.1.0")
    assert only(findings, "bad").advice == "pip install numba"
    said = next(finding for finding in findings if "sounddevice" in finding.text and finding.level == "ok")
    assert "liveband[jam]" in said.advice


def test_what_is_needed_is_what_an_installation_brings(repository: Path) -> None:
    """A fresh installation, which plays without torch, was told that torch is missing, and the doctor failed."""
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    for package in machine.PACKAGES:
        extra = project["optional-dependencies"].get(package.extra, [])
        brought = project["dependencies"] if package.needed else extra
        assert package.name in {re.split(r"[<>=!~;\[ ]", line)[0] for line in brought}


def test_old_python() -> None:
    assert machine.check_python((3, 10, 4)).level == "bad"
    assert machine.check_python((3, 11, 0)).level == "ok"


def test_machine() -> None:
    assert levels(machine.check_cpu(4, ["performance"] * 4, 0.5)) == ["ok"]
    assert levels(machine.check_cpu(4, [], 0.5)) == ["ok"]
    assert "cpupower" in only(machine.check_cpu(4, ["powersave", "performance"], 0.5), "warning").advice
    assert "busy" in only(machine.check_cpu(2, [], 3.0), "warning").text
    assert levels(machine.check_cpu(1, [], 0.0)) == ["warning"]


def test_limits() -> None:
    def check(memlock: float = INF, files: float = 4096, free: float = 2.0**33) -> list[Finding]:
        return machine.check_limits(memlock_bytes=memlock, descriptors=files, memory_free_bytes=free)

    assert levels(check()) == ["ok"]
    assert levels(check(memlock=8 * 2**20)) == ["ok"]
    assert "limits.d" in only(check(memlock=65536), "warning").advice
    assert "ulimit -n" in only(check(files=256), "warning").advice
    assert levels(check(free=2.0**29)) == ["warning"]
    assert machine.check_memory_sharing("no memory").level == "bad"


def test_weights() -> None:
    assert levels(playing.check_weights({"a": True, "b": True})) == ["ok"]
    damaged = only(playing.check_weights({"a": True, "b": False}), "bad")
    assert "b" in damaged.text
    assert "reinstall" in damaged.advice
    assert levels(playing.check_weights({})) == ["bad"]


def test_memory_of_models() -> None:
    """What it holds while it runs, and what it would load."""
    loaded = {"tiny": {"workers": 1, "sessions": 3, "resident_bytes": 156_000_000}}
    assert [one.text for one in surroundings.check_loaded(loaded)] == [
        "it holds tiny: 1 worker, 3 sessions, 156 MB"
    ]
    assert (
        "tiny 22 MB, own 3 MB" in only(playing.check_sizes({"tiny": 21_700_000, "own": 3_000_000}), "ok").text
    )
    assert playing.check_sizes({}) == []


def test_runtimes() -> None:
    def check(*figures: RuntimeFigure) -> list[Finding]:
        return playing.check_runtimes(figures, "onnx", 40.0)

    quick, slow = RuntimeFigure(name="onnx", step_ms=4.0), RuntimeFigure(name="torch", step_ms=50.0)
    assert levels(check(quick, slow)) == ["ok", "ok"]  # torch need not keep up where it is not used
    assert "10.0 x real time" in check(quick)[0].text
    assert (
        "LIVEBAND_RUNTIME=torch"
        in only(
            check(RuntimeFigure(name="onnx", step_ms=8.0), RuntimeFigure(name="torch", step_ms=4.0)),
            "warning",
        ).advice
    )
    assert "bounce" in only(check(RuntimeFigure(name="onnx", step_ms=41.0)), "bad").advice
    assert levels(check(RuntimeFigure(name="onnx", step_ms=30.0))) == ["warning"]
    assert levels(check(quick, RuntimeFigure(name="torch", error="not there"))) == ["ok", "warning"]
    assert levels(check(RuntimeFigure(name="onnx", error="damaged"), slow)) == ["bad", "ok"]


def test_timing_recommends_what_this_machine_can() -> None:
    spec = copy().spec
    quick = playing.check_timing(spec, Budget(compute_s=0.012, margin_s=0.003))
    assert levels(quick) == ["ok"] * 4
    live, aligned, recommended = quick[1:]
    assert live.data["anticipation_ms"] == 40
    assert live.data["latency_samples"] == 0
    assert aligned.data["latency_samples"] % 256 == 0
    assert aligned.data["latency_samples"] >= 0.015 * 48000
    assert recommended.data["recommended"] == "live"

    slow = playing.check_timing(spec, Budget(compute_s=0.3, margin_s=0.01))
    assert levels(slow)[1] == "warning"  # possible, but it reacts late

    late = playing.check_timing(spec, Budget(compute_s=1.2, margin_s=0.01))
    assert only(late, "bad").data["mode"] == "live"
    assert late[-1].data["recommended"] == "aligned"

    hopeless = playing.check_timing(spec, Budget(compute_s=30.0, margin_s=0.01))
    assert only(hopeless, "bad").data["recommended"] == "bounce"


def test_server() -> None:
    assert levels(surroundings.check_server(None)) == ["ok"]
    findings = surroundings.check_server(
        SERVER,
        sessions={"a": {"state": "faded", "reason": "too slow"}, "b": {"state": "playing", "reason": ""}},
    )
    assert levels(findings) == ["ok", "warning"]
    assert "too slow" in findings[1].text
    assert "kill 42" in surroundings.check_server(SERVER, error="no answer")[0].advice
    newer = ServerInfo(pid=42, major=9, minor=0, socket="s")
    assert "protocol 9" in only(surroundings.check_server(newer), "bad").text


def test_ports() -> None:
    def check(owner: Listener | None, server: ServerInfo | None) -> Finding:
        return surroundings.check_port("OSC", "udp", 9460, owner, server, "--osc-port")

    stranger = Listener(pid=7, program="sclang")
    assert check(None, None).level == "ok"
    assert check(Listener(pid=42, program="liveband"), SERVER).level == "ok"
    taken = check(stranger, None)
    assert taken.level == "bad"
    assert "sclang (pid 7)" in taken.text
    assert "--osc-port" in taken.advice
    assert check(stranger, SERVER).level == "warning"  # the server that runs found another


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_who_has_a_port(kind: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == "tcp":
            taken.listen()
        port = taken.getsockname()[1]
        assert not is_free(port, kind)
        assert who_listens(port, kind).pid == os.getpid()
    assert is_free(port, kind)
    assert who_listens(port, kind) == Listener(pid=None, program=None)


def device(index: int, inputs: int, outputs: int) -> Device:
    return Device(
        index=index, name=f"card {index}", api="ALSA", inputs=inputs, outputs=outputs, rate_hz=48000.0
    )


def test_audio_devices() -> None:
    both = Devices(devices=(device(0, 2, 0), device(1, 0, 2)), default_input=0, default_output=1)
    found = surroundings.check_devices(both, "linux")
    assert found.level == "ok"
    assert "default input card 0, output card 1" in found.text
    assert "no input device" in surroundings.check_devices(Devices(devices=(device(0, 0, 2),)), "linux").text
    assert "no input and no output" in surroundings.check_devices(Devices(devices=()), "linux").text
    missing = "OSError: PortAudio library not found"
    assert "apt install libportaudio2" in surroundings.check_devices(None, "linux", missing).advice
    assert "pip install" in surroundings.check_devices(None, "darwin", missing).advice
    assert surroundings.check_devices(None, "linux", "did not answer").level == "warning"
    assert surroundings.check_devices(None, "linux").level == "ok"


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"LV2_PATH": "/a:/b"}, [".vst3", "/usr/lib/vst3", ".lv2", "/a", "/b"]),
        ("darwin", {}, ["Library/Audio/Plug-Ins/VST3", "/Library/Audio/Plug-Ins/Components"]),
        ("win32", {"COMMONPROGRAMFILES": "C"}, ["C/VST3"]),
    ],
)
def test_plugin_folders(platform: str, environment: dict[str, str], expected: list[str]) -> None:
    folders = surroundings.plugin_folders(platform, Path("/people/me"), environment)
    for folder in expected:
        assert (
            Path(folder) if folder.startswith("/") or platform == "win32" else Path("/people/me") / folder
        ) in folders


def test_plugin() -> None:
    folder = Path("/people/me/.vst3")
    found = surroundings.check_plugin({folder: ["Other.vst3", "LiveBand.vst3"]})
    assert found.level == "ok"
    assert str(folder / "LiveBand.vst3") in found.text
    assert surroundings.check_plugin({folder: ["Other.vst3", "LiveBand.txt"]}).level == "warning"


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    doctor.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["doctor", *arguments])
    return int(parsed.run(parsed))


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LIVEBAND_RUN", str(tmp_path / "run"))
    monkeypatch.setenv("LIVEBAND_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_report_of_this_machine(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".vst3" / "LiveBand.vst3").mkdir(parents=True)
    code = run("--quick", "--json")
    report = json.loads(capsys.readouterr().out)
    assert code == (1 if report["counts"]["bad"] else 0)
    by_topic = {finding["topic"] for finding in report["findings"]}
    assert by_topic == {"program", "machine", "model", "server", "audio", "plug-in"}
    for finding in report["findings"]:
        assert finding["advice"] or finding["level"] == "ok", finding
    plugin = next(finding for finding in report["findings"] if finding["topic"] == "plug-in")
    assert plugin["data"]["installed"] == [str(home / ".vst3" / "LiveBand.vst3")]


def test_measures_the_model_it_is_given(home: Path) -> None:
    findings = list(doctor.examine("test:copy"))
    assert [f for f in findings if f.topic == "model" and "ms a frame of 40 ms" in f.text]
    assert [f for f in findings if f.topic == "timing" and f.data.get("recommended")]
    assert list((home / "cache").iterdir())  # measured once, kept


def test_unknown_model_is_bad_with_the_reason(home: Path) -> None:
    found = only((f for f in doctor.examine("test:nothing") if f.topic == "model"), "bad")
    assert "unknown model" in found.text


def test_run_directory_that_is_open_to_all_is_bad(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "run").mkdir()
    (home / "run").chmod(0o777)
    assert run("--quick") == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "open to others" in out
    assert "chmod 700" in out
    assert "must be mended" in out


def test_log_to_attach_is_named(home: Path) -> None:
    (home / "run").mkdir(mode=0o700)
    (home / "run" / "liveband.log").touch()
    found = next(f for f in doctor.examine(quick=True) if f.topic == "server")
    assert str(home / "run" / "liveband.log") in found.advice


def test_server_that_does_not_answer_is_bad(home: Path) -> None:
    with open_run_directory() as held:
        held.publish(ServerInfo(pid=os.getpid(), major=1, minor=0, socket=str(held.socket_path)))
        findings = [
            f for f in doctor.examine(quick=True) if f.topic == "server" and "does not answer" in f.text
        ]
    assert levels(findings) == ["bad"]


def test_missing_sound_library_is_noticed_not_fatal(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of that name that fails on import, as sounddevice does without PortAudio."""
    (home / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    monkeypatch.setenv("PYTHONPATH", str(home))
    found = next(f for f in doctor.examine(quick=True) if f.topic == "audio")
    assert found.level == "warning"
    assert "PortAudio" in found.text or "not installed" in found.text


def test_lines_fit_the_terminal_and_commands_stay_whole() -> None:
    for width in (40, 80, 200):
        console = Console(width=width, file=StringIO(), color_system=None)
        doctor.print_finding(console, bad("server", "a text of some length " * 6, advice="pip install numba"))
        file = console.file
        assert isinstance(file, StringIO)
        lines = file.getvalue().splitlines()
        assert all(len(line) <= width for line in lines)
        assert any("pip install numba" in line for line in lines)


def test_terminal_without_signs() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            """
from rich.console import Console
from lbserver.commands import doctor
from lbserver.commands.checks.finding import ok
doctor.print_finding(Console(), ok('audio', 'fine', 'see more'))
""",
        ],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=True,
    )
    assert done.stdout.decode("ascii") == "  ok fine\n     -> see more\n"
