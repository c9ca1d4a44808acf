# SPDX-License-Identifier: GPL-3.0-or-later
"""Several ranks: real processes over gloo that train as one, and what they say when they cannot."""

import copy
import importlib
import itertools
from pathlib import Path
from types import ModuleType

import pytest
import torch

from lbmodels.commands import objectives
from lbmodels.errors import LiveBandModelError
from lbmodels.train.loop import run
from lbmodels.train.ranks import spawn
from lbmodels.train.recipe import LoopConfig
from lbserver.cli import main

# Children import what they run, so it has to be a module.
GAME = """
import copy
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lbmodels.errors import LiveBandModelError
from lbmodels.train.loop import run, side
from lbmodels.train.ranks import join


class Game:
    # Two sides: a player that is called by its parts, of which the second rank leaves one out, and a critic.

    def __init__(self, loop, rank):
        torch.manual_seed(10 + rank)  # ranks begin apart
        self.rank = rank
        self.player = nn.ModuleDict({"hear": nn.Linear(3, 4), "more": nn.Linear(3, 4), "play": nn.Linear(4, 2)})
        self.critic = nn.Linear(2, 1)
        self.sides = {"player": side(self.player, loop, 1e-2), "critic": side(self.critic, loop, 1e-2)}
        self.averaged = {"player": copy.deepcopy(self.player)}

    def batches(self, seed):
        rng = np.random.default_rng(seed)
        for _ in range(50):
            yield torch.from_numpy(rng.standard_normal((4, 3)).astype(np.float32))

    def play(self, batch, rank):
        h = self.player["hear"](batch)
        return self.player["play"](torch.tanh(h if rank else h + self.player["more"](batch)))

    def critic_loss(self, batch, rank):
        return (self.critic(batch[:, :2]) - self.critic(self.play(batch, rank).detach())).square().mean()

    def player_loss(self, batch, rank):
        return self.critic(self.play(batch, rank)).square().mean() + self.play(batch, rank).square().mean()

    def step(self, batch, step):
        self.sides["critic"].descend(self.critic_loss(batch, self.rank))
        self.critic.requires_grad_(False)
        loss = self.player_loss(batch, self.rank)
        self.critic.requires_grad_(True)
        self.sides["player"].descend(loss)
        return {"loss": float(loss.detach())}

    def sample(self, folder):
        return {}


def train(loop, folder):
    rank = join()
    game = Game(loop, rank)
    run(game, loop, Path(folder), quiet=True)
    torch.save([game.player.state_dict(), game.critic.state_dict()], f"{folder}/{rank}.pt")


def fail():
    raise LiveBandModelError("no song has a guitar")
"""


@pytest.fixture
def game(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "game_of_ranks.py").write_text(GAME)
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("game_of_ranks")


def loop_of(steps: int) -> LoopConfig:
    return LoopConfig(steps=steps, warmup_steps=0, decay_from=1.0, threads=1, bf16=False, sample_every=100)


def test_two_ranks_go_on_as_one_with_both_batches(tmp_path: Path, game: ModuleType) -> None:
    """A sum instead of a mean, ranks that begin apart, a parameter that one of them does not use, a checkpoint of one
    process that two cannot read: each would show in the weights.
    """
    alone = game.Game(loop_of(3), 0)
    run(alone, loop_of(3), tmp_path, quiet=True)
    together = copy.deepcopy(alone)
    spawn(2, game.train, loop_of(7), str(tmp_path))

    drawn = [itertools.islice(together.batches(3 * 31 + rank), 4) for rank in range(2)]
    for pair in zip(*drawn, strict=True):
        for name in ("critic", "player"):
            losses = [getattr(together, f"{name}_loss")(batch, rank) for rank, batch in enumerate(pair)]
            together.sides[name].descend(torch.stack(losses).mean())
    wanted = [together.player.state_dict(), together.critic.state_dict()]
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)  # noqa: TID251
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_what_a_rank_says_is_said_in_one_line(game: ModuleType) -> None:
    """A traceback of two processes would hide what is to be mended."""
    with pytest.raises(LiveBandModelError, match=r"^no song has a guitar$"):
        spawn(1, game.fail)


def test_ranks_are_for_what_learns_step_by_step(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Every rank would fit the same and write over the others."""
    assert not objectives()["rvq"].ranks
    assert main(["train", "rvq", "--ranks", "2", "--out", str(tmp_path)]) == 2
    assert "--ranks" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", "codec", "--ranks", "0", "--out", str(tmp_path)])
    assert "1 to 64" in capsys.readouterr().err
