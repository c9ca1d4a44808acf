# SPDX-License-Identifier: GPL-3.0-or-later
"""What one frame costs: each part and the whole step, and how far from the limit of memory bandwidth.

    python -m benchmarks.cost                       the default model, or recipe sizes if none ships
    python -m benchmarks.cost --recipe small        random weights of a recipe's sizes
    python -m benchmarks.cost --features 384 --depth 8
    python -m benchmarks.cost --profile             the graph that plays: by part, by operator, overhead, the two limits

One thread, torch reference. The limit is the time to read every weight once from memory: at batch 1 a step
does little arithmetic per weight. RTF is the length of a frame over its mean CPU time: what a core to itself gives.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.measure import machine, profile, record
from benchmarks.measure.clock import Measured, measure, spread_ms
from benchmarks.measure.subject import (
    Sizes,
    describe,
    parts,
    sessions,
    shipped_or_random,
    state_bytes,
    weight_bytes,
)
from lbmodels.band import Band
from lbmodels.errors import LiveBandModelError
from lbmodels.runtime import opening

_POINTS = ("p50", "p95", "p99", "p99.9", "max")


@dataclass(frozen=True, kw_only=True)
class CostConfig:
    """What to measure. `sizes` None takes the shipped model; frames per run; `read_mib` to measure bandwidth."""

    model: str | None = None
    sizes: Sizes | None = None
    batches: tuple[int, ...] = (1, 4, 8)
    frames: int = 1000
    warmup_frames: int = 25
    anticipation_frames: int = 1
    read_mib: int = 512


def run(config: CostConfig) -> dict[str, Any]:
    """All figures of one accompanist, as they go into the record."""
    torch.set_num_threads(1)
    load_before, resident_before = machine.load_average(), machine.resident_bytes()
    accompanist = shipped_or_random(config.model, config.sizes)
    resident_loaded = machine.resident_bytes()
    hop_ns = accompanist.spec.hop * 10**9 // accompanist.spec.sample_rate
    runs = [
        figures(
            measure(
                sessions(accompanist, batch),
                parts(accompanist),
                frames=config.frames,
                warmup_frames=config.warmup_frames,
                frame_ns=hop_ns if paced else None,
            ),
            batch=batch,
            paced=paced,
            hop_ns=hop_ns,
            slack_ns=config.anticipation_frames * hop_ns,
        )
        for batch in config.batches
        for paced in (False, True)
    ]
    resident_after = machine.resident_bytes()
    limit = limits(accompanist, config.read_mib)
    for figure in runs:
        if figure["batch"] == 1:
            ratios = {
                name: round(times["cpu_ms"]["p50"] / limit["ms"][name], 2)
                for name, times in figure["times"].items()
            }
            figure["ratio_to_limit"] = ratios
    return {
        "model": describe(accompanist),
        "hop_ms": hop_ns / 1e6,
        "load_average": [load_before, machine.load_average()],
        "limit": limit,
        "memory": {
            "libraries_bytes": resident_before,
            "model_bytes": resident_loaded - resident_before,
            "running_bytes": resident_after,
            "state_bytes_per_session": state_bytes(accompanist),
        },
        "runs": runs,
    }


def figures(measured: Measured, *, batch: int, paced: bool, hop_ns: int, slack_ns: int) -> dict[str, Any]:
    """One run's share of the record."""
    times = {name: laps.figures() for name, laps in measured.parts.items()}
    times["step"] = measured.whole.figures()
    rtf = hop_ns / 1e6 / times["step"]["cpu_ms"]["mean"]
    result: dict[str, Any] = {
        "batch": batch,
        "paced": paced,
        "rtf": round(rtf, 2),
        "rtf_sessions": round(rtf * batch, 2),
        "times": times,
    }
    if paced:
        result["finish_ms"] = spread_ms(measured.finish_ns)
        result["missed"] = measured.missed(slack_ns)
        result["restarts"] = measured.restarts
    return result


def limits(accompanist: Band, read_mib: int) -> dict[str, Any]:
    """Weight bytes, bandwidth, and their quotient in milliseconds, for each part and the step.

    Also the bandwidth over as many bytes as the model has: where a cache holds them, it is the tighter floor.
    """
    sizes = {name: weight_bytes(module) for name, module in parts(accompanist).items()}
    sizes["step"] = sum(sizes.values())
    memory = machine.read_bytes_per_s(read_mib * 2**20)
    return {
        "memory_gb_per_s": round(memory / 1e9, 2),
        "same_size_gb_per_s": round(machine.read_bytes_per_s(sizes["step"]) / 1e9, 2),
        "weight_bytes": sizes,
        "ms": {name: round(size / memory * 1e3, 4) for name, size in sizes.items()},
    }


def show(result: dict[str, Any], console: Console) -> None:
    """The tables, for eyes only."""
    model, memory, limit = result["model"], result["memory"], result["limit"]
    console.print(
        f"{model['name']}: {model['parameters'] / 1e6:.1f} M parameters, frames of {result['hop_ms']:g} ms, "
        "one thread; ms per frame"
    )
    for measured in result["runs"]:
        console.print()
        console.print(_run_table(measured))
    console.print(
        f"limit: {limit['weight_bytes']['step'] / 1e6:.1f} MB of weights at {limit['memory_gb_per_s']:.1f} GB/s = "
        f"{limit['ms']['step']:.2f} ms (a read of just as many bytes, caches warm: "
        f"{limit['same_size_gb_per_s']:.1f} GB/s)"
    )
    console.print(
        f"memory: {memory['running_bytes'] / 2**20:.0f} MiB resident, of which libraries "
        f"{memory['libraries_bytes'] / 2**20:.0f} and the model {memory['model_bytes'] / 2**20:.0f}; "
        f"{memory['state_bytes_per_session'] / 2**20:.2f} MiB of state a session"
    )
    before, after = result["load_average"]
    console.print(f"load average {before} before, {after} after: about 1 is this program alone")


def _run_table(measured: dict[str, Any]) -> Table:
    sessions_word = "session" if measured["batch"] == 1 else "sessions"
    title = f"{measured['batch']} {sessions_word}, {'paced' if measured['paced'] else 'back to back'}: "
    title += f"RTF {measured['rtf']:.1f} on one core"
    if measured["paced"]:
        ready = measured["finish_ms"]["p99.9"]
        title += f", ready {ready:.1f} ms (p99.9) after due, {measured['missed']} deadlines missed"
        title += f", fell behind {measured['restarts']} times" if measured["restarts"] else ""
    table = Table(title=title, title_justify="left")
    table.add_column("part", no_wrap=True)
    for name in (*(f"CPU {point}" for point in _POINTS), *(f"wall {point}" for point in _POINTS)):
        table.add_column(name, justify="right")
    if "ratio_to_limit" in measured:
        table.add_column("x limit", justify="right")
    for name, times in measured["times"].items():
        row = [f"{times[clock][point]:.2f}" for clock in ("cpu_ms", "wall_ms") for point in _POINTS]
        if "ratio_to_limit" in measured:
            row.append(f"{measured['ratio_to_limit'][name]:.1f}")
        table.add_row(name, *row, end_section=name == "decoder")
    return table


def show_profile(result: dict[str, Any], console: Console) -> None:
    """The tables of `--profile`."""
    console.print(
        f"{result['model']['name']} as a graph, one thread, {machine.device()['processor']}: "
        f"{result['weight_bytes'] / 1e6:.1f} MB of constants at {result['memory_gb_per_s']:.1f} GB/s, "
        f"{result['peak_gmac_per_s']:.0f} G multiplications a second, {result['empty_node_us']:.2f} us an empty node"
    )
    for run_ in result["runs"]:
        limit = run_["limit_ms"]
        console.print(
            f"\n{run_['batch']} at once: {run_['step_ms']:.2f} ms CPU a step, RTF {run_['rtf']:.1f}; limits: bytes "
            f"{limit['bytes']:.2f} ms, operations {limit['operations']:.2f} ms; {run_['times_the_larger_limit']:.1f} times "
            f"the larger; {run_['nodes']} nodes, overhead at least {run_['overhead_ms']:.2f} ms"
        )
        table = Table()
        for name in ("part", "nodes", "ms", "operator", "nodes", "ms"):
            table.add_column(name, justify="left" if name in ("part", "operator") else "right")
        sides = [
            [(name, str(n), f"{ms:.2f}") for name, (n, ms) in run_[kind].items()]
            for kind in ("parts", "operators")
        ]
        for left, right in zip_longest(sides[0], sides[1][:20], fillvalue=("", "", "")):
            table.add_row(*left, *right)
        console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    defaults = CostConfig()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description="Cost of one frame.")
    parser.add_argument("--model", help="a shipped model's name or a folder (default: the shipped default)")
    parser.add_argument("--recipe", help="random weights of this recipe's sizes (tiny, small, paper)")
    parser.add_argument("--features", type=int, help="generator width, instead of the recipe's")
    parser.add_argument("--depth", type=int, help="generator blocks")
    parser.add_argument("--codec-features", type=int, help="codec width")
    parser.add_argument("--codec-depth", type=int, help="codec blocks")
    parser.add_argument(
        "--batch", type=int, nargs="+", default=list(defaults.batches), help="sessions at once"
    )
    parser.add_argument(
        "--frames", type=int, default=defaults.frames, help="frames per run (default: %(default)s)"
    )
    parser.add_argument("--read-mib", type=int, default=defaults.read_mib, help="memory read for the limit")
    parser.add_argument("--results", type=Path, default=record.default_results("cost"), help="lines go here")
    parser.add_argument(
        "--profile",
        action="store_true",
        help="where the graph that plays spends its time, instead of torch's parts",
    )
    args = parser.parse_args(arguments)
    overrides = {
        name: getattr(args, name)
        for name in ("recipe", "features", "depth", "codec_features", "codec_depth")
        if getattr(args, name) is not None
    }
    if args.model is not None and overrides:
        parser.error("--model has its own sizes: give it, or a recipe and sizes")
    if min(*args.batch, args.frames, args.read_mib) < 1:
        parser.error("--batch, --frames and --read-mib accept positive numbers")
    if args.profile:
        if overrides:
            parser.error(
                "--profile is of a model that has a graph: give --model, or nothing for the default one"
            )
        try:
            found = profile.figures(*opening.graph(args.model, "onnx"), tuple(args.batch), args.read_mib)
        except LiveBandModelError as error:
            parser.error(str(error))
        show_profile(found, Console(width=128))
        record.write("cost", args.results, {"profile": True, "model": found["model"]["name"]}, found)
        return 0
    config = CostConfig(
        model=args.model,
        sizes=Sizes(**overrides) if overrides else None,
        batches=tuple(args.batch),
        frames=args.frames,
        read_mib=args.read_mib,
    )
    try:
        result = run(config)
    except (LiveBandModelError, ValueError) as error:
        parser.error(str(error))
    show(result, Console(width=128))
    # By name, for a folder's path means nothing on another machine.
    record.write("cost", args.results, {**asdict(config), "model": result["model"]["name"]}, result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
