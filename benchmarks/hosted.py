# SPDX-License-Identifier: GPL-3.0-or-later
"""The plug-in in pedalboard against the bounce: every rate and block, sixteen instances at once, latency by mode.

    python -m benchmarks.hosted                   60 s at three rates, ten blocks, copy and the shipped model
    python -m benchmarks.hosted --seconds 5       quicker

`differs` is the largest difference between a sample of the render and of the bounce; 0 is the same to the bit.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table

from benchmarks.measure import machine, record
from lbmodels.contract.accompanist import Audio
from lbmodels.contract.stems import STEMS
from lbserver.engine import backends
from lbserver.engine.bounce import BounceRequest, bounce
from lbserver.errors import LiveBandError
from lbserver.plugin.through import a_server, find_plugin

ANTICIPATION_MS = 40.0
SIXTEEN = 16


@dataclass(frozen=True, kw_only=True)
class HostedConfig:
    """Sizes: `seconds` of audio at each rate, in blocks of each size."""

    seconds: float = 60.0
    rates_hz: tuple[int, ...] = (44100, 48000, 96000)
    blocks: tuple[int, ...] = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 65536)
    models: tuple[str, ...] = ("test:copy", "shipped")
    seed: int = 7


@dataclass(frozen=True, kw_only=True)
class Row:
    """One render."""

    model: str
    rate_hz: int
    block: int
    differs: float
    times_real: float


def load(path: Path, **controls: Any) -> Any:
    import pedalboard

    plugin: Any = pedalboard.load_plugin(str(path))
    for name, value in controls.items():
        setattr(plugin, name, value)
    return plugin


def music(seconds: float, rate_hz: int, seed: int) -> Audio:
    """Noise [2, T] at -20 dB that comes and goes."""
    samples = int(seconds * rate_hz)
    swell = 0.1 * np.abs(np.sin(np.arange(samples) * (3.0 / rate_hz)))
    return np.asarray(swell * np.random.default_rng(seed).standard_normal((2, samples)), np.float32)


def bounced(mix: Audio, rate_hz: int, model: str, stem: str, seed: int) -> Audio:
    """What `liveband bounce` gives."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "in.wav", Path(folder) / "out.wav"
        soundfile.write(source, mix.T, rate_hz, subtype="FLOAT")
        request = BounceRequest(
            source=source, stems=(stem,), outputs={stem: out}, anticipation_ms=ANTICIPATION_MS, seed=seed
        )
        bounce(request, backends.load(name_of(model)))
        found: Audio = soundfile.read(out, dtype="float32", always_2d=True)[0].T
    return found


def name_of(model: str) -> str | None:
    return None if model == "shipped" else model


@contextmanager
def a_band(model: str) -> Iterator[int]:
    """A server of our own; its process id."""
    with tempfile.TemporaryDirectory(prefix="liveband-") as folder:
        before = os.environ.get("LIVEBAND_RUN")
        os.environ["LIVEBAND_RUN"] = str(Path(folder) / "run")  # whoever runs already stays out of it
        try:
            with a_server(name_of(model)) as (server, _spec):
                yield server.pid
        finally:
            if before is None:
                del os.environ["LIVEBAND_RUN"]
            else:
                os.environ["LIVEBAND_RUN"] = before


def matrix(path: Path, config: HostedConfig) -> Iterator[Row]:
    """Every rate and block, for each model."""
    for model in config.models:
        with a_band(model):
            plugin = load(path, mode="bounce", anticipation_ms=ANTICIPATION_MS, stem="bass", seed=config.seed)
            for rate_hz in config.rates_hz:
                mix = music(config.seconds, rate_hz, config.seed)
                wanted = bounced(mix, rate_hz, model, "bass", config.seed)
                for block in config.blocks:
                    begun_s = time.perf_counter()
                    found = plugin(mix, rate_hz, buffer_size=block)
                    took_s = time.perf_counter() - begun_s
                    differs = (
                        float(np.abs(found - wanted).max()) if found.shape == wanted.shape else float("nan")
                    )
                    yield Row(
                        model=model,
                        rate_hz=rate_hz,
                        block=block,
                        differs=differs,
                        times_real=config.seconds / took_s,
                    )


def sixteen(path: Path, config: HostedConfig, model: str) -> dict[str, float]:
    """Sixteen instances at once on one server, each with a stem and a seed of its own."""
    seconds = min(10.0, config.seconds)
    mix = music(seconds, 48000, config.seed)
    with a_band(model) as pid:
        before_bytes, server_before_bytes = machine.resident_bytes(), tree_bytes(pid)
        begun_s = time.perf_counter()
        plugins = [
            load(path, mode="bounce", anticipation_ms=ANTICIPATION_MS, stem=STEMS[n % 4], seed=n // 4)
            for n in range(SIXTEEN)
        ]
        loaded_s = time.perf_counter() - begun_s
        begun_s = time.perf_counter()
        with ThreadPoolExecutor(SIXTEEN) as pool:
            found = list(pool.map(lambda plugin: plugin(mix, 48000, buffer_size=512), plugins))
        took_s = time.perf_counter() - begun_s
        after_bytes, server_after_bytes = machine.resident_bytes(), tree_bytes(pid)
    differs = [
        float(np.abs(audio - bounced(mix, 48000, model, STEMS[n % 4], n // 4)).max())
        for n, audio in enumerate(found)
    ]
    return {
        "differs": max(differs),
        "load_s": loaded_s,
        "render_s": took_s,
        "audio_s": seconds,
        "host_mib_each": (after_bytes - before_bytes) / SIXTEEN / 2**20,
        "server_mib_each": (server_after_bytes - server_before_bytes) / SIXTEEN / 2**20,
    }


def tree_bytes(pid: int) -> int:
    """Resident bytes of a process and its children."""
    total = 0
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        total = pages * resource.getpagesize()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return total
    return total + sum(tree_bytes(int(child)) for child in children)


def latencies(path: Path) -> dict[str, int]:
    """Samples at 48 kHz that the host is told, by mode."""
    told = {}
    with a_band("test:copy"):
        for mode, ahead_ms in (("live", 40.0), ("aligned", 0.0), ("bounce", 40.0), ("manual", 0.0)):
            plugin = load(path, mode=mode, anticipation_ms=ahead_ms)
            plugin(np.zeros((2, 4800), np.float32), 48000)
            told[f"{mode} {ahead_ms:g} ms"] = int(plugin.reported_latency_samples)
    return told


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hosted", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=HostedConfig.seconds)
    parser.add_argument("--model", action="append", help="test:copy, shipped ... (default: both)")
    parser.add_argument("--results", type=Path, default=record.default_results("hosted"))
    parsed = parser.parse_args(arguments)
    config = HostedConfig(seconds=parsed.seconds, models=tuple(parsed.model or HostedConfig.models))
    console = Console()
    try:
        path = find_plugin(None)
    except LiveBandError as error:
        console.print(f"not measured: {error}")
        return 0
    table = Table("model", "rate", "block", "differs", "times real time")
    rows = []
    for row in matrix(path, config):
        rows.append(row)
        table.add_row(
            row.model, f"{row.rate_hz}", f"{row.block}", f"{row.differs:.3g}", f"{row.times_real:.1f}"
        )
    console.print(table)
    together = {model: sixteen(path, config, model) for model in config.models}
    for model, figures in together.items():
        console.print(f"16 at once, {model}: " + ", ".join(f"{n} {v:.3g}" for n, v in figures.items()))
    told = latencies(path)
    console.print("latency told, samples at 48 kHz: " + ", ".join(f"{n}: {v}" for n, v in told.items()))
    worst = max(row.differs for row in rows)
    console.print(f"largest difference of {len(rows)} renders: {worst:.3g}")
    record.write(
        "hosted",
        parsed.results,
        asdict(config),
        {"rows": [asdict(row) for row in rows], "sixteen": together, "latency_samples": told, "worst": worst},
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
