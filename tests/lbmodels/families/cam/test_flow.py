# SPDX-License-Identifier: GPL-3.0-or-later
"""A flow draws the distribution that it was taught, from the seed alone."""

import pytest
import torch

from lbmodels.families.cam.flow import Flow


def taught(steps: int) -> Flow:
    """Two islands, at 2 and -2 where what is known is above zero, at 0.5 and -0.5 where it is below."""
    torch.manual_seed(0)
    flow = Flow(1, 32, 2, 1)
    optimizer = torch.optim.Adam(flow.parameters(), lr=5e-3)
    for _ in range(steps):
        known = torch.randn(128, 1)
        latents = torch.where(known > 0, 2.0, 0.5) * torch.randn(128, 1).sign()
        optimizer.zero_grad()
        flow.loss(known, latents, 2).backward()
        optimizer.step()
    return flow.eval().requires_grad_(False)


def test_before_it_is_taught_it_draws_a_normal_distribution() -> None:
    """A wrong closed form would begin training from nonsense, and never be noticed after it."""
    flow = Flow(3, 8, 2, 2)
    flow.log_spread.data = torch.tensor([0.5, 2.0]).log()
    known, place = torch.randn(1, 3).expand(4000, 3), torch.arange(4000)
    drawn = flow.draw(known, torch.full_like(place, 7), place, torch.ones(4000), 1)
    torch.testing.assert_close(drawn.mean(0), flow.expect(known)[0], atol=0.1, rtol=0)
    torch.testing.assert_close(drawn.std(0), torch.tensor([0.5, 2.0]), atol=0.05, rtol=0.05)
    still = flow.draw(known[:1], place[:1], place[:1], torch.zeros(1), 1)
    torch.testing.assert_close(still, flow.expect(known[:1]), atol=1e-5, rtol=0)


def test_it_draws_islands_and_not_what_lies_between_them() -> None:
    """A mean of two ways to play is none of them: what this family is there for."""
    flow, count = taught(350), 500
    known, place = torch.tensor([[1.0], [-1.0]]).repeat_interleave(count, 0), torch.arange(2 * count)
    drawn = flow.draw(known, torch.full_like(place, 3), place, torch.ones(2 * count), 8).view(2, count)
    for row, island in zip(drawn, (2.0, 0.5), strict=True):
        assert (row.abs() < island / 2).float().mean() < 0.1  # a normal distribution has 38 % there
        assert row.abs().mean() == pytest.approx(island, rel=0.15)
        assert 0.3 < (row > 0).float().mean() < 0.7
    again = flow.draw(known[5:6], torch.tensor([3]), torch.tensor([5]), torch.ones(1), 8)
    torch.testing.assert_close(again, drawn[0, 5:6].unsqueeze(0))
