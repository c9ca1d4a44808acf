# SPDX-License-Identifier: GPL-3.0-or-later
"""The release binary of the plug-in, loaded: no system call, nothing that blocks, nothing left behind."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def _programs(plugin_build: Path) -> Path:
    named = os.environ.get("LIVEBAND_PLUGIN_HOST")
    folder = Path(named).parent if named else plugin_build.parents[2] / "host"
    if not (folder / "liveband_vst3_host").is_file():
        pytest.skip("the plug-in was built without -DLIVEBAND_HOST=ON")
    return folder


def _host(
    plugin_build: Path, environment: dict[str, str], *words: str, stdin: str = ""
) -> list[dict[str, Any]]:
    bundle = plugin_build / "VST3" / "LiveBand.vst3"
    command: list[str | Path] = [_programs(plugin_build) / "liveband_vst3_host", bundle, *words]
    done = subprocess.run(
        command, env=environment, input=stdin, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("band", ["alone", "band"])
def test_no_system_call_in_ten_thousand_blocks(plugin_build: Path, server: Any, band: str) -> None:
    server.run.mkdir(mode=0o700, exist_ok=True)
    if band == "band":
        server.start()
    [seen] = _host(plugin_build, server.environment, "trap", band, "10000")
    assert seen["filter"]
    assert seen["band"] == (band == "band")
    assert seen["calls"] == 0


def test_a_system_call_is_counted(plugin_build: Path, server: Any) -> None:
    server.run.mkdir(mode=0o700, exist_ok=True)
    [seen] = _host(plugin_build, server.environment, "trap", "alone", "10", "on-purpose")
    assert seen["calls"] == 1


@pytest.mark.parametrize("band", ["alone", "band"])
def test_realtime_sanitizer_finds_nothing(plugin_build: Path, server: Any, band: str) -> None:
    program = _programs(plugin_build) / "liveband_vst3_rtsan"
    if not program.is_file():
        pytest.skip("no RealtimeSanitizer here (Debian: libclang-rt-19-dev)")
    server.run.mkdir(mode=0o700, exist_ok=True)
    if band == "band":
        server.start()
    command: list[str | Path] = [program, plugin_build / "VST3" / "LiveBand.vst3", "5000", band]
    clean = subprocess.run(
        command, env=server.environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert clean.returncode == 0, clean.stderr[:2000]
    if band == "alone":
        dirty = subprocess.run(
            [*command, "malloc"],
            env=server.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert dirty.returncode != 0
        assert "malloc" in dirty.stderr


@pytest.mark.parametrize("band", ["alone", "band"])
@pytest.mark.parametrize(("what", "count"), [("load", "200"), ("open", "1000")])
def test_cycles_leave_nothing(plugin_build: Path, server: Any, band: str, what: str, count: str) -> None:
    server.run.mkdir(mode=0o700, exist_ok=True)
    if band == "band":
        server.start()
    [seen] = _host(plugin_build, server.environment, "cycles", what, count)
    # One session that is up at the end and was not at the tenth: its socket and its ring. The allocator has maps too.
    assert seen["fds"] <= (3 if (what, band) == ("open", "band") else 0)
    assert seen["threads"] <= 0
    assert seen["maps"] <= 8
    assert seen["rss_kb"] <= 0.9 * int(count), "more than 1 kB a cycle"


def test_by_the_clock(plugin_build: Path, server: Any, tmp_path: Path) -> None:
    server.run.mkdir(mode=0o700, exist_ok=True)
    server.start()
    record = tmp_path / "blocks"
    said = _host(
        plugin_build,
        server.environment,
        "live",
        str(record),
        stdin="play\nuntil sound 15000\ntext stem drums\nbypass 1\nlocate 4800\nloop 0 4\nend\n",
    )
    assert all("error" not in line for line in said), said
    names = ("block", "due_ns", "start_ns", "took_ns", "song_sample", "latency_samples")
    kind = [(name, "i8") for name in names]
    kind += [(name, "i4") for name in ("samples", "channels", "playing", "unwritten")]
    blocks = np.fromfile(record, np.dtype([*kind, ("input", "f4", (2, 128)), ("output", "f4", (2, 128))]))
    assert (np.diff(blocks["block"]) == 1).all()
    assert (blocks["unwritten"] == 0).all()
    assert np.isfinite(blocks["output"]).all()
    # The copyist plays what it heard, by the latency that the host was told.
    wet = blocks["output"][:, 0].ravel()
    dry = blocks["input"][:, 0].ravel()
    assert np.abs(wet).max() <= np.abs(dry).max() * 1.001
