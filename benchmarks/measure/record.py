# SPDX-License-Identifier: GPL-3.0-or-later
"""One JSON line a measurement: printed last, and appended to the results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.measure import machine

_RESULTS = Path(__file__).resolve().parents[1] / "results"


def default_results(benchmark: str) -> Path:
    """Where a benchmark's lines are kept."""
    return _RESULTS / f"{benchmark}.jsonl"


def write(benchmark: str, path: Path, config: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
    """Append the line with what it was measured on, and print it."""
    record = {
        "benchmark": benchmark,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": machine.commit(),
        "device": machine.device(),
        "versions": machine.versions(),
        "config": dict(config),
        **figures,
    }
    line = json.dumps(record)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    print(line)
