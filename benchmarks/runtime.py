# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step costs on each runtime, alone and in batches, and how far each is from the torch reference.

    python -m benchmarks.runtime                     every runtime, 1 to 16 sessions
    python -m benchmarks.runtime --batch 1 --runtime onnx torch

One thread. Paced, a frame comes every hop and finds the caches cold, as live; back to back they are warm. CPU
time is what neighbours change least. RTF is the length of a frame over its mean CPU time, on one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.measure import machine, record
from benchmarks.measure.clock import measure
from lbmodels.errors import LiveBandModelError
from lbmodels.families import loading
from lbmodels.runtime import opening
from lbmodels.runtime.graph import GraphAccompanist
from lbmodels.runtime.timing import Step, graph_step, told, torch_step
from lbmodels.streaming.state import named_tensors

_ALL = (*opening.GRAPHS, "torch")


@dataclass(frozen=True, kw_only=True)
class RuntimeConfig:
    """What to measure; `frames` per run, `parity_frames` against the reference."""

    model: str | None = None
    runtimes: tuple[str, ...] = _ALL
    batches: tuple[int, ...] = (1, 2, 4, 8, 16)
    frames: int = 200
    warmup_frames: int = 25
    parity_frames: int = 400


def run(config: RuntimeConfig) -> dict[str, Any]:
    """All figures of one model, as they go into the record."""
    torch.set_num_threads(1)
    load_before = machine.load_average()
    spec = loading.load(config.model).spec
    hop_ns = spec.hop * 10**9 // spec.sample_rate
    runs, opening_s = [], {}
    for runtime in config.runtimes:
        begin = time.perf_counter()
        graph = opening.open_model(config.model, runtime)
        opening_s[runtime] = round(time.perf_counter() - begin, 2)
        for batch in config.batches:
            for paced in (False, True):
                measured = measure(
                    steps(config.model, graph, batch),
                    {},
                    frames=config.frames,
                    warmup_frames=config.warmup_frames,
                    frame_ns=hop_ns if paced else None,
                )
                times = measured.whole.figures()
                rtf = hop_ns / 1e6 / times["cpu_ms"]["mean"]
                runs.append(
                    {
                        "runtime": runtime,
                        "batch": batch,
                        "paced": paced,
                        "rtf": round(rtf, 2),
                        "rtf_sessions": round(rtf * batch, 2),
                        **times,
                        **({"missed": measured.missed(hop_ns)} if paced else {}),
                    }
                )
    return {
        "model": {"name": spec.name, "weights_id": spec.weights_id, "parameters": spec.parameters},
        "hop_ms": hop_ns / 1e6,
        "opening_s": opening_s,
        "parity": parity(config),
        "runs": runs,
        "load_average": [load_before, machine.load_average()],
    }


def steps(model: str | None, graph: GraphAccompanist | None, batch: int) -> Step:
    """A batch of sessions on a graph, or on torch for None."""
    return (graph_step(graph, batch) if graph is not None else torch_step(model, batch))[1]


def parity(config: RuntimeConfig) -> dict[str, dict[str, float]]:
    """Each graph against torch over the same noisy chords: what the generator plays, and the stem that is heard."""
    names = [runtime for runtime in config.runtimes if runtime != "torch"]
    if not names:
        return {}
    reference = loading.load(config.model)
    mixes, conditions = chords(reference.spec, config.parity_frames), told(reference.spec, 2)
    wanted, latents = _by_torch(reference, mixes, conditions, [1, 2])
    other, _ = _by_torch(reference, mixes, conditions, [3, 4])
    figures = {}
    for runtime in names:
        graph = opening.open_model(config.model, runtime)
        assert graph is not None
        found: list[NDArray[np.float32]] = []
        state = graph.init_state([1, 2])
        for mix in mixes:
            stem, state = graph.step(mix, conditions, state, np.ones(2, np.bool_))
            found.append(stem)
        audio = np.stack(found)
        power = np.square(wanted, dtype=np.float64).mean()
        noise = np.square(audio - wanted, dtype=np.float64).mean()
        error = state.tensors["decoder.stack.0.past"] - latents
        figures[runtime] = {
            "latent_relative_error": round(
                float(np.sqrt(np.square(error).mean() / np.square(latents).mean())), 6
            ),
            "stem_snr_db": round(float(10 * np.log10(power / max(noise, 1e-30))), 2),
            "log_spectral_difference_db": round(_spectral_difference(audio, wanted), 3),
            "level_difference_db": round(
                float(10 * np.log10(np.square(audio, dtype=np.float64).mean() / power)), 3
            ),
        }
    figures["torch, another seed"] = {
        "log_spectral_difference_db": round(_spectral_difference(other, wanted), 3)
    }
    return figures


def _by_torch(
    model: Any, mixes: NDArray[np.float32], known: Mapping[str, NDArray[np.float32]], seeds: list[int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Stem [F, B, 2, hop], and what the decoder's first convolution remembers at the end: latents, by one matrix."""
    conditions = {name: torch.from_numpy(value) for name, value in known.items()}
    state, frames = model.init_state(seeds), []
    with torch.inference_mode():
        for mix in mixes:
            stem, state = model.step(
                torch.from_numpy(mix), conditions, state, torch.ones(len(seeds), dtype=torch.bool)
            )
            frames.append(stem.numpy())
    return np.stack(frames), dict(named_tensors(state))["decoder.stack.0.past"].numpy()


def _spectral_difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.abs(spectrum_db(a) - spectrum_db(b)).mean())


def chords(spec: Any, frames: int) -> NDArray[np.float32]:
    """Noisy chords [F, 2, 2, hop], plucked twice a second."""
    rng = np.random.default_rng(0)
    t = np.arange(frames * spec.hop) / spec.sample_rate
    notes = 110 * 2 ** (rng.integers(0, 36, (2, 2, 3, 1)) / 12)
    audio = 0.1 * np.sin(2 * np.pi * notes * t).sum(2) * (1 - t % 0.5)
    audio += 0.01 * rng.standard_normal(audio.shape)
    cut = audio.reshape(2, 2, frames, spec.hop).transpose(2, 0, 1, 3)
    return np.ascontiguousarray(cut, np.float32)


def spectrum_db(audio: NDArray[np.float32]) -> NDArray[np.float64]:
    """Levels of 2048-sample windows of [F, B, 2, hop], not below 60 dB under the loudest."""
    signal = audio.transpose(1, 2, 0, 3).reshape(audio.shape[1] * 2, -1)
    windows = np.lib.stride_tricks.sliding_window_view(signal, 2048, axis=-1)[:, ::1024] * np.hanning(2048)
    power = np.square(np.abs(np.fft.rfft(windows)))
    return 10 * np.log10(np.maximum(power, 1e-6 * power.max()))


def show(result: dict[str, Any], console: Console) -> None:
    """The tables, for eyes only."""
    console.print(
        f"{result['model']['name']}: {result['model']['parameters'] / 1e6:.1f} M parameters, "
        f"frames of {result['hop_ms']:g} ms, one thread; CPU ms per step of the whole batch"
    )
    table = Table()
    for name in (
        "runtime",
        "sessions",
        "p50",
        "p99",
        "RTF",
        "paced p50",
        "paced p99",
        "wall p99",
        "RTF",
        "missed",
    ):
        table.add_column(name, justify="left" if name == "runtime" else "right")
    runs = result["runs"]
    for warm, cold in zip(runs[::2], runs[1::2], strict=True):
        table.add_row(
            warm["runtime"],
            str(warm["batch"]),
            *(f"{warm['cpu_ms'][point]:.2f}" for point in ("p50", "p99")),
            f"{warm['rtf']:.1f}",
            *(f"{cold['cpu_ms'][point]:.2f}" for point in ("p50", "p99")),
            f"{cold['wall_ms']['p99']:.2f}",
            f"{cold['rtf']:.1f}",
            str(cold["missed"]),
            end_section=warm["batch"] == runs[-1]["batch"],
        )
    console.print(table)
    for runtime, figures in result["parity"].items():
        line = f"{runtime}: spectrum {figures['log_spectral_difference_db']:.2f} dB off"
        if "stem_snr_db" in figures:
            line += f", latents {figures['latent_relative_error']:.2%}, level {figures['level_difference_db']:+.2f} dB"
            line += f", waveform {figures['stem_snr_db']:.1f} dB SNR"
        console.print(line)
    before, after = result["load_average"]
    console.print(f"load average {before} before, {after} after: about 1 is this program alone")


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    defaults = RuntimeConfig()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.runtime", description="Cost of one step.")
    parser.add_argument("--model", help="a shipped model's name or a folder (default: the shipped default)")
    parser.add_argument("--runtime", nargs="+", default=list(_ALL), choices=_ALL, help="which (default: all)")
    parser.add_argument(
        "--batch", type=int, nargs="+", default=list(defaults.batches), help="sessions at once"
    )
    parser.add_argument("--frames", type=int, default=defaults.frames, help="per run (default: %(default)s)")
    parser.add_argument("--parity-frames", type=int, default=defaults.parity_frames, help="against torch")
    parser.add_argument(
        "--results", type=Path, default=record.default_results("runtime"), help="lines go here"
    )
    args = parser.parse_args(arguments)
    if min(*args.batch, args.frames, args.parity_frames) < 1:
        parser.error("--batch, --frames and --parity-frames accept positive numbers")
    config = RuntimeConfig(
        model=args.model,
        runtimes=tuple(args.runtime),
        batches=tuple(args.batch),
        frames=args.frames,
        parity_frames=args.parity_frames,
    )
    try:
        result = run(config)
    except LiveBandModelError as error:
        parser.error(str(error))
    show(result, Console(width=128))
    record.write("runtime", args.results, {**asdict(config), "model": result["model"]["name"]}, result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
