# SPDX-License-Identifier: GPL-3.0-or-later
"""A codec language model that plays with LiveBand's ears: residual tokens of its latents, drawn k frames a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lbmodels.families.parts import BEAT_TRACKER, CHORD_TRACKER, CODEC, Family, Objective
from lbmodels.weights.part import Part

if TYPE_CHECKING:
    from lbmodels.band import Band
    from lbmodels.codec.rvq import ResidualQuantiser
    from lbmodels.families.codec_lm.network import CodecLm


def _rvq() -> tuple[type, Callable[[Any], ResidualQuantiser]]:
    from lbmodels.codec.rvq import ResidualQuantiser, RvqConfig

    return RvqConfig, ResidualQuantiser


def _lm() -> tuple[type, Callable[[Any], CodecLm]]:
    from lbmodels.families.codec_lm.network import CodecLm, LmConfig

    return LmConfig, CodecLm


def build(name: str, parts: Mapping[str, Any], *, weights_id: str = "", recipe: str = "") -> Band:
    """The band of these parts. Raises LiveBandModelError: they do not go together."""
    from lbmodels.band import Band
    from lbmodels.families.codec_lm.network import Player

    trackers = parts.get("beat_tracker"), parts.get("chord_tracker")
    player = Player(parts["lm"], parts["rvq"])
    return Band(name, parts["codec"], player, *trackers, weights_id=weights_id, recipe=recipe).eval()


RVQ = Part(name="rvq", kind="rvq", network=_rvq, help="the code books: latents to tokens and back")
LM = Part(name="lm", kind="codec-lm", network=_lm, help="what is heard, told and was played in, tokens out")

FAMILY = Family(
    name="codec_lm",
    parts=(CODEC, RVQ, LM, BEAT_TRACKER, CHORD_TRACKER),
    build=build,
    identity=("lm", "rvq", "beat_tracker", "chord_tracker"),
    builds_on=("liveband",),
    position="generator.trunk.position",
    # The code books and what decides between them: in 8 bits other tokens would be drawn.
    exact=(
        "codec.decoder.head.weight",
        "beat_tracker.",
        "chord_tracker.",
        "rvq.",
        "depth.expect.",
        "depth.turn.",
    ),
    objectives={"streamgen": Objective(module="lbmodels.train.streamgen")},
)
