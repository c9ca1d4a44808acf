# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault matrix: what was done, what came of it, what was aimed at, and whether it was reached.

    python -m benchmarks.faults              on virtual clocks, some minutes
    python -m benchmarks.faults --tests      and the tests that provoke faults in real processes

Everything but the tests is a function of the seeds that are printed: the same seeds give the same figures.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.measure import plot, record
from lbserver.testing import drifting, packets, scenes
from lbserver.testing.network import Network

_ROOT = Path(__file__).resolve().parents[1]
_FRAME_MS = 1000 * scenes.FRAME_S
_WHOLE_FILES = {
    "F19": ("tests/fuzz/test_fuzz.py",),
    "F20": ("tests/lbmodels/weights/test_checks.py",),
    "F21": ("tests/lbserver/engine/test_bounce_chaos.py",),
    "F22": ("tests/lbserver/engine/test_bounce_chaos.py",),
}


@dataclass(frozen=True, kw_only=True)
class FaultsConfig:
    """Sizes. `seconds` of overload each, `packets` each network, `hours` of drifting clocks."""

    seconds: float = 120.0
    packets: int = 100_000
    drift_s: float = 3600.0
    seeds: tuple[int, ...] = (1, 2, 3)
    tests: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the matrix."""

    fault: str
    done: str
    figure: str
    target: str
    reached: bool
    seeds: tuple[int, ...] = ()
    remark: str = ""


def stopped() -> Iterator[Row]:
    """F4."""
    for stop_s in (0.5, 5.0, 60.0):
        worst = [scenes.stopped_worker(stop_s, block=block) for block in (64, 256, 2048)]
        silent = max(one.silent_after_ms for one in worst)
        back = max(one.back_after_ms for one in worst)
        step = max(one.largest_step / one.clean_step for one in worst)
        stale = sum(one.stale_samples for one in worst)
        yield Row(
            fault="F4",
            done=f"worker stands still for {stop_s:g} s",
            figure=f"silent after {silent:.0f} ms, right after {back:.0f} ms, step x{step:.2f}, stale {stale}",
            target="20 ms, 250 ms, x2, 0",
            reached=silent <= 20 and back <= 250 and step <= 2 and stale == 0,
        )


def overloaded(seconds: float) -> Iterator[Row]:
    """F6. A step longer than A*H + L can never be on time: there the target is silence that says so."""
    for cost, share in ((0.8, 1.0), (1.0, 1.0), (1.5, 0.6), (3.0, 0.3), (10.0, 0.0)):
        for ahead in (1, 3, 12):
            one = scenes.overload(cost, ahead, seconds=seconds)
            slow_end = cost if cost > 5 else 0  # a step that began under load
            fits = cost * _FRAME_MS < max(ahead, 1) * _FRAME_MS - 512 / 48 or cost <= 1
            good = one.wet_share >= share and one.stale_samples == 0
            yield Row(
                fault="F6",
                done=f"step costs {cost:g} frames, A = {ahead}, {seconds:g} s",
                figure=f"wet {one.wet_share:.1%}, stale {one.stale_samples}, back after {one.recovery_frames:.0f} "
                f"frames, oldest {one.queue_age_ms:.0f} ms, {' '.join(one.rungs)}",
                target=f"wet {share:.0%}, 0, 10 frames",
                reached=good and one.recovery_frames <= 10 + slow_end,
                remark="" if fits else "the step is longer than the slack: it fades and says so",
            )


def neighbours() -> Iterator[Row]:
    """F7."""
    calm, stalled = scenes.slow_neighbour(0.0), scenes.slow_neighbour(1.5)
    yield Row(
        fault="F7",
        done="one of 8 sessions stalls its worker for 1.5 s, the others have another worker",
        figure=f"{stalled.broken_samples} samples of the others differ",
        target="1 block",
        reached=stalled.broken_samples == 0 and stalled.digests == calm.digests,
    )
    shared = scenes.slow_neighbour(0.3, workers=1, apart=False)
    yield Row(
        fault="F7",
        done="the same in one worker, 0.3 s",
        figure=f"the others lose {shared.broken_samples / 48:.0f} ms",
        target="1 block",
        reached=shared.broken_samples <= 512,
        remark="sessions of one worker share its steps: they lose what it loses",
    )


def lost_packets(count: int, seeds: Sequence[int]) -> Iterator[Row]:
    """F8 to F11."""
    cases = (
        ("F8", "5 % loss", Network(loss=0.05), 1, 1e-4, 1.2),
        ("F9", "20 % loss", Network(loss=0.2), 1, 5e-3, 3.0),
        ("F9", "20 % loss, all sent twice", Network(loss=0.2), 2, 1e-4, 3.0),
        ("F10", "50 % loss", Network(loss=0.5), 1, 0.2, 3.0),
        ("F10", "50 % loss, all sent twice", Network(loss=0.5), 2, 0.015, 3.0),
        ("F10", "20 % loss in bursts of 10", Network(loss=0.2, burst_packets=10), 1, 0.2, 3.0),
    )
    for fault, done, network, redundancy, most, bytes_ in cases:
        runs = [packets.transmit(count, network, seed=seed, redundancy=redundancy) for seed in seeds]
        missing = max(packets.residual(one) for one in runs)
        traffic = max(packets.traffic(one, count) for one in runs)
        yield Row(
            fault=fault,
            done=f"{done}, {count} packets",
            figure=f"{missing:.4%} never came, traffic x{traffic:.2f}",
            target=f"{most:.2%}, x{bytes_:g}",
            reached=missing <= most and traffic <= bytes_,
            seeds=tuple(seeds),
        )
    short = min(count, 20_000)
    clean = packets.transmit(short, Network(), base_ms=50.0).audio
    rough = Network(jitter_ms=30.0, duplicate=0.1)
    runs = [packets.transmit(short, rough, seed=seed, base_ms=50.0) for seed in seeds]
    # Which piece is the last one depends on when the last packet came.
    length = min(clean.shape[-1], *(one.audio.shape[-1] for one in runs))
    same = all(np.array_equal(clean[:, :length], one.audio[:, :length]) for one in runs)
    missing = max(packets.residual(one) for one in runs)
    yield Row(
        fault="F11",
        done=f"reordering by 30 ms of jitter, 10 % twice, {short} packets",
        figure=f"{'the same bits' if same else 'other bits'}, {missing:.4%} missing",
        target="the same bits, 0",
        reached=same and missing == 0,
        seeds=tuple(seeds),
    )


def jitter_step(seed: int) -> Iterator[Row]:
    """F12."""

    def change(now_s: float) -> Network:
        return Network(jitter_ms=40.0 if 10.0 <= now_s < 30.0 else 2.0)

    one = packets.transmit(
        40_000, Network(jitter_ms=2.0), seed=seed, resend=False, base_ms=10.0, change=change
    )
    before = max(target for at, target in one.targets_s if 5.0 <= at < 10.0)
    most = max(target for at, target in one.targets_s if at >= 10.0)
    back = [
        at - 30.0 for at, target in one.targets_s if at > 30.0 and target <= before + packets.SAMPLES / 48000
    ]
    back_s = back[0] if back else float("inf")
    yield Row(
        fault="F12",
        done="jitter 2 ms, 40 ms for 20 s, 2 ms again",
        figure=f"buffer {1000 * before:.0f} to {1000 * most:.0f} ms, back after {back_s:.0f} s",
        target="60 s",
        reached=back_s <= 60,
        seeds=(seed,),
    )


def drifting_clocks(seconds: float) -> Iterator[Row]:
    """F13."""
    for ppm, length_s in ((200.0, seconds), (-200.0, seconds), (2000.0, min(180.0, seconds))):
        one = drifting.play(length_s, lambda _now_s, ppm=ppm: ppm * 1e-6)  # type: ignore[misc]
        settled = one.time_s > min(90.0, 0.6 * length_s)
        error_ppm = 1e6 * float(np.abs(one.correction[settled] - ppm * 1e-6).max())
        fill = float(np.abs(one.off_samples[settled]).max()) / one.follower.target_samples
        broken = one.follower.underruns + one.follower.overruns
        yield Row(
            fault="F13",
            done=f"a clock off by {ppm:+g} ppm for {length_s:g} s",
            figure=f"{broken} under- and overruns, rate off by {error_ppm:.1f} ppm, fill by {fill:.0%}, "
            f"{one.follower.anchors} anchors, {one.cpu_s:.0f} s CPU",
            target="0, 5 ppm, 25 %, 1 for a step of 2000",
            reached=broken == 0 and error_ppm <= 5 and fill <= 0.25
            and one.follower.anchors <= (1 if abs(ppm) > 1000 else 0),
        )  # fmt: skip


def tests_by_fault() -> dict[str, set[str]]:
    """Node ids of the tests that name a fault in their own name or what they say of themselves."""
    found: dict[str, set[str]] = {fault: set(names) for fault, names in _WHOLE_FILES.items()}
    for path in sorted((_ROOT / "tests").rglob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if not node.name.startswith("test_"):
                continue
            said = re.findall(r"\bF(\d{1,2})\b", ast.get_docstring(node) or "")
            for number in {*re.findall(r"_f(\d{1,2})_", node.name), *said}:
                if "lbmodels" not in path.parts and 1 <= int(number) <= 33:
                    found.setdefault(f"F{number}", set()).add(f"{path.relative_to(_ROOT)}::{node.name}")
    return {fault: found[fault] for fault in sorted(found, key=lambda name: int(name[1:]))}


def tested() -> Iterator[Row]:
    """A row a fault: how many of its tests passed."""
    for fault, nodes in tests_by_fault().items():
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:randomly",
                "-p",
                "no:cacheprovider",
                *sorted(nodes),
            ],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        last = next((line for line in reversed(done.stdout.splitlines()) if " in " in line), "no result")
        yield Row(
            fault=fault,
            done=f"{len(nodes)} test functions or files",
            figure=re.sub(r" in [\d.]+s.*", "", last).strip("= "),
            target="all pass",
            reached=done.returncode == 0,
            remark="" if done.returncode == 0 else " ".join(re.findall(r"FAILED (\S+)", done.stdout))[:300],
        )


def rows(config: FaultsConfig) -> Iterator[Row]:
    """All of the matrix, as it comes."""
    yield from stopped()
    yield from overloaded(config.seconds)
    yield from neighbours()
    yield from lost_packets(config.packets, config.seeds)
    yield from jitter_step(config.seeds[0])
    yield from drifting_clocks(config.drift_s)
    if config.tests:
        yield from tested()


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    defaults = FaultsConfig()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description="The fault matrix.")
    parser.add_argument("--seconds", type=float, default=defaults.seconds, help="of overload, each")
    parser.add_argument("--packets", type=int, default=defaults.packets, help="each bad network")
    parser.add_argument("--drift-seconds", type=float, default=defaults.drift_s, help="each pair of clocks")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(defaults.seeds))
    parser.add_argument("--tests", action="store_true", help="also run the tests that name a fault")
    parser.add_argument("--results", type=Path, default=record.default_results("faults"))
    args = parser.parse_args(arguments)
    if args.seconds < 5 or args.packets < 1000 or args.drift_seconds < 120:
        parser.error("accepted: --seconds from 5, --packets from 1000, --drift-seconds from 120")
    config = FaultsConfig(
        seconds=args.seconds, packets=args.packets, drift_s=args.drift_seconds, seeds=tuple(args.seeds),
        tests=args.tests,
    )  # fmt: skip
    matrix = list(rows(config))
    table = Table(title="faults", title_justify="left", show_lines=False)
    for column in ("fault", "done", "figure", "target", "", "seeds", "remark"):
        table.add_column(column)
    for row in matrix:
        seeds = " ".join(map(str, row.seeds))
        table.add_row(
            row.fault,
            row.done,
            row.figure,
            row.target,
            "reached" if row.reached else "SHORT",
            seeds,
            row.remark,
        )
    Console(width=190).print(table)
    short = [row for row in matrix if not row.reached]
    with plot.picture(
        args.results, "audio heard on time under overload", "step cost, frames", "share"
    ) as axes:
        for ahead in (1, 3, 12):
            costs = (0.5, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
            wet = [
                scenes.overload(cost, ahead, seconds=min(20.0, config.seconds)).wet_share for cost in costs
            ]
            axes.plot(costs, wet, "o-", label=f"A = {ahead}")
        axes.plot(costs, [min(1.0, 1.0 / cost) for cost in costs], "k:", label="what the machine can play")
        axes.set_xscale("log")
    figures: dict[str, Any] = {"rows": [asdict(row) for row in matrix], "short": len(short)}
    record.write("faults", args.results, asdict(config), figures)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
