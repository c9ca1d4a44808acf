# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plug-in costs its host: one block of the audio thread, in instructions and in microseconds.

    python -m benchmarks.plugin --samples 128 --blocks 20000

Instructions are counted by callgrind where valgrind is installed, are the same in every run, and leave out what the
host itself does. Time is taken of the optimised program and pays for whatever else the machine does.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.measure import machine, record
from lbserver.errors import LiveBandError

SHIM = Path(__file__).resolve().parents[1] / "plugin_shim"
_SOURCES = ("segment", "conceal", "host_port", "port_wait", "audio_side", "offline")
_CASES = {"band": "the band plays", "gap": "the stem breaks off again and again", "none": "no server"}
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
        cases = [measure(program, Path(folder), name, config) for name in _CASES]
    return {
        "compiler": f"g++ {version.stdout.strip()}",
        "load_average": [load_before, machine.load_average()],
        "cases": cases,
    }


def measure(program: Path, folder: Path, case: str, config: PluginConfig) -> dict[str, Any]:
    """One case: microseconds of a block, and instructions if they can be counted (else None)."""
    times = folder / "times"
    subprocess.run([program, str(config.blocks), str(config.samples), case, times], check=True)
    took_us = np.fromfile(times, np.int64)[config.blocks // 10 :] / 1000
    return {
        "case": case,
        "median_us": float(np.median(took_us)),
        "p99_us": float(np.percentile(took_us, 99)),
        "max_us": float(took_us.max()),
        "instructions": instructions(program, folder, case, config.samples),
    }


def instructions(program: Path, folder: Path, case: str, samples: int) -> float | None:
    """Mean instructions of a block; None without valgrind."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return None
    options = [
        "--tool=callgrind",
        "--collect-atstart=no",
        "--toggle-collect=liveband_block",
        f"--callgrind-out-file={folder / 'callgrind'}",
    ]
    command: list[str | Path] = [valgrind, *options, program]
    command += [str(_INSTRUCTIONS_OF), str(samples), case, folder / "unused"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
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
