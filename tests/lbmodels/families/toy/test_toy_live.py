# SPDX-License-Identifier: GPL-3.0-or-later
"""The toy family on stage: law 1 on the virtual clock, and several of its sessions beside the default in one server."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lbmodels.families import loading
from lbmodels.runtime.eager import TorchAccompanist
from lbserver.client import AsyncClient
from lbserver.engine import backends
from lbserver.engine.budget import Budget
from lbserver.engine.stream import SessionConfig, StreamDriver
from lbserver.engine.virtual import VirtualWorker, run
from lbserver.ring.timeline import Mode
from lbserver.testing import stage
from lbserver.testing.servers import serving

HOP, K, RATE_HZ = 480, 4, 48000
BUDGET = Budget(compute_s=0.006, margin_s=0.002)
LEVEL = 0.1


def heard_live(model: Any, seat: stage.Seat, source: stage.Source) -> tuple[np.ndarray, float, int]:
    """What a front end heard [C, T], the A*H that it was told, and the L."""
    host = stage.front_end("a", seat, model.spec, BUDGET, source)
    worker = VirtualWorker(model, lambda _rows, _now_s: 0.005)
    session = worker.serve(host)
    run([host], [worker], until_s=0.8)
    assert (session.late_frames, session.skipped_frames, host.port.missing_samples) == (0, 0, 0)
    reported = stage.reported_samples(host)
    heard = host.audio
    host.close()
    return heard, *reported


class Watched:
    """A model, and what it was given and answered, chunk by chunk."""

    def __init__(self, model: Any) -> None:
        self.model, self.heard, self.written = model, [], []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def step(self, mix: np.ndarray, *rest: Any) -> Any:
        stem, state = self.model.step(mix, *rest)
        stem = 0.05 * stem  # the limiter leaves it alone
        self.heard.append(mix[0].copy())
        self.written.append(stem[0].copy())
        return stem, state


@pytest.mark.parametrize(
    ("mode", "frames"), [(Mode.LIVE, None), (Mode.ALIGNED, None), (Mode.MANUAL, 8)], ids=str
)
def test_law_1_of_a_chunked_family_live(folder: Path, mode: Mode, frames: int | None) -> None:
    """Catches a chunk of tokens that is placed as one frame, or a latency that is not the reported one: every sample
    that the model wrote is heard A*H + L and its own chunk behind what it was written to."""
    model = Watched(TorchAccompanist(loading.load(str(folder))))
    seat = stage.Seat(blocks=stage.RANDOM_BLOCKS, mode=mode, anticipation_frames=frames)
    source = stage.noise(3, level=LEVEL)
    heard, ahead, latency = heard_live(model, seat, source)
    mix, written = (np.concatenate(pieces, axis=-1) for pieces in (model.heard, model.written))
    np.testing.assert_array_equal(mix, source(0, mix.shape[-1]))
    shift = round(ahead) + latency + K * HOP
    assert ahead == (round(ahead) if frames is None else frames * HOP)
    assert ahead % (K * HOP) == 0
    assert not heard[:, :shift].any()
    samples = min(heard.shape[-1] - shift, written.shape[-1])
    assert np.square(written[:, :samples]).mean() > 1e-8
    np.testing.assert_array_equal(heard[:, shift : shift + samples], written[:, :samples])


def test_a_change_of_the_mix_is_heard_from_the_promised_sample_on(folder: Path) -> None:
    """Law 1 measured from outside, by what moves: not the model's word, but the first sample that differs."""
    model = TorchAccompanist(loading.load(str(folder)))
    seat, chunk = stage.Seat(mode=Mode.LIVE), 5
    source, other = stage.noise(3, level=LEVEL), stage.noise(4, level=LEVEL)
    changed_at = (chunk + 1) * K * HOP - HOP  # the last frame of a chunk

    def changed(position: int, samples: int) -> np.ndarray:
        at = np.arange(position, position + samples)
        return np.where(at < changed_at, source(position, samples), other(position, samples))

    (before, ahead, latency), (after, _, _) = (heard_live(model, seat, one) for one in (source, changed))
    begins = (chunk + 1) * K * HOP + round(ahead) + latency
    first = int(np.flatnonzero((before != after).any(axis=0))[0])
    assert begins <= first < begins + K * HOP


def alone(model: Any, mix: np.ndarray, stem: str, frames: int, seed: int) -> np.ndarray:
    driver = StreamDriver(
        model,
        SessionConfig(host_rate_hz=RATE_HZ, stems=(stem,), anticipation_frames=frames, seed=seed),
    )
    return np.concatenate([driver.push(mix).audio, driver.flush().audio], axis=-1)[0]


@pytest.mark.slow
@pytest.mark.weights
def test_several_sessions_of_it_play_beside_the_default_in_one_server(folder: Path, tmp_path: Path) -> None:
    """Catches a family that plays by itself only: here a worker of its own loads it when it is named, its sessions share
    batches, and the default model's go on as if there were nobody else."""
    families = tmp_path / "families"
    families.mkdir()
    (families / "sitecustomize.py").write_text(
        f"import lbmodels.families\nlbmodels.families.__path__.append({str(Path(__file__).parents[1])!r})\n"
    )
    mix = stage.noise(9, level=LEVEL)(0, RATE_HZ)
    wishes = [("tokens", stem, seed) for seed, stem in enumerate(("drums", "bass", "piano"))]
    wishes += [(None, "bass", 7), (None, "drums", 8)]

    async def played(run: Path) -> tuple[list[np.ndarray], list[int], dict[str, Any]]:
        async with AsyncClient(run=run) as client:
            sessions = [
                await client.open(stem=stem, rate_hz=RATE_HZ, offline=True, seed=seed, model=model)
                for model, stem, seed in wishes
            ]
            stems = await asyncio.gather(*(one.play(mix) for one in sessions))
            ahead = [round(one.ring.promise.anticipation_samples) for one in sessions]
            return list(stems), ahead, await client.sessions()

    with serving("--model", "tiny", "--model", str(folder), more={"PYTHONPATH": str(families)}) as server:
        stems, ahead, told = asyncio.run(played(Path(server["run"])))
    assert sorted(str(one["model"]) for one in told.values()) == ["tiny"] * 2 + ["tokens"] * 3
    toy, default = TorchAccompanist(loading.load(str(folder))), backends.load()
    for (model, stem, seed), heard, samples in zip(wishes, stems, ahead, strict=True):
        plays = toy if model else default
        expected = alone(plays, mix, stem, samples // plays.spec.hop, seed)
        assert np.square(expected).mean() > 1e-9
        # Company in a batch changes torch's last bits, and those now and then a token; the graph's none.
        apart = np.abs(heard - expected) > 1e-5
        assert apart.mean() <= (0.05 if model else 0.0)
