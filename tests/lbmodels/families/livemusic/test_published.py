# SPDX-License-Identifier: GPL-3.0-or-later
"""Published keys into modules: what does not fit is named."""

import pytest
import torch

from lbmodels.errors import LiveBandModelError
from lbmodels.families.livemusic import published
from lbmodels.families.livemusic.conditioning import CHANNEL_SIZES
from lbmodels.families.livemusic.depthformer import Depthformer, DepthformerConfig, StackConfig
from lbmodels.families.livemusic.spectrostream import Decoder, Quantiser

CONFIG = DepthformerConfig(
    cond_dim=8, temporal=StackConfig(layers=2, dim=8, ff=8, heads=2, dim_per_head=4),
    depth=StackConfig(layers=1, dim=6, ff=8, heads=1, dim_per_head=6), past_window=2, levels=2, codes=8, style_width=4,
)  # fmt: skip


def keys() -> dict[str, torch.Tensor]:
    model = Depthformer(CONFIG)
    return {published.DEPTHFORMER + k.replace(".", "/"): v for k, v in model.state_dict().items()}


def test_sizes_follow_from_shapes() -> None:
    shapes = {key: tuple(value.shape) for key, value in keys().items()}
    found = published.sizes(shapes, past_window=2, levels=2, channel_sizes=CHANNEL_SIZES)
    assert found == CONFIG
    with pytest.raises(LiveBandModelError, match="not a Magenta RealTime 2 depthformer"):
        published.sizes({"a": (1,)}, past_window=2, levels=2, channel_sizes=CHANNEL_SIZES)


def test_missing_extra_and_misshapen_keys_are_named() -> None:
    """A checkpoint of another version must not half load."""
    tensors = keys()
    missing = sorted(tensors)[0]
    del tensors[missing]
    tensors[published.DEPTHFORMER + "more"] = torch.zeros(1)
    odd = published.DEPTHFORMER + "encoder/body/encoder_ln/bias"
    tensors[odd] = torch.zeros(3)
    with pytest.raises(LiveBandModelError) as refused:
        published.fit(Depthformer(CONFIG), tensors, published.DEPTHFORMER, "file.safetensors")
    text = str(refused.value)
    assert f"1 missing ({missing})" in text
    assert f"1 extra ({published.DEPTHFORMER}more)" in text
    assert f"1 misshapen ({odd} (3,) in place of (8,))" in text


def test_numbers_that_are_none_are_refused() -> None:
    tensors = keys()
    tensors[published.DEPTHFORMER + "encoder/body/encoder_ln/bias"][2] = float("nan")
    with pytest.raises(LiveBandModelError, match="not finite"):
        published.fit(Depthformer(CONFIG), tensors, published.DEPTHFORMER, "x")


def test_parameters_of_the_published_codec() -> None:
    """35.68 million in the decoder, 16.78 in the quantiser, as the published file's size says."""
    counts = [sum(p.numel() for p in part.parameters()) for part in (Decoder(), Quantiser())]
    assert [round(count / 1e6, 2) for count in counts] == [35.68, 16.78]
