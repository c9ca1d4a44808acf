# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop: schedule, averages, resumption."""

import copy
import json
import os
import pickle
import signal
import tracemalloc
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lbmodels.conditioning.silent import SilentAtFirst
from lbmodels.errors import LiveBandModelError
from lbmodels.train.loop import Side, _restore, rate_at, run, side
from lbmodels.train.recipe import LoopConfig

LOOP = LoopConfig(
    steps=12, batch=4, learning_rate=1e-2, warmup_steps=3, sample_every=4, threads=1, bf16=False, ema=0.9
)


class Line:
    """Fits a line; `stop_at` raises the signal a scheduler would send."""

    def __init__(self, loop: LoopConfig, stop_at: int = -1, width: int = 1) -> None:
        torch.manual_seed(loop.seed)
        self.model = nn.Linear(2, width)
        self.sides: dict[str, Side] = {"line": side(self.model, loop, loop.learning_rate)}
        self.averaged: dict[str, nn.Module] = {"line": copy.deepcopy(self.model)}
        self.stop_at, self.seen, self.rates = stop_at, [], []

    def batches(self, seed: int) -> Iterator[torch.Tensor]:
        rng = np.random.default_rng(seed)
        for _ in range(100):
            yield torch.from_numpy(rng.standard_normal((4, 2)).astype(np.float32))

    def step(self, batch: torch.Tensor, step: int) -> dict[str, float]:
        self.seen.append(step)
        self.rates.append(self.sides["line"].optimizer.param_groups[0]["lr"])
        loss = (self.model(batch)[:, :1] - batch.sum(1, keepdim=True)).square().mean()
        self.sides["line"].descend(loss)
        if step == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return {"loss": float(loss.detach())}

    def sample(self, folder: Path) -> dict[str, float]:
        (folder / "sample.txt").write_text("sampled")
        return {"weight": float(self.averaged["line"].weight[0, 0])}


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


class Grown(Line):
    """A line with an input more, which begins silent."""

    def __init__(self, loop: LoopConfig) -> None:
        super().__init__(loop)
        self.model = nn.ModuleDict({"more": SilentAtFirst(3, 1), "line": self.model})
        self.sides = {"line": side(self.model, loop, loop.learning_rate)}
        self.averaged = {"line": copy.deepcopy(self.model)}

    def step(self, batch: torch.Tensor, step: int) -> dict[str, float]:
        self.seen.append(step)
        line, more = self.model["line"], self.model["more"]
        answer = line(batch) + more(batch.new_ones(len(batch), 3))
        self.sides["line"].descend((answer - batch.sum(1, keepdim=True)).square().mean())
        return {}

    def sample(self, folder: Path) -> dict[str, float]:
        return {}


def test_a_run_goes_on_with_an_input_more(tmp_path: Path) -> None:
    """An optimiser whose memory slips to other parameters, or a model that forgets what it learnt."""

    class Before(Grown):
        """The same without it."""

        def __init__(self, loop: LoopConfig) -> None:
            super().__init__(loop)
            self.model = nn.ModuleDict({"line": self.model["line"]})
            self.sides = {"line": side(self.model, loop, loop.learning_rate)}
            self.averaged = {"line": copy.deepcopy(self.model)}

        def step(self, batch: torch.Tensor, step: int) -> dict[str, float]:
            self.sides["line"].descend(
                (self.model["line"](batch) - batch.sum(1, keepdim=True)).square().mean()
            )
            return {}

    before, after = Before(LOOP), Grown(replace(LOOP, steps=13))
    run(before, LOOP, tmp_path, quiet=True)
    learnt = {name: tensor.clone() for name, tensor in before.model.state_dict().items()}
    moments = {
        name: before.sides["line"].optimizer.state[p]["exp_avg"]
        for name, p in before.model.named_parameters()
    }
    _restore(tmp_path / "checkpoint.pt", after)
    assert all(torch.equal(after.model.state_dict()[name], tensor) for name, tensor in learnt.items())
    state, named = after.sides["line"].optimizer.state, dict(after.model.named_parameters())
    assert all(torch.equal(state[named[name]]["exp_avg"], moment) for name, moment in moments.items())
    run(after, replace(LOOP, steps=13), tmp_path, quiet=True)
    assert after.seen == [12]
    assert float(named["more.2.bias"].detach().abs()) > 0
    with pytest.raises(LiveBandModelError, match="of another recipe"):
        _restore(tmp_path / "checkpoint.pt", Line(LOOP))


def test_rate_rises_rests_and_falls_to_a_twentieth() -> None:
    loop = LoopConfig(steps=1000, warmup_steps=100, decay_from=0.5)
    rates = [rate_at(step, loop) for step in range(1001)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[99] == 1.0
    assert set(rates[100:501]) == {1.0}
    assert np.all(np.diff(rates[:100]) > 0)
    assert np.all(np.diff(rates[501:]) < 0)
    assert rates[750] == pytest.approx(0.525, abs=1e-3)
    assert rates[1000] == pytest.approx(0.05)
    assert rate_at(5, LoopConfig(warmup_steps=0)) == 1.0


def test_a_run_logs_draws_samples_and_checkpoints(tmp_path: Path) -> None:
    line = Line(LOOP)
    run(line, LOOP, tmp_path, quiet=True)
    assert line.seen == list(range(12))
    np.testing.assert_allclose(line.rates, [1e-2 * rate_at(n, LOOP) for n in range(12)])
    assert [row["step"] for row in rows(tmp_path)] == [4, 8, 12]
    assert {"loss", "weight", "seconds_per_step"} <= rows(tmp_path)[0].keys()
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "sample.txt").is_file()
    assert not list(tmp_path.glob("*.part"))


def test_a_terminated_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """The second process starts with other weights: all it knows must come from the checkpoint."""
    before = signal.getsignal(signal.SIGTERM)
    first = Line(LOOP, stop_at=5)
    run(first, LOOP, tmp_path, quiet=True)
    assert first.seen == list(range(6))
    assert signal.getsignal(signal.SIGTERM) == before
    second = Line(LoopConfig(seed=99, **{k: getattr(LOOP, k) for k in ("steps", "batch", "learning_rate")}))
    weight = first.model.weight.clone()
    second.step = lambda batch, step: (  # type: ignore[method-assign]
        second.seen.append(step) or {"same": float(torch.equal(second.model.weight, weight))}
    )
    run(second, LOOP, tmp_path, quiet=True)
    assert second.seen == list(range(6, 12))
    assert rows(tmp_path)[-1]["same"] == 1.0
    moments = (one.sides["line"].optimizer.state_dict()["state"][0]["exp_avg"] for one in (first, second))
    assert torch.equal(*moments)
    third = Line(LOOP)
    run(third, LOOP, tmp_path, quiet=True)
    assert third.seen == []


def test_a_checkpoint_of_another_model_is_refused_in_one_line(tmp_path: Path) -> None:
    run(Line(LOOP), LOOP, tmp_path, quiet=True)
    with pytest.raises(LiveBandModelError, match="checkpoint") as refused:
        run(Line(LOOP, width=3), LOOP, tmp_path, quiet=True)
    assert "\n" not in str(refused.value)


def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(LiveBandModelError, match="checkpoint"):
        run(Line(LOOP), LOOP, tmp_path, quiet=True)


class _Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("echo owned > owned.txt",)


def test_a_checkpoint_that_runs_code_is_refused_before_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"step": _Payload()}, tmp_path / "checkpoint.pt")
    with pytest.raises(LiveBandModelError, match="checkpoint"):
        run(Line(LOOP), LOOP, tmp_path, quiet=True)
    (tmp_path / "checkpoint.pt").write_bytes(pickle.dumps(_Payload()))
    with pytest.raises(LiveBandModelError, match="checkpoint"):
        run(Line(LOOP), LOOP, tmp_path, quiet=True)
    assert not (tmp_path / "owned.txt").exists()


def test_a_checkpoint_is_not_unpacked_to_more_than_its_size(tmp_path: Path) -> None:
    """Measured without the check: 1.04 MB deflated became a tensor of 1 GiB. Here 64 kB would become 64 MiB."""
    stored, deflated = tmp_path / "stored.pt", tmp_path / "checkpoint.pt"
    torch.save({"step": torch.zeros(2**24)}, stored)
    with zipfile.ZipFile(stored) as old, zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            new.writestr(entry, old.read(entry))
    assert deflated.stat().st_size < 100_000
    run(Line(LOOP), LOOP, tmp_path / "before", quiet=True)  # what a run imports is not what is measured
    tracemalloc.start()
    with pytest.raises(LiveBandModelError, match="compressed; only stored"):
        run(Line(LOOP), LOOP, tmp_path, quiet=True)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_averages_follow_slowly_and_buffers_are_copied(tmp_path: Path) -> None:
    line = Line(LOOP)
    start = line.model.weight.detach().clone()
    run(line, LOOP, tmp_path, quiet=True)
    moved = (line.model.weight - start).abs()
    behind = (line.averaged["line"].weight - start).abs()
    assert (behind > 0).all()
    assert (behind < moved).all()


def test_a_step_with_a_non_finite_gradient_is_skipped() -> None:
    line = Line(LOOP)
    before = copy.deepcopy(line.model.state_dict())
    line.sides["line"].descend(line.model(torch.full((1, 2), torch.inf)).sum())
    assert all(torch.equal(before[k], v) for k, v in line.model.state_dict().items())


def test_vectors_are_not_decayed() -> None:
    groups = side(nn.Linear(3, 3), LOOP, 1e-3).optimizer.param_groups
    assert [(len(g["params"]), g["weight_decay"]) for g in groups] == [(1, LOOP.weight_decay), (1, 0.0)]
