# SPDX-License-Identifier: GPL-3.0-or-later
"""What this machine trains fastest with, measured before the first step; and what a run came to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from lbmodels.train.curves import read_log
from lbmodels.train.recipe import LoopConfig

Trial = Callable[[int, bool], float]


def settled(loop: LoopConfig, *, quiet: bool = False, trial: Trial | None = None) -> LoopConfig:
    """The recipe with the faster precision and number of threads of those that it allows.

    `bf16 = true` allows bfloat16, `threads` is the most that may be taken. Processors differ by a factor of 50 either way:
    with matrix units for bfloat16 it is twice as fast as float32, without any it is emulated. A GPU takes what it is given.
    """
    counts = [n for n in (1, 2, 4, 8, 16, 32) if n < loop.threads] + [loop.threads]
    choices = [(n, bf16) for n in counts for bf16 in ((False, True) if loop.bf16 else (False,))]
    if torch.cuda.is_available() or len(choices) == 1:
        return loop
    before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        costs = {choice: (trial or step_s)(*choice) for choice in choices}
    torch.set_num_threads(before)
    threads, bf16 = min(costs, key=costs.__getitem__)
    if not quiet:
        told = ", ".join(
            f"{'bf16' if b else 'float32'} on {n}: {1000 * s:.0f} ms" for (n, b), s in costs.items()
        )
        print(f"{'bf16' if bf16 else 'float32'} on {threads} of {loop.threads} threads is taken ({told})")
    return replace(loop, threads=threads, bf16=bf16)


def step_s(threads: int, bf16: bool, *, rows: int = 256, rounds: int = 3) -> float:
    """Seconds of a forward and backward pass through two products of the size that networks here have; the best round."""
    torch.set_num_threads(threads)
    layers = nn.Sequential(nn.Linear(256, 1024), nn.GELU(), nn.Linear(1024, 256))
    x, best = torch.randn(rows, 256), float("inf")
    for _ in range(rounds):
        begin = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = layers(x).square().mean()
        loss.backward()
        best = min(best, time.perf_counter() - begin)
    return best


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a run came to, over all its resumptions."""

    steps: int
    hours: float
    seconds_per_step: float
    songs: int
    song_hours: float
    heard_hours: float

    def __str__(self) -> str:
        return (
            f"{self.steps} steps in {self.hours:.2f} h ({self.seconds_per_step:.2f} s a step): {self.heard_hours:.1f} h "
            f"heard of {self.songs} songs ({self.song_hours:.1f} h)"
        )


def write_heard(folder: Path, *, batch_s: float, songs: int, song_s: float) -> Heard:
    """Reads the run's log.jsonl, writes heard.json; `batch_s` is the audio in a step of all ranks together."""
    steps, spent = 0, 0.0
    for row in read_log(folder / "log.jsonl"):
        # A run that was killed goes back to its checkpoint: what it lost was spent, too.
        spent += max(0, row["step"] - steps) * (row.get("seconds_per_step") or 0.0)
        steps = row["step"]
    found = Heard(
        steps=steps,
        hours=spent / 3600,
        seconds_per_step=spent / max(1, steps),
        songs=songs,
        song_hours=song_s / 3600,
        heard_hours=steps * batch_s / 3600,
    )
    (folder / "heard.json").write_text(json.dumps(found.__dict__, indent=1) + "\n")
    return found
