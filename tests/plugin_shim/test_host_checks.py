# SPDX-License-Identifier: GPL-3.0-or-later
"""The loaded plug-in in a host of our own: checks after Steinberg's validator, pluginval and clap-validator.

One test a check, three times: with no server, with one, with one that hangs. The host runs a check in a process of its
own, kills it after 45 s, and says what was wrong.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lbserver.testing.processes import NO_DISPLAY

LISTS = {
    "none": ("validator", "pluginval", "clap", "liveband"),
    "copy": ("validator", "pluginval", "clap", "liveband"),
    # Each time that it is prepared the plug-in waits a little for a band that hangs.
    "hung": ("validator/Valid", "validator/Process", "pluginval-7", "liveband"),
}
CHECKS = """
validator/Scan Classes
validator/Scan Editor Classes
validator/Scan Parameters
validator/Parameter Plain Values
validator/Parameter Texts
validator/Scan Units
validator/Scan Programs
validator/MIDI Mapping and Interfaces
validator/Scan Buses
validator/Bus Invalid Index
validator/Bus Activation
validator/Speaker Arrangements
validator/Terminate and Initialize
validator/Valid State Transition
validator/Invalid State Transition
validator/Repeat Identical State Transition
validator/Suspend and Resume
validator/Process Format
validator/Sample Rates
validator/Bypass Persistence
clap/state-reproducibility
clap/state-buffered-streams
clap/state-invalid-empty-truncated-random
validator/Variable Block Size
validator/Process Threaded
validator/Parameters Flush without Buffers
validator/Process without Outputs
validator/Process Input Overwriting
validator/Silence Flags
validator/Process Tail and Latency
validator/Automation Sample Accurate
clap/process-audio-in-place
clap/process-block-sizes
clap/process-denormals
clap/process-transport-fuzz
clap/process-seeded-fuzz
liveband/nonsense in, bounded out
pluginval-1/Open plugin (cold and warm)
pluginval-1/Plugin info
pluginval-2/Plugin programs
pluginval-2/Plugin state
pluginval-2/Automatable Parameters
pluginval-3/Audio processing
pluginval-3/Automation
pluginval-4/Basic bus
pluginval-6/Fuzz parameters
pluginval-6/Non-releasing audio processing
pluginval-6/Plugin state restoration
pluginval-7/Parameters
pluginval-7/Parameter thread safety
pluginval-8/Process called with a larger than prepared block size
pluginval-9/Allocations during process
pluginval-1/Ensuring that the locale does not change during execution
pluginval-2/Editor (cold and warm)
pluginval-3/Editor DPI Awareness
pluginval-4/Open editor whilst processing
pluginval-5/Editor Automation
pluginval-6/Editor stress
pluginval-7/Background thread state
liveband/window resized
liveband/window clicked and dragged all over
liveband/window opened often
liveband/two windows
liveband/window closed, the plug-in goes on
liveband/states from another thread
liveband/typed values
liveband/live to offline and back in mid-stream
liveband/blocks longer than announced
liveband/longer blocks of a thousand channels
liveband/eight at once
liveband/destroyed at any moment
liveband/unloaded at once
liveband/the host ends without a word
liveband/no first thread
""".strip().splitlines()

PAIRS = [
    (situation, check)
    for situation, prefixes in LISTS.items()
    for check in CHECKS
    if check.startswith(prefixes)
]
WINDOW = (
    "pluginval-1/Ensuring",
    "pluginval-2/Editor",
    "pluginval-3/Editor",
    "pluginval-4/Open editor",
    "pluginval-5/Editor",
    "pluginval-6/Editor",
    "pluginval-7/Background thread state",
    "liveband/window",
    "liveband/two windows",
)

Results = Callable[[str], dict[str, list[str]]]


@pytest.fixture(scope="module")
def vst3_host(plugin_build: Path) -> Path:
    named = os.environ.get("LIVEBAND_PLUGIN_HOST")
    for path in (Path(named or "/nowhere"), plugin_build.parents[2] / "host" / "liveband_vst3_host"):
        if path.is_file():
            return path
    pytest.skip("the plug-in was built without -DLIVEBAND_HOST=ON")


@pytest.fixture(scope="module")
def results(
    vst3_host: Path,
    plugin_build: Path,
    tmp_path_factory: pytest.TempPathFactory,
    calibration: Path,
    screen: str | None,
) -> Results:
    """What was wrong in each check, run once for all tests of a situation."""
    known: dict[str, dict[str, list[str]]] = {}

    def run(situation: str, environment: dict[str, str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for prefix in LISTS[situation]:
            done = subprocess.run(
                [vst3_host, plugin_build / "VST3" / "LiveBand.vst3", "check", prefix],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            lines: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
            found.update({line["check"]: line["problems"] for line in lines})
        return found

    def of(situation: str) -> dict[str, list[str]]:
        if situation not in known:
            folder = tmp_path_factory.mktemp(situation)
            (folder / "run").mkdir(mode=0o700)
            environment = {
                **os.environ,
                "LIVEBAND_RUN": str(folder / "run"),
                "XDG_DATA_HOME": str(folder / "data"),
                "LIVEBAND_CACHE": str(calibration),
                "DISPLAY": screen or NO_DISPLAY,
            }
            if situation == "none":
                known[situation] = run(situation, environment)
                return known[situation]
            command = ["-m", "lbserver", "serve", "--json", "--model", "test:copy"]
            server = subprocess.Popen(
                [sys.executable, *command, "--osc-port", "off", "--http-port", "off"],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
            try:
                assert server.stdout is not None
                assert server.stdout.readline(), "the server did not start"
                if situation == "hung":
                    os.killpg(server.pid, signal.SIGSTOP)
                known[situation] = run(situation, environment)
            finally:
                os.killpg(server.pid, signal.SIGKILL)
                server.communicate(timeout=60)
        return known[situation]

    return of


@pytest.mark.parametrize(("situation", "check"), PAIRS)
def test_check(results: Results, screen: str | None, situation: str, check: str) -> None:
    if screen is None and check.startswith(WINDOW):
        pytest.skip("Xvfb is not installed: apt install xvfb")
    found = results(situation)
    assert check in found, "the host ran no such check"
    assert found[check] == []


def test_all_checks_are_tests(vst3_host: Path, plugin_build: Path) -> None:
    """A check that the host has and this file has not would never be asserted."""
    listed = subprocess.run([vst3_host, plugin_build, "list"], capture_output=True, text=True, check=True)
    assert listed.stdout.splitlines() == CHECKS
