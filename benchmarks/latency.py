# SPDX-License-Identifier: GPL-3.0-or-later
"""Reported against measured: an impulse through a copying accompanist, by every transport.

    python -m benchmarks.latency                 every transport, some two minutes
    python -m benchmarks.latency --only virtual

On the virtual clock every rate, block, mode and anticipation; by the real transports (the local socket, live and
offline, ZeroMQ, a relay to an upstream server, OSC) in real time, with processes and packets, on this machine. The
copy comes a hop after what it copies by its nature; that hop is in both columns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.measure import plot, record
from lbmodels.contract.accompanist import Audio
from lbserver.client import Client
from lbserver.client.osc import OscClient
from lbserver.engine.budget import Budget
from lbserver.engine.virtual import VirtualWorker, run
from lbserver.ring.timeline import Mode
from lbserver.testing import accompanists, stage
from lbserver.testing.servers import serving

TRANSPORTS = ("virtual", "local", "local offline", "zeromq", "upstream", "osc")
_HOP_S = 0.04


@dataclass(frozen=True, kw_only=True)
class LatencyConfig:
    """What to measure; `seconds` of audio for each row of a real transport."""

    only: tuple[str, ...] = TRANSPORTS
    seconds: float = 3.0
    rates_hz: tuple[int, ...] = stage.RATES_HZ
    block: int = 480


def virtual_rows(rates_hz: Sequence[int]) -> list[dict[str, Any]]:
    """Every rate, block, mode and anticipation."""
    rows = []
    for rate_hz in rates_hz:
        for name, blocks in stage.BLOCKS.items():
            for mode, frames in stage.MODES:
                copy = accompanists.copy()
                seat = stage.Seat(rate_hz=rate_hz, blocks=blocks, mode=mode, anticipation_frames=frames)
                first, every = rate_hz // 7 + 1, rate_hz * 7 // 10 + 2 * max(blocks)
                seconds = (first + 2 * every) / rate_hz
                budget = Budget(compute_s=0.006, margin_s=0.002)
                host = stage.front_end("a", seat, copy.spec, budget, stage.impulses(every, first))
                worker = VirtualWorker(copy, lambda _rows, _now_s: 0.005)
                session = worker.serve(host)
                ahead, latency = stage.reported_samples(host)
                if mode is Mode.BOUNCE:
                    stage.play_offline(
                        host, worker, blocks=int(seconds * rate_hz * len(blocks) / sum(blocks))
                    )
                else:
                    run([host], [worker], until_s=seconds)
                reported = ahead + latency + stage.hop_samples(copy, rate_hz)
                written = range(first, host.samples - int(reported) - 256, every)
                measured = stage.measured_offsets(host.audio, written, every)
                late = session.late_frames + session.skipped_frames
                host.close()
                rows.append(_row("virtual", rate_hz, name, mode.value, ahead, latency, measured, late))
    return rows


def _row(
    transport: str,
    rate_hz: int,
    block: str,
    mode: str,
    ahead: float,
    latency: int,
    measured: Sequence[int],
    late: int,
) -> dict[str, Any]:
    reported = ahead + latency + _HOP_S * rate_hz
    errors = [offset - reported for offset in measured]
    return {
        "transport": transport,
        "rate_hz": rate_hz,
        "block": block,
        "mode": mode,
        "anticipation_samples": ahead,
        "latency_samples": latency,
        "reported_samples": reported,
        "measured_samples": sorted(set(measured)),
        "impulses": len(measured),
        "error_samples": max(map(abs, errors), default=None),
        "late_frames": late,
    }


def _mix(rate_hz: int, seconds: float) -> tuple[Audio, list[int], int]:
    first, every = rate_hz // 2, rate_hz // 2 + 1234
    samples = int(rate_hz * seconds)
    return stage.impulses(every, first)(0, samples), list(range(first, samples - rate_hz // 3, every)), every


def _paced(block: int, mix: Audio, rate_hz: int, exchange: Callable[[Audio], Audio]) -> Audio:
    heard, begun_s = [], time.monotonic()
    for at in range(0, mix.shape[-1], block):
        heard.append(exchange(mix[:, at : at + block]))
        time.sleep(max(0.0, begun_s + (at + block) / rate_hz - time.monotonic()))
    return np.concatenate(heard, axis=-1)


def _offsets(heard: Audio, written: Sequence[int], every: int) -> list[int]:
    """Only echoes that came whole: what was late is silent, and counted, not shifted."""
    level = np.abs(heard).max(axis=0)
    kept = [at for at in written if level[at : at + every].max(initial=0.0) > 0.1]
    return stage.measured_offsets(heard, kept, every)


def client_rows(transport: str, config: LatencyConfig, **where: Any) -> list[dict[str, Any]]:
    """By the client library, live or offline."""
    rows = []
    offline = transport == "local offline"
    with Client(**where) as client:
        for rate_hz in config.rates_hz:
            for mode in ("bounce",) if offline else ("live", "aligned"):
                mix, written, every = _mix(rate_hz, config.seconds)
                with client.open(
                    stem="bass", rate_hz=rate_hz, block_samples=config.block, mode=mode, offline=offline
                ) as session:
                    if offline:
                        # `play` takes L out again.
                        heard = np.pad(session.play(mix), ((0, 0), (session.latency_samples, 0)))
                    else:
                        heard = _paced(config.block, mix, rate_hz, session.exchange)
                    status = session.status()
                    ahead = session.anticipation_ms * rate_hz / 1000
                    late = int(status["late_frames"]) + int(status["skipped_frames"])
                    measured = _offsets(heard, written, every)
                    block = str(config.block)
                    latency = session.latency_samples
                    rows.append(_row(transport, rate_hz, block, mode, ahead, latency, measured, late))
    return rows


def osc_rows(config: LatencyConfig, port: int) -> list[dict[str, Any]]:
    """By UDP; the stem is placed by the positions its packets carry."""
    rows = []
    with OscClient(("127.0.0.1", port)) as client:
        client.enter()
        for rate_hz in config.rates_hz:
            for mode in ("live", "aligned"):
                mix, written, every = _mix(rate_hz, config.seconds)
                name = f"{mode}-{rate_hz}"
                stream = client.open(
                    name, stem="bass", rate_hz=rate_hz, channels=2, block_samples=config.block, mode=mode
                )
                heard = np.zeros_like(mix)
                begun_s = time.monotonic()
                for at in [*range(0, mix.shape[-1], config.block), None]:
                    if at is not None:
                        stream.send(mix[:, at : at + config.block])
                    until_s = begun_s + ((at or mix.shape[-1]) + config.block) / rate_hz + 0.3 * (at is None)
                    while True:
                        for piece in stream.receive(0.002):
                            # The stem's positions are those of the mix it is heard with.
                            end = min(piece.position + piece.samples, heard.shape[-1])
                            if piece.audio is not None and 0 <= piece.position < end:
                                heard[:, piece.position : end] = piece.audio[:, : end - piece.position]
                        if time.monotonic() >= until_s:
                            break
                measured = _offsets(heard, written, every)
                rows.append(
                    _row("osc", rate_hz, str(config.block), mode, stream.anticipation_samples,
                         stream.latency_samples, measured, len(written) - len(measured))
                )  # fmt: skip
                client.call("/lb/close", name)
    return rows


def measure(config: LatencyConfig) -> list[dict[str, Any]]:
    """All rows, one entry each, as they go into the record."""
    rows = virtual_rows(config.rates_hz) if "virtual" in config.only else []
    if set(config.only) == {"virtual"}:
        return rows
    with serving("--model", "test:copy", "--osc-port", "0", "--zmq-port", "0", "--workers", "1") as server:
        address = f"tcp://127.0.0.1:{server['zmq_port']}"
        for transport in ("local", "local offline"):
            if transport in config.only:
                rows += client_rows(transport, config, run=server["run"])
        if "zeromq" in config.only:
            rows += client_rows("zeromq", config, address=address)
        if "osc" in config.only:
            rows += osc_rows(config, server["osc_port"])
        if "upstream" in config.only:
            with serving("--upstream", address) as near:
                rows += client_rows("upstream", config, run=near["run"])
    return rows


def show(rows: Sequence[dict[str, Any]], console: Console) -> None:
    """The table: the virtual rows by mode, the real ones each."""
    table = Table(title="reported against measured, samples", title_justify="left")
    for column in ("transport", "rate", "block", "mode", "A*H", "L", "reported", "measured", "error", "late"):
        table.add_column(column, justify="right")
    virtual = [row for row in rows if row["transport"] == "virtual"]
    for mode in dict.fromkeys(row["mode"] for row in virtual):
        of_mode = [row for row in virtual if row["mode"] == mode]
        worst = max((row["error_samples"] for row in of_mode if row["error_samples"] is not None), default=0)
        table.add_row(
            "virtual", "all", "all", mode, "", "", f"{len(of_mode)} rows", "", f"{worst:g}",
            str(sum(row["late_frames"] for row in of_mode)),
        )  # fmt: skip
    for row in rows:
        if row["transport"] != "virtual":
            error = row["error_samples"]
            table.add_row(
                row["transport"], str(row["rate_hz"]), row["block"], row["mode"],
                f"{row['anticipation_samples']:g}", str(row["latency_samples"]), f"{row['reported_samples']:g}",
                " ".join(map(str, row["measured_samples"])), "none heard" if error is None else f"{error:g}",
                str(row["late_frames"]),
            )  # fmt: skip
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    defaults = LatencyConfig()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latency", description="Reported and measured."
    )
    parser.add_argument("--only", nargs="+", choices=TRANSPORTS, default=list(TRANSPORTS))
    parser.add_argument("--seconds", type=float, default=defaults.seconds, help="audio per real row")
    parser.add_argument("--rates", type=int, nargs="+", default=list(defaults.rates_hz))
    parser.add_argument("--results", type=Path, default=record.default_results("latency"))
    args = parser.parse_args(arguments)
    config = LatencyConfig(only=tuple(args.only), seconds=args.seconds, rates_hz=tuple(args.rates))
    rows = measure(config)
    show(rows, Console(width=130))
    with plot.picture(args.results, "reported against measured", "reported, ms", "measured, ms") as axes:
        for transport in dict.fromkeys(row["transport"] for row in rows):
            points = [
                (1000 * row["reported_samples"] / row["rate_hz"], 1000 * measured / row["rate_hz"])
                for row in rows
                if row["transport"] == transport
                for measured in row["measured_samples"]
            ]
            axes.plot(*zip(*points, strict=True), "o", label=transport, alpha=0.6) if points else None
    wrong = [row for row in rows if row["error_samples"] != 0]
    summary = {"rows": len(rows), "rows_with_error_0": len(rows) - len(wrong)}
    real = [row for row in rows if row["transport"] != "virtual"]
    record.write("latency", args.results, asdict(config), {**summary, "wrong": wrong, "real": real})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
