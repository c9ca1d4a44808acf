# SPDX-License-Identifier: GPL-3.0-or-later
"""How many sessions a core plays of a model, what they cost and send: what a fleet is planned and limited by.

    python -m benchmarks.capacity
    python -m benchmarks.capacity --model runs/band

The model's step is measured by CPU time for batches of 1 to 32; then the live engine plays 1, 2, 3 ... sessions on one worker on the
virtual clock, each step costing one of the measured times, until more than one frame in 10,000 is late or the core is
busier than four fifths. The last number before that is the limit. A line goes to the results, and the newest of each model and
processor into lbserver/fleet/measured.json, which `liveband fleet plan` and `simulate` read.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.measure import machine, record
from benchmarks.sessions import Costs, SessionsConfig, measured_costs, played
from lbmodels.contract.accompanist import Accompanist
from lbserver.client.connection import Connection
from lbserver.engine import backends
from lbserver.files.documents import read_json
from lbserver.fleet.planning import MEASURED
from lbserver.host.rundir import ServerInfo
from lbserver.protocol.wire import pack
from lbserver.testing import servers

MOST_LATE = 1e-4
MOST_BUSY = 0.8

_ZEROMQ_BYTES = 9  # before a frame of more than 255 bytes
_CURVE_BYTES = 33  # name, nonce, authenticator and flags around an encrypted one


def message_bytes() -> float:
    """What ZeroMQ is given and adds to a block's samples when it goes out encrypted, of the longer of the two messages."""
    data = b"\0" * 4096
    block = {"type": "audio", "session": "s" * 24, "epoch": 1, "position": 1 << 24, "channels": 2, "format": "f32",
             "data": data, "offline": False, "needed": 1 << 24}  # fmt: skip
    stem = {name: block[name] for name in ("session", "epoch", "position", "channels", "format", "data")}
    longest = max(len(pack(block)), len(pack({"type": "stem", **stem})))
    return float(longest - len(data) + _ZEROMQ_BYTES + _CURVE_BYTES)


def worker_mib(model: str | None) -> float:
    """Memory of a worker of a server that plays the model, before its first session."""
    with servers.serving(*(("--model", model) if model else ())) as told:
        line = Connection(ServerInfo(**{one.name: told[one.name] for one in fields(ServerInfo)}), "capacity")
        try:
            (loaded,) = line.ask("session_list", "sessions")["models"].values()
        finally:
            line.close()
    return float(loaded["resident_bytes"]) / (1 << 20)


def limit(costs: Costs, accompanist: Accompanist, config: SessionsConfig) -> tuple[int, list[dict[str, Any]]]:
    """The most sessions that one worker plays in time, and every row that was played to find it."""
    rows: list[dict[str, Any]] = []
    for sessions in range(1, max(costs) + 1):
        rows.append(played(costs, accompanist, sessions, 1, config))
        if rows[-1]["late_rate"] > MOST_LATE or rows[-1]["busiest_core"] > MOST_BUSY:
            return sessions - 1, rows
    return max(costs), rows


def keep(path: Path, entry: Mapping[str, Any]) -> None:
    """Put an entry among the measured ones, in the place of an older one of its model and device."""
    entries = read_json(path.read_text(encoding="utf-8"))["measured"] if path.exists() else []
    same = (entry["model"], entry["device"])
    entries = [one for one in entries if (one["model"], one["device"]) != same] + [dict(entry)]
    path.write_text(json.dumps({"measured": entries}, indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description="What a core plays.")
    parser.add_argument("--model", help="a model's name or path (default: the default model)")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32])
    parser.add_argument("--frames", type=int, default=150, help="measured steps a batch")
    parser.add_argument("--seconds", type=float, default=60.0, help="virtual time a row")
    parser.add_argument("--measured", type=Path, default=MEASURED, help="the file for plans")
    parser.add_argument("--results", type=Path, default=record.default_results("capacity"))
    args = parser.parse_args(arguments)
    if min(*args.batches, args.frames) < 1 or args.seconds <= 0:
        parser.error("--batches, --frames and --seconds accept positive numbers")
    accompanist = backends.load(args.model)
    spec = accompanist.spec
    costs = measured_costs(accompanist, sorted({1, *args.batches}), args.frames)
    config = SessionsConfig(model=args.model, frames=args.frames, seconds=args.seconds)
    most, rows = limit(costs, accompanist, config)
    device = machine.device()
    entry = {
        "model": spec.name,
        "weights_id": spec.weights_id,
        "device": {name: device[name] for name in ("processor", "instructions")},
        "sessions": most,
        "frame_ms": spec.frame_ms * spec.chunk_frames,
        "step_cpu_ms": {
            str(batch): round(1000 * float(np.median(times)), 3) for batch, times in costs.items()
        },
        "worker_mib": round(worker_mib(args.model), 1),
        "message_bytes": message_bytes(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": machine.commit(),
    }
    table = Table(
        title=f"{spec.name} on a core of {device['processor']}: {most} sessions", title_justify="left"
    )
    for column in ("sessions", "late rate", "core %", "mean batch"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(str(row["sessions"]), f"{row['late_rate']:.2g}", f"{100 * row['busiest_core']:.0f}", f"{row['mean_batch']:.2f}")  # fmt: skip
    Console(width=110).print(table)
    keep(args.measured, entry)
    record.write("capacity", args.results, asdict(config), {"entry": entry, "rows": rows})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
