# SPDX-License-Identifier: GPL-3.0-or-later
"""Continuous autoregression with LiveBand's ears: latents drawn by a flow, so that it rests and phrases as it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lbmodels.families.parts import BEAT_TRACKER, CHORD_TRACKER, CODEC, Family, Objective
from lbmodels.weights.part import Part

if TYPE_CHECKING:
    from lbmodels.band import Band
    from lbmodels.families.cam.arrangement import Arrangement
    from lbmodels.families.cam.network import Cam


def _cam() -> tuple[type, Callable[[Any], Cam]]:
    from lbmodels.families.cam.network import Cam, CamConfig

    return CamConfig, Cam


def _arrangement() -> tuple[type, Callable[[Any], Arrangement]]:
    from lbmodels.families.cam.arrangement import Arrangement, ArrangementConfig

    return ArrangementConfig, Arrangement


def build(name: str, parts: Mapping[str, Any], *, weights_id: str = "", recipe: str = "") -> Band:
    """The band of these parts. Raises LiveBandModelError: they do not go together."""
    from lbmodels.band import Band
    from lbmodels.families.cam.network import Player

    trackers = parts.get("beat_tracker"), parts.get("chord_tracker")
    player = Player(parts["cam"], parts["arrangement"])
    return Band(name, parts["codec"], player, *trackers, weights_id=weights_id, recipe=recipe).eval()


CAM = Part(
    name="cam", kind="cam", network=_cam, help="what is heard, told and was played in, stem latents out"
)
ARRANGEMENT = Part(
    name="arrangement",
    kind="arrangement",
    network=_arrangement,
    help="what is heard and told in, when and how loud to play out",
)

FAMILY = Family(
    name="cam",
    parts=(CODEC, ARRANGEMENT, CAM, BEAT_TRACKER, CHORD_TRACKER),
    build=build,
    identity=("cam", "arrangement", "beat_tracker", "chord_tracker"),
    builds_on=("liveband", "codec_lm"),
    exact=(
        "codec.decoder.head.weight",
        "beat_tracker.",
        "chord_tracker.",
        "flow.expect.",
        "flow.velocity.",
        "choose.",
    ),
    position="generator.latents.trunk.position",
    objectives={
        "arrangement": Objective(module="lbmodels.train.arrangement"),
        "cam": Objective(module="lbmodels.train.cam"),
    },
)
