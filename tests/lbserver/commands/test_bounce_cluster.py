# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband bounce FOLDER --cluster`: two machines of a Ray cluster, both of them lost in the middle."""

import importlib.util
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from lbserver import cli
from lbserver.engine.bounce_folder import Settings, look_into, plan, play
from lbserver.host.isolation import python
from lbserver.testing.accompanists import BY_NAME
from lbserver.testing.processes import running

if importlib.util.find_spec("ray") is None:
    pytest.skip("ray is not installed", allow_module_level=True)

pytestmark = pytest.mark.slow
NOISE = Settings(
    model="test:noise",
    device="auto",
    runtime="auto",
    weights_id=BY_NAME["test:noise"]().spec.weights_id,
    stems=("bass",),
)
SONGS = 14
NODE = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("USAGE_STATS_ENABLED", "0"),
            ("worker_niceness", "0"),
            ("AUTH_MODE", "token"),
            ("AUTH_TOKEN", "5e" * 32),
        ):
            patch.setenv(f"RAY_{name}", value)
        from ray.cluster_utils import Cluster  # reads them

        made = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        try:
            made.add_node(**NODE)
            made.wait_for_nodes()
            yield made
        finally:
            made.shutdown()


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    folder = tmp_path / "songs"
    folder.mkdir()
    for number in range(SONGS):
        audio = np.zeros((48000 * 20 + number, 1), np.int16)
        soundfile.write(folder / f"{number}.flac", audio, 48000)
    return folder


def until(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def stems(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*.wav")}


def lines(out: Path) -> list[Any]:
    path = out / "bounce.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def command(songs: Path, out: Path, address: str | None = None) -> list[str]:
    bounce = ["bounce", str(songs), "-o", str(out), "--stem", "bass", "--model", "test:noise", "--quiet"]
    return bounce if address is None else python("lbserver", *bounce, "--cluster", address)


def test_machines_that_are_lost_cost_nothing(cluster: Any, songs: Path, tmp_path: Path) -> None:
    """What a machine was playing would be missing, half there or counted twice; without the cluster's head the command would hang
    for a minute and end without a word; and stopping would leave others at work.
    """
    out, alone = tmp_path / "out", tmp_path / "alone"
    with running(command(songs, out, cluster.address), stderr=subprocess.PIPE, text=True) as stopped:
        until(lambda: bool(lines(out)))
        cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
        before = len(lines(out))
        until(lambda: len(lines(out)) > before)
        stopped.send_signal(signal.SIGTERM)
        assert stopped.wait(120) == 130
        assert stopped.stderr is not None
        assert "the same command goes on" in stopped.stderr.read()
    assert not list(out.rglob("*.part"))
    before = len(lines(out))
    assert len(stems(out)) >= before
    with running(command(songs, out, cluster.address), stderr=subprocess.PIPE, text=True) as process:
        until(lambda: len(lines(out)) > before)
        cluster.remove_node(cluster.head_node, allow_graceful=False)
        assert process.wait(120) == 2
        assert process.stderr is not None
        said = process.stderr.read()
        assert "head of the Ray cluster" in said
        assert "the same command goes on" in said
    before = len(lines(out))
    assert before < SONGS
    assert cli.main(command(songs, out)) == 0
    assert sorted(line["name"] for line in lines(out)) == sorted(path.name for path in songs.iterdir())
    played = stems(out)
    assert len(played) == SONGS
    for item in plan(look_into(songs, alone), alone, replace(NOISE), {})[::3]:
        assert play(NOISE, item).state == "done"
    assert all(played[name] == content for name, content in stems(alone).items())
