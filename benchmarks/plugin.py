# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plug-in costs its host: one block of the audio thread, in instructions and in microseconds.

    python -m benchmarks.plugin --samples 128 --blocks 20000

Instructions are counted by callgrind where valgrind is installed, are the same in every run, and leave out what the
host itself does. Time is taken of the optimised program and pays for whatever else the machine does.

Where `make plugin` has built the plug-in and its test host, the loaded VST3 is weighed too, JUCE's wrapper included: once
alone, block after block, once with a server, by the clock (its caches are cold then, as in a host), and once with a server that relays
to a fleet of two: what is at the other end shall cost the audio thread nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.measure import machine, record
from lbserver.errors import LiveBandError
from lbserver.files.documents import read_json
from lbserver.host.isolation import environment, python
from lbserver.testing.processes import running
from lbserver.testing.servers import serving

SHIM = Path(__file__).resolve().parents[1] / "plugin_shim"
_SOURCES = (
    "segment", "conceal", "host_port", "port_wait", "audio_side", "offline", "system/linux/shared_memory", "system/unix/mapping",
)  # fmt: skip
_CASES = {
    "band": "the band plays",
    "gap": "the stem breaks off again and again",
    "none": "no server",
    "vst3_alone": "loaded VST3, no server",
    "vst3_band": "loaded VST3, the band plays",
    "vst3_fleet": "loaded VST3, a fleet's band plays",
}
_BARE = ("band", "gap", "none")
_INSTRUCTIONS_OF = 2000
"""Blocks that callgrind runs."""


@dataclass(frozen=True, kw_only=True)
class PluginConfig:
    """Stereo blocks of `samples`, as many as `blocks`."""

    samples: int = 128
    blocks: int = 20000


def run(config: PluginConfig) -> dict[str, Any]:
    """All figures, one entry a case. Raises LiveBandError where there is no compiler."""
    compiler = shutil.which("g++")
    if compiler is None:
        raise LiveBandError("no C++ compiler here: install g++")
    load_before = machine.load_average()
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "block_cost"
        flags = ["-std=c++17", "-O2", "-pthread", "-ffp-contract=off", "-Icore", "-Iinclude", "-Itests"]
        sources = ["tests/block_cost.cpp", *(f"core/{name}.cpp" for name in _SOURCES)]
        subprocess.run([compiler, *flags, *sources, "-o", program], cwd=SHIM, check=True)
        version = subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True, check=True)
        cases = [measure(program, Path(folder), name, config) for name in _BARE]
        cases += loaded(Path(folder), config)
    return {
        "compiler": f"g++ {version.stdout.strip()}",
        "load_average": [load_before, machine.load_average()],
        "cases": cases,
    }


def measure(program: Path, folder: Path, case: str, config: PluginConfig) -> dict[str, Any]:
    """One case: microseconds of a block, and instructions if they can be counted (else None)."""
    times = folder / "times"
    subprocess.run([program, str(config.blocks), str(config.samples), case, times], check=True)
    return {
        "case": case,
        **timed(times, config.blocks),
        "instructions": instructions(program, folder, case, config.samples),
    }


def loaded(folder: Path, config: PluginConfig) -> list[dict[str, Any]]:
    """The release binary in the test host, `process()` as a whole; nothing where they are not built."""
    made = SHIM.parent / "build" / "plugin"
    named = os.environ.get("LIVEBAND_PLUGIN_BUILD")
    build = Path(named) if named else made / "juce" / "LiveBand_artefacts" / "Release"
    host = Path(os.environ.get("LIVEBAND_PLUGIN_HOST") or made / "host" / "liveband_vst3_host")
    bundle = build / "VST3" / "LiveBand.vst3"
    if not host.is_file() or not bundle.is_dir():
        return []
    cases = []
    for case in ("alone", "band", "fleet"):
        blocks = config.blocks if case == "alone" else min(config.blocks, 4000)
        with _served(folder, case) as run_folder:
            env = {**os.environ, "LIVEBAND_RUN": str(run_folder), "XDG_DATA_HOME": str(folder / "data")}
            weigh: list[str | Path] = [host, bundle, "weigh", "alone" if case == "alone" else "band"]
            times = folder / f"times_{case}"
            told = subprocess.run(
                [*weigh, str(blocks), str(config.samples), times], env=env, check=True, capture_output=True
            )
            if read_json(told.stdout)["band"] != (case != "alone"):
                raise LiveBandError("the band did not play in the loaded plug-in")
            count = counted(
                [*weigh, str(_INSTRUCTIONS_OF), str(config.samples)], folder, "liveband_process", env
            )
        cases.append({"case": f"vst3_{case}", **timed(times, blocks), "instructions": count})
    return cases


@contextlib.contextmanager
def _served(folder: Path, case: str) -> Iterator[Path]:
    """The run directory of a server that plays, that relays to a fleet, or of none."""
    with contextlib.ExitStack() as stack:
        if case == "alone":
            run_folder = folder / "nobody"
            run_folder.mkdir(mode=0o700)
            yield run_folder
            return
        options = ("--model", "test:copy")
        if case == "fleet":
            options = ("--upstream", stack.enter_context(_a_fleet(folder)))
        yield Path(stack.enter_context(serving(*options))["run"])


@contextlib.contextmanager
def _a_fleet(folder: Path) -> Iterator[str]:
    """The address of a fleet of two servers."""
    words = (
        "fleet",
        "serve",
        "--port",
        "0",
        "--json",
        "--model",
        "test:copy",
        "--servers",
        "2",
        "--sessions",
        "4",
    )
    env = environment({"LIVEBAND_RUN": str(folder / "f")})
    with running(python("lbserver", *words), env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield f"fleet://127.0.0.1:{read_json(process.stdout.readline())['zmq_port']}"
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)


def timed(times: Path, blocks: int) -> dict[str, float]:
    """Microseconds of a block, the first tenth left out."""
    took_us = np.fromfile(times, np.int64)[blocks // 10 :] / 1000
    return {
        "median_us": float(np.median(took_us)),
        "p99_us": float(np.percentile(took_us, 99)),
        "max_us": float(took_us.max()),
    }


def instructions(program: Path, folder: Path, case: str, samples: int) -> float | None:
    """Mean instructions of a block; None without valgrind."""
    command: list[str | Path] = [program, str(_INSTRUCTIONS_OF), str(samples), case, folder / "unused"]
    return counted(command, folder, "liveband_block", None)


def counted(
    command: Sequence[str | Path], folder: Path, function: str, env: dict[str, str] | None
) -> float | None:
    """Mean instructions within `function` of a program that calls it once a block; None without valgrind."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return None
    options = [
        "--tool=callgrind",
        "--collect-atstart=no",
        f"--toggle-collect={function}",
        f"--callgrind-out-file={folder / 'callgrind'}",
    ]
    done = subprocess.run([valgrind, *options, *command], env=env, capture_output=True, text=True, check=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    return int(found.group(1)) / _INSTRUCTIONS_OF if found else None


def show(console: Console, config: PluginConfig, figures: dict[str, Any]) -> None:
    table = Table(title=f"One stereo block of {config.samples} samples on the audio thread")
    for title in ("case", "instructions", "median us", "p99 us", "max us"):
        table.add_column(title, justify="left" if title == "case" else "right")
    for case in figures["cases"]:
        count = case["instructions"]
        table.add_row(
            _CASES[case["case"]],
            "-" if count is None else f"{count:.0f}",
            f"{case['median_us']:.2f}",
            f"{case['p99_us']:.2f}",
            f"{case['max_us']:.1f}",
        )
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    defaults = PluginConfig()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plugin", description="Weighs an audio block.")
    parser.add_argument(
        "--samples", type=int, default=defaults.samples, help="of a block (default: %(default)s)"
    )
    parser.add_argument(
        "--blocks", type=int, default=defaults.blocks, help="that are timed (default: %(default)s)"
    )
    parser.add_argument(
        "--results", type=Path, default=record.default_results("plugin"), help="lines go here"
    )
    args = parser.parse_args(arguments)
    if not 1 <= args.samples <= 32768 or args.blocks < 10:
        parser.error("--samples accepts 1 to 32768, --blocks 10 or more")
    config = PluginConfig(samples=args.samples, blocks=args.blocks)
    try:
        figures = run(config)
    except LiveBandError as error:
        parser.error(str(error))
    show(Console(width=120), config, figures)
    record.write("plugin", args.results, asdict(config), figures)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
