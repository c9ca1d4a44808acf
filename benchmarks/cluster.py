# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on a Ray cluster of one, two and three simulated machines: whether it is the same work, and how it scales.

    python -m benchmarks.cluster
    python -m benchmarks.cluster --kinds render bounce --nodes 1 2 3

Each machine is a node of one processor (`ray.cluster_utils`), all of them on this machine: where it has fewer cores than there
are nodes, work that computes scales no further than the cores do. Tasks of the kind `wait` only wait, two seconds
each, and are timed once the first has begun: what they show is the scheduling. Of the others seconds are those of the command, with joining
the cluster, the start of its processes and the end; digests are of what was written, and `here` is
one process without a cluster. The kinds take turns, so that what else runs on the machine meets all alike.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table

from benchmarks.measure import machine, record
from lbmodels.documents import MOST_FIGURES_CHARACTERS, read_json
from lbmodels.tasks.running import run as run_tasks
from lbserver.host.isolation import python

ROOT = Path(__file__).resolve().parents[1]
HERE = 0
"""In place of a number of nodes: this machine without a cluster."""
_WAIT_S = 2.0
_STORE_BYTES = 80 * 2**20
_SHORT = ("--min-seconds", "15", "--max-seconds", "20")


@dataclass(frozen=True, kw_only=True)
class ClusterConfig:
    """Which work, on how many nodes; `tasks` of them each (songs, recordings, seconds waited)."""

    kinds: tuple[str, ...] = ("wait", "bounce", "render", "evaluate", "pool")
    nodes: tuple[int, ...] = (HERE, 1, 2, 3)
    tasks: int = 6


def _bounce(folder: Path, out: Path, config: ClusterConfig) -> list[str]:
    songs = folder / "songs"
    if not songs.exists():
        songs.mkdir()
        random = np.random.default_rng(1)
        for number in range(config.tasks):
            audio = 0.1 * random.standard_normal((48000 * 10 + number, 1))
            soundfile.write(songs / f"{number}.flac", audio, 48000)
    return ["bounce", str(songs), "-o", str(out), "--stem", "bass", "--quiet"]


def _render(_folder: Path, out: Path, config: ClusterConfig) -> list[str]:
    return ["data", "render", "--out", str(out), "--split", "train", "--tracks", str(config.tasks), *_SHORT]


def _evaluate(folder: Path, out: Path, config: ClusterConfig) -> list[str]:
    songs = folder / "scored"
    if not songs.exists():
        # A song holds one excerpt or two, and no more than half of all may be of one.
        tracks = ["--tracks", str(max(3, config.tasks))]
        render = ["data", "render", "--out", str(songs), "--split", "test", *tracks, *_SHORT]
        subprocess.run(python("lbserver", *render), capture_output=True, check=True)
    data = ["--data", str(songs), "--stems", "drums", "--conditions", "none"]
    return ["evaluate", *data, "--out", str(out), "--excerpts", str(config.tasks), "--seconds", "8"]


def _pool(_folder: Path, out: Path, config: ClusterConfig) -> list[str]:
    codec = ROOT / "models/weights/tiny-codec.safetensors"
    songs = ["--songs", str(config.tasks), "--mixes", "1", *_SHORT]
    return ["data", "pool", "--out", str(out), "--codec", str(codec), *songs]


_COMMANDS: dict[str, Callable[[Path, Path, ClusterConfig], list[str]]] = {
    "bounce": _bounce,
    "render": _render,
    "evaluate": _evaluate,
    "pool": _pool,
}
KINDS = ("wait", *_COMMANDS)


def run(config: ClusterConfig) -> dict[str, Any]:
    """Seconds, efficiency and digests of every kind, by the number of nodes."""
    before = machine.load_average()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="lb-cluster-") as name:
        folder = Path(name)
        for nodes in config.nodes:
            with _cluster(nodes) as address:
                for kind in config.kinds:
                    rows.append({"kind": kind, "nodes": nodes, **_measure(kind, folder, address, config)})
                    print(rows[-1], file=sys.stderr, flush=True)
    for row in rows:
        one = next((other for other in rows if other["kind"] == row["kind"] and other["nodes"] == 1), None)
        if one is not None and row["nodes"]:
            row["efficiency"] = one["seconds"] / row["seconds"] / row["nodes"]
    same = {kind: len({row["sha256"] for row in rows if row["kind"] == kind}) == 1 for kind in config.kinds}
    return {
        "cores": os.cpu_count(),
        "same": same,
        "runs": rows,
        "load_average": [before, machine.load_average()],
    }


def _measure(kind: str, folder: Path, address: str | None, config: ClusterConfig) -> dict[str, Any]:
    out = folder / f"{kind}-{time.monotonic_ns()}"
    begun, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    if kind == "wait":
        seconds, digest = _waited(config.tasks, address)
        store = _store_bytes() if address else 0
    else:
        command = _COMMANDS[kind](folder, out, config)
        begun = time.monotonic()
        more = [] if address is None else ["--cluster", address]
        done = subprocess.run(
            python("lbserver", *command, *more), capture_output=True, text=True, check=False
        )
        seconds, store = time.monotonic() - begun, _store_bytes() if address else 0
        if done.returncode:
            raise SystemExit(f"{kind}: exit code {done.returncode}: {done.stderr[-2000:]}")
        digest = _content(kind, out)
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": seconds,
        "cpu_s": now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime,
        "store_bytes": store,
        "sha256": hashlib.sha256(digest.encode()).hexdigest(),
    }


def _waited(tasks: int, address: str | None) -> tuple[float, str]:
    """Seconds from when the first task began, which is when the cluster was joined and its processes were there."""
    begun, results = None, []
    with contextlib.closing(run_tasks(_wait, range(tasks), cluster=address)) as ended:
        for result in ended:
            begun = begun or time.monotonic() - _WAIT_S
            results.append(result)
    return time.monotonic() - (begun or 0.0), str(sorted(results))


def _wait(number: int) -> int:
    time.sleep(_WAIT_S)
    return number


def _content(kind: str, out: Path) -> str:
    """Names and digests of what was written; of scores the scores, without the times that making them took."""
    if kind == "evaluate":
        found = read_json(
            (out / "results.json").read_text(encoding="utf-8"), most_characters=MOST_FIGURES_CHARACTERS
        )
        return json.dumps(_without_times(found["rows"]), sort_keys=True)  # its settings name folders
    files = sorted(
        path for path in out.rglob("*") if path.is_file() and path.suffix not in (".jsonl", ".json")
    )
    return "\n".join(
        f"{path.relative_to(out)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files
    )


_TIMES = ("time", "rtf", "seconds_taken", "speed", "jobs", "elapsed_s", "date")


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(each) for key, each in value.items() if key not in _TIMES}
    return [_without_times(each) for each in value] if isinstance(value, list) else value


def _store_bytes() -> int:
    """The most that the cluster's object stores held on disk and in shared memory: what lies in their files now."""
    return sum(path.stat().st_blocks * 512 for path in Path("/dev/shm").glob("plasma*") if path.exists())


@contextlib.contextmanager
def _cluster(nodes: int) -> Iterator[str | None]:
    """Its address; None for no cluster."""
    if nodes == HERE:
        yield None
        return
    for name, value in (("USAGE_STATS_ENABLED", "0"), ("worker_niceness", "0")):
        os.environ[f"RAY_{name}"] = value
    os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"] = "token", "5e" * 32
    from ray.cluster_utils import Cluster

    one: dict[str, Any] = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": _STORE_BYTES}
    made = Cluster(initialize_head=True, head_node_args={**one, "include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            made.add_node(**one)
        made.wait_for_nodes()
        yield str(made.address)
    finally:
        made.shutdown()


def show(result: dict[str, Any], console: Console) -> None:
    """The table."""
    table = Table(title=f"simulated machines of one processor each, on {result['cores']} cores")
    for column in ("work", "nodes", "seconds", "efficiency", "object store, MB", "sha256"):
        table.add_column(column, justify="right")
    for row in sorted(result["runs"], key=lambda row: (row["kind"], row["nodes"])):
        share = row.get("efficiency")
        table.add_row(
            row["kind"],
            str(row["nodes"] or "here"),
            f"{row['seconds']:.1f}",
            "" if share is None else f"{share:.2f}",
            f"{row['store_bytes'] / 1e6:.1f}",
            row["sha256"][:12],
        )
    console.print(table)
    console.print(f"the same on all: {result['same']}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    defaults = ClusterConfig()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description="Weighs a Ray cluster.")
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=list(defaults.kinds), help="what is done"
    )
    parser.add_argument(
        "--nodes", type=int, nargs="+", default=list(defaults.nodes), help="0: this machine without a cluster"
    )
    parser.add_argument(
        "--tasks", type=int, default=defaults.tasks, help="of each kind (default: %(default)s)"
    )
    parser.add_argument(
        "--results", type=Path, default=record.default_results("cluster"), help="lines go here"
    )
    args = parser.parse_args(arguments)
    if args.tasks < 2 or min(args.nodes) < 0:
        parser.error("--tasks accepts 2 and more, --nodes 0 and more")
    config = ClusterConfig(kinds=tuple(args.kinds), nodes=tuple(args.nodes), tasks=args.tasks)
    result = run(config)
    show(result, Console(width=110))
    record.write("cluster", args.results, asdict(config), result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
