# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband doctor`: gathers facts of this machine and says what is right, what is not, and what to do."""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from lbmodels.contract.accompanist import Accompanist
from lbmodels.contract.conditions import table
from lbserver import __version__
from lbserver.client.connection import Connection
from lbserver.commands.checks import machine, playing, surroundings
from lbserver.commands.checks.finding import LEVELS, Finding
from lbserver.commands.checks.playing import RuntimeFigure
from lbserver.commands.loaded_models import loaded_models
from lbserver.engine import backends
from lbserver.engine.calibrate import load_or_measure
from lbserver.errors import LiveBandError
from lbserver.files.documents import read_json
from lbserver.files.folders import CACHE_ADVICE, cache_fault, cache_folder
from lbserver.files.plain_json import to_json
from lbserver.host import limits, rundir
from lbserver.host.isolation import SAFE_FOLDER, environment
from lbserver.host.listeners import is_free, who_listens
from lbserver.host.logs import shown
from lbserver.host.rundir import ServerInfo
from lbserver.host.sound_card import Device, Devices
from lbserver.protocol.osc import HTTP_PORT, PORT, ZMQ_PORT
from lbserver.ring.segment import Segment, Shape, create

_STEPS = 25
_DEVICES_S = 15.0
_TITLES = {
    "program": "Program",
    "machine": "This machine",
    "model": "Model",
    "timing": "Timing",
    "server": "Server",
    "audio": "Audio devices",
    "plug-in": "Plug-in",
}
Notify = Callable[[str], None]
"""Told what takes long, and an empty text when it is over."""

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "bad": ("✗", "bold red")}
_PLAIN_MARKS = {"ok": "ok", "warning": "!!", "bad": "XX"}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `doctor` to the commands."""
    parser = commands.add_parser(
        "doctor",
        help="look for what is wrong, and say what to do",
        description="Looks at everything that liveband needs, line by line, and says what to do where it is wrong.\n"
        "The first time it plays silence for a few seconds to measure what this machine can do.\n"
        "The exit code is 0 if all works, 1 if something is bad (warnings do not count).",
        epilog="examples:\n  liveband doctor\n  liveband doctor --json > report.json   attach it to a bug report",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument("--quick", action="store_true", help="load no model, measure nothing")
    parser.add_argument("--again", action="store_true", help="measure anew what was measured before")
    parser.add_argument("--model", metavar="NAME", help="model to measure (default: the default model)")
    parser.set_defaults(run=run, excludes={"quick": ("again", "model")})


def run(parsed: argparse.Namespace) -> int:
    """The command; returns 0, or 1 when something is bad."""
    console, findings = Console(highlight=False), []
    with _Notice(quiet=parsed.json) as notice:
        last = ""
        for finding in examine(parsed.model, quick=parsed.quick, again=parsed.again, notice=notice):
            findings.append(finding)
            if not parsed.json:
                notice("")
                if finding.topic != last:
                    console.print(Text(f"\n{_TITLES[finding.topic]}", style="bold"))
                    last = finding.topic
                print_finding(console, finding)
    count = {level: sum(finding.level == level for finding in findings) for level in LEVELS}
    if parsed.json:
        report = {
            "liveband": __version__,
            "platform": platform.platform(),
            "counts": count,
            "findings": [asdict(finding) for finding in findings],
        }
        print(to_json(report))
    else:
        console.print(_summary(count))
    return 1 if count["bad"] else 0


def examine(
    model: str | None = None, *, quick: bool = False, again: bool = False, notice: Notify = lambda _text: None
) -> Iterator[Finding]:
    """All findings, in the order in which a reader wants them; `notice` is told what takes long."""
    yield machine.check_python(sys.version_info[:3])
    yield from machine.check_packages(
        {package.name: _version(package.name) for package in machine.PACKAGES}, __version__
    )
    yield from _machine()
    yield from _model(model, quick=quick, again=again, notice=notice)
    yield from _server()
    notice("looking for audio devices")
    devices, error = _devices()
    yield surroundings.check_devices(devices, sys.platform, error)
    folders = surroundings.plugin_folders(sys.platform, Path.home(), os.environ)
    yield surroundings.check_plugin({folder: _names(folder) for folder in folders if folder.is_dir()})


def print_finding(console: Console, finding: Finding) -> None:
    """One finding, its advice below it; marks are words where the terminal has no such signs."""
    mark, style = _MARKS[finding.level]
    if not _can_show(console, "✓✗→"):
        mark = _PLAIN_MARKS[finding.level]
    arrow = "→" if _can_show(console, "→") else "->"
    indent = len(mark) + 3
    console.print(Text.assemble("  ", (mark, style), " "), end="")
    _print_block(console, finding.text, indent, "")
    if finding.advice:
        console.print(" " * indent + arrow + " ", end="")
        _print_block(
            console, finding.advice, indent + len(arrow) + 1, "dim" if finding.level == "ok" else "cyan"
        )


def _print_block(console: Console, text: str, indent: int, style: str) -> None:
    """Wrapped to the terminal, later lines under the first; commands are left whole where they fit."""
    lines = Text(text, style=style).wrap(console, max(20, console.width - indent - 1))
    for number, line in enumerate(lines):
        line.rstrip()
        console.print(" " * indent * bool(number), line, sep="")


def _summary(count: Mapping[str, int]) -> Text:
    if count["bad"]:
        many = count["bad"] > 1
        return Text(
            f"\n{count['bad']} thing{'s' * many} must be mended{', ' + str(count['warning']) + ' to look at' if count['warning'] else ''}. "
            "Begin with the first.",
            style="bold red",
        )
    if count["warning"]:
        return Text(f"\nIt works. {count['warning']} to look at.", style="bold yellow")
    return Text("\nAll is well. Hear it: liveband demo", style="bold green")


def _can_show(console: Console, signs: str) -> bool:
    try:
        signs.encode(console.encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


class _Notice:
    """One line on stderr, gone when the next finding comes."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(stderr=True)
        self._status = self._console.status("")
        self._on = not quiet and self._console.is_terminal

    def __call__(self, text: str) -> None:
        if self._on and text:
            self._status.update(text)
            self._status.start()
        elif self._on:
            self._status.stop()

    def __enter__(self) -> "_Notice":
        return self

    def __exit__(self, *_error: object) -> None:
        self("")


def _machine() -> Iterable[Finding]:
    governors = []
    for file in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"):
        with suppress(OSError):
            governors.append(file.read_text().strip())
    yield from machine.check_cpu(limits.cores(), governors, limits.load())
    yield from machine.check_limits(
        memlock_bytes=limits.locked_bytes(),
        descriptors=limits.open_files(),
        memory_free_bytes=limits.free_bytes(),
    )
    yield machine.check_cache(str(cache_folder()), cache_fault(), CACHE_ADVICE)
    try:
        descriptor = create(Shape(rate_hz=48000, mix_channels=2, stem_channels=2, capacity=1 << 17))
        try:
            Segment(descriptor).close()
        finally:
            os.close(descriptor)
    except (LiveBandError, AttributeError) as error:
        yield machine.check_memory_sharing(str(error))
    else:
        yield machine.check_memory_sharing("")


def _model(name: str | None, *, quick: bool, again: bool, notice: Notify) -> Iterable[Finding]:
    try:
        yield from playing.check_weights(backends.verify_weights())
        yield from playing.check_sizes(backends.sizes_bytes())
    except (ValueError, ImportError) as error:
        yield playing.cannot_play(_line(error))
        return
    if quick:
        return
    try:
        notice("loading the model; the first time it is prepared for this machine, which takes a while")
        accompanist = backends.load(name)
    except ValueError as error:
        if not backends.is_user_error(error):
            raise
        yield playing.cannot_play(_line(error))
        return
    notice("measuring a frame on each runtime")
    figures, chosen = _runtime_figures(accompanist, name)
    yield from playing.check_runtimes(figures, chosen, accompanist.spec.frame_ms)
    notice("measuring how long this machine needs, as a live session would: a few seconds")
    calibration = load_or_measure(accompanist, again=again)
    yield from playing.check_timing(accompanist.spec, calibration.budget)


def _runtime_figures(accompanist: Accompanist, name: str | None) -> tuple[list[RuntimeFigure], str]:
    """What a frame costs on each runtime that could play, and which one is used."""
    if (name or "").startswith("test:"):
        return [RuntimeFigure(name="numpy", step_ms=_step_ms(accompanist))], "numpy"
    timed = backends.runtimes(name)
    figures = [
        RuntimeFigure(name=one.runtime, step_ms=one.ms_per_frame, error=shown(one.note, 200)) for one in timed
    ]
    return figures, next((one.runtime for one in timed if one.used), "")


def _step_ms(accompanist: Accompanist) -> float:
    """Median cost of a frame of one session."""
    spec = accompanist.spec
    mix = np.zeros((1, spec.channels, spec.hop * spec.chunk_frames), np.float32)
    known = {"stem": 0.0, "anticipation": float(spec.anticipation_frames[0]), "variation": 1.0}
    conditions = table(known, [{}] * spec.chunk_frames, 1)
    state, active, times = accompanist.init_state([0]), np.ones(1, np.bool_), []
    for _ in range(_STEPS):
        begun = time.perf_counter()
        _, state = accompanist.step(mix, conditions, state, active)
        times.append(time.perf_counter() - begun)
    return 1000.0 * float(np.median(times)) / spec.chunk_frames


def _server() -> Iterable[Finding]:
    path = rundir.run_path()
    server: ServerInfo | None = None
    try:
        server = rundir.find_server(path)
        log = path / rundir.LOG
        yield surroundings.check_run_directory(path, exists=path.exists(), log=log if log.exists() else None)
    except LiveBandError as error:
        yield surroundings.check_run_directory(path, exists=True, error=str(error))
    told: Mapping[str, Any] = {}
    fault = ""
    if server is not None:
        try:
            with closing(Connection(server, "doctor")) as line:
                told = line.ask("session_list", "sessions")
        except LiveBandError as error:
            fault = str(error)
    yield from surroundings.check_server(server, sessions=told.get("sessions"), error=fault)
    yield from surroundings.check_loaded(loaded_models(told))
    for use, kind, port, option in (
        ("OSC", "udp", PORT, "--osc-port"),
        ("HTTP", "tcp", HTTP_PORT, "--http-port"),
        ("ZeroMQ", "tcp", ZMQ_PORT, "--zmq-port"),
    ):
        owner = None if is_free(port, kind) else who_listens(port, kind)
        yield surroundings.check_port(use, kind, port, owner, server, option)


_LIST_DEVICES = """
import json
from dataclasses import asdict
import sounddevice
from lbserver.host.sound_card import list_devices
print("\\n" + json.dumps(asdict(list_devices(sounddevice))))
"""


def _devices() -> tuple[Devices | None, str]:
    """The devices, or why not. Asked in a process of its own: a sound system that is ill hangs, crashes, and talks."""
    if _version("sounddevice") is None:
        return None, ""
    try:
        answer = subprocess.run(
            [sys.executable, "-P", "-c", _LIST_DEVICES],
            cwd=SAFE_FOLDER,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=_DEVICES_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return None, f"the sound system did not answer for {_DEVICES_S:g} s"
    if answer.returncode != 0:
        lines = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
        return None, shown(lines[-1], 200)
    listed = read_json(answer.stdout.strip().splitlines()[-1])
    devices = tuple(Device(**device) for device in listed.pop("devices"))
    return Devices(devices=devices, **listed), ""


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
