# SPDX-License-Identifier: GPL-3.0-or-later
"""A training takes the faster of what its recipe allows, and tells what it came to."""

import json
from pathlib import Path

import pytest
import torch

from lbmodels.train.curves import draw_curves, read_log
from lbmodels.train.pace import settled, step_s, write_heard
from lbmodels.train.recipe import LoopConfig


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_the_fastest_that_is_allowed_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """bfloat16 was taken on processors that emulate it, fifty times slower."""
    costs = {
        (1, False): 0.3,
        (1, True): 9.0,
        (2, False): 0.2,
        (2, True): 5.0,
        (3, False): 0.5,
        (3, True): 4.0,
    }
    loop = LoopConfig(threads=3, bf16=True)
    found = settled(loop, trial=lambda threads, bf16: costs[threads, bf16])
    assert (found.threads, found.bf16) == (2, False)
    assert "float32 on 2 of 3 threads is taken" in capsys.readouterr().out
    found = settled(loop, quiet=True, trial=lambda threads, bf16: 1.0 / threads / (1 + bf16))
    assert (found.threads, found.bf16) == (3, True)
    assert not capsys.readouterr().out


def test_a_torn_line_of_the_log_costs_nothing(tmp_path: Path) -> None:
    """A disk that filled up, or NaN of an older release: a traceback at each resumption, and at the end no weights."""
    lines = [
        '{"step": 0, "loss": 2.0}',
        '{"step": 1, "loss": NaN}',
        '{"step": 2, "lo',
        '{"step": 3, "loss": 1.0}',
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    assert [row["step"] for row in read_log(tmp_path / "log.jsonl")] == [0, 3]
    draw_curves(tmp_path / "log.jsonl", tmp_path / "curves.png")
    assert write_heard(tmp_path, batch_s=1.0, songs=1, song_s=1.0).steps == 3


def test_what_a_recipe_forbids_is_not_tried() -> None:
    tried = []
    settled(LoopConfig(threads=2, bf16=False), quiet=True, trial=lambda *c: tried.append(c) or 1.0)  # type: ignore[func-returns-value]
    assert tried == [(1, False), (2, False)]
    tried.clear()
    loop = LoopConfig(threads=1, bf16=False)
    assert settled(loop, trial=lambda *c: tried.append(c) or 1.0) == loop  # type: ignore[func-returns-value]
    assert tried == []


def test_measuring_leaves_the_threads_and_the_random_numbers_of_the_run_alone() -> None:
    before, random = torch.get_num_threads(), torch.get_rng_state()
    settled(LoopConfig(threads=2, bf16=False), quiet=True)
    assert torch.get_num_threads() == before
    assert torch.equal(torch.get_rng_state(), random)
    assert step_s(1, False, rows=8) > 0
    torch.set_num_threads(before)


def test_a_run_that_was_killed_and_went_on_is_counted_whole(tmp_path: Path) -> None:
    rows = [(100, 0.5), (200, 1.0), (150, 9.0), (250, 2.0)]  # killed after 200, resumed from 140
    lines = [json.dumps({"step": step, "seconds_per_step": cost}) for step, cost in rows]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n")
    found = write_heard(tmp_path, batch_s=36.0, songs=3, song_s=7200.0)
    assert found.steps == 250
    assert found.hours == pytest.approx((100 * 0.5 + 100 * 1.0 + 100 * 2.0) / 3600)
    assert found.heard_hours == pytest.approx(2.5)
    assert json.loads((tmp_path / "heard.json").read_text())["songs"] == 3
    assert "250 steps" in str(found)
    assert "2.5 h heard of 3 songs (2.0 h)" in str(found)
