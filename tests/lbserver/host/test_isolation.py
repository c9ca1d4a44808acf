# SPDX-License-Identifier: GPL-3.0-or-later
"""Started in a hostile folder, without a network and with an empty home, nothing foreign runs, leaves or is left."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lbserver.host.rundir import find_server

ALONE = Path(__file__).with_name("alone.py")
LIVEBAND = Path(sys.executable).with_name("liveband")
MODULES = (
    *(
        "msgpack",
        "numpy",
        "numba",
        "onnx",
        "onnxruntime",
        "h11",
        "zmq",
        "yaml",
        "rich",
        "matplotlib",
        "soundfile",
    ),
    *(
        "safetensors",
        "torch",
        "soxr",
        "scipy",
        "prometheus_client",
        "pedalboard",
        "sounddevice",
        "typing_extensions",
    ),
    *(
        "fluidsynth",
        "mido",
        "mir_eval",
        "av",
        "lbmodels",
        "sitecustomize",
        "multiprocessing",
        "struct",
        "socket",
    ),
)
PROGRAMS = (
    "fc-list",
    "gcc",
    "ld",
    "cc",
    "uname",
    "lscpu",
    "ldconfig",
    "objdump",
    "python",
    "python3",
    "liveband",
)
TINY = Path(__file__).parents[2] / "fixtures" / "slakh_tiny"


class Trap:
    """A folder of downloads. What runs in it signs `victims`; `home`, `temporary` are the user's, empty at first."""

    def __init__(self, folder: Path) -> None:
        self.victims = folder / "victims"
        self.home, self.temporary, self.cache, self.here = (
            folder / name for name in ("home", "temporary", "cache", "here")
        )
        for place in (self.home, self.temporary, self.cache, self.here):
            place.mkdir()
        for name in MODULES:
            sign = f"open({str(self.victims)!r}, 'a').write('{name}\\n')\nraise ImportError('poisoned')\n"
            (self.here / f"{name}.py").write_text(sign)
        for name in PROGRAMS:
            (self.here / name).write_text(f"#!/bin/sh\necho {name} >> {self.victims}\nexit 1\n")
            (self.here / name).chmod(0o755)
        (self.here / ".numba_config.yaml").write_text(f"cache_dir: {self.here / 'compiled'}\n")
        (self.here / "matplotlibrc").write_text("savefig.dpi: 3\n")
        (self.here / "tiny").mkdir()
        soundfile.write(self.here / "song.wav", np.zeros((24000, 2), np.float32), 48000)
        # An empty entry, of which many start-up files leave one behind, is the current folder.
        self.environment = {
            "PATH": f":{os.environ['PATH']}",
            "PYTHONPATH": "",
            "LD_LIBRARY_PATH": ":",
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "OMP_NUM_THREADS": "1",
            "LIVEBAND_RUN": str(folder / "run"),
            "LIVEBAND_CACHE": os.environ["LIVEBAND_CACHE"],  # the graph of the model, made once
        }

    def run(self, *command: str | Path) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-P", ALONE, *command],
            cwd=self.here,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode == 77:
            pytest.skip("this machine does not let its users make a network of their own")
        return done

    def ran(self) -> set[str]:
        return set(self.victims.read_text().split()) if self.victims.exists() else set()

    def left(self) -> set[str]:
        """Files in the user's folders that are not below a folder called liveband, and all of the temporary ones."""
        places = [path for path in self.home.rglob("*") if not path.is_dir()]
        foreign = {str(path.relative_to(self.home)) for path in places if "liveband" not in path.parts}
        return foreign | {path.name for path in self.temporary.iterdir()}


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Trap]:
    yield Trap(tmp_path)
    if (server := find_server(tmp_path / "run")) is not None:
        os.kill(server.pid, signal.SIGTERM)


CLIENT = """
import numpy as np
from lbserver.client import Client
with Client(start=True, model="test:copy") as client:
    with client.open(stem="bass", rate_hz=48000, block_samples=480) as band:
        band.exchange(np.zeros((2, 480), np.float32))
"""
QUICK = {
    "models": [LIVEBAND, "models", "list"],
    "bounce": [LIVEBAND, "bounce", "song.wav", "-o", "out.wav", "--stem", "bass", "--model", "tiny"],
    "module": [
        sys.executable,
        "-m",
        "lbserver",
        "bounce",
        "song.wav",
        "-o",
        "out.wav",
        "--model",
        "test:copy",
    ],
    "keys": [LIVEBAND, "keys", "pair"],
    "plugin": [LIVEBAND, "plugin", "where"],
    "jam": [LIVEBAND, "jam", "--list"],
    "top": [LIVEBAND, "top"],
    "client": [sys.executable, "-P", "-c", CLIENT],
}
TRAIN = ["train", "codec", "--recipe", "tiny", "--data", TINY, "--out", "out"]
SLOW = {
    "doctor": [LIVEBAND, "doctor", "--json"],
    "demo": [LIVEBAND, "demo", "-o", "out"],
    "data": [LIVEBAND, "data", "stats", TINY, "--output", "stats.png"],
    "train": [LIVEBAND, *TRAIN, "--set", "loop.steps=1", "--set", "loop.batch=1"],
    "evaluate": [LIVEBAND, "evaluate", "--data", TINY, "--model", "tiny", "--excerpts", "2", "--out", "out"],
}


@pytest.mark.parametrize(
    "command",
    [
        *(pytest.param(words, id=name) for name, words in QUICK.items()),
        *(pytest.param(words, id=name, marks=pytest.mark.slow) for name, words in SLOW.items()),
    ],
)
def test_nothing_foreign_runs_leaves_or_is_left(trap: Trap, command: list[str | Path]) -> None:
    """Would catch a child that is started with the current folder on its path, a library's report to its makers
    (ONNX Runtime asks DNS for a collector, and keeps a data base in the cache folder), and a cache of another name."""
    done = trap.run(*command)
    assert trap.ran() == set(), done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(done.stderr.splitlines()[-1]) == dict.fromkeys(
        ("IpOutNoRoutes", "Ip6OutNoRoutes", "UdpNoPorts", "Udp6NoPorts"), 0
    )
    assert trap.left() == set()
    assert not (trap.here / "compiled").exists()
