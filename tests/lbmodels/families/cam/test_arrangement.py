# SPDX-License-Identifier: GPL-3.0-or-later
"""A part's levels are a chain of their own, and what it plays keeps to them."""

import torch

from lbmodels.band import Heard
from lbmodels.contract.conditions import HOST
from lbmodels.families.cam.arrangement import CLASSES, Arrangement, ArrangementConfig, Arranger, classes_of
from lbmodels.families.cam.network import Cam, CamConfig, Player
from lbmodels.families.liveband.generator import GeneratorConfig

FRAMES = 24


def ears(window: int) -> GeneratorConfig:
    return GeneratorConfig(latent=8, semitones=12, features=16, heads=2, depth=1, window=window)


def asked() -> tuple[Heard, dict[str, torch.Tensor]]:
    torch.manual_seed(3)
    heard = Heard(torch.randn(1, FRAMES, 8), torch.rand(1, FRAMES, 12))
    told = {n: torch.full((1, FRAMES, *((12,) if n == "chord" else ())), torch.nan) for n in HOST}
    told |= {
        n: torch.full((1, FRAMES), v) for n, v in (("stem", 1.0), ("anticipation", 1.0), ("variation", 1.0))
    }
    return heard, told


def test_levels_fall_into_classes_at_their_edges() -> None:
    """What is as soft as silence rests, what is louder by a hair does not."""
    chosen = classes_of(torch.tensor([-120.0, -60.1, -59.9, -45.0, 0.0]))
    assert chosen.shape == (5, CLASSES)
    assert chosen.argmax(-1).tolist() == [0, 0, 1, 3, CLASSES - 1]


@torch.no_grad()
def test_a_stream_is_the_whole_pass_and_plays_at_the_levels_that_were_chosen() -> None:
    """A part that is told other levels than were chosen, or none, would rest where nobody meant it to."""
    torch.manual_seed(1)
    arrangement = Arrangement(ArrangementConfig(hearing=ears(20)))
    cam = Cam(CamConfig(hearing=ears(8), hidden=16, layers=1, flow_steps=1))
    for weights in (*arrangement.own[2].parameters(), *cam.own[2].parameters(), cam.level.weight):
        torch.nn.init.normal_(weights, std=0.5)
    heard, told = asked()
    seed = torch.tensor([5])
    levels = Arranger(arrangement, 1).play_all(heard, told, seed).latents
    assert ((levels == 0) | (levels == 1)).all()
    assert (levels.sum(-1) == 1).all()
    assert len(set(levels[0].argmax(-1).tolist())) > 2
    mine = Player(cam, arrangement).eval()
    played = mine.play_all(heard, told, seed).latents
    state, active = mine.init_state(1), torch.ones(1, dtype=torch.bool)
    for n in range(FRAMES):
        now = {name: value[:, n : n + 1] for name, value in told.items()}
        answer, state = mine.play_chunk(Heard(*(p[:, n : n + 1] for p in heard)), now, seed, state, active)
        torch.testing.assert_close(answer.latents[:, 0], played[:, n])
    arrangement.choose[2].bias[4] += 50
    told_otherwise = mine.play_all(heard, told, seed).latents
    assert not torch.allclose(told_otherwise, played)
    cam.level.weight.zero_()
    assert not torch.allclose(mine.play_all(heard, told, seed).latents, told_otherwise)


@torch.no_grad()
def test_density_moves_the_share_of_rests() -> None:
    """A knob that moves nothing, or the wrong way round."""
    torch.manual_seed(2)
    mine = Arranger(Arrangement(ArrangementConfig(hearing=ears(20))), 1)
    heard, told = asked()

    def rests(density: float) -> float:
        conditions = {**told, "density": torch.full((1, FRAMES), density)}
        played = [mine.play_all(heard, conditions, torch.tensor([seed])).latents[..., 0] for seed in range(6)]
        return float(torch.stack(played).mean())

    assert rests(0.0) > rests(0.25) > rests(0.5) > rests(1.0)
