# SPDX-License-Identifier: GPL-3.0-or-later
"""The VST3 in real time in a host of our own, wired as hosts wire it that ask nobody."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lbserver.testing.processes import NO_DISPLAY


class Live:
    """`liveband_vst3_host BUNDLE live` on a string."""

    def __init__(self, program: Path, bundle: Path, environment: dict[str, str], *setup: str) -> None:
        self.process = subprocess.Popen(
            [program, bundle, "live", *setup],
            env=environment | {"DISPLAY": NO_DISPLAY},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, command: str) -> dict[str, Any]:
        """The answer to a command."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the host ended after {command!r}: {self.process.wait()}"
        answer: dict[str, Any] = json.loads(line)
        return answer


@pytest.fixture
def carla(plugin_build: Path, server: Any, tmp_path: Path) -> Iterator[Live]:
    """Every bus active and connected, the side chain to nothing; a band that copies."""
    program = plugin_build.parents[2] / "host" / "liveband_vst3_host"
    if not program.is_file():
        pytest.skip("the plug-in was built without -DLIVEBAND_HOST=ON")
    server.start()
    one = Live(
        program,
        plugin_build / "VST3" / "LiveBand.vst3",
        server.environment,
        str(tmp_path / "records"),
        "48000",
        "480",
        "2",
        "2",
    )
    yield one
    one.process.kill()
    one.process.communicate()


def test_it_sounds_with_every_bus_connected(carla: Live) -> None:
    """Carla activates all buses: the band heard the silent side chain, and the window said `Playing`."""
    carla.ask("input noise")
    assert carla.ask("until sound 15000")["peak"] > 0.01
