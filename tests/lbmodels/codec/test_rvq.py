# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens give latents back, coarser with fewer levels, and stream."""

import pytest
import torch

from lbmodels.codec.rvq import ResidualQuantiser, RvqConfig, nearest
from lbmodels.streaming.contract import assert_streaming_contract
from lbmodels.train.rvq import fit, k_means

SIZES = RvqConfig(latent=6, levels=4, codes=16)


def fitted(seed: int = 0) -> tuple[ResidualQuantiser, torch.Tensor]:
    torch.manual_seed(seed)
    latents = torch.randn(3000, 6)
    return fit(latents, SIZES, rounds=8, seed=seed, quiet=True), latents


def test_every_level_adds_detail_and_a_prefix_is_a_whole_description() -> None:
    quantiser, latents = fitted()
    tokens = quantiser.encode(latents)
    errors = [float((quantiser.decode(tokens[:, :n]) - latents).square().mean()) for n in range(1, 5)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] < 0.75
    assert errors[3] < 0.5 * errors[0]
    assert torch.equal(quantiser.encode(latents, 2), tokens[:, :2])
    assert torch.equal(quantiser(latents, 3), quantiser.decode(tokens[:, :3]))


def test_what_is_in_the_book_comes_back_exactly() -> None:
    codes = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    assert nearest(codes, codes).tolist() == [0, 1, 2]
    quantiser = ResidualQuantiser(RvqConfig(latent=2, levels=2, codes=3))
    quantiser.codes[0] = codes
    quantiser.codes[1] = 0.1 * codes
    torch.testing.assert_close(
        quantiser(torch.tensor([[1.0, 0.2], [0.1, 2.0]])), torch.tensor([[1.0, 0.2], [0.1, 2.0]])
    )
    assert quantiser.bits_per_s(2, 25.0) == pytest.approx(50 * 1.5849625)


def test_no_code_is_dead_where_there_are_as_many_clusters() -> None:
    """Started from random points two codes share a cluster and one names nothing, unless dead codes move."""
    torch.manual_seed(1)
    centres = 10 * torch.randn(12, 3)
    points = centres.repeat_interleave(50, 0) + 0.01 * torch.randn(600, 3)
    codes = k_means(points, 12, rounds=30, random=torch.Generator().manual_seed(0))
    assert len(nearest(points, codes).unique()) == 12


def test_it_streams() -> None:
    quantiser, _ = fitted()
    assert_streaming_contract(quantiser, torch.randn(3, 10, 6))
