# SPDX-License-Identifier: GPL-3.0-or-later
"""The published language model on small sizes; that it computes the published function is in test_parity.py."""

import torch

from lbmodels.families.livemusic.conditioning import (
    CHANNEL_SIZES,
    FIRST_ID,
    Steering,
    guidance_ids,
    ids,
    values,
)
from lbmodels.families.livemusic.depthformer import (
    Depthformer,
    DepthformerConfig,
    DepthformerState,
    StackConfig,
)
from lbmodels.families.livemusic.sampling import Sampling, choose, sampling
from lbmodels.streaming.contract import assert_streaming_contract
from lbmodels.streaming.noise import gumbel
from lbmodels.streaming.state import from_bytes, to_bytes

SIZES = StackConfig(layers=2, dim=24, ff=32, heads=2, dim_per_head=12)
CONFIG = DepthformerConfig(
    cond_dim=16, temporal=SIZES, depth=StackConfig(layers=1, dim=20, ff=24, heads=2, dim_per_head=10),
    past_window=3, levels=4, codes=16, style_width=8,
)  # fmt: skip


def small() -> Depthformer:
    torch.manual_seed(5)
    model = Depthformer(CONFIG)
    with torch.no_grad():  # sinks and gains as in trained weights: zeros would hide a slot that is left out
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval().requires_grad_(False)


def frames(count: int, batch: int = 2) -> torch.Tensor:
    """Random table ids [B, F, channels]."""
    torch.manual_seed(9)
    return torch.stack([torch.randint(6, size, (batch, count)) for size in CHANNEL_SIZES], dim=-1)


class Forced:
    """The model as a layer over frames of [conditioning, codes]: logits of codes that are forced."""

    def __init__(self, model: Depthformer) -> None:
        self.model = model

    def _split(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = x.nan_to_num(0).abs().long()  # what is no number is an id all the same
        channels = torch.tensor(CHANNEL_SIZES)
        return x[..., : len(channels)] % channels, x[..., len(channels) :] % CONFIG.codes

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        conditioning, codes = self._split(x)
        firsts = 6 + CONFIG.codes * torch.arange(CONFIG.levels)
        logits = self.model(codes + firsts, conditioning)
        within = firsts.unsqueeze(1) + torch.arange(CONFIG.codes)
        return logits.gather(-1, within.expand(*logits.shape[:2], -1, -1))

    def init_state(self, batch: int) -> DepthformerState:
        return self.model.init_state(batch)

    def step(
        self, x: torch.Tensor, state: DepthformerState, active: torch.Tensor
    ) -> tuple[torch.Tensor, DepthformerState]:
        conditioning, codes = self._split(x)
        _, logits, state = self.model.step(conditioning, state, active, sampling(len(x)), codes)
        return logits, state


def test_streaming_equals_parallel_past_the_window() -> None:
    """A ring that keeps one frame too many, or a sink that rolls out, differs once the window is full."""
    codes = torch.randint(0, CONFIG.codes, (2, 12, CONFIG.levels))
    x = torch.cat([frames(12), codes], dim=-1).float()
    assert_streaming_contract(Forced(small()), x)


def play(
    model: Depthformer, count: int, state: DepthformerState, how: Sampling
) -> tuple[torch.Tensor, DepthformerState]:
    steering, active = frames(1, len(how.seed))[:, 0], torch.ones(len(how.seed), dtype=torch.bool)
    made = []
    for _ in range(count):
        codes, _, state = model.step(steering, state, active, how)
        made.append(codes)
    return torch.stack(made, dim=1), state


def test_a_saved_moment_goes_on_as_it_did() -> None:
    """Randomness outside of the state would play something else after a bank is recalled."""
    model = small()
    how = sampling(2, seed=3)
    _, middle = play(model, 5, model.init_state(2), how)
    saved = to_bytes(middle)
    first, _ = play(model, 6, middle, how)
    again, _ = play(model, 6, from_bytes(saved, middle), how)
    assert torch.equal(first, again)


def test_seed_and_temperature_are_each_rows_own() -> None:
    """Rows of a batch are different sessions: equal seeds play alike, others do not, and nothing depends on the place."""
    model = small()
    how = Sampling(torch.tensor([1.3, 1.3, 1.3]), torch.tensor([8, 8, 8]), torch.tensor([7, 8, 7]))
    alike = frames(1, 1)[:, 0].expand(3, -1)
    state, active, rows = model.init_state(3), torch.ones(3, dtype=torch.bool), []
    for _ in range(8):
        codes, _, state = model.step(alike, state, active, how)
        rows.append(codes)
    made = torch.stack(rows, 1)
    assert torch.equal(made[0], made[2])
    assert not torch.equal(made[0], made[1])


def test_choice_is_among_the_best_k_and_by_their_odds() -> None:
    """Noise scaled wrongly, or added before the top k are told, flattens or sharpens what is played."""
    logits = torch.tensor([2.0, 1.0, 0.5, -1.0, 1.5]).expand(20_000, -1)
    batch = len(logits)
    how = Sampling(torch.full((batch,), 0.5), torch.full((batch,), 3), torch.full((batch,), 11))
    counts = choose(logits, how, torch.arange(batch)).bincount(minlength=5) / batch
    kept = torch.tensor([2.0, 1.0, -torch.inf, -torch.inf, 1.5])
    assert torch.allclose(counts, (kept / 0.5).softmax(-1), atol=0.02)
    assert torch.equal(
        choose(logits[:3], sampling(3, temperature=0.0), torch.arange(3)), torch.zeros(3, dtype=torch.int64)
    )


def test_noise_is_gumbel() -> None:
    values = gumbel(torch.tensor([5]), torch.tensor([123]), 200_000)
    assert abs(float(values.mean()) - 0.5772) < 0.01
    assert abs(float(values.var()) - torch.pi**2 / 6) < 0.03


def test_steering_becomes_the_published_ids() -> None:
    """Guidance in steps of 0.2 from -1, masks below the first id, drums on and off."""
    assert guidance_ids(3.0, 1.0, 1.0) == (20, 10, 2)
    assert guidance_ids(-9.0, 99.0, 7.0) == (0, 40, 8)
    notes = [-1] * 128
    notes[60] = 2
    row = values(Steering(style=(5, 6), notes=tuple(notes), drums=False))
    assert row[:3] == (5, 6, -1)
    assert row[12 + 60] == 2
    assert row[140:] == (0, 20, 10, 2)
    assert int(ids(Steering())[0]) == FIRST_ID - 1
