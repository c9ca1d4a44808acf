# SPDX-License-Identifier: GPL-3.0-or-later
"""What 40 ms of Magenta RealTime 2 cost: language model, decoder, encoder, on random weights of the published sizes.

    python -m benchmarks.livemusic
    python -m benchmarks.livemusic --size base --frames 10     needs 10 GB of memory

One thread, torch, float32. RTF is 40 ms over the mean CPU time: what a core to itself gives; live playing needs 1 or more.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.measure import record
from benchmarks.measure.clock import Laps
from lbmodels.families.livemusic.conditioning import Steering, ids
from lbmodels.families.livemusic.depthformer import PUBLISHED, Depthformer
from lbmodels.families.livemusic.sampling import sampling
from lbmodels.families.livemusic.spectrostream import FEATURES, FRAME_SAMPLES, Decoder, Encoder

FRAME_MS = 40.0
WARM_UP = 3


def _laps(step: Callable[[Any], Any], state: Any, frames: int) -> Laps:
    """`step` maps a state to the next one."""
    laps = Laps()
    timed = laps.timed(step)
    for _ in range(WARM_UP + frames):
        state = timed(state)
    del laps.cpu_ns[:WARM_UP], laps.wall_ns[:WARM_UP]
    return laps


@torch.inference_mode()
def run(size: str, frames: int) -> dict[str, Any]:
    """Figures by part, and the RTF of playing: language model and decoder."""
    torch.set_num_threads(1)
    everyone, how, steering = torch.ones(1, dtype=torch.bool), sampling(1), ids(Steering()).unsqueeze(0)
    language, decoder, encoder = Depthformer(PUBLISHED[size]), Decoder(), Encoder()
    code, audio = torch.randn(1, FEATURES), torch.randn(1, FRAME_SAMPLES, 2)
    parts = {
        "language model": _laps(
            lambda s: language.step(steering, s, everyone, how)[2], language.init_state(1), frames
        ),
        "decoder": _laps(lambda s: decoder.step(code, s, everyone)[1], decoder.init_state(1), frames),
        "encoder": _laps(lambda s: encoder.step(audio, s, everyone)[1], encoder.init_state(1), frames),
    }
    figures = {name: laps.figures() for name, laps in parts.items()}
    playing = sum(figures[name]["cpu_ms"]["mean"] for name in ("language model", "decoder"))
    millions = sum(p.numel() for p in language.parameters()) / 1e6
    return {"millions": round(millions, 2), "parts": figures, "rtf": round(FRAME_MS / playing, 3)}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.livemusic",
        description="What 40 ms of Magenta RealTime 2 cost on one core, with random weights.",
        epilog="example: python -m benchmarks.livemusic --frames 50",
    )
    parser.add_argument("--size", choices=sorted(PUBLISHED), default="small")
    parser.add_argument("--frames", type=int, default=20, help="frames measured (default: %(default)s)")
    parser.add_argument(
        "--results", type=Path, default=record.default_results("livemusic"), help="lines go here"
    )
    told = parser.parse_args(arguments)
    if told.frames < 1:
        parser.error("--frames accepts positive numbers")
    figures = run(told.size, told.frames)
    table = Table(
        title=f"Magenta RealTime 2 {told.size}, {figures['millions']} million, RTF {figures['rtf']}"
    )
    for column in ("part", "CPU ms a frame", "p95", "wall ms"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for name, laps in figures["parts"].items():
        cpu, wall = laps["cpu_ms"], laps["wall_ms"]
        table.add_row(name, f"{cpu['mean']:.1f}", f"{cpu['p95']:.1f}", f"{wall['mean']:.1f}")
    Console(width=100).print(table)
    record.write("livemusic", told.results, {"size": told.size, "frames": told.frames}, figures)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
