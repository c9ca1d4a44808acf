# SPDX-License-Identifier: GPL-3.0-or-later
"""StreamMusicGen: the published codec, and a language model of its tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lbmodels.families.parts import Family
from lbmodels.families.streamgen import CODEC_KIND, DECODER_KIND
from lbmodels.weights.part import Part

if TYPE_CHECKING:
    from lbmodels.families.streamgen.accompanist import StreamgenAccompanist
    from lbmodels.families.streamgen.codec import Dac
    from lbmodels.families.streamgen.decoder import Decoder


def _codec() -> tuple[type, Callable[[Any], Dac]]:
    from lbmodels.families.streamgen.codec import Dac, DacConfig

    return DacConfig, Dac


def _decoder() -> tuple[type, Callable[[Any], Decoder]]:
    from lbmodels.families.streamgen.decoder import Decoder, DecoderConfig

    return DecoderConfig, Decoder


def build(
    name: str, parts: Mapping[str, Any], *, weights_id: str = "", recipe: str = ""
) -> StreamgenAccompanist:
    """The accompanist of these parts. Raises LiveBandModelError: they do not go together."""
    from lbmodels.families.streamgen.accompanist import StreamgenAccompanist

    return StreamgenAccompanist(
        name, parts["tokens"], parts["decoder"], weights_id=weights_id, recipe=recipe
    ).eval()


FAMILY = Family(
    name="streamgen",
    parts=(
        Part(name="tokens", kind=CODEC_KIND, network=_codec, help="the autoencoder: audio to codes and back"),
        Part(name="decoder", kind=DECODER_KIND, network=_decoder, help="hears codes and plays codes"),
    ),
    build=build,
    identity=("decoder", "tokens"),
    position="cache.steps",
    graph=False,
)
