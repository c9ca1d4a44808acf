# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours: the map of one spread to another, and each stem by its own."""

import torch

from lbmodels.families.liveband.latent_matching import LatentMatching, optimal_map


def cloud(seed: int, count: int = 4000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(5, 5, generator=generator) * torch.tensor([3.0, 1.0, 1.0, 0.5, 0.1])
    return torch.randn(count, 5, generator=generator) @ mixing.mT + torch.randn(5, generator=generator)


def test_mean_and_covariance_become_the_targets() -> None:
    source, target = cloud(1), cloud(2)
    matrix, offset = optimal_map(source, target, least=0.0, most=1e6)
    mapped = source @ matrix.mT + offset
    torch.testing.assert_close(mapped.mean(0), target.mean(0), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(mapped.mT.cov(), target.mT.cov(), atol=1e-2, rtol=1e-2)
    torch.testing.assert_close(matrix, matrix.mT)


def test_what_spreads_alike_is_left_alone() -> None:
    source = cloud(1)
    matrix, offset = optimal_map(source, source, least=1.0, most=2.0)
    torch.testing.assert_close(matrix, torch.eye(5), atol=1e-3, rtol=0)
    torch.testing.assert_close(offset, torch.zeros(5), atol=1e-3, rtol=0)


def test_no_direction_is_stretched_beyond_the_most() -> None:
    source, target = cloud(1), 10 * cloud(1)
    matrix, offset = optimal_map(source, target, least=1.0, most=2.0)
    torch.testing.assert_close(matrix, 2 * torch.eye(5), atol=1e-4, rtol=0)
    torch.testing.assert_close((source @ matrix.mT + offset).mean(0), target.mean(0), atol=1e-2, rtol=1e-3)


def test_no_direction_is_narrowed_below_the_least() -> None:
    matrix, _ = optimal_map(cloud(1), 0.1 * cloud(1), least=1.0, most=2.0)
    torch.testing.assert_close(matrix, torch.eye(5), atol=1e-4, rtol=0)


def test_each_stem_by_its_own_map_one_frame_or_many() -> None:
    matching = LatentMatching(3, 4)
    frames, stem = torch.randn(2, 6, 4), torch.tensor([2, 0])
    assert torch.equal(matching(frames, stem), frames)
    with torch.no_grad():
        matching.weight[2] *= 3
        matching.bias[0] += 1
        matched = matching(frames, stem)
        torch.testing.assert_close(matched, torch.stack([3 * frames[0], frames[1] + 1]))
        torch.testing.assert_close(matching(frames[:, 4], stem), matched[:, 4])
