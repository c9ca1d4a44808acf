# SPDX-License-Identifier: GPL-3.0-or-later
"""What `demo` and `bounce` share: options of the model and of printing, the progress bar, the report."""

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from lbmodels.contract.accompanist import Accompanist
from lbserver.engine import backends
from lbserver.files.folders import CACHE_ADVICE, cache_fault

if TYPE_CHECKING:
    from lbserver.engine.bounce import BounceReport


def add_model_options(parser: "argparse._ActionsContainer") -> None:
    parser.add_argument("--model", metavar="NAME", help="a name from `liveband models list`, or a path")
    add_device_option(parser)
    parser.add_argument(
        "--seed", type=int, default=0, help="another number, another take (default: %(default)s)"
    )


def add_device_option(parser: "argparse._ActionsContainer") -> None:
    parser.add_argument(
        "--device",
        default="auto",
        metavar="DEVICE",
        help="where the model runs: auto, cpu, cuda, cuda:<number> or mps (default: $LIVEBAND_DEVICE, else the CPU)",
    )


def use_device(device: str) -> None:
    """This program and those that it starts play on `device`. Raises LiveBandModelError: this machine has none such."""
    if device != "auto":
        backends.check_device(device)
        os.environ["LIVEBAND_DEVICE"] = device


def add_print_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no report")


def load(model: str | None, device: str) -> Accompanist:
    """A model to play with here; says once if each start will be slow."""
    use_device(device)
    if fault := cache_fault():
        print(f"liveband: warning: {fault}; {CACHE_ADVICE}", file=sys.stderr)
    return backends.load(model)


def print_report(report: "BounceReport") -> None:
    rows = [("stem", "loudness", "peak", "file")]
    rows.append(("(input)", _level(report.source_loudness_lufs, "LUFS"), "", str(report.source)))
    rows += [
        (file.name, _level(file.loudness_lufs, "LUFS"), _level(file.peak_dbfs, "dBFS"), str(file.path))
        for file in report.files
    ]
    name_width = max(len(row[0]) for row in rows)
    for name, loudness, peak, path in rows:
        print(f"{name:<{name_width}}  {loudness:>10}  {peak:>10}  {path}")
    for file in report.files:
        if file.lowered_db:
            print(f"{file.name}: turned down by {file.lowered_db:.1f} dB so that it does not clip")
        if file.clipped_samples:
            print(f"{file.name}: {file.clipped_samples} samples clipped; try --gain -6, or a .wav output")
    stems = "1 stem" if len(report.stems) == 1 else f"{len(report.stems)} stems at once"
    print(
        f"{report.duration_s:.2f} s at {report.rate_hz} Hz in {report.compute_s:.2f} s "
        f"({report.rtf:.1f} x real time, {stems}); model {report.model}, seed {report.seed}"
    )


def _level(value: float | None, unit: str) -> str:
    return "silent" if value is None else f"{value:.1f} {unit}"


class Bar:
    """A progress bar on stderr, with the time that remains; shows nothing when quiet."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            TextColumn("playing"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[done]}, remaining"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=quiet or not sys.stderr.isatty(),
            transient=True,
        )
        self._task: Any = None

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_error: object) -> None:
        if self._task is not None:
            self._progress.stop()

    def show(self, done: float, total: float, words: str = "") -> None:
        """`words` say how much is done, where these are not seconds."""
        words = words or f"{done:.0f}/{total:.0f} s"
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task("playing", total=total, done=words)
        self._progress.update(self._task, completed=done, done=words)
