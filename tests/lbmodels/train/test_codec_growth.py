# SPDX-License-Identifier: GPL-3.0-or-later
"""A larger autoencoder starts where a smaller one stands, and its losses see what they are for."""

from dataclasses import replace

import pytest
import torch

from lbmodels.codec.autoencoder import Codec, CodecConfig, to_frames
from lbmodels.codec.features import Features
from lbmodels.errors import LiveBandModelError
from lbmodels.train.codec import feature_losses, grow

SMALL = CodecConfig(
    hop=480, window=480, step=120, low_bins=48, high_bands=16, latent=8, features=24, depth=1, kernel=3
)


def codec(sizes: CodecConfig, seed: int) -> Codec:
    torch.manual_seed(seed)
    return Codec(sizes).eval()


def test_a_grown_codec_begins_near_the_earlier_one() -> None:
    """Columns that were joined in another order would begin as far away as a fresh network."""
    earlier = codec(SMALL, 0)
    larger = replace(SMALL, encoder_columns=96, decoder_columns=96, decoder_column_depth=1)
    fresh, grown = codec(larger, 1), codec(larger, 1)
    grow(grown, earlier)
    audio = 0.1 * torch.randn(2, 2, 24 * 480)
    with torch.no_grad():
        latents = earlier.encoder(to_frames(audio, 480))
        wanted = earlier.decoder.features(latents).level
        off = [(c.encoder(to_frames(audio, 480)) - latents).abs().mean() for c in (fresh, grown)]
        off += [(c.decoder.features(latents).level - wanted).abs().mean() for c in (fresh, grown)]
    assert off[1] < 0.5 * off[0]
    assert off[3] < 0.5 * off[2]


def test_a_codec_of_the_same_sizes_is_taken_over_to_the_bit() -> None:
    earlier, later = codec(SMALL, 0), codec(replace(SMALL, phase_lock=True), 1)
    grow(later, earlier)
    for name, tensor in earlier.state_dict().items():
        assert torch.equal(later.state_dict()[name], tensor), name


def test_a_codec_that_shares_nothing_is_refused() -> None:
    other = replace(SMALL, features=20, latent=6, kernel=2)
    with pytest.raises(LiveBandModelError, match="fit the sizes"):
        grow(codec(other, 0), codec(SMALL, 1))


def test_softer_levels_and_slower_partials_cost_what_they_are_for() -> None:
    """3 dB too soft is 0.3 of log10 power in every band; a partial a quarter turn off costs its phase losses alone."""
    c = codec(SMALL, 0)
    with torch.no_grad():
        true = c.encoder.features(to_frames(0.3 * torch.randn(3, 2, 20 * 480), 480))
        same = feature_losses(true, true, c.decoder.map)
        soft = feature_losses(true._replace(level=true.level - 0.075), true, c.decoder.map)
        turned = torch.stack([-true.advance[..., 1], true.advance[..., 0]], -1)
        late = feature_losses(true._replace(advance=turned), true, c.decoder.map)
    assert all(float(value) < 2e-3 for value in same.values())
    assert float(soft["bands"]) == pytest.approx(0.3, abs=0.03)
    assert float(soft["linear"]) == pytest.approx(1 - 10**-0.15, abs=0.03)
    assert float(late["turn"]) > 0.8
    assert float(late["linear"]) < 2e-3


def test_features_by_column_are_the_flat_ones() -> None:
    parts = Features(
        torch.randn(2, 4, 6), torch.randn(2, 4, 3, 2), torch.randn(2, 4, 2, 2), torch.randn(2, 4, 5)
    )
    assert torch.equal(parts.by_column().flatten(-2), parts.flat())
