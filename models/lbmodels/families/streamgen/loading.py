# SPDX-License-Identifier: GPL-3.0-or-later
"""An imported model from its folder's weights files."""

from __future__ import annotations

from pathlib import Path

import torch

from lbmodels.catalog import sha256
from lbmodels.config import build
from lbmodels.errors import LiveBandModelError
from lbmodels.families.streamgen import CODEC_KIND, DECODER_KIND
from lbmodels.families.streamgen.accompanist import StreamgenAccompanist
from lbmodels.families.streamgen.codec import Dac, DacConfig
from lbmodels.families.streamgen.decoder import Decoder, DecoderConfig
from lbmodels.zoo import construct, fill, read_weights


def load(name: str, codec_file: Path, decoder_file: Path) -> StreamgenAccompanist:
    """The accompanist of a folder that `liveband models import` wrote.

    Raises:
        LiveBandModelError: a file is missing, damaged, foreign, or they do not belong together.
    """
    config, tensors = read_weights(codec_file, CODEC_KIND)
    sizes = build(DacConfig, config, codec_file.name)
    codec = construct(lambda: Dac(sizes), config, tensors, codec_file.name)
    fill(codec, tensors, codec_file.name)
    config, tensors = read_weights(decoder_file, DECODER_KIND)
    decoder_sizes = build(DecoderConfig, config, decoder_file.name)
    if decoder_sizes.input_dim != sizes.latent_dim or decoder_sizes.levels > sizes.levels:
        raise LiveBandModelError(f"{codec_file.name} and {decoder_file.name} are not a pair")
    with torch.device("meta"):
        decoder = construct(lambda: Decoder(decoder_sizes), config, tensors, decoder_file.name)
    try:
        decoder.load_state_dict({key: tensor.float() for key, tensor in tensors.items()}, assign=True)
    except RuntimeError as error:
        line = " ".join(str(error).split())[:200]
        raise LiveBandModelError(
            f"weights {decoder_file.name} do not fit their configuration: {line}"
        ) from None
    decoder.eval().requires_grad_(False)
    identity = f"{sha256(decoder_file)[:12]}+{sha256(codec_file)[:6]}"
    return StreamgenAccompanist(name, codec, decoder, weights_id=identity, recipe="streamgen").eval()
